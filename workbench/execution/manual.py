"""What a person asks for: orders, changes of orders, closes and reversals, all through the same gate.

Whatever increases is asked of the gate; a cancel or a reduction is never held back. Each request key acts once, and why
one was refused stands in `state.refused`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec

from workbench.domain import events as e
from workbench.domain.commands import CancelOrder, ModifyOrder, PlaceOrder
from workbench.domain.order import Order, OrderType, Side
from workbench.execution import stray
from workbench.execution.exposure import STOPS, at_risk_usd
from workbench.execution.flatten import start_flatten
from workbench.execution.risk_view import limits_of
from workbench.execution.state import AccountState, Trim
from workbench.execution.submit import Out, refusal, submit_entry, view_without
from workbench.risk.checks_money import check_stake
from workbench.risk.gate import Approved, Refused, check
from workbench.rules.signal import Signal

REVERSE_WITHIN_NS = 10_000_000_000  # after that the entry of a reversal is no longer what the person saw


def on_flatten(state: AccountState, event: e.FlattenRequested) -> Out:
    """Close a contract by a person's wish; its session pauses."""
    if not state.covers(event.contract):
        if not stray.is_stray(state, event.contract):
            return [refusal(state, event.contract, _no_stray(event.contract))]
        return list(stray.close(state, [event.contract], event.reason))
    for session in state.sessions.values():
        if session.contract == event.contract and session.status == "running":
            session.status, session.reason = "paused", f"flattened: {event.reason}"
    return list(start_flatten(state, event.contract, event.reason))


def on_manual(state: AccountState, event: e.ManualOrderRequested) -> Out:
    """Put a person's order through the gate, once for each request key."""
    if event.request in state.requests:
        return []  # a double click or a repeated call is one order
    state.requests.add(event.request)
    if not state.covers(event.contract):
        return _refuse(state, event, f"{event.contract} is not in our table of products")
    command = PlaceOrder(
        account=state.account,
        contract=event.contract,
        tag=state.next_tag(),
        side=Side(event.side),
        type=OrderType(event.type),
        qty=event.qty,
        limit_ticks=event.limit_ticks,
        stop_ticks=event.stop_ticks,
        stop_loss_ticks=event.stop_loss_ticks,
        take_profit_ticks=event.take_profit_ticks,
        rule=_rule(event.person),
        intent=event.request,
        intent_qty=event.qty,
    )
    return _noted(state, event.request, submit_entry(state, command))


def on_order_action(state: AccountState, event: e.OrderActionRequested) -> Out:
    """Carry out a person's wish about what is there, once for each request key."""
    if event.request in state.requests:
        return []  # a double click or a repeated call is one action
    state.requests.add(event.request)
    action = ACTIONS.get(event.kind)
    if action is None:
        return _refuse(state, event, f"there is no action {event.kind!r}; use one of {', '.join(ACTIONS)}")
    if not state.covers(event.contract):
        return _on_stray(state, event)
    return action(state, event)


def _on_stray(state: AccountState, event: e.OrderActionRequested) -> Out:
    # Without its tick size a product can be left, as a whole, and no more.
    if event.kind != "close":
        text = f"{event.contract} is not in our table of products; all that can be done with it here is to close it"
        return _refuse(state, event, text)
    if not stray.is_stray(state, event.contract):
        return _refuse(state, event, _no_stray(event.contract))
    return list(stray.close(state, [event.contract], f"closed by {event.person or 'operator'}"))


def _no_stray(contract: str) -> str:
    return f"{contract} is not in our table of products, and the broker shows nothing of it that could be closed"


def _cancel(state: AccountState, event: e.OrderActionRequested) -> Out:
    order = _order(state, event)
    if order is None:
        return _refuse(state, event, _no_order(event))
    reason = f"cancelled by {event.person or 'operator'}"
    return [CancelOrder(account=state.account, contract=order.contract, order_id=event.order_id or 0, reason=reason)]


def _modify(state: AccountState, event: e.OrderActionRequested) -> Out:
    order = _order(state, event)
    if order is None:
        return _refuse(state, event, _no_order(event))
    qty = order.qty if event.qty is None else event.qty
    if qty <= order.filled:
        return _refuse(state, event, f"{qty} contracts are not more than the {order.filled} filled; cancel the order")
    if (event.qty, event.limit_ticks, event.stop_ticks) == (None, None, None):
        return _refuse(state, event, "nothing to change was given; give qty, limit_ticks or stop_ticks")
    if 0 in (event.limit_ticks, event.stop_ticks):
        return _refuse(state, event, "a price of 0 is none; give the price that the order should have")
    if order.family is not None:
        why = _exit_too_big(state, order, qty) or _stop_too_far(state, order, event)
    else:
        why = _entry_refused(state, order, qty, event)
    if why:
        return _refuse(state, event, why)
    if qty > order.qty:  # until the broker has said so the larger figure counts: two changes must not pass as one
        key = state.key_of_id[event.order_id or 0]
        state.orders[key] = msgspec.structs.replace(order, qty=qty)
    return [
        ModifyOrder(
            account=state.account,
            contract=order.contract,
            order_id=event.order_id or 0,
            qty=event.qty,
            limit_ticks=event.limit_ticks,
            stop_ticks=event.stop_ticks,
            reason=f"changed by {event.person or 'operator'}",
        )
    ]


def _exit_too_big(state: AccountState, order: Order, qty: int) -> str:
    held = abs(state.book(order.contract).qty)
    if qty <= order.qty or qty - order.filled <= held:
        return ""
    return f"an exit of {qty - order.filled} contracts is more than the {held} held"


def _stop_too_far(state: AccountState, order: Order, event: e.OrderActionRequested) -> str:
    # A digit that slips must not take the protection away while the position counts as protected.
    if event.stop_ticks is None or order.stop_ticks is None or order.type not in STOPS:
        return ""
    farther = (event.stop_ticks - order.stop_ticks) * order.side.sign
    if farther <= 0:
        return ""
    view, limits = state.view(order.contract), limits_of(state, order.contract)
    stake = farther * order.remaining * state.book(order.contract).spec.tick_value
    held = at_risk_usd(state, limits.unstopped_ticks)
    wish = _as_placed(order, f"change of {event.request}", order.remaining, order.limit_ticks, event.stop_ticks)
    why = check_stake(wish, dataclasses.replace(view, at_risk_usd=held), limits, stake)
    return f"({why[0]}): {why[1]}" if why else ""


def _as_placed(order: Order, tag: str, qty: int, limit_ticks: int | None, stop_ticks: int | None) -> PlaceOrder:
    return PlaceOrder(
        account=order.account,
        contract=order.contract,
        tag=tag,
        side=order.side,
        type=order.type,
        qty=qty,
        limit_ticks=limit_ticks,
        stop_ticks=stop_ticks,
        trail_ticks=order.trail_ticks,
        strategy=order.strategy,
        rule=order.rule,
    )


def _entry_refused(state: AccountState, order: Order, qty: int, event: e.OrderActionRequested) -> str:
    limit = order.limit_ticks if event.limit_ticks is None else event.limit_ticks
    stop = order.stop_ticks if event.stop_ticks is None else event.stop_ticks
    if qty <= order.qty and (limit, stop) == (order.limit_ticks, order.stop_ticks):
        return ""  # smaller at the same price: a reduction
    wish = _as_placed(order, f"change of {event.request}", qty - order.filled, limit, stop)
    limits = limits_of(state, order.contract)
    stake = state.risk.ticks_at_stake.get(order.tag or "", limits.unstopped_ticks)  # its stop stays as far as it was
    limits = msgspec.structs.replace(limits, unstopped_ticks=stake)
    verdict = check(wish, view_without(state, order), limits)
    if not (isinstance(verdict, Approved) and verdict.reducing):
        state.sent_at.append(state.now)
    return f"({verdict.code}): {verdict.reason}" if isinstance(verdict, Refused) else ""


def _close(state: AccountState, event: e.OrderActionRequested) -> Out:
    book = state.book(event.contract)
    if state.synced and book.is_sure and not book.qty:
        return _refuse(state, event, f"{event.contract} is flat; there is nothing to close")
    return list(start_flatten(state, event.contract, f"closed by {event.person or 'operator'}"))


def _part_close(state: AccountState, event: e.OrderActionRequested) -> Out:
    book, qty = state.book(event.contract), event.qty or 0
    if why := _not_known(state, event.contract):
        return _refuse(state, event, why)
    if event.seen_qty is not None and event.seen_qty * book.qty <= 0:
        return _refuse(state, event, _changed(event.seen_qty, book.qty))
    if not 1 <= qty <= abs(book.qty):
        return _refuse(state, event, f"{qty} contracts cannot be closed of a position of {book.qty:+d}")
    if qty == abs(book.qty):
        return _close(state, event)
    if book.trim is not None:
        return _refuse(state, event, "another part close is under way")
    book.trim = Trim(
        qty=qty, left=abs(book.qty) - qty, rule=_rule(event.person), request=event.request, started_at=state.now
    )
    return []  # the exits shrink first: `protect.advance_trim`


def _reverse(state: AccountState, event: e.OrderActionRequested) -> Out:
    book = state.book(event.contract)
    if why := _not_known(state, event.contract):
        return _refuse(state, event, why)
    if not book.qty:
        return _refuse(state, event, f"{event.contract} is flat; there is nothing to reverse")
    if event.seen_qty not in (None, book.qty):
        return _refuse(state, event, _changed(event.seen_qty, book.qty))
    side = -1 if book.qty > 0 else 1
    signal = Signal(
        at=state.now,
        entry=side,
        rule=_rule(event.person),
        qty=event.qty or abs(book.qty),
        stop_ticks=event.stop_loss_ticks,
        target_ticks=event.take_profit_ticks,
    )
    if why := _entry_after_close(state, event.contract, signal):
        return _refuse(state, event, f"nothing was closed, because the entry would be {why}")
    return list(start_flatten(state, event.contract, f"reversed by {event.person or 'operator'}", ("", signal)))


def _entry_after_close(state: AccountState, contract: str, signal: Signal) -> str:
    # What the gate would say if the position were closed and its orders gone.
    limits = limits_of(state, contract)
    view = dataclasses.replace(
        state.view(contract),
        position=0,
        working_buy=0,
        working_sell=0,
        open_orders=0,
        at_risk_usd=at_risk_usd(state, limits.unstopped_ticks, without=contract),
    )
    verdict = check(_reversed(state, contract, signal, f"reversal at {signal.at}"), view, limits)
    return f"refused ({verdict.code}): {verdict.reason}" if isinstance(verdict, Refused) else ""


def enter_reversed(state: AccountState, contract: str, signal: Signal) -> Out:
    """Enter what a person's reversal asked for, once the position is closed and unless that took too long."""
    if state.now - signal.at > state.patience(REVERSE_WITHIN_NS):
        return [refusal(state, contract, "the close of the reversal took too long; nothing was entered after it")]
    return submit_entry(state, _reversed(state, contract, signal, state.next_tag()))


def _reversed(state: AccountState, contract: str, signal: Signal, tag: str) -> PlaceOrder:
    return PlaceOrder(
        account=state.account,
        contract=contract,
        tag=tag,
        side=Side.BUY if signal.entry > 0 else Side.SELL,
        type=OrderType.MARKET,
        qty=signal.qty,
        stop_loss_ticks=signal.stop_ticks,
        take_profit_ticks=signal.target_ticks,
        rule=signal.rule,
    )


ACTIONS: dict[str, Callable[[AccountState, e.OrderActionRequested], Out]] = {
    "cancel": _cancel,
    "modify": _modify,
    "close": _close,
    "part_close": _part_close,
    "reverse": _reverse,
}


def _order(state: AccountState, event: e.OrderActionRequested) -> Order | None:
    order = state.orders.get(state.key_of_id.get(event.order_id or 0, ""))
    return order if order is not None and order.is_open and order.contract == event.contract else None


def _no_order(event: e.OrderActionRequested) -> str:
    return f"{event.contract} has no order {event.order_id} that may still fill"


def _not_known(state: AccountState, contract: str) -> str:
    book = state.book(contract)
    if not (state.synced and book.is_sure):
        return "the position is not known for sure; close it, or ask again when it was read"
    return "a close is under way" if book.flatten is not None else ""


def _changed(seen: int | None, now: int) -> str:
    return f"nothing was done: the position is {now:+d} now, the wish was about {seen:+d}"


def _rule(person: str) -> str:
    return f"manual:{person}" if person else "manual"


def _refuse(state: AccountState, event: e.OrderActionRequested | e.ManualOrderRequested, why: str) -> Out:
    state.refused[event.request] = why
    return [refusal(state, event.contract, why)]


def _noted(state: AccountState, request: str, out: Out) -> Out:
    if not isinstance(out[0], Approved):
        state.refused[request] = getattr(out[0], "text", "refused")
    return out
