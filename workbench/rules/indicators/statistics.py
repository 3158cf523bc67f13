"""Statistics of a window: stdev, zscore, percent_rank, linreg, slope.

stdev, linreg and slope are TA-Lib's (population standard deviation; the regression's value at the newest bar).
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite, sqrt

from workbench.rules.indicators.base import NAN, Constant, Indicator
from workbench.rules.indicators.parts import sums_at, variance_at

State = MutableSequence[float]


def stdev_step(state: State, x: float, length: int) -> float:
    """Take one value; return the population standard deviation of the last `length`."""
    if not isfinite(x):
        return NAN
    variance = variance_at(state, 0, x, length)
    return sqrt(variance) if isfinite(variance) else NAN


def zscore_step(state: State, x: float, length: int) -> float:
    """Take one value; return its distance from the mean in standard deviations; 0 when nothing deviates."""
    if not isfinite(x):
        return NAN
    variance = variance_at(state, 0, x, length)
    if not isfinite(variance):
        return NAN
    if variance == 0.0:
        return 0.0
    return (x - (state[2] + state[3] / length)) / sqrt(variance)


def percent_rank_step(state: State, x: float, length: int) -> float:
    """Take one value; return the percentage of the `length` values before it that are not above it."""
    # state: [0] values seen (up to length), [1] place in the ring, [2:] ring
    if not isfinite(x):
        return NAN
    head = int(state[1])
    below = 0.0
    for i in range(2, 2 + length):
        below += 1.0 if state[i] <= x else 0.0
    state[2 + head] = x
    state[1] = head + 1.0 if head + 1 < length else 0.0
    if state[0] < length:
        state[0] += 1.0
        return NAN
    return 100.0 * below / length


def _slope(state: State, length: int) -> float:
    # least squares over 1 … length from the sums of `sums_at`
    return 12.0 * (state[4] - 0.5 * (length + 1.0) * state[3]) / (length * (length * (length * 1.0) - 1.0))


def slope_step(state: State, x: float, length: int) -> float:
    """Take one value; return the slope per bar of the least-squares line through the last `length`."""
    if not isfinite(x) or sums_at(state, 0, x, length) == 0.0:
        return NAN
    return _slope(state, length)


def linreg_step(state: State, x: float, length: int) -> float:
    """Take one value; return where the least-squares line through the last `length` stands at this bar."""
    if not isfinite(x) or sums_at(state, 0, x, length) == 0.0:
        return NAN
    return state[2] + state[3] / length + _slope(state, length) * 0.5 * (length - 1.0)


def _window(length: int) -> int:
    return length


_LENGTH = Constant(name="length")
_TWO = Constant(name="length", least=2)

STDEV = Indicator(
    name="stdev",
    inputs=("x",),
    constants=(_LENGTH,),
    size=lambda length: 5 + length,
    step=stdev_step,
    first=_window,
    warmup=_window,
    summary="population standard deviation of the last `length` values",
    source="divides by `length`, as TA-Lib",
)
ZSCORE = Indicator(
    name="zscore",
    inputs=("x",),
    constants=(_LENGTH,),
    size=lambda length: 5 + length,
    step=zscore_step,
    first=_window,
    warmup=_window,
    summary="distance from the mean of `length` values in standard deviations (0 when nothing deviates)",
    source="standard score with the population standard deviation",
)
PERCENT_RANK = Indicator(
    name="percent_rank",
    inputs=("x",),
    constants=(_LENGTH,),
    size=lambda length: 2 + length,
    step=percent_rank_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1,
    summary="percentage of the `length` values before that are not above this one, 0 … 100",
    source="percentile rank of the newest value among those before it",
)
LINREG = Indicator(
    name="linreg",
    inputs=("x",),
    constants=(_TWO,),
    size=lambda length: 5 + length,
    step=linreg_step,
    first=_window,
    warmup=_window,
    summary="value at this bar of the least-squares line through the last `length` values",
    source="ordinary least squares against the bar number, as TA-Lib",
)
SLOPE = Indicator(
    name="slope",
    inputs=("x",),
    constants=(_TWO,),
    size=lambda length: 5 + length,
    step=slope_step,
    first=_window,
    warmup=_window,
    summary="slope per bar of the least-squares line through the last `length` values",
    source="ordinary least squares against the bar number, as TA-Lib",
)
STATISTICS = (STDEV, ZSCORE, PERCENT_RANK, LINREG, SLOPE)
