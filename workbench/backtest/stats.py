"""What the numbers of a result mean. Money in USD; what is undefined is None, with the reason beside it.

Ratios per year need `LEAST_DATES` trading dates, and judgements of a mean `LEAST_TRADES` trades: below that they are
None. A day is a trading date of the exchange; years have 252 of them. The formulas with their sources are in
`workbench.backtest.ratios`.

=====================  =================================================================================================
net_usd                profit after fees and commissions, the open position at the last close included
gross_usd              the same before fees and commissions
costs_usd              fees and commissions of every fill (slippage is in the prices)
cost_share             costs_usd ÷ gross_usd, where gross_usd is positive
net_share              net_usd ÷ capital; the capital is in the provenance
cagr                   growth per year that leads from the capital to capital + net_usd, by the calendar
volatility             standard deviation (n − 1) of daily profit ÷ capital × √252
sharpe                 mean ÷ standard deviation (n − 1) of daily profit × √252; dollars, no capital, no interest.
                       sharpe_daily is the same number under its older name
sortino                mean ÷ downside deviation (target 0) of daily profit × √252
calmar                 cagr ÷ max_drawdown_share (Young, Futures 1991)
max_drawdown_usd       largest fall of equity from its highest point so far, at bar closes, beginning at 0
max_drawdown_share     largest fall ÷ the account (capital and profit) at its highest point so far
max_drawdown_days      trading dates from the last highest point before that largest fall in USD until it is made good
under_water            share of bars at whose close equity is below its highest point
longest_under_days     most trading dates between two highest points, or from the last one to the end
trades                 closed round trips, from flat to flat; also long_trades and short_trades
win_rate               share of closed trades with net profit > 0
profit_factor          sum of winning net profits ÷ |sum of losing net profits|
expectancy_usd         mean net profit of a closed trade
average_win_usd        mean net profit of the winners; average_loss_usd of the losers (≤ 0)
payoff_ratio           average_win_usd ÷ |average_loss_usd|
best_usd worst_usd     largest and smallest net profit of a closed trade
longest_wins           most winners in a row; longest_losses most losers (a trade of exactly 0 ends both)
mae_mean_usd           mean of the largest open loss of each closed trade (≤ 0); mae_worst_usd the largest of them
mfe_mean_usd           mean of the largest open profit of each closed trade (≥ 0); mfe_best_usd the largest of them
average_bars           mean number of bars from entry to exit of a closed trade
exposure               share of bars at whose close a position was held
days                   trading dates with bars
trades_per_day         closed trades ÷ days
best_day_usd           largest daily profit; worst_day_usd the smallest; winning_days the share of days above 0
skew kurtosis          third and fourth standardised moment of daily profit (normal: 0 and 3)
tail_ratio             95th percentile of daily profit ÷ |5th percentile|
t_days t_trades        mean ÷ standard error, of daily profit and of the net profit of closed trades
sqn                    √min(trades, 100) × mean ÷ standard deviation of net profits of trades (Tharp 2008)
open_position          signed contracts at the end
refused                orders that the gate refused
=====================  =================================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.backtest import ratios
from workbench.backtest.curve import Curve, Drawdown, drawdown
from workbench.backtest.played import E4

Float64Array = npt.NDArray[np.float64]
TRADING_DATES_A_YEAR = 252
LEAST_DATES = 20
LEAST_TRADES = 20

Number = float | int | None
_YEAR_NS = 365.25 * 86_400e9
_HIGHEST_LOG = 700.0  # of what a double holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Values by name, and for each that is None the reason."""

    values: dict[str, Number]
    reasons: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeColumns:
    """Closed trades in order, USD.

    Parameters
    ----------
    net_usd : array
        After fees and commissions.
    side : array
        Positive for a long trade.
    mae_usd, mfe_usd : array
        Largest open loss (≤ 0) and open profit (≥ 0).
    bars : array
        Bars from entry to exit.
    """

    net_usd: Float64Array
    side: npt.NDArray[np.int64]
    mae_usd: Float64Array
    mfe_usd: Float64Array
    bars: npt.NDArray[np.int64]


class _Told(dict[str, Number]):
    # values by name; what is None, or no finite number, goes in with its reason

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}

    def tell(self, name: str, value: Number, reason: str = "it has no finite value") -> Number:
        known = value if value is not None and math.isfinite(value) else None
        if known is None:
            self.reasons[name] = reason
        self[name] = known
        return known


def stats(
    trades: TradeColumns, curve: Curve, *, years: float, capital: float, costs_usd: float, refused: int = 0
) -> Stats:
    """Return the statistics of a run.

    Parameters
    ----------
    trades : TradeColumns
        Closed trades.
    curve : Curve
    years : float
        From the start of the first bar to the end of the last, by the calendar.
    capital : float
        Balance of the account at the beginning, USD.
    costs_usd : float
        Fees and commissions of every fill.
    refused : int
        Orders that the gate refused.
    """
    told = _Told()
    daily = curve.daily_e4 / E4
    net, fallen = float(curve.equity_e4[-1]) / E4, drawdown(curve, capital)
    told["net_usd"], told["gross_usd"], told["costs_usd"] = net, net + costs_usd, costs_usd
    told.tell("cost_share", costs_usd / (net + costs_usd) if net + costs_usd > 0 else None, "no profit before costs")
    _of_capital(told, daily, fallen, years, capital)
    _of_drawdown(told, fallen)
    _of_trades(told, trades)
    told["exposure"] = float(np.count_nonzero(curve.position) / len(curve.position))
    _of_days(told, daily, len(trades.net_usd))
    told["open_position"], told["refused"] = int(curve.position[-1]), refused
    return Stats(values=dict(told), reasons=told.reasons)


def years_between(first_ns: int, last_ns: int) -> float:
    """Return calendar years between two instants (UTC ns)."""
    return (last_ns - first_ns) / _YEAR_NS


def growth_a_year(growth: float, years: float) -> float | None:
    """Return the yearly growth that makes `growth` (1 is none) in `years`; None when nothing is left, or out of range.

    >>> growth_a_year(1.21, 2.0)
    0.1
    """
    if growth <= 0 or years <= 0 or math.log(growth) / years > _HIGHEST_LOG:
        return None
    return round(math.expm1(math.log(growth) / years), 12)


def _too_short(days: int) -> str:
    return f"{days} trading date{'s' if days != 1 else ''}; it takes {LEAST_DATES}" if days < LEAST_DATES else ""


def _of_capital(told: _Told, daily: Float64Array, fallen: Drawdown, years: float, capital: float) -> None:
    short, none = _too_short(len(daily)), "no capital to relate it to"
    net, same = told["net_usd"] or 0.0, "every trading date made the same"
    told.tell("net_share", net / capital if capital > 0 else None, none)
    annual = None if short or capital <= 0 else growth_a_year(1 + net / capital, years)
    annual = told.tell("cagr", annual, short or (none if capital <= 0 else "the capital is lost"))
    spread = float(daily.std(ddof=1)) * math.sqrt(TRADING_DATES_A_YEAR) if not short else 0.0
    told.tell("volatility", spread / capital if capital > 0 and not short else None, short or none)
    sharpe = None if short else ratios.sharpe(daily, TRADING_DATES_A_YEAR)
    for name in ("sharpe", "sharpe_daily"):
        told.tell(name, sharpe, short or same)
    told.tell("sortino", None if short else ratios.sortino(daily, TRADING_DATES_A_YEAR), short or "no losing date")
    sunk = "no drawdown" if not fallen.share else told.reasons.get("cagr", "")
    told.tell("calmar", annual / fallen.share if annual is not None and fallen.share else None, short or sunk)


def _of_drawdown(told: _Told, fallen: Drawdown) -> None:
    told["max_drawdown_usd"], told["max_drawdown_share"] = fallen.usd, fallen.share
    told["max_drawdown_days"], told["under_water"] = fallen.days, fallen.under_water
    told["longest_under_days"] = fallen.longest_days


def _of_trades(told: _Told, trades: TradeColumns) -> None:
    made, count = trades.net_usd, len(trades.net_usd)
    wins, losses = made[made > 0], made[made < 0]
    none = "" if count else "no closed trades"
    told["trades"] = count
    told["long_trades"] = int(np.count_nonzero(trades.side > 0))
    told["short_trades"] = int(np.count_nonzero(trades.side < 0))
    told.tell("win_rate", len(wins) / count if count else None, none)
    told.tell("profit_factor", ratios.omega(made), none or "no losing trades")
    told.tell("expectancy_usd", _mean(made), none)
    win = told.tell("average_win_usd", _mean(wins), none or "no winning trades")
    loss = told.tell("average_loss_usd", _mean(losses), none or "no losing trades")
    missing = none or ("no losing trades" if loss is None else "no winning trades")
    told.tell("payoff_ratio", -win / loss if win is not None and loss else None, missing)
    told.tell("best_usd", float(made.max()) if count else None, none)
    told.tell("worst_usd", float(made.min()) if count else None, none)
    told["longest_wins"], told["longest_losses"] = longest_run(made > 0), longest_run(made < 0)
    told.tell("mae_mean_usd", _mean(trades.mae_usd), none)
    told.tell("mae_worst_usd", float(trades.mae_usd.min()) if count else None, none)
    told.tell("mfe_mean_usd", _mean(trades.mfe_usd), none)
    told.tell("mfe_best_usd", float(trades.mfe_usd.max()) if count else None, none)
    told.tell("average_bars", _mean(trades.bars.astype(np.float64)), none)
    few = f"{count} closed trade{'s' if count != 1 else ''}; it takes {LEAST_TRADES}" if count < LEAST_TRADES else ""
    t = None if few else ratios.t_statistic(made)
    told.tell("t_trades", t, few or "every trade made the same")
    told.tell("sqn", None if t is None else t * math.sqrt(min(count, 100) / count), few or "every trade made the same")


def _of_days(told: _Told, daily: Float64Array, trades: int) -> None:
    short, same = _too_short(len(daily)), "every trading date made the same"
    told["days"], told["trades_per_day"] = len(daily), trades / len(daily)
    told["best_day_usd"], told["worst_day_usd"] = float(daily.max()), float(daily.min())
    told["winning_days"] = float(np.mean(daily > 0))
    told.tell("skew", None if short else ratios.skew(daily), short or same)
    told.tell("kurtosis", None if short else ratios.kurtosis(daily), short or same)
    told.tell("tail_ratio", None if short else ratios.tail_ratio(daily), short or "no tails on both sides of 0")
    told.tell("t_days", None if short else ratios.t_statistic(daily), short or same)


def _mean(values: Float64Array) -> float | None:
    return math.fsum(values.tolist()) / len(values) if len(values) else None


def longest_run(held: npt.NDArray[np.bool_]) -> int:
    """Return the length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    ends = np.flatnonzero(~np.concatenate([[False], held, [False]]))
    return int(np.diff(ends).max()) - 1
