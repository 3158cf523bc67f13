"""An account of weeks remembers two trading dates, and decides as if it remembered everything."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.execution.fake_broker import MES, Ride, enter, leave
from tests.storage.test_snapshot import Trip, lived, things
from workbench.domain import events as e
from workbench.domain.clock import HOUR
from workbench.execution import step as module
from workbench.execution.pruning import note_roll
from workbench.execution.state import AccountState
from workbench.execution.step import step
from workbench.risk.limits import Limits

pytestmark = pytest.mark.statement(9)
DAY_S = 24 * HOUR / 1e9


def round_trip(ride: Ride) -> None:
    ride.bar(enter(1, 1, 20, 40))
    ride.settle()
    ride.bar(leave())
    ride.settle()
    ride.feed(ride.broker.read())


def days(count: int, limits: Limits | None = None) -> Ride:
    ride = Ride(limits or Limits(max_position=5)).start()
    for _ in range(count):
        round_trip(ride)
        assert ride.state.book(MES).qty == ride.broker.qty() == 0
        ride.wait(DAY_S)
        ride.feed(e.TimerFired(at=ride.now))
    return ride


def size(state: AccountState) -> dict[str, int]:
    kept = ("orders", "trades", "key_of_id", "counted", "known_tags", "intents")
    return {name: len(getattr(state, name)) for name in kept}


def test_what_is_remembered_does_not_grow_with_the_days() -> None:
    few, many = days(4), days(18)  # the same day of the week
    assert (len(few.broker.fills), len(many.broker.fills)) == (8, 36)
    assert size(few.state) == size(many.state)
    assert all(size(few.state).values()), "the last two dates are remembered"


def test_a_reading_of_everything_there_ever_was_changes_nothing() -> None:
    ride = days(6)
    state = ride.state
    assert len(state.trades) < len(ride.broker.fills) and len(state.orders) < len(ride.broker.orders)
    before = (state.cash_usd(), size(state), state.book(MES).qty, dict(state.book(MES).externals))
    for _ in range(3):
        ride.feed(ride.broker.read(since=0))
        ride.settle()
    assert (state.cash_usd(), size(state), state.book(MES).qty, dict(state.book(MES).externals)) == before
    assert not state.book(MES).suspects and not state.book(MES).locked and not state.halted


def test_an_open_position_keeps_everything_until_it_is_closed() -> None:
    ride = Ride(Limits(max_position=5)).start()
    ride.bar(enter(1, 1, 20, 40))
    ride.settle()
    for _ in range(5):
        ride.wait(DAY_S)
        ride.feed(e.TimerFired(at=ride.now))
    assert ride.state.book(MES).qty == 1 and len(ride.state.trades) == len(ride.broker.fills)
    assert len(ride.state.orders) == len(ride.broker.orders)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(history=things)
def test_it_decides_as_if_it_remembered_everything(history: list[tuple[str, int]]) -> None:
    log = lived(history + [("day", 0)] * 8 + [("bar", 30), ("bar", -30), ("read", 0)] + history).log
    short, whole = Trip().fresh(), Trip().fresh()
    for event, _ in log:
        decided = step(short, event)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "let_go", lambda state: None)
            assert step(whole, event) == decided
    assert whole.cash_usd() == short.cash_usd() and set(short.orders) <= set(whole.orders)


def test_a_roll_notes_what_became_known_on_each_date() -> None:
    state = Trip().fresh()
    state.trades |= {1, 2}
    note_roll(state)
    state.trades |= {3}
    note_roll(state)
    assert state.memory.trades == [{1, 2}, {3}]
