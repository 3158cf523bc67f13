"""What the decision does, told as scenes between a runner and a gateway."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import (
    ACCOUNT,
    FEE,
    MES,
    MORNING,
    START,
    FakeBroker,
    Ride,
    bar_closed,
    enter,
    leave,
)
from workbench.domain import events as e
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.commands import CancelOrder, ClosePosition, PlaceOrder, ReadBroker
from workbench.domain.hours import at_local
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.execution.step import HANDLERS, step
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal


def in_position(qty: int = 2, side: int = 1, limits: Limits | None = None, broker: FakeBroker | None = None) -> Ride:
    """A session that has entered with a stop 20 ticks away and a target 40 ticks away."""
    ride = Ride(limits, broker).start()
    ride.bar(enter(side, qty))
    ride.settle()
    assert ride.broker.qty() == ride.state.book(MES).qty == side * qty
    return ride


def manual(ride: Ride, request: str = "r1", side: Side = Side.BUY, qty: int = 1) -> e.ManualOrderRequested:
    return e.ManualOrderRequested(
        at=ride.now, request=request, contract=MES, side=side, type=OrderType.MARKET, qty=qty, person="ann"
    )


def test_every_event_has_a_handler() -> None:
    assert set(HANDLERS) == set(e.AnyEvent.__args__)


def test_an_unknown_event_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no handler for Event"):
        step(Ride().state, e.Event(at=0))


# --- entries ----------------------------------------------------------------------------------------------------------


def test_an_entry_goes_out_with_its_bracket_and_the_legs_count_from_the_fill() -> None:
    ride = in_position()
    (order,) = ride.placed
    assert (order.side, order.type, order.qty) == (Side.BUY, OrderType.MARKET, 2)
    assert (order.stop_loss_ticks, order.take_profit_ticks, order.strategy) == (-20, 40, "v1")
    legs = {o.type: o for o in ride.state.open_orders(MES)}
    assert (legs[OrderType.STOP].stop_ticks, legs[OrderType.LIMIT].limit_ticks) == (START - 20, START + 40)
    assert {o.strategy for o in legs.values()} == {"v1"}


def test_a_stop_that_fills_takes_its_sibling_along_and_the_loss_is_exact() -> None:
    ride = in_position()
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id)
    ride.settle()
    book = ride.state.book(MES)
    assert (book.qty, list(ride.state.open_orders(MES))) == (0, [])
    # 2 contracts × −20 ticks × 1.25 USD = −50.00; four half-turns of 0.37 = 1.48.
    assert book.realized_usd() == Decimal("-51.48")
    assert ride.state.day_pnl_usd() == Decimal("-51.48")


def test_no_second_entry_while_the_first_is_under_way() -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    ride.send()  # accepted, not filled
    ride.bar(enter(1))
    ride.bar(enter(1))
    assert len(ride.placed) == 1 and not ride.outgoing


def test_no_second_entry_while_the_trade_of_the_first_is_missing() -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    ride.send()
    ride.broker.fill_markets()
    held_back = [x for x in ride.broker.events if isinstance(x, e.FillReported | e.PositionReported)]
    ride.broker.events = [x for x in ride.broker.events if x not in held_back]
    ride.hear()  # the order is filled, its trade has not come
    for key, order in list(ride.state.orders.items()):  # the legs are not the reason either
        if order.parent_id is not None:
            ride.state.orders[key] = msgspec.structs.replace(order, status=Status.CANCELED)
    assert ride.state.view(MES).position is None
    ride.bar(enter(1))
    assert len(ride.placed) == 1 and not ride.outgoing
    for event in held_back:
        ride.feed(event)
    assert ride.state.view(MES).position == 1


def test_a_refused_entry_is_told_and_nothing_stays_open() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "rejected"
    ride.bar(enter(1))
    ride.settle()
    assert ride.said("refused by the gateway") and not list(ride.state.open_orders(MES))
    assert ride.state.book(MES).locked == ""


def test_a_refusal_heard_from_the_hub_before_the_answer_locks_nothing() -> None:
    for heard in (1, 2):  # pending alone, or pending and rejected
        ride = Ride().start()
        ride.bar(enter(1))
        (approved,) = ride.outgoing
        assert isinstance(approved, Approved)
        ride.outgoing.clear()
        number = ride.broker.reject(approved.command)
        for _ in range(heard):
            ride.feed(ride.broker.events.pop(0))
        ride.feed(e.PlaceAnswered(at=ride.now, tag=approved.command.tag, outcome="rejected", order_id=number, code=2))
        ride.settle()
        assert ride.state.orders[approved.command.tag].status is Status.REJECTED
        assert ride.state.book(MES).locked == ""


def test_the_gate_refuses_inside_the_step_and_says_the_code() -> None:
    ride = Ride(Limits(max_order_qty=1)).start()
    ride.bar(enter(1, qty=2))
    ride.settle()
    assert not ride.placed and ride.said("max_order_qty")


def test_a_paused_session_enters_nothing_and_keeps_its_protection() -> None:
    ride = in_position()
    ride.feed(e.SessionPaused(at=ride.now, session="s1", reason="lunch"))
    assert len(list(ride.state.open_orders(MES))) == 2
    ride.broker.fill(ride.broker.leg(OrderType.LIMIT).order_id)
    ride.settle()
    ride.bar(enter(1))
    ride.settle()
    assert len(ride.placed) == 1


def test_an_exit_still_works_while_paused() -> None:
    ride = in_position()
    ride.feed(e.SessionPaused(at=ride.now, session="s1", reason="lunch"))
    ride.bar(leave())
    ride.settle()
    assert ride.broker.qty() == 0


def test_a_resumed_session_goes_on() -> None:
    ride = Ride().start()
    ride.feed(e.SessionPaused(at=ride.now, session="s1", reason="lunch"))
    started = e.SessionStarted(at=ride.now, session="s1", strategy="v1", contract=MES, timeframe="1m", parameters={})
    ride.feed(started)
    ride.bar(enter(1))
    ride.settle()
    assert ride.broker.qty() == 1


def test_two_sessions_cannot_trade_one_contract() -> None:
    ride = Ride().start()
    ride.feed(e.SessionStarted(at=ride.now, session="s2", strategy="v2", contract=MES, timeframe="1m", parameters={}))
    assert "s2" not in ride.state.sessions and ride.said("already traded by session s1")


def test_a_double_click_is_one_order() -> None:
    ride = Ride().start()
    for _ in range(3):
        ride.feed(manual(ride))
    ride.settle()
    assert len(ride.placed) == 1 and ride.broker.qty() == 1


# --- leaving ----------------------------------------------------------------------------------------------------------


def test_flatten_cancels_waits_and_only_then_closes() -> None:
    ride = in_position()
    out = ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough", person="ann"))
    assert [type(c) for c in out] == [CancelOrder, CancelOrder]
    ride.send()
    assert ride.closes == 0  # the cancels are accepted, not confirmed
    ride.hear()
    ride.send()
    assert ride.closes == 1
    ride.settle()
    assert ride.broker.qty() == 0 and ride.state.book(MES).flatten is None and not ride.broker.working()
    assert ride.state.sessions["s1"].status == "paused"


def test_flatten_twice_closes_once() -> None:
    ride = in_position()
    for _ in range(3):
        ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.settle()
    assert ride.closes == 1 and ride.broker.qty() == 0


def test_the_order_of_our_own_close_is_never_cancelled() -> None:
    ride = in_position()
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.send()
    ride.hear()
    ride.send()  # the close is accepted: its market order is pending
    ride.hear()
    ride.wait(1)
    ride.send()
    cancels = [c for c in ride.broker.requests if isinstance(c, CancelOrder)]
    assert len(cancels) == 2 and ride.closes == 1
    ride.settle()
    assert ride.broker.qty() == 0


def test_a_reading_from_before_the_close_does_not_close_twice() -> None:
    ride = in_position()
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.send()
    ride.hear()
    early = ride.broker.read()  # began before the close, comes back after it
    ride.wait(0.1)
    ride.send()
    ride.broker.events.clear()  # not even the pending order is heard of
    ride.feed(early)
    ride.feed(ride.broker.read())  # began while the close was on the way
    ride.send()
    assert ride.closes == 1
    ride.settle()
    ride.reads = 1
    ride.settle()
    assert ride.broker.qty() == 0 and ride.closes == 1


def test_there_is_no_second_close_while_the_first_waits_in_the_queue() -> None:
    ride = close_that_waits()
    for _ in range(6):
        ride.wait(12)
        ride.feed(ride.broker.read())
    assert [type(c) for c in ride.outgoing] == [ClosePosition]
    ride.settle()
    assert ride.broker.qty() == 0 and ride.closes == 1


def test_nothing_is_placed_beside_a_close_under_way() -> None:
    ride = close_that_waits()
    for number, side in enumerate(Side):  # neither an increase nor a reduction: the close would make a flip of it
        ride.feed(manual(ride, f"m{number}", side))
    assert [type(c) for c in ride.outgoing] == [ClosePosition] and ride.said("being closed")
    ride.settle()
    ride.feed(manual(ride, "after"))
    assert len(ride.outgoing) == 1


def close_that_waits() -> Ride:
    """A flatten whose close has been decided and has not reached the gateway."""
    ride = in_position()
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.send()
    ride.hear()
    return ride


def test_a_refused_close_is_asked_again_without_hammering() -> None:
    ride = in_position()
    ride.broker.close = lambda contract=MES: ride.broker.requests.append(  # type: ignore[method-assign]
        ClosePosition(account=ACCOUNT, contract=contract)
    )
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.settle()
    for _ in range(30):
        ride.wait(1)
        ride.settle()
    assert 2 <= ride.closes <= 6
    del ride.broker.close
    for _ in range(15):
        ride.wait(1)
        ride.settle()
    assert ride.broker.qty() == 0 and ride.state.book(MES).qty == 0


def test_flatten_does_not_believe_flat_while_a_trade_is_missing() -> None:
    ride = Ride().start()
    ride.bar(enter(1, stop=None, target=None))
    ride.send()
    ride.broker.fill_markets()
    ride.broker.events = [x for x in ride.broker.events if isinstance(x, e.OrderReported)]
    ride.hear()
    assert ride.state.book(MES).qty == 0
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    assert ride.state.book(MES).flatten is not None
    ride.wait(3)
    ride.settle(reads=False)
    assert ride.closes == 1 and ride.broker.qty() == 0


def test_a_reversal_is_a_close_and_then_an_entry() -> None:
    ride = in_position(qty=2)
    out = ride.bar(enter(-1, qty=2))
    assert [type(c) for c in out] == [CancelOrder, CancelOrder]
    ride.settle()
    assert ride.closes == 1
    assert [(p.side, p.qty) for p in ride.placed] == [(Side.BUY, 2), (Side.SELL, 2)]
    assert ride.broker.qty() == -2


def test_a_reversal_whose_bar_is_old_does_not_enter() -> None:
    ride = in_position(qty=2)
    ride.bar(enter(-1, qty=2))
    ride.bar()  # a newer bar closes before the position is gone
    ride.settle()
    assert ride.broker.qty() == 0 and len(ride.placed) == 1


def test_a_person_who_flattens_during_a_reversal_wins() -> None:
    ride = in_position(qty=2)
    ride.bar(enter(-1, qty=2))
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="no", person="ann"))
    ride.settle()
    assert ride.broker.qty() == 0 and len(ride.placed) == 1


def test_a_stop_that_fills_while_we_cancel_it_is_not_closed_again() -> None:
    ride = in_position()
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id)  # crosses our cancel
    ride.settle()
    assert ride.broker.qty() == 0 and ride.closes == 0


def test_a_part_filled_entry_is_flattened_whole() -> None:
    ride = Ride().start()
    ride.bar(enter(1, qty=3))
    ride.send()
    (entry,) = ride.broker.working()
    ride.broker.fill(entry.order_id, qty=1)
    ride.hear()
    assert ride.state.book(MES).qty == 1
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.settle()  # the entry's rest fills while we wait for it
    assert ride.broker.qty() == 0 and not ride.broker.working()


@pytest.mark.parametrize("arrives", [False, True])
def test_an_unknown_outcome_does_not_keep_a_flatten_waiting(arrives: bool) -> None:
    ride = in_position()
    ride.answers = lambda command: "lost"
    ride.feed(manual(ride))
    (approved,) = ride.outgoing
    assert isinstance(approved, Approved)
    ride.settle(reads=False)
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.wait(1)
    ride.settle()
    assert ride.broker.qty() == 0 and ride.closes == 1  # a second later, not after three readings
    if arrives:
        ride.broker.place(approved.command)  # the slow request gets there after all
    for _ in range(6):
        ride.settle()
        ride.wait(6)
        ride.reads = 1
    ride.settle()
    assert ride.broker.qty() == 0 and ride.state.book(MES).flatten is None
    assert ride.closes == (2 if arrives else 1)


def test_an_order_that_vanished_does_not_block_a_flatten_for_ever() -> None:
    ride = in_position()
    ride.now = ride.broker.now = ride.now + 3 * 86_400 * SECOND  # the order is older than any reading reaches back
    stop, target = ride.broker.leg(OrderType.STOP), ride.broker.leg(OrderType.LIMIT)
    for leg in (stop, target):
        del ride.broker.orders[leg.order_id]
    ride.broker.cancel = lambda order_id: False  # type: ignore[method-assign]
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    for _ in range(40):
        ride.wait(1)
        ride.settle()
    assert ride.broker.qty() == 0 and ride.said("counts as cancelled")


# --- protection -------------------------------------------------------------------------------------------------------


def drop_stop(ride: Ride) -> None:
    """The stop leg is gone at the gateway, its sibling works on."""
    ride.broker.oco = False
    ride.broker._put(ride.broker.leg(OrderType.STOP), status=Status.CANCELED)


def test_a_position_whose_stop_never_works_is_flattened_in_time() -> None:
    ride = Ride(Limits(protect_within_s=30)).start()
    ride.bar(enter(1, 2))
    ride.send()
    ride.broker.fill_markets()
    drop_stop(ride)
    ride.settle()
    ride.wait(29)
    ride.settle()
    assert ride.broker.qty() == 2
    ride.wait(2)
    ride.settle()
    assert ride.broker.qty() == 0 and ride.said("no working stop covers")


def test_a_position_whose_stop_goes_away_later_is_flattened() -> None:
    ride = in_position()
    ride.wait(600)
    drop_stop(ride)
    ride.settle()
    ride.wait(31)
    ride.settle()
    assert ride.broker.qty() == 0


def test_an_entry_without_a_stop_is_left_alone() -> None:
    ride = Ride().start()
    ride.bar(enter(1, stop=None, target=None))
    ride.settle()
    ride.wait(600)
    ride.settle()
    assert ride.broker.qty() == 1


def test_a_fill_that_comes_before_its_order_is_known_is_protected_all_the_same() -> None:
    ride = Ride().start()
    ride.bar(enter(1, 2))
    ride.answers = lambda command: "silent"
    ride.send()
    ride.broker.fill_markets()
    drop_stop(ride)
    ride.broker.events = [x for x in ride.broker.events if isinstance(x, e.FillReported | e.PositionReported)]
    ride.hear()
    assert ride.state.book(MES).qty == 2
    ride.wait(1)
    ride.wait(31)
    assert ride.said("no working stop covers")


def test_legs_that_came_without_their_parent_are_ours_once_it_is_known() -> None:
    ride = Ride(broker=FakeBroker(hub_links=False)).start()
    ride.bar(enter(1, 2))
    ride.settle()
    assert {o.strategy for o in ride.state.open_orders(MES)} == {""}
    ride.feed(ride.broker.read())  # REST tells the parents
    assert {o.strategy for o in ride.state.open_orders(MES)} == {"v1"}


def test_an_orphaned_exit_is_cancelled_and_blocks_entries_until_then() -> None:
    ride = in_position(broker=FakeBroker(oco=False))
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id)
    ride.settle()
    assert [o.type for o in ride.broker.working()] == [OrderType.LIMIT] and ride.broker.qty() == 0
    ride.bar(enter(1))  # within the minute the orphan is found and cancelled, but it still counts here
    assert len(ride.placed) == 1
    ride.settle()
    assert not ride.broker.working()
    ride.bar(enter(1))
    ride.settle()
    assert ride.broker.qty() == 1


# --- unknown outcomes -------------------------------------------------------------------------------------------------


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


def test_while_an_outcome_is_unknown_nothing_is_entered() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    ride.feed(manual(ride))
    assert ride.said("unresolved_order") and not ride.outgoing


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


def test_foreign_orders_are_shown_and_counted() -> None:
    ride = Ride(Limits(max_position=3)).start()
    ride.broker._new(MES, Side.BUY, OrderType.LIMIT, 3, Status.WORKING, limit_ticks=START - 400)
    ride.hear()
    assert [o.strategy for o in ride.state.open_orders(MES)] == [""]
    ride.bar(enter(1))
    assert not ride.outgoing and ride.said("max_position")


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


# --- bars -------------------------------------------------------------------------------------------------------------


def test_warm_up_bars_feed_the_rule_and_never_trade() -> None:
    ride = Ride().start()
    early = MORNING - 5 * MINUTE
    for n in range(5):
        ride.signals[early + n * MINUTE] = msgspec.structs.replace(enter(1), at=early + n * MINUTE)
        assert ride.feed(bar_closed(early + n * MINUTE, 6000.0, at=ride.now)) == []
    rule = ride.state.sessions["s1"].rule
    assert (len(rule.warmed), rule.seen) == (5, [])


@pytest.mark.parametrize(("late_s", "trades"), [(0, True), (30, True), (31, False), (3600, False)])
def test_a_stale_bar_never_trades(late_s: int, trades: bool) -> None:
    ride = Ride().start()
    ride.bar(enter(1), late=late_s * SECOND)
    assert bool(ride.outgoing) is trades


def test_a_bar_repeated_at_the_seam_counts_once() -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    end = ride.state.sessions["s1"].last_bar_end
    ride.feed(bar_closed(end, 6000.0, at=ride.now))
    ride.feed(bar_closed(end - MINUTE, 6000.0, at=ride.now))
    assert len(ride.outgoing) == 1 and ride.state.sessions["s1"].rule.seen == [end]


@pytest.mark.parametrize("price", [float("nan"), float("inf"), float("-inf")])
def test_a_price_that_is_no_number_makes_equity_unknown_and_blocks_entries(price: float) -> None:
    ride = in_position()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=price))
    assert ride.state.day_pnl_usd() is None
    ride.feed(manual(ride))
    assert ride.said("unknown_equity")
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=6000.0))
    assert ride.state.day_pnl_usd() == -2 * FEE


# --- the day ----------------------------------------------------------------------------------------------------------


def test_daily_loss_is_realised_and_open_and_fires_at_the_limit() -> None:
    # 4 contracts, 50 ticks down, 1.25 each: −250.00, and 4 × 0.37 = 1.48 of fees.
    ride = Ride(Limits(daily_loss_usd=Decimal("251.48"), max_position=9)).start()
    ride.bar(enter(1, 4, stop=None, target=None))
    ride.settle()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=6000 - 49 * 0.25))
    ride.feed(manual(ride, "r1", qty=1))
    assert len(ride.outgoing) == 1  # −246.48
    ride.outgoing.clear()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=6000 - 50 * 0.25))
    ride.feed(manual(ride, "r2", qty=1))
    assert not ride.outgoing and ride.said("daily_loss_usd")


def test_the_day_rolls_at_five_in_the_evening_with_an_open_position_as_its_baseline() -> None:
    ride = in_position()
    assert ride.state.trading_date == "2026-11-23"
    evening = at_local(date(2026, 11, 23), "17:00")
    ride.now = ride.broker.now = evening - 1
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=5995.0))
    # 2 × −20 × 1.25 = −50.00, fees 0.74.
    assert ride.state.day_pnl_usd() == Decimal("-50.74")
    assert ride.state.trading_date == "2026-11-23"
    ride.now = ride.broker.now = evening
    ride.feed(e.TimerFired(at=ride.now))
    assert (ride.state.trading_date, ride.state.day_pnl_usd()) == ("2026-11-24", 0)
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=6000.0))
    assert ride.state.day_pnl_usd() == 50  # from the new day's baseline, not from the entry


def test_the_day_does_not_roll_at_any_other_time() -> None:
    ride = in_position()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=5995.0))
    for clock in ("09:30", "15:15", "15:30", "16:00", "16:59"):
        ride.now = ride.broker.now = at_local(date(2026, 11, 23), clock)
        ride.feed(e.TimerFired(at=ride.now))
        assert ride.state.day_pnl_usd() == Decimal("-50.74"), clock


def test_the_loss_of_the_day_survives_a_restart() -> None:
    ride = in_position()
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id)
    ride.settle()
    ride.restart(epoch=2)
    ride.settle()
    assert ride.state.day_pnl_usd() == Decimal("-51.48")


# --- restarts ---------------------------------------------------------------------------------------------------------


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
