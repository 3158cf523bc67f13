"""What somebody else does on the account: shown, counted, and it pauses the sessions of that instrument alone."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, START, FakeBroker, Ride, enter, leave
from tests.execution.scenes import in_position
from workbench.domain import events as e
from workbench.domain.commands import ReadBroker
from workbench.domain.order import OrderType, Side, Status
from workbench.domain.position import Fill
from workbench.execution.fills import earned_by
from workbench.risk.limits import Limits

MNQ = "CON.F.US.MNQ.Z26"


def two_sessions(limits: Limits | None = None) -> Ride:
    ride = Ride(limits).start()
    ride.start_session("s2", contract=MNQ)
    return ride


@pytest.mark.statement(23)
def test_a_manual_trade_elsewhere_pauses_the_sessions_of_its_instrument_alone() -> None:
    ride = two_sessions()
    ride.wait(5)
    order = ride.broker.external(Side.BUY, 1)
    ride.settle()
    sessions, book = ride.state.sessions, ride.state.book(MES)
    assert (sessions["s1"].status, sessions["s2"].status) == ("paused", "running")
    assert f"order {order.order_id} (BUY 1 {MES}, MARKET)" in sessions["s1"].reason
    assert book.qty == 1 and ride.said("placed by somebody else") and not book.locked
    assert [o.origin for o in ride.state.orders.values()] == ["external"]


@pytest.mark.statement(23)
def test_what_somebody_else_holds_counts_in_the_limits_and_in_the_loss_of_the_day() -> None:
    ride = two_sessions(Limits(max_position=3, daily_loss_usd=Decimal(1000)))
    ride.broker.external(Side.BUY, 3)
    ride.settle()
    ride.feed(e.ManualOrderRequested(at=ride.now, request="m1", contract=MES, side=0, type=OrderType.MARKET, qty=1))
    assert not ride.outgoing and ride.said("max_position")
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=5_900.0))  # 3 × −400 ticks × 1.25 USD = −1,500
    ride.feed(e.ManualOrderRequested(at=ride.now, request="m2", contract=MNQ, side=0, type=OrderType.MARKET, qty=1))
    assert not ride.outgoing and ride.said("daily_loss_usd")
    assert (ride.state.day_pnl_usd() or 0) < -1_500
    assert earned_by(ride.state, MES).qty == 3 and earned_by(ride.state, MES, "s1").qty == 0


@pytest.mark.statement(23)
def test_a_trade_that_the_stream_never_told_is_found_by_the_next_reading() -> None:
    ride = two_sessions()
    ride.wait(5)
    ride.broker.external(Side.SELL, 1)
    ride.broker.fill_markets()
    ride.broker.events.clear()
    ride.feed(ride.broker.read())
    assert ride.state.sessions["s1"].status == "paused" and ride.state.book(MES).qty == -1


@pytest.mark.statement(23)
def test_without_a_reading_ten_seconds_are_enough_to_call_it_external() -> None:
    ride = two_sessions()
    ride.wait(5)
    ride.broker.external(Side.BUY, 1, OrderType.LIMIT, limit_ticks=START - 40)
    ride.hear()
    assert ride.state.sessions["s1"].status == "running"  # it may be a leg, or our own order without its tag
    ride.wait(10)
    assert ride.state.sessions["s1"].status == "paused"


def test_a_paused_session_goes_on_when_a_person_resumes_it() -> None:
    ride = two_sessions()
    ride.wait(5)
    ride.broker.external(Side.BUY, 1)
    ride.settle()
    ride.start_session("s1")
    ride.broker.external(Side.SELL, 1)
    ride.settle()
    assert ride.state.sessions["s1"].status == "paused"  # the next strange order pauses it again


@pytest.mark.parametrize("hub_links", [True, False])
def test_our_own_brackets_closes_and_reversals_are_never_taken_for_somebody_elses(hub_links: bool) -> None:
    ride = Ride(broker=FakeBroker(hub_links=hub_links)).start()
    ride.start_session("s2", contract=MNQ)
    for signal in (enter(1, 2), enter(-1), leave(), enter(1)):
        ride.bar(signal)
        ride.settle()
        ride.wait(11)
        ride.settle()
    assert {s.status for s in ride.state.sessions.values()} == {"running"}
    assert not any(book.externals for book in ride.state.books.values())


def test_an_order_of_ours_that_the_hub_tells_first_and_without_its_tag_is_ours() -> None:
    ride = Ride().start()
    ride.answers = lambda command: "silent"
    ride.bar(enter(1))
    (approved,) = ride.outgoing
    ride.send()
    told = [event for event in ride.broker.events if isinstance(event, e.OrderReported)]
    ride.broker.events.clear()
    for event in told:
        ride.feed(msgspec.structs.replace(event, order=msgspec.structs.replace(event.order, tag=None)))
    tag = approved.command.tag  # type: ignore[union-attr]
    ride.feed(e.PlaceAnswered(at=ride.now, tag=tag, outcome="accepted", order_id=1))
    ride.settle()
    ride.wait(11)
    ride.settle()
    assert ride.state.sessions["s1"].status == "running" and next(iter(ride.state.orders)) == tag


def test_the_firm_that_closes_at_its_own_time_is_recognised() -> None:
    ride = in_position()
    ride.feed(e.AccountReported(at=ride.now, account=ACCOUNT, name="x", balance=Decimal(1), can_trade=False))
    ride.broker.external(Side.SELL, 2)
    ride.settle()
    assert [o.origin for o in ride.state.orders.values() if o.type is OrderType.MARKET and not o.rule] == ["firm"]
    assert not ride.said("somebody else")


def test_a_fill_whose_order_nobody_shows_is_somebody_elses() -> None:
    ride = two_sessions()
    ride.wait(5)
    fill = Fill(trade_id=900, order_id=901, account=ACCOUNT, contract=MES, qty=1, ticks=START, at=ride.now)
    ride.feed(e.FillReported(at=ride.now, fill=fill))
    assert ride.state.book(MES).qty == 1
    ride.wait(10)
    assert ride.said("order 901 was placed by somebody else")


def test_what_was_there_before_a_session_began_does_not_pause_it() -> None:
    ride = Ride()
    ride.broker.external(Side.BUY, 1, OrderType.LIMIT, limit_ticks=START - 40)
    ride.broker.events.clear()
    ride.now = ride.broker.now = ride.now + 10**9
    ride.start()
    ride.wait(11)
    ride.settle()
    assert ride.state.sessions["s1"].status == "running"
    assert [o.origin for o in ride.state.open_orders(MES)] == ["external"]


@pytest.mark.statement(24)
@pytest.mark.parametrize(("seconds", "is_locked"), [(9, False), (10, True), (31, True)])
def test_a_difference_that_lasts_locks_and_only_equality_unlocks_with_a_record(seconds: float, is_locked: bool) -> None:
    ride = two_sessions()
    ride.feed(msgspec.structs.replace(ride.broker.position(), at=ride.now, qty=2))
    ride.wait(seconds)
    assert bool(ride.state.book(MES).locked) is is_locked
    assert not ride.state.book(MNQ).locked
    if is_locked:
        ride.bar(enter(1))
        assert not any(type(c).__name__ == "Approved" for c in ride.outgoing)
        ride.settle()  # the reading shows the broker flat, as we are
        assert not ride.state.book(MES).locked and ride.said("unlocked: equal to the broker again")


def test_an_external_stop_beside_a_bracketed_position_is_left_alone() -> None:
    ride = in_position()
    ride.broker.external(Side.SELL, 1, OrderType.STOP, stop_ticks=START - 99)
    ride.settle()
    ride.wait(11)
    ride.settle()
    assert ride.state.sessions["s1"].status == "running"
    assert sum(o.status is Status.WORKING for o in ride.broker.working()) == 3


@pytest.mark.statement(23)
def test_a_strange_order_that_is_told_of_again_is_asked_about_once() -> None:
    ride = two_sessions()
    ride.wait(5)
    ride.broker.external(Side.BUY, 1, OrderType.LIMIT, limit_ticks=START - 40)
    (order,) = ride.broker.working()
    first = ride.feed(e.OrderReported(at=ride.now, order=order))
    began = dict(ride.state.book(MES).suspects)
    assert sum(isinstance(c, ReadBroker) for c in first) == 1 and began == {order.order_id: ride.now}
    assert not any(isinstance(c, ReadBroker) for c in ride.feed(e.OrderReported(at=ride.now, order=order)))
    asked, began = [], 0
    for trade in (801, 802):  # two parts of an order that nobody has shown
        ride.now += 1_000_000_000
        fill = Fill(trade_id=trade, order_id=999, account=ACCOUNT, contract=MES, qty=1, ticks=START, at=ride.now)
        out = ride.feed(e.FillReported(at=ride.now, fill=fill))
        asked += [c.reason for c in out if isinstance(c, ReadBroker) and "999 is not known here" in c.reason]
        began = began or ride.now
    assert len(asked) == 1 and ride.state.book(MES).suspects[999] == began


def test_an_order_for_which_the_gateway_gives_its_own_reason_is_nobody_elses() -> None:
    ride = two_sessions()
    ride.wait(5)
    ride.broker.external(Side.BUY, 1, OrderType.LIMIT, limit_ticks=START - 40)
    (order,) = ride.broker.working()
    for number, (rule, origin) in enumerate((("firm: loss limit", "firm"), ("end of day", "close"))):
        told = msgspec.structs.replace(order, order_id=700 + number, rule=rule)
        ride.feed(e.OrderReported(at=ride.now, order=told))
        assert ride.state.orders[ride.state.key_of_id[700 + number]].origin == origin
    assert not ride.state.book(MES).suspects


def test_an_average_price_read_before_the_newest_fill_is_not_that_of_the_position() -> None:
    ride = in_position(2)
    shown = ride.broker.position()
    old = msgspec.structs.replace(
        ride.broker.read(),
        until=ride.state.book(MES).filled_at - 1,
        positions=[msgspec.structs.replace(shown, average_price=shown.average_price + 50)],
    )
    for _ in range(4):
        ride.feed(msgspec.structs.replace(old, at=ride.now))
        ride.reads = 0
    assert not ride.said("average price") and ride.state.book(MES).position.average_ticks == START
