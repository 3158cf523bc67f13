"""What the broker says, what is not known, and what a restart must not change."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import (
    ACCOUNT,
    FEE,
    MES,
    START,
    Ride,
    enter,
    leave,
)
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.commands import PlaceOrder, ReadBroker
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal

# --- unknown outcomes -------------------------------------------------------------------------------------------------


@pytest.mark.statement(15)
def test_an_unknown_outcome_that_is_found_becomes_the_order_it_is() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "unknown"
    ride.bar(enter(1))
    ride.send()
    ride.broker.events.clear()  # the hub is silent as well
    tag = ride.placed[0].tag
    assert ride.state.orders[tag].status is Status.UNKNOWN
    ride.settle()
    assert ride.state.orders[tag].status is Status.FILLED and ride.broker.qty() == 1
    assert len(ride.placed) == 1


@pytest.mark.statement(15)
def test_while_an_outcome_is_unknown_nothing_is_entered() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    ride.feed(manual(ride))
    assert ride.said("unresolved_order") and not ride.outgoing


@pytest.mark.statement(17)
def test_absent_needs_three_readings_some_time_apart() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    (tag,) = ride.state.orders
    ride.wait(1)
    for _ in range(5):  # five readings in one second are one
        ride.feed(ride.broker.read())
    assert ride.state.orders[tag].status is Status.UNKNOWN
    ride.wait(6)
    ride.settle()
    assert ride.state.orders[tag].status is Status.UNKNOWN
    ride.wait(6)
    ride.settle()
    assert ride.state.orders[tag].status is Status.ABSENT and ride.said("not sent again")
    assert not ride.placed


@pytest.mark.statement(17)
def test_a_reading_that_does_not_cover_the_sending_says_nothing() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    (tag,) = ride.state.orders
    for _ in range(6):
        ride.wait(10)
        ride.feed(ride.broker.read(since=ride.now))
    assert ride.state.orders[tag].status is Status.UNKNOWN


@pytest.mark.statement(17)
def test_an_absent_order_that_arrives_after_all_is_counted() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    (approved,) = ride.outgoing
    assert isinstance(approved, Approved)
    ride.send()
    for _ in range(4):
        ride.wait(6)
        ride.settle()
    ride.broker.place(approved.command)
    ride.settle()
    assert ride.broker.qty() == ride.state.book(MES).qty == 1
    assert ride.state.orders[approved.command.tag].strategy == "v1"


# --- what the broker says ---------------------------------------------------------------------------------------------


@pytest.mark.statement(5)
def test_a_fill_repeated_by_stream_and_reading_counts_once() -> None:
    ride = Ride().start()
    ride.bar(enter(1, 2))
    ride.send()
    ride.broker.fill_markets()
    fills = [x for x in ride.broker.events if isinstance(x, e.FillReported)]
    ride.hear()
    for event in fills * 2:
        ride.feed(event)
    ride.feed(ride.broker.read())
    assert ride.state.book(MES).qty == 2 and ride.state.book(MES).position.fees == 2 * FEE


@pytest.mark.statement(23)
def test_foreign_orders_are_shown_and_counted() -> None:
    ride = Ride(Limits(max_position=3)).start()
    ride.broker._new(MES, Side.BUY, OrderType.LIMIT, 3, Status.WORKING, limit_ticks=START - 400)
    ride.hear()
    assert [o.strategy for o in ride.state.open_orders(MES)] == [""]
    ride.bar(enter(1))
    assert not ride.outgoing and ride.said("max_position")


@pytest.mark.statement(25)
def test_reports_of_another_account_change_nothing() -> None:
    ride = in_position()
    before = ride.state.book(MES).position
    order = Order(
        account=7, contract=MES, side=Side.BUY, type=OrderType.LIMIT, qty=9, order_id=999, status=Status.WORKING
    )
    fill = msgspec.structs.replace(ride.broker.fills[0], account=7, trade_id=999)
    count = len(ride.state.orders)
    for event in (
        e.OrderReported(at=ride.now, order=order),
        e.FillReported(at=ride.now, fill=fill),
        e.PositionReported(at=ride.now, account=7, contract=MES, qty=-9, average_price=1.0),
        e.AccountReported(at=ride.now, account=7, name="x", balance=Decimal(1), can_trade=False),
        msgspec.structs.replace(ride.broker.read(), account=7, positions=[], orders=[]),
    ):
        assert ride.feed(event) == []
    assert (ride.state.book(MES).position, len(ride.state.orders), ride.state.can_trade) == (before, count, True)


@pytest.mark.statement(24)
def test_a_difference_locks_after_it_had_time_to_settle_and_unlocks_when_equal() -> None:
    ride = in_position()
    report = msgspec.structs.replace(ride.broker.position(), qty=5)
    ride.feed(report)
    ride.wait(9)
    assert ride.state.book(MES).locked == ""
    assert ride.state.view(MES).position is None  # nothing is placed on a guess meanwhile
    ride.wait(2)
    assert "own position +2, broker +5" in ride.state.book(MES).locked
    ride.settle()
    assert ride.state.book(MES).locked == "" and ride.said("unlocked") and ride.state.book(MES).qty == 2


@pytest.mark.statement(22)
def test_a_position_found_at_the_first_reading_is_adopted_with_its_price() -> None:
    ride = Ride()
    ride.broker.book[MES] = msgspec.structs.replace(
        in_position().broker.book[MES], qty=2, cost_ticks=Decimal(2 * START)
    )
    ride.start()
    book = ride.state.book(MES)
    assert (book.qty, book.position.average_ticks, book.last_price) == (2, START, 6000.0)
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=5990.0))
    # 2 × −40 ticks × 1.25 = −100.
    assert ride.state.day_pnl_usd() == -100


def test_an_adopted_position_does_not_hide_the_loss_that_its_lost_fills_made() -> None:
    ride = in_position()
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id)
    ride.broker.events.clear()
    lost = ride.broker.fills.pop()  # neither stream nor REST shows the trade in time
    for _ in range(3):
        ride.wait(1)
        ride.feed(ride.broker.read())
    assert ride.state.book(MES).qty == 0
    assert ride.state.day_pnl_usd() == Decimal("-51.48")  # 2 × −20 × 1.25 − 4 × 0.37
    ride.feed(e.FillReported(at=ride.now, fill=lost))  # it comes late: the position holds it already
    assert (ride.state.book(MES).qty, ride.state.day_pnl_usd()) == (0, Decimal("-51.48"))


def test_a_reading_from_before_a_fill_does_not_make_us_forget_it() -> None:
    ride = Ride().start()
    early = ride.broker.read()
    ride.wait(0.1)
    ride.feed(manual(ride, qty=2))
    ride.send()
    ride.broker.fill_markets()
    ride.broker.events = [x for x in ride.broker.events if isinstance(x, e.OrderReported)]
    ride.hear()
    ride.feed(early)
    assert ride.state.view(MES).position is None
    ride.settle()
    assert ride.state.view(MES).position == 2


def test_two_different_differences_do_not_add_up_to_an_adoption() -> None:
    ride = in_position()
    for qty in (3, 1, 3, 1):
        reading = ride.broker.read()
        positions = [msgspec.structs.replace(reading.positions[0], qty=qty)]
        ride.feed(msgspec.structs.replace(reading, positions=positions))
    assert ride.state.book(MES).qty == 2


@pytest.mark.statement(9)
def test_reconcile_twice_is_reconcile_once() -> None:
    for ride in (in_position(), Ride().start()):
        ride.feed(ride.broker.read())
        orders, books = dict(ride.state.orders), {c: b.position for c, b in ride.state.books.items()}
        assert ride.feed(ride.broker.read()) == []
        assert (dict(ride.state.orders), {c: b.position for c, b in ride.state.books.items()}) == (orders, books)


def test_an_impossible_report_locks_the_instrument_and_is_counted() -> None:
    ride = in_position()
    entry = next(o for o in ride.state.orders.values() if o.parent_id is None)
    impossible = msgspec.structs.replace(entry, status=Status.REJECTED, updated_at=entry.updated_at + 1)
    out = ride.feed(e.OrderReported(at=ride.now, order=impossible))
    assert ride.state.book(MES).locked and any(isinstance(c, ReadBroker) for c in out)
    assert ride.feed(e.OrderReported(at=ride.now, order=impossible)) == []  # told once


@pytest.mark.statement(41)
def test_while_the_user_hub_is_down_and_until_the_broker_was_read_nothing_is_entered() -> None:
    ride = Ride().start()
    ride.feed(e.StreamChanged(at=ride.now, hub="user", up=False))
    ride.bar(enter(1))
    ride.feed(e.StreamChanged(at=ride.now, hub="user", up=True))
    ride.bar(enter(1))
    assert not ride.outgoing
    ride.settle()
    ride.bar(enter(1))
    assert len(ride.outgoing) == 1


def test_a_halt_lasts_until_it_is_released_and_reductions_pass() -> None:
    ride = in_position()
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    ride.bar(leave())
    ride.settle()
    assert ride.broker.qty() == 0
    ride.bar(enter(1))
    assert not ride.outgoing
    ride.feed(e.Released(at=ride.now, reason="something else"))
    ride.bar(enter(1))
    assert not ride.outgoing
    ride.feed(e.Released(at=ride.now, reason="stop latch"))
    ride.bar(enter(1))
    assert len(ride.outgoing) == 1


def test_a_product_that_we_do_not_know_halts_entries_and_ends_nothing() -> None:
    ride = Ride().start()
    strange = "CON.F.US.XYZQ.Z26"
    fill = msgspec.structs.replace(in_position().broker.fills[0], contract=strange, trade_id=999)
    order = Order(
        account=ACCOUNT,
        contract=strange,
        side=Side.BUY,
        type=OrderType.LIMIT,
        qty=1,
        order_id=999,
        status=Status.WORKING,
    )
    held = e.PositionReported(at=ride.now, account=ACCOUNT, contract=strange, qty=1, average_price=5.0)
    ride.feed(e.FillReported(at=ride.now, fill=fill))
    ride.feed(e.OrderReported(at=ride.now, order=order))
    ride.feed(held)
    ride.feed(msgspec.structs.replace(ride.broker.read(), positions=[held], fills=[fill], orders=[order]))
    assert len([a for a in ride.alerts if "not in our table" in a.text]) == 1
    ride.bar(enter(1))
    assert not ride.outgoing


def test_a_replay_judges_each_order_by_the_limits_of_its_day() -> None:
    ride = Ride(Limits(max_order_qty=2))
    ride.feed(e.RunnerStarted(at=ride.now, epoch=1, uid="abc", limits={"max_order_qty": 2}))
    ride.settle()
    ride.feed(manual(ride, "r1", qty=2))
    ride.settle()
    ride.limits = Limits(max_order_qty=1)  # tightened by the person before the next start
    ride.restart(2)  # asserts that every decision is the same again
    ride.settle()
    tightened = {"max_order_qty": 1, "daily_loss_usd": "250.50", "products": ["MES"], "protect_within_s": 10.0}
    ride.feed(e.RunnerStarted(at=ride.now, epoch=3, uid="def", limits=tightened))
    assert ride.state.limits == Limits(
        max_order_qty=1, daily_loss_usd=Decimal("250.50"), products=("MES",), protect_within_s=10.0
    )
    ride.settle()
    ride.feed(manual(ride, "r2", qty=2))
    assert not ride.outgoing


# --- restarts ---------------------------------------------------------------------------------------------------------


@pytest.mark.statement(16)
def test_a_tag_never_repeats_over_restarts() -> None:
    ride = Ride().start()
    for epoch in (2, 3, 4):
        ride.bar(enter(1))
        ride.settle()
        ride.bar(leave())
        ride.settle()
        ride.restart(epoch)
        ride.settle()
    tags = [p.tag for p in ride.placed]
    assert len(tags) == len(set(tags)) == 3


@pytest.mark.statement(3)
@pytest.mark.statement(15)
@pytest.mark.parametrize("fate", ["never", "accepted", "filled", "rejected"])
def test_an_order_whose_answer_died_with_the_runner_ends_as_the_broker_has_it(fate: str) -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    (approved,) = ride.outgoing
    assert isinstance(approved, Approved)
    tag = approved.command.tag
    if fate == "rejected":
        ride.broker.reject(approved.command)
    elif fate != "never":
        number = ride.broker.place(approved.command)
        if fate == "filled":
            ride.broker.fill(number)
    ride.restart(epoch=2)
    assert ride.state.orders[tag].status is Status.UNKNOWN
    for _ in range(4):
        ride.wait(6)
        ride.reads = max(ride.reads, 1)
        ride.feed(ride.broker.read())
        ride.send()
    expected = {
        "never": Status.ABSENT,
        "accepted": Status.PENDING,
        "filled": Status.FILLED,
        "rejected": Status.REJECTED,
    }
    assert ride.state.orders[tag].status is expected[fate]
    assert ride.state.book(MES).qty == ride.broker.qty()
    assert len(ride.placed) == (0 if fate == "never" else 1)


def test_a_flatten_goes_on_after_a_restart_and_closes_once() -> None:
    for moment in range(3):
        ride = in_position()
        ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
        if moment >= 1:
            ride.send()
            ride.hear()
        if moment >= 2:
            ride.send()
            ride.broker.fill_markets()
        ride.restart(epoch=2)
        for _ in range(15):
            ride.settle()
            ride.wait(1)
        ride.settle()
        assert ride.broker.qty() == 0 and ride.closes == 1, moment
        assert not ride.broker.working()


def test_the_cost_of_a_step_does_not_grow_with_the_orders_of_the_past() -> None:
    ride = Ride(Limits(max_orders_per_minute=10_000)).start()
    for _ in range(30):
        ride.bar(enter(1))
        ride.settle()
        ride.bar(leave())
        ride.settle()
    assert len(ride.state.orders) >= 90
    assert ride.state.orders.open_items() == [] and list(ride.state.open_orders(MES)) == []
    assert all(not state for state in (ride.state.misses, ride.state.missed_at, ride.state.book(MES).uncounted))


def test_an_exit_for_the_other_side_leaves_the_position() -> None:
    ride = in_position()
    ride.bar(Signal(at=0, exit=True, exit_side=-1, rule="exit.short"))
    ride.settle()
    assert ride.broker.qty() == 2 and not any(isinstance(c, PlaceOrder) for c in ride.outgoing)
