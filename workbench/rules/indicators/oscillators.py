"""Where the price stands in its window: stoch, stochrsi, willr, cci.

In a window without a range nothing stands high or low: 50 (willr −50, cci 0). TA-Lib gives 0 for stoch, stochrsi and
willr there, which reads as "at the very low" or "at the very high"; and it takes roundings for a range.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, ROUNDING, Constant, Indicator, Memory, bars_to_forget
from workbench.rules.indicators.momentum import rsi_at
from workbench.rules.indicators.parts import high_at, low_at, mean_at

State = MutableSequence[float]


def _place(x: float, low: float, high: float) -> float:
    return 100.0 * (x - low) / (high - low) if high > low else 50.0


def _stoch_at(state: State, high: float, low: float, close: float, length: int, smooth: int) -> float:
    # the highest high, the lowest low, the smoothing mean; takes 10 + 2 · length + smooth places
    top = high_at(state, 0, high, length)
    bottom = low_at(state, 3 + length, low, length)
    return mean_at(state, 6 + 2 * length, _place(close, bottom, top), smooth) if isfinite(top) else NAN


def stoch_step(state: State, high: float, low: float, close: float, length: int, smooth: int) -> float:
    """Take one bar; return %K: where the close stands between the window's low (0) and high (100), smoothed."""
    return _stoch_at(state, high, low, close, length, smooth) if isfinite(high + low + close) else NAN


def stoch_d_step(state: State, high: float, low: float, close: float, length: int, smooth: int, signal: int) -> float:
    """Take one bar; return %D: the mean of the last `signal` values of %K."""
    if not isfinite(high + low + close):
        return NAN
    k = _stoch_at(state, high, low, close, length, smooth)
    return mean_at(state, 10 + 2 * length + smooth, k, signal) if isfinite(k) else NAN


def _stochrsi_at(state: State, x: float, length: int, window: int, smooth: int) -> float:
    # the rsi, its highest, its lowest, the smoothing mean; takes 14 + 2 · window + smooth places
    strength = rsi_at(state, 0, x, length)
    if not isfinite(strength):
        return NAN
    top = high_at(state, 4, strength, window)
    bottom = low_at(state, 7 + window, strength, window)
    if not isfinite(top):
        return NAN
    # while the price stands still, the rsi moves by its rounding alone
    place = _place(strength, bottom, top) if top - bottom > 100.0 * ROUNDING else 50.0
    return mean_at(state, 10 + 2 * window, place, smooth)


def stochrsi_step(state: State, x: float, length: int, window: int, smooth: int) -> float:
    """Take one value; return where its rsi stands between the rsi's low and high of `window` bars, smoothed."""
    return _stochrsi_at(state, x, length, window, smooth) if isfinite(x) else NAN


def stochrsi_d_step(state: State, x: float, length: int, window: int, smooth: int, signal: int) -> float:
    """Take one value; return the mean of the last `signal` values of stochrsi."""
    if not isfinite(x):
        return NAN
    k = _stochrsi_at(state, x, length, window, smooth)
    return mean_at(state, 14 + 2 * window + smooth, k, signal) if isfinite(k) else NAN


def willr_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return Williams' %R: where the close stands between the window's high (0) and low (−100)."""
    if not isfinite(high + low + close):
        return NAN
    top = high_at(state, 0, high, length)
    bottom = low_at(state, 3 + length, low, length)
    return _place(close, bottom, top) - 100.0 if isfinite(top) else NAN


def cci_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return how many mean deviations (times 0.015) the typical price is away from its mean."""
    typical = (high + low + close) / 3.0
    if not isfinite(typical):
        return NAN
    mean = mean_at(state, 0, typical, length)
    if not isfinite(mean):
        return NAN
    deviation = 0.0
    for i in range(4, 4 + length):
        deviation += abs(state[i] - mean)
    deviation /= length
    return 0.0 if deviation <= ROUNDING * abs(mean) else (typical - mean) / (0.015 * deviation)


_BAR = ("high", "low", "close")
_SMOOTH, _SIGNAL = Constant(name="smooth", default=3), Constant(name="signal", default=3)
_STOCHRSI = (Constant(name="length", default=14), Constant(name="window", default=14), _SMOOTH)


def _stoch_bars(length: int, smooth: int, signal: int = 1) -> int:
    return length + smooth + signal - 2


def _stochrsi_bars(length: int, window: int, smooth: int, signal: int = 1) -> int:
    return length + window + smooth + signal - 2


def _stochrsi_warm(length: int, window: int, smooth: int, signal: int = 1) -> int:
    return _stochrsi_bars(length, window, smooth, signal) + bars_to_forget(1.0 / length)


STOCH = Indicator(
    name="stoch",
    inputs=_BAR,
    constants=(Constant(name="length", default=14), _SMOOTH),
    size=lambda length, smooth: 10 + 2 * length + smooth,
    step=stoch_step,
    first=_stoch_bars,
    warmup=_stoch_bars,
    summary="%K: where the close stands in the range of `length` bars, 0 … 100, mean of `smooth` bars",
    source="Lane (1984); TA-Lib gives 0 for a window without a range, here 50",
)
STOCH_D = Indicator(
    name="stoch_d",
    inputs=_BAR,
    constants=(Constant(name="length", default=14), _SMOOTH, _SIGNAL),
    size=lambda length, smooth, signal: 14 + 2 * length + smooth + signal,
    step=stoch_d_step,
    first=_stoch_bars,
    warmup=_stoch_bars,
    summary="%D: mean of the last `signal` values of %K",
    source="Lane (1984)",
)
STOCHRSI = Indicator(
    name="stochrsi",
    inputs=("x",),
    constants=_STOCHRSI,
    size=lambda length, window, smooth: 14 + 2 * window + smooth,
    step=stochrsi_step,
    first=_stochrsi_bars,
    warmup=_stochrsi_warm,
    summary="where the rsi stands in its own range of `window` bars, 0 … 100, mean of `smooth` bars",
    source="Chande and Kroll, The New Technical Trader (1994); TA-Lib's fast %K is `smooth` = 1, and 0 without a range",
    memory=Memory.DECAY,
)
STOCHRSI_D = Indicator(
    name="stochrsi_d",
    inputs=("x",),
    constants=(*_STOCHRSI, _SIGNAL),
    size=lambda length, window, smooth, signal: 18 + 2 * window + smooth + signal,
    step=stochrsi_d_step,
    first=_stochrsi_bars,
    warmup=_stochrsi_warm,
    summary="mean of the last `signal` values of stochrsi",
    source="Chande and Kroll (1994)",
    memory=Memory.DECAY,
)
WILLR = Indicator(
    name="willr",
    inputs=_BAR,
    constants=(Constant(name="length", default=14),),
    size=lambda length: 6 + 2 * length,
    step=willr_step,
    first=lambda length: length,
    warmup=lambda length: length,
    summary="Williams' %R: where the close stands in the range of `length` bars, −100 … 0",
    source="Williams (1973); TA-Lib gives 0 for a window without a range, here −50",
)
CCI = Indicator(
    name="cci",
    inputs=_BAR,
    constants=(Constant(name="length", default=20),),
    size=lambda length: 4 + length,
    step=cci_step,
    first=lambda length: length,
    warmup=lambda length: length,
    summary="distance of the typical price from its mean in mean deviations × 0.015",
    source="Lambert, Commodities (1980); 0 when nothing deviates, as in TA-Lib",
)
OSCILLATORS = (STOCH, STOCH_D, STOCHRSI, STOCHRSI_D, WILLR, CCI)
