"""What an account's owner may ask: place, modify, cancel, close; answered with (order id, code, words)."""

from __future__ import annotations

from typing import NamedTuple

from workbench.domain.contract import Contract
from workbench.domain.order import OrderType
from workbench.gateway.codes import (
    CancelOrderError,
    ClosePositionError,
    ModifyOrderError,
    OrderStatus,
    PartialCloseError,
    PlaceOrderError,
    UserAction,
)
from workbench.gateway.messages import ModifyOrderRequest, PlaceOrderRequest
from workbench.simulator import orders as words
from workbench.simulator import refusals
from workbench.simulator.accounts import SimAccount
from workbench.simulator.exchange import Exchange
from workbench.simulator.fills import resting
from workbench.simulator.orders import LIVE, SimOrder
from workbench.simulator.refusals import Levels, Refusal


class Answer(NamedTuple):
    """An endpoint's answer; code 0 is success."""

    order_id: int | None = None
    code: int = 0
    text: str | None = None


def place(exchange: Exchange, request: PlaceOrderRequest) -> Answer:
    """Take an order or refuse it; a refused one exists too (status 5) once its account and contract are known."""
    account = exchange.account(request.account_id)
    if account is None:
        return Answer(None, PlaceOrderError.AccountNotFound)
    contract = exchange.contract(request.contract_id)
    if contract is None:
        return Answer(None, PlaceOrderError.ContractNotFound)
    now, order = exchange.now, _draft(exchange, account, contract, request)
    exchange.orders[order.id] = order
    try:
        levels = _check(exchange, account, contract, request, order)
    except Refusal as refusal:
        exchange.sink.user("GatewayUserOrder", account.id, UserAction.CREATE, order.model(7))
        exchange.set_status(order, OrderStatus.REJECTED, now)
        return Answer(order.id, refusal.code, refusal.text)
    finally:
        if request.custom_tag:
            account.tags.add(request.custom_tag)
    order.limit, order.stop, order.trail = levels.limit, levels.stop, levels.trail
    exchange.sink.user("GatewayUserOrder", account.id, UserAction.CREATE, order.model(7))
    exchange.fills.make_children(order, now)
    exchange.at(now + exchange.config.acceptance_ns, lambda at: activate(exchange, order, at))
    if not exchange.config.acceptance_ns:
        exchange.advance(now)
    return Answer(order.id)


def _draft(exchange: Exchange, account: SimAccount, contract: Contract, request: PlaceOrderRequest) -> SimOrder:
    return SimOrder(
        id=exchange.next_id("order"), account=account.id, contract=contract, type=request.type, side=request.side,
        size=request.size, created=exchange.now, updated=exchange.now, tag=request.custom_tag,
    )  # fmt: skip


def _check(
    exchange: Exchange, account: SimAccount, contract: Contract, request: PlaceOrderRequest, order: SimOrder
) -> Levels:
    """Run the checks in the service's order; raise the first Refusal."""
    switches = exchange.switches()
    if switches.reject:
        raise refusals.rejected(switches.reject)
    refusals.check_account(account)
    if not exchange.market.is_active(contract, exchange.now):
        raise Refusal(PlaceOrderError.ContractNotActive, None)
    if not exchange.market.is_open(contract, exchange.now):
        raise Refusal(switches.hours_code, words.CLOSED)
    refusals.check_shape(request)
    levels = refusals.check_levels(
        contract, request.type, request.side, limit=request.limit_price, stop=request.stop_price,
        trail=request.trail_price, board=exchange.market.board(contract, exchange.now), is_new=True,
    )  # fmt: skip
    refusals.check_tag(account, request.custom_tag, switches)
    order.stop_loss, order.take_profit = refusals.check_brackets(account, request, switches)
    refusals.check_risk(account, contract, request.side, request.size)
    return levels


def activate(exchange: Exchange, order: SimOrder, at: int) -> None:
    """Let an accepted order work, unless it is gone or the market has closed."""
    if order.status is not OrderStatus.PENDING:
        return
    if not exchange.market.is_open(order.contract, at):
        exchange.fills.cancel(order, at, OrderStatus.EXPIRED)
        return
    book = exchange.book(order.contract)
    board = exchange.market.board(order.contract, at)
    if order.type in (OrderType.JOIN_BID, OrderType.JOIN_ASK):
        order.limit = board.bid if order.type == OrderType.JOIN_BID else board.ask
    if order.trail is not None and board.last is not None:
        order.stop = board.last + order.sign * order.trail
    if order.type != OrderType.MARKET:
        exchange.set_status(order, OrderStatus.OPEN, at)
    exchange.on_fills(book.submit(resting(order), at))


def modify(exchange: Exchange, request: ModifyOrderRequest) -> Answer:
    """Change size or levels of a working order, or of one on its way to work; what is null stays."""
    account = exchange.account(request.account_id)
    if account is None:
        return Answer(None, ModifyOrderError.AccountNotFound)
    order = exchange.orders.get(request.order_id)
    if order is None or order.account != account.id:
        return Answer(None, ModifyOrderError.OrderNotFound)
    if order.status not in (OrderStatus.OPEN, OrderStatus.PENDING):
        return Answer(None, ModifyOrderError.Rejected, words.NOT_OPEN)
    if request.size is not None and request.size <= order.filled:
        return Answer(None, ModifyOrderError.Rejected, words.BAD_SIZE)
    try:
        levels = refusals.check_levels(
            order.contract, order.type, order.side, limit=request.limit_price, stop=request.stop_price,
            trail=request.trail_price, board=exchange.market.board(order.contract, exchange.now), is_new=False,
        )  # fmt: skip
        more = (request.size or order.size) - order.size
        if more > 0:
            refusals.check_risk(account, order.contract, order.side, more)
    except Refusal as refusal:
        return Answer(None, ModifyOrderError.Rejected, refusal.text)
    _apply(exchange, order, request.size, levels)
    return Answer()


def _apply(exchange: Exchange, order: SimOrder, size: int | None, levels: Levels) -> None:
    at, book = exchange.now, exchange.book(order.contract)
    order.size = order.size if size is None else size
    order.limit = order.limit if levels.limit is None else levels.limit
    order.stop = order.stop if levels.stop is None else levels.stop
    order.trail = order.trail if levels.trail is None else levels.trail
    exchange.set_status(order, order.status, at)
    if order.status is OrderStatus.PENDING:
        return  # the book gets it as it is now, when it is activated
    fills = book.modify(order.id, at, qty=order.remaining, limit=levels.limit, stop=levels.stop, distance=levels.trail)
    if levels.trail is not None and order.id in book.orders:
        order.stop = book.orders[order.id].stop
    exchange.on_fills(fills)


def cancel(exchange: Exchange, account_id: int, order_id: int) -> Answer:
    """Take a live order out; one that is done already answers 5, as the service does."""
    account = exchange.account(account_id)
    if account is None:
        return Answer(None, CancelOrderError.AccountNotFound)
    if account.settings.follower or account.settings.live:
        text = words.FOLLOWER if account.settings.follower else words.LIVE_ACCOUNT
        return Answer(None, CancelOrderError.AccountRejected, text)
    order = exchange.orders.get(order_id)
    if order is None or order.account != account_id:
        return Answer(None, CancelOrderError.OrderNotFound)
    if order.status not in LIVE:
        return Answer(None, CancelOrderError.UnknownError)
    exchange.fills.cancel(order, exchange.now)
    return Answer()


def close(exchange: Exchange, account_id: int, contract_id: str, size: int | None = None) -> Answer:
    """Flatten a position, or `size` contracts of it, with a market order; bracket legs stay, as on the service."""
    codes = ClosePositionError if size is None else PartialCloseError
    account = exchange.account(account_id)
    if account is None:
        return Answer(None, codes.AccountNotFound)
    contract = exchange.contract(contract_id)
    if contract is None:
        return Answer(None, codes.ContractNotFound)
    position = account.positions.get(contract.id)
    if position is None or not position.qty:
        return Answer(None, codes.PositionNotFound)
    if account.settings.live:
        return Answer(None, codes.AccountRejected, words.LIVE_ACCOUNT if size is None else None)
    if size is not None and not 0 < size <= abs(position.qty):
        return Answer(None, PartialCloseError.InvalidCloseSize)
    if not exchange.market.is_open(contract, exchange.now):
        return Answer(None, codes.OrderRejected, words.CLOSED if size is None else None)
    signed = -position.qty if size is None else (-size if position.qty > 0 else size)
    order = SimOrder(
        id=exchange.next_id("order"), account=account.id, contract=contract, type=int(OrderType.MARKET),
        side=0 if signed > 0 else 1, size=abs(signed), created=exchange.now, updated=exchange.now,
    )  # fmt: skip
    exchange.orders[order.id] = order
    exchange.sink.user("GatewayUserOrder", account.id, UserAction.CREATE, order.model(7))
    exchange.at(exchange.now + exchange.config.acceptance_ns, lambda at: activate(exchange, order, at))
    if not exchange.config.acceptance_ns:
        exchange.advance(exchange.now)
    return Answer()
