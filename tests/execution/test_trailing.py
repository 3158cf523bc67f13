"""The stop that follows: what the decision sends when a rule moves it, over our own gateway."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.execution.fake_broker import MES, PRODUCT, START, Ride, enter, leave
from tests.execution.scenes import in_position
from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.domain.commands import ModifyOrder
from workbench.domain.order import OrderType
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal


def move(level: int, rule: str = "trail") -> Signal:
    return Signal(at=0, stop_to=level, rule=rule)


def moves(ride: Ride) -> list[tuple[int | None, str]]:
    return [(c.stop_ticks, c.reason) for c in ride.broker.requests if isinstance(c, ModifyOrder)]


@pytest.mark.parametrize("side", [1, -1])
def test_the_stop_of_a_position_moves_to_the_level_and_protects_there(side: int) -> None:
    ride = in_position(qty=2, side=side)
    ride.bar(move(START - 8 * side))
    ride.settle()
    assert moves(ride) == [(START - 8 * side, "trail")]
    assert ride.broker.leg(OrderType.STOP).stop_ticks == START - 8 * side
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id or 0)
    ride.settle()
    assert ride.state.book(MES).qty == 0 and not ride.broker.working()


@pytest.mark.parametrize("side", [1, -1])
def test_a_level_that_is_no_tighter_sends_nothing(side: int) -> None:
    ride = in_position(side=side)
    for level in (START - 20 * side, START - 30 * side):
        ride.bar(move(level))
        ride.settle()
    assert moves(ride) == []


def test_the_target_stays_where_it_is() -> None:
    ride = in_position()
    ride.bar(move(START + 4, "break_even"))
    ride.settle()
    assert ride.broker.leg(OrderType.LIMIT).limit_ticks == START + 40


def test_without_a_position_or_while_it_is_being_closed_nothing_moves() -> None:
    flat = Ride().start()
    assert flat.bar(move(START - 4)) == []
    ride = in_position()
    ride.bar(leave())  # the cancels are out, their answers are not
    assert not any(isinstance(c, ModifyOrder) for c in ride.bar(move(START - 4)))


def test_a_move_is_not_gated_and_not_counted_as_an_order() -> None:
    ride = in_position(limits=Limits(max_orders_per_minute=1, daily_loss_usd=Decimal("0.01")))
    ride.bar(move(START - 4), close=START - 3)
    ride.settle()
    assert moves(ride) == [(START - 4, "trail")]
    assert not ride.said("order refused")


def test_a_bar_that_comes_too_late_to_act_on_is_told_with_what_is_held() -> None:
    ride, told = in_position(qty=2), []
    ride.state.sessions["s1"].rule.warm = lambda bar, *held: told.append(held)  # type: ignore[method-assign]
    ride.bar(leave(), late=45 * SECOND)
    ride.settle()
    assert told == [(2, float(START))] and ride.broker.qty() == 2


def test_a_move_that_the_broker_refuses_reads_the_broker() -> None:
    ride = in_position()
    stop = ride.broker.leg(OrderType.STOP)
    ride.bar(move(START - 4))
    ride.broker.fill(stop.order_id or 0)  # it fills before the move arrives
    ride.settle(reads=False)
    assert ride.reads == 1 and ride.state.book(MES).qty == 0


@pytest.mark.parametrize("side", [1, -1])
def test_a_refused_move_that_the_market_has_passed_closes_as_the_stop_would_have(side: int) -> None:
    ride = in_position(qty=2, side=side)
    ride.broker.modify = lambda command: False  # type: ignore[method-assign]
    ride.bar(move(START - 4 * side))
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=PRODUCT.price(START - 5 * side)))
    ride.settle()
    assert ride.closes == 1 and ride.broker.qty() == 0 and not ride.broker.working()
    assert ride.said("the market is beyond it")
    ride.restart(2)


def test_a_refused_move_leaves_the_stop_where_it_was_and_is_told() -> None:
    ride = in_position(qty=2)
    ride.broker.modify = lambda command: False  # type: ignore[method-assign]
    ride.bar(move(START - 4))
    ride.settle()
    assert ride.said("was not moved to") and ride.said("it stays where it was")
    assert ride.closes == 0 and ride.broker.leg(OrderType.STOP).stop_ticks == START - 20


def test_a_restart_decides_the_same_again() -> None:
    ride = in_position()
    ride.bar(move(START - 8))
    ride.settle()
    ride.restart(2)
    ride.settle()
    ride.bar(move(START - 8))
    ride.settle()
    assert moves(ride) == [(START - 8, "trail")]


def test_a_strategy_of_its_own_limits_is_held_to_the_tighter_ones() -> None:
    ride = Ride(Limits(max_position=5)).start()
    ride.state.sessions["s1"].rule.own_limits = (1e9, 1)  # type: ignore[attr-defined]
    ride.bar(enter(1, qty=2))
    ride.settle()
    assert ride.broker.qty() == 0 and ride.said("limit ±1")
    ride.state.sessions["s1"].rule.own_limits = (1e9, 50)  # type: ignore[attr-defined]
    ride.bar(enter(1, qty=6))
    ride.settle()
    assert ride.broker.qty() == 0 and ride.said("limit 5")
