"""Sessions: what their rules say at a closed bar, and how they begin, pause and end."""

from __future__ import annotations

from workbench.domain import events as e
from workbench.domain.commands import Alert, CancelOrder, PlaceOrder
from workbench.domain.order import OrderType, Side
from workbench.domain.timeframe import timeframe
from workbench.execution.covered import stopped
from workbench.execution.fills import give_back
from workbench.execution.flatten import start_flatten
from workbench.execution.readiness import begin, is_waiting, may_enter, note_bar
from workbench.execution.state import AccountState, Book, Session
from workbench.execution.submit import Out, submit_entry
from workbench.execution.trailing import move_stop
from workbench.risk.gate import Approved
from workbench.rules.signal import Signal


def on_bar(state: AccountState, event: e.BarClosed) -> Out:
    """Show a closed bar to the sessions that follow it, and act on what their rules say."""
    book = state.book(event.contract)
    if event.end >= book.priced_at:  # history of a session that begins, or joins again, is no price of today
        book.last_price, book.priced_at = event.close, event.end
    out: Out = []
    for session in state.sessions.values():
        if session.contract != event.contract or session.timeframe != event.timeframe or session.status == "ended":
            continue
        if event.end <= session.last_bar_end:
            continue  # history and stream overlap at the seam; a bar counts once
        note_bar(session, event)
        session.last_bar_end = event.end
        if event.end <= session.started_at or is_waiting(state, session):
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
    state.on_signal(session.session, signal)
    if session.waits_flat:
        return []
    wants_in = signal.entry != 0 and may_enter(session)
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
        if o.family is None and o.strategy == session.strategy
    )


def _order_works(state: AccountState, session: Session) -> bool:
    # An entry under way, or an exit that has outlived its position and could open another one.
    return any(o.strategy == session.strategy for o in state.open_orders(session.contract))


def enter_after(state: AccountState, name: str, signal: Signal) -> Out:
    """Enter after the close of a reversal; the entry counts only as long as its bar is the newest one."""
    session = state.sessions[name]
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
        intent=f"{session.session}@{signal.at}",
        intent_qty=signal.qty,
    )
    out = submit_entry(state, command)
    if isinstance(out[0], Approved):
        session.entries += 1
    return out


def on_session_started(state: AccountState, event: e.SessionStarted) -> Out:
    """Begin a session, or let a paused one go on."""
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
        start_policy=event.start_policy,
        disconnect_policy=event.disconnect_policy,
        disconnect_after_s=event.disconnect_after_s,
        warm_bars=event.warm_bars,
    )
    return begin(state, state.sessions[event.session])


def on_session_paused(state: AccountState, event: e.SessionPaused) -> Out:
    """End a session's entries; its exits and its protection stay."""
    session = state.sessions.get(event.session)
    if session is not None and session.status == "running":
        session.status, session.reason = "paused", event.reason
    return []


def on_session_ended(state: AccountState, event: e.SessionEnded) -> Out:
    """End a session, and close its position when that is asked for."""
    session = state.sessions.get(event.session)
    if session is None or session.status == "ended":
        return []
    session.status, session.reason = "ended", event.reason
    return list(start_flatten(state, session.contract, event.reason)) if event.flatten else _hand_back(state, session)


def _hand_back(state: AccountState, session: Session) -> Out:
    """Hand what an ended session leaves open to the account, and take away entries of it that wait.

    Its exits stay at the broker. From here on the account's own limits watch the position, and the next session on the
    contract that adopts it.
    """
    book, contract = state.book(session.contract), session.contract
    mine = [o for o in state.open_orders(contract) if o.session == session.session]
    waiting = [o for o in mine if o.family is None and o.order_id is not None]
    reason = f"session {session.session} has ended"
    out: Out = [
        CancelOrder(account=state.account, contract=contract, order_id=o.order_id or 0, reason=reason) for o in waiting
    ]
    qty = give_back(state, book, session.session)
    if qty:
        stops = min(stopped(state, book), abs(book.qty))
        covered = f"stops for {stops} of it stay at the broker" if stops else "no stop works for it"
        text = (
            f"{reason} with {qty:+d} {contract} open, which is the account's now: only the account's limits watch it, "
            f"{covered}. Close it, or start a session that adopts it"
        )
        out.append(Alert(account=state.account, contract=contract, level="critical", text=text))
    return out


def on_strategy_answered(state: AccountState, event: e.StrategyAnswered) -> Out:
    """Act on the answer of a strategy's worker, unless another bar has closed meanwhile."""
    session = state.sessions.get(event.session)
    if session is None or session.status == "ended" or event.bar_end != session.last_bar_end:
        return []  # the next bar has closed meanwhile: what was wanted at the last one is no longer wanted
    if not _is_in_time(state, event.bar_end, session.timeframe):
        return []
    wish = {name: getattr(event, name) for name in Signal.__struct_fields__ if name != "at"}
    return _act(state, session, Signal(at=event.bar_end, **wish))


def on_strategy_failed(state: AccountState, event: e.StrategyFailed) -> Out:
    """Pause the session whose worker failed; its protection stays."""
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
