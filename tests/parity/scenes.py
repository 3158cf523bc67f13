"""Scenes small enough to work out by hand: one for each rule, limit and cost, with and without it.

All are of MES: a tick is 0.25 points and 1.25 USD. The first bar closes at 1001, so the strategies of these scenes,
which enter on a close above 1000, fill at the open of the second bar (index 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from tests.backtest.play import MES, QUIET, Bar, enter, frame
from tests.rules.build import DAY_OPEN, strategy_text
from workbench.backtest.costs import FREE, Costs
from workbench.backtest.played import Played
from workbench.backtest.prepared import Prepared
from workbench.backtest.series import series
from workbench.backtest.switches import Without
from workbench.domain.account import AccountProgramme, TrailBasis
from workbench.domain.clock import MINUTE
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import Strategy, parse_strategy

DAY = 24 * 60 * MINUTE
FREE_COSTS: dict[str, Any] = {"slippage_ticks": 0, "fees_usd": 0, "commissions_usd": 0}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scene comes to: fills as (bar, signed contracts, points), fees in USD, whether the account was passed."""

    fills: tuple[tuple[int, int, float], ...]
    fees: str = "0"
    passed: bool | None = None

    def __str__(self) -> str:
        told = ", ".join(f"{qty:+d} at {price:g}" for _, qty, price in self.fills) or "no fill"
        told += f"; {self.fees} USD" if self.fees != "0" else ""
        return told if self.passed is None else f"{told}; {'passed' if self.passed else 'not passed'}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Bars and a strategy, what else holds, and the outcome with the rule and without it, worked out by hand."""

    strategy: Strategy
    bars: tuple[Bar, ...]
    on: Outcome
    off: Outcome
    more: Mapping[str, Any] = field(default_factory=dict)
    every_s: int = 60
    next_day: int = 0  # so many of the last bars are on the next trading date

    def prepared(self, **changes: Any) -> Prepared:
        """Return the scene ready to run, some of it changed."""
        table = frame(self.bars, start=DAY_OPEN, every=self.every_s * MINUTE // 60)
        if self.next_day:
            import polars as pl

            late = pl.int_range(pl.len()) >= len(self.bars) - self.next_day
            table = table.with_columns(pl.col("ts") + pl.when(late).then(pl.duration(days=1)).otherwise(pl.duration()))
        bars = series(table, MES, timeframe("1m" if self.every_s == 60 else f"{self.every_s}s"))
        return Prepared(**{"series": bars, "costs": FREE, "limits": Limits(), **self.more, **changes})


def outcome(played: Played) -> Outcome:
    """Return what was played in the terms of an `Outcome`."""
    fills = played.fills
    rows = zip(fills.bar.tolist(), fills.qty.tolist(), (fills.ticks * 0.25).tolist(), strict=True)
    fees = (Decimal(int(fills.fees_e4.sum())) / 10_000).normalize()
    passed = None if played.account is None else played.account.passed_at is not None
    return Outcome(tuple(rows), "0" if not fees else format(fees, "f"), passed)


def flat(price: float) -> Bar:
    """A bar of one price."""
    return price, price, price, price


UP: Bar = (1000, 1001, 1000, 1001)
IN: Bar = flat(1002)
BOUGHT = (1, 1, 1002.0)
NOTHING, ONE, THREE = Outcome(()), Outcome((BOUGHT,)), Outcome(((1, 3, 1002.0),))


def again(timeframe: str = "1m", **sections: str) -> Strategy:
    """A strategy that enters as often as it may."""
    return parse_strategy(strategy_text(timeframe=timeframe, **sections))


def paying(**costs: Any) -> dict[str, Any]:
    """Costs that are free but for these."""
    return {"costs": Costs(**FREE_COSTS | costs)}


def firm(**rules: Any) -> dict[str, Any]:
    """A firm without any rule that acts in a scene but these."""
    loose: dict[str, Any] = {
        "name": "made-up", "valid_from": date(2025, 1, 1), "starting_balance": Decimal(50_000),
        "max_loss": Decimal(20_000), "trail_basis": TrailBasis.STATIC, "lock_at": None, "daily_loss": None,
        "max_minis": Decimal(50), "profit_target": None, "flat_by": None,
    }  # fmt: skip
    return {"programme": AccountProgramme(**loose | rules)}


def of_firm(*fills: tuple[int, int, float], passed: bool = False) -> Outcome:
    """An outcome of an account with a programme."""
    return Outcome(fills, passed=passed)


THREE_OF = enter(sizing="{contracts: 3}")
BOTH_LEGS = enter(stop="{ticks: 8}", target="{ticks: 8}")
FALL = (UP, IN, (1002, 1002, 990, 991))
RISE = (UP, IN, (1002, 1010, 1002, 1010))
# in at 1002, out at the target of 8 ticks = 10 USD; the day after begins with the last bar
EARNED = (UP, IN, (1002, 1005, 1002, 1005), QUIET)
GAIN = (BOUGHT, (2, -1, 1004.0))
TARGET = enter(target="{ticks: 8}")

# a tick of slippage does not fit above the high of the entry's bar, two ticks do
FILL_RULES: dict[Without, Scene] = {
    # stop 1000, the third bar opens at 990: there, or at the stop's level as far as the bar reaches (996)
    Without.GAP: Scene(
        enter(stop="{ticks: 8}"), (UP, IN, (990, 996, 988, 991)),
        Outcome((BOUGHT, (2, -1, 990.0))), Outcome((BOUGHT, (2, -1, 996.0))),
    ),
    # stop 1000 and target 1004 are both in the third bar
    Without.WORST_PATH: Scene(
        BOTH_LEGS, (UP, IN, (1002, 1006, 998, 1005)),
        Outcome((BOUGHT, (2, -1, 1000.0))), Outcome((BOUGHT, (2, -1, 1004.0))),
    ),
    Without.WITHIN_BAR: Scene(
        enter(), (UP, (1002, 1002, 1001, 1001), QUIET), ONE, Outcome(((1, 1, 1002.25),)), paying(slippage_ticks=1)
    ),
    # the target 1004 is touched
    Without.TRADE_THROUGH: Scene(
        TARGET, (UP, (1002, 1004, 1002, 1003), flat(1003)), ONE, Outcome((BOUGHT, (1, -1, 1004.0)))
    ),
    # in at 1002.50: stop 1000.50, filled two ticks lower; from the open of 1002 it is 1000, filled at 999.50
    Without.FROM_FILL: Scene(
        enter(stop="{ticks: 8}"), (UP, (1002, 1003, 1002, 1003), (1002, 1002, 999, 999)),
        Outcome(((1, 1, 1002.5), (2, -1, 1000.0))), Outcome(((1, 1, 1002.5), (2, -1, 999.5))),
        paying(slippage_ticks=2),
    ),
    Without.SLIPPAGE: Scene(
        enter(stop="{ticks: 8}"), (UP, (1002, 1003, 1002, 1003), (1002, 1002, 999, 999)),
        Outcome(((1, 1, 1002.5), (2, -1, 1000.0))), Outcome((BOUGHT, (2, -1, 1000.0))), paying(slippage_ticks=2),
    ),
    # the exchange's 0.37 and the commission of 0.25
    Without.FEES: Scene(
        enter(), (UP, IN, QUIET), Outcome((BOUGHT,), "0.62"), ONE, {"costs": Costs(slippage_ticks=0)}
    ),
    # a range of 1 trails by 2 under the high of 1005: 1003; the range of 1.50 after it would trail by 2.50: 1002.50
    Without.TIGHTEN: Scene(
        enter(stop="{ticks: 20}", trail="{points: (high - low) + 1}"),
        (UP, IN, (1004, 1005, 1004, 1005), (1005, 1005, 1003.5, 1005), (1004, 1004, 1000, 1000)),
        Outcome((BOUGHT, (4, -1, 1003.0))), Outcome((BOUGHT, (4, -1, 1002.5))),
    ),
}  # fmt: skip

LIMITS: dict[str, Scene] = {
    "max_order_qty": Scene(THREE_OF, (UP, IN), NOTHING, THREE, {"limits": Limits(max_order_qty=2)}),
    "max_position": Scene(THREE_OF, (UP, IN), NOTHING, THREE, {"limits": Limits(max_position=2)}),
    # an entry with both legs is three orders
    "max_open_orders": Scene(BOTH_LEGS, (UP, IN), NOTHING, ONE, {"limits": Limits(max_open_orders=2)}),
    # 2 points lost are 10 USD: no entry at the close of the third bar
    "daily_loss_usd": Scene(
        again(entry="{long: 'close > 1000'}", exit="{long: 'close < 1000.5'}"),
        (UP, (1002, 1002, 1000, 1000), UP, flat(1001)),
        Outcome((BOUGHT, (2, -1, 1000.0))), Outcome((BOUGHT, (2, -1, 1000.0), (3, 1, 1001.0))),
        {"limits": Limits(daily_loss_usd=Decimal(5))},
    ),
    # the reversal's entry comes 30 s after the first one, which is all that a minute may see
    "max_orders_per_minute": Scene(
        again("30s", entry="{long: 'close > 1000', short: 'close < 1000'}"),
        (UP, (1002, 1002, 999, 999), flat(999), flat(999)),
        Outcome((BOUGHT, (2, -1, 999.0))), Outcome((BOUGHT, (2, -1, 999.0), (2, -1, 999.0))),
        {"limits": Limits(max_orders_per_minute=1)}, every_s=30,
    ),
    "products": Scene(enter(), (UP, IN), NOTHING, ONE, {"limits": Limits(products=("MNQ",))}),
}  # fmt: skip

# bars in which there is room for what is paid: a range of four ticks
ROOM = (UP, (1002, 1003, 1002, 1003), flat(1003))
COSTS: dict[str, Scene] = {
    "slippage_ticks": Scene(enter(), ROOM, Outcome(((1, 1, 1002.5),)), ONE, paying(slippage_ticks=2)),
    # a quarter of four ticks
    "range_fraction": Scene(enter(), ROOM, Outcome(((1, 1, 1002.25),)), ONE, paying(range_fraction=0.25)),
    # it is 08:31 in Chicago
    "by_hour": Scene(enter(), ROOM, Outcome(((1, 1, 1002.75),)), ONE, paying(by_hour={8: 3})),
    # 4 ticks · √(15 s / 60 s) = 2 ticks
    "latency_s": Scene(enter(), ROOM, Outcome(((1, 1, 1002.5),)), ONE, paying(latency_s=15.0)),
    "fees_usd": Scene(enter(), ROOM, Outcome((BOUGHT,), "1.5"), ONE, paying(fees_usd="1.50")),
    "commissions_usd": Scene(enter(), ROOM, Outcome((BOUGHT,), "0.25"), ONE, paying(commissions_usd="0.25")),
    # three contracts need 60,000 USD, the account has 50,000
    "margin_usd": Scene(THREE_OF, (UP, IN), NOTHING, THREE, paying(margin_usd=20_000)),
}

FIRM: dict[str, Scene] = {
    # the margin of three contracts is 60,000 USD: with the 50,000 of the programme there is no entry
    "starting_balance": Scene(
        THREE_OF, (UP, IN), of_firm(), of_firm((1, 3, 1002.0)), firm() | paying(margin_usd=20_000)
    ),
    # 40 USD are 8 points of one contract: 994
    "max_loss": Scene(
        enter(), FALL, of_firm(BOUGHT, (2, -1, 994.0)), of_firm(BOUGHT), firm(max_loss=Decimal(40))
    ),
    # 20 USD are 4 points: 998
    "daily_loss": Scene(
        enter(), FALL, of_firm(BOUGHT, (2, -1, 998.0)), of_firm(BOUGHT), firm(daily_loss=Decimal(20))
    ),
    # 40 USD under the best equity, that at 1010: 1002; from the beginning: 994
    "trail_basis": Scene(
        enter(), (*RISE, (1010, 1010, 990, 991)), of_firm(BOUGHT, (3, -1, 1002.0)), of_firm(BOUGHT, (3, -1, 994.0)),
        firm(max_loss=Decimal(40), trail_basis=TrailBasis.INTRADAY),
    ),
    # the floor stops at 49,980, which is 20 USD or 4 points down: 998
    "lock_at": Scene(
        enter(), (*RISE, (1010, 1010, 990, 991)), of_firm(BOUGHT, (3, -1, 998.0)), of_firm(BOUGHT, (3, -1, 1002.0)),
        firm(max_loss=Decimal(40), trail_basis=TrailBasis.INTRADAY, lock_at=Decimal(49_980)),
    ),
    # two micros are 0.2 of a mini
    "max_minis": Scene(THREE_OF, (UP, IN), of_firm(), of_firm((1, 3, 1002.0)), firm(max_minis=Decimal("0.2"))),
    "scaling": Scene(
        THREE_OF, (UP, IN), of_firm(), of_firm((1, 3, 1002.0)),
        firm(scaling=((Decimal(0), Decimal("0.2")), (Decimal(100), Decimal(50)))),
    ),
    "product_caps": Scene(THREE_OF, (UP, IN), of_firm(), of_firm((1, 3, 1002.0)), firm(product_caps=(("MES", 2),))),
    # 10 USD are reached, when the day is over
    "profit_target": Scene(
        TARGET, EARNED, of_firm(*GAIN, passed=True), of_firm(*GAIN), firm(profit_target=Decimal(10)), next_day=1
    ),
    # the best day may be half of what is needed: 20 USD are
    "consistency": Scene(
        TARGET, EARNED, of_firm(*GAIN), of_firm(*GAIN, passed=True),
        firm(profit_target=Decimal(10), consistency=Decimal("0.5")), next_day=1,
    ),
    "least_days": Scene(
        TARGET, EARNED, of_firm(*GAIN), of_firm(*GAIN, passed=True),
        firm(profit_target=Decimal(10), least_days=2), next_day=1,
    ),
    # the fourth bar begins at 08:33
    "flat_by": Scene(
        enter(), (UP, IN, IN, flat(1003)), of_firm(BOUGHT, (3, -1, 1003.0)), of_firm(BOUGHT), firm(flat_by="08:33")
    ),
    # 0.2 of a mini are two micros of ten, or twenty of a hundred
    "micros_per_mini": Scene(
        THREE_OF, (UP, IN), of_firm(), of_firm((1, 3, 1002.0)), firm(max_minis=Decimal("0.2"))
    ),
}  # fmt: skip
