"""The chance to pass a programme: days in other orders, played under the firm's rules; expected shares by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tests.test_research import walk
from workbench import research
from workbench.backtest.passing import Day, chance_to_pass
from workbench.domain.account import AccountProgramme
from workbench.domain.account_file import account
from workbench.domain.errors import InputError


def programme(**changes: object) -> AccountProgramme:
    base = {"starting_balance": 1000, "max_loss": 100, "max_minis": 1, "profit_target": 150, "lock_at": 1000}
    return account(base | changes)


def day(*nets: float) -> Day:
    """Trades that never were worse or better than their end."""
    return [(net, min(net, 0.0), max(net, 0.0)) for net in nets]


def test_the_same_days_in_all_orders_pass_as_often_as_a_count_by_hand_says() -> None:
    # +90, +90, −120: the loss fails the account (floor 900) unless both wins come first, which pass (1180 − 1000 > 150)
    # before it: one position of three. After one win the floor stands at 990, so the loss ends there, too.
    made = chance_to_pass([day(90), day(90), day(-120)], programme(), drawn=False, samples=3000)
    assert made.passed == pytest.approx(1 / 3, abs=0.03) and made.failed == pytest.approx(2 / 3, abs=0.03)
    assert (made.open, made.drawn, made.played, made.days[50]) == (0.0, False, 3, 2)


def test_days_drawn_anew_pass_as_often_as_all_draws_say() -> None:
    # four draws of +60 or −60: played out by hand over all 16, with the floor that follows the day's end up to 1000
    def ends(draws: tuple[int, ...]) -> str:
        balance, floor = 1000, 900
        for net in draws:
            balance += net
            if balance <= floor:
                return "failed"
            floor = max(floor, min(balance - 100, 1000))
            if balance - 1000 >= 150:
                return "passed"
        return "open"

    told = [ends(draws) for draws in product((60, -60), repeat=4)]
    made = chance_to_pass([day(60), day(-60)], programme(), length=4, samples=6000, seed=5)
    for name in ("passed", "failed", "open"):
        assert getattr(made, name) == pytest.approx(told.count(name) / 16, abs=0.025), name


def test_a_floor_that_follows_the_equity_sees_the_best_moment_of_a_trade() -> None:
    # +80 at best, +10 at the end, −25 at worst: an intraday floor stands at 980 by then, and 975 breaks it
    trades: list[Day] = [[(10.0, -25.0, 80.0)]]
    end_of_day, intraday = programme(profit_target=10), programme(profit_target=10, trail_basis="intraday")
    assert chance_to_pass(trades, end_of_day, samples=1).passed == 1.0
    assert chance_to_pass(trades, intraday, samples=1).failed == 1.0


def test_the_daily_loss_ends_the_day_and_spares_the_account_the_rest_of_it() -> None:
    lost: list[Day] = [day(-60, -60), day(200)]
    without = chance_to_pass(lost, programme(), drawn=False, samples=200)
    held = chance_to_pass(lost, programme(daily_loss=50), drawn=False, samples=200)
    assert without.failed > 0.3  # 120 lost in a day that comes first
    assert held.failed == 0.0 and held.passed == 1.0
    assert held.daily_stops == pytest.approx(0.5, abs=0.15)  # in the orders in which the loss comes first


def test_twice_the_size_loses_twice_as_much() -> None:
    lost, won = ([day(net)] for net in (-60, 80))  # the account fails at −100 and passes at +150
    made = [chance_to_pass(d, programme(), size=size, length=1, samples=1) for d in (lost, won) for size in (1.0, 2.0)]
    assert [(c.passed, c.failed, c.open) for c in made] == [(0, 0, 1), (0, 1, 0), (0, 0, 1), (1, 0, 0)]


def test_a_part_of_the_edge_is_taken_off_every_trade_alike() -> None:
    days = [day(160), day(40)]  # 100 a trade on average: half of it leaves 110 and −10, none of it 60 and −60
    kept = [chance_to_pass(days, programme(), edge=edge, drawn=False, samples=50) for edge in (1.0, 0.5, 0.0)]
    assert [c.passed for c in kept] == [1.0, 0.0, 0.0] and kept[2].failed == 0.0
    lost = chance_to_pass(days, programme(max_loss=60, trail_basis="static"), edge=0.0, drawn=False, samples=400)
    assert lost.failed == pytest.approx(0.5, abs=0.1)  # in the orders in which the 60 are lost first
    assert lost.failed + lost.open == 1.0


def test_a_best_day_that_is_too_much_of_the_profit_does_not_pass_at_once() -> None:
    days = [day(200)]
    assert chance_to_pass(days, programme(), length=1, samples=1).passed == 1.0
    careful = programme(consistency=0.5)  # a best day of 200 asks for 400
    assert chance_to_pass(days, careful, length=1, samples=1).open == 1.0
    assert chance_to_pass(days, careful, length=2, samples=1).passed == 1.0


def test_the_same_seed_gives_the_same_answer_and_it_says_itself_in_a_line() -> None:
    days = [day(60), day(-60), day(30, -20), []]
    one, same, other = (chance_to_pass(days, programme(), length=12, samples=50, seed=s) for s in (1, 1, 2))
    assert one == same != other
    assert str(one).startswith("own: ") and "50 histories, days drawn anew" in str(one)


@pytest.mark.parametrize(
    ("days", "change", "options", "words"),
    [
        ([], {}, {}, "no closed trade"),
        ([[]], {}, {}, "no closed trade"),
        ([day(1)], {"profit_target": None}, {}, "no profit target"),
        ([day(1)], {}, {"size": 0.0}, "size=0"),
        ([day(1)], {}, {"samples": 0}, "samples=0"),
        ([day(1)], {}, {"drawn": False, "length": 2}, "need as many"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_word(
    days: list[Day], change: dict[str, object], options: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        chance_to_pass(days, programme(**change), **options)  # type: ignore[arg-type]


def test_a_result_gives_its_own_days_also_those_without_a_trade() -> None:
    bars = walk(2000, seed=3)  # more than one trading date
    result = research.backtest("sma_cross", bars, contract="CON.F.US.MES.U25", fast=3, slow=10)
    made = result.chance_to_pass("topstep-50k", samples=20, drawn=False)
    assert made.played == len(result.daily)
    # with one history of the days in their own number the sum is that of the closed trades
    from workbench.backtest import frames

    days = frames.days(result.trades, result.daily, result.series.hours)
    closed = result.trades[result.trades["exit_at"].notna()]
    assert [len(d) for d in days] == result.daily["trades"].tolist()
    assert np.isclose(sum(net for d in days for net, _, _ in d), closed["net_usd"].sum())
    assert isinstance(result.daily.index, pd.DatetimeIndex)
