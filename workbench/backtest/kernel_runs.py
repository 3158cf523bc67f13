"""Runs of the compiled engine: arguments in, `Played` or `Summary` out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.backtest import kernel_state as k
from workbench.backtest.kernel import run as _run
from workbench.backtest.played import E4, RULES, AccountDays, AccountPlayed, Fills, Orders, Played, Summary
from workbench.backtest.rule_columns import kernel_rules
from workbench.backtest.words import told
from workbench.domain.account import AccountProgramme
from workbench.domain.programme import NONE, FirmAccount, rules_of

if TYPE_CHECKING:
    from workbench.backtest.kernel_decide import Rules
    from workbench.backtest.prepared import Prepared
    from workbench.rules.arrays import ColumnCache
    from workbench.rules.plan import Plan

Columns = Mapping[str, npt.NDArray[np.float64]]
_NO_DAYS = np.empty(0)


def _tables(sizes: Sequence[int]) -> list[k.Ints]:
    return [np.empty((rows, size), dtype=np.int64) for rows, size in zip((6, k.COLUMNS, 5, 3, 2), sizes, strict=True)]


_NO_TABLES = _tables([0] * 5)  # nothing is written to them, so all runs share them


def run(
    prepared: Prepared, plan: Plan, cache: ColumnCache | None, given: Columns | None, first: int, last: int
) -> Played:
    """Run a plan and return everything it did."""
    market, gate, rules = prepared.market, prepared.gate(plan), kernel_rules(prepared, plan, cache, given)
    size = max(1024, (last - first) // 16)
    log = _log([size] * 5, _NO_DAYS)
    s = k.fresh()
    _run(s, market, rules, gate, prepared.firm, log, first, last)
    counts = [int(s[place]) for place in (k.FILLS, k.ORDERS, k.ALERTS, k.FIRM_DAYS, k.SEEN)]
    if max(counts) > size:  # they are known now
        log = _log(counts, _NO_DAYS)
        s = k.fresh()
        _run(s, market, rules, gate, prepared.firm, log, first, last)
    limits = prepared.limits.tighter(plan.daily_loss_usd, plan.max_position)
    rows = log.alerts[:, : counts[2]].T.tolist()
    fills = Fills(*log.fills[:, : counts[0]])
    return Played(
        fills=fills,
        orders=Orders(*log.orders[:, : counts[1]]),
        alerts=tuple((row[0], told(prepared.series.contract, limits, *row[1:])) for row in rows),
        account=_account(prepared, s, AccountDays(*log.days[:, : counts[3]]), log.breaches[:, : counts[4]], fills),
    )


def _account(prepared: Prepared, s: k.Ints, days: AccountDays, breaches: k.Ints, fills: Fills) -> AccountPlayed | None:
    if prepared.programme is None:
        return None
    broken = tuple((at, RULES[rule].removeprefix("firm: ")) for at, rule in breaches.T.tolist())
    failed = [at for at, rule in broken if rule == "max_loss"]
    return AccountPlayed(
        programme=prepared.programme.name,
        days=days,
        breaches=broken,
        balance_e4=int(prepared.firm.start + s[k.CASH] + s[k.QTY] * s[k.ENTRY] * prepared.tick_value),
        floor_e4=int(s[k.FLOOR]),
        failed_at=failed[0] if failed else None,
        passed_at=_passed_at(prepared.programme, days, fills, failed),
    )


def _passed_at(programme: AccountProgramme, days: AccountDays, fills: Fills, failed: list[int]) -> int | None:
    # reaching the target changes nothing in the run, so it is looked at afterwards, by the rules themselves
    account = FirmAccount(rules_of(programme))
    target = account.rules.target
    if target == NONE or not (days.balance_e4 - account.rules.start >= target).any():
        return None  # it takes the target at least, whatever consistency asks for
    traded = np.diff(np.searchsorted(fills.at, days.at), prepend=0) > 0
    rows: Iterable[tuple[int, int, bool]] = zip(
        days.at.tolist(), days.balance_e4.tolist(), traded.tolist(), strict=True
    )
    for at, closed, any_trade in rows:
        account.failed = bool(failed) and failed[0] < at
        account.roll(closed, traded=any_trade)
        if account.passed:
            return at
    return None


def summarise(
    prepared: Prepared, plan: Plan, cache: ColumnCache | None, given: Columns | None, first: int, last: int
) -> Summary:
    """Run a plan and return what a sweep keeps."""
    return play(prepared, plan, kernel_rules(prepared, plan, cache, given), first, last)


def play(prepared: Prepared, plan: Plan, rules: Rules, first: int, last: int) -> Summary:
    """Run a plan whose columns are there and return what a sweep keeps."""
    daily = np.full(len(prepared.days), np.nan)
    log = k.Log._make((*_NO_TABLES, np.empty(k.RING, dtype=np.int64), daily, np.zeros(1)))
    s = k.fresh()
    _run(s, prepared.market, rules, prepared.gate(plan), prepared.firm, log, first, last)
    net = k.day_by_day(daily)
    return Summary(
        daily=daily,
        trades=int(s[k.TRADES]),
        wins=int(s[k.WINS]),
        won_usd=int(s[k.WON]) / E4,
        lost_usd=int(s[k.LOST]) / E4,
        net_usd=net,
        costs_usd=int(s[k.COSTS]) / E4,
        trade_sum_sq=float(log.squares[0]),
        max_drawdown_usd=int(s[k.DEPTH]) / E4,
        exposure_bars=int(s[k.EXPOSED]),
        refused=int(s[k.REFUSED]),
        first=int(s[k.FIRST_FILL]),
        last=int(s[k.LAST_FILL]),
    )


def _log(sizes: list[int], daily: npt.NDArray[np.float64]) -> k.Log:
    tables = _tables(sizes)
    return k.Log._make((*tables, np.empty(k.RING, dtype=np.int64), daily, np.zeros(1)))
