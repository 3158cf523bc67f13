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
from workbench.domain.commands import Alert, AnyCommand, PlaceOrder, ReadBroker
from workbench.domain.order import Order, OrderType, Side
from workbench.domain.timeframe import timeframe
from workbench.execution import control
from workbench.execution.control import check_lease
from workbench.execution.flatten import advance_flatten, cancel_orphans, check_protection, start_flatten
from workbench.execution.orders import (
    check_difference,
    on_fill,
    on_order,
    on_place_answered,
    on_position,
)
from workbench.execution.reconcile import mark_unanswered, on_broker_read
from workbench.execution.state import AccountState, Book, Session
from workbench.execution.trailing import move_stop, on_answer
from workbench.risk.gate import Approved, Refused, check
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal

Out = list[Approved | AnyCommand]


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
    state.roll_day(state.now)
    check_lease(state)
    out: Out = list(handler(state, event))
    for book in list(state.books.values()):
        out += check_difference(state, book)
        out += check_protection(state, book)
        out += cancel_orphans(state, book)
        reversal = book.flatten.then if book.flatten is not None else None
        out += advance_flatten(state, book)
        if reversal is not None and book.flatten is None:
            out += _enter_after(state, reversal)
    if state.read_again_at and state.now >= state.read_again_at:
        state.read_again_at = 0
        out.append(ReadBroker(account=state.account, contract="", reason="an order was not found yet"))
    return out


def _on_bar(state: AccountState, event: e.BarClosed) -> Out:
    book = state.book(event.contract)
    book.last_price = event.close
    out: Out = []
    for session in state.sessions.values():
        if session.contract != event.contract or session.timeframe != event.timeframe or session.status == "ended":
            continue
        if event.end <= session.last_bar_end:
            continue  # history and stream overlap at the seam; a bar counts once
        session.last_bar_end = event.end
        if event.end <= session.started_at:
            session.rule.warm(event)  # history: indicators take it, nothing is decided on it
            continue
        if not _is_fresh(state, event):  # too late to act on; trails and bars in position count it all the same
            session.rule.warm(event, _held(state, session), _entry_ticks(book))
            continue
        signal = session.rule.on_bar(event, _held(state, session), _entry_ticks(book))
        if signal is not None:
            out += _act(state, session, signal)
    return out


def _is_fresh(state: AccountState, bar: e.BarClosed) -> bool:
    """A signal is acted on in the first half of the next bar, never on warm-up or catch-up bars."""
    return _is_in_time(state, bar.end, bar.timeframe)


def _is_in_time(state: AccountState, end: int, frame: str) -> bool:
    return (state.now - end) * 2 <= timeframe(frame).seconds * 1_000_000_000


def _act(state: AccountState, session: Session, signal: Signal) -> Out:
    book = state.book(session.contract)
    session.last_signal = signal.rule
    wants_in = signal.entry != 0 and session.status == "running"
    if signal.closes(book.qty) or (signal.entry * book.qty < 0 and session.status == "running"):
        return list(
            start_flatten(state, session.contract, signal.rule, (session.session, signal) if wants_in else None)
        )
    if signal.stop_to is not None:
        return list(move_stop(state, session, signal.stop_to, signal.rule))
    if not wants_in or book.qty or book.flatten is not None or _order_works(state, session):
        return []
    return _enter(state, session, signal)


def _entry_ticks(book: Book) -> float | None:
    average = book.position.average_ticks
    return None if average is None else float(average)


def _held(state: AccountState, session: Session) -> int:
    """Signed contracts that the session holds, or has an entry out for."""
    qty = state.book(session.contract).qty
    return qty or sum(
        o.signed_remaining
        for o in state.open_orders(session.contract)
        if o.parent_id is None and o.strategy == session.strategy
    )


def _order_works(state: AccountState, session: Session) -> bool:
    # An entry under way, or an exit that has outlived its position and could open another one.
    return any(o.strategy == session.strategy for o in state.open_orders(session.contract))


def _enter_after(state: AccountState, reversal: tuple[str, Signal]) -> Out:
    # A reversal is a close plus an entry; the entry counts only as long as its bar is the newest one.
    session, signal = state.sessions[reversal[0]], reversal[1]
    if session.status != "running" or session.last_bar_end != signal.at or state.book(session.contract).qty:
        return []
    return _enter(state, session, signal)


def _enter(state: AccountState, session: Session, signal: Signal) -> Out:
    command = PlaceOrder(
        account=state.account,
        contract=session.contract,
        tag=state.next_tag(),
        side=Side.BUY if signal.entry > 0 else Side.SELL,
        type=OrderType.MARKET,
        qty=signal.qty,
        stop_loss_ticks=signal.stop_ticks,
        take_profit_ticks=signal.target_ticks,
        strategy=session.strategy,
        rule=signal.rule,
        session=session.session,
    )
    out = submit(state, command, session.limits(state.limits))
    if isinstance(out[0], Approved):
        session.entries += 1
    return out


def submit(state: AccountState, command: PlaceOrder, limits: Limits | None = None) -> Out:
    """Ask the gate; remember an approved order as sent, turn a refusal into an alert. Refused orders count as sent."""
    verdict = check(command, state.view(command.contract), limits or state.limits)
    state.known_tags.add(command.tag)
    if not (isinstance(verdict, Approved) and verdict.reducing):
        state.sent_at.append(state.now)
    if isinstance(verdict, Refused):
        text = f"order refused ({verdict.code}): {verdict.reason}"
        return [Alert(account=state.account, contract=command.contract, level="warning", text=text)]
    remember(state, command)
    return [verdict]


def remember(state: AccountState, command: PlaceOrder) -> None:
    """Take an order that leaves into the books: sent, not answered."""
    state.known_tags.add(command.tag)
    if command.stop_loss_ticks is not None:
        state.book(command.contract).bracketed = command.qty
    state.orders[command.tag] = Order(
        account=command.account,
        contract=command.contract,
        side=command.side,
        type=command.type,
        qty=command.qty,
        tag=command.tag,
        limit_ticks=command.limit_ticks,
        stop_ticks=command.stop_ticks,
        trail_ticks=command.trail_ticks,
        created_at=state.now,
        strategy=command.strategy,
        rule=command.rule,
    )


def _on_price(state: AccountState, event: e.PriceSeen) -> Out:
    state.book(event.contract).last_price = event.price
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
    state.pace, state.bracket_mode, state.program, state.schema = (
        event.pace,
        event.bracket_mode,
        event.program,
        event.schema,
    )
    if event.limits:
        state.limits = msgspec.convert(event.limits, Limits)
    for key, order in state.orders.open_items():
        state.orders[key] = mark_unanswered(order)
    for book in state.books.values():
        if book.flatten is not None:
            was_sent = book.flatten.close_sent_at is not None
            book.flatten.close_sent_at = book.flatten.close_answered_at = state.now if was_sent else None
            book.flatten.asked.clear()
    return [ReadBroker(account=state.account, contract="", reason="the runner has started")]


def _on_session_started(state: AccountState, event: e.SessionStarted) -> Out:
    known = state.sessions.get(event.session)
    if known is not None:
        if known.status == "paused":
            known.status, known.reason = "running", ""
        return []
    busy = [s for s in state.sessions.values() if s.contract == event.contract and s.status != "ended"]
    if busy:
        text = f"{event.contract} is already traded by session {busy[0].session}; end it first"
        return [Alert(account=state.account, contract=event.contract, level="warning", text=text)]
    state.sessions[event.session] = Session(
        session=event.session,
        strategy=event.strategy,
        contract=event.contract,
        timeframe=event.timeframe,
        rule=state.rules(event.strategy, event.contract, event.parameters),
        started_at=event.at,
        parameters=event.parameters,
    )
    state.book(event.contract)
    return []


def _on_session_paused(state: AccountState, event: e.SessionPaused) -> Out:
    session = state.sessions.get(event.session)
    if session is not None and session.status == "running":
        session.status, session.reason = "paused", event.reason
    return []


def _on_session_ended(state: AccountState, event: e.SessionEnded) -> Out:
    session = state.sessions.get(event.session)
    if session is None or session.status == "ended":
        return []
    session.status, session.reason = "ended", event.reason
    return list(start_flatten(state, session.contract, event.reason)) if event.flatten else []


def _on_strategy_answered(state: AccountState, event: e.StrategyAnswered) -> Out:
    session = state.sessions.get(event.session)
    if session is None or session.status == "ended" or event.bar_end != session.last_bar_end:
        return []  # the next bar has closed meanwhile: what was wanted at the last one is no longer wanted
    if not _is_in_time(state, event.bar_end, session.timeframe):
        return []
    wish = {name: getattr(event, name) for name in Signal.__struct_fields__ if name != "at"}
    return _act(state, session, Signal(at=event.bar_end, **wish))


def _on_strategy_failed(state: AccountState, event: e.StrategyFailed) -> Out:
    session = state.sessions.get(event.session)
    if session is None or session.status == "ended":
        return []
    if session.status == "running":
        session.status, session.reason = "paused", f"its strategy failed: {event.reason}"
    text = (
        f"the strategy of session {session.session} failed, the session is paused: {event.reason}. Its stops stay at "
        "the broker; resume it to start the strategy again, or flatten it"
    )
    return [Alert(account=state.account, contract=session.contract, level="critical", text=text)]


def _on_flatten(state: AccountState, event: e.FlattenRequested) -> Out:
    for session in state.sessions.values():
        if session.contract == event.contract and session.status == "running":
            session.status, session.reason = "paused", f"flattened: {event.reason}"
    return list(start_flatten(state, event.contract, event.reason))


def _on_manual(state: AccountState, event: e.ManualOrderRequested) -> Out:
    if event.request in state.requests:
        return []  # a double click or a repeated call is one order
    state.requests.add(event.request)
    command = PlaceOrder(
        account=state.account,
        contract=event.contract,
        tag=state.next_tag(),
        side=Side(event.side),
        type=OrderType(event.type),
        qty=event.qty,
        limit_ticks=event.limit_ticks,
        stop_ticks=event.stop_ticks,
        rule=f"manual:{event.person}" if event.person else "manual",
    )
    return submit(state, command)


def _on_order_action(state: AccountState, event: e.OrderActionRequested) -> Out:
    if event.request in state.requests:
        return []  # a double click or a repeated call is one action
    state.requests.add(event.request)
    return []


def _nothing(state: AccountState, event: e.Event) -> Out:
    return []


HANDLERS: dict[type[e.Event], Callable[[AccountState, Any], Any]] = {
    e.BarClosed: _on_bar,
    e.PriceSeen: _on_price,
    e.OrderReported: on_order,
    e.FillReported: on_fill,
    e.PositionReported: on_position,
    e.AccountReported: _on_account,
    e.PlaceAnswered: on_place_answered,
    e.CommandAnswered: on_answer,
    e.BrokerRead: on_broker_read,
    e.RunnerStarted: _on_runner_started,
    e.SessionStarted: _on_session_started,
    e.SessionPaused: _on_session_paused,
    e.SessionEnded: _on_session_ended,
    e.StrategyAnswered: _on_strategy_answered,
    e.StrategyFailed: _on_strategy_failed,
    e.FlattenRequested: _on_flatten,
    e.ManualOrderRequested: _on_manual,
    e.OrderActionRequested: _on_order_action,
    e.Halted: control.on_halted,
    e.Released: control.on_released,
    e.StreamChanged: control.on_stream,
    e.BaselineSet: control.on_baseline_set,
    e.LimitsChanged: control.on_limits_changed,
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
