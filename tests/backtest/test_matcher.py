"""The written fill model, one line per case; expected fills are worked out by hand from the model's sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.backtest.matcher import (
    FillRules,
    Matcher,
    Resting,
    bar_path,
    replay,
    trail_distance,
    wrong_side,
)
from workbench.domain.errors import InputError
from workbench.domain.order import OrderType, Side

BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET, STOP, TRAIL = (
    OrderType.LIMIT,
    OrderType.MARKET,
    OrderType.STOP,
    OrderType.TRAILING_STOP,
)

# name, rules, order, prints (ticks, size), expected fills (print number, ticks, qty)
CASES = [
    ("market takes the next print", {}, {"side": BUY, "type": MARKET, "qty": 2}, [(100, 1)], [(0, 100, 2)]),
    ("market pays slippage", {"slippage_ticks": 2}, {"side": SELL, "type": MARKET, "qty": 1}, [(100, 1)], [(0, 98, 1)]),
    ("limit at the print waits", {}, {"side": BUY, "type": LIMIT, "qty": 1, "limit": 100}, [(100, 9), (100, 9)], []),
    ("limit fills on trade-through at its price", {}, {"side": BUY, "type": LIMIT, "qty": 1, "limit": 100},
     [(101, 1), (99, 1)], [(1, 100, 1)]),
    ("limit fills on touch if asked", {"touch": True}, {"side": SELL, "type": LIMIT, "qty": 1, "limit": 100},
     [(99, 1), (100, 1)], [(1, 100, 1)]),
    ("marketable limit gets the better first print", {}, {"side": BUY, "type": LIMIT, "qty": 1, "limit": 100},
     [(95, 1)], [(0, 95, 1)]),
    ("resting limit gapped through still gets its own price", {}, {"side": SELL, "type": LIMIT, "qty": 1, "limit": 100},
     [(98, 1), (110, 1)], [(1, 100, 1)]),
    ("limit pays no slippage", {"slippage_ticks": 3}, {"side": BUY, "type": LIMIT, "qty": 1, "limit": 100},
     [(101, 1), (99, 1)], [(1, 100, 1)]),
    ("stop triggers at its level", {}, {"side": BUY, "type": STOP, "qty": 1, "stop": 105},
     [(104, 1), (105, 1)], [(1, 105, 1)]),
    ("stop gaps to the print", {}, {"side": SELL, "type": STOP, "qty": 3, "stop": 95},
     [(96, 1), (90, 1)], [(1, 90, 3)]),
    ("stop pays slippage from the print", {"slippage_ticks": 1}, {"side": BUY, "type": STOP, "qty": 1, "stop": 105},
     [(107, 1)], [(0, 108, 1)]),
    ("part fills follow the prints", {"part_fills": True}, {"side": BUY, "type": LIMIT, "qty": 5, "limit": 100},
     [(101, 9), (99, 2), (99, 2), (98, 7)], [(1, 100, 2), (2, 100, 2), (3, 100, 1)]),
    ("sell trail follows the high and gaps out", {}, {"side": SELL, "type": TRAIL, "qty": 1, "distance": 4},
     [(100, 1), (103, 1), (100, 1), (98, 1)], [(3, 98, 1)]),
    ("buy trail follows the low", {}, {"side": BUY, "type": TRAIL, "qty": 1, "distance": 2},
     [(100, 1), (97, 1), (98, 1), (99, 1)], [(3, 99, 1)]),
    ("trail set by closed bars only", {"trail_on_print": False},
     {"side": SELL, "type": TRAIL, "qty": 1, "distance": 4, "stop": 90}, [(100, 1), (95, 1), (90, 1)], [(2, 90, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rules", "order", "prints", "expected"), CASES, ids=[c[0] for c in CASES])
def test_the_written_fill_model(name, rules, order, prints, expected):
    matcher = Matcher(FillRules(**rules))
    assert matcher.submit(Resting(key=7, **order), at=0) == []
    fills = replay(matcher, [(n, ticks, size) for n, (ticks, size) in enumerate(prints)])
    assert [(f.at, f.ticks, f.qty) for f in fills] == expected
    assert (7 in matcher.orders) == (sum(f.qty for f in fills) < order["qty"])


def quoted(bid=99, ask=100, **rules):
    matcher = Matcher(FillRules(**rules))
    matcher.on_quote(0, bid, ask)
    return matcher


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"side": BUY, "type": MARKET, "qty": 2}, [(100, 2)]),
        ({"side": SELL, "type": MARKET, "qty": 2}, [(99, 2)]),
        ({"side": BUY, "type": LIMIT, "qty": 1, "limit": 103}, [(100, 1)]),
        ({"side": SELL, "type": LIMIT, "qty": 1, "limit": 90}, [(99, 1)]),
        ({"side": BUY, "type": LIMIT, "qty": 1, "limit": 99}, []),
        ({"side": BUY, "type": STOP, "qty": 1, "stop": 105}, []),
    ],
)
def test_orders_that_cross_the_quote_fill_at_the_opposite_best(order, expected):
    assert [(f.ticks, f.qty) for f in quoted().submit(Resting(key=1, **order), at=1)] == expected


def test_a_limit_that_missed_the_quote_rests_and_is_not_marketable_any_more():
    matcher = quoted()
    matcher.submit(Resting(key=1, side=BUY, type=LIMIT, qty=1, limit=99), at=1)
    assert [f.ticks for f in matcher.on_print(2, 90, 1)] == [99]


def test_join_orders_rest_at_the_best_price_of_their_arrival():
    matcher = quoted()
    matcher.submit(Resting(key=1, side=BUY, type=OrderType.JOIN_BID, qty=1), at=1)
    matcher.submit(Resting(key=2, side=SELL, type=OrderType.JOIN_ASK, qty=1), at=1)
    matcher.on_quote(2, 104, 105)
    assert (matcher.orders[1].limit, matcher.orders[2].limit) == (99, 100)
    assert [(f.key, f.ticks) for f in matcher.on_print(3, 98, 1)] == [(1, 99)]


def test_older_orders_take_the_print_first():
    matcher = Matcher(FillRules(part_fills=True))
    for key in (1, 2):
        matcher.submit(Resting(key=key, side=BUY, type=MARKET, qty=2), at=0)
    assert [(f.key, f.qty) for f in matcher.on_print(1, 100, 3)] == [(1, 2), (2, 1)]


def test_modify_moves_a_stop_and_a_cancelled_order_never_fills():
    matcher = Matcher()
    matcher.submit(Resting(key=1, side=SELL, type=STOP, qty=1, stop=90), at=0)
    matcher.submit(Resting(key=2, side=SELL, type=STOP, qty=1, stop=95), at=0)
    matcher.modify(1, 1, stop=97)
    assert matcher.cancel(2) is not None and matcher.cancel(2) is None
    assert [(f.key, f.ticks) for f in matcher.on_print(2, 96, 1)] == [(1, 96)]


def test_a_trail_is_moved_by_a_closed_bar_only_in_our_favour():
    matcher = Matcher(FillRules(trail_on_print=False))
    matcher.submit(Resting(key=1, side=SELL, type=TRAIL, qty=1, distance=4, stop=90), at=0)
    matcher.trail(100)
    matcher.trail(95)
    assert matcher.orders[1].stop == 96


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ({"side": BUY, "type": MARKET, "qty": 0}, "contracts"),
        ({"side": BUY, "type": STOP, "qty": 1}, "stop price"),
        ({"side": BUY, "type": LIMIT, "qty": 1}, "price"),
        ({"side": BUY, "type": TRAIL, "qty": 1}, "distance"),
        (
            {
                "side": BUY,
                "type": OrderType.STOP_LIMIT,
                "qty": 1,
                "limit": 1,
                "stop": 1,
            },
            "stop-limit",
        ),
    ],
)
def test_incomplete_orders_are_refused_with_the_missing_thing_named(order, word):
    with pytest.raises(InputError, match=word):
        Matcher().submit(Resting(key=1, **order), at=0)


def test_stops_on_the_wrong_side_are_recognised():
    assert wrong_side(BUY, 99, 99, 100) and not wrong_side(BUY, 100, 99, 100)
    assert wrong_side(SELL, 100, 99, 100) and not wrong_side(SELL, 99, 99, 100)
    assert not wrong_side(BUY, 5, None, None)
    assert trail_distance(100, 88) == trail_distance(100, 112) == 12
    assert bar_path(5, 9, 1, 5) == (5, 1, 9, 5)


prints = st.lists(st.tuples(st.integers(90, 110), st.integers(1, 5)), min_size=1, max_size=60)
SIZES = st.integers(1, 6)
orders = st.lists(
    st.one_of(
        st.builds(dict, side=st.sampled_from(Side), type=st.just(LIMIT), qty=SIZES, limit=st.integers(90, 110)),
        st.builds(dict, side=st.sampled_from(Side), type=st.just(STOP), qty=SIZES, stop=st.integers(90, 110)),
    ),
    max_size=6,
)  # fmt: skip


@given(orders, prints, st.booleans(), st.booleans())
def test_fills_never_beat_the_limit_never_exceed_the_print_and_bounds_are_honest(wanted, tape, touch, part):
    matcher = Matcher(FillRules(touch=touch, part_fills=part))
    for key, order in enumerate(wanted):
        matcher.submit(Resting(key=key, **order), at=0)
    filled = dict.fromkeys(range(len(wanted)), 0)
    for at, (ticks, size) in enumerate(tape):
        bounds = matcher.bounds()
        fills = matcher.on_print(at, ticks, size)
        assert not (fills and bounds and bounds[0] < ticks < bounds[1])
        assert not part or sum(f.qty for f in fills) <= size
        for fill in fills:
            order = wanted[fill.key]
            filled[fill.key] += fill.qty
            if order["type"] is LIMIT:
                assert (fill.ticks - order["limit"]) * order["side"].sign <= 0
            else:
                assert fill.ticks == ticks
    assert all(filled[k] <= o["qty"] for k, o in enumerate(wanted))
