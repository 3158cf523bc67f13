"""Backtests and sweeps as jobs: start, follow, cancel, read; a report is one, too (`routes.reports`)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from workbench.api.routes.common import answer, name_of
from workbench.services.desk_bodies import BacktestRequest, SweepRequest, WalkForwardRequest
from workbench.services.history import History
from workbench.services.jobs import Jobs
from workbench.services.store_paths import strategy_of_request
from workbench.services.strategy_answers import Job, TradeRow
from workbench.storage.home import Home

JobPath = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", examples=["0f3a5c7d9b1e"])]
Kind = Literal["backtest", "sweep", "walk_forward", "report"]


def routes(home: Home, jobs: Jobs, history: History) -> APIRouter:
    """Return the routes of jobs."""
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
        order: Literal["time", "newest", "best", "worst"] = "time",
    ) -> Response:
        """Return the trades of a backtest, a part at a time; all of them are counted in ``X-Total-Count``."""
        await asyncio.to_thread(jobs.get, job)
        asked = {"path": str(jobs.trades_of(job)), "limit": limit, "offset": offset, "order": order}
        async with asyncio.timeout(60):
            told = await history.read("trades", **asked)
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

    return router
