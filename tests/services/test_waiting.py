"""A session that cannot go on says what it waits for and until when: the clock, the open, its warm-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.desk_values import Session
from workbench.services.clock import MarketClock
from workbench.services.desk_view import DeskView
from workbench.services.waiting import STANDS, waits_for
from workbench.storage.home import Home

CHICAGO_WINTER = timedelta(hours=6)


def chicago(day: int, clock: str) -> int:
    """An instant of December 2026, a winter month, in UTC ns."""
    hour, minute = map(int, clock.split(":"))
    return int((datetime(2026, 12, day, hour, minute, tzinfo=UTC) + CHICAGO_WINTER).timestamp()) * 10**9


def row(**changes: Any) -> dict[str, Any]:
    return {
        "session": "s1", "strategy": "sma_cross", "version": "v", "account": 1001, "contract": "CON.F.US.MES.Z26",
        "timeframe": "1m", "state": "running", "reason": "", "bars": 31, "warm_bars": 31,
        "last_bar_end": chicago(1, "10:00"), "started_at": chicago(1, "09:59"), **changes,
    }  # fmt: skip


def test_in_an_open_market_a_running_session_waits_for_nothing() -> None:
    assert waits_for(row(), chicago(1, "10:00")) is None


@pytest.mark.parametrize("state", ["running", "warming", "waiting"])
def test_a_clock_that_stands_still_is_said_with_what_lets_it_go_on(state: str) -> None:
    told = waits_for(row(state=state), chicago(1, "10:00"), stands=True)
    assert told == STANDS and "stands still" in told and 'stack.control("clock", {"resume": True})' in told


@pytest.mark.parametrize("state", ["paused", "ended"])
def test_what_a_person_has_paused_or_ended_waits_for_nothing(state: str) -> None:
    assert waits_for(row(state=state), chicago(5, "12:00"), stands=True) is None


@pytest.mark.parametrize(
    ("now", "opens"),
    [((1, "16:30"), "Tue 01 Dec 17:00"), ((4, "16:00"), "Sun 06 Dec 17:00"), ((5, "12:00"), "Sun 06 Dec 17:00")],
)
def test_a_closed_market_is_named_with_its_open(now: tuple[int, str], opens: str) -> None:
    assert waits_for(row(), chicago(*now)) == f"the market is closed until {opens} Chicago"


def test_a_warm_up_says_how_many_bars_and_by_when() -> None:
    seen = row(state="warming", bars=3)
    assert waits_for(seen, chicago(1, "10:00")) == "28 more 1m bars: Tue 10:28 Chicago at the earliest"
    five = row(state="warming", bars=30, timeframe="5m")
    assert waits_for(five, chicago(1, "10:01")) == "1 more 5m bar: Tue 10:05 Chicago at the earliest"


def test_a_warm_up_over_the_daily_break_goes_on_after_it() -> None:
    late = row(state="warming", bars=0, last_bar_end=chicago(1, "15:50"))
    assert waits_for(late, chicago(1, "15:50")) == "31 more 1m bars: Tue 17:21 Chicago at the earliest"


def test_before_its_first_bar_history_may_come() -> None:
    fresh = row(state="warming", bars=0, warm_bars=140, last_bar_end=None, started_at=chicago(1, "08:20"))
    told = "140 more 1m bars: from history now, else Tue 10:40 Chicago at the earliest"
    assert waits_for(fresh, chicago(1, "08:20")) == told
    assert waits_for(fresh | {"timeframe": "1d"}, chicago(1, "08:20")) is None, "a day has no length in minutes"


def test_what_the_calendar_does_not_know_is_not_guessed() -> None:
    assert waits_for(row(contract="CON.F.US.NOSUCH.Z26"), chicago(1, "10:00")) is None


@pytest.mark.parametrize(("rate", "lockstep", "told"), [(0.0, False, STANDS), (0.0, True, None), (60.0, False, None)])
def test_the_desk_adds_it_to_every_row_that_it_shows(tmp_path: Path, rate: float, lockstep: bool, told: Any) -> None:
    clock = MarketClock()
    clock.announce(chicago(1, "10:00"), rate, 1, lockstep)
    desk: Any = SimpleNamespace(clock=clock, runners={1001: SimpleNamespace(channel=object())}, home=Home(tmp_path))
    (shown,) = DeskView(desk).sessions(1001, {"sessions": [row()]})
    assert shown["waits_for"] == told


def test_what_a_start_returns_says_it_on_paper_and_on_screen() -> None:
    told = Session.from_row(SimpleNamespace(), row(waits_for=STANDS))  # type: ignore[arg-type]
    assert "s1: running (the market clock of the simulator stands still" in repr(told)
    assert "stands still" in told._repr_html_()
    warm = row(state="warming", reason="warming up: 3 of 31 bars", waits_for="28 more 1m bars")
    assert "warming (warming up: 3 of 31 bars; 28 more 1m bars)" in repr(Session.from_row(told.desk, warm))
