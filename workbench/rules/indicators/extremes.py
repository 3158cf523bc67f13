"""Highest and lowest value of a window."""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Constant, Indicator
from workbench.rules.indicators.parts import high_at, low_at

State = MutableSequence[float]
LENGTH = Constant(name="length")


def highest_step(state: State, x: float, length: int) -> float:
    """Take one value; return the highest of the last `length`, this one included."""
    return high_at(state, 0, x, length) if isfinite(x) else NAN


def lowest_step(state: State, x: float, length: int) -> float:
    """Take one value; return the lowest of the last `length`, this one included."""
    return low_at(state, 0, x, length) if isfinite(x) else NAN


def _window(length: int) -> int:
    return length


HIGHEST = Indicator(
    name="highest",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 3 + length,
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
    size=lambda length: 3 + length,
    step=lowest_step,
    first=_window,
    warmup=_window,
    summary="lowest of the last `length` values, the newest included",
    source="minimum of a window",
)
EXTREMES = (HIGHEST, LOWEST)
