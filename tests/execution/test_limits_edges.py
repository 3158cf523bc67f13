"""Each limit that acts, a tick before it and at it: what is cancelled and closed, under which code, and until when.

The sums are by hand: two MES earn or lose 2 × 1.25 = 2.50 USD a tick, and have paid 0.74 USD to get in.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.execution.limit_scenes import (
    MES,
    START,
    USD,
    Ride,
    enter,
    entries,
    holding,
    linked,
    price,
    refuses_a_person,
    takes,
    to,
)
from workbench.domain.account import TrailBasis
from workbench.domain.commands import CancelOrder
from workbench.execution.risk_state import ACCOUNT, session_scope, to_e4
from workbench.risk.codes import Code

Scene = Callable[[], Ride]
ALL = {"on_breach": "account", "daily_loss_usd": USD(9000)}
TUESDAY = date(2026, 11, 24)


def from_its_best(**limits: object) -> Ride:
    """The best is 20 ticks above the entry: 50 − 0.74 = 49.26 USD."""
    ride = holding(2, **limits)
    price(ride, START + 20, times=3)
    return ride


def account_fall() -> Ride:
    return from_its_best(**ALL, max_drawdown_usd=USD(100))


def session_fall() -> Ride:
    return from_its_best(session_drawdown_usd=USD(100), on_breach="session")


def profit() -> Ride:
    return holding(2, **ALL, daily_profit_usd=USD("49.26"))


def share_of_the_target() -> Ride:
    return linked(holding(2, **ALL, best_day_share=0.5, unstopped_ticks=40))  # 1,500 of the combine's 3,000


def day_of_the_programme() -> Ride:
    return linked(
        holding(2, daily_loss_usd=USD(9000), unstopped_ticks=40)
    )  # 50,000 at its start and 49,000 at its level


# What it is, whose it is, the last price within it (ticks from the entry), the first one at it.
EDGES = [
    (account_fall, Code.DRAWDOWN, ACCOUNT, -19, -20),  # 97.50 and 100.00 below 49.26
    (session_fall, Code.SESSION_DRAWDOWN, session_scope("s1"), -19, -20),
    (profit, Code.PROFIT_LOCK, ACCOUNT, 19, 20),  # 46.76 and 49.26
    (share_of_the_target, Code.CONSISTENCY, ACCOUNT, 600, 601),  # 1,499.26 and 1,501.76
    (day_of_the_programme, Code.PROGRAMME_DAY, ACCOUNT, -399, -400),  # 49,002.50 and 49,000
]
edges = pytest.mark.parametrize(
    ("scene", "code", "scope", "within", "at"), EDGES, ids=[str(edge[1].name).lower() for edge in EDGES]
)


@edges
def test_a_tick_before_its_limit_nothing_is_stopped(scene: Scene, code: Code, scope: str, within: int, at: int) -> None:
    ride = scene()
    ride.outgoing.clear()
    price(ride, START + within, times=9)
    assert not ride.state.risk.breaches and not ride.outgoing and not ride.state.halted
    assert ride.state.book(MES).qty == 2


@edges
def test_at_its_limit_orders_are_cancelled_the_position_is_closed_and_nothing_enters_until_the_date_is_over(
    scene: Scene, code: Code, scope: str, within: int, at: int
) -> None:
    ride = scene()
    price(ride, START + at, times=2)
    assert not ride.state.risk.breaches  # two readings of three
    ride.outgoing.clear()
    price(ride, START + at)
    assert {name: breach.code for name, breach in ride.state.risk.breaches.items()} == {scope: code}
    assert sum(isinstance(command, CancelOrder) for command in ride.outgoing) == 2  # stop and target, before the close
    assert any(a.level == "critical" and f"({code})" in a.text for a in ride.alerts)
    ride.settle()
    assert ride.broker.qty() == 0 and not ride.broker.working() and ride.closes == 1
    price(ride, START, times=5)  # what it was measured by is over
    ride.outgoing.clear()
    ride.bar(enter(1))
    assert not entries(ride)
    if scope == ACCOUNT:
        refuses_a_person(ride, "halted")
    to(ride, "16:59")
    assert scope in ride.state.risk.breaches
    to(ride, "17:00")
    assert not ride.state.risk.breaches and ride.state.sessions["s1"].status == "running"
    takes(ride)


@pytest.mark.parametrize(
    ("scene", "ticks", "words"),
    [
        (lambda: holding(2, daily_profit_usd=USD("49.26")), 20, "locked in from 49.26 USD"),
        (
            lambda: linked(holding(2, best_day_share=0.5, unstopped_ticks=40)),
            601,
            "1500.00 USD is its share of the profit",
        ),
    ],
    ids=["profit_lock", "consistency"],
)
def test_a_profit_that_was_reached_locks_the_day_although_a_breach_only_refuses_and_the_profit_goes(
    scene: Scene, ticks: int, words: str
) -> None:
    ride = scene()
    price(ride, START + ticks, times=2)
    price(ride, START)
    assert not ride.state.risk.locked_in
    price(ride, START + ticks, times=3)
    price(ride, START)
    assert ride.state.book(MES).qty == 2 and not ride.state.risk.breaches
    refuses_a_person(ride, "daily_profit_usd")
    assert ride.said(words)
    to(ride, "17:00")
    takes(ride)


def test_an_intraday_floor_follows_what_three_readings_agree_on_and_stops_the_account_there() -> None:
    ride = holding(2, **ALL, unstopped_ticks=40)
    linked(ride, trail_basis=TrailBasis.INTRADAY, daily_loss=None)  # 50,000, and 2,000 below the best equity
    firm = ride.state.risk.firm
    assert firm is not None and firm.floor == to_e4(USD(48_000))
    price(ride, START + 80, times=2)
    assert firm.floor == to_e4(USD(48_000)), "two readings may be one wrong price"
    price(ride, START + 80)
    assert firm.floor == to_e4(USD("48199.26"))  # 50,000 − 0.74 + 80 × 2.50 − 2,000
    price(ride, START + 40, times=5)
    assert firm.floor == to_e4(USD("48199.26")), "it never falls"
    price(ride, START - 719, times=5)  # 48,201.76
    assert not ride.state.risk.breaches
    price(ride, START - 720, times=5)  # 48,199.26
    assert ride.state.risk.breaches[ACCOUNT].code is Code.MAX_LOSS
