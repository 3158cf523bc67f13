"""Between the wire and the domain, both ways: the only file that knows both.

What cannot be understood raises RemoteProtocolError and changes nothing; the caller counts it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from workbench.domain import events as e
from workbench.domain.commands import ModifyOrder, PlaceOrder
from workbench.domain.contract import spec
from workbench.domain.errors import InputError, OffTick, RemoteProtocolError, UnknownContract
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.domain.position import Fill
from workbench.gateway import wire_rest as w
from workbench.gateway.codes import OrderStatus, PositionType
from workbench.gateway.times import parse_timestamp
from workbench.gateway.wire_hub import (
    TARGET_USER_ACCOUNT,
    TARGET_USER_ORDER,
    TARGET_USER_POSITION,
    TARGET_USER_TRADE,
    HubAccount,
    HubOrder,
    HubPosition,
    HubTrade,
)

M = TypeVar("M")

STATUSES: Final[dict[int, Status]] = {
    OrderStatus.NONE: Status.PENDING,
    OrderStatus.OPEN: Status.WORKING,
    OrderStatus.FILLED: Status.FILLED,
    OrderStatus.CANCELLED: Status.CANCELED,
    OrderStatus.EXPIRED: Status.EXPIRED,
    OrderStatus.REJECTED: Status.REJECTED,
    OrderStatus.PENDING: Status.PENDING,
    OrderStatus.PENDING_CANCELLATION: Status.WORKING,  # it may still fill
    OrderStatus.SUSPENDED: Status.SUSPENDED,
}
FAR = 1e15  # no futures price is larger; guards the tick arithmetic against nonsense
MOST = 1_000_000  # contracts in one order, trade or position: whatever says more is not to be believed
RICH = Decimal(10) ** 12  # USD
LAST = 1 << 62  # of ids, and of instants (UTC ns, the year 2116): the journal's numbers have 64 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedContract:
    """A contract as the gateway lists it. Tick size in points, tick value in USD."""

    id: str
    name: str
    description: str
    tick_size: Decimal
    tick_value_usd: Decimal
    active: bool


# --- our commands to the wire ----------------------------------------------------------------------------------------


def place_request(order: PlaceOrder) -> w.PlaceOrderRequest:
    """Return the wire form of `order`: prices in points on the grid, bracket ticks signed in price direction.

    Raises
    ------
    InputError
        A bracket whose sign does not fit the side: the gateway would refuse it, and the entry with it.
    """
    product = spec(order.contract)
    return w.PlaceOrderRequest(
        account_id=order.account,
        contract_id=order.contract,
        type=int(order.type),
        side=int(order.side),
        size=order.qty,
        limit_price=_points(product, order.limit_ticks),
        stop_price=_points(product, order.stop_ticks),
        trail_price=_points(product, order.trail_ticks),
        custom_tag=order.tag,
        stop_loss_bracket=_bracket(order, order.stop_loss_ticks, OrderType.STOP, -1),
        take_profit_bracket=_bracket(order, order.take_profit_ticks, OrderType.LIMIT, +1),
    )


def _bracket(order: PlaceOrder, ticks: int | None, kind: OrderType, direction: int) -> w.BracketModel | None:
    if ticks is None:
        return None
    if ticks * direction * order.side.sign <= 0:
        raise InputError(
            f"bracket of {ticks:+d} ticks ({kind.name}) on a {order.side.name}: ticks are signed in price direction, "
            f"so it must be {'above' if direction * order.side.sign > 0 else 'below'} 0"
        )
    return w.BracketModel(ticks=ticks, type=int(kind))


def modify_request(command: ModifyOrder) -> w.ModifyOrderRequest:
    """Return the wire form of `command`; what is None stays as it is."""
    product = spec(command.contract)
    return w.ModifyOrderRequest(
        account_id=command.account,
        order_id=command.order_id,
        size=command.qty,
        limit_price=_points(product, command.limit_ticks),
        stop_price=_points(product, command.stop_ticks),
        trail_price=_points(product, command.trail_ticks),
    )


def _points(product: Any, ticks: int | None) -> float | None:
    return None if ticks is None else product.price(ticks)


# --- models to the domain --------------------------------------------------------------------------------------------


def order_of(model: w.OrderModel) -> Order:
    """Return the domain order. A product we have no specification of keeps its size and side, without prices."""
    status = STATUSES.get(model.status)
    if status is None:
        raise RemoteProtocolError(f"order {model.id} has status {model.status}, which no one knows")
    created, qty = _at(model.creation_timestamp), _contracts(model.size, f"order {model.id}")
    return Order(
        account=_number(model.account_id),
        contract=model.contract_id,
        side=_side(model.side, model.id),
        type=_order_type(model.type),
        qty=qty,
        order_id=_number(model.id),
        tag=model.custom_tag,
        status=status,
        filled=qty * (status is Status.FILLED)
        if model.fill_volume is None
        else _contracts(model.fill_volume, f"the filled part of order {model.id}"),
        limit_ticks=_ticks_or_none(model.contract_id, model.limit_price),
        stop_ticks=_ticks_or_none(model.contract_id, model.stop_price),
        parent_id=None if model.parent_order_id is None else _number(model.parent_order_id),
        linked_id=None if model.linked_order_id is None else _number(model.linked_order_id),
        created_at=created,
        updated_at=_at(model.update_timestamp) or created,
    )


def _order_type(number: int) -> OrderType:
    """An order of unknown type (a liquidation by the firm, say) counts as a market order: it may fill at once."""
    try:
        return OrderType(number)
    except ValueError:
        return OrderType.MARKET


def fill_of(model: w.TradeModel) -> Fill:
    """Return the half-turn as a fill; its price must lie on the grid of a product we know."""
    return Fill(
        trade_id=_number(model.id),
        order_id=_number(model.order_id),
        account=_number(model.account_id),
        contract=model.contract_id,
        qty=_contracts(model.size, f"trade {model.id}") * _side(model.side, model.id).sign,
        ticks=_ticks(model.contract_id, model.price),
        at=_at(model.creation_timestamp),
        fees=_usd(model.fees or Decimal(0)) + _usd(model.commissions or Decimal(0)),
        gross_pnl=None if model.profit_and_loss is None else _usd(model.profit_and_loss),
        voided=bool(model.voided),
    )


def position_of(model: w.PositionModel, at: int) -> e.PositionReported:
    """Return the net position, signed; size 0 is flat whatever the type says."""
    signs = {PositionType.LONG: 1, PositionType.SHORT: -1}
    if _contracts(model.size, f"position {model.id}") and model.type not in signs:
        raise RemoteProtocolError(f"position {model.id} of type {model.type} and size {model.size} makes no sense")
    if not math.isfinite(model.average_price) or abs(model.average_price) > FAR:
        raise RemoteProtocolError(f"position {model.id} has an average price of {model.average_price}")
    return e.PositionReported(
        at=at,
        account=_number(model.account_id),
        contract=model.contract_id,
        qty=model.size * signs.get(PositionType(model.type), 0) if model.size else 0,
        average_price=model.average_price,
    )


def account_of(model: w.AccountModel, at: int) -> e.AccountReported:
    """Return the account's balance and permission as reported at `at` (UTC ns)."""
    balance = _usd(model.balance)
    return e.AccountReported(
        at=at, account=_number(model.id), name=model.name, balance=balance, can_trade=model.can_trade
    )


def contract_of(model: w.ContractModel) -> ListedContract:
    """Return the contract as the gateway lists it."""
    return ListedContract(
        id=model.id,
        name=model.name,
        description=model.description,
        tick_size=model.tick_size,
        tick_value_usd=model.tick_value,
        active=model.active_contract,
    )


def _contracts(number: int, what: str) -> int:
    if not 0 <= number <= MOST:
        raise RemoteProtocolError(f"{what} has a size of {number}")
    return number


def _usd(amount: Decimal) -> Decimal:
    """Money that is a number: text such as "NaN" can be read as a decimal, and would poison every sum."""
    if not amount.is_finite() or abs(amount) > RICH:
        raise RemoteProtocolError(f"{amount} is no amount of money")
    return amount


def _side(number: int, ident: int) -> Side:
    if number not in (0, 1):
        raise RemoteProtocolError(f"order or trade {ident} has side {number}; 0 is buy, 1 is sell")
    return Side(number)


def _number(ident: int) -> int:
    if not -LAST < ident < LAST:
        raise RemoteProtocolError(f"{str(ident)[:40]} is no id")
    return ident


def _at(text: str | None) -> int:
    at = parse_timestamp(text) if text else 0
    if not 0 <= at < LAST:
        raise RemoteProtocolError(f"{str(text)[:40]} is no time of this century")
    return at


def _ticks_or_none(contract: str, price: float | None) -> int | None:
    if price is None:
        return None
    try:
        return _ticks(contract, price)
    except RemoteProtocolError:
        return None


def _ticks(contract: str, price: float) -> int:
    if not math.isfinite(price) or abs(price) > FAR:
        raise RemoteProtocolError(f"{price} is no price of {contract}")
    try:
        return spec(contract).ticks(price)
    except (UnknownContract, OffTick) as error:
        raise RemoteProtocolError(f"price {price} of {contract}: {error}") from error


# --- what the user hub sends ----------------------------------------------------------------------------------------


def user_items(arguments: Any) -> list[Any]:
    """Return the payload objects in a user event's arguments, whatever they are wrapped in.

    Bare objects, ``{"action", "data"}``, lists of either, and a leading account id are all understood.

    >>> user_items([{"action": 1, "data": {"id": 7}}]), user_items([{"id": 7}]), user_items([901234, {"id": 7}])
    ([{'id': 7}], [{'id': 7}], [{'id': 7}])
    >>> user_items([[{"id": 7}, {"action": 0, "data": [{"id": 8}]}]])
    [{'id': 7}, {'id': 8}]
    """
    if isinstance(arguments, dict):
        return user_items(arguments["data"]) if "data" in arguments and "id" not in arguments else [arguments]
    if isinstance(arguments, (list, tuple)):
        return [item for argument in arguments for item in user_items(argument)]
    return []


def model(kind: type[M], item: Any) -> M:
    """Return `item` (plain JSON) as the wire model `kind`."""
    try:
        return msgspec.convert(item, kind, strict=False)  # numbers as text are understood
    except (msgspec.ValidationError, RecursionError) as error:
        raise RemoteProtocolError(f"unreadable {kind.__name__}: {error}") from error


def models(kind: type[M], arguments: Any) -> Iterable[M]:
    """Return every payload in a user event's arguments as `kind`."""
    return [model(kind, item) for item in user_items(arguments)]


def user_event(target: str, item: Any, at: int) -> e.Event:
    """Return the domain event of one payload of the user hub, taken in at `at` (UTC ns)."""
    if target == TARGET_USER_ORDER:
        return e.OrderReported(at=at, order=order_of(model(HubOrder, item)))
    if target == TARGET_USER_TRADE:
        return e.FillReported(at=at, fill=fill_of(model(HubTrade, item)))
    if target == TARGET_USER_POSITION:
        return position_of(model(HubPosition, item), at)
    if target == TARGET_USER_ACCOUNT:
        return account_of(model(HubAccount, item), at)
    raise RemoteProtocolError(f"{target[:60]} is no event of the user hub")
