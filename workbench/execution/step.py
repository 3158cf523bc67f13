"""`step(state, event) -> commands`: the one decision of live, paper, backtest and replay.

Deterministic and without I/O: no clock (time is in the event), no await, no randomness (the uid of a start is in the
event). The state has one owner and changes in place. Commands come back in the order in which they must be sent; a new
order comes as `Approved`, which only the gate can make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.execution import control, limits_fold, limits_watch, manual, sessions, stray
from workbench.execution.control import check_lease
from workbench.execution.external import confirm
from workbench.execution.fills import roll_sessions, take_baselines
from workbench.execution.flatten import advance_flatten, cancel_orphans, check_protection
from workbench.execution.orders import SEPARATE, check_difference, on_fill, on_order, on_place_answered, on_position
from workbench.execution.outage import check_outage
from workbench.execution.protect import advance_guard, advance_trim, fit_exits
from workbench.execution.pruning import let_go, note_roll
from workbench.execution.reconcile import mark_unanswered, on_broker_read
from workbench.execution.state import AccountState, Book
from workbench.execution.submit import Out, remember, submit
from workbench.execution.trailing import on_answer
from workbench.risk.gate import Approved

__all__ = ["HANDLERS", "Out", "journal_form", "remember", "step", "submit"]


def step(state: AccountState, event: e.Event) -> Out:
    """Fold `event` into `state` and return what must be done about it.

    Parameters
    ----------
    state : AccountState
        Changed in place.
    event : Event
        Any event of `domain.events`; `event.at` is the market time in UTC ns and never runs backwards.

    Returns
    -------
    list of Approved or Command
        In sending order.

    Raises
    ------
    TypeError
        An event that nothing handles: a mistake of ours, never swallowed.
    """
    handler = HANDLERS.get(type(event))
    if handler is None:
        raise TypeError(f"step has no handler for {type(event).__name__}")
    state.now = max(state.now, event.at)
    if state.roll_day(state.now):
        roll_sessions(state)
        limits_fold.roll(state)
        note_roll(state)
    if state.memory.is_due:
        let_go(state)
    check_lease(state)
    if state.risk.armed:
        limits_watch.look(state, event)
    out: Out = list(handler(state, event))
    if not state.day_baseline_known:
        out += take_baselines(state)
    if state.risk.armed:
        out += limits_watch.watch(state, event)
    for book in list(state.books.values()):
        if not (book.is_quiet and state.orders.none_open(book.position.contract)):
            out += _tend(state, book)
    if state.strays:
        out += stray.advance(state)
    if state.hub_down:
        out += check_outage(state)
    if state.read_again_at and state.now >= state.read_again_at:
        state.read_again_at = 0
        out.append(ReadBroker(account=state.account, contract="", reason="an order was not found yet"))
    return out


def _tend(state: AccountState, book: Book) -> Out:
    """What one contract needs after an event: differences, protection, exits that fit, and the close under way."""
    # Asked here what each would ask first: this runs on every event of a position.
    out: Out = [] if book.differs_since is None else list(check_difference(state, book))
    if book.suspects:
        out += confirm(state, book)
    out += check_protection(state, book)
    if not book.position.qty:
        out += cancel_orphans(state, book)
    if book.guard is not None:
        out += advance_guard(state, book)
    if book.trim is not None:
        out += advance_trim(state, book)
    if book.misfit:
        out += fit_exits(state, book)
    flatten = book.flatten
    if flatten is None:
        return out
    reversal = flatten.then
    out += advance_flatten(state, book)
    if reversal is not None and book.flatten is None:
        session, signal = reversal
        if session:
            out += sessions.enter_after(state, session, signal)
        else:
            out += manual.enter_reversed(state, book.position.contract, signal)
    return out


def _on_price(state: AccountState, event: e.PriceSeen) -> Out:
    book = state.book(event.contract)
    book.last_price, book.priced_at = event.price, event.at
    return []


def _on_account(state: AccountState, event: e.AccountReported) -> Out:
    if event.account != state.account:
        return []
    was, state.can_trade = state.can_trade, event.can_trade
    state.balance, state.name = event.balance, event.name
    if was and not event.can_trade:
        text = "the firm has locked this account (canTrade is false): no entries"
        return [Alert(account=state.account, contract="", level="critical", text=text)]
    return []


def _on_runner_started(state: AccountState, event: e.RunnerStarted) -> Out:
    state.epoch, state.uid, state.seq, state.synced = event.epoch, event.uid, 0, False
    state.pace, state.program, state.schema = event.pace, event.program, event.schema
    if event.bracket_mode != state.bracket_mode and state.bracket_mode != SEPARATE:
        state.bracket_mode = event.bracket_mode  # what a refused bracket has taught is not unlearnt by a start
    state.started_at = state.now
    out: Out = list(limits_fold.take_limits_at_start(state, event.limits or msgspec.to_builtins(state.limits)))
    for key, order in state.orders.open_items():
        state.orders[key] = mark_unanswered(order)
    for session in state.sessions.values():
        session.at_seam = True  # what was missed comes from history again
    stray.begin_anew(state)
    state.orphans.clear()  # what the last life asked for may never have left: it is asked again
    for book in state.books.values():
        if book.guard is not None:
            book.guard.asked.clear()
        if book.trim is not None:
            book.trim.asked.clear()
        if book.flatten is not None:
            was_sent = book.flatten.close_sent_at is not None
            book.flatten.close_sent_at = book.flatten.close_answered_at = state.now if was_sent else None
            book.flatten.asked.clear()
    return [*out, ReadBroker(account=state.account, contract="", reason="the runner has started")]


def _nothing(state: AccountState, event: e.Event) -> Out:
    return []


HANDLERS: dict[type[e.Event], Callable[[AccountState, Any], Any]] = {
    e.BarClosed: sessions.on_bar,
    e.PriceSeen: _on_price,
    e.OrderReported: on_order,
    e.FillReported: on_fill,
    e.PositionReported: on_position,
    e.AccountReported: _on_account,
    e.PlaceAnswered: on_place_answered,
    e.CommandAnswered: on_answer,
    e.BrokerRead: on_broker_read,
    e.RunnerStarted: _on_runner_started,
    e.SessionStarted: sessions.on_session_started,
    e.SessionPaused: sessions.on_session_paused,
    e.SessionEnded: sessions.on_session_ended,
    e.StrategyAnswered: sessions.on_strategy_answered,
    e.StrategyFailed: sessions.on_strategy_failed,
    e.FlattenRequested: manual.on_flatten,
    e.ManualOrderRequested: manual.on_manual,
    e.OrderActionRequested: manual.on_order_action,
    e.Halted: control.on_halted,
    e.Released: control.on_released,
    e.StreamChanged: control.on_stream,
    e.BaselineSet: limits_fold.on_baseline_set,
    e.LimitsChanged: limits_fold.on_limits_changed,
    e.BudgetLeased: control.on_budget_leased,
    e.NewsWindows: control.on_news_windows,
    e.OperatorSeen: control.on_operator_seen,
    e.ClockJumped: control.on_clock_jumped,
    e.DataStale: control.on_data_stale,
    e.DataFresh: control.on_data_fresh,
    e.TimerFired: _nothing,
}


def journal_form(command: Approved | AnyCommand) -> AnyCommand:
    """The plain command inside, as the journal writes it."""
    return command.command if isinstance(command, Approved) else command
