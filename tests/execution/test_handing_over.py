"""What changes hands: a session ends over a position, one begins over one, a trading date begins without a price."""

from __future__ import annotations

import math

import pytest

from tests.execution.fake_broker import FEE, MES, START, Ride, enter
from tests.execution.limit_scenes import USD, holding, price, refuses_a_person, takes, to
from workbench.domain import events as e
from workbench.domain.commands import CancelOrder
from workbench.domain.order import OrderType, Side
from workbench.execution.fills import earned_by


def ended(ride: Ride, *, flatten: bool = False) -> None:
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="by ann", flatten=flatten))


def parts(ride: Ride) -> dict[str, int]:
    return {name: held.qty for name, held in ride.state.book(MES).ledgers.items() if held.qty}


# --- a session ends ---------------------------------------------------------------------------------------------------


@pytest.mark.statement(35)
def test_a_session_that_ends_over_a_position_hands_it_to_the_account_and_says_so() -> None:
    ride = holding(2)
    ended(ride)
    assert parts(ride) == {"": 2}
    (told,) = (a for a in ride.alerts if "which is the account's now" in a.text)
    assert told.level == "critical" and "+2" in told.text and "stops for 2 of it stay at the broker" in told.text
    assert not ride.outgoing and len(ride.broker.working()) == 2  # its exits


@pytest.mark.statement(35)
def test_what_an_ended_session_leaves_stands_under_the_limits_of_the_account() -> None:
    ride = holding(2, daily_loss_usd=USD(100), session_daily_loss_usd=USD(50), on_breach="account")
    ended(ride)
    price(ride, START - 30, times=4)  # 75: the session's limit is nobody's any more
    assert not ride.state.risk.breaches
    price(ride, START - 40, times=3)
    ride.settle()
    assert ride.broker.qty() == 0 and not ride.broker.working()


def test_what_its_exit_earns_is_the_accounts_and_the_sum_is_right() -> None:
    ride = holding(2)
    ended(ride)
    ride.broker.fill(ride.broker.exit(OrderType.LIMIT).order_id or 0)  # 40 ticks
    ride.settle()
    assert parts(ride) == {}
    assert earned_by(ride.state, MES, "s1").realized == -2 * FEE
    assert earned_by(ride.state, MES).realized == 2 * 40 * USD("1.25") - 2 * FEE
    assert ride.state.cash_usd() == ride.broker.balance - 50_000


def test_the_next_session_adopts_what_an_ended_one_has_left() -> None:
    ride = holding(2)
    ended(ride)
    ride.start_session("s2")
    assert parts(ride) == {"s2": 2}


def test_an_entry_of_an_ended_session_that_waits_is_taken_away_and_a_fill_that_crosses_is_the_accounts() -> None:
    ride = Ride().start()
    ride.bar(enter(1, 2))
    ride.send()
    ride.hear()
    ended(ride)
    assert [type(c) for c in ride.outgoing] == [CancelOrder]
    ride.outgoing.clear()
    ride.settle()
    assert parts(ride) == {"": 2}


def test_it_says_when_no_stop_works_for_what_is_left() -> None:
    ride = Ride().start()
    ride.bar(enter(1, 1, stop=None, target=None))
    ride.settle()
    ended(ride)
    assert ride.said("no stop works for it")


def test_an_ended_session_that_held_nothing_says_nothing() -> None:
    ride = Ride().start()
    ended(ride)
    assert not ride.alerts and not ride.outgoing


def test_a_session_ends_once_and_one_that_nobody_knows_does_nothing() -> None:
    ride = holding(2)
    ended(ride)
    ride.outgoing.clear()
    ended(ride, flatten=True)  # a second order to end it, from a page that had not heard
    unknown = ride.feed(e.SessionEnded(at=ride.now, session="s9", reason="typo", flatten=True))
    assert ride.outgoing == [] and not unknown and ride.state.book(MES).flatten is None
    assert ride.state.book(MES).qty == 2, "the account keeps what it was handed"


def test_a_session_that_ends_with_a_close_keeps_what_the_close_earns() -> None:
    ride = holding(2)
    ended(ride, flatten=True)
    ride.settle()
    assert ride.broker.qty() == 0 and earned_by(ride.state, MES, "s1").realized == -4 * FEE


# --- a trading date begins --------------------------------------------------------------------------------------------


@pytest.mark.statement(33)
def test_a_date_that_begins_without_a_price_enters_nothing_until_the_first_one_which_is_its_baseline() -> None:
    ride = holding(2, session_daily_loss_usd=USD(500))
    price(ride, START + 8)
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=math.nan))
    to(ride, "17:00")
    assert ride.state.day_pnl_usd() is None
    refuses_a_person(ride, "unknown_equity")
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=math.inf))
    refuses_a_person(ride, "unknown_equity")
    ride.alerts.clear()
    price(ride, START + 10)
    assert ride.state.day_pnl_usd() == 0 and ride.state.day_baseline == 2 * 10 * USD("1.25") - 2 * FEE
    assert ride.state.sessions["s1"].day_baseline == ride.state.day_baseline
    assert [a.level for a in ride.alerts] == ["warning"] and ride.said("counts from the first one")
    price(ride, START + 6)
    assert ride.state.day_pnl_usd() == -2 * 4 * USD("1.25") and len(ride.alerts) == 1
    takes(ride)
    before = ride.state.day_pnl_usd()
    ride.restart(2)
    assert ride.state.day_pnl_usd() == before


def test_a_position_that_closes_before_the_first_price_gives_the_baseline_too() -> None:
    ride = holding(2)
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=math.nan))
    to(ride, "17:00")
    ride.broker.fill(ride.broker.exit(OrderType.STOP).order_id or 0)
    ride.settle()
    assert ride.state.day_pnl_usd() is not None


# --- a session begins -------------------------------------------------------------------------------------------------


def left_open(qty: int = 2, **rule: object) -> Ride:
    """A session that starts over what somebody has opened without a stop."""
    ride = Ride()
    ride.broker.external(Side.BUY, qty)
    ride.broker.fill_markets()
    ride.broker.events.clear()
    fresh = ride.state.rules

    def made(strategy: str, contract: str, parameters: dict[str, float | int | str | bool]) -> object:
        script = fresh(strategy, contract, parameters)
        for name, value in rule.items():
            setattr(script, name, value)
        return script

    ride.state.rules = made  # type: ignore[assignment]
    return ride.start()


def stop_by_hand(ride: Ride, qty: int = 2) -> None:
    ride.broker.external(Side.SELL, qty, OrderType.STOP, stop_ticks=START - 20)
    ride.settle()


@pytest.mark.statement(42)
def test_a_position_that_is_adopted_without_a_stop_alarms_enters_nothing_and_is_closed_in_time() -> None:
    ride = left_open()
    (told,) = (a for a in ride.alerts if "without a working stop" in a.text)
    assert told.level == "critical" and "within 30 s" in told.text
    ride.wait(29)
    assert not ride.outgoing
    ride.bar(enter(1))
    ride.settle()
    assert (ride.broker.qty(), ride.closes) == (0, 1) and not ride.placed


@pytest.mark.statement(42)
def test_an_adopted_position_stays_when_a_stop_works_for_all_of_it_in_time() -> None:
    for qty, stays in ((1, False), (2, True)):
        ride = left_open()
        ride.wait(10)
        stop_by_hand(ride, qty)
        ride.wait(31)
        ride.settle()
        assert (ride.broker.qty() == 2) is stays


def test_an_adopted_position_whose_stop_works_alarms_nobody() -> None:
    ride = holding(2)
    ended(ride)
    ride.alerts.clear()
    ride.start_session("s2")
    assert not ride.alerts
    ride.wait(31)
    assert not ride.outgoing


def test_a_strategy_that_declares_no_stop_adopts_a_position_without_one() -> None:
    ride = left_open(has_stop=False)
    ride.wait(60)
    assert not ride.said("without a working stop") and not ride.outgoing and ride.broker.qty() == 2


def test_with_nothing_there_a_session_that_adopts_begins_quietly() -> None:
    assert not Ride().start().alerts
