"""The limits that act: a broken one stops a session or the account, cancels, closes, alerts and stays for the day.

`look` is called before an event is folded and `watch` after it, both only where there is something to watch
(`RiskState.armed`); with no position and no new fill an event costs a few comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from workbench.domain import events as e
from workbench.domain.commands import Alert, AnyCommand
from workbench.domain.contract import parse_contract, roll_date
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.programme import E4, NONE
from workbench.execution import limits_fold, stray
from workbench.execution.book import Book
from workbench.execution.flatten import start_flatten
from workbench.execution.risk_state import ACCOUNT, Breach, session_scope
from workbench.execution.risk_view import (
    earned_before_usd,
    equity_e4,
    limits_of,
    session_day_usd,
    session_drawdown_usd,
    session_net_usd,
)
from workbench.execution.state import AccountState
from workbench.risk.checks_money import most_of
from workbench.risk.codes import Code
from workbench.risk.limits import Limits

SECOND = 1_000_000_000
MOVES = (e.PriceSeen, e.BarClosed, e.FillReported, e.BrokerRead, e.PositionReported, e.LimitsChanged, e.BudgetLeased)
TOLD = (e.BrokerRead, e.BudgetLeased)
SAME_NS = 5 * SECOND  # within this, what brings no price of its own is the same reading again


class Reading(NamedTuple):
    """Something that was looked at: whose it is, which limit, whether it is beyond, in words."""

    scope: str
    code: Code
    beyond: bool
    text: str
    always: bool = False  # it acts whatever `on_breach` says, and for good where `final`
    final: bool = False


def look(state: AccountState, event: e.Event) -> None:
    """Note how old prices are, before an order is judged by it."""
    risk = state.risk
    if isinstance(event, e.PriceSeen):
        risk.priced_at[event.contract] = event.at
    elif isinstance(event, e.BarClosed):
        risk.priced_at[event.contract] = max(event.end, risk.priced_at.get(event.contract, 0))
        risk.bar_close[event.contract] = event.close
    elif isinstance(event, e.FillReported):
        risk.priced_at[event.fill.contract] = event.at


def watch(state: AccountState, event: e.Event) -> list[AnyCommand]:
    """Return what the limits want done after `event`."""
    risk, out = state.risk, list[AnyCommand]()
    filled = len(state.trades) != risk.seen_trades
    if filled:
        risk.seen_trades = len(state.trades)
        limits_fold.count_trades(state)
    if isinstance(event, e.BrokerRead):
        out += limits_fold.on_broker_balance(state, event)
    is_open = any(book.qty for book in state.books.values())
    if filled or (isinstance(event, MOVES) and (_is_reading(state, event) if is_open else isinstance(event, TOLD))):
        out += _judge(state, is_open)
    out += _by_the_clock(state, event, is_open)
    if risk.breaches:
        out += _enforce(state)
    return out


# --- money -----------------------------------------------------------------------------------------------------------


def _is_reading(state: AccountState, event: e.Event) -> bool:
    # One wrong price must stop nobody: only a new price of what weighs most bears it out, or that it stays for a while.
    if isinstance(event, e.PriceSeen | e.BarClosed) and event.contract == _heaviest(state):
        return True
    return state.now - state.risk.judged_at >= state.patience(SAME_NS)


def _heaviest(state: AccountState) -> str:
    held = {contract: book for contract, book in state.books.items() if book.qty}
    if len(held) == 1:
        return next(iter(held))
    return max(held, key=lambda contract: abs(held[contract].open_usd() or Decimal(0)), default="")


def _judge(state: AccountState, is_open: bool) -> list[AnyCommand]:
    total, risk = state.total_usd(), state.risk
    if total is None or not total.is_finite():
        return []
    risk.judged_at = state.now
    # Open profit hangs on a price, and one wrong price must stop nobody; without a position the figure is exact.
    needed = state.limits.equity_readings if is_open else 1
    risk.best_usd = _best(risk.best_usd, risk.readings, total, needed)
    _follow(state, needed)
    out: list[AnyCommand] = []
    for reading in [*_of_account(state, total), *_of_sessions(state, needed)]:
        key = f"{reading.scope} {reading.code}"
        votes = risk.votes[key] = risk.votes.get(key, 0) + 1 if reading.beyond else 0
        if reading.beyond and votes >= needed:
            out += _broken(state, reading)
    return out


def _best(best: Decimal, readings: list[Decimal], now: Decimal, needed: int) -> Decimal:
    readings.append(now)
    del readings[:-needed]
    return max(best, min(readings)) if len(readings) == needed else best


def _follow(state: AccountState, needed: int) -> None:
    # An intraday floor follows what the newest readings agree on.
    risk, equity = state.risk, equity_e4(state)
    if risk.firm is not None and equity is not None and len(risk.readings) == needed:
        behind = risk.readings[-1] - min(risk.readings)
        risk.firm.follow(equity - int(behind * E4))


def _of_account(state: AccountState, total: Decimal) -> Iterator[Reading]:
    limits, day = state.limits, state.day_pnl_usd()
    if day is not None:
        text = f"the account has lost {-day:.2f} USD on {state.trading_date}, limit {limits.daily_loss_usd} USD"
        yield Reading(ACCOUNT, Code.DAILY_LOSS, day <= -limits.daily_loss_usd, text)
        lease = state.lease.daily_loss_usd if state.lease is not None else None
        if lease is not None:
            text = f"the account stands at {day:.2f} USD, its share of the loss over all accounts is {lease} USD"
            yield Reading(ACCOUNT, Code.LEASE, day < -lease, text)  # at its share it enters nothing more (the gate)
        yield from _profits(state, limits, day)
    if limits.max_drawdown_usd is not None:
        fall = state.risk.best_usd - total
        text = f"the account is {fall:.2f} USD below its best, limit {limits.max_drawdown_usd} USD"
        yield Reading(ACCOUNT, Code.DRAWDOWN, fall >= limits.max_drawdown_usd, text)
    yield from _of_programme(state, limits)


def _profits(state: AccountState, limits: Limits, day: Decimal) -> Iterator[Reading]:
    if limits.daily_profit_usd is not None:
        text = f"the day has earned {day:.2f} USD, locked in from {limits.daily_profit_usd} USD"
        yield Reading(ACCOUNT, Code.PROFIT_LOCK, day >= limits.daily_profit_usd, text)
    most = most_of(limits, state.risk.target_usd, earned_before_usd(state))
    if most is not None:
        text = f"the day has earned {day:.2f} USD, {most:.2f} USD is its share of the profit (consistency)"
        yield Reading(ACCOUNT, Code.CONSISTENCY, day >= most, text)


def _of_programme(state: AccountState, limits: Limits) -> Iterator[Reading]:
    firm, equity = state.risk.firm, equity_e4(state)
    if firm is None or equity is None:
        return
    buffer = int(limits.floor_buffer_usd * E4)
    level = f"{Decimal(firm.floor) / E4:.2f} USD{f' (+{limits.floor_buffer_usd} USD)' if buffer else ''}"
    text = f"equity {Decimal(equity) / E4:.2f} USD has reached the programme's maximum-loss level {level}"
    yield Reading(ACCOUNT, Code.MAX_LOSS, equity <= firm.floor + buffer, text, always=True, final=True)
    if firm.rules.daily_loss != NONE:
        low = firm.day_start - firm.rules.daily_loss
        usd = f"{Decimal(low) / E4:.2f} USD"
        text = f"equity {Decimal(equity) / E4:.2f} USD has reached the programme's level of the day {usd}"
        yield Reading(ACCOUNT, Code.PROGRAMME_DAY, equity <= low + buffer, text, always=True)


def _of_sessions(state: AccountState, needed: int) -> Iterator[Reading]:
    for session in state.sessions.values():
        if session.status == "ended":
            continue
        name, limits = session.session, limits_of(state, session.contract, session.session)
        stand, net = state.risk.standing(name), session_net_usd(state, name)
        if net is not None:
            stand.best_usd = _best(stand.best_usd, stand.readings, net, needed)
        day, fall = session_day_usd(state, name), session_drawdown_usd(state, name)
        if limits.session_daily_loss_usd is not None and day is not None:
            text = f"session {name} has lost {-day:.2f} USD today, limit {limits.session_daily_loss_usd} USD"
            yield Reading(session_scope(name), Code.SESSION_LOSS, day <= -limits.session_daily_loss_usd, text)
        if limits.session_drawdown_usd is not None and fall is not None:
            text = f"session {name} is {fall:.2f} USD below its best, limit {limits.session_drawdown_usd} USD"
            yield Reading(session_scope(name), Code.SESSION_DRAWDOWN, fall >= limits.session_drawdown_usd, text)


# --- what a broken limit does ----------------------------------------------------------------------------------------


def _broken(state: AccountState, reading: Reading) -> list[AnyCommand]:
    risk = state.risk
    if reading.code in (Code.PROFIT_LOCK, Code.CONSISTENCY) and not risk.locked_in:
        risk.locked_in = reading.text
    answer = "account" if reading.always else state.limits.on_breach
    scope = ACCOUNT if answer == "account" else reading.scope
    known = risk.breaches.get(scope)
    if answer == "refuse" or (known is not None and not (reading.final and known.until)):
        return []
    if known is not None:
        state.halted.pop(known.text, None)
    return _stop(state, scope, Breach(code=reading.code, text=reading.text, at=state.now, until=_until(state, reading)))


def _until(state: AccountState, reading: Reading) -> int:
    return 0 if reading.final else state.day_end


def _stop(state: AccountState, scope: str, breach: Breach) -> list[AnyCommand]:
    state.risk.breaches[scope] = breach
    contract = ""
    if scope == ACCOUNT:
        state.halted[breach.text] = state.now
        if state.risk.firm is not None and breach.code == Code.MAX_LOSS:
            state.risk.firm.failed = True
    for session in state.sessions.values():
        if scope == session_scope(session.session):
            contract = session.contract
            if session.status == "running":
                session.status, session.reason = "paused", breach.text
    what = "the account is stopped" if scope == ACCOUNT else "the session is stopped"
    lasts = "for good" if not breach.until else "until the trading date is over"
    text = f"{breach.text}: {what} {lasts}, orders are cancelled and positions closed ({breach.code})"
    return [Alert(account=state.account, contract=contract, level="critical", text=text)]


def _enforce(state: AccountState) -> list[AnyCommand]:
    # A fill that crossed our cancel opens a position again: as long as the breach stands it is closed.
    out: list[AnyCommand] = []
    risk = state.risk
    if ACCOUNT in risk.breaches:
        return _close_all(state, risk.breaches[ACCOUNT].text)
    for session in state.sessions.values():
        breach = risk.breaches.get(session_scope(session.session))
        if breach is None:
            continue
        book = state.book(session.contract)
        held = book.ledgers.get(session.session)
        works = any(o.strategy == session.strategy for o in state.open_orders(session.contract))
        if book.flatten is None and ((held is not None and held.qty) or works):
            out += start_flatten(state, session.contract, breach.text)
    return out


def _close_all(state: AccountState, reason: str) -> list[AnyCommand]:
    out: list[AnyCommand] = []
    for contract, book in state.books.items():
        if book.flatten is None and (book.qty or not state.orders.none_open(contract)):
            out += start_flatten(state, contract, reason)
        elif book.flatten is not None:
            book.flatten.then = None  # no entry behind a close that is under way
    return [*out, *stray.close(state, state.strays, reason)]


# --- time ------------------------------------------------------------------------------------------------------------


def _by_the_clock(state: AccountState, event: e.Event, is_open: bool) -> list[AnyCommand]:
    risk, limits, out = state.risk, state.limits, list[AnyCommand]()
    if risk.flat_at and state.now >= risk.flat_at:
        reason = f"flat by {limits.flat_by}"
        closing = _close_all(state, reason)
        if closing and not risk.flat_told:
            risk.flat_told = True
            out.append(Alert(account=state.account, contract="", level="info", text=f"{reason}: everything is closed"))
        out += closing
    if limits.news_flat:
        out += _news(state)
    if (is_open and limits.blind_after_s is not None) or risk.blind:
        for book in state.books.values():
            out += _blind(state, book, limits)
    if limits.roll_warn_days is not None and not isinstance(event, e.PriceSeen):
        out += _warn_of_rolls(state, limits.roll_warn_days)
    return out


def _news(state: AccountState) -> list[AnyCommand]:
    for start, end, name in state.news:
        if start <= state.now < end and start > state.risk.news_done:
            state.risk.news_done = start
            text = f"news: {name}: everything is closed"
            told = Alert(account=state.account, contract="", level="info", text=text)
            return [told, *_close_all(state, f"news: {name}")]
    return []


def _blind(state: AccountState, book: Book, limits: Limits) -> list[AnyCommand]:
    risk, contract = state.risk, book.position.contract
    halt = f"no price of {contract} for the position that is open"
    after = limits.blind_after_s
    # Of what was not held, or not looked after, no price can have been missed.
    since = max(risk.priced_at.get(contract, 0), state.started_at, book.position.opened_at)
    age = (state.now - since) / SECOND
    if not book.qty or after is None or age <= after or not trading_hours(book.spec).is_open(state.now):
        if risk.blind.pop(contract, None) is not None:
            state.halted.pop(halt, None)
        return []
    out: list[AnyCommand] = []
    if contract not in risk.blind:
        risk.blind[contract] = state.halted[halt] = state.now
        out.append(Alert(account=state.account, contract=contract, level="critical", text=f"{halt}: no entries"))
    if limits.blind_flatten_s is not None and age > limits.blind_flatten_s and book.flatten is None:
        text = f"{halt} in {limits.blind_flatten_s:g} s: it is closed"
        out.append(Alert(account=state.account, contract=contract, level="critical", text=text))
        out += start_flatten(state, contract, text)
    return out


def _warn_of_rolls(state: AccountState, days: int) -> list[AnyCommand]:
    out: list[AnyCommand] = []
    for session in state.sessions.values():
        if session.status == "ended" or state.risk.warned.get(session.session) == state.trading_date:
            continue
        state.risk.warned[session.session] = state.trading_date
        try:
            contract = parse_contract(session.contract)
        except InputError:
            continue
        left = (roll_date(contract) - trading_hours("index").trading_date(state.now)).days
        if left <= days:
            when = f"in {left} days" if left > 0 else "already"
            text = (
                f"{contract.code} rolls {when} (its last day is {contract.expiry}); session {session.session} stays on "
                f"it: end it and start one on {contract.next().code}"
            )
            out.append(Alert(account=state.account, contract=session.contract, level="warning", text=text))
    return out
