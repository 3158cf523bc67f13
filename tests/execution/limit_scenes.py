"""Where scenes of limits begin: a session or a person on an account, prices, and what must not leave."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from tests.execution.fake_broker import ACCOUNT, MES, MORNING, PRODUCT, START, Ride, enter
from workbench.domain import events as e
from workbench.domain.account import PROGRAMMES
from workbench.domain.clock import SECOND
from workbench.domain.hours import at_local
from workbench.domain.order import OrderType, Side
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits

USD = Decimal
MNQ, MGC, ES = "CON.F.US.MNQ.Z26", "CON.F.US.MGC.Z26", "CON.F.US.EP.Z26"
MONDAY = date(2026, 11, 23)


def started(**limits: object) -> Ride:
    """A session on MES that has seen one bar: prices are known, nothing is held."""
    ride = Ride(Limits(**limits)).start()  # type: ignore[arg-type]
    ride.broker.last |= dict.fromkeys((MNQ, MGC, ES), START)
    ride.bar()
    return ride


def holding(qty: int = 2, side: int = 1, **limits: object) -> Ride:
    """A session that has entered at 24,000 ticks, its stop 20 ticks away, its target 40."""
    ride = started(**limits)
    ride.bar(enter(side, qty))
    ride.settle()
    assert ride.state.book(MES).qty == side * qty
    return ride


def price(ride: Ride, ticks: int, contract: str = MES, times: int = 1) -> None:
    """Let the last price be seen, a second apart; the broker's market does not move by it."""
    for _ in range(times):
        ride.now = ride.broker.now = ride.now + SECOND
        ride.feed(e.PriceSeen(at=ride.now, contract=contract, price=PRODUCT.price(ticks)))


def manual(ride: Ride, qty: int = 1, side: Side = Side.BUY, **more: object) -> e.ManualOrderRequested:
    asked = e.ManualOrderRequested(
        at=ride.now, request=f"r{len(ride.log)}", contract=MES, side=side, type=OrderType.MARKET, qty=qty, person="ann"
    )
    return msgspec.structs.replace(asked, **more)


def entries(ride: Ride) -> list[Approved]:
    return [c for c in ride.outgoing if isinstance(c, Approved) and not c.reducing]


def refuses_a_person(ride: Ride, code: str, **order: object) -> None:
    """A person's order is refused with this code, and nothing leaves."""
    ride.outgoing.clear()
    ride.alerts.clear()
    ride.feed(manual(ride, **order))
    assert not entries(ride)
    assert ride.said(f"({code})"), [a.text for a in ride.alerts]


def refuses_the_session(ride: Ride, code: str, side: int = 1) -> None:
    """The session's next entry is refused with this code, and nothing leaves."""
    ride.outgoing.clear()
    ride.alerts.clear()
    ride.bar(enter(side))
    assert not entries(ride)
    assert ride.said(f"({code})"), [a.text for a in ride.alerts]


def takes(ride: Ride, **order: object) -> None:
    """A person's order passes: the scene is not refused for another reason."""
    ride.outgoing.clear()
    ride.feed(manual(ride, **order))
    assert len(entries(ride)) == 1, [a.text for a in ride.alerts]
    ride.settle()


def round_trip(ride: Ride, ticks: int, side: int = 1, qty: int = 1) -> None:
    """The session enters at the market and its target or stop fills `ticks` from there, in its favour or against it."""
    ride.bar(enter(side, qty))
    ride.settle()
    assert ride.state.book(MES).qty == side * qty, [a.text for a in ride.alerts]
    leg = ride.broker.leg(OrderType.LIMIT if ticks > 0 else OrderType.STOP)
    entry = ride.broker.fills[-1].ticks
    ride.broker.fill(leg.order_id or 0, ticks=entry + side * ticks)
    ride.settle()
    assert ride.state.book(MES).qty == 0


def linked(
    ride: Ride, name: str = "topstep-50k", floor: int = 48_000, day_start: int = 50_000, **changes: object
) -> Ride:
    """The account is of a firm's programme (with `changes` of it), as the link says."""
    import dataclasses

    body = {
        key: str(value) if isinstance(value, Decimal | date) else value
        for key, value in dataclasses.asdict(dataclasses.replace(PROGRAMMES[name], **changes)).items()  # type: ignore[arg-type]
    }
    ride.broker.balance = USD(day_start)
    ride.feed(
        e.BaselineSet(
            at=ride.now,
            balance=USD(day_start),
            floor_usd=USD(floor),
            day_start_usd=USD(day_start),
            trading_date=ride.state.trading_date,
            programme=msgspec.json.decode(msgspec.json.encode(body)),
        )
    )
    ride.feed(ride.broker.read())
    return ride


def to(ride: Ride, clock: str, day: date = MONDAY) -> None:
    """Let the market clock reach a time of day in Chicago."""
    at = at_local(day, clock)
    assert at >= ride.now
    ride.now = ride.broker.now = at
    ride.feed(e.TimerFired(at=at))


__all__ = [
    "ACCOUNT",
    "ES",
    "MES",
    "MGC",
    "MNQ",
    "MORNING",
    "START",
    "USD",
    "Ride",
    "enter",
    "entries",
    "holding",
    "linked",
    "manual",
    "price",
    "refuses_a_person",
    "refuses_the_session",
    "round_trip",
    "started",
    "takes",
    "to",
]
