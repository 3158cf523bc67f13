"""Killed inside the reconcile of a start, or inside the change of the trading day: the next start ends where one
uninterrupted start would, and every daily counter belongs to exactly one trading day."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.execution.fake_broker import ACCOUNT, MES, Ride, enter
from tests.storage.test_snapshot import Trip, lived, things
from workbench.domain import events as e
from workbench.domain.clock import HOUR, MINUTE
from workbench.domain.commands import Alert, ReadBroker
from workbench.domain.order import OrderType
from workbench.execution.step import journal_form
from workbench.services.decider import Decider
from workbench.storage.journal import Journal, read_journal
from workbench.storage.snapshot import dump

OF_A_START = {"epoch", "uid", "seq"}  # what names the start itself


def what_is_known(decider: Decider) -> dict[str, object]:
    fields = msgspec.msgpack.decode(dump(decider.state))
    return {name: without_doubt(value) for name, value in fields.items() if name not in OF_A_START}


def without_doubt(value: object) -> object:
    """Leave out when a close was answered: a start that may have sent one and died counts it as answered then."""
    if isinstance(value, list):
        return [without_doubt(item) for item in value]
    if isinstance(value, dict):
        return {name: without_doubt(item) for name, item in value.items() if name != "close_answered_at"}
    return value


def written(folder: Path, ride: Ride) -> Path:
    path = folder / "journal.wbj"
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for event, out in ride.log:
        journal.append(event, [journal_form(c) for c in out])
    journal.close()
    return path


def started(path: Path, trip: Trip, epoch: int, *readings: e.BrokerRead) -> Decider:
    decider = Decider(trip.fresh(), Journal(path))
    decider.decide(e.RunnerStarted(at=trip.now, epoch=epoch, uid=f"u{epoch}"))
    for reading in readings:
        decider.decide(reading)
    decider.journal.close()
    return decider


@pytest.mark.statement(9)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=things, deaths=st.integers(1, 3))
def test_a_start_that_was_killed_changes_nothing_for_the_next_one(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int]], deaths: int
) -> None:
    folder = tmp_path_factory.mktemp("second")
    trip = lived(history)
    trip.broker.events.clear()  # what the hub said while nobody listened is gone
    trip.broker.fill_markets()
    reading = trip.broker.read()
    once = what_is_known(started(written(folder, trip), trip, 50, reading))
    path = written(folder, trip)
    for _ in range(deaths):
        started(path, trip, 50)  # killed (K11): the reading is here, it is not folded
    assert what_is_known(started(path, trip, 50, reading)) == once  # (one epoch, so that the tags are the same)


@pytest.mark.statement(9)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=things)
def test_what_a_reconcile_has_settled_a_second_one_leaves_alone(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("second")
    trip = lived(history)
    trip.broker.events.clear()
    path, reading = written(folder, trip), trip.broker.read()
    first = started(path, trip, 50, reading)
    positions = {contract: book.position for contract, book in first.state.books.items()}
    orders, trades = dict(first.state.orders), set(first.state.trades)
    again = Decider(trip.fresh(), Journal(path))
    assert again.damage == "" and dump(again.state) == dump(first.state), "the journal has all that was settled"
    asked = again.decide(reading)
    assert {contract: book.position for contract, book in again.state.books.items()} == positions
    assert dict(again.state.orders) == orders and again.state.trades == trades
    settled = [c for c in asked if not isinstance(c, ReadBroker | Alert)]
    assert settled == [c for c in settled if type(c).__name__ in ("CancelOrder", "ClosePosition")]


# --- the change of the trading day ---


def two_days() -> Ride:
    """10 ticks lost before 17:00 Chicago, 4 ticks after it (MES: 1.25 USD a tick, 0.37 a half-turn)."""
    ride = Ride().start()
    for ticks, hours in ((10, 0.0), (4, 9.0)):
        if hours:
            ride.wait(hours * HOUR / 1e9)
            ride.settle()
        ride.bar(enter(1))
        ride.settle()
        stop = ride.broker.leg(OrderType.STOP)
        ride.now = ride.broker.now = ride.now + MINUTE // 10
        ride.broker.fill(stop.order_id or 0, ticks=24_000 - ticks)
        ride.settle()
    return ride


def day_of(decider: Decider) -> tuple[str, Decimal | None]:
    return decider.state.trading_date, decider.state.day_pnl_usd()


def killed_everywhere(folder: Path, ride: Ride) -> Iterator[tuple[int, Decider]]:
    """A decider that died after each record of the journal in turn, and then took in the rest."""
    log = ride.log
    for cut in range(len(log) + 1):
        path = folder / f"{cut}.wbj"
        first = Decider(ride.fresh(), Journal(path))
        for event, _ in log[:cut]:
            first.decide(event)
        first.journal.close()
        second = Decider(ride.fresh(), Journal(path))
        assert second.damage == ""
        for event, _ in log[cut:]:
            second.decide(event)
        second.journal.close()
        yield cut, second


@pytest.mark.statement(10)
@pytest.mark.statement(33)
def test_a_death_anywhere_around_the_days_change_neither_forgets_nor_carries_over(tmp_path: Path) -> None:
    ride = two_days()
    lost_today = Decimal("-4") * Decimal("1.25") - 2 * Decimal("0.37")
    assert lost_today == Decimal("-5.74")
    for cut, decider in killed_everywhere(tmp_path, ride):
        assert day_of(decider) == ("2026-11-24", lost_today), cut


@pytest.mark.statement(10)
def test_on_each_side_of_the_change_the_day_has_its_own_loss(tmp_path: Path) -> None:
    ride = two_days()
    decider = Decider(ride.fresh(), Journal(tmp_path / "j"))
    seen: dict[str, list[Decimal | None]] = {}
    for event, _ in ride.log:
        decider.decide(event)
        date, pnl = day_of(decider)
        seen.setdefault(date, []).append(pnl)
    first, second = seen["2026-11-23"], seen["2026-11-24"]
    assert list(seen) == ["2026-11-23", "2026-11-24"], "one change, and never back"
    assert first[-1] == Decimal("-10") * Decimal("1.25") - 2 * Decimal("0.37") == Decimal("-13.24")
    assert second[0] == 0, "nothing is carried over"
    assert second[-1] == Decimal("-5.74")


@pytest.mark.statement(10)
def test_the_event_that_opens_a_day_opens_it_once_even_if_it_is_never_journalled(tmp_path: Path) -> None:
    # K12: the event that would have changed the day is decided, and dies with the process before it is written
    ride = two_days()
    change = next(n for n, (event, _) in enumerate(ride.log) if isinstance(event, e.TimerFired))
    path = tmp_path / "j"
    first = Decider(ride.fresh(), Journal(path))
    for event, _ in ride.log[:change]:
        first.decide(event)
    first.journal.append = lambda *_: None  # type: ignore[method-assign]
    first.decide(ride.log[change][0])
    assert first.state.trading_date == "2026-11-24"
    first.journal.close()
    assert len(read_journal(path)) == change
    again = Decider(ride.fresh(), Journal(path))
    assert again.state.trading_date == "2026-11-23"
    later = ride.log[change][0].at + 5 * MINUTE
    again.decide(e.RunnerStarted(at=later, epoch=2, uid="u2"))
    assert day_of(again) == ("2026-11-24", Decimal(0))
    again.decide(e.TimerFired(at=later + MINUTE))
    assert day_of(again) == ("2026-11-24", Decimal(0))
    assert again.state.account == ACCOUNT and MES in again.state.books
