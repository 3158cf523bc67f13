"""What a person does by hand: cancel, change, close, close a part, reverse, each once and through the gate."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, START, Ride, bar_closed, enter
from tests.execution.limit_scenes import linked
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.commands import CancelOrder, ClosePosition, ModifyOrder, PlaceOrder
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.execution.step import Out
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits


def act(ride: Ride, kind: str, request: str = "a1", **fields: object) -> Out:
    return ride.feed(
        e.OrderActionRequested(at=ride.now, request=request, kind=kind, contract=MES, person="ann", **fields)  # type: ignore[arg-type]
    )


def resting(limits: Limits | None = None, qty: int = 1) -> tuple[Ride, Order]:
    """A person's buy limit 100 ticks below the market."""
    ride = Ride(limits).start()
    asked = e.ManualOrderRequested(
        at=ride.now, request="r1", contract=MES, side=Side.BUY, type=OrderType.LIMIT, qty=qty, limit_ticks=START - 100
    )
    ride.feed(asked)
    ride.settle()
    (order,) = ride.broker.working()
    return ride, order


# --- cancel -----------------------------------------------------------------------------------------------------------


def test_a_cancel_goes_out_even_while_everything_is_halted() -> None:
    ride, order = resting()
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    ride.feed(e.StreamChanged(at=ride.now, hub="user", up=False))
    act(ride, "cancel", order_id=order.order_id)
    ride.settle(reads=False)
    assert ride.broker.orders[order.order_id or 0].status is Status.CANCELED


@pytest.mark.statement(19)
@pytest.mark.parametrize("kind", ["cancel", "modify", "close", "part_close", "reverse"])
def test_the_same_request_key_acts_once(kind: str) -> None:
    ride = in_position(3)
    stop = ride.broker.leg(OrderType.STOP)
    fields = {
        "cancel": {"order_id": stop.order_id},
        "modify": {"order_id": stop.order_id, "stop_ticks": START - 10},
        "part_close": {"qty": 1},
    }.get(kind, {})
    before = len(ride.broker.requests)
    act(ride, kind, **fields)
    ride.settle()
    once = len(ride.broker.requests)
    assert once > before
    assert act(ride, kind, **fields) == []
    ride.settle()
    assert len(ride.broker.requests) == once


def test_what_is_not_there_cannot_be_cancelled_or_changed() -> None:
    ride = Ride().start()
    act(ride, "cancel", "a1", order_id=99)
    act(ride, "modify", "a2", order_id=99, qty=2)
    act(ride, "cancel", "a3")
    assert not ride.outgoing and set(ride.state.refused) == {"a1", "a2", "a3"}
    assert ride.state.refused["a1"] == f"{MES} has no order 99 that may still fill"


def test_an_action_that_nobody_knows_is_refused_with_the_list_of_those_there_are() -> None:
    ride = Ride().start()
    act(ride, "double", "a1")
    assert "cancel, modify, close, part_close, reverse" in ride.state.refused["a1"]


def test_a_product_that_we_do_not_know_is_refused_and_ends_nothing() -> None:
    ride = Ride().start()
    asked = e.OrderActionRequested(at=ride.now, request="a1", kind="close", contract="CON.F.US.XXX.Z26")
    ride.feed(asked)
    order = e.ManualOrderRequested(
        at=ride.now, request="a2", contract="CON.F.US.XXX.Z26", side=0, type=OrderType.MARKET, qty=1
    )
    ride.feed(order)
    assert not ride.outgoing and set(ride.state.refused) == {"a1", "a2"}


# --- what the broker says of it ---


def test_a_change_that_the_broker_refuses_is_told_with_its_reason() -> None:
    ride, order = resting()
    act(ride, "modify", order_id=order.order_id, limit_ticks=START - 90)
    ride.outgoing.clear()
    refusal = e.CommandAnswered(
        at=ride.now, command="modify", contract=MES, outcome="rejected", order_id=order.order_id, code=2,
        reason="the price is outside of the band",
    )  # fmt: skip
    ride.feed(refusal)
    assert ride.said(f"order {order.order_id} of {MES} was not changed: the price is outside of the band")
    ride.alerts.clear()
    ride.feed(msgspec.structs.replace(refusal, outcome="accepted", reason=""))
    assert not ride.alerts


# --- modify -----------------------------------------------------------------------------------------------------------


def test_a_smaller_order_at_its_price_passes_a_halt_a_larger_one_does_not() -> None:
    ride, order = resting(qty=3)
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    act(ride, "modify", "a1", order_id=order.order_id, qty=2)
    assert [type(c) for c in ride.outgoing] == [ModifyOrder]
    ride.settle()
    act(ride, "modify", "a2", order_id=order.order_id, qty=4)
    assert not ride.outgoing and "halted" in ride.state.refused["a2"]
    assert ride.broker.orders[order.order_id or 0].qty == 2


@pytest.mark.statement(28)
@pytest.mark.parametrize("side", [1, -1])
def test_a_stop_moves_away_only_as_far_as_the_capital_at_risk_allows(side: int) -> None:
    ride = in_position(2, side, limits=Limits(capital_at_risk_usd=Decimal(60)))
    stop = ride.broker.leg(OrderType.STOP)
    assert stop.stop_ticks == START - 20 * side  # 20 ticks × 1.25 USD × 2 = 50 USD
    act(ride, "modify", "a1", order_id=stop.order_id, stop_ticks=START - 25 * side)  # 62.50
    assert not ride.outgoing and ride.state.refused["a1"].startswith("(capital_at_risk_usd)")
    act(ride, "modify", "a2", order_id=stop.order_id, stop_ticks=START - 24 * side)  # 60.00
    assert [type(c) for c in ride.outgoing] == [ModifyOrder]
    ride.settle()
    act(ride, "modify", "a3", order_id=stop.order_id, stop_ticks=START - 5 * side)
    assert [type(c) for c in ride.outgoing] == [ModifyOrder], "nearer is never refused"
    ride.settle()
    ride.state.limits = Limits(capital_at_risk_usd=Decimal(1))
    act(ride, "modify", "a4", order_id=stop.order_id, stop_ticks=START - 4 * side)  # 10 USD: less than before
    assert [type(c) for c in ride.outgoing] == [ModifyOrder], "not even where what is left is still too much"


@pytest.mark.statement(28)
def test_a_stop_does_not_move_beyond_the_firms_floor_and_may_where_nothing_limits_it() -> None:
    ride = linked(in_position(2), floor=49_800)
    stop = ride.broker.leg(OrderType.STOP)
    act(ride, "modify", "a1", order_id=stop.order_id, stop_ticks=START - 4000)
    assert not ride.outgoing and ride.state.refused["a1"].startswith("(headroom)")
    act(ride, "modify", "a2", order_id=stop.order_id, stop_ticks=START - 40)
    assert len(ride.outgoing) == 1
    free = in_position(2)
    act(free, "modify", order_id=free.broker.leg(OrderType.STOP).order_id, stop_ticks=START - 4000)
    assert len(free.outgoing) == 1, "whoever has set no limit has none"


@pytest.mark.parametrize("price", ["limit_ticks", "stop_ticks"])
@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.LIMIT])
def test_an_exit_is_not_moved_to_a_price_of_nothing(kind: OrderType, price: str) -> None:
    ride = in_position(3)
    act(ride, "modify", order_id=ride.broker.leg(kind).order_id, **{price: 0})
    assert not ride.outgoing and ride.state.refused["a1"].startswith("a price of 0 is none")


@pytest.mark.parametrize(("qty", "passes"), [(4, True), (5, True), (6, False)])
def test_a_larger_order_counts_at_its_new_size_alone(qty: int, passes: bool) -> None:
    ride, order = resting(Limits(max_position=5, max_order_qty=9), qty=3)
    act(ride, "modify", order_id=order.order_id, qty=qty)
    assert bool(ride.outgoing) is passes
    assert passes or "max_position" in ride.state.refused["a1"]


def test_two_enlargements_on_the_wire_do_not_pass_as_one() -> None:
    ride, order = resting(Limits(max_position=5, max_order_qty=9), qty=1)
    act(ride, "modify", order_id=order.order_id, qty=4)  # not confirmed yet: it counts all the same
    ride.feed(manual(ride, "m2", qty=2))
    assert ride.said("max_position") and [type(c) for c in ride.outgoing] == [ModifyOrder]


def test_an_enlargement_that_the_broker_refuses_is_forgotten() -> None:
    ride, order = resting(Limits(max_position=5, max_order_qty=9), qty=1)
    ride.broker.cancel(order.order_id or 0)
    act(ride, "modify", order_id=order.order_id, qty=4)
    ride.settle()
    assert ride.state.orders[order.tag or ""].status is Status.CANCELED
    ride.feed(manual(ride, "m2", qty=5))
    assert len(ride.outgoing) == 1


def test_a_new_price_of_an_entry_is_asked_of_the_gate() -> None:
    ride, order = resting()
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    act(ride, "modify", order_id=order.order_id, limit_ticks=START - 10)
    assert not ride.outgoing and "halted" in ride.state.refused["a1"]


def test_a_stop_may_be_moved_while_halted_but_never_beyond_what_is_held() -> None:
    ride = in_position(2)
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    stop = ride.broker.leg(OrderType.STOP)
    act(ride, "modify", "a1", order_id=stop.order_id, stop_ticks=START - 30)
    act(ride, "modify", "a2", order_id=stop.order_id, qty=3)
    assert len(ride.outgoing) == 1
    assert ride.state.refused["a2"] == "an exit of 3 contracts is more than the 2 held"


@pytest.mark.parametrize("fields", [{}, {"qty": 0}])
def test_a_change_of_nothing_or_to_nothing_is_refused(fields: dict[str, int]) -> None:
    ride, order = resting()
    act(ride, "modify", order_id=order.order_id, **fields)
    assert not ride.outgoing and "a1" in ride.state.refused


# --- close, part close, reverse ---------------------------------------------------------------------------------------


def test_a_close_by_hand_cancels_the_exits_first_and_the_session_goes_on() -> None:
    ride = in_position(2)
    act(ride, "close")
    assert [type(c) for c in ride.outgoing] == [CancelOrder, CancelOrder]
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working(), ride.closes) == (0, [], 1)
    assert ride.state.sessions["s1"].status == "running"


def test_a_close_passes_when_the_position_is_not_known_and_is_refused_when_it_is_known_flat() -> None:
    ride = Ride()
    ride.feed(e.RunnerStarted(at=ride.now, epoch=1, uid="abc"))
    act(ride, "close", "a1")
    assert [type(c) for c in ride.outgoing] == [ClosePosition]
    flat = Ride().start()
    act(flat, "close", "a1")
    assert not flat.outgoing and "flat" in flat.state.refused["a1"]


@pytest.mark.parametrize("side", [1, -1])
def test_a_part_close_makes_the_exits_smaller_before_it_closes(side: int) -> None:
    ride = in_position(3, side)
    act(ride, "part_close", qty=1)
    assert sorted(c.qty or 0 for c in ride.outgoing if isinstance(c, ModifyOrder)) == [2, 2]
    ride.settle()
    assert ride.broker.qty() == ride.state.book(MES).qty == 2 * side
    assert [o.remaining for o in ride.broker.working()] == [2, 2]
    (order,) = ride.placed[1:]
    assert (order.qty, order.rule, order.intent) == (1, "manual:ann", "a1")


def test_a_part_close_is_not_sent_while_an_exit_is_too_large() -> None:
    ride = in_position(3)
    act(ride, "part_close", qty=1)
    ride.outgoing.clear()  # the changes are lost
    for _ in range(9):
        ride.wait(1)
    assert not ride.outgoing
    ride.wait(2)
    assert ride.said("were not closed") and ride.state.book(MES).trim is None and ride.broker.qty() == 3


def test_exits_that_shrank_for_a_part_close_that_did_not_come_grow_again() -> None:
    ride = in_position(3)
    act(ride, "part_close", qty=1)
    stop = next(c for c in ride.outgoing if isinstance(c, ModifyOrder))
    ride.outgoing[:] = [stop]  # one of the two is lost
    ride.settle()
    for _ in range(4):
        ride.wait(4)
        ride.settle()
    assert [o.remaining for o in ride.broker.working()] == [3, 3] and ride.broker.qty() == 3


@pytest.mark.parametrize("qty", [0, -1, 4, None])
def test_no_more_than_is_held_can_be_closed(qty: int | None) -> None:
    ride = in_position(3)
    act(ride, "part_close", qty=qty)
    assert not ride.outgoing and "cannot be closed" in ride.state.refused["a1"]


def test_a_part_close_of_everything_is_a_close() -> None:
    ride = in_position(3)
    act(ride, "part_close", qty=3)
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working(), ride.closes) == (0, [], 1)


def unsure(ride: Ride, qty: int) -> None:
    """The broker shows another position than we count; its trades have not come."""
    ride.feed(ride.at_now(msgspec.structs.replace(ride.broker.position(), qty=qty)))


@pytest.mark.parametrize("kind", ["part_close", "reverse"])
def test_what_is_not_known_for_sure_is_neither_turned_nor_closed_in_part(kind: str) -> None:
    ride = in_position(3)
    unsure(ride, 2)
    act(ride, kind, qty=1)
    assert not ride.outgoing and "not known for sure" in ride.state.refused["a1"]
    ride.feed(ride.broker.read())
    act(ride, "close", "a2")
    act(ride, kind, "a3", qty=1)
    assert ride.state.refused["a3"] == "a close is under way"
    ride.settle()
    assert (ride.broker.qty(), len(ride.placed)) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "side", "seen", "is_done"),
    [
        ("reverse", 1, 3, True), ("reverse", 1, 2, False), ("reverse", 1, -3, False), ("reverse", -1, -3, True),
        ("part_close", 1, 3, True), ("part_close", 1, 5, True), ("part_close", 1, -3, False),
        ("part_close", -1, 3, False), ("part_close", -1, -1, True), ("part_close", 1, 0, False),
    ],
)  # fmt: skip
def test_a_wish_about_a_position_that_has_changed_since_does_nothing(
    kind: str, side: int, seen: int, is_done: bool
) -> None:
    ride = in_position(3, side)
    act(ride, kind, qty=1, seen_qty=seen)
    if is_done:
        assert ride.outgoing and not ride.state.refused
    else:
        assert not ride.outgoing
        assert ride.state.refused["a1"] == (
            f"nothing was done: the position is {3 * side:+d} now, the wish was about {seen:+d}"
        )


def test_there_is_one_part_close_at_a_time() -> None:
    ride = in_position(3)
    act(ride, "part_close", "a1", qty=1)
    act(ride, "part_close", "a2", qty=2)
    assert "another part close is under way" in ride.state.refused["a2"]
    ride.settle()
    assert ride.broker.qty() == 2


def test_a_close_ends_a_part_close_that_has_not_left_yet() -> None:
    ride = in_position(3)
    act(ride, "part_close", "a1", qty=1)
    act(ride, "close", "a2")
    ride.settle()
    assert (ride.broker.qty(), ride.closes, len(ride.placed)) == (0, 1, 1)
    assert not ride.said("refused"), "the market order of the part is not even tried beside the close"


def test_a_part_close_waits_while_the_position_is_not_sure() -> None:
    ride = in_position(3)
    act(ride, "part_close", qty=1)
    ride.send()  # the exits shrink
    unsure(ride, 2)
    ride.hear()
    assert (ride.outgoing, len(ride.placed)) == ([], 1)
    assert not any("refused" in a.text for a in ride.alerts), "nothing is even tried"
    ride.feed(ride.broker.read())
    ride.settle()
    assert ride.broker.qty() == 2


def test_flat_there_is_nothing_to_turn() -> None:
    ride = Ride().start()
    act(ride, "reverse", qty=1)
    assert not ride.outgoing and "there is nothing to reverse" in ride.state.refused["a1"]


@pytest.mark.parametrize("side", [1, -1])
def test_a_reversal_closes_then_enters_the_other_side(side: int) -> None:
    ride = in_position(2, side)
    act(ride, "reverse", stop_loss_ticks=20 * side, take_profit_ticks=-40 * side)
    ride.settle()
    assert ride.broker.qty() == -2 * side and ride.closes == 1
    kinds = [type(c) for c in ride.broker.requests]
    assert kinds == [PlaceOrder, CancelOrder, CancelOrder, ClosePosition, PlaceOrder]
    assert sorted(o.remaining for o in ride.broker.working()) == [2, 2]


def test_a_reversal_whose_entry_the_gate_would_refuse_closes_nothing() -> None:
    ride = in_position(2)
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    act(ride, "reverse")
    assert not ride.outgoing and "nothing was closed" in ride.state.refused["a1"]


def test_the_entry_of_a_reversal_that_took_too_long_is_dropped() -> None:
    ride = in_position(2)
    act(ride, "reverse")
    ride.wait(11)
    ride.settle()
    assert ride.broker.qty() == 0 and ride.said("took too long")


def test_a_bracketed_order_by_hand_has_its_exits_and_they_are_ours() -> None:
    ride = Ride().start()
    ride.feed(
        e.ManualOrderRequested(
            at=ride.now, request="r1", contract=MES, side=Side.BUY, type=OrderType.MARKET, qty=2, person="ann",
            stop_loss_ticks=-20, take_profit_ticks=40,
        )
    )  # fmt: skip
    ride.settle()
    assert [o.rule for o in ride.state.open_orders(MES)] == ["manual:ann.bracket"] * 2


# --- one intent is sent once ------------------------------------------------------------------------------------------


@pytest.mark.statement(20)
def test_more_than_a_signal_asked_for_is_never_sent_whatever_the_tags() -> None:
    ride = Ride(Limits(max_position=50, max_order_qty=50)).start()
    ride.bar(enter(1, 2))
    ride.settle()
    session, bar = ride.state.sessions["s1"], ride.now
    ride.state.book(MES).position = ride.broker.book[MES].__class__(account=ACCOUNT, contract=MES)
    ride.state.book(MES).broker_qty = 0
    ride.state.orders.clear()  # the program has forgotten its position and its orders, and hears the same bar again
    ride.state.orders._open.clear()
    session.last_bar_end -= 1
    ride.state.risk.standings.clear()
    ride.outgoing.clear()
    ride.feed(bar_closed(bar, 6000.0))
    assert not [c for c in ride.outgoing if isinstance(c, Approved)]
    assert ride.said("4 contracts would be sent for the intent s1@")


@pytest.mark.statement(16)
def test_a_lost_answer_never_sends_the_same_intent_again() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    ride.answers = lambda command: "accepted"
    for _ in range(6):
        ride.wait(6)
        ride.settle()
    assert ride.placed == [] and ride.said("not sent again")
    assert sum(isinstance(c, Approved) for _, out in ride.log for c in out) == 1


def test_fees_and_profit_of_a_part_close_are_the_brokers_to_the_cent() -> None:
    ride = in_position(3)
    act(ride, "part_close", qty=1)
    ride.broker.last[MES] = START + 8
    ride.settle()
    # 8 ticks × 1.25 USD − four half-turns of 0.37 USD
    assert ride.state.cash_usd() == Decimal("10.00") - 4 * Decimal("0.37") == ride.broker.balance - 50_000


def protected(ride: Ride, request: str, qty: int) -> e.ManualOrderRequested:
    return msgspec.structs.replace(manual(ride, request, qty=qty), stop_loss_ticks=-20)


@pytest.mark.statement(42)
def test_every_bracketed_entry_of_a_position_must_show_its_stop_not_only_the_newest() -> None:
    ride = Ride().start()
    for request, qty in (("r1", 2), ("r2", 1)):
        ride.feed(protected(ride, request, qty))
        ride.settle()
    assert ride.state.book(MES).qty == 3
    first = max(ride.broker.working(), key=lambda order: order.qty)
    ride.broker.cancel(first.order_id or 0)  # its stop is gone, whoever took it away
    ride.settle()
    ride.wait(29)
    assert not ride.closes
    ride.wait(2)
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1)


def test_what_was_closed_of_bracketed_entries_need_not_show_a_stop_any_more() -> None:
    ride = in_position(2)
    ride.broker.fill(ride.broker.leg(OrderType.LIMIT).order_id or 0, 1)
    ride.settle()
    ride.feed(protected(ride, "r9", 1))
    ride.settle()
    assert (ride.state.book(MES).qty, ride.state.book(MES).bracketed) == (2, 2)
    ride.wait(31)
    ride.settle()
    assert not ride.closes
