"""The reports page without a browser: rows, typed values, what it asks of the desk, and the frame's own address."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.apps import reports_rows as rows
from workbench.apps.feed import DeskFeed, DeskRefusedPage
from workbench.apps.guard import PageGuard
from workbench.apps.reports import ReportsPage, add_report_route
from workbench.domain.errors import InputError

TOKEN = "the-full-token-of-this-test"
WEEK = {
    "name": "week",
    "title": "Which?",
    "parameters": [
        {"name": "until", "default": '""', "help": "date"},
        {"name": "days", "default": "7", "help": "calendar days"},
        {"name": "compare", "default": "True", "help": ""},
    ],
}
REPORT = {"name": "20261123T150000Z_week_ab12", "template": "week", "title": "Which?", "about": "a to b",
          "status": "ok", "error": "", "started": "2026-11-23T15:00:00+00:00", "seconds": 6.4,
          "schedule": ""}  # fmt: skip
JOB = {"id": "0f3a5c7d9b1e", "state": "running", "asked": {"template": "data"}, "by": "desk", "created_at": 0,
       "started_at": 2_000_000_000}  # fmt: skip


# --- what is shown ---


def test_a_default_is_shown_as_a_person_would_type_it_and_goes_back_as_its_kind() -> None:
    shown = rows.form([WEEK])
    assert [(p["name"], p["value"], p["number"]) for p in shown["templates"][0]["parameters"]] == [
        ("until", "", False), ("days", "7", True), ("compare", "True", True),
    ]  # fmt: skip
    typed = rows.parameters(WEEK, {"until": "2026-11-27", "days": "14", "compare": "false"})
    assert typed == {"until": "2026-11-27", "days": 14, "compare": False}
    with pytest.raises(InputError, match="days must be a number, not 'two'"):
        rows.parameters(WEEK, {"days": "two"})


def test_what_is_being_made_stands_first_and_a_status_has_a_word_and_a_shape() -> None:
    failed = {**REPORT, "name": "b", "status": "failed", "error": "ValueError: no (cell 3)", "schedule": "close"}
    shown = rows.report_rows([REPORT, failed], [JOB, {**JOB, "id": "x", "state": "done"}], 5_000_000_000)
    assert [row.id for row in shown] == ["job:0f3a5c7d9b1e", REPORT["name"], "b"]
    assert shown[0].cells == [("◔ being made", "info"), "data", "now", "desk", "3 s"]
    assert shown[1].cells == [("✓ complete", "ok"), "Which? · a to b", "2026-11-23 09:00", "a person", "6 s"]
    assert shown[2].cells[0] == ("✖ failed", "alarm") and "ValueError: no (cell 3)" in str(shown[2].cells[1])
    assert shown[2].cells[3] == "close"


def test_a_schedule_shows_when_it_is_due_next_and_how_the_last_one_went() -> None:
    run = {"due": 1_795_471_800_000_000_000, "status": "failed", "report": "r", "error": "no", "tries": 2}
    schedule = {
        "name": "evening",
        "template": "session",
        "due": "close + 10 min of MES",
        "next_due": None,
        "last": None,
    }
    new, old = rows.schedule_rows([schedule, {**schedule, "next_due": run["due"] + 86_400_000_000_000, "last": run}])
    assert new.cells[3] == ("no scheduler has seen it yet", "warn") and [a.verb for a in new.acts] == ["remove"]
    assert old.cells[3] == "Tue 2026-11-24 16:10"
    assert old.cells[4] == ("✖ failed · Mon 2026-11-23 16:10 · no", "alarm")
    assert [a.verb for a in old.acts] == ["open:r", "remove"]


# --- what is asked of the desk ---


class Feed:
    """Answers what the page asks, and keeps it."""

    def __init__(self) -> None:
        self.snapshot: dict[str, Any] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, Any] = {
            "/api/reports": [REPORT], "/api/jobs": [], "/api/reports/schedules": [], "/api/reports/templates": [WEEK],
        }  # fmt: skip

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((method, path, options.get("json")))
        if (method, path) == ("POST", "/api/reports"):
            return {**JOB, "state": "queued"}
        return self.answers.get(path, {})


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> tuple[ReportsPage, Feed, dict[str, list[Any]]]:
    feed = Feed()
    made, sent = ReportsPage(feed), dict[str, list[Any]]()  # type: ignore[arg-type]
    made._templates = [WEEK]
    for name in ("nav", "viewer", "form", "reports", "schedules"):
        told = sent.setdefault(name, [])
        monkeypatch.setattr(type(getattr(made, name)), "show", lambda self, message, told=told: told.append(message))
        monkeypatch.setattr(getattr(made, name), "show", told.append, raising=False)
    return made, feed, sent


async def test_a_report_is_run_with_what_was_changed_and_opened_when_it_is_there(page: Any) -> None:
    made, feed, sent = page
    await made._formed(SimpleNamespace(data={"act": "run", "template": "week", "values": {"days": "14"}}))
    assert ("POST", "/api/reports", {"template": "week", "parameters": {"days": 14}}) in feed.asked
    done = {**JOB, "state": "done", "result": {"name": REPORT["name"], "status": "ok", "error": ""}}
    feed.answers |= {"/api/jobs": [done], f"/api/jobs/{JOB['id']}": done}
    await made._refresh()
    assert sent["viewer"][-1]["path"] == f"/report/{REPORT['name']}" and "a to b" in sent["viewer"][-1]["said"]
    await made._refresh()
    assert len(sent["viewer"]) == 1  # opened once


async def test_a_report_that_could_not_be_made_is_told(page: Any) -> None:
    made, feed, sent = page
    made._asked = {JOB["id"]}
    over = {**JOB, "state": "failed", "result": None, "error": "its process ended"}
    feed.answers |= {"/api/jobs": [over], f"/api/jobs/{JOB['id']}": over}
    await made._refresh()
    assert sent["nav"][-1] == {"told": "the report was not made: its process ended", "tone": "alarm"}


async def test_a_schedule_is_asked_for_and_wrong_words_are_told(page: Any) -> None:
    made, feed, sent = page
    words = {"act": "schedule", "template": "week", "values": {}, "due": "@weekly", "name": "w", "keep": "5"}
    await made._formed(SimpleNamespace(data=words))
    body = {"name": "w", "template": "week", "due": "@weekly", "keep": 5, "parameters": {}}
    assert ("POST", "/api/reports/schedules", body) in feed.asked
    await made._formed(SimpleNamespace(data=words | {"keep": "many"}))
    assert sent["nav"][-1]["tone"] == "alarm" and "keep must be a whole number" in sent["nav"][-1]["told"]
    await made._act_on_schedule("remove", "w", {})
    assert ("DELETE", "/api/reports/schedules/w", None) in feed.asked


async def test_a_job_is_cancelled_and_a_row_opened(page: Any) -> None:
    made, feed, sent = page
    await made._refresh()
    await made._act("cancel", f"job:{JOB['id']}", {})
    assert ("POST", f"/api/jobs/{JOB['id']}/cancel", None) in feed.asked
    await made._act("pick", str(REPORT["name"]), {})
    assert len(sent["viewer"]) == 1
    with pytest.raises(InputError, match="not there any more"):
        await made._act("open", "gone", {})


# --- the report's own address ---


async def test_a_report_is_served_at_the_dashboards_origin_and_may_run_nothing() -> None:
    fake = FakeDesk()
    folder = fake.home.reports / str(REPORT["name"])
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps(REPORT))
    (folder / "report.html").write_text("<!doctype html><p>hello")
    with serving(build_app(fake, token=TOKEN)) as url:
        api, feed = FastAPI(), DeskFeed(lambda: (url, TOKEN))
        add_report_route(api, feed)
        transport = httpx.ASGITransport(app=PageGuard(api, token="page"))
        async with feed._http, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8421") as client:
            assert (await client.get(f"/report/{REPORT['name']}")).status_code == 403  # without the cookie
            mine = {"authorization": "Bearer page"}
            shown = await client.get(f"/report/{REPORT['name']}", headers=mine)
            assert shown.text == "<!doctype html><p>hello" and TOKEN not in shown.text
            policies = shown.headers.get_list("content-security-policy")
            assert any(p.startswith("sandbox;") and "script" not in p for p in policies)
            for name in ("none", "..%2f..%2fapi", "%2e%2e"):
                assert (await client.get(f"/report/{name}", headers=mine)).status_code == 404


async def test_text_of_the_desk_raises_as_json_does() -> None:
    with serving(build_app(FakeDesk(), token=TOKEN)) as url:
        feed = DeskFeed(lambda: (url, TOKEN))
        async with feed._http:
            with pytest.raises(DeskRefusedPage, match="none"):
                await feed.text("/api/reports/none/page")
