"""Runs of the compiled engine: arguments in, `Played` or `Summary` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.backtest import kernel_state as k
from workbench.backtest.kernel import run as _run
from workbench.backtest.played import E4, Fills, Orders, Played, Summary
from workbench.backtest.words import refusal

if TYPE_CHECKING:
    from workbench.backtest.prepared import Prepared
    from workbench.rules.arrays import ColumnCache
    from workbench.rules.plan import Plan

Columns = Mapping[str, npt.NDArray[np.float64]]
_NO_DAYS = np.empty(0)


def run(
    prepared: Prepared, plan: Plan, cache: ColumnCache | None, given: Columns | None, first: int, last: int
) -> Played:
    """Run a plan and return everything it did."""
    market, gate, rules = prepared.market, prepared.gate(plan), prepared.rules(plan, cache, given)
    size = max(1024, (last - first) // 16)
    log = _log(size, size, size, _NO_DAYS)
    s = k.fresh()
    _run(s, market, rules, gate, log, first, last)
    if s[k.FILLS] > size or s[k.ORDERS] > size or s[k.ALERTS] > size:  # the counts are known now
        log = _log(int(s[k.FILLS]), int(s[k.ORDERS]), int(s[k.ALERTS]), _NO_DAYS)
        s = k.fresh()
        _run(s, market, rules, gate, log, first, last)
    limits = prepared.limits.tighter(plan.daily_loss_usd, plan.max_position)
    rows = log.alerts[:, : s[k.ALERTS]].T.tolist()
    return Played(
        fills=Fills(*log.fills[:, : s[k.FILLS]]),
        orders=Orders(*log.orders[:, : s[k.ORDERS]]),
        alerts=tuple((row[0], refusal(prepared.series.contract, limits, *row[1:])) for row in rows),
    )


def summarise(
    prepared: Prepared, plan: Plan, cache: ColumnCache | None, given: Columns | None, first: int, last: int
) -> Summary:
    """Run a plan and return what a sweep keeps."""
    daily = np.full(len(prepared.days), np.nan)
    log = _log(0, 0, 0, daily)
    s = k.fresh()
    _run(s, prepared.market, prepared.rules(plan, cache, given), prepared.gate(plan), log, first, last)
    known = ~np.isnan(daily)
    daily[known] = np.diff(daily[known], prepend=0.0)
    daily[~known] = 0.0
    net = daily.sum()  # of whole numbers: exact
    return Summary(
        daily=daily / E4,
        trades=int(s[k.TRADES]),
        wins=int(s[k.WINS]),
        won_usd=int(s[k.WON]) / E4,
        lost_usd=int(s[k.LOST]) / E4,
        net_usd=float(net) / E4,
        costs_usd=int(s[k.COSTS]) / E4,
        trade_sum_sq=float(log.squares[0]),
        max_drawdown_usd=int(s[k.DEPTH]) / E4,
        exposure_bars=int(s[k.EXPOSED]),
        refused=int(s[k.REFUSED]),
        first=int(s[k.FIRST_FILL]),
        last=int(s[k.LAST_FILL]),
    )


def _log(fills: int, orders: int, alerts: int, daily: npt.NDArray[np.float64]) -> k.Log:
    return k.Log(
        np.empty((6, fills), dtype=np.int64),
        np.empty((k.COLUMNS, orders), dtype=np.int64),
        np.empty((5, alerts), dtype=np.int64),
        np.empty(k.RING, dtype=np.int64),
        daily,
        np.zeros(1),
    )
