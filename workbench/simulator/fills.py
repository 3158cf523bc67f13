"""What one execution does: half-turns, balance, position, events in the order seen on the wire, brackets and OCO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.backtest.matcher import Fill, Resting
from workbench.domain.order import OrderType, Side
from workbench.gateway.codes import OrderStatus, UserAction
from workbench.simulator.accounts import SimAccount, SimPosition, SimTrade, apply_part, closing_pnl, half_turns
from workbench.simulator.orders import LIVE, Bracket, SimOrder

if TYPE_CHECKING:
    from workbench.simulator.exchange import Exchange


class FillBook:
    """Books fills for an `Exchange`."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def take(self, order: SimOrder, fill: Fill) -> None:
        """Book one fill; all state has moved before the first event goes out."""
        exchange = self.exchange
        account = exchange.accounts[order.account]
        position = self._position(account, order, fill.at)
        was, opening = position.qty, position.opening_trade
        trades = self._half_turns(account, position, order, fill)
        order.filled += fill.qty
        order.filled_ticks += fill.ticks * fill.qty
        order.updated = fill.at
        order.status = OrderStatus.FILLED if order.remaining == 0 else OrderStatus.OPEN
        self._tell(account, position, order, trades, was, opening)
        self._grow_children(order, fill)
        self._shrink_sibling(order, fill)

    def _position(self, account: SimAccount, order: SimOrder, at: int) -> SimPosition:
        position = account.positions.get(order.contract.id)
        if position is None or not position.qty:
            position = SimPosition(self.exchange.next_id("position"), order.contract, opened=at)
            account.positions[order.contract.id] = position
        return position

    def _half_turns(self, account: SimAccount, position: SimPosition, order: SimOrder, fill: Fill) -> list[SimTrade]:
        spec = order.contract.spec
        cost = self.exchange.config.fees_of(spec, fill.at)
        trades = []
        for qty, closes in half_turns(position, order.sign, fill.qty):
            pnl = closing_pnl(position, fill.ticks, qty) if closes else None
            apply_part(position, order.sign, qty, fill.ticks, closes=closes)
            trade = SimTrade(
                id=self.exchange.next_id("trade"), account=account.id, contract=order.contract, at=fill.at,
                ticks=fill.ticks, pnl=pnl, fees=cost.fees * qty, commissions=cost.commissions * qty,
                side=order.side, size=qty, order=order.id,
            )  # fmt: skip
            if not closes:
                position.opening_trade = trade
            account.balance += (pnl or 0) - trade.fees - trade.commissions
            account.trades.append(trade)
            trades.append(trade)
        return trades

    def _tell(self, account: SimAccount, position: SimPosition, order: SimOrder, trades: list[SimTrade], was: int,
              opening: SimTrade | None) -> None:  # fmt: skip
        sink = self.exchange.sink
        order_first = order.type == OrderType.LIMIT

        def tell_order() -> None:
            sink.user("GatewayUserOrder", account.id, UserAction.UPDATE, order.model(7))

        if order_first:
            tell_order()
        for trade in trades:
            sink.user("GatewayUserTrade", account.id, UserAction.CREATE, trade.model(7))
            if trade.pnl is not None and opening is not None and self.exchange.repeat_opening_trade:
                sink.user("GatewayUserTrade", account.id, UserAction.CREATE, opening.model(7))
        if not order_first:
            tell_order()
        sink.user("GatewayUserPosition", account.id, UserAction.UPDATE, position.model(account.id, 7, was=was))
        for _ in range(1 if trades[-1].pnl is not None else 2):
            self.exchange.tell_account(account)

    # -- brackets --

    def make_children(self, parent: SimOrder, at: int) -> None:
        """Create the suspended legs of an accepted entry."""
        legs: list[tuple[Bracket, bool]] = [
            (leg, is_stop)
            for leg, is_stop in ((parent.stop_loss, True), (parent.take_profit, False))
            if leg is not None
        ]
        made = [self._child(parent, leg, at) for leg, _ in legs]
        if len(made) == 2:
            made[0].linked, made[1].linked = made[1].id, made[0].id
        for child in made:
            self.exchange.sink.user("GatewayUserOrder", parent.account, UserAction.CREATE, child.model(7))

    def _child(self, parent: SimOrder, leg: Bracket, at: int) -> SimOrder:
        child = SimOrder(
            id=self.exchange.next_id("order"), account=parent.account, contract=parent.contract, type=leg.type,
            side=int(Side(parent.side).opposite), size=parent.size, created=at, updated=at,
            status=OrderStatus.SUSPENDED, parent=parent.id,
            trail=abs(leg.ticks) if leg.type == OrderType.TRAILING_STOP else None,
        )  # fmt: skip
        self.exchange.orders[child.id] = child
        parent.children.append(child.id)
        return child

    def _grow_children(self, parent: SimOrder, fill: Fill) -> None:
        """Activate suspended legs with what filled, measured from the fill price; a later part fill makes them grow."""
        exchange = self.exchange
        for child in (exchange.orders[number] for number in parent.children):
            if child.status is OrderStatus.SUSPENDED:
                leg = parent.stop_loss if child.type != OrderType.LIMIT else parent.take_profit
                if leg is None:
                    continue
                self._activate(child, fill, fill.ticks + leg.ticks)
            elif child.status is OrderStatus.OPEN:
                child.size += fill.qty
                exchange.book(child.contract).modify(child.id, fill.at, qty=child.remaining)
                exchange.set_status(child, OrderStatus.OPEN, fill.at)

    def _activate(self, child: SimOrder, fill: Fill, level: int) -> None:
        child.size = fill.qty
        if child.type == OrderType.LIMIT:
            child.limit = level
        else:
            child.stop = level
        self.exchange.set_status(child, OrderStatus.OPEN, fill.at)
        self.exchange.on_fills(self.exchange.book(child.contract).submit(resting(child), fill.at))

    def _shrink_sibling(self, order: SimOrder, fill: Fill) -> None:
        """One cancels the other; a part fill takes as many contracts from the sibling."""
        sibling = self.exchange.orders.get(order.linked) if order.linked is not None else None
        if sibling is None or sibling.status not in LIVE:
            return
        if order.remaining == 0 or sibling.status is OrderStatus.SUSPENDED:
            self.cancel(sibling, fill.at)
            return
        sibling.size = max(sibling.filled, sibling.size - fill.qty)
        if sibling.remaining == 0:
            self.cancel(sibling, fill.at)
            return
        self.exchange.book(sibling.contract).modify(sibling.id, fill.at, qty=sibling.remaining)
        self.exchange.set_status(sibling, OrderStatus.OPEN, fill.at)

    def cancel(self, order: SimOrder, at: int, status: OrderStatus = OrderStatus.CANCELLED) -> None:
        """Take an order out of the market; the suspended legs of a cancelled entry go with it."""
        self.exchange.book(order.contract).cancel(order.id)
        self.exchange.set_status(order, status, at)
        for number in order.children:
            child = self.exchange.orders[number]
            if child.status is OrderStatus.SUSPENDED:
                self.exchange.set_status(child, status, at)


def resting(order: SimOrder) -> Resting:
    """Return the order as the matcher works it."""
    return Resting(
        key=order.id,
        side=Side(order.side),
        type=OrderType(order.type),
        qty=order.remaining,
        limit=order.limit,
        stop=order.stop,
        distance=order.trail,
    )
