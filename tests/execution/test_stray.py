"""A product that our table lacks: it cannot be valued, so nothing is entered; it can be closed, which needs no tick."""

from __future__ import annotations

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, START, Ride
from tests.execution.limit_scenes import USD, holding, price, refuses_a_person, to
from workbench.domain import events as e
from workbench.domain.commands import AnyCommand, CancelOrder, ClosePosition
from workbench.domain.order import Order, OrderType, Side, Status

STRANGE = "CON.F.US.XYZQ.Z26"


def working(number: int = 7, status: Status = Status.WORKING) -> Order:
    return Order(
        account=ACCOUNT, contract=STRANGE, side=Side.SELL, type=OrderType.STOP, qty=2, order_id=number, status=status
    )


def position(ride: Ride, qty: int) -> e.PositionReported:
    return e.PositionReported(at=ride.now, account=ACCOUNT, contract=STRANGE, qty=qty, average_price=5.0)


def reading(ride: Ride, qty: int, *orders: Order) -> e.BrokerRead:
    return msgspec.structs.replace(
        ride.broker.read(), positions=[position(ride, qty)] if qty else [], orders=list(orders)
    )


def strange(*orders: Order) -> Ride:
    """Somebody holds two contracts of it, with these orders."""
    ride = Ride().start()
    ride.feed(reading(ride, 2, *orders))
    ride.outgoing.clear()
    return ride


def closed_by(ride: Ride, how: str = "close", **more: object) -> list[AnyCommand]:
    if how == "flatten":
        asked: e.Event = e.FlattenRequested(at=ride.now, contract=STRANGE, reason="flattened by ann", person="ann")
    else:
        asked = e.OrderActionRequested(
            at=ride.now, request=f"r{len(ride.log)}", kind=how, contract=STRANGE, person="ann", **more
        )
    ride.outgoing.clear()
    ride.feed(asked)
    return ride.outgoing


def answered(ride: Ride, command: str, outcome: str = "accepted") -> None:
    ride.feed(e.CommandAnswered(at=ride.now, command=command, contract=STRANGE, outcome=outcome, order_id=7))


@pytest.mark.statement(21)
@pytest.mark.parametrize("how", ["close", "flatten"])
def test_a_person_closes_it_orders_first(how: str) -> None:
    ride = strange(working())
    (cancel,) = closed_by(ride, how)
    assert isinstance(cancel, CancelOrder) and cancel.order_id == 7
    ride.outgoing.clear()
    answered(ride, "cancel")
    assert not ride.outgoing  # not before the broker says that it is gone
    ride.feed(e.OrderReported(at=ride.now, order=working(status=Status.CANCELED)))
    assert [type(c) for c in ride.outgoing] == [ClosePosition]
    answered(ride, "close")
    ride.outgoing.clear()
    ride.feed(position(ride, 0))
    assert not ride.outgoing and ride.said(f"{STRANGE} is closed")
    ride.feed(e.TimerFired(at=ride.now))
    assert not ride.outgoing


@pytest.mark.statement(16)
def test_it_is_closed_once_and_again_only_after_a_reading_that_still_shows_it() -> None:
    ride = strange()
    assert [type(c) for c in closed_by(ride)] == [ClosePosition]
    assert not closed_by(ride)  # another wish while one is under way
    answered(ride, "close", "unknown")
    ride.feed(reading(ride, 2))
    ride.wait(9)
    assert not ride.outgoing
    before = ride.reads
    ride.wait(2)
    assert ride.reads == before + 1 and not ride.outgoing
    ride.feed(reading(ride, 2))
    assert [type(c) for c in ride.outgoing] == [ClosePosition]
    ride.outgoing.clear()
    ride.feed(reading(ride, 0))
    assert ride.said("is closed") and not ride.outgoing


def test_a_cancel_that_is_not_confirmed_is_asked_for_again() -> None:
    ride = strange(working())
    closed_by(ride)
    ride.outgoing.clear()
    ride.wait(9)
    assert not ride.outgoing
    ride.wait(1)
    assert [type(c) for c in ride.outgoing] == [CancelOrder]
    ride.outgoing.clear()
    ride.feed(reading(ride, 2))  # it shows no order any more
    assert [type(c) for c in ride.outgoing] == [ClosePosition]


@pytest.mark.parametrize("how", ["part_close", "reverse", "modify", "cancel"])
def test_nothing_else_can_be_done_with_it(how: str) -> None:
    ride = strange(working())
    assert not closed_by(ride, how, qty=1, order_id=7)
    assert ride.said("is to close it")


@pytest.mark.parametrize("how", ["close", "flatten"])
def test_what_the_broker_does_not_show_cannot_be_closed(how: str) -> None:
    ride = Ride().start()
    assert not closed_by(ride, how) and ride.said("shows nothing of it that could be closed")
    ride.feed(e.PositionReported(at=ride.now, account=ACCOUNT + 1, contract=STRANGE, qty=2, average_price=5.0))
    assert not closed_by(ride, how)
    ride.feed(e.OrderReported(at=ride.now, order=working(status=Status.FILLED)))
    assert not closed_by(ride, how)


def test_its_entries_stay_refused_until_a_person_releases_them() -> None:
    ride = strange()
    closed_by(ride)
    ride.feed(reading(ride, 0))
    refuses_a_person(ride, "halted")


@pytest.mark.statement(35)
def test_a_breach_of_the_account_closes_it_too() -> None:
    ride = holding(2, daily_loss_usd=USD(100), on_breach="account")
    ride.feed(position(ride, 2))
    price(ride, START - 60, times=3)
    assert ClosePosition in [type(c) for c in ride.outgoing if getattr(c, "contract", "") == STRANGE]
    ride.settle(reads=False)
    assert ride.broker.qty(MES) == 0


def test_the_flat_by_time_closes_it_once() -> None:
    ride = holding(1, flat_by="15:05")
    ride.feed(position(ride, 2))
    to(ride, "15:05")
    ride.wait(1)
    assert sum(isinstance(c, ClosePosition) and c.contract == STRANGE for c in ride.outgoing) == 1


def test_a_close_under_way_is_decided_the_same_again_after_a_restart() -> None:
    ride = strange(working())
    closed_by(ride)
    ride.restart(2)
    assert ride.state.strays[STRANGE].reason == "closed by ann"
    assert [type(c) for c in ride.outgoing] == [CancelOrder]  # the last life's may never have left


def test_a_close_that_was_sent_before_a_restart_is_not_repeated_before_the_broker_was_read() -> None:
    ride = strange()
    closed_by(ride)
    ride.wait(60)
    ride.restart(2)
    assert not ride.outgoing
    ride.feed(reading(ride, 2))
    assert not ride.outgoing  # it may be on its way
    ride.wait(11)
    ride.feed(reading(ride, 2))
    assert [type(c) for c in ride.outgoing] == [ClosePosition]
