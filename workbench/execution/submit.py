"""The way of every new order: the counter of its intent, the gate, and then the books."""

from __future__ import annotations

from workbench.domain.commands import Alert, AnyCommand, PlaceOrder
from workbench.domain.order import Order
from workbench.execution.state import AccountState
from workbench.risk.gate import Approved, Refused, check
from workbench.risk.limits import Limits

Out = list[Approved | AnyCommand]


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
