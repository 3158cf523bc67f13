"""Which part of a position must show a working stop: what bracketed entries have opened, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.fake_broker import MES, START, FakeBroker, Ride
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.domain.commands import CancelOrder, ClosePosition
from workbench.domain.order import Order, OrderType, Side, Status

pytestmark = pytest.mark.statement(42)


def plain(ride: Ride, qty: int = 1, side: Side = Side.BUY) -> None:
    ride.feed(manual(ride, f"m{len(ride.log)}", side, qty))
    ride.settle()


def bracketed(ride: Ride, qty: int = 1, side: Side = Side.BUY, **more: object) -> None:
    """A person's entry with a stop 20 ticks away, at the market unless told otherwise."""
    order = msgspec.structs.replace(
        manual(ride, f"b{len(ride.log)}", side, qty), stop_loss_ticks=-20 * side.sign, take_profit_ticks=40 * side.sign
    )
    ride.feed(msgspec.structs.replace(order, **more))
    ride.settle()


RESTING = {"type": OrderType.LIMIT, "limit_ticks": START - 30}


def resting(ride: Ride) -> Order:
    (found,) = (
        o for o in ride.broker.working() if o.parent_id is None and o.status is Status.WORKING and o.side is Side.BUY
    )
    return found


def stays(ride: Ride, qty: int) -> None:
    """Long after the protection's patience nothing was closed."""
    for _ in range(4):
        ride.wait(31)
        ride.settle()
    assert (ride.broker.qty(), ride.closes) == (qty, 0), [a.text for a in ride.alerts]


def is_closed(ride: Ride) -> None:
    """The protection's patience ends it, and not sooner."""
    ride.wait(29)
    ride.settle()
    assert not ride.closes
    ride.wait(2)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1)


@pytest.fixture(params=["auto-oco", "position"])
def ride(request: pytest.FixtureRequest) -> Ride:
    return Ride(None, FakeBroker(brackets=request.param == "auto-oco")).start(bracket_mode=request.param)


def test_a_position_that_was_opened_without_a_stop_stays_although_a_bracketed_entry_waits(ride: Ride) -> None:
    plain(ride)
    bracketed(ride, **RESTING)
    stays(ride, 1)


def test_it_stays_when_the_bracketed_entry_waited_first(ride: Ride) -> None:
    bracketed(ride, 3, **RESTING)
    plain(ride, 2)
    stays(ride, 2)


def test_it_stays_when_the_bracketed_entry_is_taken_away(ride: Ride) -> None:
    plain(ride)
    bracketed(ride, **RESTING)
    ride.broker.cancel(resting(ride).order_id or 0)
    ride.settle()
    stays(ride, 1)


def test_it_stays_when_the_bracketed_entry_is_refused() -> None:
    ride = Ride().start()
    plain(ride)
    ride.answers = lambda command: "rejected"
    bracketed(ride, **RESTING)
    stays(ride, 1)


def test_it_stays_when_the_target_of_the_bracketed_part_has_filled(ride: Ride) -> None:
    plain(ride)
    bracketed(ride)
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0)
    ride.settle()
    stays(ride, 1)


def test_what_the_entry_opens_after_all_must_show_its_stop(ride: Ride) -> None:
    plain(ride)
    bracketed(ride, **RESTING)
    ride.broker.fill(resting(ride).order_id or 0)
    ride.settle()
    stays(ride, 2)
    ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.settle()
    is_closed(ride)


def test_the_part_that_a_bracketed_entry_has_opened_must_show_a_stop() -> None:
    ride = Ride().start()
    plain(ride)
    bracketed(ride, 3, **RESTING)
    ride.broker.fill(resting(ride).order_id or 0, 1)
    ride.settle()
    stays(ride, 2)
    ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.settle()
    is_closed(ride)


def test_an_entry_against_the_position_opens_nothing_that_needs_a_stop() -> None:
    ride = Ride().start()
    plain(ride, 2)
    bracketed(ride, 1, Side.SELL)
    for leg in ride.broker.working():
        ride.broker.cancel(leg.order_id or 0)
    ride.settle()
    stays(ride, 1)


def test_a_position_that_was_turned_by_a_bracketed_entry_must_show_its_stop() -> None:
    ride = Ride().start()
    plain(ride)
    bracketed(ride, 3, Side.SELL)
    assert ride.broker.qty() == -2
    stays(ride, -2)
    ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.settle()
    is_closed(ride)


def test_a_bracketed_position_whose_fills_never_reached_us_must_show_a_stop() -> None:
    ride = Ride().start()
    bracketed(ride, 2, **RESTING)
    ride.broker.fill(resting(ride).order_id or 0)
    for leg in ride.broker.working():
        ride.broker.cancel(leg.order_id or 0)
    ride.broker.events.clear()
    for _ in range(3):
        ride.wait(6)
        ride.feed(msgspec.structs.replace(ride.broker.read(), fills=[], orders=[]))
        ride.reads = 0
    assert ride.state.book(MES).qty == 2
    ride.wait(31)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1)


def test_a_new_average_price_of_the_broker_leaves_the_need_of_a_stop() -> None:
    ride = in_position(2)
    for _ in range(2):
        moved = msgspec.structs.replace(ride.broker.position(), average_price=START / 4 + 3)
        ride.feed(msgspec.structs.replace(ride.broker.read(), positions=[moved]))
    assert ride.said("average price")
    ride.reads = 0
    ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.hear()
    ride.feed(e.TimerFired(at=ride.now))
    ride.wait(31)
    ride.settle(reads=False)
    assert ride.closes == 1


def test_other_exits_of_a_position_are_made_for_what_the_entries_have_opened() -> None:
    ride = Ride().start()
    plain(ride, 2)
    bracketed(ride)
    bracketed(ride, 3, **RESTING)
    plain(ride, 1, Side.SELL)
    ride.wait(5)
    ride.settle()
    assert ride.broker.qty() == 2 and ride.broker.exit(OrderType.STOP).remaining == 1


def test_a_plain_position_whose_fills_never_reached_us_stays_while_a_bracketed_entry_rests() -> None:
    ride = Ride().start()
    bracketed(ride, 2, **RESTING)
    ride.broker.external(Side.BUY, 2)
    ride.broker.fill_markets()
    ride.broker.events.clear()
    for _ in range(3):
        ride.wait(6)
        ride.feed(msgspec.structs.replace(ride.broker.read(), fills=[]))
        ride.reads = 0
    assert ride.state.book(MES).qty == 2
    stays(ride, 2)


# --- whose time it is -------------------------------------------------------------------------------------------------


def bare(ride: Ride, qty: int = 1) -> None:
    """A bracketed position whose stop has gone: its time runs."""
    bracketed(ride, qty)
    ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.settle()
    assert ride.state.book(MES).protect_by is not None


def test_a_new_runner_reads_before_it_closes_what_its_journal_shows_without_a_stop() -> None:
    ride = Ride().start()
    bare(ride)
    ride.broker.close()  # the emergency stop, which writes no journal
    ride.now = ride.broker.now = ride.now + 40 * SECOND
    ride.restart(2)
    ride.feed(e.TimerFired(at=ride.now))
    assert not any(isinstance(c, CancelOrder | ClosePosition) for c in ride.outgoing), (
        "nothing on a belief of yesterday"
    )
    ride.settle()
    assert (ride.state.book(MES).qty, ride.closes) == (0, 1), "the stop's own, and no other"


def test_a_new_runner_closes_what_is_still_without_a_stop_soon_after_its_first_reading() -> None:
    ride = Ride().start()
    bare(ride)
    ride.now = ride.broker.now = ride.now + 40 * SECOND
    ride.restart(2)
    ride.settle()
    ride.wait(2)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1)


def test_a_new_runner_that_cannot_read_closes_all_the_same() -> None:
    ride = Ride().start()
    bare(ride)
    ride.now = ride.broker.now = ride.now + 40 * SECOND
    ride.restart(2)
    ride.wait(2)
    ride.settle(reads=False)
    assert (ride.broker.qty(), ride.closes) == (0, 1)


@pytest.mark.statement(6)
def test_a_runner_that_dies_again_and_again_closes_in_the_first_life_that_has_read() -> None:
    ride = Ride().start()
    bare(ride)
    began, closed = ride.now, False
    for life in range(2, 40):
        ride.now = ride.broker.now = ride.now + int(1.9 * SECOND)
        ride.restart(life)
        ride.feed(ride.broker.read())
        ride.reads = 0
        if closed := ride.state.book(MES).flatten is not None:
            break
    assert closed and ride.now - began <= 32 * SECOND, "thirty seconds and one life, not anew at each start"


@pytest.mark.parametrize("shown", ["fills and orders", "fills", ""])
@pytest.mark.parametrize(("size", "is_same"), [(-1, False), (2, True)])
def test_the_time_of_a_position_that_has_gone_is_not_that_of_the_one_found_in_its_place(
    size: int, is_same: bool, shown: str
) -> None:
    ride = Ride().start()
    bare(ride)
    ride.wait(25)
    ride.settle()
    if not is_same:
        ride.broker.close()
        ride.broker.fill_markets()
    ride.broker.external(Side.BUY if size > 0 else Side.SELL, 1)
    ride.broker.fill_markets()
    ride.broker.events.clear()
    before = ride.closes
    ride.restart(2)
    seen = ride.broker.read()
    ride.feed(msgspec.structs.replace(seen, **{name: [] for name in ("fills", "orders") if name not in shown}))
    ride.reads = 0
    assert ride.state.book(MES).qty == size
    ride.wait(6)
    assert (ride.state.book(MES).flatten is not None) is is_same, "five seconds of the old time were left"
    ride.settle()
    assert (ride.broker.qty(), ride.closes - before) == ((0, 1) if is_same else (size, 0))


def test_a_session_that_adopts_gives_the_time_that_it_tells() -> None:
    ride = Ride().start()
    bare(ride)
    ride.wait(25)
    ride.settle()
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="enough"))
    ride.start_session("s2")
    assert ride.said("unless one works within 30 s")
    is_closed(ride)
