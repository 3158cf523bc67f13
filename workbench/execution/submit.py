"""The way of every new order: the gate, the counter of its intent, and then the books."""

from __future__ import annotations

import dataclasses

import msgspec

from workbench.domain.commands import Alert, AnyCommand, PlaceOrder
from workbench.domain.order import Order
from workbench.execution.exposure import at_risk_usd
from workbench.execution.limits_fold import note_entry, note_refused
from workbench.execution.orders import SEPARATE
from workbench.execution.risk_view import limits_of
from workbench.execution.state import AccountState, Book, Guard, working_by_side
from workbench.risk.gate import Approved, Refused, View, check
from workbench.risk.intent import count_intent

Out = list[Approved | AnyCommand]


def submit(state: AccountState, command: PlaceOrder) -> Out:
    """Ask the gate; remember an approved order as sent, turn a refusal into an alert. Refused orders count as sent."""
    return _answer(state, command, ask(state, command))


def ask(state: AccountState, command: PlaceOrder, unstopped_ticks: int | None = None) -> Approved | Refused:
    """Ask the gate about one order, under the limits that hold for its session and contract."""
    limits = limits_of(state, command.contract, command.session)
    if unstopped_ticks is not None:
        limits = msgspec.structs.replace(limits, unstopped_ticks=unstopped_ticks)
    return check(command, state.view(command.contract, command.session), limits)


def submit_exit(state: AccountState, command: PlaceOrder) -> Out:
    """Send one exit of a pair of which only one may fill: never more than is held, so no limit has a say.

    Raises nothing; the caller sees to it that `command.qty` is no more than the position, and that it is known.
    """
    alone = dataclasses.replace(state.view(command.contract), working_buy=0, working_sell=0)
    return _answer(state, command, check(command, alone, state.limits))


def submit_entry(state: AccountState, command: PlaceOrder) -> Out:
    """Send an entry; where the gateway grows no brackets, its exits become orders of our own (`execution.protect`)."""
    bracketed = command.stop_loss_ticks is not None or command.take_profit_ticks is not None
    if not bracketed or state.bracket_mode != SEPARATE:
        return submit(state, command)
    book = state.book(command.contract)
    verdict = ask(state, command)
    if isinstance(verdict, Refused):
        return _answer(state, command, verdict)
    if book.guard is not None and is_done(state, book, book.guard):
        book.guard = None
    if book.guard is not None:
        text = "the exits of another entry are not done; without Auto-OCO there is one protected entry at a time"
        return [refusal(state, command.contract, text)]
    plain = msgspec.structs.replace(command, stop_loss_ticks=None, take_profit_ticks=None)
    stake = None if command.stop_loss_ticks is None else abs(command.stop_loss_ticks)  # its stop follows the fill
    out = _answer(state, plain, ask(state, plain, stake))
    if isinstance(out[0], Approved):
        note_entry(state, msgspec.structs.replace(command, session=""))
        book.bracketed = command.qty if command.stop_loss_ticks is not None else 0
        book.guard = Guard(
            entry=command.tag,
            side=command.side.sign,
            session=command.session,
            strategy=command.strategy,
            rule=command.rule,
            stop_ticks=command.stop_loss_ticks,
            target_ticks=command.take_profit_ticks,
        )
    return out


def is_done(state: AccountState, book: Book, guard: Guard) -> bool:
    """Say whether neither the entry nor an exit of `guard` may still fill, and every fill is counted."""
    keys = (guard.entry, *guard.keys)
    return not book.uncounted and not any(key in state.orders and state.orders[key].is_open for key in keys)


def view_without(state: AccountState, order: Order) -> View:
    """What the gate sees when `order` is taken out: it is about to be another one."""
    kept = [o for o in state.open_orders(order.contract) if o is not order]
    buy, sell = working_by_side(kept)
    view = state.view(order.contract)
    rest = at_risk_usd(state, limits_of(state, order.contract).unstopped_ticks, changed=order)
    return dataclasses.replace(view, working_buy=buy, working_sell=sell, open_orders=len(kept), at_risk_usd=rest)


def refusal(state: AccountState, contract: str, text: str, level: str = "warning") -> Alert:
    """Tell that an order was refused, and why."""
    return Alert(account=state.account, contract=contract, level=level, text=f"order refused: {text}")


def _answer(state: AccountState, command: PlaceOrder, verdict: Approved | Refused) -> Out:
    state.known_tags.add(command.tag)
    if not (isinstance(verdict, Approved) and verdict.reducing):
        state.sent_at.append(state.now)
    if isinstance(verdict, Refused):
        text = f"order refused ({verdict.code}): {verdict.reason}"
        told = Alert(account=state.account, contract=command.contract, level="warning", text=text)
        return [told, *note_refused(state, command, verdict.code, verdict.reason)]
    if why := count_intent(state.intents, command):
        return [refusal(state, command.contract, f"{why}; this is a mistake of the program", "critical")]
    remember(state, command)
    if not verdict.reducing:
        note_entry(state, command)
    return [verdict]


def _at_most(state: AccountState, book: Book) -> int:
    # What is held, and what entries may still add: of what is closed already nothing need show a stop any more.
    return abs(book.qty) + sum(o.remaining for o in state.open_orders(book.position.contract) if o.family is None)


def remember(state: AccountState, command: PlaceOrder) -> None:
    """Take an order that leaves into the books: sent, not answered."""
    state.known_tags.add(command.tag)
    if command.stop_loss_ticks is not None:
        book = state.book(command.contract)
        book.bracketed = min(book.bracketed, _at_most(state, book)) + command.qty
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
        session=command.session,
        protects=command.protects,
    )
