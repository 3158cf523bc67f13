"""What the decision does with signals and bars, told as scenes between a runner and a gateway."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import (
    FEE,
    MES,
    MORNING,
    START,
    Ride,
    bar_closed,
    enter,
    leave,
)
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.hours import at_local
from workbench.domain.order import OrderType, Side, Status
from workbench.execution.step import HANDLERS, step
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits


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


@pytest.mark.statement(19)
def test_a_double_click_is_one_order() -> None:
    ride = Ride().start()
    for _ in range(3):
        ride.feed(manual(ride))
    ride.settle()
    assert len(ride.placed) == 1 and ride.broker.qty() == 1


# --- bars -------------------------------------------------------------------------------------------------------------


@pytest.mark.statement(26)
def test_warm_up_bars_feed_the_rule_and_never_trade() -> None:
    ride = Ride().start()
    early = MORNING - 5 * MINUTE
    for n in range(5):
        ride.signals[early + n * MINUTE] = msgspec.structs.replace(enter(1), at=early + n * MINUTE)
        assert ride.feed(bar_closed(early + n * MINUTE, 6000.0, at=ride.now)) == []
    rule = ride.state.sessions["s1"].rule
    assert (len(rule.warmed), rule.seen) == (5, [])


@pytest.mark.statement(26)
@pytest.mark.parametrize(("late_s", "trades"), [(0, True), (30, True), (31, False), (3600, False)])
def test_a_stale_bar_never_trades(late_s: int, trades: bool) -> None:
    ride = Ride().start()
    ride.bar(enter(1), late=late_s * SECOND)
    assert bool(ride.outgoing) is trades


@pytest.mark.statement(26)
def test_a_bar_repeated_at_the_seam_counts_once() -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    end = ride.state.sessions["s1"].last_bar_end
    ride.feed(bar_closed(end, 6000.0, at=ride.now))
    ride.feed(bar_closed(end - MINUTE, 6000.0, at=ride.now))
    assert len(ride.outgoing) == 1 and ride.state.sessions["s1"].rule.seen == [end]


@pytest.mark.statement(29)
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


@pytest.mark.statement(33)
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


@pytest.mark.statement(33)
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


@pytest.mark.statement(33)
def test_the_loss_of_the_day_survives_a_restart() -> None:
    ride = in_position()
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id)
    ride.settle()
    ride.restart(epoch=2)
    ride.settle()
    assert ride.state.day_pnl_usd() == Decimal("-51.48")
