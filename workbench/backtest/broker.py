"""The gateway's answers in a backtest: takes the commands that `step` returns, gives back the events they would cause.

Answers come at once and every command is taken, unless the account's firm refuses it, so what is tested is the
strategy, the limits, the fill model and the firm's rules; delays and faults belong to the simulator.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workbench.backtest.account import FirmOfBars
from workbench.backtest.fills import BarMatcher
from workbench.backtest.matcher import Fill as Match
from workbench.backtest.matcher import Resting
from workbench.backtest.played import E4, MOVES, NO_LEVEL, STATUSES, Orders, orders_of
from workbench.backtest.switches import Without
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
from workbench.domain.position import Fill
from workbench.risk.gate import Approved

DAY_NS = 86_400_000_000_000


class BarBroker:
    """One contract of one account, over bars.

    Parameters
    ----------
    contract : Contract
    account : int
        Its number.
    firm : FirmOfBars
        The account's money and rules; several brokers of one account share it.
    touch : bool
        Whether limit orders fill when only touched.
    without : Without
        Rules to leave out, for tests.

    Attributes
    ----------
    orders : dict
        Every order by id, bracket legs included.
    rows : list of tuple
        Fills in the order of the columns of `played.Fills`.
    bar, fee_e4 : int
        Index of the bar that is played, and what one contract costs there; set by whoever plays it.
    """

    def __init__(
        self,
        contract: Contract,
        account: int,
        firm: FirmOfBars,
        *,
        touch: bool = False,
        without: Without = Without.NONE,
    ) -> None:
        self.contract, self.account, self.firm = contract, account, firm
        self.matcher = BarMatcher(touch=touch, without=without)
        self._from_open = bool(without & Without.FROM_FILL)
        self.orders: dict[int, Order] = {}
        self._working: dict[int, Order] = {}
        self.moved: dict[int, int] = {}
        self.rows: list[tuple[int, ...]] = []
        self.alerts: list[tuple[int, str]] = []
        self.held = 0  # signed contracts
        self.cost = 0  # of what is held: price in ticks × signed contracts
        self.bar, self.fee_e4, self.open = 0, 0, 0
        self.tick_e4 = int(contract.spec.tick_value * E4)
        self._children: dict[int, list[int]] = {}
        self._brackets: dict[int, tuple[int | None, int | None]] = {}

    def open_e4(self, ticks: int) -> int:
        """Return the open profit at a price, in 1/10,000 USD."""
        return (ticks * self.held - self.cost) * self.tick_e4

    def bounds(self) -> tuple[int, int] | None:
        """Return (low, high): bars strictly between them fill nothing. None: the next bar does."""
        low, high = -(1 << 62), 1 << 62
        if self.matcher.level is not None:
            low, high = (self.matcher.level, high) if self.held > 0 else (low, self.matcher.level)
        for order in self._working.values():
            level = order.limit_ticks if order.stop_ticks is None else order.stop_ticks
            if level is None:
                return None
            if (order.side is Side.BUY) == (order.type is OrderType.STOP):
                high = min(high, level)
            else:
                low = max(low, level)
        return low, high

    def execute(self, command: Approved | AnyCommand, at: int) -> list[e.Event]:
        """Carry out one command at market time `at` and return what comes back."""
        match command:
            case Approved():
                return self._place(command.command, at)
            case CancelOrder():
                return self._cancel(command, at)
            case ModifyOrder():
                return self._modify(command, at)
            case ClosePosition():
                return self._close(command, at)
            case ReadBroker():
                return [self.reading(at)]
            case Alert():
                self.alerts.append((at, command.text))
                return []
            case PlaceOrder():
                raise InputError("a PlaceOrder has no way to the broker of a backtest but through the gate")

    def take(self, match: Match) -> list[e.Event]:
        """Book one fill of the matcher and return what the gateway would tell of it."""
        order = self.orders[match.key]
        signed = order.side.sign * match.qty
        fees = self.fee_e4 * match.qty
        gross = self._book(signed, match.ticks)
        self.firm.pay((gross or 0) - fees)
        self.rows.append((match.at, self.bar, match.key, signed, match.ticks, fees))
        fill = Fill(
            trade_id=(match.key << 8) + 1,
            order_id=match.key,
            account=self.account,
            contract=self.contract.id,
            qty=signed,
            ticks=match.ticks,
            at=match.at,
            fees=Decimal(fees) / E4,
            gross_pnl=None if gross is None else Decimal(gross) / E4,
        )
        done = self._report(order, match.at, status=Status.FILLED, filled=order.filled + match.qty)
        self.matcher.turn(self.held)
        told = [done, e.FillReported(at=match.at, fill=fill), self._position(match.at)]
        if order.parent_id is not None:
            return [*self._cancel_siblings(order, match.at), *told]
        return [*told, *self._open_legs(order, fill)]

    def liquidate(self, at: int, rule: str, *, spare_close: bool = False) -> list[e.Event]:
        """Cancel everything and close what is held at the market, as the firm does; return what is told of it.

        With `spare_close` a close of ours that waits for the same print does the job.
        """
        working = list(self._working.values())
        closing = [o for o in working if spare_close and self.held * o.side.sign < 0 and o.type is OrderType.MARKET]
        told = [self._report(o, at, status=Status.CANCELED) for o in working if o not in closing]
        for event in told:
            self.matcher.cancel(event.order.order_id or 0)
        if self.held and not closing:
            side = Side.SELL if self.held > 0 else Side.BUY
            order = self._new(side, OrderType.MARKET, abs(self.held), at, rule=f"firm: {rule}")
            told.append(e.OrderReported(at=at, order=order))
        return list(told)

    def table(self, rules: list[str]) -> Orders:
        """Return the orders as columns; rules that are not in `rules` yet are appended to it."""
        number = {rule: i for i, rule in enumerate(rules)}
        rows = []
        for key, o in self.orders.items():
            if o.rule not in number:
                number[o.rule] = len(rules)
                rules.append(o.rule)
            levels = [NO_LEVEL if level is None else level for level in (o.limit_ticks, o.stop_ticks)]
            parent = NO_LEVEL if o.parent_id is None else o.parent_id
            rows.append(
                (key, o.created_at, int(o.type), o.side.sign, o.qty, *levels, STATUSES.index(o.status.value), parent,
                 number[o.rule], self.moved.get(key, 0))
            )  # fmt: skip
        return orders_of(rows)

    def reading(self, at: int) -> e.BrokerRead:
        """Return the broker as a reading over REST would show it: what works, and nothing of the past.

        Every answer and report has come already, so the past has nothing to tell.
        """
        return e.BrokerRead(
            at=at,
            account=self.account,
            since=at,
            until=at,
            balance=self.firm.balance,
            can_trade=self.firm.can_trade,
            orders=list(self._working.values()),
            fills=[],
            positions=[self._position(at)] if self.held else [],
        )

    def _book(self, signed: int, ticks: int) -> int | None:
        # gross profit (1/10,000 USD) of what this fill closes, None when it closes nothing
        if self.held * signed >= 0:
            self.held += signed
            self.cost += ticks * signed
            return None
        if abs(signed) > abs(self.held):
            raise InputError("an order of a backtest closes and opens at once; a reversal is two orders")
        gross = (ticks * -signed) * self.tick_e4 - self.cost * -signed * self.tick_e4 // self.held
        self.cost += self.cost * signed // self.held
        self.held += signed
        return gross

    def _place(self, command: PlaceOrder, at: int) -> list[e.Event]:
        order = self._new(
            command.side, command.type, command.qty, at, working=False,
            tag=command.tag, limit_ticks=command.limit_ticks, stop_ticks=command.stop_ticks,
            strategy=command.strategy, rule=command.rule,
        )  # fmt: skip
        order_id = order.order_id or 0
        refused = self.firm.refuses(self, self.held + command.side.sign * command.qty)
        if refused:
            answer = e.PlaceAnswered(at=at, tag=command.tag, outcome="rejected", order_id=order_id, reason=refused)
            return [answer, self._report(order, at, status=Status.REJECTED, reason=refused)]
        self._work(order, at)
        self._brackets[order_id] = (command.stop_loss_ticks, command.take_profit_ticks)
        answer = e.PlaceAnswered(at=at, tag=command.tag, outcome="accepted", order_id=order_id)
        return [answer, e.OrderReported(at=at, order=order)]

    def _cancel(self, command: CancelOrder, at: int) -> list[e.Event]:
        order = self.orders.get(command.order_id)
        if order is None or not self.matcher.cancel(command.order_id):
            return [self._answer("cancel", at, "rejected", command.order_id)]
        report = self._report(order, at, status=Status.CANCELED, reason=command.reason)
        return [self._answer("cancel", at, "accepted", command.order_id), report]

    def _modify(self, command: ModifyOrder, at: int) -> list[e.Event]:
        order = self.orders.get(command.order_id)
        changed = order is not None and self.matcher.modify(
            command.order_id, at, limit=command.limit_ticks, stop=command.stop_ticks
        )
        if order is None or not changed:
            return [self._answer("modify", at, "rejected", command.order_id)]
        if command.reason in MOVES:
            self.moved[command.order_id] = MOVES.index(command.reason)
        levels = {"limit_ticks": command.limit_ticks, "stop_ticks": command.stop_ticks}
        report = self._report(order, at, **{name: level for name, level in levels.items() if level is not None})
        return [self._answer("modify", at, "accepted", command.order_id), report]

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
        if stop is None and target is None:
            return []
        side, qty, made = order.side.opposite, abs(fill.qty), []
        base = self.open if self._from_open else fill.ticks
        if stop is not None:
            made.append(self._new(side, OrderType.STOP, qty, fill.at, parent_id=fill.order_id, stop_ticks=base + stop))
        if target is not None:
            level = base + target
            made.append(self._new(side, OrderType.LIMIT, qty, fill.at, parent_id=fill.order_id, limit_ticks=level))
        if len(made) == 2:
            made = [
                self._keep(msgspec.structs.replace(leg, linked_id=other.order_id)) for leg, other in (made, made[::-1])
            ]
        self._children[fill.order_id] = [leg.order_id or 0 for leg in made]
        return [e.OrderReported(at=fill.at, order=leg) for leg in made]

    def _new(self, side: Side, kind: OrderType, qty: int, at: int, *, working: bool = True, **fields: object) -> Order:
        order = Order(
            account=self.account, contract=self.contract.id, side=side, type=kind, qty=qty,
            order_id=self.firm.next_id(), status=Status.WORKING, created_at=at, updated_at=at, **fields,  # type: ignore[arg-type]
        )  # fmt: skip
        if working:
            self._work(order, at)
        return self._keep(order)

    def _work(self, order: Order, at: int) -> None:
        self.matcher.submit(
            Resting(
                key=order.order_id or 0, side=order.side, type=order.type, qty=order.qty, limit=order.limit_ticks,
                stop=order.stop_ticks,
            ),
            at,
        )  # fmt: skip

    def _keep(self, order: Order) -> Order:
        key = order.order_id or 0
        self.orders[key] = order
        if order.is_open:
            self._working[key] = order
        else:
            self._working.pop(key, None)
        return order

    def _report(self, order: Order, at: int, **changes: object) -> e.OrderReported:
        return e.OrderReported(at=at, order=self._keep(msgspec.structs.replace(order, updated_at=at, **changes)))

    def _position(self, at: int) -> e.PositionReported:
        points = self.cost / self.held * self.contract.spec.tick_size if self.held else 0.0
        return e.PositionReported(
            at=at, account=self.account, contract=self.contract.id, qty=self.held, average_price=points
        )

    def _answer(self, command: str, at: int, outcome: str, order_id: int | None) -> e.CommandAnswered:
        return e.CommandAnswered(at=at, command=command, contract=self.contract.id, outcome=outcome, order_id=order_id)
