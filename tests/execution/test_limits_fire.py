"""Every limit fires through the real order path: each field of `Limits` and each code of the gate has its scene.

A scene begins with an order that passes and ends with one that does not, by this limit alone: `step` is asked, not the
gate. The lists are made from the code: a field or a code without a scene fails here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.execution import test_switched_off as first
from tests.execution.fake_broker import PRODUCT, bar_closed
from tests.execution.limit_scenes import (
    MES,
    MNQ,
    START,
    USD,
    Ride,
    enter,
    entries,
    holding,
    linked,
    price,
    refuses_a_person,
    refuses_the_session,
    round_trip,
    started,
    takes,
    to,
)
from workbench.domain import events as e
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.order import OrderType, Side
from workbench.risk.gate import Code
from workbench.risk.limits import Limits

Scene = Callable[[], None]
LIMIT = {"type": OrderType.LIMIT}


def size() -> None:
    ride = started(max_order_qty=2)
    takes(ride, qty=2)
    refuses_a_person(started(max_order_qty=2), "max_order_qty", qty=3)


def position() -> None:
    ride = started(max_position=2)
    takes(ride, qty=2)
    refuses_a_person(ride, "max_position")


def open_orders() -> None:
    ride = started(max_open_orders=2)
    for ticks in (1, 2):
        takes(ride, **LIMIT, limit_ticks=START - ticks)
    refuses_a_person(ride, "max_open_orders")


def rate() -> None:
    ride = started(max_orders_per_minute=2)
    takes(ride)
    refuses_a_person(ride, "max_order_qty", qty=9)  # a refused one counts
    refuses_a_person(ride, "max_orders_per_minute")
    ride.feed(first_sell(ride))  # a reduction does not wait
    assert any(getattr(c, "reducing", False) for c in ride.outgoing)


def first_sell(ride: Ride) -> e.Event:
    asked = e.ManualOrderRequested(
        at=ride.now, request="out", contract=MES, side=Side.SELL, type=OrderType.MARKET, qty=1, person="ann"
    )
    return asked


def products() -> None:
    ride = started(products=("MNQ",))
    refuses_a_person(ride, "product")


def daily_loss() -> None:
    ride = holding(2, daily_loss_usd=USD(100))
    price(ride, START - 39)  # 39 × 1.25 × 2 = 97.50, and 0.74 of fees
    takes(ride)
    ride = holding(2, daily_loss_usd=USD(100))
    price(ride, START - 40)
    refuses_a_person(ride, "daily_loss_usd")


def unprotected() -> None:
    first.test_leaving.test_a_position_whose_stop_never_works_is_flattened_in_time()


def breach_stops_the_account() -> None:
    ride = holding(2, daily_loss_usd=USD(100), on_breach="account")
    price(ride, START - 60, times=3)
    ride.settle()
    assert ride.broker.qty() == 0 and not ride.broker.working()
    refuses_a_person(ride, "halted")


def readings() -> None:
    ride = holding(2, daily_loss_usd=USD(100), on_breach="account", equity_readings=2)
    price(ride, START - 60)
    assert not ride.state.risk.breaches
    price(ride, START - 60)
    assert "account" in ride.state.risk.breaches


def session_loss() -> None:
    ride = started(session_daily_loss_usd=USD(40), on_breach="session")
    round_trip(ride, -20)  # 25 and 0.74 of fees
    round_trip(ride, -20)
    assert ride.state.sessions["s1"].status == "paused"
    takes(ride)  # a person's order is not the session's
    ride = started(session_daily_loss_usd=USD(40))
    round_trip(ride, -20)
    round_trip(ride, -20)
    refuses_the_session(ride, "session_daily_loss_usd")


def session_fall() -> None:
    ride = started(session_drawdown_usd=USD(60))
    round_trip(ride, 40)  # best: 50 − 0.74
    for _ in range(2):
        round_trip(ride, -20)
    takes(ride)
    round_trip_of_a_person = ride.state.book(MES).qty
    assert round_trip_of_a_person == 1
    ride.feed(first_sell(ride))
    ride.settle()
    round_trip(ride, -20)
    refuses_the_session(ride, "session_drawdown_usd")


def fall() -> None:
    ride = started(max_drawdown_usd=USD(50))
    round_trip(ride, 40)
    round_trip(ride, -20)
    takes(ride)
    ride.feed(first_sell(ride))
    ride.settle()
    round_trip(ride, -20)
    refuses_a_person(ride, "max_drawdown_usd")


def profit() -> None:
    ride = started(daily_profit_usd=USD(45))
    round_trip(ride, 40)
    refuses_a_person(ride, "daily_profit_usd")


def consistency() -> None:
    ride = linked(started(best_day_share=0.5, daily_loss_usd=USD(900), unstopped_ticks=40))
    takes(ride)
    price(ride, START + 1000, times=3)  # 1,250 of 3,000
    takes(ride)
    price(ride, START + 1000, times=3)  # with the second one, from here
    price(ride, START + 1250, times=3)
    refuses_a_person(ride, "best_day_share")


def buffer() -> None:
    for room, code in ((USD(0), ""), (USD(90), "programme_max_loss")):
        ride = linked(holding(1, floor_buffer_usd=room, unstopped_ticks=1), floor=49_900)
        price(ride, START - 8)  # equity 49,989.63
        if code:
            refuses_a_person(ride, code)
        else:
            takes(ride)


def at_risk() -> None:
    ride = started(capital_at_risk_usd=USD(50))
    ride.bar(enter(1, 2))  # 2 × 20 ticks × 1.25
    assert len(entries(ride)) == 1
    ride = started(capital_at_risk_usd=USD("49.99"))
    ride.outgoing.clear()
    ride.bar(enter(1, 2))
    assert not entries(ride) and ride.said("(capital_at_risk_usd)")
    refuses_a_person(ride, "capital_at_risk_usd")  # no stop: not known


def without_a_stop() -> None:
    takes(started(capital_at_risk_usd=USD(50), unstopped_ticks=40))
    refuses_a_person(started(capital_at_risk_usd=USD(50), unstopped_ticks=41), "capital_at_risk_usd")


def exposure() -> None:
    ride = started(max_micros=3)
    takes(ride, qty=2, contract=MNQ)
    takes(ride)
    refuses_a_person(ride, "max_micros", side=Side.BUY)


def collar_ticks() -> None:
    ride = started(price_collar_ticks=40)
    takes(ride, **LIMIT, limit_ticks=START - 40)
    refuses_a_person(ride, "price_collar", **LIMIT, limit_ticks=START - 41)
    price(ride, START + 41)
    refuses_a_person(ride, "price_collar")  # the market has jumped away from its last bar


def collar_percent() -> None:
    ride = started(price_collar_percent=0.5)
    takes(ride, **LIMIT, limit_ticks=START - 120)
    refuses_a_person(ride, "price_collar", **LIMIT, limit_ticks=START - 121)


def stale() -> None:
    ride = started(stale_after_s=5.0)
    ride.wait(5)
    takes(ride)
    ride.wait(1.1)
    price_was = ride.state.risk.priced_at[MES]
    assert ride.now - price_was > 0
    ride = started(stale_after_s=5.0)
    ride.wait(5.1)
    refuses_a_person(ride, "stale_after_s")


def flips(window: float = 10.0) -> Ride:
    ride = started(max_flips=2, flips_minutes=window)
    for side in (1, -1, 1):
        round_trip(ride, 40, side)
    return ride


def too_many_flips() -> None:
    ride = flips()
    refuses_the_session(ride, "max_flips", side=-1)
    assert ride.state.sessions["s1"].status == "paused"


def flips_long_ago() -> None:
    ride = flips(window=10.0)
    ride.wait(600)
    ride.bar()
    round_trip(ride, 40, -1)
    ride = flips(window=30.0)
    ride.wait(600)
    ride.bar()
    refuses_the_session(ride, "max_flips", side=-1)


def losing() -> None:
    ride = started(consecutive_losses=2)
    round_trip(ride, -20)
    round_trip(ride, 40)
    round_trip(ride, -20)  # the winner between them counts
    round_trip(ride, -20)
    refuses_the_session(ride, "consecutive_losses")


def cooling() -> None:
    ride = started(consecutive_losses=1, cool_down_s=120.0)
    round_trip(ride, -20)
    refuses_the_session(ride, "consecutive_losses")
    ride.wait(60)
    ride.bar()
    round_trip(ride, 40)


def hours() -> None:
    ride = started(market_hours=True)
    takes(ride)
    to(ride, "16:00")
    refuses_a_person(ride, "market_hours")


def flat_by() -> None:
    ride = holding(2, flat_by="15:05")
    to(ride, "15:04")
    ride.settle()
    assert ride.broker.qty() == 2
    to(ride, "15:05")
    ride.settle()
    assert ride.broker.qty() == 0 and not ride.broker.working()
    refuses_a_person(ride, "flat_by")
    to(ride, "17:00")
    takes(ride)


def expiry() -> None:
    takes(started(expiry_days=25))  # Friday, 18 December is 25 days behind Monday, 23 November
    refuses_a_person(started(expiry_days=26), "expiry_days")


def roll_warning() -> None:
    for days, told in ((20, False), (21, True)):  # Monday, 14 December
        ride = started(roll_warn_days=days)
        assert ride.said("MESZ26 rolls in 21 days") is told
        takes(ride)


def news() -> None:
    ride = holding(1)
    ride.feed(e.NewsWindows(at=ride.now, windows=[(ride.now + SECOND, ride.now + MINUTE, "FOMC")]))
    takes(ride)
    ride.wait(1)
    refuses_a_person(ride, "news")
    ride.settle()
    assert ride.broker.qty() == 2  # what is held stays
    ride.wait(59)
    takes(ride)


def news_closes() -> None:
    ride = holding(1, news_flat=True)
    ride.feed(e.NewsWindows(at=ride.now, windows=[(ride.now + SECOND, ride.now + MINUTE, "FOMC")]))
    ride.wait(1)
    ride.settle()
    assert ride.broker.qty() == 0


def blind() -> None:
    ride = holding(1, blind_after_s=10.0)
    ride.wait(10)
    takes(ride)
    ride = holding(1, blind_after_s=10.0)
    ride.wait(10.1)
    refuses_a_person(ride, "halted")
    price(ride, START)
    takes(ride)


def blind_for_long() -> None:
    ride = holding(1, blind_after_s=10.0, blind_flatten_s=30.0)
    ride.wait(30)
    ride.settle()
    assert ride.broker.qty() == 1
    ride.wait(0.1)
    ride.settle()
    assert ride.broker.qty() == 0


def unattended() -> None:
    ride = started(unattended_after_s=600.0)
    refuses_a_person(ride, "unattended_after_s")
    ride.feed(e.OperatorSeen(at=ride.now, person="ann"))
    ride.wait(600)
    takes(ride)
    ride.wait(0.1)
    refuses_a_person(ride, "unattended_after_s")


FIELDS: dict[str, Scene] = {
    "max_order_qty": size,
    "max_position": position,
    "max_open_orders": open_orders,
    "daily_loss_usd": daily_loss,
    "max_orders_per_minute": rate,
    "protect_within_s": unprotected,
    "products": products,
    "on_breach": breach_stops_the_account,
    "equity_readings": readings,
    "session_daily_loss_usd": session_loss,
    "session_drawdown_usd": session_fall,
    "max_drawdown_usd": fall,
    "daily_profit_usd": profit,
    "best_day_share": consistency,
    "floor_buffer_usd": buffer,
    "capital_at_risk_usd": at_risk,
    "unstopped_ticks": without_a_stop,
    "max_micros": exposure,
    "price_collar_ticks": collar_ticks,
    "price_collar_percent": collar_percent,
    "stale_after_s": stale,
    "max_flips": too_many_flips,
    "flips_minutes": flips_long_ago,
    "consecutive_losses": losing,
    "cool_down_s": cooling,
    "market_hours": hours,
    "flat_by": flat_by,
    "expiry_days": expiry,
    "roll_warn_days": roll_warning,
    "news_flat": news_closes,
    "blind_after_s": blind,
    "blind_flatten_s": blind_for_long,
    "unattended_after_s": unattended,
}


# --- codes that hang on no field --------------------------------------------------------------------------------------


def same_intent() -> None:
    ride = started()
    ride.bar(enter(1))
    assert len(entries(ride)) == 1
    bar, session = ride.now, ride.state.sessions["s1"]
    tag = entries(ride)[0].command.tag
    ride.feed(e.PlaceAnswered(at=ride.now, tag=tag, outcome="rejected", code=2, reason="busy"))
    session.last_bar_end = 0  # the same bar comes again, and the program has forgotten that it had it
    ride.outgoing.clear()
    ride.feed(bar_closed(bar, PRODUCT.price(START)))
    assert session.last_bar_end == bar and not entries(ride) and ride.said("(duplicate_intent)")


def session_breach() -> None:
    ride = started(session_daily_loss_usd=USD(40), on_breach="session")
    round_trip(ride, -20)
    round_trip(ride, -20)
    ride.feed(resumed(ride))  # a person resumes it: the breach still stands
    refuses_the_session(ride, "breach")


def resumed(ride: Ride) -> e.Event:
    return e.SessionStarted(
        at=ride.now, session="s1", strategy="v1", contract=MES, timeframe="1m", parameters={}, person="ann"
    )


def floor_reached() -> None:
    refuses_a_person(linked(started(), floor=50_000), "halted")  # it acts by itself, and halts


def floor_of_the_gate() -> None:
    ride = linked(started(unstopped_ticks=4), floor=49_990)
    takes(ride)  # 5 of the 10 USD
    price(ride, START - 8)  # −10 and fees: one reading is no breach, but no entry either
    refuses_a_person(ride, "programme_max_loss")
    assert not ride.state.risk.breaches


def day_of_the_programme() -> None:
    ride = linked(started(daily_loss_usd=USD(5000), max_position=9, unstopped_ticks=1))
    takes(ride, qty=5)
    price(ride, START - 155)  # −968.75 and 1.85 of fees; six contracts without a stop may lose a tick each
    takes(ride)
    ride = linked(started(daily_loss_usd=USD(5000), max_position=9, unstopped_ticks=1))
    takes(ride, qty=5)
    price(ride, START - 160)
    refuses_a_person(ride, "programme_daily_loss")


def contracts_of_the_programme() -> None:
    big = started(max_order_qty=60, max_position=60, unstopped_ticks=1)
    ride = linked(big, name="topstep-50k-express", floor=-2000, day_start=0)
    takes(ride, qty=20)  # 2 minis at no profit
    refuses_a_person(ride, "programme_contracts")


def headroom() -> None:
    for stop, words in ((None, "the order has no stop"), (20, "something held or working has no stop")):
        ride = linked(started())
        if stop:
            ride.broker.external(Side.BUY, 1)
            ride.settle()
        refuses_a_person(ride, "headroom", stop_loss_ticks=None if stop is None else -stop)
        assert ride.said(words)
    ride = linked(started(), floor=49_975)
    ride.outgoing.clear()
    ride.bar(enter(1))  # 20 ticks × 1.25 = 25: exactly down to the floor
    assert not entries(ride) and ride.said("(headroom)")
    ride = linked(started(), floor=49_974)
    ride.outgoing.clear()
    ride.bar(enter(1))
    assert len(entries(ride)) == 1


def no_price() -> None:
    refuses_a_person(started(price_collar_ticks=40), "no_price", contract=MNQ)


def lease_over() -> None:
    ride = started()
    ride.feed(e.BudgetLeased(at=ride.now, until=ride.now + 10 * SECOND, daily_loss_usd=USD(20), max_micros=2))
    takes(ride, qty=2)
    refuses_a_person(ride, "lease")  # a third micro
    ride.feed(first_sell(ride))
    ride.settle()
    price(ride, START - 16, times=2)  # −20 and fees
    refuses_a_person(ride, "lease")
    ride.wait(11)
    refuses_a_person(ride, "halted")  # nobody has renewed it


def tick_value() -> None:
    ride = started(capital_at_risk_usd=USD(500), unstopped_ticks=8)
    takes(ride)
    book = ride.state.book(MES)
    broken = object.__new__(type(book.spec))
    for name in type(book.spec).__slots__:
        object.__setattr__(broken, name, getattr(book.spec, name))
    object.__setattr__(broken, "tick_value", USD(0))
    ride.state.book(MNQ).spec = broken
    refuses_a_person(ride, "tick_value", contract=MNQ)


CODES: dict[Code, Scene] = {
    **first.GATE,
    Code.ORDER_SIZE: size,
    Code.POSITION: position,
    Code.OPEN_ORDERS: open_orders,
    Code.ORDER_RATE: rate,
    Code.DAILY_LOSS: daily_loss,
    Code.DUPLICATE_INTENT: same_intent,
    Code.BREACH: session_breach,
    Code.SESSION_LOSS: session_loss,
    Code.DRAWDOWN: fall,
    Code.SESSION_DRAWDOWN: session_fall,
    Code.PROFIT_LOCK: profit,
    Code.CONSISTENCY: consistency,
    Code.MAX_LOSS: floor_of_the_gate,
    Code.PROGRAMME_DAY: day_of_the_programme,
    Code.PROGRAMME_CAP: contracts_of_the_programme,
    Code.HEADROOM: headroom,
    Code.CAPITAL_AT_RISK: at_risk,
    Code.TICK_VALUE: tick_value,
    Code.MICROS: exposure,
    Code.COLLAR: collar_ticks,
    Code.NO_PRICE: no_price,
    Code.STALE_DATA: stale,
    Code.FLIPS: too_many_flips,
    Code.COOL_DOWN: losing,
    Code.MARKET_CLOSED: hours,
    Code.FLAT_BY: flat_by,
    Code.EXPIRY: expiry,
    Code.NEWS: news,
    Code.UNATTENDED: unattended,
    Code.LEASE: lease_over,
}


@pytest.mark.statement(28)
@pytest.mark.parametrize("field", Limits.__struct_fields__)
def test_every_limit_fires_through_the_real_order_path(field: str) -> None:
    FIELDS[field]()


@pytest.mark.statement(28)
@pytest.mark.statement(31)
@pytest.mark.statement(32)
@pytest.mark.parametrize("code", list(Code))
def test_every_code_of_the_gate_refuses_in_a_scene(code: Code) -> None:
    CODES[code]()


def test_the_lists_are_those_of_the_code() -> None:
    assert set(FIELDS) == set(Limits.__struct_fields__)
    assert set(CODES) == set(Code)


@pytest.mark.parametrize("code", sorted(set(CODES) - set(first.GATE)))
def test_a_scene_breaks_when_the_gate_lets_its_code_through(code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
    first.without(code)(monkeypatch)
    with pytest.raises(AssertionError):
        CODES[code]()
