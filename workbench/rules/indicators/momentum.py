"""Momentum: rsi."""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isnan

from workbench.rules.indicators.base import NAN, Constant, Indicator, bars_to_forget

State = MutableSequence[float]


def rsi_step(state: State, x: float, length: int) -> float:
    """Take one value; return Wilder's relative strength index, 0 … 100.

    Without any movement in the window there is no strength to speak of: 50.
    """
    if isnan(x):
        return NAN
    # state: [0] values seen (up to length + 1), [1] value before, [2] average gain, [3] average loss
    seen, change = state[0], x - state[1]
    state[1] = x
    if seen == 0.0:
        state[0] = 1.0
        return NAN
    gain, loss = max(change, 0.0), max(-change, 0.0)
    if seen <= length:
        state[0] = seen + 1.0
        state[2] += gain / length
        state[3] += loss / length
        if seen < length:
            return NAN
    else:
        state[2] += (gain - state[2]) / length
        state[3] += (loss - state[3]) / length
    total = state[2] + state[3]
    return 50.0 if total == 0.0 else 100.0 * state[2] / total


RSI = Indicator(
    name="rsi",
    inputs=("x",),
    constants=(Constant(name="length"),),
    size=lambda length: 4,
    step=rsi_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1 + bars_to_forget(1.0 / length),
    summary="relative strength index, 0 … 100 (50 when nothing moved)",
    source="Wilder (1978); seeded as TA-Lib does",
)
