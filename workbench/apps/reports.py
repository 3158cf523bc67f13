"""Reports: read them, run one now, have them made by the clock."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from workbench.apps import reports_rows as rows
from workbench.apps.chart import script
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid
from workbench.apps.parts import Shown
from workbench.apps.visit import Visit
from workbench.domain.errors import InputError, WorkbenchError

ASK_S = 2.0
SLOW_S = 30.0  # the first question opens the database, and may bring it up to date
MARGIN = (0, 10, 10, 10)
# What a report computed may run nothing and load nothing, wherever it is opened.
PAGE_HEADERS = {"content-security-policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"}
Json = dict[str, Any]


class ReportForm(Shown):
    """Which report, with which values, now or by the clock."""

    _esm = script("theme.js", "report_form.js")


class ReportView(Shown):
    """One report in a frame that may run nothing."""

    _esm = script("theme.js", "report_view.js")


class ReportsPage(Visit):
    """The reports of the desk."""

    name = "reports"

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        self.form, self.viewer = ReportForm(), ReportView()
        self.reports = Grid(
            title="Reports", by_time=True, searchable=True, selectable=True, on_act=self._act, tell=self.tell
        )
        self.schedules = Grid(title="By the clock", on_act=self._act_on_schedule, tell=self.tell)
        self._templates: list[Json] = []
        self._known: dict[str, Json] = {}
        self._asked: set[str] = set()  # jobs that were started here and are not over
        self._told = ""

    def body(self) -> list[Any]:
        """Return the form, the schedules, the list, and the report that is open."""
        self.form.on_msg(self._formed)
        self.viewer.on_msg(self._closed)
        parts = [self.reports, self.viewer, self.form, self.schedules]
        for part in parts:
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        return parts

    def push(self) -> None:
        """Nothing hangs on the snapshot but the header."""

    async def loaded(self) -> None:
        """Fetch templates, reports and schedules, and follow them."""
        while True:
            try:
                if not self._templates:
                    self._templates = await self.feed.ask("GET", "/api/reports/templates", timeout=SLOW_S)
                    self.form.show(rows.form(self._templates))
                await self._refresh()
                if self._told:
                    self._told = ""
                    self.tell("")
            except WorkbenchError as error:
                if str(error) != self._told:
                    self._told = str(error)
                    self.tell(self._told, "alarm")
            await asyncio.sleep(ASK_S)

    async def _refresh(self) -> None:
        jobs = await self.feed.ask("GET", "/api/jobs", params={"kind": "report"})
        reports = await self.feed.ask("GET", "/api/reports", params={"limit": 500})  # after: one that is over is there
        schedules = await self.feed.ask("GET", "/api/reports/schedules", timeout=SLOW_S)
        self._known = {report["name"]: report for report in reports}
        going = sum(job["state"] in rows.UNDER_WAY for job in jobs)
        note = f"{len(reports)} kept" + (f", {going} being made" if going else "")
        self.reports.rows(
            rows.REPORT_HEADS, rows.report_rows(reports, jobs, time.time_ns()), note=note, page_size=10,
            empty="No report has been run yet: run one below.",
        )  # fmt: skip
        self.schedules.rows(
            rows.SCHEDULE_HEADS, rows.schedule_rows(schedules),
            empty="Nothing is made by the clock yet: “By the clock …” above adds a schedule.",
        )  # fmt: skip
        for job in jobs:
            if job["id"] in self._asked and job["state"] not in rows.UNDER_WAY:
                self._asked.discard(job["id"])
                await self._over(job)

    async def _over(self, job: Json) -> None:
        # What was asked for here is opened when it is there; a failed report is one to read, too.
        full = await self.feed.ask("GET", f"/api/jobs/{job['id']}")
        made = (full["result"] or {}).get("name")
        if made is None:
            self.tell(f"the report was not made: {full['error'] or full['state']}", "alarm")
            return
        failed = full["result"]["status"] != "ok"
        self.tell(f"the report failed: {full['result']['error']}" if failed else "the report is there",
                  "alarm" if failed else "ok")  # fmt: skip
        self._open(made)

    def _open(self, name: str) -> None:
        report = self._known.get(name)
        if report is None:
            raise InputError(f"report {name} is not there any more")
        word, _ = rows.STATUS.get(report["status"], (report["status"], ""))
        said = " · ".join(filter(None, (word, report["about"], rows.created(report["started"]))))
        self.viewer.show({"path": f"/report/{name}", "title": report["title"] or report["template"], "said": said})

    # Every callback is async: sync ones run in a thread without a loop from Panel 1.10 on.

    async def _act(self, verb: str, row: str, values: dict[str, str]) -> None:
        if verb == "open" or (verb == "pick" and row in self._known):
            self._open(row)
        elif verb == "cancel":
            await self.feed.ask("POST", f"/api/jobs/{row.removeprefix('job:')}/cancel")
            await self._refresh()

    async def _act_on_schedule(self, verb: str, row: str, values: dict[str, str]) -> None:
        if verb.startswith("open:"):
            self._open(verb.removeprefix("open:"))
        elif verb == "remove":
            await self.feed.ask("DELETE", f"/api/reports/schedules/{row}")
            self.tell(f"schedule {row} is removed; its reports stay", "ok")
            await self._refresh()

    async def _formed(self, event: Any) -> None:
        message = dict(event.data)
        try:
            if message.get("act") == "hello" and self._templates:
                self.form.show(rows.form(self._templates))
            elif message.get("act") == "run":
                await self._run(message)
            elif message.get("act") == "schedule":
                await self._schedule(message)
        except WorkbenchError as error:
            self.tell(str(error), "alarm")

    async def _run(self, message: Json) -> None:
        body = {"template": str(message["template"]), "parameters": self._values(message)}
        job = await self.feed.ask("POST", "/api/reports", json=body)
        self._asked.add(job["id"])
        self.tell(f"{body['template']} is being made; it opens when it is there", "")
        await self._refresh()

    async def _schedule(self, message: Json) -> None:
        try:
            keep = int(message["keep"])
        except ValueError:
            raise InputError(f"keep must be a whole number, not {message['keep']!r}") from None
        body = {"name": message["name"], "template": message["template"], "due": message["due"], "keep": keep,
                "parameters": self._values(message)}  # fmt: skip
        await self.feed.ask("POST", "/api/reports/schedules", json=body)
        self.tell(f"schedule {body['name']} is kept; it counts from now on", "ok")
        await self._refresh()

    def _values(self, message: Json) -> dict[str, Any]:
        template = next((t for t in self._templates if t["name"] == message["template"]), None)
        if template is None:
            raise InputError(f"there is no report template {message['template']}")
        return rows.parameters(template, {str(k): str(v) for k, v in dict(message["values"]).items()})

    async def _closed(self, event: Any) -> None:
        """The browser has put the report away itself."""


def add_report_route(api: FastAPI, feed: DeskFeed) -> None:
    """Serve reports at the dashboard's own origin, so that its cookie opens them and the desk's token stays here."""

    @api.get("/report/{name}")
    async def report(name: str) -> Response:
        if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
            return JSONResponse({"error": "this is no name of a report"}, status_code=404)
        try:
            text = await feed.text(f"/api/reports/{name}/page")
        except WorkbenchError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        return Response(text, media_type="text/html; charset=utf-8", headers=PAGE_HEADERS)


page = ReportsPage
