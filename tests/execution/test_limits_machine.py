"""No sequence of orders, fills, prices, restarts and trading dates gets past a limit.

The machine keeps books of its own, from what the broker has done: what was held, what the account was worth at 17:00,
where the programme's floor must be. At every order that reaches the broker it asks whether that order should have.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.execution.fake_broker import FEE, MES, PRODUCT, START, FakeBroker, Ride
from tests.execution.limit_scenes import MONDAY, enter, linked, manual, to
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.domain.commands import PlaceOrder
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.order import OrderType, Side
from workbench.domain.programme import E4
from workbench.risk.limits import Limits

USD = Decimal
LOSS, SIZE, HELD, FLOOR = USD(60), 2, 3, 49_800
TICK = PRODUCT.tick_value


class Watched(FakeBroker):
    """A broker that shows each new order to whoever judges it, before it takes it."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.judge = lambda command: None

    def place(self, command: PlaceOrder) -> int:
        self.judge(command)
        return super().place(command)


class LimitsMachine(RuleBasedStateMachine):
    """Everybody tries to lose as much as they can."""

    @initialize()
    def begin(self) -> None:
        limits = Limits(
            max_order_qty=SIZE, max_position=HELD, daily_loss_usd=LOSS, max_orders_per_minute=3, on_breach="account",
            max_micros=HELD, flat_by="15:05", max_flips=9, consecutive_losses=9, cool_down_s=60.0, equity_readings=2,
        )  # fmt: skip
        self.broker = Watched()
        self.ride = linked(Ride(limits, self.broker).start(), floor=FLOOR)
        self.broker.judge = self.judge
        self.epoch, self.day = 1, MONDAY
        self.floor, self.day_start = USD(FLOOR), USD(50_000)
        self.sent: list[int] = []
        self.over = False  # the maximum loss was reached
        self.ride.bar()
        self.opened = self.equity()

    # --- books of its own ---------------------------------------------------------------------------------------------

    def equity(self) -> Decimal:
        """Balance + open profit at the market's price, by the broker's own figures."""
        held = self.broker.book.get(MES)
        if held is None or not held.qty:
            return round(self.broker.balance, 9)  # an average of three is not exact in decimals
        open_usd = (self.broker.last[MES] * held.qty - held.cost_ticks) * TICK
        return round(self.broker.balance + open_usd, 9)

    def judge(self, command: PlaceOrder) -> None:
        """Raise where an order reaches the broker that a limit should have held back."""
        now, held, side = self.broker.now, self.broker.qty(), command.side.sign
        if held * side < 0 and command.qty <= abs(held):
            return
        working = sum(o.remaining for o in self.broker.working() if o.side is command.side and o.parent_id is None)
        assert command.qty <= SIZE
        assert abs(held + side * (working + command.qty)) <= HELD
        assert self.equity() - self.opened > -LOSS, "the day is lost"
        assert not self.over and self.equity() > self.floor, "the account is over"
        assert now < at_local(self.day, "15:05"), "it is past the flat-by time"
        assert sum(at > now - MINUTE for at in self.sent) < 3, "too many orders in a minute"
        self.sent.append(now)

    # --- what may happen ----------------------------------------------------------------------------------------------

    @rule(side=st.sampled_from([1, -1]), qty=st.integers(1, 3))
    def the_strategy_wants_in(self, side: int, qty: int) -> None:
        self.ride.bar(enter(side, qty))
        self.ride.settle()

    @rule(side=st.sampled_from(list(Side)), qty=st.sampled_from([1, 2, 2, 3]), away=st.sampled_from([-15, 5, 30, 30]))
    def a_person_wants_something(self, side: Side, qty: int, away: int) -> None:
        level = self.broker.last[MES] + away
        more = {} if away > 20 else {"type": OrderType.LIMIT, "limit_ticks": level}
        self.ride.feed(manual(self.ride, qty, side, **more))
        self.ride.settle()

    @rule(by=st.integers(-60, 60))
    def the_market_moves(self, by: int) -> None:
        self.ride.trade(self.broker.last[MES] + by)
        for _ in range(2):
            at, price = self.ride.now, PRODUCT.price(self.broker.last[MES])
            self.ride.feed(e.PriceSeen(at=at, contract=MES, price=price))
        self.ride.settle()

    @rule(side=st.sampled_from(list(Side)), by=st.integers(5, 60))
    def a_person_is_wrong(self, side: Side, by: int) -> None:
        self.ride.wait(61)
        self.a_person_wants_something(side, 2, 30)
        self.the_market_moves(-side.sign * by)

    @rule()
    def one_price_is_wrong(self) -> None:
        state = self.ride.state
        if any(state.risk.votes.values()):
            return  # it would be the second one in a row
        before = dict(state.risk.breaches)
        for price in (PRODUCT.price(START) / 2, PRODUCT.price(self.broker.last[MES])):
            self.ride.feed(e.PriceSeen(at=self.ride.now, contract=MES, price=price))
        assert state.risk.breaches == before, "one wrong price stops nobody"

    @rule()
    def the_runner_dies_and_comes_back(self) -> None:
        self.epoch += 1
        self.ride.restart(self.epoch)
        self.ride.settle()

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        if self.ride.now + (minutes + 5) * MINUTE < at_local(self.day, "15:55"):
            self.ride.wait(minutes * 60)
            self.ride.settle()

    @rule()
    def the_day_ends(self) -> None:
        self.to_clock("15:05")
        self.ride.settle()
        assert self.broker.qty() == 0 and not self.broker.working(), "nothing is held over the flat-by time"
        self.to_clock("16:59")
        self.check()
        # 17:00: what was lost belongs to the date that ends here
        self.floor = max(self.floor, min(round(self.broker.balance, 9) - 2000, USD(50_000)))
        self.opened = self.day_start = self.equity()
        to(self.ride, "17:00", self.day)
        self.day += timedelta(days=1)
        if self.day.weekday() >= 5 or not is_whole(self.day):
            while self.day.weekday() >= 5 or not is_whole(self.day):
                self.day += timedelta(days=1)
        to(self.ride, "08:30", self.day)
        self.ride.settle()
        self.ride.bar()

    def to_clock(self, clock: str) -> None:
        if self.ride.now < at_local(self.day, clock):
            to(self.ride, clock, self.day)

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def check(self) -> None:
        if not hasattr(self, "broker"):
            return
        state, firm = self.ride.state, self.ride.state.risk.firm
        assert firm is not None
        assert abs(self.broker.qty()) <= HELD
        assert Decimal(firm.floor) / E4 == self.floor, "the level is where the closes have put it, and never falls"
        assert Decimal(firm.day_start) / E4 == self.day_start
        day = state.day_pnl_usd()
        assert day is None or day == self.equity() - self.opened, "a day's profit belongs to its date"
        breach = state.risk.breaches.get("account")
        if breach is not None:
            assert self.broker.qty() == 0 and not self.broker.working(), "what was stopped holds nothing"
            self.over = self.over or not breach.until
        assert not self.over or (breach is not None and not breach.until), "the maximum loss is for good"


def is_whole(day: date) -> bool:
    """Say whether the trading date is one, and ends at the usual time."""
    hours = trading_hours("index")
    return hours.trading_date(at_local(day, "08:30")) == day and not hours.window(day).early


TestLimits = pytest.mark.statement(33)(pytest.mark.statement(10)(LimitsMachine.TestCase))
TestLimits.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_the_machine_knows_what_a_trade_costs() -> None:
    machine = LimitsMachine()
    machine.begin()
    machine.the_strategy_wants_in(1, 2)
    assert machine.equity() == 50_000 - 2 * FEE
    machine.the_market_moves(-10)
    assert machine.equity() == 50_000 - 2 * FEE - 10 * 2 * TICK
