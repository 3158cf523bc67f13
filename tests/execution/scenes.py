"""Where most scenes begin."""

from __future__ import annotations

from tests.execution.fake_broker import (
    MES,
    FakeBroker,
    Ride,
    enter,
)
from workbench.domain import events as e
from workbench.domain.order import OrderType, Side
from workbench.risk.limits import Limits


def in_position(qty: int = 2, side: int = 1, limits: Limits | None = None, broker: FakeBroker | None = None) -> Ride:
    """A session that has entered with a stop 20 ticks away and a target 40 ticks away."""
    ride = Ride(limits, broker).start()
    ride.bar(enter(side, qty))
    ride.settle()
    assert ride.broker.qty() == ride.state.book(MES).qty == side * qty
    return ride


def manual(ride: Ride, request: str = "r1", side: Side = Side.BUY, qty: int = 1) -> e.ManualOrderRequested:
    return e.ManualOrderRequested(
        at=ride.now, request=request, contract=MES, side=side, type=OrderType.MARKET, qty=qty, person="ann"
    )
