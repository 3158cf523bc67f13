"""Two runs of one session compared: every difference has a cause, and the dollars add up."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest.decisions import (
    DATA,
    FEE,
    FILL_PRICE,
    MISSED,
    SIGNAL,
    TIMING,
    Decision,
    Trip,
    decided_otherwise,
    filled_otherwise,
    held_otherwise,
    price_text,
    run_of,
)
from workbench.domain import commands as c
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.domain.contract import spec
from workbench.domain.order import OrderType, Side
from workbench.domain.position import Fill

MES = "CON.F.US.MES.Z26"
PRODUCT = spec(MES)  # a tick is 1.25 USD
STARTED = e.SessionStarted(at=0, session="s1", strategy="v", contract=MES, timeframe="1m", parameters={})


def bar(minute: int) -> e.BarClosed:
    end = minute * MINUTE
    return e.BarClosed(
        at=end, contract=MES, timeframe="1m", start=end - MINUTE, end=end, open=1, high=1, low=1, close=1, volume=1
    )


def place(tag: str, session: str = "s1") -> c.PlaceOrder:
    return c.PlaceOrder(
        account=1,
        contract=MES,
        tag=tag,
        side=Side.BUY,
        type=OrderType.MARKET,
        qty=2,
        rule="entry.long",
        session=session,
    )


def fill(number: int, order: int, qty: int, ticks: int, at: int) -> e.FillReported:
    told = Fill(
        trade_id=number, order_id=order, account=1, contract=MES, qty=qty, ticks=ticks, at=at, fees=Decimal("0.37")
    )
    return e.FillReported(at=at, fill=told)


def test_what_the_journal_says_was_decided_and_what_it_came_to() -> None:
    close = c.ClosePosition(account=1, contract=MES, reason="exit.long")
    by_hand = c.ClosePosition(account=1, contract=MES, reason="flattened by ann")
    steps = [
        (bar(1), [place("t1")]),
        (e.PlaceAnswered(at=MINUTE, tag="t1", outcome="accepted", order_id=7), []),
        (fill(1, 7, 1, 100, MINUTE + 1), []),
        (fill(1, 7, 1, 100, MINUTE + 1), []),  # the gateway repeats itself
        (fill(2, 7, 1, 102, MINUTE + 2), []),
        (bar(2), [c.ModifyOrder(account=1, contract=MES, order_id=8, stop_ticks=95, reason="trail")]),
        (bar(3), [c.CancelOrder(account=1, contract=MES, order_id=n, reason="exit.long") for n in (8, 9)]),
        (e.TimerFired(at=3 * MINUTE + 1), [close]),
        (fill(3, 10, -2, 110, 3 * MINUTE + 2), []),
        (e.FlattenRequested(at=4 * MINUTE, contract=MES, reason="x"), [by_hand]),
        (bar(5), [place("t2", session="another")]),
    ]
    run = run_of(steps, STARTED, PRODUCT, MINUTE)
    assert run.decisions == [
        Decision(MINUTE, "entry", (1, 2), "entry.long"),
        Decision(2 * MINUTE, "stop", (95,), "trail"),
        Decision(3 * MINUTE, "exit", (), "exit.long"),
    ]
    (trip,) = run.trips
    assert (trip.bar, trip.qty, trip.entry_ticks, trip.exit_ticks) == (MINUTE, 2, Decimal(101), Decimal(110))
    # 9 ticks × 2 contracts × 1.25 = 22.50; three fills at 0.37 = 1.11
    assert (trip.gross_usd, trip.fees_usd, run.net_usd) == (Decimal("22.50"), Decimal("1.11"), Decimal("21.39"))


def test_each_decision_that_only_one_has_made_has_its_cause() -> None:
    entry = [Decision(n * MINUTE, "entry", (1, 1), "entry.long") for n in range(10)]
    exit_at_8 = Decision(8 * MINUTE, "exit", (), "exit.long")
    found = decided_otherwise(
        [entry[2], entry[5]], [entry[1], entry[3], exit_at_8], late={3 * MINUTE}, unlike=[7 * MINUTE], bar_ns=MINUTE
    )
    assert [(d.bar // MINUTE, d.cause) for d in found] == [
        (1, TIMING), (2, TIMING), (3, MISSED), (5, SIGNAL), (8, DATA),
    ]  # fmt: skip
    assert found[-1].text == "only replay: exit  by exit.long"
    assert decided_otherwise(entry, entry, late=(), unlike=(), bar_ns=MINUTE) == []


def test_an_exit_that_only_one_needs_because_a_stop_took_the_other_out_is_no_other_signal() -> None:
    # both entered at the close of bar 1; one was filled 3 ticks away, so its stop was hit before bar 4 said exit
    live, again = trip(1, 100, 104, minutes=3), trip(1, 103, 98, minutes=2)
    held = held_otherwise([live], [again], MINUTE)
    said = Decision(4 * MINUTE, "exit", (), "exit.long")
    (found,) = decided_otherwise([said], [], late=(), unlike=(), bar_ns=MINUTE, held=held)
    assert found.cause == FILL_PRICE
    later = said._replace(bar=9 * MINUTE)
    (found,) = decided_otherwise([later], [], late=(), unlike=(), bar_ns=MINUTE, held=held)
    assert found.cause == SIGNAL
    assert held_otherwise([live], [live], MINUTE) == []


def trip(bar: int, entry: int, leave: int | None, *, qty: int = 1, minutes: int = 2, fees: str = "0.74") -> Trip:
    at = bar * MINUTE
    gross = Decimal(0) if leave is None else (leave - entry) * qty * PRODUCT.tick_value
    return Trip(
        bar=at, qty=qty, entry_ticks=Decimal(entry), exit_ticks=None if leave is None else Decimal(leave), entry_at=at,
        exit_at=at + minutes * MINUTE, exit_bar=at + minutes * MINUTE, gross_usd=gross, fees_usd=Decimal(fees),
    )  # fmt: skip


def test_a_worse_entry_a_later_exit_and_other_fees_are_told_apart_in_dollars() -> None:
    live, again = trip(1, 102, 110, minutes=3, fees="1.00"), trip(1, 100, 111)
    found = filled_otherwise([live], [again], {}, PRODUCT)
    # in 2 ticks higher: −2.50; out 1 tick lower and a bar later: −1.25; fees 0.26 more
    assert {d.cause: d.usd for d in found} == {
        FILL_PRICE: Decimal("-2.50"), TIMING: Decimal("-1.25"), FEE: Decimal("-0.26"),
    }  # fmt: skip
    # 102 ticks of a quarter of a point
    assert next(d.text for d in found if d.cause == FILL_PRICE) == "in at 25.50, the replay at 25.00"


@pytest.mark.parametrize(
    ("root", "ticks", "text"),
    [
        ("MES", 27_652, "6,913.00"),
        ("MES", Decimal("27652.5"), "6,913.125"),  # the average of two prices lies between two ticks
        ("CL", -3763, "-37.63"),
        ("ZN", 7001, "109.390625"),  # 64ths
        ("6E", 21_601, "1.08005"),
    ],
)
def test_prices_are_written_in_points_with_the_digits_of_their_tick(root: str, ticks: int, text: str) -> None:
    assert price_text(ticks, spec(root)) == text


def test_a_stop_that_only_one_moved_is_told_in_points() -> None:
    made = Decision(MINUTE, "stop", (27_652,), "trail")
    (found,) = decided_otherwise([made], [], late=(), unlike=(), bar_ns=MINUTE, product=PRODUCT)
    assert found.text == "only live: stop 6,913.00 by trail"


def test_a_trade_that_only_one_has_made_counts_whole_for_its_cause() -> None:
    found = filled_otherwise([trip(1, 100, 108)], [trip(5, 100, 104)], {MINUTE: DATA, 5 * MINUTE: MISSED}, PRODUCT)
    assert [(d.cause, d.usd) for d in found] == [(DATA, Decimal("9.26")), (MISSED, Decimal("-4.26"))]


trips = st.builds(
    trip,
    st.integers(0, 6),
    st.integers(90, 110),
    st.one_of(st.none(), st.integers(90, 110)),
    qty=st.sampled_from((-2, -1, 1, 2)),
    minutes=st.integers(0, 3),
    fees=st.sampled_from(("0.74", "1.48")),
)


def each_bar_once(found: list[Trip]) -> list[Trip]:
    return [t for n, t in enumerate(found) if t.bar == 0 or t.bar not in {other.bar for other in found[:n]}]


@given(live=st.lists(trips, max_size=6).map(each_bar_once), again=st.lists(trips, max_size=6).map(each_bar_once))
def test_the_causes_add_up_to_the_difference_of_the_profits(live: list[Trip], again: list[Trip]) -> None:
    def net(run: list[Trip]) -> Decimal:
        return sum((t.gross_usd - t.fees_usd for t in run), Decimal(0))

    told = filled_otherwise(live, again, {}, PRODUCT)
    assert sum((d.usd for d in told), Decimal(0)) == net(live) - net(again)
