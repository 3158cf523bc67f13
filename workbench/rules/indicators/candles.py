"""Heikin-ashi candles: the bar averaged with the one before."""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Indicator, Memory, bars_to_forget

State = MutableSequence[float]


def _open_at(state: State, open_: float, high: float, low: float, close: float) -> float:
    # [0] 1 after the first bar, [1] middle of the averaged body before
    begins = state[1] if state[0] > 0.0 else 0.5 * (open_ + close)
    state[0] = 1.0
    state[1] = 0.5 * (begins + 0.25 * (open_ + high + low + close))
    return begins


def ha_open_step(state: State, open: float, high: float, low: float, close: float) -> float:
    """Take one bar; return the averaged opening: the middle of the averaged body before."""
    return _open_at(state, open, high, low, close) if isfinite(open + high + low + close) else NAN


def ha_high_step(state: State, open: float, high: float, low: float, close: float) -> float:
    """Take one bar; return the highest of the high and the averaged opening and close."""
    if not isfinite(open + high + low + close):
        return NAN
    return max(high, _open_at(state, open, high, low, close), 0.25 * (open + high + low + close))


def ha_low_step(state: State, open: float, high: float, low: float, close: float) -> float:
    """Take one bar; return the lowest of the low and the averaged opening and close."""
    if not isfinite(open + high + low + close):
        return NAN
    return min(low, _open_at(state, open, high, low, close), 0.25 * (open + high + low + close))


def ha_close_step(state: State, open: float, high: float, low: float, close: float) -> float:
    """Take one bar; return the mean of its four prices."""
    mean = 0.25 * (open + high + low + close)
    return mean if isfinite(mean) else NAN


def _one() -> int:
    return 1


HEIKIN_ASHI = tuple(
    Indicator(
        name=f"ha_{part}",
        inputs=("open", "high", "low", "close"),
        constants=(),
        size=lambda: 2,
        step=step,
        first=_one,
        warmup=_one if part == "close" else lambda: 1 + bars_to_forget(0.5),
        summary=summary,
        source="Valcu, Stocks & Commodities 22:2 (2004); the first opening is the middle of the first body",
        memory=Memory.WINDOW if part == "close" else Memory.DECAY,
    )
    for part, step, summary in (
        ("open", ha_open_step, "averaged opening: the middle of the averaged body before"),
        ("high", ha_high_step, "highest of the high, the averaged opening and the averaged close"),
        ("low", ha_low_step, "lowest of the low, the averaged opening and the averaged close"),
        ("close", ha_close_step, "averaged close: the mean of the bar's four prices"),
    )
)
