"""The log of the live desk: each signal at the bar that gave it, alerts and signals by one clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.desk import FakeDesk
from workbench.apps import live_rows as rows
from workbench.apps import monitoring_rows

Json = dict[str, Any]
S = 1_000_000_000
EIGHT_THIRTY = 1_796_135_400 * S  # 1 December 2026, 08:30 in Chicago
WALL = EIGHT_THIRTY - 7 * 86_400 * S


@pytest.fixture
async def snapshot() -> Json:
    made = {**await FakeDesk().snapshot(), "at": EIGHT_THIRTY + 600 * S, "wall": WALL, "alerts": []}
    made["sessions"] = [{**made["sessions"][0], "last_signal": "entry.short", "last_bar_end": EIGHT_THIRTY + 300 * S}]
    return made


def said(at_s: int, rule: str) -> Json:
    return {"session": "sma-cross-1", "account": 1001, "at": EIGHT_THIRTY + at_s * S, "rule": rule}


async def test_a_signal_keeps_the_time_of_its_bar_while_bars_go_on(snapshot: Json) -> None:
    snapshot["signals"] = [said(0, "entry.long"), said(60, "entry.short")]
    told = [("08:31:00", "entry.short"), ("08:30:00", "entry.long")]
    assert [(r.cells[0], r.cells[3]) for r in rows.signal_rows(snapshot)] == told
    snapshot["sessions"][0]["last_bar_end"] += 180 * S
    assert [(r.cells[0], r.cells[3]) for r in rows.signal_rows(snapshot)] == told


async def test_a_signal_whose_bar_is_not_known_says_so(snapshot: Json) -> None:
    (row,) = rows.signal_rows(snapshot)
    assert row.cells[0] == "≤ 08:35:00" and row.cells[3] == "entry.short"


async def test_alerts_stand_among_the_signals_by_market_time(snapshot: Json) -> None:
    snapshot["signals"] = [said(0, "entry.long"), said(120, "exit.long")]
    snapshot["alerts"] = [
        {"at": WALL, "market_at": EIGHT_THIRTY + 60 * S, "level": "warning", "text": "a stop was moved"},
        {"at": WALL + S, "market_at": EIGHT_THIRTY + 180 * S, "level": "info", "text": "paused"},
    ]
    made = [(r.cells[0], r.cells[3]) for r in rows.signal_rows(snapshot)]
    assert made == [
        ("08:33:00", "paused"),
        ("08:32:00", "exit.long"),
        ("08:31:00", "a stop was moved"),
        ("08:30:00", "entry.long"),
    ]


async def test_an_alert_without_a_market_time_says_that_its_time_is_the_walls(snapshot: Json) -> None:
    snapshot["signals"] = [said(0, "entry.long")]
    snapshot["alerts"] = [
        {"at": WALL - S, "market_at": None, "level": "info", "text": "the journal was mended"},
        {"at": WALL, "market_at": EIGHT_THIRTY + 60 * S, "level": "info", "text": "started"},
    ]
    made = [(r.cells[0], r.cells[3]) for r in rows.signal_rows(snapshot)]
    assert made == [
        ("08:31:00", "started"),
        ("08:30:00", "entry.long"),
        ("08:29:59 wall", "the journal was mended"),
    ]


def test_the_monitor_shows_both_clocks_of_an_alert_each_in_its_column() -> None:
    alerts = [{"at": WALL, "market_at": EIGHT_THIRTY + 60 * S, "level": "info", "text": "started"}]
    (row,) = monitoring_rows.alert_rows({"alerts": alerts})
    heads = [head.title for head in monitoring_rows.ALERT_HEADS]
    told = dict(zip(heads, row.cells, strict=True))
    assert told["Market CT"] == "12-01 08:31:00" and told["Wall CT"] == "11-24 08:30:00"
