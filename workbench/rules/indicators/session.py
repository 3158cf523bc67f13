"""Indicators of the trading day: opening range.

Seconds here count from 17:00 Chicago, where the trading date begins, so that a day never wraps at midnight.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isnan

from workbench.rules.indicators.base import NAN, Constant, Indicator

State = MutableSequence[float]


def _range_step(
    state: State, x: float, day: float, start_s: float, end_s: float, minutes: int, open_s: int, sign: float
) -> float:
    # state: [0] trading date, [1] any bar seen, [2] the date was seen from before its opening, [3] bars in the range,
    # [4] their extreme
    if state[1] == 0.0 or day != state[0]:
        state[2] = 1.0 if state[1] == 1.0 or start_s <= open_s else 0.0
        state[0], state[1], state[3] = day, 1.0, 0.0
    if state[2] == 0.0 or isnan(x):
        return NAN
    ends = open_s + 60.0 * minutes
    if start_s >= open_s and end_s <= ends:
        state[4] = x if state[3] == 0.0 else sign * max(sign * state[4], sign * x)
        state[3] += 1.0
    return state[4] if end_s >= ends and state[3] > 0.0 else NAN


def range_high_step(
    state: State, high: float, day: float, start_s: float, end_s: float, minutes: int, open_s: int
) -> float:
    """Take one bar; return the high of the first `minutes` after the opening once they are over, NaN before."""
    return _range_step(state, high, day, start_s, end_s, minutes, open_s, 1.0)


def range_low_step(
    state: State, low: float, day: float, start_s: float, end_s: float, minutes: int, open_s: int
) -> float:
    """Take one bar; return the low of the first `minutes` after the opening once they are over, NaN before."""
    return _range_step(state, low, day, start_s, end_s, minutes, open_s, -1.0)


_CONSTANTS = (Constant(name="minutes", most=1380), Constant(name="open_s", least=0, most=86400))
_DAY = ("day", "start_s", "end_s")


def _one(minutes: int, open_s: int) -> int:
    return 1


OPENING_RANGE_HIGH = Indicator(
    name="opening_range_high",
    inputs=("high", *_DAY),
    constants=_CONSTANTS,
    size=lambda minutes, open_s: 5,
    step=range_high_step,
    first=_one,
    warmup=_one,
    summary="high of the first `minutes` of the trading date's day session, from the moment they are over",
    source="Crabel, Day Trading with Short Term Price Patterns and Opening Range Breakout (1990)",
)
OPENING_RANGE_LOW = Indicator(
    name="opening_range_low",
    inputs=("low", *_DAY),
    constants=_CONSTANTS,
    size=lambda minutes, open_s: 5,
    step=range_low_step,
    first=_one,
    warmup=_one,
    summary="low of the first `minutes` of the trading date's day session, from the moment they are over",
    source="Crabel (1990)",
)
