"""Account programmes, margin, finer data and slippage in a whole run: figures by hand, the same from every engine.

MES: a tick is 0.25 points and 1.25 USD; with ten contracts a point is 50 USD. The entry is on a close above 1000.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.backtest.made import MES, Row, frame
from tests.rules.build import DAY_OPEN, strategy_text
from workbench.backtest.costs import FREE, Costs
from workbench.backtest.inner import with_inner
from workbench.backtest.played import Played
from workbench.backtest.prepared import Prepared
from workbench.backtest.series import Series, series
from workbench.domain.account_file import account
from workbench.domain.clock import MINUTE
from workbench.domain.hours import at_local
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import Strategy, parse_strategy

UP: Row = (1000, 1001, 1000, 1001)
QUIET: Row = (1001, 1001, 1001, 1001)
WIDE = Limits(max_order_qty=100, max_position=100, daily_loss_usd=Decimal(1_000_000))


def enter(contracts: int = 10, every: str = "1m", **sections: str) -> Strategy:
    text = strategy_text(
        entry="{long: 'close > 1000'}", timeframe=every, sizing=f"{{contracts: {contracts}}}",
        **{"trading": "{max_trades_per_day: 1}", **sections},
    )  # fmt: skip
    return parse_strategy(text)


def bars(*rows: Row, start: int = DAY_OPEN, every: str = "1m") -> Series:
    return series(frame(rows, start=start, every=timeframe(every).length), MES, timeframe(every))


def run(strategy: Strategy, data: Series, *, costs: Costs = FREE, programme: str = "", **changes: Any) -> Played:
    made = account(programme, **changes) if programme else None
    prepared = Prepared(series=data, costs=costs, limits=WIDE, programme=made)
    played = prepared.run(strategy, "kernel")
    for engine in ("event", "every"):
        assert played.difference(prepared.run(strategy, engine)) == "", engine
    return played


def fills(played: Played) -> list[tuple[float, int, int]]:
    """(points, contracts, ns after the day's first bar began)."""
    columns = zip(played.fills.ticks.tolist(), played.fills.qty.tolist(), played.fills.at.tolist(), strict=True)
    return [(ticks / 4, qty, at - DAY_OPEN) for ticks, qty, at in columns]


def breaches(played: Played) -> list[str]:
    assert played.account is not None
    return [rule for _, rule in played.account.breaches]


def balance(played: Played) -> float:
    assert played.account is not None
    return played.account.balance_e4 / 10_000


ENTRY = (1001.0, 10, MINUTE)

# the programme's changes, the bar of the entry, the fill that ends it (points, in the bar or at its open), what is left
LOSSES = [
    # the daily loss, 1,000, is 20 points away
    ({}, [(1001, 1002, 975, 990)], (981.0, "inside"), "daily_loss", 49_000),
    ({}, [(1001, 1002, 981, 990)], (981.0, "inside"), "daily_loss", 49_000),
    ({}, [(1001, 1002, 981.25, 990)], None, "", 50_000),
    # opened beyond: at the open. 31 points are 1,550; 41 are 2,050, and then it is the maximum loss
    ({}, [QUIET, (970, 975, 965, 970)], (970.0, "open"), "daily_loss", 48_450),
    ({}, [QUIET, (960, 975, 955, 970)], (960.0, "open"), "max_loss", 47_950),
    # without a daily loss the floor is 40 points away
    ({"daily_loss": None}, [(1001, 1002, 955, 990)], (961.0, "inside"), "max_loss", 48_000),
    ({"daily_loss": None, "trail_basis": "static"}, [(1001, 1002, 955, 990)], (961.0, "inside"), "max_loss", 48_000),
    # intraday: 1051 lifts the floor to 50,500, which is 10 points up: passed on the way from the high to the close
    ({"daily_loss": None, "trail_basis": "intraday", "lock_at": None}, [(1001, 1051, 1000, 1005)], (1011.0, "inside"),
     "max_loss", 50_500),
    ({"daily_loss": None, "trail_basis": "intraday", "lock_at": None},
     [(1001, 1051, 1000, 1012), (1010, 1010, 1009, 1010)], (1010.0, "open"), "max_loss", 50_450),
    # it locks at 50,000, the price of the entry
    ({"daily_loss": None, "trail_basis": "intraday"}, [(1001, 1051, 1001, 1005), (1004, 1004, 1000, 1003)],
     (1001.0, "inside"), "max_loss", 50_000),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "rows", "fill", "rule", "left"), LOSSES)
def test_a_loss_rule_acts_like_a_stop_at_its_level(
    changes: dict[str, Any], rows: list[Row], fill: tuple[float, str] | None, rule: str, left: float
) -> None:
    played = run(enter(), bars(UP, *rows), programme="topstep-50k", **changes)
    expected = [ENTRY]
    if fill is not None:
        began = len(rows) * MINUTE
        expected.append((fill[0], -10, began if fill[1] == "open" else began + MINUTE - 1))
    assert fills(played) == expected
    assert breaches(played) == ([rule] if rule else [])
    assert balance(played) == left
    assert played.account is not None
    assert (played.account.failed_at is not None) == (rule == "max_loss")


def test_the_firms_own_market_order_pays_slippage_and_fees() -> None:
    # in at 1001.25, 6.20 paid: 993.80 are left, 79.504 ticks, so the 80th from 1001.25 breaks: 981.25, out at 981.00
    played = run(enter(), bars(UP, (1001, 1002, 975, 990)), costs=Costs(), programme="topstep-50k")
    assert [price for price, _, _ in fills(played)] == [1001.25, 981.0]
    assert balance(played) == 50_000 - 81 * 12.50 - 2 * 6.20


def test_after_the_daily_loss_nothing_is_taken_until_17_00_and_after_the_maximum_loss_never() -> None:
    again = {"trading": "{cooldown: 0}"}
    rows = [UP, (1001, 1002, 975, 975), UP, UP, UP]
    evening = at_local(date(2025, 9, 2), "17:00")
    for changes, entries in (({}, 2), ({"daily_loss": None, "max_loss": 1000}, 1)):
        day, next_day = frame(rows), frame([UP, UP, UP], start=evening)
        data = series(day.vstack(next_day), MES, timeframe("1m"))
        played = run(enter(**again), data, programme="topstep-50k", **changes)
        assert sum(qty > 0 for _, qty, _ in fills(played)) == entries
        assert breaches(played) == ["daily_loss" if not changes else "max_loss"]


def test_more_contracts_than_the_programme_allows_are_refused_as_a_whole() -> None:
    rows = [UP, QUIET, QUIET]
    assert [qty for _, qty, _ in fills(run(enter(50), bars(*rows), programme="topstep-50k"))] == [50]
    assert fills(run(enter(51), bars(*rows), programme="topstep-50k")) == []
    assert [qty for _, qty, _ in fills(run(enter(20), bars(*rows), programme="topstep-50k-express"))] == [20]
    assert fills(run(enter(21), bars(*rows), programme="topstep-50k-express")) == []


@pytest.mark.parametrize(
    ("every", "begins", "out"),
    [
        ("1m", "15:07", (1003.0, "15:10", 0)),  # a bar begins at 15:10: its open
        ("15m", "14:30", (1004.0, "15:15", -1)),  # 15:10 lies inside the bar: its close
    ],
)
def test_the_firm_flattens_at_15_10(every: str, begins: str, out: tuple[float, str, int]) -> None:
    day = date(2025, 9, 2)
    rows: list[Row] = [UP, (1001, 1001, 1001, 1001), (1002, 1004, 1002, 1004), (1003, 1006, 1003, 1006)]
    played = run(enter(every=every), bars(*rows, start=at_local(day, begins), every=every), programme="topstep-50k")
    price, clock, after = out
    entry, exit_ = zip(played.fills.ticks.tolist(), played.fills.at.tolist(), strict=True)
    assert entry[0] == 4004
    assert exit_ == (int(price * 4), at_local(day, clock) + after)


def test_a_programme_without_flat_by_holds() -> None:
    rows: list[Row] = [UP, *[QUIET] * 5]
    data = bars(*rows, start=at_local(date(2025, 9, 2), "15:07"))
    assert len(fills(run(enter(), data, programme="topstep-50k", flat_by=None))) == 1


@pytest.mark.parametrize(("margin", "contracts"), [(5_000, 10), (5_000.01, 0), ("exchange", 10), (None, 10)])
def test_an_entry_needs_its_margin(margin: Any, contracts: int) -> None:
    # 10 contracts at 5,000 take the whole balance; the exchange's 1,188 take 11,880
    played = run(
        enter(), bars(UP, QUIET), costs=Costs(slippage_ticks=0, fees_usd=0, commissions_usd=0, margin_usd=margin)
    )
    assert sum(played.fills.qty.tolist()) == contracts


MINUTES: list[Row] = [
    (1001, 1003.25, 1001, 1003), (1003, 1003, 999, 999), (999, 1000, 998, 998), (998, 1000, 998, 1000),
    (1000, 1001, 1000, 1001),
]  # fmt: skip
FIVE: list[Row] = [UP, (1001, 1003.25, 998, 1001)]


def test_finer_bars_show_which_of_stop_and_target_came_first() -> None:
    # in at 1001, stop 999, target 1003: the bar has both, so the stop is taken; its first minute had the target
    strategy = enter(1, every="5m", stop="{points: 2}", target="{points: 2}")
    coarse = bars(*FIVE, every="5m")
    assert fills(run(strategy, coarse))[1] == (999.0, -1, 10 * MINUTE - 1)
    inside = with_inner(coarse, frame([UP, *[(1001.0,) * 4] * 4, *MINUTES]), "1m")
    assert inside.inner is not None
    assert inside.inner.missing + inside.inner.different == 0
    assert fills(run(strategy, inside))[1] == (1003.0, -1, 6 * MINUTE - 1)


def test_finer_bars_that_do_not_build_a_bar_leave_it_as_it_was() -> None:
    strategy = enter(1, every="5m", stop="{points: 2}", target="{points: 2}")
    wrong = [UP, *[(1001.0,) * 4] * 4, *MINUTES[:-1], (1000.0, 1001.0, 1000.0, 1000.75)]
    inside = with_inner(bars(*FIVE, every="5m"), frame(wrong), "1m")
    assert inside.inner is not None
    assert inside.inner.different == 1
    assert fills(run(strategy, inside))[1] == (999.0, -1, 10 * MINUTE - 1)


def test_slippage_is_that_of_the_bar_in_which_the_order_fills() -> None:
    # entry at the open of a bar of 20 ticks: 1 + 0.1 × 20 = 3 ticks; stop in a bar of 40 ticks: 5 ticks
    rows: list[Row] = [UP, (1001, 1006, 1001, 1003), (1003, 1005, 995, 996)]
    played = run(
        enter(1, stop="{points: 4}"), bars(*rows), costs=Costs(range_fraction=0.1, fees_usd=0, commissions_usd=0)
    )
    assert [price for price, _, _ in fills(played)] == [1001.75, 997.75 - 1.25]
