"""How much of each limit is used, and what is held: what a person looks at, from the same figures as the gate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from workbench.domain.programme import E4, NONE, FirmAccount
from workbench.execution.exposure import at_risk_usd, exposures
from workbench.execution.risk_view import equity_e4, limits_of, session_day_usd, session_drawdown_usd
from workbench.execution.state import AccountState, Book
from workbench.risk.view import micros

Row = dict[str, Any]
ZERO = Decimal(0)


def headroom(state: AccountState) -> list[Row]:
    """Return one row for each money limit that is on, the account's daily loss first; None for what is not known.

    A row has `limit` (its name), `scope` (account or the session), `used_usd`, `limit_usd`, `left_usd`, `left_percent`.
    """
    return [_row(*each) for each in _used(state)]


def _used(state: AccountState) -> Iterator[tuple[str, str, Decimal | None, Decimal]]:
    limits, day, total, risk = state.limits, state.day_pnl_usd(), state.total_usd(), state.risk
    loss = None if day is None else max(ZERO, -day)
    yield "daily_loss", "account", loss, limits.daily_loss_usd
    if risk.firm is not None:
        yield from _of_programme(state, risk.firm)
    if limits.max_drawdown_usd is not None:
        used = None if total is None else max(ZERO, risk.best_usd - total)
        yield "max_drawdown", "account", used, limits.max_drawdown_usd
    if state.lease is not None and state.lease.daily_loss_usd is not None:
        yield "all_accounts", "account", loss, max(ZERO, state.lease.daily_loss_usd)
    if limits.daily_profit_usd is not None:
        yield "daily_profit", "account", None if day is None else max(ZERO, day), limits.daily_profit_usd
    if limits.capital_at_risk_usd is not None:
        yield "capital_at_risk", "account", at_risk_usd(state, limits.unstopped_ticks), limits.capital_at_risk_usd
    for session in state.sessions.values():
        if session.status == "ended":
            continue
        own = limits_of(state, session.contract, session.session)
        if own.session_daily_loss_usd is not None:
            lost = session_day_usd(state, session.session)
            used = None if lost is None else max(ZERO, -lost)
            yield "session_daily_loss", session.session, used, own.session_daily_loss_usd
        if own.session_drawdown_usd is not None:
            fall = session_drawdown_usd(state, session.session)
            yield "session_drawdown", session.session, fall, own.session_drawdown_usd


def _of_programme(state: AccountState, firm: FirmAccount) -> Iterator[tuple[str, str, Decimal | None, Decimal]]:
    equity = equity_e4(state)
    # down from where the floor would be if it stood its whole distance below the equity
    whole = Decimal(firm.rules.max_loss) / E4
    left = None if equity is None else Decimal(equity - firm.floor) / E4 - state.limits.floor_buffer_usd
    yield "maximum_loss", "account", None if left is None else whole - min(left, whole), whole
    if firm.rules.daily_loss != NONE:
        used = None if equity is None else max(ZERO, Decimal(firm.day_start - equity) / E4)
        yield "programme_daily_loss", "account", used, Decimal(firm.rules.daily_loss) / E4


def drawdown_usd(state: AccountState) -> Decimal | None:
    """Return how far the account stands below the best it had earned, USD; None when a price is missing.

    Without anything to watch no best is kept, and what it has earned now is all there is.
    """
    total = state.total_usd()
    return None if total is None else max(ZERO, state.risk.best_usd - total)


def _row(limit: str, scope: str, used: Decimal | None, whole: Decimal) -> Row:
    known = used is not None and used.is_finite()
    left = max(ZERO, whole - used) if known and used is not None else None
    return {
        "limit": limit,
        "scope": scope,
        "used_usd": round(float(used), 2) if known and used is not None else None,
        "limit_usd": round(float(whole), 2),
        "left_usd": None if left is None else round(float(left), 2),
        "left_percent": None if left is None or not whole else round(float(left / whole) * 100, 1),
    }


def exposure(state: AccountState) -> list[Row]:
    """Return one row for each instrument that is held or may fill: contracts, micros, the worst case, value in USD."""
    rows = []
    by_contract = {contract: book for contract, book in state.books.items() if book.qty or _works(state, contract)}
    for contract, book in by_contract.items():
        worst = worst_of(state, contract)
        rows.append(
            {
                "contract": contract,
                "group": book.spec.group,
                "qty": book.qty,
                "worst": worst,
                "micros": micros(book.spec) * book.qty,
                "worst_micros": micros(book.spec) * worst,
                "notional_usd": _notional(book),
            }
        )
    return rows


def _works(state: AccountState, contract: str) -> bool:
    return not state.orders.none_open(contract)


def worst_of(state: AccountState, contract: str) -> int:
    """Return the contracts that one instrument holds at most if the working orders of one side fill."""
    return next((each.worst for each in exposures(state, only=contract)), 0)


def _notional(book: Book) -> float | None:
    if book.last_price is None or not math.isfinite(book.last_price):
        return None if book.qty else 0.0
    return round(float(Decimal(repr(book.last_price)) * book.spec.point_value * book.qty), 2)
