"""Levels of the trading date before: its opening, high, low and close, and the pivots of floor traders.

Known once a trading date was seen from its beginning to the next one's first bar.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Indicator, Memory
from workbench.rules.indicators.parts import is_new_date

State = MutableSequence[float]


def _turn_at(state: State, places: int, day: float, start_s: float) -> float:
    # [0:3] date, [3] 1 when the date before is known, [4 : 4 + places] that of this date so far, then of the one
    # before; returns 1 for the first bar of a date, when what was gathered has been put aside
    known = state[2]
    if is_new_date(state, 0, day, start_s, 0.0) == 0.0:
        return 0.0
    state[3] = known
    for i in range(4, 4 + places):
        state[i + places] = state[i]
    return 1.0


def prior_high_step(state: State, high: float, day: float, start_s: float) -> float:
    """Take one bar; return the high of the trading date before."""
    if not isfinite(high + day + start_s):
        return NAN
    if _turn_at(state, 1, day, start_s) > 0.0 or high > state[4]:
        state[4] = high
    return state[5] if state[3] > 0.0 else NAN


def prior_low_step(state: State, low: float, day: float, start_s: float) -> float:
    """Take one bar; return the low of the trading date before."""
    if not isfinite(low + day + start_s):
        return NAN
    if _turn_at(state, 1, day, start_s) > 0.0 or low < state[4]:
        state[4] = low
    return state[5] if state[3] > 0.0 else NAN


def prior_open_step(state: State, open: float, day: float, start_s: float) -> float:
    """Take one bar; return the opening of the trading date before."""
    if not isfinite(open + day + start_s):
        return NAN
    if _turn_at(state, 1, day, start_s) > 0.0:
        state[4] = open
    return state[5] if state[3] > 0.0 else NAN


def prior_close_step(state: State, close: float, day: float, start_s: float) -> float:
    """Take one bar; return the last close of the trading date before."""
    if not isfinite(close + day + start_s):
        return NAN
    _turn_at(state, 1, day, start_s)
    state[4] = close
    return state[5] if state[3] > 0.0 else NAN


def _pivot_at(state: State, high: float, low: float, close: float, day: float, start_s: float) -> float:
    # [4:7] high, low, close of this date, [7:10] of the date before; returns the pivot of that
    if not isfinite(high + low + close + day + start_s):
        return NAN
    fresh = _turn_at(state, 3, day, start_s) > 0.0
    state[4] = high if fresh or high > state[4] else state[4]
    state[5] = low if fresh or low < state[5] else state[5]
    state[6] = close
    return (state[7] + state[8] + state[9]) / 3.0 if state[3] > 0.0 else NAN


def pivot_step(state: State, high: float, low: float, close: float, day: float, start_s: float) -> float:
    """Take one bar; return the mean of the high, low and close of the trading date before."""
    return _pivot_at(state, high, low, close, day, start_s)


def pivot_r1_step(state: State, high: float, low: float, close: float, day: float, start_s: float) -> float:
    """Take one bar; return the first resistance: 2 · pivot − low."""
    return 2.0 * _pivot_at(state, high, low, close, day, start_s) - state[8]


def pivot_s1_step(state: State, high: float, low: float, close: float, day: float, start_s: float) -> float:
    """Take one bar; return the first support: 2 · pivot − high."""
    return 2.0 * _pivot_at(state, high, low, close, day, start_s) - state[7]


def pivot_r2_step(state: State, high: float, low: float, close: float, day: float, start_s: float) -> float:
    """Take one bar; return the second resistance: pivot + (high − low)."""
    return _pivot_at(state, high, low, close, day, start_s) + (state[7] - state[8])


def pivot_s2_step(state: State, high: float, low: float, close: float, day: float, start_s: float) -> float:
    """Take one bar; return the second support: pivot − (high − low)."""
    return _pivot_at(state, high, low, close, day, start_s) - (state[7] - state[8])


def _one() -> int:
    return 1


_DAY = ("day", "start_s")

PRIOR_DAY = tuple(
    Indicator(
        name=f"prior_day_{part}",
        inputs=(part, *_DAY),
        constants=(),
        size=lambda: 6,
        step=step,
        first=_one,
        warmup=_one,
        summary=f"{says} of the trading date before",
        source="the exchange's trading date, from 17:00 Chicago",
        memory=Memory.PRIOR_DAY,
    )
    for part, step, says in (
        ("open", prior_open_step, "opening"),
        ("high", prior_high_step, "high"),
        ("low", prior_low_step, "low"),
        ("close", prior_close_step, "last close"),
    )
)
PIVOTS = tuple(
    Indicator(
        name=name,
        inputs=("high", "low", "close", *_DAY),
        constants=(),
        size=lambda: 10,
        step=step,
        first=_one,
        warmup=_one,
        summary=f"{says}, from the trading date before",
        source="floor traders' pivots",
        memory=Memory.PRIOR_DAY,
    )
    for name, step, says in (
        ("pivot", pivot_step, "pivot: mean of high, low and close"),
        ("pivot_r1", pivot_r1_step, "first resistance: 2 · pivot − low"),
        ("pivot_s1", pivot_s1_step, "first support: 2 · pivot − high"),
        ("pivot_r2", pivot_r2_step, "second resistance: pivot + (high − low)"),
        ("pivot_s2", pivot_s2_step, "second support: pivot − (high − low)"),
    )
)
LEVELS = (*PRIOR_DAY, *PIVOTS)
