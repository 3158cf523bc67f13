"""Backtests, sweeps and reports as jobs: start, follow, cancel, read."""

from __future__ import annotations

import asyncio
from pathlib import Path as File
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from workbench.api.routes.common import answer, name_of, nothing
from workbench.services.desk_answers import Job, ReportRow, TradeRow
from workbench.services.desk_bodies import BacktestRequest, ReportRequest, SweepRequest, WalkForwardRequest
from workbench.services.history import History
from workbench.services.jobs import Jobs
from workbench.services.store_paths import strategy_of_request
from workbench.storage.home import Home, read_json

JobPath = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", examples=["0f3a5c7d9b1e"])]
ReportPath = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Kind = Literal["backtest", "sweep", "walk_forward", "report"]
# A report holds what its template computed; as a page of its own it may run nothing and load nothing.
PAGE_HEADERS = {"content-security-policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"}


def routes(home: Home, jobs: Jobs, history: History) -> APIRouter:
    """Return the routes of jobs and reports."""
    router = APIRouter(tags=["jobs"])

    @router.get("/jobs", response_model=list[Job])
    async def all_jobs(kind: Annotated[Kind | None, Query()] = None) -> Response:
        """List the jobs, the newest first, without their results."""
        return answer(jobs.rows(kind))

    @router.get("/jobs/{job}", response_model=Job)
    async def one_job(job: JobPath) -> Response:
        """Return a job: its progress, and its result when it is done."""
        return answer(await asyncio.to_thread(jobs.get, job))

    @router.get("/jobs/{job}/trades", response_model=list[TradeRow])
    async def trades(
        job: JobPath,
        limit: int = Query(100, ge=1, le=5_000),
        offset: int = Query(0, ge=0, le=100_000_000),
        order: Literal["time", "best", "worst"] = "time",
    ) -> Response:
        """Return the trades of a backtest, a part at a time; all of them are counted in ``X-Total-Count``."""
        await asyncio.to_thread(jobs.get, job)
        asked = {"path": str(jobs.trades_of(job)), "limit": limit, "offset": offset, "order": order}
        told = await asyncio.wait_for(history.read("trades", **asked), 60)
        response = answer(told["rows"])
        response.headers["x-total-count"] = str(told["total"])
        return response

    @router.post("/jobs/{job}/cancel", response_model=Job)
    async def cancel(job: JobPath) -> Response:
        """End a job that is waiting or running."""
        return answer(jobs.cancel(job))

    @router.post("/backtests", status_code=202, response_model=Job)
    async def backtest(body: BacktestRequest, request: Request) -> Response:
        """Start a backtest on stored bars."""
        inside = body.model_copy(update={"strategy": strategy_of_request(body.strategy, home)})
        return answer(jobs.start("backtest", inside.model_dump(), by=name_of(request)), 202)

    @router.post("/sweeps", status_code=202, response_model=Job)
    async def sweep(body: SweepRequest, request: Request) -> Response:
        """Start a sweep on stored bars."""
        inside = body.model_copy(update={"strategy": strategy_of_request(body.strategy, home)})
        return answer(jobs.start("sweep", inside.model_dump(), by=name_of(request)), 202)

    @router.post("/walk-forwards", status_code=202, response_model=Job)
    async def walk_forward(body: WalkForwardRequest, request: Request) -> Response:
        """Start a walk-forward on stored bars."""
        inside = body.model_copy(update={"strategy": strategy_of_request(body.strategy, home)})
        return answer(jobs.start("walk_forward", inside.model_dump(), by=name_of(request)), 202)

    @router.get("/reports", response_model=list[ReportRow])
    async def reports(limit: int = Query(100, ge=1, le=1_000)) -> Response:
        """List the reports that were run, the newest first."""
        return answer(await asyncio.to_thread(_reports, home, limit))

    @router.post("/reports", status_code=202, response_model=Job)
    async def run_report(body: ReportRequest, request: Request) -> Response:
        """Start a report from a shipped template."""
        return answer(jobs.start("report", body.model_dump(), by=name_of(request)), 202)

    @router.get(
        "/reports/{name}/page",
        response_class=Response,
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    )
    async def report_page(name: ReportPath) -> Response:
        """Return the page of one report; it runs no code and loads nothing."""
        text = await asyncio.to_thread(_page, home, name)
        if text is None:
            return nothing(f"report {name}")
        return Response(text, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)

    return router


def _reports(home: Home, limit: int) -> list[dict[str, Any]]:
    if not home.reports.is_dir():
        return []
    folders = sorted((p for p in home.reports.iterdir() if (p / "meta.json").is_file()), key=lambda p: p.name)
    rows = []
    for folder in folders[::-1][:limit]:
        meta = read_json(folder / "meta.json") or {}
        told = {name: meta.get(name, "") for name in ("template", "status", "error", "started")}
        rows.append(
            {"name": folder.name, **told, "template": File(told["template"]).stem, "seconds": meta.get("seconds", 0)}
        )
    return rows


def _page(home: Home, name: str) -> bytes | None:
    path = home.reports / name / "report.html"
    if not path.is_file() or not path.resolve().is_relative_to(home.reports.resolve()):
        return None
    return path.read_bytes()
