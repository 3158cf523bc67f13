"""What a person sees of the limits and of what is held: hand sums, and nothing where something is not known.

Two MES earn or lose 2.50 USD a tick, and have paid 0.74 USD to get in; a point of one MES is 5 USD.
"""

from __future__ import annotations

import math

import pytest

from tests.execution.limit_scenes import MES, MNQ, START, USD, Ride, holding, linked, manual, price, started
from workbench.domain import events as e
from workbench.domain.order import OrderType
from workbench.execution.exposure import at_risk_usd, exposures
from workbench.execution.headroom import Row, drawdown_usd, exposure, headroom


def shown(ride: Ride) -> dict[tuple[str, str], Row]:
    return {(row["limit"], row["scope"]): row for row in headroom(ride.state)}


def numbers(row: Row) -> tuple[object, ...]:
    return row["used_usd"], row["limit_usd"], row["left_usd"], row["left_percent"]


def test_only_limits_that_are_on_are_shown_and_the_daily_loss_stands_first() -> None:
    ride = holding(2, daily_loss_usd=USD(1000))
    assert [row["limit"] for row in headroom(ride.state)] == ["daily_loss"]
    price(ride, START - 10, times=3)
    assert numbers(headroom(ride.state)[0]) == (25.74, 1000.0, 974.26, 97.4)


def test_every_money_limit_has_its_row_with_the_sum_by_hand() -> None:
    ride = holding(
        2, on_breach="refuse", daily_loss_usd=USD(1000), max_drawdown_usd=USD(500), daily_profit_usd=USD(200),
        capital_at_risk_usd=USD(400), session_daily_loss_usd=USD(300), session_drawdown_usd=USD(150),
    )  # fmt: skip
    price(ride, START + 10, times=3)  # 25.00 − 0.74 = 24.26
    price(ride, START - 10, times=3)  # −25.74: 50.00 below its best
    rows = shown(ride)
    assert numbers(rows["daily_loss", "account"])[0] == 25.74
    assert numbers(rows["max_drawdown", "account"]) == (50.0, 500.0, 450.0, 90.0)
    assert numbers(rows["daily_profit", "account"]) == (0.0, 200.0, 200.0, 100.0)
    assert numbers(rows["capital_at_risk", "account"])[:2] == (25.0, 400.0)  # ten ticks more to the stop
    assert numbers(rows["session_daily_loss", "s1"]) == (25.74, 300.0, 274.26, 91.4)
    assert numbers(rows["session_drawdown", "s1"]) == (50.0, 150.0, 100.0, 66.7)


def test_more_than_a_limit_leaves_nothing_and_not_less() -> None:
    ride = holding(2, on_breach="refuse", daily_loss_usd=USD(20))
    price(ride, START - 10, times=3)
    assert numbers(headroom(ride.state)[0]) == (25.74, 20.0, 0.0, 0.0)


def test_the_levels_of_a_programme_count_from_its_floor_and_its_day() -> None:
    ride = linked(holding(2, daily_loss_usd=USD(9000), unstopped_ticks=40))  # 50,000, floor 48,000, 1,000 a day
    price(ride, START - 100, times=3)  # −250 and what was paid
    rows = shown(ride)
    assert numbers(rows["maximum_loss", "account"]) == (250.74, 2000.0, 1749.26, 87.5)
    assert numbers(rows["programme_daily_loss", "account"]) == (250.74, 1000.0, 749.26, 74.9)


def test_a_share_of_a_loss_over_all_accounts_is_shown_while_it_is_leased() -> None:
    ride = holding(2, daily_loss_usd=USD(1000))
    ride.feed(e.BudgetLeased(at=ride.now, until=ride.now + 10**12, daily_loss_usd=USD(100), max_micros=None))
    price(ride, START - 10, times=3)
    assert numbers(shown(ride)["all_accounts", "account"]) == (25.74, 100.0, 74.26, 74.3)


def test_a_session_that_has_ended_has_no_row() -> None:
    ride = started(session_daily_loss_usd=USD(300), session_drawdown_usd=USD(150))
    assert {scope for _, scope in shown(ride)} == {"account", "s1"}
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="enough"))
    assert {scope for _, scope in shown(ride)} == {"account"}


@pytest.mark.parametrize("last", [None, math.nan, math.inf])
def test_without_a_price_nothing_is_called_used_or_left(last: float | None) -> None:
    ride = holding(2, daily_loss_usd=USD(1000), session_daily_loss_usd=USD(300))
    ride.state.book(MES).last_price = last
    for row in headroom(ride.state):
        assert (row["used_usd"], row["left_usd"], row["left_percent"]) == (None, None, None), row["limit"]
    (held,) = exposure(ride.state)
    assert held["notional_usd"] is None


def test_what_is_held_is_told_in_contracts_micros_the_worst_case_and_dollars() -> None:
    ride = holding(2, daily_loss_usd=USD(9000))
    price(ride, START)
    (row,) = exposure(ride.state)
    assert (row["qty"], row["micros"], row["notional_usd"]) == (2, 2, 60_000.0)  # 6,000 points × 5 USD × 2
    assert (row["worst"], row["worst_micros"]) == (2, 2), "the exits only make it smaller"
    assert exposure(started(daily_loss_usd=USD(9000)).state) == []


# --- what the gate's sums are made of ---------------------------------------------------------------------------------


def test_exposures_are_of_what_is_held_or_may_be_and_leave_out_what_is_asked_for() -> None:
    ride = holding(2)
    ride.state.book(MNQ)  # heard of, and nothing there
    (mine,) = exposures(ride.state)
    assert (mine.spec.exchange_root, mine.qty, mine.worst) == ("MES", 2, 2)
    assert exposures(ride.state, without=MES) == () == exposures(ride.state, only=MNQ)
    assert exposures(ride.state, only=MES) == exposures(ride.state, without=MNQ) == (mine,)


def test_at_risk_is_the_way_to_the_stops_of_everything_but_what_is_left_out() -> None:
    ride = holding(2)  # 20 ticks to the stop, 2 × 1.25 USD each
    assert at_risk_usd(ride.state, None) == USD("50")
    assert at_risk_usd(ride.state, None, without=MES) == 0
    ride.state.book(MNQ)  # flat and without a price: nothing can be lost there
    assert at_risk_usd(ride.state, None) == USD("50")


def test_an_entry_that_waits_is_shown_and_its_stake_is_unknown_without_a_stop() -> None:
    ride = started(daily_loss_usd=USD(9000))
    ride.feed(manual(ride, 3, type=OrderType.LIMIT, limit_ticks=START - 100))
    ride.settle()
    (row,) = exposure(ride.state)
    assert (row["qty"], row["worst"]) == (0, 3)
    assert at_risk_usd(ride.state, None) is None, "what nobody knows must not count as nothing"
    assert at_risk_usd(ride.state, 40) == 3 * 40 * USD("1.25")


def test_the_drawdown_is_the_way_down_from_the_best_and_nothing_known_without_a_price() -> None:
    ride = holding(2, on_breach="refuse", max_drawdown_usd=USD(500))
    price(ride, START + 10, times=3)
    assert drawdown_usd(ride.state) == 0
    price(ride, START - 10, times=3)
    assert drawdown_usd(ride.state) == 2 * 20 * USD("1.25")
    ride.state.book(MES).last_price = None
    assert drawdown_usd(ride.state) is None
