"""Columns give what the stream gives, bit for bit."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.series import HOURS, random_inputs, same, stream
from workbench.domain.hours import at_local
from workbench.domain.timeframe import timeframe
from workbench.rules.arrays import ColumnCache, evaluate
from workbench.rules.expression import (
    Arithmetic,
    Back,
    Call,
    Comparison,
    Expression,
    Higher,
    Kind,
    Logic,
    Negative,
    Not,
    Number,
    Series,
    Text,
)
from workbench.rules.graph import Graph
from workbench.rules.inputs import Inputs
from workbench.rules.zones import local_second, local_seconds

N, C = Kind.NUMBER, Kind.CONDITION


def number(chance: random.Random, depth: int, *, higher: bool = True) -> Expression:
    """A random number of the rule language."""
    if depth <= 0:
        return chance.choice([Series("close"), Series("high"), Series("low"), Series("open"), Number(4000.0)])
    less = depth - 1
    kinds = ["plain", "arithmetic", "negative", "back", "sma", "ema", "highest", "atr", "abs", "min", "count", "since"]
    match chance.choice([*kinds, "higher"] if higher else kinds):
        case "arithmetic":
            sides = number(chance, less, higher=higher), number(chance, less, higher=higher)
            return Arithmetic(chance.choice("+-*/"), *sides)
        case "negative":
            return Negative(number(chance, less, higher=higher))
        case "back":
            return Back(number(chance, less, higher=higher), Number(float(chance.randrange(4))))
        case "sma" | "ema" | "highest" as name:
            return Call(name, (number(chance, less, higher=higher), Number(float(chance.randrange(1, 6)))), N)
        case "atr":
            return Call("atr", (Number(3.0),), N)
        case "abs":
            return Call("abs", (number(chance, less, higher=higher),), N)
        case "min":
            parts = tuple(number(chance, less, higher=higher) for _ in range(3))
            return Call(chance.choice(["min", "max"]), parts, N)
        case "count":
            return Call("count", (condition(chance, less, higher=higher), Number(float(chance.randrange(1, 5)))), N)
        case "since":
            return Call("bars_since", (condition(chance, less, higher=higher),), N)
        case "higher":
            return Higher(chance.choice(["4h", "1d"]), number(chance, less, higher=False))
    return number(chance, 0)


def condition(chance: random.Random, depth: int, *, higher: bool = True) -> Expression:
    """A random condition of the rule language."""
    less = depth - 1
    match chance.choice(["compare", "compare", "cross", "between", *(["logic", "not", "window"] if depth > 0 else [])]):
        case "cross":
            sides = number(chance, less, higher=higher), number(chance, less, higher=higher)
            return Call(chance.choice(["cross_above", "cross_below", "crosses"]), sides, C)
        case "between":
            zone = (Text(chance.choice(["America/New_York", "Europe/London", "Asia/Tokyo"])),) if higher else ()
            return Call("between", (Series("time"), Text("22:00"), Text("11:30"), *zone), C)
        case "logic":
            parts = tuple(condition(chance, less, higher=higher) for _ in range(chance.randrange(2, 4)))
            return Logic(chance.choice(["and", "or"]), parts)
        case "not":
            return Not(condition(chance, less, higher=higher))
        case "window":
            of = condition(chance, less, higher=higher)
            return Call(chance.choice(["any", "all"]), (of, Number(float(chance.randrange(1, 5)))), C)
    sides = number(chance, less, higher=higher), number(chance, less, higher=higher)
    return Comparison(chance.choice(["<", "<=", ">", ">=", "==", "!="]), *sides)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["1h", "15m", "2h"]), st.sampled_from([0.0, 0.03]))
def test_columns_are_the_stream_bit_for_bit(seed: int, text: str, unknown: float) -> None:
    chance = random.Random(seed)
    expressions = [make(chance, 3) for make in (number, condition, condition)]
    graph = Graph({}, timeframe=text)
    slots = [graph.add(expression) for expression in expressions]
    inputs = random_inputs(seed, text=text, bars=120, unknown=unknown)
    arrays = evaluate(graph, inputs, slots, ColumnCache())
    streamed = stream(graph, inputs, slots)
    for slot, expression in zip(slots, expressions, strict=True):
        assert same(arrays[slot], streamed[slot]), expression


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["1h", "15m"]), st.sampled_from(["2h", "4h", "12h", "1d", "1w"]))
def test_a_higher_bar_is_seen_when_it_is_closed_and_whole(seed: int, text: str, above: str) -> None:
    inputs = random_inputs(seed, text=text, bars=150, holes=0.2)
    frame = timeframe(above)
    graph = Graph({}, timeframe=text)
    slots = [graph.add(Higher(above, Series(name))) for name in ("open", "high", "low", "close", "volume")]
    streamed = stream(graph, inputs, slots)
    rows = list(zip(inputs.starts.tolist(), inputs.ends.tolist(), strict=True))
    homes = [frame.bar_start(end - 1, HOURS) for _, end in rows]
    for i, (_, now) in enumerate(rows):
        # by hand: every bar that ended by now and whose beginning our bars show
        closed = [h for h in dict.fromkeys(homes[: i + 1]) if frame.bar_end(h, HOURS) <= now]
        closed = [h for h in closed if h != homes[0] or rows[0][0] <= h]
        found = [streamed[slot][i] for slot in slots]
        if not closed:
            assert all(map(math.isnan, found))
            continue
        inside = [j for j in range(i + 1) if homes[j] == closed[-1]]
        expected = [
            inputs.open[inside[0]],
            inputs.high[inside].max(),
            inputs.low[inside].min(),
            inputs.close[inside[-1]],
            inputs.volume[inside].sum(),
        ]
        assert found == expected
    arrays = evaluate(graph, inputs, slots)
    assert all(same(arrays[slot], streamed[slot]) for slot in slots)


def test_the_last_bar_before_an_early_close_is_seen_at_its_own_end() -> None:
    # Friday 28 November 2025: index products close at 12:15. The 4-hour bar from 09:00 ends at 13:00, when nobody
    # trades: the first close after it is that of Sunday's first hour.
    hour = timeframe("1h")
    begin, sunday = at_local_hours(28, range(5, 12)), at_local_hours(30, range(17, 19))
    starts = np.array(begin + sunday, dtype=np.int64)
    closes = np.arange(len(starts), dtype=np.float64)
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), closes)
    inputs = Inputs(starts=starts, ends=hour.bar_ends(starts, HOURS), hours=HOURS, **prices)
    graph = Graph({}, timeframe="1h")
    slot = graph.add(Higher("4h", Series("close")))
    # 05:00 … 08:00 is whole and seen at 09:00; 09:00 … 11:00 is seen on Sunday at 18:00
    expected = [math.nan] * 3 + [3.0] * 4 + [6.0] * 2
    assert same(evaluate(graph, inputs, [slot])[slot], expected)
    assert same(np.array(expected), stream(graph, inputs, [slot])[slot])


def at_local_hours(day: int, hours: range) -> list[int]:
    from datetime import date

    return [at_local(date(2025, 11, day), f"{hour:02d}:00") for hour in hours]


def test_equal_sub_expressions_are_found_by_other_graphs() -> None:
    inputs, cache = random_inputs(1), ColumnCache()
    for length in (3.0, 5.0, 3.0):
        graph = Graph({"n": length}, timeframe="1h")
        fast = Call("sma", (Series("close"), Number(2.0)), N)
        slot = graph.add(Comparison(">", fast, Call("sma", (Series("close"), Number(length)), N)))
        evaluate(graph, inputs, [slot], cache)
    # four columns for the first, two for the second (its average, its comparison), nothing for the third
    assert len(cache) == 5 and cache.misses == 3 + 2 and cache.hits == 1 + 1


def test_a_full_cache_forgets_what_was_used_longest_ago() -> None:
    cache = ColumnCache(max_bytes=3 * 80)
    for name in "abc":
        cache.put(name, np.zeros(10))
    assert cache.get("a") is not None
    cache.put("d", np.zeros(10))
    assert cache.get("b") is None and cache.get("a") is not None and cache.bytes == 240
    cache.put("huge", np.zeros(1000))
    assert cache.get("huge") is None and len(cache) == 3


def test_what_is_fixed_is_a_number() -> None:
    graph = Graph({"n": 3.0, "on": True})
    slot = graph.add(Comparison(">", Arithmetic("*", Number(2.0), Number(4.0)), Number(7.0)))
    assert evaluate(graph, random_inputs(1), [slot]) == {slot: 1.0}


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe"])
def test_wall_time_is_the_same_for_one_instant_and_for_many(zone: str) -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    hour = 3_600_000_000_000
    at = np.arange(0, 400 * 24, dtype=np.int64) * hour + 1_735_689_600_000_000_000 + hour // 2  # through 2025
    many = local_seconds(zone, at)
    for i in range(0, len(at), 5):
        wall = datetime.fromtimestamp(int(at[i]) // 1_000_000_000, UTC).astimezone(ZoneInfo(zone))
        assert many[i] == local_second(zone, int(at[i])) == wall.hour * 3600 + wall.minute * 60 + wall.second
