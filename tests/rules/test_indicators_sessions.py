"""Indicators of the trading day, by hand: session, night, gap, the day before, pivots, vwap, point of control."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules import op_data
from workbench.rules.compiled import column
from workbench.rules.indicators import INDICATORS, SHIPPED, Memory

NAN = math.nan
HOUR = 3600.0
OPENS = 15 * 3600 + 1800  # 08:30 in seconds from 17:00

# Two whole dates and the first bars of a third, four bars each: two in the night (17:00, 02:30), two from 08:30 on.
STARTS = [0.0, 9.5 * HOUR, 15.5 * HOUR, 16.5 * HOUR]
BARS = {
    "day": np.repeat([1.0, 2.0, 3.0], 4)[:10],
    "start_s": np.array(STARTS * 3)[:10],
    "end_s": np.array(STARTS * 3)[:10] + HOUR,
    "open": np.array([100.0, 101, 103, 102, 105, 104, 108, 107, 101, 102]),
    "high": np.array([102.0, 104, 106, 103, 107, 105, 109, 110, 103, 104]),
    "low": np.array([99.0, 100, 101, 100, 103, 102, 106, 104, 100, 101]),
    "close": np.array([101.0, 103, 102, 101, 104, 103, 107, 105, 102, 103]),
    "volume": np.array([10.0, 30, 20, 40, 10, 20, 30, 40, 5, 5]),
}


def ours(name: str, *constants: float, since: int = 0) -> list[float]:
    bars = {k: v[since:] for k, v in BARS.items()}
    return column(INDICATORS[name], op_data.of(INDICATORS[name], bars | {"x": bars["close"]}), constants).tolist()


def same(found: list[float], expected: list[float]) -> None:
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_the_session_runs_from_the_evening_on() -> None:
    same(ours("session_high"), [102, 104, 106, 106, 107, 107, 109, 110, 103, 104])
    same(ours("session_low"), [99, 99, 99, 99, 103, 102, 102, 102, 100, 100])


def test_the_opening_is_that_of_the_day_session_or_of_the_evening() -> None:
    same(ours("session_open", OPENS), [NAN, NAN, 103, 103, NAN, NAN, 108, 108, NAN, NAN])
    same(ours("session_open", 0), [100] * 4 + [105] * 4 + [101] * 2)


def test_the_night_grows_until_the_opening_and_then_stands() -> None:
    same(ours("overnight_high", OPENS), [102, 104, 104, 104, 107, 107, 107, 107, 103, 104])
    same(ours("overnight_low", OPENS), [99, 99, 99, 99, 103, 102, 102, 102, 100, 100])


def test_the_night_has_an_opening_and_a_last_close() -> None:
    same(ours("overnight_open"), [100] * 4 + [105] * 4 + [101] * 2)
    same(ours("overnight_close", OPENS), [101, 103, 103, 103, 104, 103, 103, 103, 102, 103])


def test_the_day_session_has_extremes_of_its_own() -> None:
    same(ours("day_high", OPENS), [NAN, NAN, 106, 106, NAN, NAN, 109, 110, NAN, NAN])
    same(ours("day_low", OPENS), [NAN, NAN, 101, 100, NAN, NAN, 106, 104, NAN, NAN])


def test_a_bar_that_reaches_past_the_opening_is_not_of_the_night() -> None:
    same(ours("overnight_high", int(9.5 * HOUR + 1)), [102] * 4 + [107] * 4 + [103] * 2)


def test_the_gap_is_the_opening_less_the_last_close_of_the_date_before() -> None:
    # 108 − 101 from 08:30 on; in the evening 105 − 101 and 101 − 105
    same(ours("gap", OPENS), [NAN] * 6 + [7, 7, NAN, NAN])
    same(ours("gap", 0), [NAN] * 4 + [4] * 4 + [-4] * 2)


def test_the_day_before_is_known_when_it_is_over() -> None:
    same(ours("prior_day_open"), [NAN] * 4 + [100] * 4 + [105] * 2)
    same(ours("prior_day_high"), [NAN] * 4 + [106] * 4 + [110] * 2)
    same(ours("prior_day_low"), [NAN] * 4 + [99] * 4 + [102] * 2)
    same(ours("prior_day_close"), [NAN] * 4 + [101] * 4 + [105] * 2)


def test_pivots_come_from_the_day_before() -> None:
    # high 106, low 99, close 101: pivot 102; then 110, 102, 105: 317 / 3
    last = 317 / 3
    same(ours("pivot"), [NAN] * 4 + [102] * 4 + [last] * 2)
    same(ours("pivot_r1"), [NAN] * 4 + [105] * 4 + [2 * last - 102] * 2)
    same(ours("pivot_s1"), [NAN] * 4 + [98] * 4 + [2 * last - 110] * 2)
    same(ours("pivot_r2"), [NAN] * 4 + [109] * 4 + [last + 8] * 2)
    same(ours("pivot_s2"), [NAN] * 4 + [95] * 4 + [last - 8] * 2)


def test_vwap_is_the_mean_typical_price_by_volume() -> None:
    typical = (BARS["high"] + BARS["low"] + BARS["close"]) / 3
    spent, volume = typical * BARS["volume"], BARS["volume"]
    whole = [spent[:i].sum() / volume[:i].sum() for i in (1, 2, 3, 4)]
    same(ours("vwap")[:4], whole)
    same(ours("vwap_anchored", OPENS)[:4], [NAN, NAN, typical[2], spent[2:4].sum() / volume[2:4].sum()])
    same(ours("vwap")[8:], [typical[8], spent[8:].sum() / 10])


def test_vwap_without_volume_is_unknown() -> None:
    found = column(
        INDICATORS["vwap"], [np.ones(2), np.ones(2), np.ones(2), np.array([0.0, 3.0]), np.ones(2), np.zeros(2)]
    )
    assert math.isnan(found[0]) and found[1] == 1.0


@pytest.mark.parametrize("name", [op.name for op in SHIPPED if op.memory in (Memory.SESSION, Memory.PRIOR_DAY)])
def test_a_date_joined_too_late_stays_unknown_and_later_ones_are_those_of_the_whole_history(name: str) -> None:
    op = INDICATORS[name]
    constants = op_data.defaults(op, 1) if not any(c.clock for c in op.constants) else None
    constants = constants or tuple(OPENS if c.clock else 60 for c in op.constants)
    found, whole = ours(name, *constants, since=3), ours(name, *constants)
    assert all(math.isnan(v) for v in found[:1])
    same(found[5:], whole[8:])
    for late, full in zip(found, whole[3:], strict=True):
        assert math.isnan(late) or late == full


# --- point of control -----------------------------------------------------------------------------------------------


def control(
    lows: list[float], highs: list[float], volumes: list[float], points: float = 1.0, bins: int = 100
) -> list[float]:
    n = len(lows)
    day = [np.array(v, dtype=float) for v in (highs, lows, volumes, [1.0] * n, list(range(n)))]
    return column(INDICATORS["poc"], day, (points, bins)).tolist()


def test_the_point_of_control_is_the_level_with_the_most_volume() -> None:
    # 10 on level 100; 12 spread over 101 … 103; 9 more on 102 makes 13 there
    assert control([100, 101, 102], [100, 103, 102], [10, 12, 9]) == [100, 100, 102]


def test_on_a_tie_the_level_that_was_there_first_stays() -> None:
    assert control([100, 105, 105], [100, 105, 105], [10, 10, 1]) == [100, 100, 105]


def test_levels_may_be_several_ticks_wide() -> None:
    # levels are multiples of 2.5 and hold what is nearest: 101 → 100, 102 and 103 → 102.5
    assert control([101, 102, 103], [101, 102, 103], [3, 2, 2], points=2.5) == [100, 100, 102.5]


def test_what_is_far_from_the_first_price_is_counted_at_the_edge() -> None:
    assert control([100, 500], [100, 500], [1, 5], bins=10) == [100, 104]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 6), st.integers(0, 50)), min_size=1, max_size=30))
def test_no_profile_disagrees_with_a_table_of_levels(bars: list[tuple[int, int, int]]) -> None:
    found = control([400.0 + b for b, _, _ in bars], [400.0 + b + r for b, r, _ in bars], [60.0 * v for *_, v in bars])
    table: dict[int, float] = {}
    for (bottom, reach, volume), level in zip(bars, found, strict=True):
        for step in range(reach + 1):
            table[bottom + step] = table.get(bottom + step, 0.0) + 60.0 * volume / (reach + 1)
        most = max(table.values())
        assert math.isnan(level) if most == 0 else table[round(level - 400)] == pytest.approx(most)
