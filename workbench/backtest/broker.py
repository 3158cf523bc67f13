"""The gateway's answers in a backtest: takes the commands that `step` returns, gives back the events they would cause.

Answers come at once and every command is taken, so what is tested is the strategy, the limits and the fill model;
delays and faults belong to the simulator.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from workbench.backtest.costs import Costs
from workbench.backtest.fills import BarMatcher
from workbench.backtest.matcher import Fill as Match
from workbench.backtest.matcher import Resting
from workbench.domain import events as e
from workbench.domain.commands import (
    Alert,
    AnyCommand,
    CancelOrder,
    ClosePosition,
    ModifyOrder,
    PlaceOrder,
    ReadBroker,
)
from workbench.domain.contract import Contract
from workbench.domain.errors import InputError
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.domain.position import Fill, Position, apply_fill
from workbench.risk.gate import Approved

DAY_NS = 86_400_000_000_000


class BarBroker:
    """One account with one contract, over bars.

    Attributes
    ----------
    orders : dict
        Every order by id, bracket legs included.
    fills : list of Fill
        In order.
    alerts : list of Alert
        What the operator would have been told, refusals of the gate among it.
    """

    def __init__(
        self, contract: Contract, account: int, costs: Costs, balance: Decimal, *, touch: bool = False
    ) -> None:
        self.contract, self.account, self.costs, self.balance = contract, account, costs, balance
        self.matcher = BarMatcher(slippage_ticks=costs.slippage_ticks, touch=touch)
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.alerts: list[tuple[int, Alert]] = []
        self.position = Position(account=account, contract=contract.id)
        self._children: dict[int, list[int]] = {}
        self._brackets: dict[int, tuple[int | None, int | None]] = {}
        self._rates: dict[int, Decimal] = {}

    @property
    def held(self) -> int:
        """Signed contracts."""
        return self.position.qty

    def execute(self, command: Approved | AnyCommand, at: int) -> list[e.Event]:
        """Carry out one command at market time `at` and return what comes back."""
        match command:
            case Approved():
                return self._place(command.command, at)
            case CancelOrder():
                return self._cancel(command, at)
            case ClosePosition():
                return self._close(command, at)
            case ReadBroker():
                return [self.reading(at)]
            case Alert():
                self.alerts.append((at, command))
                return []
            case PlaceOrder() | ModifyOrder():
                raise InputError(f"{type(command).__name__} has no way to the broker of a backtest")

    def take(self, match: Match) -> list[e.Event]:
        """Book one fill of the matcher and return what the gateway would tell of it."""
        order = self.orders[match.key]
        sign, product = order.side.sign, self.contract.spec
        before, was = self.position.realized_ticks, self.position.qty
        fill = Fill(
            trade_id=len(self.fills) + 1,
            order_id=match.key,
            account=self.account,
            contract=self.contract.id,
            qty=sign * match.qty,
            ticks=match.ticks,
            at=match.at,
            fees=self._rate(match.at) * match.qty,
        )
        self.position = apply_fill(self.position, fill)
        if was * sign < 0:
            gross = (self.position.realized_ticks - before) * product.tick_value
            fill = msgspec.structs.replace(fill, gross_pnl=gross)
            self.balance += gross
        self.balance -= fill.fees
        self.fills.append(fill)
        done = self._report(order, match.at, status=Status.FILLED, filled=order.filled + match.qty)
        self.matcher.turn(self.held)
        told = [done, e.FillReported(at=match.at, fill=fill), self._position(match.at)]
        if order.parent_id is not None:
            return [*self._cancel_siblings(order, match.at), *told]
        return [*told, *self._open_legs(order, fill)]

    def reading(self, at: int) -> e.BrokerRead:
        """Return the broker as a reading over REST would show it, one day back."""
        since = at - DAY_NS
        return e.BrokerRead(
            at=at,
            account=self.account,
            since=since,
            until=at,
            balance=self.balance,
            can_trade=True,
            orders=[order for order in self.orders.values() if order.is_open or order.created_at >= since],
            fills=[fill for fill in self.fills if fill.at >= since],
            positions=[self._position(at)] if self.held else [],
        )

    def _place(self, command: PlaceOrder, at: int) -> list[e.Event]:
        order = self._new(
            command.side, command.type, command.qty, at,
            tag=command.tag, limit_ticks=command.limit_ticks, stop_ticks=command.stop_ticks,
            strategy=command.strategy, rule=command.rule,
        )  # fmt: skip
        order_id = order.order_id or 0
        self._brackets[order_id] = (command.stop_loss_ticks, command.take_profit_ticks)
        answer = e.PlaceAnswered(at=at, tag=command.tag, outcome="accepted", order_id=order_id)
        return [answer, e.OrderReported(at=at, order=order)]

    def _cancel(self, command: CancelOrder, at: int) -> list[e.Event]:
        order = self.orders.get(command.order_id)
        if order is None or not self.matcher.cancel(command.order_id):
            return [self._answer("cancel", at, "rejected", command.order_id)]
        report = self._report(order, at, status=Status.CANCELED, reason=command.reason)
        return [self._answer("cancel", at, "accepted", command.order_id), report]

    def _close(self, command: ClosePosition, at: int) -> list[e.Event]:
        if not self.held:
            return [self._answer("close", at, "rejected", None)]
        side = Side.SELL if self.held > 0 else Side.BUY
        order = self._new(side, OrderType.MARKET, abs(self.held), at, rule=command.reason)
        return [self._answer("close", at, "accepted", order.order_id), e.OrderReported(at=at, order=order)]

    def _cancel_siblings(self, order: Order, at: int) -> list[e.Event]:
        legs = self._children.get(order.parent_id or 0, ())
        return [self._report(self.orders[leg], at, status=Status.CANCELED) for leg in legs if self.matcher.cancel(leg)]

    def _open_legs(self, order: Order, fill: Fill) -> list[e.Event]:
        stop, target = self._brackets.get(fill.order_id, (None, None))
        side, qty = order.side.opposite, abs(fill.qty)
        made: list[Order] = []
        if stop is not None:
            level = fill.ticks + stop
            made.append(self._new(side, OrderType.STOP, qty, fill.at, parent_id=fill.order_id, stop_ticks=level))
        if target is not None:
            level = fill.ticks + target
            made.append(self._new(side, OrderType.LIMIT, qty, fill.at, parent_id=fill.order_id, limit_ticks=level))
        if len(made) == 2:
            made = [
                self._keep(msgspec.structs.replace(leg, linked_id=other.order_id)) for leg, other in (made, made[::-1])
            ]
        self._children[fill.order_id] = [leg.order_id or 0 for leg in made]
        return [e.OrderReported(at=fill.at, order=leg) for leg in made]

    def _new(self, side: Side, kind: OrderType, qty: int, at: int, **fields: object) -> Order:
        key = len(self.orders) + 1
        order = msgspec.structs.replace(
            Order(
                account=self.account, contract=self.contract.id, side=side, type=kind, qty=qty, order_id=key,
                status=Status.WORKING, created_at=at, updated_at=at,
            ),
            **fields,
        )  # fmt: skip
        self.matcher.submit(
            Resting(key=key, side=side, type=kind, qty=qty, limit=order.limit_ticks, stop=order.stop_ticks), at
        )
        return self._keep(order)

    def _keep(self, order: Order) -> Order:
        self.orders[order.order_id or 0] = order
        return order

    def _report(self, order: Order, at: int, **changes: object) -> e.OrderReported:
        return e.OrderReported(at=at, order=self._keep(msgspec.structs.replace(order, updated_at=at, **changes)))

    def _position(self, at: int) -> e.PositionReported:
        average = self.position.average_ticks
        points = 0.0 if average is None else float(average) * float(self.contract.spec.tick)
        return e.PositionReported(
            at=at, account=self.account, contract=self.contract.id, qty=self.held, average_price=points
        )

    def _answer(self, command: str, at: int, outcome: str, order_id: int | None) -> e.CommandAnswered:
        return e.CommandAnswered(at=at, command=command, contract=self.contract.id, outcome=outcome, order_id=order_id)

    def _rate(self, at: int) -> Decimal:
        day = at // DAY_NS
        if day not in self._rates:
            on = datetime.fromtimestamp(day * 86_400, UTC).date()
            self._rates[day] = self.costs.per_side(self.contract.spec, on)
        return self._rates[day]
