"""Small bars in ticks, and strategies whose orders are known beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl

from tests.rules.build import DAY_OPEN, strategy_text
from workbench.backtest.costs import FREE, Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.result import Result
from workbench.backtest.series import series
from workbench.domain.clock import MINUTE
from workbench.domain.contract import parse_contract
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import Strategy, parse_strategy

MES = parse_contract("CON.F.US.MES.U25")
Bar = tuple[float, float, float, float]  # open, high, low, close in points
QUIET: Bar = (1000, 1000, 1000, 1000)


def frame(bars: Sequence[Bar], *, start: int = DAY_OPEN, every: int = MINUTE) -> pl.DataFrame:
    """One-minute bars from 08:30 Chicago."""
    columns = list(zip(*bars, strict=True)) if bars else [(), (), (), ()]
    stamps = [start + i * every for i in range(len(bars))]
    return pl.DataFrame(
        {
            "ts": pl.Series(stamps, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            **{
                name: pl.Series(columns[i], dtype=pl.Float64) for i, name in enumerate(("open", "high", "low", "close"))
            },
            "volume": pl.Series([10] * len(bars), dtype=pl.Int64),
        }
    )


def enter(side: str = "long", **sections: str) -> Strategy:
    """A strategy that enters once, on the close of the first bar that ends above 1000 (long) or below (short)."""
    sign = ">" if side == "long" else "<"
    return parse_strategy(
        strategy_text(entry=f"{{{side}: 'close {sign} 1000'}}", trading="{max_trades_per_day: 1}", **sections)
    )


def play(
    strategy: Strategy, bars: Sequence[Bar], *, costs: Costs = FREE, limits: Limits | None = None, touch: bool = False
) -> Result:
    """Run a strategy over bars of MES (tick 0.25, 1.25 USD); every engine must say the same."""
    data = series(frame(bars), MES, timeframe("1m"))
    prepared = Prepared(series=data, costs=costs, limits=limits or Limits(), touch=touch)
    played = prepared.run(strategy, "kernel")
    for engine in ("event", "every"):
        assert not played.difference(prepared.run(strategy, engine)), engine
    return Result(strategy, data, played)


def clock(text: str) -> datetime:
    """UTC time of the test day."""
    return datetime.fromisoformat(f"2025-09-02T{text}").replace(tzinfo=UTC)
