"""Volatility: atr."""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isnan

from workbench.rules.indicators.base import NAN, Constant, Indicator, bars_to_forget

State = MutableSequence[float]


def atr_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return Wilder's average true range in points.

    The first bar has no close before it and gives no true range; the first average is the mean of `length` true ranges.
    """
    if isnan(high + low + close):
        return NAN
    # state: [0] bars seen (up to length + 1), [1] close before, [2] sum, later the average
    seen, before = state[0], state[1]
    state[1] = close
    if seen == 0.0:
        state[0] = 1.0
        return NAN
    true_range = max(high, before) - min(low, before)
    if seen <= length:
        state[0] = seen + 1.0
        state[2] += true_range
        if seen < length:
            return NAN
        state[2] /= length
    else:
        state[2] += (true_range - state[2]) / length
    return state[2]


ATR = Indicator(
    name="atr",
    inputs=("high", "low", "close"),
    constants=(Constant(name="length"),),
    size=lambda length: 3,
    step=atr_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1 + bars_to_forget(1.0 / length),
    summary="average true range in points",
    source="Wilder, New Concepts in Technical Trading Systems (1978); seeded as TA-Lib does",
)
