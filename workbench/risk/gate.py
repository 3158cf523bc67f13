"""The gate: the last counter before the wire. It answers with a value, and only an `Approved` can be sent."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from workbench.domain.commands import PlaceOrder
from workbench.risk.limits import Limits

_SEAL = object()


class Code(StrEnum):
    """Why an order was refused."""

    HALTED = "halted"
    UNKNOWN_POSITION = "unknown_position"
    INSTRUMENT_LOCKED = "instrument_locked"
    UNRESOLVED_ORDER = "unresolved_order"
    BAD_QUANTITY = "bad_quantity"
    BAD_PRICE = "bad_price"
    PRODUCT = "product"
    ORDER_SIZE = "max_order_qty"
    POSITION = "max_position"
    OPEN_ORDERS = "max_open_orders"
    ORDER_RATE = "max_orders_per_minute"
    DAILY_LOSS = "daily_loss_usd"
    UNKNOWN_EQUITY = "unknown_equity"
    CANNOT_TRADE = "cannot_trade"
    DUPLICATE_TAG = "duplicate_tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the gate looks at for one intent; None means "not known", which is never a pass.

    `working_buy` and `working_sell` are contracts that may still fill on each side, an OCO pair counted once.
    `day_pnl_usd` is realised + open, net of fees, of this trading date.
    """

    root: str
    position: int | None
    working_buy: int
    working_sell: int
    open_orders: int
    day_pnl_usd: Decimal | None
    can_trade: bool | None
    halted: tuple[str, ...] = ()
    locked: str = ""
    unresolved: bool = False
    orders_last_minute: int = 0
    known_tags: AbstractSet[str] = frozenset()


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


def check(command: PlaceOrder, view: View, limits: Limits) -> Approved | Refused:
    """Return the verdict on one new order.

    A reduction is refused only for nonsense (quantity, price, a tag used before): never for a limit, a halt, a missing
    price or unknown equity. Everything that is not a reduction is an increase and must pass every limit.
    """

    def refuse(code: Code, reason: str) -> Refused:
        return Refused(command, code, reason)

    if not isinstance(command.qty, int) or command.qty < 1:  # NaN compares false with every limit
        return refuse(Code.BAD_QUANTITY, f"quantity must be a whole number of at least 1, not {command.qty}")
    if bad := _bad_price(command):
        return refuse(Code.BAD_PRICE, bad)
    if command.tag in view.known_tags:
        return refuse(Code.DUPLICATE_TAG, f"tag {command.tag} was used before; an intent is sent once")
    if view.position is None:
        return refuse(
            Code.UNKNOWN_POSITION, "the position is not known, or is being closed; only cancel and close pass"
        )
    if is_reducing(view.position, view, command):
        return Approved(command, True, _SEAL)
    return _check_increase(command, view, limits, view.position) or Approved(command, False, _SEAL)


def _orders_in(command: PlaceOrder) -> int:
    # A bracketed order brings its legs along.
    return 1 + (command.stop_loss_ticks is not None) + (command.take_profit_ticks is not None)


def _shown(pnl: Decimal | None) -> str:
    return "?" if pnl is None or not pnl.is_finite() else f"{pnl:.2f}"


def _bad_price(command: PlaceOrder) -> str:
    kind = command.type.name
    if kind in ("LIMIT", "STOP_LIMIT") and command.limit_ticks is None:
        return f"a {kind} order needs a limit price"
    if kind in ("STOP", "STOP_LIMIT") and command.stop_ticks is None:
        return f"a {kind} order needs a stop price"
    if kind == "TRAILING_STOP" and command.trail_ticks is None:
        return "a trailing stop needs its starting level"
    return ""


def _check_increase(command: PlaceOrder, view: View, limits: Limits, position: int) -> Refused | None:
    worst = worst_position(position, view, command)
    pnl = view.day_pnl_usd
    tests: tuple[tuple[bool, Code, str], ...] = (
        (bool(view.halted), Code.HALTED, "entries are halted: " + ", ".join(view.halted)),
        (view.can_trade is not True, Code.CANNOT_TRADE, f"the firm's canTrade is {view.can_trade}"),
        (bool(view.locked), Code.INSTRUMENT_LOCKED, f"{command.contract} is locked: {view.locked}"),
        (view.unresolved, Code.UNRESOLVED_ORDER, "an order of this instrument has an unknown outcome"),
        (
            bool(limits.products) and view.root not in limits.products,
            Code.PRODUCT,
            f"{view.root} is not in the product list {', '.join(limits.products)}",
        ),
        (
            command.qty > limits.max_order_qty,
            Code.ORDER_SIZE,
            f"{command.qty} contracts in one order, limit {limits.max_order_qty}",
        ),
        (abs(worst) > limits.max_position, Code.POSITION, f"{worst:+d} contracts, limit ±{limits.max_position}"),
        (
            view.open_orders + _orders_in(command) > limits.max_open_orders,
            Code.OPEN_ORDERS,
            f"{view.open_orders} orders are open, {_orders_in(command)} more, limit {limits.max_open_orders}",
        ),
        (
            view.orders_last_minute + 1 > limits.max_orders_per_minute,
            Code.ORDER_RATE,
            f"{view.orders_last_minute} orders in the last 60 s, limit {limits.max_orders_per_minute}",
        ),
        (pnl is None or not pnl.is_finite(), Code.UNKNOWN_EQUITY, "the day's profit and loss is not known"),
        (
            pnl is not None and pnl.is_finite() and pnl <= -limits.daily_loss_usd,
            Code.DAILY_LOSS,
            f"the day stands at {_shown(pnl)} USD, limit −{limits.daily_loss_usd} USD",
        ),
    )
    for fires, code, reason in tests:
        if fires:
            return Refused(command, code, reason)
    return None
