"""How a position is left and protected: cancel, wait, close once, and never naked."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.fake_broker import (
    ACCOUNT,
    MES,
    START,
    FakeBroker,
    Ride,
    enter,
)
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.domain.commands import CancelOrder, ClosePosition
from workbench.domain.order import OrderType, Side, Status
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits

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


def test_a_flatten_that_is_asked_for_again_at_any_stage_asks_the_broker_for_nothing_twice() -> None:
    ride = in_position()
    stages = 0
    while ride.broker.qty() or ride.state.book(MES).flatten is not None or not stages:
        ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason=f"enough {stages}"))
        ride.feed(e.OrderActionRequested(at=ride.now, request=f"c{stages}", kind="close", contract=MES, person="ann"))
        ride.send()
        if ride.closes and stages > 3:
            ride.broker.fill_markets()
        if ride.broker.events:
            ride.feed(ride.at_now(ride.broker.events.pop(0)))
        stages += 1
        assert stages < 40
    assert sum(isinstance(c, CancelOrder) for c in ride.broker.requests) == 2
    assert (ride.closes, ride.broker.qty(), ride.broker.working()) == (1, 0, [])


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


def test_a_reading_that_shows_the_closes_own_order_still_at_work_does_not_close_twice() -> None:
    ride = in_position()
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    for _ in range(2):
        ride.send()
        ride.hear()
    assert ride.closes == 1 and ride.broker.qty() == 2  # accepted, and slow to fill
    for _ in range(3):
        ride.wait(3)
        ride.feed(ride.broker.read())
        ride.send()
    assert ride.closes == 1
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


@pytest.mark.statement(16)
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


@pytest.mark.statement(16)
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


@pytest.mark.statement(6)
def test_cancels_that_were_done_and_never_reported_keep_no_position_without_its_stop() -> None:
    ride = in_position()
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.send()  # both exits are cancelled
    ride.broker.events.clear()  # and the hub dies before it tells
    assert not ride.wait(1.9) and ride.closes == 0
    ride.settle()  # 0.1 s later the broker is read, and the close goes out
    ride.wait(0.1)
    ride.settle()
    assert ride.closes == 1 and ride.broker.qty() == 0


@pytest.mark.statement(6)
def test_a_close_that_died_with_the_runner_is_sent_again_two_seconds_after_the_start() -> None:
    ride = close_that_waits()
    assert not ride.broker.working() and ride.broker.qty() == 2
    ride.restart(epoch=2)
    ride.settle()
    ride.wait(1.9)
    ride.settle()
    assert ride.closes == 0, "it may have been sent by the life before: its trade would be on the way"
    ride.wait(0.1)
    ride.settle()
    assert ride.closes == 1 and ride.broker.qty() == 0


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


@pytest.mark.statement(17)
@pytest.mark.statement(42)
def test_a_position_keeps_its_stop_while_the_close_waits_for_an_order_on_the_wire() -> None:
    ride = in_position()
    ride.feed(manual(ride, "late"))
    hanging = ride.outgoing.pop()
    assert isinstance(hanging, Approved)
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.send()
    ride.hear()
    assert ride.broker.leg(OrderType.STOP).status is Status.WORKING, "it may take the request's whole time-out"
    assert ride.closes == 0
    ride.feed(e.PlaceAnswered(at=ride.now, tag=hanging.command.tag, outcome="rejected", code=2, reason="no"))
    ride.settle()
    assert ride.broker.qty() == 0 and not ride.broker.working() and ride.closes == 1


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


@pytest.mark.statement(6)
@pytest.mark.statement(42)
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


@pytest.mark.statement(42)
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


@pytest.mark.statement(42)
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


@pytest.mark.statement(8)
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


def test_exits_of_a_position_whose_trades_have_not_come_are_no_orphans() -> None:
    ride = Ride().start()
    ride.bar(enter(1, 2))
    ride.send()
    ride.broker.fill_markets()
    ride.broker.events[:] = [each for each in ride.broker.events if not isinstance(each, e.FillReported)]
    ride.hear()
    assert (ride.state.book(MES).qty, ride.broker.qty()) == (0, 2)
    for _ in range(4):
        ride.wait(8)
    assert not any(isinstance(c, CancelOrder) for c in ride.outgoing), "they are the stops of what the broker holds"


@pytest.mark.parametrize("fills_later", [False, True])
def test_an_adding_order_whose_cancel_is_refused_keeps_no_position_open_without_its_stop(fills_later: bool) -> None:
    ride = in_position(2)
    added = ride.broker.external(Side.BUY, 1, OrderType.LIMIT, limit_ticks=START - 500)
    ride.settle()
    cancel = ride.broker.cancel
    ride.broker.cancel = lambda number: number != added.order_id and cancel(number)  # type: ignore[method-assign]
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.settle()
    ride.wait(9)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (2, 0)
    ride.wait(2)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1)
    if not fills_later:
        del ride.broker.cancel  # type: ignore[method-assign]
        ride.wait(11)
        ride.settle()
        assert not ride.broker.working() and ride.state.book(MES).flatten is None
        return
    ride.trade(START - 500)
    for _ in range(4):
        ride.settle()
        ride.wait(4)
    assert (ride.broker.qty(), ride.closes) == (0, 2) and ride.state.book(MES).flatten is None


def test_exits_that_wait_for_such_an_entry_hold_the_close_up_no_longer_than_it() -> None:
    ride = Ride(Limits(max_position=9)).start()
    ride.feed(manual(ride, "m1", Side.BUY, 1))
    ride.settle()
    rests = msgspec.structs.replace(
        manual(ride, "m2", Side.BUY, 1),
        type=OrderType.LIMIT, limit_ticks=START - 500, stop_loss_ticks=-20, take_profit_ticks=40,
    )  # fmt: skip
    ride.feed(rests)
    ride.settle()
    (entry,) = ride.broker.working()
    for kind in (OrderType.STOP, OrderType.LIMIT):  # as some accounts show them before the entry has filled
        ride.broker._new(MES, Side.SELL, kind, 1, Status.SUSPENDED, parent_id=entry.order_id or 0)
    ride.hear()
    assert len(list(ride.state.open_orders(MES))) == 3
    ride.broker.cancel = lambda number: False  # type: ignore[method-assign]
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    ride.settle()
    ride.wait(9)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (1, 0)
    ride.wait(2)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1)


def test_an_order_that_could_turn_the_position_round_is_waited_for() -> None:
    ride = in_position(2)
    other = ride.broker.external(Side.SELL, 1, OrderType.LIMIT, limit_ticks=START + 500)
    ride.settle()
    cancel = ride.broker.cancel
    ride.broker.cancel = lambda number: number != other.order_id and cancel(number)  # type: ignore[method-assign]
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    for _ in range(6):
        ride.settle()
        ride.wait(5)
    assert (ride.broker.qty(), ride.closes) == (2, 0)


def test_a_flatten_of_a_product_that_nobody_knows_ends_nothing() -> None:
    ride = Ride().start()
    ride.feed(e.FlattenRequested(at=ride.now, contract="CON.F.US.XXX.Z26", reason="enough"))
    assert ride.said("shows nothing of it that could be closed") and not ride.outgoing
