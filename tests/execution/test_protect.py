"""Accounts without Auto-OCO: a stop and a target of our own that always fit what is open, and end where brackets do."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.fake_broker import MES, START, FakeBroker, Ride, enter, leave
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.commands import CancelOrder, ClosePosition, ModifyOrder, PlaceOrder, ReadBroker
from workbench.domain.order import OrderType, Side, Status
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal

pytestmark = [pytest.mark.statement(42), pytest.mark.statement(7)]


def separate(qty: int = 2, side: int = 1, limits: Limits | None = None) -> Ride:
    """A position of a session on an account in Position-Brackets mode."""
    ride = bare(limits)
    ride.bar(enter(side, qty))
    ride.settle()
    return ride


def bare(limits: Limits | None = None) -> Ride:
    return Ride(limits, FakeBroker(brackets=False)).start(bracket_mode="position")


def stops(ride: Ride) -> list[int]:
    return [o.remaining for o in ride.broker.working() if o.type is OrderType.STOP]


def targets(ride: Ride) -> list[int]:
    return [o.remaining for o in ride.broker.working() if o.type is OrderType.LIMIT]


@pytest.mark.parametrize("side", [1, -1])
def test_an_entry_without_brackets_gets_a_stop_and_a_target_of_its_own(side: int) -> None:
    ride = separate(2, side)
    entry, stop, target = ride.placed
    assert (entry.stop_loss_ticks, entry.take_profit_ticks) == (None, None)
    assert (stop.type, stop.side.sign, stop.qty, stop.stop_ticks) == (OrderType.STOP, -side, 2, START - 20 * side)
    assert (target.type, target.side.sign, target.qty, target.limit_ticks) == (
        OrderType.LIMIT, -side, 2, START + 40 * side,
    )  # fmt: skip
    assert (stop.rule, stop.strategy, stop.session) == (f"{entry.rule}.bracket", "v1", "s1")
    assert ride.state.book(MES).protect_by is None


def test_there_is_one_protected_entry_at_a_time() -> None:
    ride = separate(2, limits=Limits(max_position=9, max_order_qty=9))
    guard, before = ride.state.book(MES).guard, len(ride.placed)
    another = manual(ride, "m1", Side.BUY, 1)
    ride.feed(msgspec.structs.replace(another, stop_loss_ticks=-20, take_profit_ticks=40))
    ride.settle()
    assert ride.said("there is one protected entry at a time") and len(ride.placed) == before
    assert ride.state.book(MES).guard is guard, "the exits of the first stay its own"
    assert (stops(ride), targets(ride), ride.broker.qty()) == ([2], [2], 2)


def test_a_protected_entry_that_the_gate_refuses_is_told_its_reason_first() -> None:
    ride = separate()
    ride.feed(e.Halted(at=ride.now, reason="news of the world"))
    ride.feed(msgspec.structs.replace(manual(ride, "m1", Side.BUY, 1), stop_loss_ticks=-20))
    assert "news of the world" in ride.state.refused.get("m1", "") or ride.said("news of the world")
    assert not ride.said("there is one protected entry at a time"), "that would go by itself, the halt does not"


def test_exits_count_from_the_fill_not_from_the_signal() -> None:
    ride = bare()
    ride.bar(enter(1, 1))
    ride.broker.last[MES] = START + 7
    ride.settle()
    assert (ride.broker.exit(OrderType.STOP).stop_ticks, ride.broker.exit(OrderType.LIMIT).limit_ticks) == (
        START - 13, START + 47,
    )  # fmt: skip


def test_exits_follow_a_part_filled_entry_one_contract_at_a_time() -> None:
    ride = bare()
    ride.bar(enter(1, 3))
    ride.send()
    (entry,) = ride.broker.working()
    for filled in (1, 2, 3):
        ride.broker.fill(entry.order_id or 0, 1)
        while ride.broker.events or ride.outgoing:
            ride.broker.start_working()
            ride.hear()
            ride.send()
        assert (stops(ride), targets(ride)) == ([filled], [filled])
    assert len([c for c in ride.placed if c.type is OrderType.STOP]) == 1


def test_a_filled_target_cancels_the_stop_before_any_new_entry() -> None:
    ride = separate()
    ride.trade(START + 40)
    assert (ride.broker.qty(), ride.broker.working(), ride.state.book(MES).guard) == (0, [], None)
    assert [type(c) for c in ride.broker.requests] == [PlaceOrder, PlaceOrder, PlaceOrder, CancelOrder]


@pytest.mark.statement(8)
def test_nothing_is_entered_while_the_other_exit_may_still_fill() -> None:
    ride = separate()
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0)
    ride.hear()
    assert [type(c) for c in ride.outgoing] == [CancelOrder]
    ride.outgoing.clear()  # the cancel is lost
    ride.bar(enter(1))
    assert not any(isinstance(c, Approved) for c in ride.outgoing)


def test_a_part_filled_target_leaves_a_stop_for_the_rest_alone() -> None:
    ride = separate(3)
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0, 1)
    ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (2, [2], [2])


def test_the_first_refusal_teaches_the_mode_and_a_restart_remembers_it() -> None:
    ride = Ride(broker=FakeBroker(brackets=False)).start()
    ride.bar(enter(1))
    ride.settle()
    assert ride.broker.qty() == 0 and ride.said("not in Auto-OCO mode")
    assert sum(isinstance(c, PlaceOrder) for c in ride.broker.requests) == 1  # the same intent is not sent again
    ride.restart(2)
    ride.settle()
    ride.bar(enter(1))
    ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (1, [1], [1])


def test_a_stop_that_the_gateway_refuses_closes_the_position_at_once() -> None:
    ride = bare()
    ride.answers = lambda command: "rejected" if command.type is OrderType.STOP else "accepted"
    ride.bar(enter(1, 2))
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working()) == (0, []) and ride.said("was refused")


def test_a_target_that_the_gateway_refuses_leaves_the_stop() -> None:
    ride = bare()
    ride.answers = lambda command: "rejected" if command.type is OrderType.LIMIT else "accepted"
    ride.bar(enter(1, 2))
    ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (2, [2], [])


@pytest.mark.statement(6)
def test_a_stop_that_never_arrived_is_sent_anew_under_another_tag_or_the_position_is_closed() -> None:
    ride = bare(Limits(protect_within_s=30))
    ride.answers = lambda command: "lost" if command.type is OrderType.STOP else "accepted"
    ride.bar(enter(1, 2))
    ride.settle()
    for _ in range(3):
        ride.wait(6)
        ride.settle()
    ride.answers = lambda command: "accepted"
    for _ in range(2):
        ride.wait(6)
        ride.settle()
    assert ride.broker.qty() == 0 or stops(ride) == [2]


def test_a_stop_that_is_not_confirmed_in_time_flattens() -> None:
    ride = bare(Limits(protect_within_s=5))
    ride.answers = lambda command: "lost" if command.type is OrderType.STOP else "accepted"
    ride.bar(enter(1, 2))
    ride.settle(reads=False)
    ride.wait(6)
    ride.settle()
    assert ride.broker.qty() == 0 and ride.said("no working stop covers")


def test_a_stop_that_somebody_cancels_is_not_argued_about_the_position_is_closed() -> None:
    ride = separate()
    ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.settle()
    assert stops(ride) == []
    ride.wait(31)
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working()) == (0, [])


def test_both_exits_filled_in_one_wild_second_are_closed_again() -> None:
    ride = separate()
    for kind in (OrderType.LIMIT, OrderType.STOP):
        ride.broker.fill(ride.broker.exit(kind).order_id or 0)
    assert ride.broker.qty() == -2
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working()) == (0, []) and ride.said("both exits")


def told(ride: Ride, *kinds: type[e.Event]) -> None:
    """Take in what the hub has said of these kinds, reports of a kind in their order; the rest stays unheard."""
    waiting, ride.broker.events = ride.broker.events, []
    for kind in kinds:
        for event in [each for each in waiting if type(each) is kind]:
            waiting.remove(event)
            ride.feed(ride.at_now(event))
    ride.broker.events = waiting


def filled_in_two(ride: Ride) -> None:
    """An entry of two contracts fills in two trades; nothing of it has been heard."""
    ride.bar(enter(1, 2))
    ride.send()
    (entry,) = ride.broker.working()
    for _ in range(2):
        ride.broker.fill(entry.order_id or 0, 1)


def test_what_both_exits_have_done_is_closed_when_it_is_known_in_full() -> None:
    ride = separate()
    for kind, parts in ((OrderType.LIMIT, [2]), (OrderType.STOP, [1, 1])):
        number = ride.broker.exit(kind).order_id or 0
        for part in parts:
            ride.broker.fill(number, part)
    last = next(event for event in reversed(ride.broker.events) if isinstance(event, e.FillReported))
    ride.broker.events.remove(last)
    told(ride, e.OrderReported, e.FillReported)
    assert ride.state.book(MES).qty == -1 and not ride.said("both exits"), "a trade of a filled order is on its way"
    ride.feed(ride.at_now(last))
    ride.hear()
    assert ride.said("the position of -2 is closed")
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working()) == (0, [])


def test_exits_wait_for_the_trades_of_an_entry_that_says_it_is_filled() -> None:
    ride = bare()
    filled_in_two(ride)
    second = [event for event in ride.broker.events if isinstance(event, e.FillReported)][1]
    ride.broker.events.remove(second)
    told(ride, e.OrderReported, e.FillReported)
    assert ride.state.book(MES).qty == 1
    assert (ride.outgoing, ride.alerts) == ([], []), "nothing is even tried for a quantity that is not sure"
    ride.feed(ride.at_now(second))
    ride.settle()
    assert [p.qty for p in ride.placed] == [2, 2, 2] and (stops(ride), targets(ride)) == ([2], [2])


def test_exits_count_from_the_first_fill_of_an_entry_in_parts() -> None:
    ride = bare()
    ride.bar(enter(1, 2))
    ride.send()
    (entry,) = ride.broker.working()
    for ticks in (START, START + 4):
        ride.broker.fill(entry.order_id or 0, 1, ticks)
    told(ride, e.OrderReported, e.FillReported)
    ride.settle()
    assert ride.broker.exit(OrderType.STOP).stop_ticks == START - 20, "as the backtest does, not from the average"


def test_an_exit_that_never_arrives_is_sent_three_times_and_no_more() -> None:
    ride = bare(Limits(protect_within_s=600.0))
    ride.answers = lambda command: "lost" if command.type is OrderType.STOP else "accepted"
    ride.bar(enter(1, 2))
    for _ in range(60):
        ride.wait(6)
        ride.settle()
    sent = [c for event, out in ride.log for c in out if isinstance(c, Approved)]
    assert sum(c.command.type is OrderType.STOP for c in sent) == 3
    ride.wait(600)
    ride.settle()
    assert ride.broker.qty() == 0, "then the protection's patience ends it"


def test_a_position_that_waits_for_its_stop_is_read_after_two_seconds_once() -> None:
    ride = bare()
    filled_in_two(ride)
    ride.broker.events.remove([event for event in ride.broker.events if isinstance(event, e.FillReported)][1])
    told(ride, e.OrderReported, e.FillReported)  # the second trade is lost
    ride.broker.events.clear()

    def asked() -> int:
        return sum(isinstance(c, ReadBroker) and "waits for its stop" in c.reason for _, out in ride.log for c in out)

    ride.wait(1.9)
    assert asked() == 0
    for _ in range(3):
        ride.wait(0.2)
    assert asked() == 1 and not ride.outgoing
    ride.feed(ride.broker.read())
    ride.settle()
    assert stops(ride) == [2]


# --- brackets of the gateway, after something else than they has changed the position ---------------------------------


def sold_beside(ride: Ride) -> Ride:
    ride.broker.external(Side.SELL, 1)
    ride.broker.fill_markets()
    ride.hear()
    return ride


def resized(ride: Ride) -> list[int]:
    return sorted(c.qty or 0 for c in ride.outgoing if isinstance(c, ModifyOrder))


def test_brackets_are_made_to_fit_when_the_gateway_has_had_its_time() -> None:
    ride = sold_beside(in_position(3))
    ride.wait(1.9)
    assert resized(ride) == [], "it may be at it by itself"
    ride.wait(0.2)
    assert resized(ride) == [2, 2]


def test_brackets_are_left_alone_while_the_position_is_being_closed() -> None:
    ride = sold_beside(in_position(3))
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="enough", flatten=True))
    ride.wait(3)
    assert resized(ride) == []
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working()) == (0, [])


def test_brackets_of_two_entries_are_not_made_as_large_as_the_whole_position() -> None:
    ride = in_position(2, limits=Limits(max_position=9, max_order_qty=9))
    more = msgspec.structs.replace(manual(ride, "m1", Side.BUY, 2), stop_loss_ticks=-20, take_profit_ticks=40)
    ride.feed(more)
    ride.settle()
    assert sorted(stops(ride)) == [2, 2]
    sold_beside(ride)
    ride.wait(3)
    assert resized(ride) == [] and sorted(stops(ride)) == [2, 2]


def test_exits_go_when_somebody_has_turned_the_position_round() -> None:
    ride = separate(2)
    ride.broker.external(Side.SELL, 3)
    ride.settle()
    assert ride.broker.qty() == -1 and (stops(ride), targets(ride)) == ([], []), "a sell stop would add to a short"


def test_a_close_that_an_exit_has_been_quicker_than_cancels_the_other_one_once() -> None:
    ride = separate(2)
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="enough", flatten=True))
    asked = [c.order_id for c in ride.outgoing if isinstance(c, CancelOrder)]
    assert len(asked) == 2
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0)
    ride.hear()
    ride.feed(e.TimerFired(at=ride.now))
    assert [c.order_id for c in ride.outgoing if isinstance(c, CancelOrder)] == asked
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working()) == (0, [])


def test_halts_limits_and_a_locked_account_do_not_hold_an_exit_back() -> None:
    ride = bare(Limits(max_open_orders=3, max_orders_per_minute=1, max_position=2, max_order_qty=2))
    ride.bar(enter(1, 2))
    ride.send()
    ride.broker.fill_markets()
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    ride.feed(e.StreamChanged(at=ride.now, hub="market", up=False))
    ride.state.can_trade = False
    ride.settle(reads=False)
    assert (stops(ride), targets(ride)) == ([2], [2])


@pytest.mark.statement(6)
@pytest.mark.parametrize("heard", [0, 1, 2, 3, 4, 5, 6])
def test_wherever_the_runner_dies_around_the_fill_the_position_has_one_stop_afterwards(heard: int) -> None:
    ride = bare()
    ride.bar(enter(1, 2))
    ride.send()
    ride.broker.fill_markets()
    for event in ride.broker.events[:heard]:
        ride.feed(ride.at_now(event))
    ride.restart(2)
    ride.settle()
    for _ in range(4):
        ride.wait(6)
        ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (2, [2], [2])


@pytest.mark.parametrize("sent", [1, 2])
@pytest.mark.parametrize("arrived", [True, False])
def test_a_death_between_the_two_exits_leaves_one_stop_and_one_target(sent: int, arrived: bool) -> None:
    ride = bare()
    ride.bar(enter(1, 2))
    ride.send()
    ride.broker.fill_markets()
    ride.hear()
    exits = [c.command for c in ride.outgoing if isinstance(c, Approved)]
    assert [c.type for c in exits] == [OrderType.STOP, OrderType.LIMIT]
    for command in exits[:sent]:
        if arrived:
            ride.broker.place(command)
    ride.restart(2)
    ride.settle()
    for _ in range(4):
        ride.wait(6)
        ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (2, [2], [2])


@pytest.mark.statement(8)
def test_a_death_after_one_exit_filled_cancels_the_other() -> None:
    ride = separate()
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0)
    ride.restart(2)
    ride.settle()
    assert (ride.broker.qty(), ride.broker.working(), ride.state.book(MES).guard) == (0, [], None)


def test_a_trailing_move_acts_on_the_separate_stop_and_it_keeps_its_size() -> None:
    ride = separate(2)
    ride.bar(Signal(at=0, stop_to=START - 5, rule="trail"))
    ride.settle()
    stop = ride.broker.exit(OrderType.STOP)
    assert (stop.stop_ticks, stop.remaining) == (START - 5, 2)
    ride.trade(START - 5)
    assert (ride.broker.qty(), ride.broker.working()) == (0, [])


def test_a_part_close_by_hand_leaves_exits_for_the_rest() -> None:
    ride = separate(3)
    ride.feed(e.OrderActionRequested(at=ride.now, request="a", kind="part_close", contract=MES, qty=1))
    ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (2, [2], [2])


def test_a_flatten_takes_the_exits_away_before_it_closes() -> None:
    ride = separate()
    ride.bar(leave())
    assert all(isinstance(c, CancelOrder) for c in ride.outgoing) and len(ride.outgoing) == 2
    ride.settle()
    assert isinstance(ride.broker.requests[-1], ClosePosition)
    assert (ride.broker.qty(), ride.broker.working(), ride.state.book(MES).guard) == (0, [], None)


def test_a_change_that_is_lost_is_asked_again_and_never_answered_with_a_second_stop() -> None:
    ride = separate(3)
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0, 1)
    ride.hear()
    changes = [c for c in ride.outgoing if isinstance(c, ModifyOrder)]
    assert [c.qty for c in changes] == [2]
    ride.outgoing.clear()
    ride.wait(11)
    ride.settle()
    assert stops(ride) == [2] and len([c for c in ride.placed if c.type is OrderType.STOP]) == 1


# --- the same trades as with brackets ---------------------------------------------------------------------------------

Play = Callable[[Ride], None]


def plays(moves: list[tuple[str, int]]) -> list[tuple[int, int]]:
    """Fills (signed contracts, ticks) of one script, first with Auto-OCO, then without: they must be the same."""
    made = []
    for ride in (Ride().start(), bare()):
        for what, number in moves:
            if what == "enter":
                ride.bar(enter(1 if number > 0 else -1, abs(number)))
            elif what == "leave":
                ride.bar(leave())
            elif what == "trail":
                ride.bar(Signal(at=0, stop_to=START + number, rule="trail"))
            else:
                ride.trade(START + number)
            ride.settle()
        assert ride.state.book(MES).qty == ride.broker.qty()
        made.append([(f.qty, f.ticks) for f in ride.broker.fills])
    assert made[0] == made[1]
    return made[1]


def test_without_auto_oco_a_day_ends_in_the_same_trades() -> None:
    day = [
        ("enter", 2), ("price", 10), ("price", 41), ("enter", -1), ("price", 25), ("price", 70), ("enter", 1),
        ("trail", 60), ("price", 55), ("enter", 3), ("leave", 0), ("enter", -2), ("enter", 2), ("price", 200),
    ]  # fmt: skip
    fills = plays(day)
    # entry at 0, target 40 ticks on; short at 41, stop 20 ticks above it
    assert [(q, t - START) for q, t in fills[:4]] == [(2, 0), (-2, 40), (-1, 41), (1, 61)]


move = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from((-3, -1, 1, 2))),
    st.tuples(st.just("leave"), st.just(0)),
    st.tuples(st.just("trail"), st.integers(-30, 30)),
    st.tuples(st.just("price"), st.integers(-80, 80)),
)


@given(st.lists(move, min_size=2, max_size=14))
@settings(max_examples=60, deadline=None)
def test_any_script_has_the_same_trades_with_and_without_auto_oco(moves: list[tuple[str, int]]) -> None:
    plays(moves)


@pytest.mark.statement(18)
def test_any_order_of_the_reports_of_one_exit_ends_the_same() -> None:
    ends = set()
    for order in itertools.permutations(range(4)):
        ride = separate()
        ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0)
        events = list(ride.broker.events)
        assert len(events) == 4
        ride.broker.events[:] = [events[i] for i in order]
        ride.settle()
        statuses = tuple(sorted(o.status for o in ride.state.orders.values()))
        ends.add((ride.broker.qty(), ride.state.book(MES).qty, ride.state.book(MES).guard, statuses))
    assert ends == {(0, 0, None, (Status.CANCELED, Status.FILLED, Status.FILLED))}


def test_a_person_may_add_a_contract_without_disturbing_the_exits() -> None:
    ride = separate(2)
    ride.feed(
        e.ManualOrderRequested(at=ride.now, request="m", contract=MES, side=Side.BUY, type=OrderType.MARKET, qty=1)
    )
    ride.settle()
    assert (ride.broker.qty(), stops(ride), targets(ride)) == (3, [2], [2])
