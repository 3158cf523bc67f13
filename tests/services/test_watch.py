"""What a runner watches: jumps of the clock, silence of the market, and the sleep of the machine."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.services.test_runner_verbs import Desk as LoneRunner
from workbench.commands.session import app as sessions
from workbench.domain import events as e
from workbench.services.awake import CANNOT, Awake
from workbench.services.clock import MarketClock, running_ns
from workbench.services.clock_watch import STILL_S, ClockWatch
from workbench.services.data_watch import DataWatch
from workbench.services.open_hours import OpenHours
from workbench.services.watch import Watch
from workbench.storage.presence import note_presence

MES = "CON.F.US.MES.Z26"
SECOND = 10**9


class Clocks:
    """A wall clock and a monotonic one, both by hand."""

    def __init__(self) -> None:
        self.wall, self.mono = 1_795_099_500.0, 100.0
        self.jumps: list[float] = []
        self.watch = ClockWatch(self.jumps.append, wall=lambda: self.wall, mono=lambda: self.mono)

    def passes(self, wall: float, mono: float) -> None:
        self.wall, self.mono = self.wall + wall, self.mono + mono
        self.watch.look()


@pytest.mark.statement(53)
@pytest.mark.parametrize("jump", [7200.0, -7200.0, 3.0])
def test_a_wall_clock_that_is_set_is_told_once_with_its_sign(jump: float) -> None:
    clocks = Clocks()
    clocks.passes(1.0, 1.0)
    clocks.passes(1.0 + jump, 1.0)
    clocks.passes(1.0, 1.0)
    assert clocks.jumps == [pytest.approx(jump)]


@pytest.mark.statement(53)
def test_a_computer_that_slept_is_told_by_how_long() -> None:
    clocks = Clocks()
    clocks.passes(3600.0, 1.0)  # the monotonic clock sleeps with it
    assert clocks.jumps == [pytest.approx(3599.0)]


@pytest.mark.statement(53)
def test_a_process_that_was_held_still_for_half_a_minute_is_told_and_a_busy_machine_is_not() -> None:
    clocks = Clocks()
    clocks.passes(8.0, 8.0)
    assert clocks.jumps == []
    clocks.passes(STILL_S + 2, STILL_S + 2)
    assert clocks.jumps == [STILL_S + 2]


@given(st.lists(st.floats(-0.5, 0.5), max_size=50))
def test_a_clock_that_is_only_disciplined_never_jumps(slews: list[float]) -> None:
    clocks = Clocks()
    for slew in slews:
        clocks.passes(1.0 + slew, 1.0)
    assert clocks.jumps == []


@pytest.mark.statement(53)
def test_the_market_clock_does_not_follow_a_wall_clock_that_is_set_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    at = {"wall": 1_795_099_500 * SECOND, "mono": 5 * SECOND}
    monkeypatch.setattr(time, "time_ns", lambda: at["wall"])
    monkeypatch.setattr(time, "monotonic_ns", lambda: at["mono"])
    clock, begin = MarketClock(), at["wall"]
    for _ in range(100):  # disciplined by a tenth of a second in each second: followed
        at["wall"], at["mono"] = at["wall"] + 11 * SECOND // 10, at["mono"] + SECOND
        assert clock.now() == at["wall"]
    steady = at["wall"]
    at["wall"], at["mono"] = at["wall"] + 7200 * SECOND, at["mono"] + SECOND
    # Two hours ahead would roll the trading date, and the daily loss with it.
    assert abs(clock.now() - steady - SECOND) < SECOND // 10
    at["wall"], at["mono"] = at["wall"] - 7200 * SECOND, at["mono"] + SECOND
    assert steady <= clock.now() < begin + 200 * SECOND


def test_time_runs_on_whatever_the_wall_says() -> None:
    assert running_ns() <= running_ns()


@pytest.mark.statement(53)
async def test_a_jump_blocks_entries_with_an_alarm_and_drops_what_was_about_to_leave(tmp_path: Path) -> None:
    made = LoneRunner(tmp_path)
    watch = Watch(made.runner, lambda contract: True)
    made.runner.start()
    watch._jumped(-7200.0)
    while (event := made.runner.lanes.take()) is not None:
        made.runner.take(event)
    assert any("clock" in reason for reason in made.runner.state.halted)
    assert any(a["level"] == "critical" and "clock" in a["text"] for a in made.runner.alerts)


# --- silence ----------------------------------------------------------------------------------------------------------


class Silence:
    """A watch over MES with the transport clock and the market clock by hand; both run together."""

    def __init__(self, at: str, silent_s: float = 10.0) -> None:
        self.mono, self.market = 0.0, int(datetime.fromisoformat(at).timestamp()) * SECOND
        self.told: list[Any] = []
        hours = OpenHours(lambda: self.market)
        self.watch = DataWatch(
            lambda: [MES],
            hours.is_open,
            stale=lambda contract, age: self.told.append(round(age)),
            fresh=lambda contract: self.told.append("fresh"),
            silent_s=lambda: silent_s,
            mono=lambda: self.mono,
        )

    def passes(self, seconds: int, *, heard: bool = False) -> None:
        for _ in range(seconds):
            self.mono, self.market = self.mono + 1, self.market + SECOND
            if heard:
                self.watch.heard(MES)
            self.watch.look()


@pytest.mark.statement(43)
def test_silence_in_session_is_noticed_within_its_seconds_and_said_once_and_so_is_its_end() -> None:
    watched = Silence("2026-11-19T10:00:00-06:00")
    watched.passes(60, heard=True)
    assert watched.told == []
    watched.passes(10)
    assert watched.told == []
    watched.passes(1)
    assert watched.told == [11]
    watched.passes(100)
    assert watched.told == [11]
    watched.passes(1, heard=True)
    assert watched.told == [11, "fresh"]


@pytest.mark.statement(43)
@pytest.mark.parametrize(
    ("what", "at", "quiet_s"),
    [
        ("the daily break", "2026-11-19T16:00:00-06:00", 3600),
        ("the weekend", "2026-11-20T16:00:00-06:00", 7200),
        ("a holiday", "2026-12-25T09:00:00-06:00", 7200),
        ("an early close", "2026-11-27T12:15:00-06:00", 7200),
    ],
)
def test_nothing_is_raised_while_the_exchange_is_closed(what: str, at: str, quiet_s: int) -> None:
    watched = Silence(at)
    watched.passes(quiet_s)
    assert watched.told == [], what


@pytest.mark.statement(43)
def test_the_count_begins_at_the_open() -> None:
    watched = Silence("2026-11-19T16:59:30-06:00")
    watched.passes(39)  # until 17:00:09; the last look at the closed market was a second before the open
    assert watched.told == []
    watched.passes(1)
    assert watched.told == [11]


async def test_stale_data_blocks_the_contract_until_it_flows_again(tmp_path: Path) -> None:
    made = LoneRunner(tmp_path)
    watch = Watch(made.runner, lambda contract: True)
    watch._stale(MES, 50.0)
    made.runner.take(made.runner.lanes.take() or e.TimerFired(at=0))
    assert any("no market data" in a["text"] for a in made.runner.alerts)
    assert made.runner.state.book(MES).stale_s == 50.0
    watch._fresh(MES)
    made.runner.take(made.runner.lanes.take() or e.TimerFired(at=0))
    assert made.runner.state.book(MES).stale_s is None


# --- sleep ------------------------------------------------------------------------------------------------------------


async def test_the_machine_is_held_awake_while_it_must_be_and_let_go_after() -> None:
    held: list[str] = []

    @contextmanager
    def mode() -> Any:
        held.append("on")
        yield object()
        held.append("off")

    told: list[tuple[str, str]] = []
    awake = Awake(lambda level, text: told.append((level, text)), mode)
    for wanted in (False, False, True, True, False, True):
        awake.want(wanted)
    async with asyncio.timeout(5):
        while held != ["on", "off", "on"]:
            await asyncio.sleep(0.01)
    assert told == []


@pytest.mark.parametrize("how", ["raises", "is not active"])
async def test_a_machine_that_cannot_be_held_awake_is_told_once_and_nothing_else_happens(how: str) -> None:
    class Inactive(AbstractContextManager[Any]):
        active = False

        def __exit__(self, *_: object) -> None:
            return None

    def mode() -> AbstractContextManager[Any]:
        if how == "raises":
            raise RuntimeError("no desktop")
        return Inactive()

    told: list[str] = []
    awake = Awake(lambda level, text: told.append(text), mode)
    async with asyncio.timeout(5):
        while not told:
            awake.want(True)
            await asyncio.sleep(0.01)
    for wanted in (False, True, False, True):
        awake.want(wanted)
        await asyncio.sleep(0.02)
    assert len(told) == 1 and told[0].startswith(CANNOT) and not awake.held


async def test_an_operator_who_shows_up_is_an_event_once_and_an_old_sign_is_none(tmp_path: Path) -> None:
    made = LoneRunner(tmp_path)
    note_presence(made.home, "ann", 1)
    watch = Watch(made.runner, lambda contract: True)
    watch.look()
    assert made.runner.lanes.take() is None, "that was before this runner"
    said = CliRunner().invoke(sessions, ["here", "--person", "bob", "--home", str(made.home.path)])
    assert said.exit_code == 0 and "bob attends" in said.output
    watch.look()
    watch.look()
    seen = made.runner.lanes.take()
    assert isinstance(seen, e.OperatorSeen) and seen.person == "bob"
    assert made.runner.lanes.take() is None
