"""The written fill model, cell by cell: what each order does in a bar that gaps, touches, passes, or does both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest.fills import BarMatcher
from workbench.backtest.matcher import Resting
from workbench.domain.order import OrderType, Side

BUY, SELL = Side.BUY, Side.SELL
START, END = 1_000, 2_000


def order(key: int, side: Side, kind: OrderType, level: int | None = None, qty: int = 1) -> Resting:
    limit, stop = (level, None) if kind is OrderType.LIMIT else (None, level)
    return Resting(key=key, side=side, type=kind, qty=qty, limit=limit, stop=stop)


def prices(
    orders: list[Resting], bar: tuple[int, int, int, int], held: int = 0, *, slippage: int = 1, touch: bool = False
) -> dict[int, int]:
    """Fill price of each order that filled, when it has rested through a quiet bar before."""
    matcher = BarMatcher(slippage_ticks=slippage, touch=touch)
    for each in orders:
        matcher.submit(each, 0)
    if all(each.type is not OrderType.MARKET for each in orders):
        assert list(matcher.play(0, START, 100, 100, 100, 100, held)) == []
    return {fill.key: fill.ticks for fill in matcher.play(START, END, *bar, held)}


@pytest.mark.parametrize(
    ("side", "kind", "level", "bar", "expected"),
    [
        # market: the open, one tick against us, never outside the bar
        (BUY, OrderType.MARKET, None, (101, 105, 99, 103), 102),
        (SELL, OrderType.MARKET, None, (101, 105, 99, 103), 100),
        (BUY, OrderType.MARKET, None, (101, 101, 99, 100), 101),
        (SELL, OrderType.MARKET, None, (101, 105, 101, 103), 101),
        # stop: gap, touch, through, not reached
        (BUY, OrderType.STOP, 104, (106, 108, 105, 107), 107),
        (BUY, OrderType.STOP, 104, (101, 104, 100, 102), 104),  # touched at the high: slippage ends there
        (BUY, OrderType.STOP, 104, (101, 106, 100, 102), 105),
        (BUY, OrderType.STOP, 104, (101, 103, 100, 102), None),
        (SELL, OrderType.STOP, 96, (94, 95, 92, 93), 93),
        (SELL, OrderType.STOP, 96, (99, 100, 96, 98), 96),
        (SELL, OrderType.STOP, 96, (99, 100, 94, 98), 95),
        (SELL, OrderType.STOP, 96, (99, 100, 97, 98), None),
        # limit: gap (the bar's nearest price to its own), touch, through, not reached; no slippage
        (BUY, OrderType.LIMIT, 96, (94, 95, 92, 93), 95),
        (BUY, OrderType.LIMIT, 96, (94, 97, 92, 93), 96),
        (BUY, OrderType.LIMIT, 96, (99, 100, 96, 98), None),
        (BUY, OrderType.LIMIT, 96, (99, 100, 95, 98), 96),
        (BUY, OrderType.LIMIT, 96, (99, 100, 97, 98), None),
        (SELL, OrderType.LIMIT, 104, (106, 108, 105, 107), 105),
        (SELL, OrderType.LIMIT, 104, (101, 104, 100, 102), None),
        (SELL, OrderType.LIMIT, 104, (101, 105, 100, 102), 104),
    ],
)
@pytest.mark.statement(48)
def test_each_order_in_each_bar(
    side: Side, kind: OrderType, level: int | None, bar: tuple[int, int, int, int], expected: int | None
) -> None:
    assert prices([order(1, side, kind, level)], bar) == ({} if expected is None else {1: expected})


def test_a_touch_fills_a_limit_only_when_asked() -> None:
    resting = [order(1, SELL, OrderType.LIMIT, 104)]
    assert prices(resting, (101, 104, 100, 102), touch=True) == {1: 104}


@pytest.mark.parametrize(
    ("held", "stop", "target", "bar", "first"),
    [
        (1, 96, 104, (100, 106, 94, 105), 1),  # both reached, closing near the target: still the stop
        (1, 96, 104, (100, 106, 94, 95), 1),
        (1, 96, 104, (105, 106, 94, 105), 2),  # opens beyond the target: that one was first, whatever came then
        (1, 96, 104, (95, 106, 94, 105), 1),
        (-1, 104, 96, (100, 106, 94, 95), 1),
        (-1, 104, 96, (95, 106, 94, 95), 2),
        (-1, 104, 96, (100, 106, 97, 98), 1),
        (1, 96, 104, (100, 106, 97, 105), 2),
    ],
)
def test_stop_and_target_in_one_bar_is_the_stop(
    held: int, stop: int, target: int, bar: tuple[int, int, int, int], first: int
) -> None:
    side = SELL if held > 0 else BUY
    legs = [order(1, side, OrderType.STOP, stop), order(2, side, OrderType.LIMIT, target)]
    matcher = BarMatcher()
    for leg in legs:
        matcher.submit(leg, 0)
    list(matcher.play(0, START, 100, 100, 100, 100, held))
    filled = []
    for fill in matcher.play(START, END, *bar, held):
        filled.append(fill.key)
        matcher.cancel(3 - fill.key)  # one cancels the other
    assert filled == [first]


def test_legs_that_are_placed_after_a_fill_at_the_open_meet_the_rest_of_the_bar_but_not_the_open() -> None:
    matcher = BarMatcher()
    matcher.submit(order(1, BUY, OrderType.MARKET), 0)
    seen = []
    for fill in matcher.play(START, END, 100, 110, 100, 105, 0):
        seen.append((fill.key, fill.ticks, fill.at))
        if fill.key == 1:
            matcher.turn(1)
            matcher.submit(order(2, SELL, OrderType.STOP, 97), fill.at)
            matcher.submit(order(3, SELL, OrderType.LIMIT, 109), fill.at)
    assert seen == [(1, 101, START), (3, 109, END - 1)]


def test_an_order_sent_in_answer_to_a_fill_at_the_open_still_meets_the_open() -> None:
    matcher = BarMatcher()
    matcher.submit(order(1, SELL, OrderType.MARKET), 0)
    seen = []
    for fill in matcher.play(START, END, 100, 110, 90, 105, 1):
        seen.append((fill.key, fill.ticks))
        if fill.key == 1:
            matcher.submit(order(2, SELL, OrderType.MARKET), fill.at)
    assert seen == [(1, 99), (2, 99)]


def test_two_stops_on_the_way_fill_each_at_its_own_level() -> None:
    stops = [order(1, SELL, OrderType.STOP, 95), order(2, SELL, OrderType.STOP, 97)]
    assert prices(stops, (100, 100, 90, 92), 2, slippage=0) == {1: 95, 2: 97}


BARS = st.tuples(st.integers(80, 120), st.integers(0, 15), st.integers(0, 15), st.integers(-15, 15)).map(
    lambda t: (t[0], max(t[0], t[0] + t[3]) + t[1], min(t[0], t[0] + t[3]) - t[2], t[0] + t[3])
)
ORDERS = st.lists(
    st.tuples(
        st.sampled_from([BUY, SELL]),
        st.sampled_from([OrderType.MARKET, OrderType.STOP, OrderType.LIMIT]),
        st.integers(75, 125),
    ),
    max_size=6,
)


@given(ORDERS, st.lists(BARS, min_size=1, max_size=5), st.integers(-2, 2), st.integers(0, 3))
@pytest.mark.statement(48)
def test_no_fill_lies_outside_its_bar_and_none_is_better_than_its_price(
    orders: list[tuple[Side, OrderType, int]], bars: list[tuple[int, int, int, int]], held: int, slippage: int
) -> None:
    matcher = BarMatcher(slippage_ticks=slippage)
    made = {}
    for key, (side, kind, level) in enumerate(orders):
        made[key] = order(key, side, kind, None if kind is OrderType.MARKET else level)
        matcher.submit(made[key], 0)
    for i, bar in enumerate(bars):
        for fill in matcher.play(i * 1000, i * 1000 + 1000, *bar, held):
            open_, high, low, _ = bar
            assert low <= fill.ticks <= high
            resting = made[fill.key]
            sign = resting.side.sign
            if resting.type is OrderType.LIMIT:
                assert resting.limit is not None and (fill.ticks - resting.limit) * sign <= 0
            if resting.type is OrderType.STOP:
                assert resting.stop is not None and (fill.ticks - resting.stop) * sign >= 0
            if resting.type is OrderType.MARKET:
                assert (fill.ticks - open_) * sign >= 0
