"""The summary of a run from its fills: for strategies that have no kernel, and a witness of the kernel's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.backtest.played import Played, Summary

if TYPE_CHECKING:
    from workbench.backtest.prepared import Prepared

E4 = 10_000


def summary_of(played: Played, prepared: Prepared, first: int, last: int) -> Summary:
    """Return what a sweep keeps of a run that traded from bar `first` up to (not including) bar `last`."""
    fills, value = played.fills, prepared.tick_value
    closes = prepared.series.ticks[3][first:last]
    held = np.zeros(last - first, dtype=np.int64)  # changes of the position at each bar, then the position
    cash = np.zeros(last - first, dtype=np.int64)
    flows = -fills.qty * fills.ticks * value - fills.fees_e4
    rows = np.clip(fills.bar - first, 0, max(0, last - first - 1))
    np.add.at(held, rows, fills.qty)
    np.add.at(cash, rows, flows)
    held, cash = np.cumsum(held), np.cumsum(cash)
    equity = cash + held * closes * value
    peak = np.maximum.accumulate(np.maximum(equity, 0)) if len(equity) else equity
    trades = _trades(fills.qty, flows)
    winners = trades[trades > 0]
    return Summary(
        daily=_daily(equity, prepared.day_of_bar[first:last], len(prepared.days)) / E4,
        trades=len(trades),
        wins=len(winners),
        won_usd=int(winners.sum()) / E4,
        lost_usd=int(trades[trades < 0].sum()) / E4,
        net_usd=int(equity[-1]) / E4 if len(equity) else 0.0,
        costs_usd=int(fills.fees_e4.sum()) / E4,
        trade_sum_sq=float(sum((net / E4) ** 2 for net in trades.tolist())),
        max_drawdown_usd=int((peak - equity).max()) / E4 if len(equity) else 0.0,
        exposure_bars=int(np.count_nonzero(held)),
        refused=sum(text.startswith("order refused") for _, text in played.alerts),
        first=int(fills.bar[0]) if len(fills.bar) else -1,
        last=int(fills.bar[-1]) if len(fills.bar) else -1,
    )


def _trades(qty: np.ndarray, flows: np.ndarray) -> np.ndarray:
    """Return the net profit of each round trip from flat to flat, 1/10,000 USD."""
    ends = np.flatnonzero(np.cumsum(qty) == 0)
    totals = np.cumsum(flows)[ends]
    made: np.ndarray = np.diff(totals, prepend=0)
    return made


def _daily(equity: np.ndarray, days: np.ndarray, count: int) -> np.ndarray:
    """Return the change of equity over each trading date; 0 on dates without bars in the run."""
    made = np.zeros(count)
    if not len(equity):
        return made
    ends = np.flatnonzero(np.append(days[1:] != days[:-1], True))
    made[days[ends]] = np.diff(equity[ends], prepend=0)
    return made
