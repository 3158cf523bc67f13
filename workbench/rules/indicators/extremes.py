"""Highest and lowest value of a window."""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isnan

from workbench.rules.indicators.base import NAN, Constant, Indicator

State = MutableSequence[float]
LENGTH = Constant(name="length")


def _extreme_step(state: State, x: float, length: int, sign: float) -> float:
    # state: [0] values seen, [1] start and [2] size of the queue, then a ring of (number, value) pairs whose values
    # fall (for the highest): each value enters and leaves once, so a bar costs the same for every length.
    seen = state[0]
    start, size = int(state[1]), int(state[2])
    if size and state[3 + 2 * start] <= seen - length:  # the oldest has left the window
        start, size = (start + 1) % length, size - 1
    while size:
        last = 3 + 2 * ((start + size - 1) % length)
        if state[last + 1] * sign > x * sign:
            break
        size -= 1
    place = 3 + 2 * ((start + size) % length)
    state[place], state[place + 1] = seen, x
    state[0], state[1], state[2] = seen + 1.0, float(start), float(size + 1)
    return NAN if seen + 1.0 < length else state[3 + 2 * start + 1]


def highest_step(state: State, x: float, length: int) -> float:
    """Take one value; return the highest of the last `length`, this one included."""
    return _extreme_step(state, x, length, 1.0) if not isnan(x) else NAN


def lowest_step(state: State, x: float, length: int) -> float:
    """Take one value; return the lowest of the last `length`, this one included."""
    return _extreme_step(state, x, length, -1.0) if not isnan(x) else NAN


def _window(length: int) -> int:
    return length


HIGHEST = Indicator(
    name="highest",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 3 + 2 * length,
    step=highest_step,
    first=_window,
    warmup=_window,
    summary="highest of the last `length` values, the newest included",
    source="maximum of a window",
)
LOWEST = Indicator(
    name="lowest",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 3 + 2 * length,
    step=lowest_step,
    first=_window,
    warmup=_window,
    summary="lowest of the last `length` values, the newest included",
    source="minimum of a window",
)
