"""What the monitoring page shows: dead is shown as dead, unknown as unknown, the newest first."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.fakes.desk import FakeDesk
from workbench.apps import monitoring_rows as rows
from workbench.apps.feed import DeskFeed
from workbench.apps.monitoring import MonitoringPage

Json = dict[str, Any]


@pytest.fixture
async def snapshot() -> Json:
    return await FakeDesk().snapshot()


async def test_every_process_has_a_row_with_state_pid_and_restarts(snapshot: Json) -> None:
    snapshot["accounts"][0]["runner"].update(state="lost", restarts=3, age_s=42.4, reason="killed: it hung")
    desk, ingest, runner = rows.process_rows(snapshot, 0.2)
    assert desk.cells[:3] == ["desk", ("● running", "ok"), "4242"]
    assert ingest.cells[:3] == ["ingest", ("● running", "ok"), "4300"]
    assert runner.cells[:5] == ["runner 1001", ("✖ lost", "alarm"), "4711", ("3", "warn"), "42 s"]
    assert runner.cells[6] == "killed: it hung"


async def test_a_desk_that_says_nothing_is_lost_whatever_it_said_last(snapshot: Json) -> None:
    assert rows.process_rows(snapshot, 60.0)[0].cells[1] == ("✖ lost", "alarm")


async def test_a_stale_line_and_a_stream_that_is_down_say_so_in_words_and_shape(snapshot: Json) -> None:
    snapshot["data"][0].update(state="stale", age_s=74.0, last_price=6842.25)
    snapshot["streams"][0]["up"] = False
    down, up, line = rows.line_rows(snapshot)
    assert (down.cells[1], up.cells[1]) == (("✖ down", "alarm"), ("● up", "ok"))
    assert line.cells[:4] == ["MES Z26 1m", ("▲ stale", "warn"), "74 s", "6,842.25"]


async def test_exposure_that_a_runner_did_not_tell_is_a_dash_and_the_sum_comes_last(snapshot: Json) -> None:
    other = {**snapshot["accounts"][0], "account": 1002, "name": "second", "equity_usd": None, "day_pnl_usd": None}
    snapshot["accounts"].append(other)
    told = {"accounts": [{"account": 1001, "notional_usd": 68_422.5, "micros": 2, "worst_micros": 4}]}
    told["sum"] = {"equity_usd": None, "notional_usd": None, "day_pnl_usd": -12.5}  # type: ignore[assignment]
    first, second, total = rows.account_rows(snapshot, told)
    assert first.cells[4:] == ["68,422.50", "2", "4"]
    assert second.cells[1] is None and second.cells[2] == ("–", "") and second.cells[4] is None
    assert total.cells[0] == "all accounts" and total.cells[2] == ("−12.50", "down")


async def test_the_newest_alert_stands_on_top(snapshot: Json) -> None:
    snapshot["alerts"] = [{"at": 1, "level": "info", "text": "a"}, {"at": 9, "level": "critical", "text": "b"}]
    assert [(row.cells[1], row.cells[3]) for row in rows.alert_rows(snapshot)] == [
        (("✖ alarm", "alarm"), "b"),
        (("■ info", "info"), "a"),
    ]


def test_the_latch_says_who_stopped_what_and_why() -> None:
    stop = {"latched": True, "accounts": [1001], "at": 1_796_135_400_000_000_000, "by": "ann", "reason": "news"}
    assert rows.latch_text(stop) == ("LATCHED for 1001 since 12-01 08:30:00 CT by ann: news", "alarm")
    assert (
        rows.latch_text({"latched": False, "last_result": {"result": "FLAT"}})[0]
        == "not latched; the last stop ended FLAT"
    )


@pytest.fixture
def log() -> list[Json]:
    return [
        {"at": 10**18 - n, "who": "ann" if n % 2 else "bob", "what": f"POST /api/{n}", "source": "cli", "details": {}}
        for n in range(60)
    ]


def test_the_audit_log_is_searched_by_all_words(log: list[Json]) -> None:
    found = rows.audit_rows(log, "ANN /api/1")
    assert [row.cells[2] for row in found] == [f"POST /api/{n}" for n in (1, 11, 13, 15, 17, 19)]


async def test_the_audit_log_goes_out_page_by_page(log: list[Json], monkeypatch: pytest.MonkeyPatch) -> None:
    feed = DeskFeed(lambda: ("http://127.0.0.1:1", "x"))
    feed.snapshot, feed.heard_at, feed.error = await FakeDesk().snapshot(), time.monotonic(), ""
    page, sent = MonitoringPage(feed), []
    monkeypatch.setattr(page.audit, "_send_msg", sent.append)
    page._log = log
    page.push()
    await page._audit("page", "2", {})
    assert (sent[0]["total"], len(sent[0]["rows"]), sent[0]["rows"][0]["cells"][2]) == (60, 25, "POST /api/0")
    assert (sent[1]["page"], len(sent[1]["rows"]), sent[1]["rows"][0]["cells"][2]) == (2, 10, "POST /api/50")
    await page._audit("find", "bob", {})
    assert (sent[2]["page"], sent[2]["total"]) == (0, 30), "a search begins at its first page"
