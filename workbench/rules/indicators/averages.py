"""Moving averages: sma, ema."""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isnan

from workbench.rules.indicators.base import NAN, Constant, Indicator, bars_to_forget

State = MutableSequence[float]
LENGTH = Constant(name="length")


def sma_step(state: State, x: float, length: int) -> float:
    """Take one value; return the plain mean of the last `length`, NaN before there are so many.

    The sum is kept of distances from a reference value, taken anew each time the ring wraps: a flat stretch gives
    exactly its price for every length, and rounding cannot pile up.
    """
    if isnan(x):
        return NAN
    # state: [0] values seen (up to length), [1] place in the ring, [2] reference, [3] sum of distances, [4:] ring
    head = int(state[1])
    if head == 0:
        state[2] = x
        total = 0.0
        for i in range(1, length):
            total += state[4 + i] - x if state[0] >= length else 0.0
        state[3] = total
    elif state[0] >= length:
        state[3] += x - state[4 + head]
    else:
        state[3] += x - state[2]
    state[4 + head] = x
    state[1] = 0.0 if head + 1 == length else head + 1.0
    if state[0] < length:
        state[0] += 1.0
    if state[0] < length:
        return NAN
    return state[2] + state[3] / length


def ema_step(state: State, x: float, length: int) -> float:
    """Take one value; return the exponential mean, α = 2 / (length + 1), seeded with the mean of the first `length`."""
    if isnan(x):
        return NAN
    # state: [0] values seen (up to length), [1] sum, later the average
    if state[0] < length:
        state[0] += 1.0
        state[1] += x
        if state[0] < length:
            return NAN
        state[1] /= length
    else:
        state[1] += (x - state[1]) * (2.0 / (length + 1.0))
    return state[1]


SMA = Indicator(
    name="sma",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 4 + length,
    step=sma_step,
    first=lambda length: length,
    warmup=lambda length: length,
    summary="mean of the last `length` values",
    source="arithmetic mean",
)
EMA = Indicator(
    name="ema",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 2,
    step=ema_step,
    first=lambda length: length,
    warmup=lambda length: length + bars_to_forget(2.0 / (length + 1.0)),
    summary="exponential mean, weight 2 / (length + 1) on the newest value",
    source="seeded with the mean of the first `length` values, as TA-Lib does",
)
