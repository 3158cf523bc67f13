"""Fills that become known after the trading date that they belong to: nothing lost, nothing counted to another day."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import MES, Ride, enter
from workbench.domain import events as e
from workbench.domain.hours import trading_hours
from workbench.execution.state import AccountState
from workbench.risk.limits import Limits
from workbench.services.decider import known_until
from workbench.storage.records import Record

pytestmark = [pytest.mark.statement(5), pytest.mark.statement(10)]


def read_at(until: int) -> Record:
    reading = e.BrokerRead(
        at=until + 5,
        account=1,
        since=0,
        until=until,
        balance=Decimal(0),
        can_trade=True,
        orders=[],
        fills=[],
        positions=[],
    )
    return Record(reading, [])


def timer(at: int) -> Record:
    return Record(e.TimerFired(at=at), [])


def test_what_is_sure_is_the_last_reading_not_the_last_record() -> None:
    assert known_until([timer(10), read_at(20), timer(30), read_at(40), timer(90)]) == 40
    assert known_until([timer(10), timer(90)]) == 10
    assert known_until([]) == 0


def evening(state: AccountState) -> int:
    return trading_hours("index").session_bounds(state.now)[1] + 1_000_000_000


def test_a_fill_of_yesterday_that_is_read_today_is_yesterdays_profit() -> None:
    ride = Ride(Limits(max_position=5)).start()
    ride.bar(enter(1, 2, 20, 40))
    ride.settle()
    assert ride.state.book(MES).qty == 2
    bought = ride.state.book(MES).position.average_ticks
    before = ride.state.day_pnl_usd()
    ride.broker.last[MES] = int(bought) + 8
    ride.broker.close(MES)
    ride.broker.fill_markets()
    known = ride.broker.fills[-1]
    ride.broker.events.clear()  # the stream never tells
    ride.now = ride.broker.now = evening(ride.state)
    ride.feed(e.TimerFired(at=ride.now))  # 17:00: a new date begins while we still believe in the position
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=ride.state.book(MES).spec.price(int(bought) + 30)))
    ride.feed(e.FillReported(at=ride.now, fill=known))
    state = ride.state
    assert state.book(MES).qty == 0
    # Two contracts, eight ticks at 1.25 USD, and two sides of two fees: all of it is yesterday's.
    fees = sum((f.fees for f in ride.broker.fills), Decimal(0))
    assert state.total_usd() == 2 * 8 * Decimal("1.25") - fees
    assert state.day_pnl_usd() == 0
    assert before is not None and before < 0, "the fees of the entry stood in yesterday's profit"


def test_a_fill_of_today_stays_todays() -> None:
    ride = Ride(Limits(max_position=5)).start()
    ride.bar(enter(1, 1, 20, 40))
    ride.settle()
    fill = msgspec.structs.replace(
        ride.broker.fills[-1], trade_id=999_999, qty=-1, ticks=ride.broker.fills[-1].ticks + 4
    )
    ride.feed(e.FillReported(at=ride.now, fill=fill))
    assert ride.state.day_pnl_usd() == 4 * Decimal("1.25") - 2 * fill.fees
