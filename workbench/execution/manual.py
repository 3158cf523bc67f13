"""What a person asks for: orders, changes of orders, closes and reversals, all through the same gate."""

from __future__ import annotations

from workbench.domain import events as e
from workbench.domain.commands import PlaceOrder
from workbench.domain.order import OrderType, Side
from workbench.execution.flatten import start_flatten
from workbench.execution.state import AccountState
from workbench.execution.submit import Out, submit


def on_flatten(state: AccountState, event: e.FlattenRequested) -> Out:
    """Close a contract by a person's wish; its session pauses."""
    for session in state.sessions.values():
        if session.contract == event.contract and session.status == "running":
            session.status, session.reason = "paused", f"flattened: {event.reason}"
    return list(start_flatten(state, event.contract, event.reason))


def on_manual(state: AccountState, event: e.ManualOrderRequested) -> Out:
    """Put a person's order through the gate, once for each request key."""
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


def on_order_action(state: AccountState, event: e.OrderActionRequested) -> Out:
    """Carry out a person's wish about what is there, once for each request key."""
    if event.request in state.requests:
        return []  # a double click or a repeated call is one action
    state.requests.add(event.request)
    return []
