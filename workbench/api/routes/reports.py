"""Reports and their schedules: run, list, read, keep, remove."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from workbench.api.routes.common import answer, name_of, nothing
from workbench.services.desk_bodies import ReportRequest
from workbench.services.jobs import Jobs
from workbench.services.report_answers import ReportSchedule, ReportTemplate, ScheduleRequest
from workbench.services.report_index import list_reports
from workbench.services.report_templates import require_template, shipped_templates
from workbench.services.schedule_store import Schedule, Schedules
from workbench.services.strategy_answers import Job, ReportRow
from workbench.storage.database import Database
from workbench.storage.home import Home

ReportPath = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
SchedulePath = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
# A report holds what its template computed; as a page of its own it may run nothing and load nothing.
PAGE_HEADERS = {"content-security-policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"}


def routes(home: Home, jobs: Jobs) -> APIRouter:
    """Return the routes of reports and schedules."""
    router, store = APIRouter(tags=["reports"]), Schedules(Database(home))

    @router.get("/reports", response_model=list[ReportRow])
    async def reports(limit: int = Query(100, ge=1, le=1_000)) -> Response:
        """List the reports that were run, the newest first."""
        return answer(await asyncio.to_thread(list_reports, home.reports, limit))

    @router.post("/reports", status_code=202, response_model=Job)
    async def run_report(body: ReportRequest, request: Request) -> Response:
        """Start a report from a shipped template."""
        return answer(jobs.start("report", body.model_dump(), by=name_of(request)), 202)

    @router.get("/reports/templates", response_model=list[ReportTemplate])
    async def report_templates() -> Response:
        """List the shipped templates with their parameters."""
        return answer(await asyncio.to_thread(shipped_templates))

    @router.get("/reports/schedules", response_model=list[ReportSchedule])
    async def schedules() -> Response:
        """List the schedules with their next due time and how the last report went."""
        return answer(await asyncio.to_thread(_schedules, store))

    @router.post("/reports/schedules", status_code=201, response_model=ReportSchedule)
    async def add_schedule(body: ScheduleRequest, request: Request) -> Response:
        """Keep a schedule; it counts from now on."""
        made = Schedule(**body.model_dump(), person=name_of(request))
        await asyncio.to_thread(_add, store, made)
        return answer({**made.as_row(), "last": None}, 201)

    @router.delete("/reports/schedules/{name}", response_model=list[ReportSchedule])
    async def remove_schedule(name: SchedulePath) -> Response:
        """Remove a schedule; its reports stay. Returns those that are left."""
        await asyncio.to_thread(store.remove, name)
        return answer(await asyncio.to_thread(_schedules, store))

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


def _schedules(store: Schedules) -> list[dict[str, Any]]:
    runs = store.last_runs()
    return [{**schedule.as_row(), "last": runs.get(schedule.name)} for schedule in store.all()]


def _add(store: Schedules, schedule: Schedule) -> None:
    require_template(schedule.template, schedule.parameters)
    store.add(schedule)


def _page(home: Home, name: str) -> bytes | None:
    path = home.reports / name / "report.html"
    if not path.is_file() or not path.resolve().is_relative_to(home.reports.resolve()):
        return None
    return path.read_bytes()
