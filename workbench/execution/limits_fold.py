"""What changes the memory of the limits: new limits, the baseline, entries and refusals, trades, the trading date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.account import AccountProgramme
from workbench.domain.account_file import account as programme_from
from workbench.domain.commands import Alert, AnyCommand, PlaceOrder
from workbench.domain.hours import trading_hours
from workbench.domain.programme import DAY_GROUP, E4, NONE, FirmAccount, e4, flat_time, rules_of
from workbench.execution.risk_state import ACCOUNT, to_e4
from workbench.execution.state import AccountState
from workbench.risk.codes import Code
from workbench.risk.limits import Limits
from workbench.risk.tightening import loosened, tighter, tightest

LEVELS = ("markets", "strategies", "leased")
LEASE_OVER = "the lease of the global limits has expired"
NO_LEASE = "no lease of the limits over all accounts has come yet"


def take_limits(state: AccountState, body: Mapping[str, Any]) -> None:
    """Take limits as an event carries them: those of the account, and under `markets` and `strategies` tighter ones.

    With `leased` nothing is entered before the desk has told this account's share of the limits over all. Levels that
    an event does not speak of stay as they are.
    """
    risk = state.risk
    state.limits = msgspec.convert({k: v for k, v in body.items() if k not in LEVELS}, Limits)
    risk.markets = dict(body.get("markets", risk.markets))
    risk.strategies = dict(body.get("strategies", risk.strategies))
    if body.get("leased") and state.lease is None:
        state.halted[NO_LEASE] = state.now
    elif "leased" in body and not body["leased"]:
        state.lease = None
        for halt in (NO_LEASE, LEASE_OVER):
            state.halted.pop(halt, None)
    arm(state)


def take_limits_at_start(state: AccountState, body: Mapping[str, Any]) -> list[AnyCommand]:
    """Take the limits that a runner starts with: while sessions of its journal run, none that are looser.

    What a running runner has refused must not come true by a crash.
    """
    looser = _looser_while_it_runs(state, body)
    take_limits(state, _tighter_of_both(state, body) if looser else body)
    return [_not_taken(state, looser)] if looser else []


def on_limits_changed(state: AccountState, event: e.LimitsChanged) -> list[AnyCommand]:
    """Take new limits; while a session runs only tighter ones."""
    looser = _looser_while_it_runs(state, event.limits)
    if looser:  # what is tighter beside them holds at once: who tightens on a bad day must not be held up by them
        take_limits(state, _tighter_of_both(state, event.limits))
        return [_not_taken(state, looser)]
    take_limits(state, event.limits)
    by = f" by {event.person}" if event.person else ""
    text = f"the limits were changed{by}{': ' + event.reason if event.reason else ''}"
    return [Alert(account=state.account, contract="", level="info", text=text)]


def _looser_while_it_runs(state: AccountState, body: Mapping[str, Any]) -> list[str]:
    return looser_than(state, body) if any(s.status != "ended" for s in state.sessions.values()) else []


def _not_taken(state: AccountState, looser: list[str]) -> Alert:
    text = (
        f"{', '.join(looser)} may only be tightened while a session runs; what held holds on there. End the sessions "
        "and change them again, or start the runner anew"
    )
    return Alert(account=state.account, contract="", level="critical", text=text)


def _tighter_of_both(state: AccountState, body: Mapping[str, Any]) -> dict[str, Any]:
    new = msgspec.convert({k: v for k, v in body.items() if k not in LEVELS}, Limits)
    made: dict[str, Any] = msgspec.to_builtins(tightest(state.limits, new))
    for level, held in (("markets", state.risk.markets), ("strategies", state.risk.strategies)):
        given = body.get(level, {})
        made[level] = {key: tighter(held.get(key, {}), given.get(key, {})) for key in dict.fromkeys([*held, *given])}
    if body.get("leased"):
        made["leased"] = True
    return made


def looser_than(state: AccountState, body: Mapping[str, Any]) -> list[str]:
    """Return what limits of an event would let more pass than those that hold, by level and name."""
    new = msgspec.convert({k: v for k, v in body.items() if k not in LEVELS}, Limits)
    found = loosened(new, state.limits)
    for level, held in (("markets", state.risk.markets), ("strategies", state.risk.strategies)):
        for key, names in held.items():
            own = body[level].get(key, {}) if level in body else names
            found += [
                f"{level}.{key}.{n}" for n in loosened(tightest(new, own), tightest(state.limits, names)) if n in names
            ]
    if body.get("leased") is False and (state.lease is not None or NO_LEASE in state.halted):
        found.append("the limits over all accounts")
    return found


def arm(state: AccountState) -> None:
    """Find out whether there is anything to watch, and when this trading date ends for us."""
    risk = state.risk
    levels = bool(risk.markets or risk.strategies)
    risk.armed = state.limits.needs_watch or levels or state.baseline is not None or bool(state.news)
    if state.lease is not None:
        risk.armed = True
    _set_flat_at(state)


def _set_flat_at(state: AccountState) -> None:
    by = state.limits.flat_by
    if by is None or not state.trading_date:
        state.risk.flat_at = 0
        return
    state.risk.flat_at = flat_time(by, trading_hours(DAY_GROUP).window(date.fromisoformat(state.trading_date)))


def on_baseline_set(state: AccountState, event: e.BaselineSet) -> list[AnyCommand]:
    """Remember where the account stood when it was linked; from here on floor and day's start are ours to keep."""
    state.baseline, risk = event, state.risk
    if event.programme:
        programme: AccountProgramme = programme_from(event.programme)
        firm = FirmAccount(rules_of(programme))
        if event.floor_usd is not None:
            firm.floor = e4(event.floor_usd)
        firm.day_start = e4(event.day_start_usd)
        firm.cap = int(programme.minis_at(event.day_start_usd - programme.starting_balance) * programme.micros_per_mini)
        risk.firm, risk.firm_date = firm, event.trading_date
        risk.target_usd = None if firm.rules.target == NONE else Decimal(firm.rules.target) / E4
    arm(state)
    return []


def on_broker_balance(state: AccountState, event: e.BrokerRead) -> list[AnyCommand]:
    """Take the balance of a reading: the first one ours is measured from; later ones must agree, to the cent."""
    risk = state.risk
    if not all(book.is_sure for book in state.books.values()):
        return []
    ours, theirs = to_e4(state.cash_usd()), to_e4(event.balance)
    if risk.cash_e4 is None:
        risk.cash_e4 = theirs - ours
        return _first_balance(state)
    difference = theirs - ours - risk.cash_e4
    again, risk.difference_e4 = difference == risk.difference_e4, difference
    if abs(difference) < E4 // 100 or not again:
        return []
    risk.cash_e4 += difference
    risk.difference_e4 = 0
    text = (
        f"the platform's balance is {event.balance:.2f} USD, {Decimal(difference) / E4:+.2f} USD against our count; it "
        "was taken over: look in the platform for what was paid, charged or traded elsewhere"
    )
    return [Alert(account=state.account, contract="", level="critical", text=text)]


def _first_balance(state: AccountState) -> list[AnyCommand]:
    risk, firm = state.risk, state.risk.firm
    if firm is None or risk.cash_e4 is None:
        return []
    began = risk.cash_e4 + to_e4(state.day_baseline)
    if risk.firm_date != state.trading_date:
        firm.roll(began)  # linked on an earlier date: that one has ended with what this one began with
        risk.firm_date = state.trading_date
        return []
    difference = began - firm.day_start
    if abs(difference) < E4 // 100:
        return []
    text = (
        f"the link says that {state.trading_date} began with {Decimal(firm.day_start) / E4:.2f} USD; the broker's "
        f"balance less today's fills says {Decimal(began) / E4:.2f} USD. What was typed in holds; if it is wrong, link "
        "the account again"
    )
    return [Alert(account=state.account, contract="", level="critical", text=text)]


def note_entry(state: AccountState, command: PlaceOrder) -> None:
    """Remember an entry that leaves: its side, its bar, what it puts at stake."""
    if command.stop_loss_ticks is not None:
        for key in (command.tag, command.contract):
            state.risk.ticks_at_stake[key] = abs(command.stop_loss_ticks)
    elif not command.protects:
        state.risk.ticks_at_stake.pop(command.contract, None)  # what an older entry asked for says nothing of this one
    session = state.sessions.get(command.session)
    if session is None:
        return
    stand, side = state.risk.standing(command.session), command.side.sign
    if stand.bar_end != session.last_bar_end:
        stand.bar_end, stand.sides = session.last_bar_end, []
    stand.sides.append(side)
    if stand.side * side < 0:
        stand.turned_at = [*stand.turned_at[-99:], state.now]
    stand.side = side


def note_refused(state: AccountState, command: PlaceOrder, code: Code, reason: str) -> list[AnyCommand]:
    """Pause a session that turns round too often: it must be looked at before it goes on."""
    session = state.sessions.get(command.session)
    if code is not Code.FLIPS or session is None or session.status != "running":
        return []
    session.status, session.reason = "paused", reason
    text = f"session {session.session} is paused: {reason}. Its protection stays; resume it when you know why"
    return [Alert(account=state.account, contract=session.contract, level="critical", text=text)]


def count_trades(state: AccountState) -> None:
    """Count each session's losing trades in a row; so many of them, and it has to wait.

    A trade ends where the session's position becomes flat or turns. What ends and begins again inside one reading of
    the broker counts as one trade.
    """
    for session in state.sessions.values():
        held = state.book(session.contract).ledgers.get(session.session)
        stand = state.risk.standing(session.session)
        if held is None or held.qty == stand.qty:
            continue
        was, stand.qty = stand.qty, held.qty
        if not was or was * held.qty > 0:
            continue
        spec = state.book(session.contract).spec
        realized = held.realized_ticks * spec.tick_value - held.fees
        stand.losses = stand.losses + 1 if realized < stand.trade_usd else 0
        stand.trade_usd = realized
        most = state.limits.consecutive_losses
        if most is not None and stand.losses >= most:
            stand.cool_until, stand.losses = state.now + int(state.limits.cool_down_s * 1e9), 0


def roll(state: AccountState) -> None:
    """Begin a new trading date: the firm's day ends, what was latched for the date is free again."""
    risk = state.risk
    if risk.firm is not None and risk.cash_e4 is not None and risk.firm_date != state.trading_date:
        risk.firm.roll(risk.cash_e4 + to_e4(state.cash_usd()))
        risk.firm_date = state.trading_date
    for scope, breach in list(risk.breaches.items()):
        if not breach.until:
            continue
        del risk.breaches[scope]
        if scope == ACCOUNT:
            state.halted.pop(breach.text, None)
        for session in state.sessions.values():
            if session.status == "paused" and session.reason == breach.text:
                session.status, session.reason = "running", ""
    risk.locked_in, risk.flat_told = "", False
    risk.votes.clear()
    _set_flat_at(state)
