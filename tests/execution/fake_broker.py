"""A gateway of our own for the decision: it answers, fills, runs brackets and keeps the truth.

`FakeBroker` is the exchange side and knows nothing of our state. `Ride` plays runner: it feeds events to `step`,
carries commands to the broker and answers back, and can hold, drop, repeat and reorder what the broker says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import msgspec

from workbench.domain import events as e
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.commands import Alert, AnyCommand, CancelOrder, ClosePosition, ModifyOrder, PlaceOrder, ReadBroker
from workbench.domain.contract import spec
from workbench.domain.hours import at_local
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.domain.position import Fill, Position, apply_fill
from workbench.execution.state import AccountState
from workbench.execution.step import Out, step
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal

ACCOUNT = 1001
MES = "CON.F.US.MES.Z26"
PRODUCT = spec(MES)
MORNING = at_local(date(2026, 11, 23), "09:00")  # a Monday
START = 24_000  # ticks: 6,000.00 points
FEE = Decimal("0.37")
NO_AUTO_OCO = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."


class FakeBroker:
    """One account at a gateway. Prices in ticks; nothing happens but by a call."""

    def __init__(self, now: int = MORNING, *, oco: bool = True, hub_links: bool = True, brackets: bool = True) -> None:
        self.now, self.oco, self.hub_links, self.brackets_allowed = now, oco, hub_links, brackets
        self.balance, self.can_trade = Decimal(50_000), True
        self.last: dict[str, int] = {MES: START}
        self.orders: dict[int, Order] = {}
        self.brackets: dict[int, PlaceOrder] = {}
        self.fills: list[Fill] = []
        self.book: dict[str, Position] = {}
        self.events: list[e.Event] = []  # what the user hub would say, in the gateway's order
        self.requests: list[AnyCommand] = []  # every mutating request that arrived
        self.tags: set[str] = set()
        self._ids = 0

    def next_id(self) -> int:
        self._ids += 1
        return self._ids

    def qty(self, contract: str = MES) -> int:
        return self.book[contract].qty if contract in self.book else 0

    def working(self, contract: str = MES) -> list[Order]:
        return [o for o in self.orders.values() if o.is_open and o.contract == contract]

    # --- requests ----------------------------------------------------------------------------------------------------

    def place(self, command: PlaceOrder) -> int:
        """Accept an order (PENDING) with its suspended legs; return its id. No tag may come twice."""
        self.requests.append(command)
        assert command.tag not in self.tags, f"tag {command.tag} was used twice"
        self.tags.add(command.tag)
        order = self._new(command.contract, command.side, command.type, command.qty, Status.PENDING, tag=command.tag)
        order = self._put(order, limit_ticks=command.limit_ticks, stop_ticks=command.stop_ticks)
        assert order.order_id is not None
        if command.stop_loss_ticks is not None or command.take_profit_ticks is not None:
            self.brackets[order.order_id] = command
        return order.order_id

    def reject(self, command: PlaceOrder) -> int:
        """Take an order and refuse it: PENDING, then REJECTED."""
        number = self.place(command)
        self._put(self.orders[number], status=Status.REJECTED)
        return number

    def cancel(self, order_id: int) -> bool:
        order = self.orders[order_id]
        self.requests.append(CancelOrder(account=ACCOUNT, contract=order.contract, order_id=order_id))
        if not order.is_open:
            return False
        self._put(order, status=Status.CANCELED)
        for leg in list(self.orders.values()):
            if leg.parent_id == order_id and leg.status is Status.SUSPENDED:
                self._put(leg, status=Status.CANCELED)
        return True

    def modify(self, command: ModifyOrder) -> bool:
        """Move a working order; what is done or gone is refused."""
        self.requests.append(command)
        order = self.orders[command.order_id]
        if not order.is_open:
            return False
        if command.qty is not None and command.qty <= order.filled:
            return False
        self._put(
            order,
            qty=command.qty or order.qty,
            stop_ticks=command.stop_ticks or order.stop_ticks,
            limit_ticks=command.limit_ticks or order.limit_ticks,
        )
        return True

    def close(self, contract: str = MES) -> bool:
        """Accept a close: a market order of the gateway's own, sized now, filled later; brackets stay."""
        self.requests.append(ClosePosition(account=ACCOUNT, contract=contract))
        qty = self.qty(contract)
        if not qty:
            return False
        self._new(contract, Side.SELL if qty > 0 else Side.BUY, OrderType.MARKET, abs(qty), Status.PENDING)
        return True

    # --- the market --------------------------------------------------------------------------------------------------

    def fill(self, order_id: int, qty: int | None = None, ticks: int | None = None) -> None:
        """Execute an order, wholly or in part; grow its legs, or cancel its sibling."""
        order = self.orders[order_id]
        if order.status is Status.SUSPENDED or not order.is_open:
            return
        qty = min(qty or order.remaining, order.remaining)
        price = self._price(order) if ticks is None else ticks
        before = self.qty(order.contract)
        position = self.book.get(order.contract, Position(account=ACCOUNT, contract=order.contract))
        fill = Fill(
            trade_id=self.next_id(),
            order_id=order_id,
            account=ACCOUNT,
            contract=order.contract,
            qty=order.side.sign * qty,
            ticks=price,
            at=self.now,
            fees=FEE * qty,
        )
        after = apply_fill(position, fill)
        pnl = (after.realized_ticks - position.realized_ticks) * PRODUCT.tick_value
        self.balance += pnl - fill.fees
        self.book[order.contract] = after
        self.fills.append(fill)
        self.events.append(e.FillReported(at=self.now, fill=fill))
        filled = order.filled + qty
        self._put(order, filled=filled, status=Status.FILLED if filled == order.qty else Status.WORKING)
        if order_id in self.brackets:
            self._grow_legs(self.brackets[order_id], order_id, filled, price)
        if order.parent_id is not None and self.oco:
            for leg in self.working(order.contract):
                if leg.parent_id == order.parent_id and leg.order_id != order_id:
                    left = leg.qty - qty
                    self._put(leg, qty=left) if left > leg.filled else self._put(leg, status=Status.CANCELED)
        if self.qty(order.contract) != before:
            self.events.append(self.position(order.contract))
        self.events.append(
            e.AccountReported(
                at=self.now, account=ACCOUNT, name="50KTC-V2-1", balance=self.balance, can_trade=self.can_trade
            )
        )

    def fill_markets(self) -> None:
        """Execute every market order that waits."""
        for order in list(self.orders.values()):
            if order.type is OrderType.MARKET and order.is_open:
                self.fill(order.order_id or 0)

    def start_working(self) -> None:
        """Let every accepted order that is not a market order begin to work."""
        for order in list(self.orders.values()):
            if order.status is Status.PENDING and order.type is not OrderType.MARKET:
                self._put(order, status=Status.WORKING)

    def trade(self, ticks: int) -> bool:
        """Let the market trade at a price: fill the first order that it reaches, at its own level; False for none."""
        self.last[MES] = ticks
        for order in self.working():
            if order.status is not Status.WORKING or not order.is_open:
                continue
            buys = order.side is Side.BUY
            stops = order.type is OrderType.STOP
            level = order.stop_ticks if stops else order.limit_ticks
            if level is not None and ((ticks >= level) if buys == stops else (ticks <= level)):
                self.fill(order.order_id or 0)
                return True
        return False

    def external(self, side: Side, qty: int, kind: OrderType = OrderType.MARKET, **levels: int) -> Order:
        """Somebody else's order, placed in the platform's own surface."""
        status = Status.PENDING if kind is OrderType.MARKET else Status.WORKING
        return self._new(MES, side, kind, qty, status, **levels)

    def void(self, fill: Fill) -> None:
        """Take a trade back, as the gateway does when the exchange busts it."""
        self.fills.remove(fill)
        self.fills.append(msgspec.structs.replace(fill, voided=True))
        base = Position(account=ACCOUNT, contract=fill.contract)
        for each in self.fills:
            if each.contract == fill.contract and not each.voided:
                base = apply_fill(base, each)
        gone = self.book[fill.contract].realized_ticks - base.realized_ticks
        self.balance += fill.fees - gone * PRODUCT.tick_value
        self.book[fill.contract] = base
        self.events.append(e.FillReported(at=self.now, fill=self.fills[-1]))
        self.events.append(self.position(fill.contract))

    def leg(self, kind: OrderType) -> Order:
        """The working leg of this type."""
        (found,) = (o for o in self.working() if o.parent_id is not None and o.type is kind)
        return found

    def exit(self, kind: OrderType) -> Order:
        """The one working exit of this type, bracket leg or separate order."""
        (found,) = (o for o in self.working() if o.type is kind and o.status is Status.WORKING)
        return found

    # --- what is read ------------------------------------------------------------------------------------------------

    def read(self, since: int = 0) -> e.BrokerRead:
        return e.BrokerRead(
            at=self.now,
            account=ACCOUNT,
            since=since,
            until=self.now,
            balance=self.balance,
            can_trade=self.can_trade,
            orders=[o for o in self.orders.values() if o.is_open or o.created_at >= since],
            fills=[f for f in self.fills if f.at >= since],
            positions=[self.position(c) for c, p in self.book.items() if p.qty],
        )

    def position(self, contract: str = MES) -> e.PositionReported:
        held = self.book.get(contract, Position(account=ACCOUNT, contract=contract))
        average = float(held.average_ticks or 0) * PRODUCT.tick_size
        return e.PositionReported(at=self.now, account=ACCOUNT, contract=contract, qty=held.qty, average_price=average)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _new(
        self,
        contract: str,
        side: Side,
        kind: OrderType,
        qty: int,
        status: Status,
        *,
        tag: str | None = None,
        **more: int,
    ) -> Order:
        order = Order(
            account=ACCOUNT,
            contract=contract,
            side=side,
            type=kind,
            qty=qty,
            order_id=self.next_id(),
            tag=tag,
            status=status,
            created_at=self.now,
            **more,
        )
        return self._put(order)

    def _put(self, order: Order, **changes: object) -> Order:
        # Each version has a later stamp than the one before, as at the gateway.
        seen = self.orders.get(order.order_id or 0)
        stamp = max(self.now, (seen.updated_at if seen else 0) + 1)
        order = msgspec.structs.replace(order, updated_at=stamp, **changes)
        assert order.order_id is not None
        self.orders[order.order_id] = order
        told = order if self.hub_links else msgspec.structs.replace(order, parent_id=None, linked_id=None)
        self.events.append(e.OrderReported(at=self.now, order=told))
        return order

    def _price(self, order: Order) -> int:
        for level in (order.limit_ticks, order.stop_ticks):
            if level is not None:
                return level
        return self.last[order.contract]

    def _grow_legs(self, command: PlaceOrder, parent: int, filled: int, price: int) -> None:
        levels = (
            (OrderType.STOP, "stop_ticks", command.stop_loss_ticks),
            (OrderType.LIMIT, "limit_ticks", command.take_profit_ticks),
        )
        for kind, name, ticks in levels:
            if ticks is None:
                continue
            legs = [o for o in self.orders.values() if o.parent_id == parent and o.type is kind]
            if legs:
                self._put(legs[0], qty=filled)
                continue
            leg = self._new(command.contract, command.side.opposite, kind, filled, Status.SUSPENDED, parent_id=parent)
            self._put(leg, status=Status.WORKING, **{name: price + ticks})


class Script:
    """A rule that says what it was told to say at the end of a bar; a fresh one says the same again."""

    def __init__(self, signals: dict[int, Signal]) -> None:
        self.signals, self.seen, self.warmed = signals, [], []

    def warm(self, bar: e.BarClosed, position: int = 0, entry_ticks: float | None = None) -> None:
        self.warmed.append(bar.end)

    def on_bar(self, bar: e.BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None:
        self.seen.append(bar.end)
        return self.signals.get(bar.end)


class Ride:
    """A runner without tasks: time moves when told, and every message can be held back."""

    def __init__(self, limits: Limits | None = None, broker: FakeBroker | None = None) -> None:
        self.signals: dict[int, Signal] = {}
        self.limits = limits or Limits()
        self.broker = broker or FakeBroker()
        self.state = self.fresh()
        self.now = self.broker.now
        self.outgoing: list[Approved | AnyCommand] = []
        self.log: list[tuple[e.Event, Out]] = []
        self.alerts: list[Alert] = []
        self.reads = 0
        self.answers: Callable[[PlaceOrder], str] = lambda command: "accepted"

    def fresh(self) -> AccountState:
        return AccountState(ACCOUNT, self.limits, lambda strategy, contract, parameters: Script(self.signals))

    def feed(self, event: e.Event) -> Out:
        """Decide one event; queue what must be sent."""
        out = step(self.state, event)
        self.log.append((event, out))
        for command in out:
            if isinstance(command, Alert):
                self.alerts.append(command)
            elif isinstance(command, ReadBroker):
                self.reads += 1
            else:
                self.outgoing.append(command)
        return out

    def trade(self, ticks: int) -> None:
        """Let the market trade at a price, and take in what comes of it."""
        self.now = self.broker.now = self.now + SECOND
        while self.broker.trade(ticks):
            self.settle()

    def send(self) -> None:
        """Carry what waits to the broker; answers are fed at once, what the hub says stays in `broker.events`."""
        while self.outgoing:
            command = self.outgoing.pop(0)
            if isinstance(command, Approved):
                self._place(command.command)
            elif isinstance(command, CancelOrder):
                done = self.broker.cancel(command.order_id)
                self._answer("cancel", command.contract, done, command.order_id)
            elif isinstance(command, ClosePosition):
                self._answer("close", command.contract, self.broker.close(command.contract))
            elif isinstance(command, ModifyOrder):
                done = self.broker.modify(command)
                self._answer("modify", command.contract, done, command.order_id)

    def _place(self, command: PlaceOrder) -> None:
        outcome = self.answers(command)
        bracketed = command.stop_loss_ticks is not None or command.take_profit_ticks is not None
        if bracketed and not self.broker.brackets_allowed:
            self.broker.requests.append(command)
            self.feed(
                e.PlaceAnswered(
                    at=self.now, tag=command.tag, outcome="rejected", order_id=self.broker.next_id(), code=2,
                    reason=NO_AUTO_OCO,
                )
            )  # fmt: skip
            return
        if outcome == "lost":  # never arrived
            self.feed(e.PlaceAnswered(at=self.now, tag=command.tag, outcome="unknown", reason="time-out"))
            return
        number = self.broker.reject(command) if outcome == "rejected" else self.broker.place(command)
        if outcome == "silent":
            return
        known = None if outcome == "unknown" else number
        self.feed(e.PlaceAnswered(at=self.now, tag=command.tag, outcome=outcome, order_id=known, reason=outcome))

    def _answer(self, name: str, contract: str, done: bool, order_id: int | None = None) -> None:
        outcome = "accepted" if done else "rejected"
        self.feed(e.CommandAnswered(at=self.now, command=name, contract=contract, outcome=outcome, order_id=order_id))

    def hear(self) -> None:
        """Take in everything the hub has said."""
        while self.broker.events:
            self.feed(self.at_now(self.broker.events.pop(0)))

    def at_now(self, event: e.Event) -> e.Event:
        return msgspec.structs.replace(event, at=self.now)

    def settle(self, *, reads: bool = True) -> None:
        """Send, fill the market orders, listen and read until nothing is left to do."""
        self.broker.fill_markets()
        self.broker.start_working()
        for _ in range(50):
            if not (self.outgoing or self.broker.events or (reads and self.reads)):
                return
            self.send()
            self.broker.fill_markets()
            self.broker.start_working()
            self.hear()
            if reads and self.reads:
                self.reads = 0
                self.feed(self.broker.read())
        raise AssertionError("the decision never comes to rest")

    def wait(self, seconds: float) -> Out:
        """Let time pass and the timer fire."""
        self.now = self.broker.now = self.now + int(seconds * SECOND)
        return self.feed(e.TimerFired(at=self.now))

    def start(self, epoch: int = 1, *, bracket_mode: str = "auto-oco", **session: object) -> Ride:
        """Begin a runner, read the broker, start one session on MES one-minute bars."""
        self.feed(e.RunnerStarted(at=self.now, epoch=epoch, uid="abc", bracket_mode=bracket_mode))
        self.settle()
        self.start_session(**session)
        return self

    def start_session(self, name: str = "s1", **fields: object) -> None:
        given = {"strategy": "v1", "contract": MES, "timeframe": "1m", "parameters": {}, "person": "ann", **fields}
        self.feed(e.SessionStarted(at=self.now, session=name, **given))  # type: ignore[arg-type]
        self.settle()

    def bar(self, signal: Signal | None = None, close: int | None = None, late: int = 0) -> Out:
        """Close the next minute; `signal` is what the rule says at its end."""
        end = (self.now // MINUTE + 1) * MINUTE
        if signal is not None:
            self.signals[end] = msgspec.structs.replace(signal, at=end)
        if close is not None:
            self.broker.last[MES] = close
        price = PRODUCT.price(self.broker.last[MES])
        self.now = self.broker.now = end + late
        return self.feed(bar_closed(end, price, at=self.now))

    def restart(self, epoch: int) -> None:
        """Die and come back: the journal (the log) is replayed into a fresh state; what was in memory is gone."""
        before = [(event, out) for event, out in self.log]
        self.state = self.fresh()
        for event, out in before:
            assert step(self.state, event) == out, f"replay of {event} decides differently"
        self.outgoing.clear()
        self.reads = 0
        self.broker.events.clear()
        self.feed(e.RunnerStarted(at=self.now, epoch=epoch, uid=f"u{epoch}"))

    @property
    def placed(self) -> list[PlaceOrder]:
        return [c for c in self.broker.requests if isinstance(c, PlaceOrder)]

    @property
    def closes(self) -> int:
        return sum(isinstance(c, ClosePosition) for c in self.broker.requests)

    def said(self, text: str) -> bool:
        return any(text in alert.text for alert in self.alerts)


def bar_closed(end: int, price: float, *, at: int | None = None, contract: str = MES) -> e.BarClosed:
    return e.BarClosed(
        at=end if at is None else at,
        contract=contract,
        timeframe="1m",
        start=end - MINUTE,
        end=end,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=10,
    )


def enter(side: int, qty: int = 1, stop: int | None = 20, target: int | None = 40) -> Signal:
    """An entry signal; distances are given unsigned."""
    return Signal(
        at=0,
        entry=side,
        exit=False,
        rule="entry.long" if side > 0 else "entry.short",
        stop_ticks=None if stop is None else -side * stop,
        target_ticks=None if target is None else side * target,
        qty=qty,
    )


def leave() -> Signal:
    return Signal(at=0, exit=True, rule="exit")
