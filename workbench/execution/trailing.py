"""The stop that follows a position: moved by the rules, and what is done when the broker does not take the move."""

from __future__ import annotations

from workbench.domain.commands import Alert, AnyCommand, ModifyOrder
from workbench.domain.events import CommandAnswered
from workbench.domain.order import OrderType, Status
from workbench.execution.flatten import start_flatten
from workbench.execution.orders import on_command_answered
from workbench.execution.state import AccountState, Session


def move_stop(state: AccountState, session: Session, level: int, rule: str) -> list[AnyCommand]:
    """Move a session's working stop to `level` (ticks) where that is tighter: the gate has nothing to say about it."""
    book, out = state.book(session.contract), list[AnyCommand]()
    if not book.qty or book.flatten is not None:
        return []
    side = 1 if book.qty > 0 else -1
    for order in state.open_orders(session.contract):
        ours = order.family is not None and order.strategy == session.strategy and order.status is Status.WORKING
        if not ours or order.type is not OrderType.STOP or order.side.sign == side:
            continue
        if order.order_id is None or order.stop_ticks is None or (level - order.stop_ticks) * side <= 0:
            continue
        book.moving[order.order_id] = level
        out.append(
            ModifyOrder(
                account=state.account,
                contract=session.contract,
                order_id=order.order_id,
                stop_ticks=level,
                reason=rule,
            )
        )
    return out


def on_answer(state: AccountState, event: CommandAnswered) -> list[AnyCommand]:
    """Fold the answer to a cancel, close or modify; a stop that could not move past the market closes the position."""
    out = on_command_answered(state, event)
    if event.command != "modify" or event.contract not in state.books:
        return out
    book = state.books[event.contract]
    level = book.moving.pop(event.order_id or 0, None)
    if level is None and event.outcome == "rejected" and book.trim is None and book.guard is None:
        text = f"order {event.order_id} of {event.contract} was not changed: {event.reason or event.code}"
        out = [Alert(account=state.account, contract=event.contract, level="warning", text=text), *out]
    if event.outcome == "accepted" or level is None or not book.qty:
        return out
    where = f"the stop of {book.qty:+d} {event.contract} was not moved to {book.spec.price(level):g}"
    text = f"{where} ({event.outcome} {event.reason or event.code}); it stays where it was"
    beyond = book.last_price is not None and (book.last_price - book.spec.price(level)) * book.qty <= 0
    if event.outcome == "rejected" and beyond and book.flatten is None:
        text = f"{where} and the market is beyond it: the position is closed, as that stop would have done"
        out += start_flatten(state, event.contract, text)
    return [Alert(account=state.account, contract=event.contract, level="warning", text=text), *out]
