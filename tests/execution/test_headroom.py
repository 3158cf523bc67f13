"""What an entry may lose counts against the room that is left, and what is not known never counts as nothing.

By hand: one tick of one MES is 1.25 USD.
"""

from __future__ import annotations

import pytest

from tests.execution.limit_scenes import (
    MES,
    START,
    USD,
    entries,
    holding,
    linked,
    manual,
    refuses_a_person,
    started,
    takes,
)
from workbench.domain import events as e
from workbench.domain.commands import ModifyOrder
from workbench.domain.order import OrderType, Side
from workbench.execution.exposure import at_risk_usd

pytestmark = pytest.mark.statement(29)
RESTING = {"type": OrderType.LIMIT, "limit_ticks": START - 10}


def test_an_order_that_would_turn_the_position_is_at_stake_with_what_it_opens() -> None:
    ride = holding(1)
    price_of_the_stop = 20 * USD("1.25")
    assert at_risk_usd(ride.state, None) == price_of_the_stop
    takes(ride, qty=3, side=Side.SELL, type=OrderType.LIMIT, limit_ticks=START + 10, stop_loss_ticks=8)
    assert at_risk_usd(ride.state, None) == price_of_the_stop + 2 * 8 * USD("1.25")  # one closes, two open
    takes(ride, qty=1, side=Side.SELL, type=OrderType.LIMIT, limit_ticks=START + 11)
    assert at_risk_usd(ride.state, None) is None  # all of that one opens, and it has no stop
    assert at_risk_usd(ride.state, 4) == price_of_the_stop + (2 * 8 + 4) * USD("1.25")


def test_a_plain_entry_does_not_inherit_the_distance_of_an_older_one() -> None:
    ride = started()
    takes(ride, stop_loss_ticks=-8)
    ride.broker.fill(ride.broker.leg(OrderType.STOP).order_id or 0)
    ride.settle()
    assert ride.state.book(MES).qty == 0
    takes(ride)
    assert at_risk_usd(ride.state, None) is None
    assert at_risk_usd(ride.state, 40) == 50


def change(ride, order, **fields: object) -> None:  # type: ignore[no-untyped-def]
    ride.outgoing.clear()
    ride.feed(
        e.OrderActionRequested(
            at=ride.now, request=f"c{len(ride.log)}", kind="modify", contract=MES, order_id=order.order_id, **fields
        )
    )


def test_a_changed_order_counts_once_and_with_its_own_stop() -> None:
    ride = linked(started(), floor=49_940)  # 60 USD of room
    takes(ride, qty=2, stop_loss_ticks=-20, **RESTING)  # 50 of them
    order = next(o for o in ride.broker.working() if o.parent_id is None)
    change(ride, order, limit_ticks=START - 9)
    assert [type(c) for c in ride.outgoing] == [ModifyOrder]
    change(ride, order, qty=3)  # 75
    assert not ride.outgoing and ride.said("(headroom)")


def test_a_reversal_is_measured_without_the_position_that_it_closes() -> None:
    ride = linked(started(), floor=49_940)
    takes(ride, qty=2, stop_loss_ticks=-20)  # 50 of 60 USD
    ride.outgoing.clear()
    ride.feed(e.OrderActionRequested(at=ride.now, request="r", kind="reverse", contract=MES, qty=2, stop_loss_ticks=20))
    ride.settle()
    assert ride.state.book(MES).qty == -2


def test_the_room_is_shared_by_what_is_held_and_what_works() -> None:
    ride = linked(started(), floor=49_940)
    takes(ride, qty=1, stop_loss_ticks=-20)
    takes(ride, qty=1, stop_loss_ticks=-20, **RESTING)
    refuses_a_person(ride, "headroom", stop_loss_ticks=-8)  # 50 and 10 of 60: down to the level
    ride.feed(manual(ride, stop_loss_ticks=-7))
    assert len(entries(ride)) == 1
