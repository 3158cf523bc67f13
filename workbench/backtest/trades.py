"""Round trips: fills folded into trades from flat to flat, in exact dollars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from workbench.domain.contract import ContractSpec
from workbench.domain.order import Order, OrderType
from workbench.domain.position import Fill


@dataclass(slots=True, kw_only=True)
class Trade:
    """From flat to flat. Prices in points (averages over the fills), money in USD, times in UTC ns.

    `exit_at` and `exit_price` are None while it is open; its `gross_usd` is then what its partial exits made.
    """

    side: int
    qty: int
    entry_at: int
    entry_price: float
    rule: str
    exit_at: int | None = None
    exit_price: float | None = None
    exit_rule: str = ""
    gross_usd: Decimal = Decimal(0)
    costs_usd: Decimal = Decimal(0)

    @property
    def net_usd(self) -> Decimal:
        """Profit after fees and commissions."""
        return self.gross_usd - self.costs_usd


@dataclass(slots=True)
class _Open:
    trade: Trade
    qty: int  # signed, what is still held
    entered: int = 0  # contracts in
    entry_ticks: int = 0  # sum of price × contracts
    left: int = 0  # contracts out
    exit_ticks: int = 0


def round_trips(fills: Iterable[Fill], orders: Mapping[int, Order], product: ContractSpec) -> list[Trade]:
    """Return the trades that `fills` make, the one that is still open last.

    A fill that crosses zero ends one trade and begins the next; its fees are shared by contracts.
    """
    done: list[Trade] = []
    now: _Open | None = None
    for fill in fills:
        order = orders.get(fill.order_id)
        size = abs(fill.qty)
        fee = fill.fees / size
        if now is not None and now.qty * fill.qty < 0:
            out = min(size, abs(now.qty))
            _leave(now, fill, out, fee * out, order, product)
            size -= out
            if now.qty == 0:
                done.append(now.trade)
                now = None
        if size:
            side = 1 if fill.qty > 0 else -1
            if now is None:
                now = _Open(
                    Trade(side=side, qty=0, entry_at=fill.at, entry_price=0.0, rule=order.rule if order else ""), 0
                )
            now.qty += side * size
            now.entered += size
            now.entry_ticks += fill.ticks * size
            now.trade.qty = now.entered
            now.trade.entry_price = product.price(now.entry_ticks) / now.entered
            now.trade.costs_usd += fee * size
    return [*done, now.trade] if now is not None else done


def _leave(now: _Open, fill: Fill, size: int, fee: Decimal, order: Order | None, product: ContractSpec) -> None:
    average = Decimal(now.entry_ticks) / now.entered
    trade = now.trade
    trade.gross_usd += (fill.ticks - average) * size * trade.side * product.tick_value
    trade.costs_usd += fee
    now.qty -= trade.side * size
    now.left += size
    now.exit_ticks += fill.ticks * size
    if now.qty == 0:
        trade.exit_at = fill.at
        trade.exit_price = product.price(now.exit_ticks) / now.left
        trade.exit_rule = exit_rule(order)


def exit_rule(order: Order | None) -> str:
    """Return why a position was left: stop, target, or the rule that spoke."""
    if order is None:
        return ""
    if order.parent_id is not None:
        return "target" if order.type is OrderType.LIMIT else "stop"
    return order.rule
