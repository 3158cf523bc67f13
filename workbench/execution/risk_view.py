"""What the gate sees of one order beyond its own instrument, and which limits hold for it."""

from __future__ import annotations

import dataclasses
import math
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.programme import E4, NONE
from workbench.execution.book import exact_ticks
from workbench.execution.exposure import at_risk_usd, exposures
from workbench.execution.risk_state import ACCOUNT, Standing, session_scope, to_e4
from workbench.risk.limits import Limits
from workbench.risk.tightening import tightest
from workbench.risk.view import Firm, View

if TYPE_CHECKING:
    from workbench.execution.state import AccountState

SECOND = 1_000_000_000
OWN = {  # of a strategy's level the account's figures mean the strategy's
    "daily_loss_usd": "session_daily_loss_usd",
    "max_drawdown_usd": "session_drawdown_usd",
}


def limits_of(state: AccountState, contract: str, session: str = "") -> Limits:
    """Return the limits that hold for a session's orders in a contract: the tightest of all levels."""
    limits, risk = state.limits, state.risk
    if risk.markets and (market := risk.markets.get(state.book(contract).spec.root)):
        limits = tightest(limits, market)
    known = state.sessions.get(session)
    if known is None:
        return limits
    if risk.strategies and (own := risk.strategies.get(strategy_of(session)) or risk.strategies.get(known.strategy)):
        limits = tightest(limits, {OWN.get(name, name): value for name, value in own.items()})
    return known.limits(limits)


def strategy_of(session: str) -> str:
    """Return the strategy's name from a session's: name, account and a random end.

    >>> strategy_of("sma-cross-1001-a1b2c3")
    'sma-cross'
    """
    return session.rsplit("-", 2)[0]


def widened(state: AccountState, view: View, contract: str, session: str) -> View:
    """Return `view` with all that the later limits look at."""
    risk, book, limits = state.risk, state.books[contract], limits_of(state, contract, session)
    known, stand = state.sessions.get(session), risk.standings.get(session) or Standing()
    priced = risk.priced_at.get(contract)
    equity, total = equity_e4(state), state.total_usd()
    seen = state.operator_seen_at
    return dataclasses.replace(
        view,
        session_pnl_usd=None if known is None else session_day_usd(state, session),
        drawdown_usd=None if total is None else max(Decimal(0), risk.best_usd - total),
        session_drawdown_usd=None if known is None else session_drawdown_usd(state, session),
        equity_usd=None if equity is None else Decimal(equity) / E4,
        price=_ticks(state, contract, book.last_price),
        reference=_ticks(state, contract, risk.bar_close.get(contract)),
        price_age_s=None if priced is None else (state.now - priced) / SECOND,
        tick_value=book.spec.tick_value,
        market_open=trading_hours(book.spec).is_open(state.now) if limits.market_hours else None,
        flat_by_passed=bool(risk.flat_at) and state.now >= risk.flat_at,
        days_to_expiry=days_to_expiry(state, contract) if limits.expiry_days is not None else None,
        last_side=stand.side,
        flips=_flips(state, stand, limits),
        cool_down_s=max(0.0, (stand.cool_until - state.now) / SECOND) if limits.consecutive_losses is not None else 0.0,
        locked_in=risk.locked_in,
        earned_usd=earned_before_usd(state),
        target_usd=risk.target_usd,
        news=next((name for start, end, name in state.news if start <= state.now < end), ""),
        unattended_s=(state.now - seen) / SECOND if seen else None,
        breach=next((risk.breaches[s].text for s in (ACCOUNT, session_scope(session)) if s in risk.breaches), ""),
        at_risk_usd=at_risk_usd(state, limits.unstopped_ticks),
        exposures=exposures(state, without=contract),
        firm=firm_of(state),
        lease_loss_usd=state.lease.daily_loss_usd if state.lease is not None else None,
        lease_micros=state.lease.max_micros if state.lease is not None else None,
    )


def _ticks(state: AccountState, contract: str, price: float | None) -> Decimal | None:
    return None if price is None or not math.isfinite(price) else exact_ticks(state.books[contract].spec, price)


def _flips(state: AccountState, stand: Standing, limits: Limits) -> int:
    since = state.now - int(limits.flips_minutes * 60 * SECOND)
    return sum(at > since for at in stand.turned_at)


def days_to_expiry(state: AccountState, contract: str) -> int | None:
    """Return the calendar days from the trading date to the contract's last one; None when it cannot be known."""
    try:
        return (parse_contract(contract).expiry - date.fromisoformat(state.trading_date)).days
    except (InputError, ValueError):
        return None


def session_net_usd(state: AccountState, session: str) -> Decimal | None:
    """Return what a session has earned since its first fill, net of fees, USD; None when a price is missing."""
    from workbench.execution.fills import earned_by

    return earned_by(state, state.sessions[session].contract, session).net


def session_day_usd(state: AccountState, session: str) -> Decimal | None:
    """Return what a session has earned on this trading date, net of fees, USD; None when it cannot be known."""
    from workbench.execution import fills

    return fills.session_day_usd(state, state.sessions[session])


def session_drawdown_usd(state: AccountState, session: str) -> Decimal | None:
    """Return how far a session stands below its best, USD; None when it cannot be known."""
    net = session_net_usd(state, session)
    return None if net is None else max(Decimal(0), state.risk.standing(session).best_usd - net)


def earned_before_usd(state: AccountState) -> Decimal:
    """Return the profit of the trading dates before this one: of the programme, else since the journal began."""
    firm = state.risk.firm
    return state.day_baseline if firm is None else Decimal(firm.day_start - firm.rules.start) / E4


def equity_e4(state: AccountState) -> int | None:
    """Return balance + open profit, 1/10,000 USD; None before the balance was read, or when a price is missing."""
    total, cash = state.total_usd(), state.risk.cash_e4
    return None if total is None or not total.is_finite() or cash is None else cash + to_e4(total)


def firm_of(state: AccountState) -> Firm | None:
    """Return the programme as it stands today, None without one."""
    firm = state.risk.firm
    if firm is None:
        return None
    loss = firm.rules.daily_loss
    return Firm(
        rules=firm.rules,
        floor_usd=Decimal(firm.floor) / E4,
        day_floor_usd=None if loss == NONE else Decimal(firm.day_start - loss) / E4,
        cap=firm.cap,
    )
