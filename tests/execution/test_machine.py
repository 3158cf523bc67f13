"""The decision under anything: random bars, lost answers, dropped, repeated and reordered reports, restarts."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.execution.fake_broker import MES, START, FakeBroker, Ride, enter, leave
from workbench.domain import events as e
from workbench.domain.order import OrderType, Side, Status
from workbench.execution.step import Out
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits

MOST = 3
LIMITS = Limits(max_order_qty=3, max_position=MOST, max_orders_per_minute=50, daily_loss_usd=Decimal(10_000))
sides = st.sampled_from((1, -1))
sizes = st.integers(1, 3)


class Guarded(Ride):
    """A ride that checks what each decision lets out."""

    def feed(self, event: e.Event) -> Out:
        out = super().feed(event)
        for command in out:
            if isinstance(command, Approved) and not command.reducing:
                assert not self.state.halted, f"an increase left while halted: {command}"
                assert command.command.qty <= LIMITS.max_order_qty
        return out


class Trading(RuleBasedStateMachine):
    """One session and a gateway that is slow, forgetful and repetitive, but honest when read."""

    brackets = True  # the gateway grows stops and targets

    def __init__(self) -> None:
        super().__init__()
        mode = "auto-oco" if self.brackets else "position"
        self.ride = Guarded(LIMITS, FakeBroker(brackets=self.brackets)).start(bracket_mode=mode)
        self.epoch, self.requests = 1, 0
        self.held: e.BrokerRead | None = None

    def _tick(self) -> None:
        self.ride.now = self.ride.broker.now = self.ride.now + 1_000_000

    # --- market and person ---

    @rule(side=sides, qty=sizes, stop=st.sampled_from((None, 20)), goal=st.sampled_from((None, 40)))
    def signal_to_enter(self, side: int, qty: int, stop: int | None, goal: int | None) -> None:
        self.ride.bar(enter(side, qty, stop, goal))

    @rule()
    def signal_to_leave(self) -> None:
        self.ride.bar(leave())

    @rule(seconds=st.sampled_from((0.5, 3, 11, 31)))
    def time_passes(self, seconds: float) -> None:
        self.ride.wait(seconds)

    @rule(side=st.sampled_from(Side), qty=sizes)
    def person_orders(self, side: Side, qty: int) -> None:
        self.requests += 1
        order = e.ManualOrderRequested(
            at=self.ride.now,
            request=f"r{self.requests}",
            contract=MES,
            side=side,
            type=OrderType.MARKET,
            qty=qty,
        )
        self.ride.feed(order)
        assert self.ride.feed(order) == []

    @precondition(lambda self: self.ride.state.key_of_id)
    @rule(data=st.data(), kind=st.sampled_from(("cancel", "modify")), qty=sizes, ticks=st.integers(-60, 60))
    def person_changes_an_order(self, data: st.DataObject, kind: str, qty: int, ticks: int) -> None:
        self.requests += 1
        number = data.draw(st.sampled_from(sorted(self.ride.state.key_of_id)))
        order = self.ride.state.orders[self.ride.state.key_of_id[number]]
        if kind == "modify" and order.type is OrderType.STOP and order.status is not Status.WORKING:
            return
        prices = {"limit_ticks": START + ticks} if order.limit_ticks is not None else {}
        self._acts(kind, order_id=number, qty=qty, **(prices if kind == "modify" else {}))

    @rule(kind=st.sampled_from(("close", "part_close", "reverse")), qty=sizes)
    def person_acts_on_the_position(self, kind: str, qty: int) -> None:
        self._acts(kind, qty=qty)

    def _acts(self, kind: str, **fields: object) -> None:
        self.requests += 1
        request = f"a{self.requests}"
        action = e.OrderActionRequested(at=self.ride.now, request=request, kind=kind, contract=MES, **fields)  # type: ignore[arg-type]
        self.ride.feed(action)
        assert self.ride.feed(action) == []

    def _is_calm(self) -> bool:
        # What somebody else does on top of orders that are on their way is beyond any limit of ours.
        return not (self.ride.outgoing or self.ride.broker.events or self.ride.broker.working())

    @precondition(lambda self: self._is_calm())
    @rule(side=st.sampled_from(Side))
    def somebody_else_trades(self, side: Side) -> None:
        if abs(self.ride.broker.qty() + side.sign) <= MOST:
            self._tick()
            self.ride.broker.external(side, 1)
            self.ride.broker.fill_markets()
            self.ride.hear()

    @precondition(lambda self: self._is_calm() and any(not f.voided for f in self.ride.broker.fills[-2:]))
    @rule()
    def the_gateway_voids_a_trade(self) -> None:
        fill = [f for f in self.ride.broker.fills[-2:] if not f.voided][-1]
        if abs(self.ride.broker.qty() - fill.qty) <= MOST:
            self._tick()
            self.ride.broker.void(fill)
            self.ride.hear()

    @rule()
    def person_flattens(self) -> None:
        self.ride.feed(e.FlattenRequested(at=self.ride.now, contract=MES, reason="person"))

    @rule()
    def person_resumes(self) -> None:
        self.ride.feed(
            e.SessionStarted(at=self.ride.now, session="s1", strategy="v1", contract=MES, timeframe="1m", parameters={})
        )

    @rule(on=st.booleans())
    def halt_or_release(self, on: bool) -> None:
        self.ride.feed((e.Halted if on else e.Released)(at=self.ride.now, reason="latch"))

    @rule(up=st.booleans())
    def hub(self, up: bool) -> None:
        self.ride.feed(e.StreamChanged(at=self.ride.now, hub="user", up=up))

    # --- the wire ---

    @precondition(lambda self: self.ride.outgoing)
    @rule(fate=st.sampled_from(("accepted", "accepted", "unknown", "lost", "rejected")))
    def send(self, fate: str) -> None:
        self._tick()
        self.ride.answers = lambda command: fate
        self.ride.send()

    @precondition(lambda self: self.ride.broker.working())
    @rule(data=st.data(), whole=st.booleans())
    def market_fills(self, data: st.DataObject, whole: bool) -> None:
        self._tick()
        order = data.draw(st.sampled_from(self.ride.broker.working()))
        if order.type is OrderType.STOP and order.parent_id is None:
            return
        self.ride.broker.fill(order.order_id or 0, None if whole else 1)

    @rule(side=st.sampled_from(Side), qty=sizes, heard=st.sampled_from((e.OrderReported, e.FillReported, e.Event)))
    def an_order_fills_and_half_of_it_is_heard(self, side: Side, qty: int, heard: type[e.Event]) -> None:
        self.person_orders(side, qty)
        self.send("accepted")
        self.ride.broker.fill_markets()
        later = [event for event in self.ride.broker.events if not isinstance(event, heard)]
        self.ride.broker.events = [event for event in self.ride.broker.events if isinstance(event, heard)]
        self.ride.hear()
        self.ride.broker.events += later

    @precondition(lambda self: self.ride.broker.events)
    @rule(data=st.data(), repeat=st.booleans())
    def hear_one(self, data: st.DataObject, repeat: bool) -> None:
        self._tick()
        events = self.ride.broker.events
        event = events.pop(data.draw(st.integers(0, len(events) - 1)))
        for _ in range(1 + repeat):
            self.ride.feed(self.ride.at_now(event))

    @rule()
    def hear_all(self) -> None:
        self._tick()
        self.ride.hear()

    @precondition(lambda self: self.ride.broker.events)
    @rule()
    def drop_one(self) -> None:
        self.ride.broker.events.pop(0)

    @rule()
    def read(self) -> None:
        self._tick()
        self.ride.reads = 0
        self.ride.feed(self.ride.broker.read())

    @rule()
    def begin_a_slow_reading(self) -> None:
        self._tick()
        self.held = self.ride.broker.read()

    @precondition(lambda self: self.held is not None)
    @rule()
    def end_the_slow_reading(self) -> None:
        self._tick()
        assert self.held is not None
        self.ride.feed(msgspec.structs.replace(self.held, at=self.ride.now))
        self.held = None

    @rule()
    def die_and_come_back(self) -> None:
        self._tick()
        self.epoch += 1
        self.held = None
        self.ride.restart(self.epoch)

    # --- what must always hold ---

    @invariant()
    def the_position_stays_within_its_limit(self) -> None:
        assert abs(self.ride.broker.qty()) <= MOST

    @invariant()
    def no_tag_is_sent_twice(self) -> None:
        tags = [command.tag for command in self.ride.placed]
        assert len(tags) == len(set(tags))

    @invariant()
    def the_index_of_open_orders_is_the_truth(self) -> None:
        orders = self.ride.state.orders
        assert sorted(k for k, _ in orders.open_items()) == sorted(k for k, o in orders.items() if o.is_open)

    def teardown(self) -> None:
        """Let everything come to rest: two readings later our view is the broker's; then a flatten ends flat."""
        ride = self.ride
        ride.answers = lambda command: "accepted"
        self._rest()
        book = ride.state.book(MES)
        assert (book.qty, book.locked, book.uncounted) == (ride.broker.qty(), "", {})
        ours = {o.order_id for o in ride.state.open_orders(MES)}
        assert ours == {o.order_id for o in ride.broker.working()}
        assert all(o.status not in (Status.SENT, Status.UNKNOWN) for o in ride.state.orders.values())
        assert ride.feed(ride.broker.read()) == []
        expected = ride.broker.balance - 50_000 + (book.open_usd() or 0)
        assert abs((ride.state.total_usd() or 0) - expected) < Decimal("0.000001")
        ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="end"))
        self._rest()
        assert (ride.broker.qty(), ride.broker.working(), book.flatten) == (0, [], None)

    def _rest(self) -> None:
        for _ in range(12):
            self.ride.settle()
            self.ride.wait(6)
            self.ride.settle()
            self.ride.reads = 1
            self.ride.settle()


Trading.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTrading = Trading.TestCase


class Separate(Trading):
    """The same at a gateway without Auto-OCO: stops and targets are orders of ours."""

    brackets = False

    @invariant()
    def no_more_stops_work_than_were_asked_for(self) -> None:
        stops = [o for o in self.ride.broker.working() if o.type is OrderType.STOP and o.status is Status.WORKING]
        assert len(stops) <= 2  # one on its way out, one for the newest entry


Separate.TestCase.settings = Trading.TestCase.settings
TestSeparate = Separate.TestCase
