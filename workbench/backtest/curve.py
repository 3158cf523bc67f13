"""The equity curve: position and profit at each bar's close, exact in 1/10,000 USD, and its trading dates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.backtest.played import E4, Fills
from workbench.backtest.series import Series

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A run seen at the closes of its bars.

    Parameters
    ----------
    position : array of int64, shape (bars,)
        Signed contracts.
    equity_e4 : array of int64, shape (bars,)
        Net profit so far, the open position at the close, 1/10,000 USD.
    edges : array of int64, shape (days + 1,)
        Index of the first bar of each trading date, and the number of bars.
    rows : array of int64, shape (days,)
        Row of each trading date in its `TradingHours`.
    """

    position: Int64Array
    equity_e4: Int64Array
    edges: Int64Array
    rows: Int64Array

    @cached_property
    def peak_e4(self) -> Int64Array:
        """Highest equity so far, the beginning at 0 included."""
        peak: Int64Array = np.maximum.accumulate(self.equity_e4)
        if peak[0] < 0:
            np.maximum(peak, 0, out=peak)
        return peak

    @cached_property
    def fall_e4(self) -> Int64Array:
        """How far equity lies under its highest point so far (≥ 0)."""
        return self.peak_e4 - self.equity_e4

    @cached_property
    def daily_e4(self) -> Int64Array:
        """Net profit of each trading date: equity at its last bar less equity at the last bar before it."""
        made: Int64Array = np.diff(self.equity_e4[self.edges[1:] - 1], prepend=0)
        return made

    def day(self, bars: Int64Array) -> Int64Array:
        """Return which trading date (0, 1, 2 …) of the run holds each bar."""
        found: Int64Array = np.searchsorted(self.edges, bars, side="right") - 1
        return found


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall of equity and the time until it was made good.

    Parameters
    ----------
    usd : float
        Largest fall from the highest point so far, ≥ 0.
    share : float
        Largest fall as a share of the account at its highest point so far; not always the same fall.
    days : int
        Trading dates from the last highest point before the largest fall in USD until it is reached again, or the end.
    longest_days : int
        Most trading dates from one highest point to the next, or the end.
    under_water : float
        Share of bars at whose close equity is under its highest point.
    """

    usd: float
    share: float
    days: int
    longest_days: int
    under_water: float


def curve(fills: Fills, bars: Series) -> Curve:
    """Return the curve of a run."""
    from workbench.backtest.kernel_passes import mark_to_market

    n, tick_e4 = len(bars), tick_value_e4(bars)
    position, equity = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    paid = _from_zero(fills.qty * fills.ticks * tick_e4 + fills.fees_e4)
    begins = np.concatenate([[0], fills.bar, [n]])
    mark_to_market(begins, _from_zero(fills.qty), paid, bars.ticks[3], tick_e4, position, equity)
    edges, rows = trading_dates(bars)
    return Curve(position=position, equity_e4=equity, edges=edges, rows=rows)


def tick_value_e4(bars: Series) -> int:
    """Return what one tick of one contract is worth, 1/10,000 USD."""
    return int(bars.contract.spec.tick_value * E4)


def _from_zero(steps: Int64Array) -> Int64Array:
    total = np.zeros(len(steps) + 1, dtype=np.int64)
    np.cumsum(steps, out=total[1:])
    return total


def trading_dates(bars: Series) -> tuple[Int64Array, Int64Array]:
    """Return the first bar of each trading date with the number of bars behind it, and the dates' rows in the hours."""
    return bars.hours.dated(bars.starts)


def drawdown(curve: Curve, capital: float) -> Drawdown:
    """Return how deep and how long a curve falls; `capital` is the account's balance (USD) at the beginning."""
    from workbench.backtest.kernel_passes import deepest_falls

    deepest, share, days, longest, highest = deepest_falls(curve.equity_e4, curve.edges, round(capital * E4))
    return Drawdown(
        usd=deepest / E4,
        share=share if capital > 0 else 0.0,
        days=days,
        longest_days=longest,
        under_water=1.0 - highest / len(curve.equity_e4),
    )
