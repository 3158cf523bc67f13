"""The gate: the last counter before the wire. It answers with a value, and only an `Approved` can be sent."""

from __future__ import annotations

from dataclasses import dataclass, field

from workbench.domain.commands import PlaceOrder
from workbench.risk.checks_money import check_exposure, check_firm, check_losses
from workbench.risk.checks_time import check_pattern, check_price, check_time
from workbench.risk.codes import Code
from workbench.risk.limits import Limits
from workbench.risk.view import Exposure, Firm, View

__all__ = [
    "Approved",
    "Code",
    "Exposure",
    "Firm",
    "Refused",
    "View",
    "check",
    "is_reducing",
    "worst_position",
]

_SEAL = object()
Why = tuple[Code, str] | None


@dataclass(frozen=True, slots=True)
class Approved:
    """An order that passed the gate. Only `check` makes one, so skipping the check is a type error."""

    command: PlaceOrder
    reducing: bool
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("Approved is made by risk.gate.check alone; build a PlaceOrder and ask the gate")


@dataclass(frozen=True, slots=True)
class Refused:
    """An order that did not pass, with the coded reason."""

    command: PlaceOrder
    code: Code
    reason: str


def worst_position(position: int, view: View, command: PlaceOrder) -> int:
    """Position if `command` and every working order on its side fill (signed contracts)."""
    if command.side.sign > 0:
        return position + view.working_buy + command.qty
    return position - view.working_sell - command.qty


def is_reducing(position: int, view: View, command: PlaceOrder) -> bool:
    """Say whether `command` can only shrink the position: no sign change, no larger size, whatever else fills.

    A plain order only: one that brings bracket legs opens something.
    """
    if command.stop_loss_ticks is not None or command.take_profit_ticks is not None:
        return False
    worst = worst_position(position, view, command)
    return position != 0 and command.side.sign * position < 0 and worst * position >= 0


def protects_only(position: int, command: PlaceOrder) -> bool:
    """Say whether `command` is a separate exit of ours that covers no more than is open: a resting stop or target.

    A stop and a target rest side by side for the same contracts; whoever fills first cancels the other. Held back by a
    limit they would leave a position naked, so only the position itself bounds them.
    """
    exits = command.side.sign * position < 0 and command.qty <= abs(position)
    return bool(command.protects) and command.type.name != "MARKET" and exits


def check(command: PlaceOrder, view: View, limits: Limits) -> Approved | Refused:
    """Return the verdict on one new order.

    A reduction is refused only for nonsense (quantity, price, a tag used before): never for a limit, a halt, a missing
    price or unknown equity. Everything that is not a reduction is an increase and must pass every limit.
    """
    if why := _check_order(command, view):
        return Refused(command, *why)
    if view.position is None:
        return Refused(
            command,
            Code.UNKNOWN_POSITION,
            "the position is not known, or is being closed; only cancel and close pass",
        )
    if is_reducing(view.position, view, command) or protects_only(view.position, command):
        return Approved(command, True, _SEAL)
    for look in (_check_account, _check_size, check_losses, check_firm, check_exposure, *_PATTERNS):
        if why := look(command, view, limits):
            return Refused(command, *why)
    return Approved(command, False, _SEAL)


_PATTERNS = (check_pattern, check_time, check_price)


def _check_order(command: PlaceOrder, view: View) -> Why:
    if not isinstance(command.qty, int) or command.qty < 1:  # NaN compares false with every limit
        return Code.BAD_QUANTITY, f"quantity must be a whole number of at least 1, not {command.qty}"
    if bad := _bad_price(command):
        return Code.BAD_PRICE, bad
    if command.tag in view.known_tags:
        return Code.DUPLICATE_TAG, f"tag {command.tag} was used before; an intent is sent once"
    return None


def _bad_price(command: PlaceOrder) -> str:
    kind = command.type.name
    if kind in ("LIMIT", "STOP_LIMIT") and command.limit_ticks is None:
        return f"a {kind} order needs a limit price"
    if kind in ("STOP", "STOP_LIMIT") and command.stop_ticks is None:
        return f"a {kind} order needs a stop price"
    if kind == "TRAILING_STOP" and command.trail_ticks is None:
        return "a trailing stop needs its starting level"
    for name in ("limit_ticks", "stop_ticks", "trail_ticks", "stop_loss_ticks", "take_profit_ticks"):
        ticks = getattr(command, name)
        if ticks is not None and (not isinstance(ticks, int) or ticks == 0):
            return f"{name} must be a whole number of ticks other than 0, not {ticks}"
    return ""


def _check_account(command: PlaceOrder, view: View, limits: Limits) -> Why:
    if view.halted:
        return Code.HALTED, "entries are halted: " + ", ".join(view.halted)
    if view.can_trade is not True:
        return Code.CANNOT_TRADE, f"the firm's canTrade is {view.can_trade}"
    if view.locked:
        return Code.INSTRUMENT_LOCKED, f"{command.contract} is locked: {view.locked}"
    if view.unresolved:
        return Code.UNRESOLVED_ORDER, "an order of this instrument has an unknown outcome"
    if view.breach:
        return Code.BREACH, view.breach
    return None


def _check_size(command: PlaceOrder, view: View, limits: Limits) -> Why:
    worst = worst_position(view.position or 0, view, command)
    new = _orders_in(command)
    if limits.products and view.root not in limits.products:
        return Code.PRODUCT, f"{view.root} is not in the product list {', '.join(limits.products)}"
    if command.qty > limits.max_order_qty:
        return Code.ORDER_SIZE, f"{command.qty} contracts in one order, limit {limits.max_order_qty}"
    if abs(worst) > limits.max_position:
        return Code.POSITION, f"{worst:+d} contracts, limit ±{limits.max_position}"
    if view.open_orders + new > limits.max_open_orders:
        return Code.OPEN_ORDERS, f"{view.open_orders} orders are open, {new} more, limit {limits.max_open_orders}"
    if view.orders_last_minute + 1 > limits.max_orders_per_minute:
        return Code.ORDER_RATE, (
            f"{view.orders_last_minute} orders in the last 60 s, limit {limits.max_orders_per_minute}"
        )
    return None


def _orders_in(command: PlaceOrder) -> int:
    # A bracketed order brings its legs along.
    return 1 + (command.stop_loss_ticks is not None) + (command.take_profit_ticks is not None)
