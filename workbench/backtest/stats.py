"""What the numbers of a result mean. Money in USD; what is undefined is None, with the reason beside it.

==================  ====================================================================================================
net_usd             profit after fees and commissions, the open position at the last close included
gross_usd           the same before fees and commissions
costs_usd           fees and commissions of every fill (slippage is in the prices)
trades              closed round trips, from flat to flat
win_rate            share of closed trades with net profit > 0
profit_factor       sum of winning net profits ÷ |sum of losing net profits|
expectancy_usd      mean net profit of a closed trade
average_win_usd     mean net profit of the winners; average_loss_usd of the losers (≤ 0)
best_usd worst_usd  largest and smallest net profit of a closed trade
max_drawdown_usd    largest fall of equity from its highest point so far, at bar closes, beginning at 0
max_drawdown_days   trading dates from that highest point to the next higher one (or the end)
sharpe_daily        mean ÷ standard deviation (n − 1) of the profit of each trading date × √252; dollars, no capital
                    (Sharpe, The Sharpe Ratio, Journal of Portfolio Management 1994)
exposure            share of bars at whose close a position was held
trades_per_day      closed trades ÷ trading dates with bars
refused             orders that the gate refused
==================  ====================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from workbench.backtest.trades import Trade

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]
TRADING_DATES_A_YEAR = 252

Number = float | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Values by name, and for each that is None the reason."""

    values: dict[str, Number]
    reasons: dict[str, str]


def stats(
    trades: Sequence[Trade], equity: Float64Array, position: Int64Array, days: Int64Array, costs: Decimal, refused: int
) -> Stats:
    """Return the statistics of a run.

    Parameters
    ----------
    trades : sequence of Trade
        The last one may be open.
    equity : array of float64, shape (bars,)
        Net profit so far at each bar's close, USD.
    position : array of int64, shape (bars,)
        Signed contracts held at each close.
    days : array of int64, shape (bars,)
        Number of each bar's trading date (any number that rises by date).
    costs : Decimal
        Fees and commissions of every fill, USD.
    refused : int
        Orders that the gate refused.
    """
    closed = [trade for trade in trades if trade.exit_at is not None]
    reasons: dict[str, str] = {}
    daily = daily_profit(equity, days)
    depth, length = drawdown(equity, days)
    net = float(equity[-1])
    values: dict[str, Number] = {
        "net_usd": net,
        "gross_usd": net + float(costs),
        "costs_usd": float(costs),
        "trades": len(closed),
        **_of_trades([float(trade.net_usd) for trade in closed], reasons),
        "long_trades": sum(trade.side > 0 for trade in closed),
        "short_trades": sum(trade.side < 0 for trade in closed),
        "max_drawdown_usd": depth,
        "max_drawdown_days": length,
        "sharpe_daily": sharpe_daily(daily, reasons),
        "exposure": float(np.count_nonzero(position)) / len(position),
        "days": len(daily),
        "trades_per_day": len(closed) / len(daily),
        "best_day_usd": float(daily.max()),
        "worst_day_usd": float(daily.min()),
        "open_position": int(position[-1]),
        "refused": refused,
    }
    return Stats(values=values, reasons=reasons)


def _of_trades(nets: list[float], reasons: dict[str, str]) -> dict[str, Number]:
    wins, losses = [n for n in nets if n > 0], [n for n in nets if n < 0]

    def known(name: str, value: float | None, reason: str) -> Number:
        if value is None:
            reasons[name] = reason
        return value

    lost, none = math.fsum(losses), "no closed trades"
    factor = math.fsum(wins) / -lost if lost else None
    return {
        "win_rate": known("win_rate", len(wins) / len(nets) if nets else None, none),
        "profit_factor": known("profit_factor", factor, "no losing trades" if nets else none),
        "expectancy_usd": known("expectancy_usd", _mean(nets), none),
        "average_win_usd": known("average_win_usd", _mean(wins), "no winning trades"),
        "average_loss_usd": known("average_loss_usd", _mean(losses), "no losing trades"),
        "best_usd": known("best_usd", max(nets, default=None), none),
        "worst_usd": known("worst_usd", min(nets, default=None), none),
    }


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def daily_profit(equity: Float64Array, days: Int64Array) -> Float64Array:
    """Return the profit of each trading date: equity at its last bar less equity at the one before.

    >>> daily_profit(np.array([1.0, 3.0, 2.0, 7.0]), np.array([5, 5, 6, 9]))
    array([ 3., -1.,  5.])
    """
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    made: Float64Array = np.diff(equity[last], prepend=0.0)
    return made


def drawdown(equity: Float64Array, days: Int64Array) -> tuple[float, int]:
    """Return the largest fall from the highest point so far (USD, ≥ 0), and the trading dates until it was made good.

    >>> drawdown(np.array([5.0, 2.0, 4.0, 1.0, 6.0]), np.array([1, 1, 2, 3, 4]))
    (4.0, 3)
    """
    peak = np.maximum.accumulate(np.maximum(equity, 0.0))
    fall = peak - equity
    bottom = int(np.argmax(fall))
    if fall[bottom] <= 0.0:
        return 0.0, 0
    begin = int(np.argmax(peak == peak[bottom]))
    after = np.flatnonzero(equity[bottom:] >= peak[bottom])
    end = bottom + int(after[0]) if len(after) else len(equity) - 1
    return float(fall[bottom]), int(len(np.unique(days[begin : end + 1])) - 1)


def sharpe_daily(daily: Float64Array, reasons: dict[str, str] | None = None) -> float | None:
    """Return the annualised Sharpe ratio of daily dollars; None for fewer than two dates or no variation.

    >>> round(sharpe_daily(np.array([1.0, 2.0, 3.0])), 3)  # 2 / 1 × √252
    31.749
    """
    reasons = {} if reasons is None else reasons
    if len(daily) < 2:
        reasons["sharpe_daily"] = "fewer than two trading dates"
        return None
    spread = float(daily.std(ddof=1))
    if spread == 0.0:
        reasons["sharpe_daily"] = "every trading date made the same"
        return None
    return float(daily.mean()) / spread * math.sqrt(TRADING_DATES_A_YEAR)
