"""Volatility: tr, atr, natr, and the channels around a mean: bollinger, keltner, donchian.

All are TA-Lib's where it has them (tr, atr, natr, bollinger). The first bar has no close before it and gives no true
range.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite, sqrt

from workbench.rules.indicators.base import NAN, Constant, Indicator, Memory, bars_to_forget
from workbench.rules.indicators.parts import ema_at, high_at, low_at, rma_at, true_range, variance_at

State = MutableSequence[float]


def atr_at(state: State, at: int, high: float, low: float, close: float, length: int) -> float:
    """Return Wilder's average true range; takes 4 places, [1] is the close."""
    # [0] 1 after the first bar, [1] close before, [2:4] the mean
    before = state[at + 1]
    state[at + 1] = close
    if state[at] == 0.0:
        state[at] = 1.0
        return NAN
    return rma_at(state, at + 2, true_range(high, low, before), length)


def tr_step(state: State, high: float, low: float, close: float) -> float:
    """Take one bar; return its true range in points, from the second bar on."""
    return atr_at(state, 0, high, low, close, 1) if isfinite(high + low + close) else NAN


def atr_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return Wilder's average true range in points.

    The first bar has no close before it and gives no true range; the first average is the mean of `length` true ranges.
    """
    return atr_at(state, 0, high, low, close, length) if isfinite(high + low + close) else NAN


def natr_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return the average true range in percent of the close; unknown where the close is zero."""
    if not isfinite(high + low + close):
        return NAN
    average = atr_at(state, 0, high, low, close, length)
    return NAN if close == 0.0 else 100.0 * average / close


def _band(state: State, x: float, length: int, width: float) -> float:
    variance = variance_at(state, 0, x, length)
    return state[2] + state[3] / length + width * sqrt(variance) if isfinite(variance) else NAN


def bollinger_upper_step(state: State, x: float, length: int, width: float) -> float:
    """Take one value; return the mean plus `width` population standard deviations."""
    return _band(state, x, length, width) if isfinite(x) else NAN


def bollinger_lower_step(state: State, x: float, length: int, width: float) -> float:
    """Take one value; return the mean minus `width` population standard deviations."""
    return _band(state, x, length, -width) if isfinite(x) else NAN


def bollinger_middle_step(state: State, x: float, length: int, width: float) -> float:
    """Take one value; return the mean."""
    return _band(state, x, length, 0.0) if isfinite(x) else NAN


def bollinger_width_step(state: State, x: float, length: int, width: float) -> float:
    """Take one value; return the distance of the bands as a part of the mean; unknown where the mean is zero."""
    if not isfinite(x):
        return NAN
    variance = variance_at(state, 0, x, length)
    if not isfinite(variance):
        return NAN
    mean = state[2] + state[3] / length
    return NAN if mean == 0.0 else 2.0 * width * sqrt(variance) / mean


def _keltner(
    state: State, high: float, low: float, close: float, length: int, multiplier: float, atr_length: int
) -> float:
    middle = ema_at(state, 0, close, length)
    return middle + multiplier * atr_at(state, 2, high, low, close, atr_length)


def keltner_upper_step(
    state: State, high: float, low: float, close: float, length: int, multiplier: float, atr_length: int
) -> float:
    """Take one bar; return the ema of the close plus `multiplier` average true ranges."""
    if not isfinite(high + low + close):
        return NAN
    return _keltner(state, high, low, close, length, multiplier, atr_length)


def keltner_lower_step(
    state: State, high: float, low: float, close: float, length: int, multiplier: float, atr_length: int
) -> float:
    """Take one bar; return the ema of the close minus `multiplier` average true ranges."""
    if not isfinite(high + low + close):
        return NAN
    return _keltner(state, high, low, close, length, -multiplier, atr_length)


def keltner_middle_step(state: State, close: float, length: int) -> float:
    """Take one bar; return the ema of the close."""
    return ema_at(state, 0, close, length) if isfinite(close) else NAN


def donchian_upper_step(state: State, high: float, length: int) -> float:
    """Take one bar; return the highest high of the last `length`, this one included."""
    return high_at(state, 0, high, length) if isfinite(high) else NAN


def donchian_lower_step(state: State, low: float, length: int) -> float:
    """Take one bar; return the lowest low of the last `length`, this one included."""
    return low_at(state, 0, low, length) if isfinite(low) else NAN


def donchian_middle_step(state: State, high: float, low: float, length: int) -> float:
    """Take one bar; return the middle between the highest high and the lowest low."""
    if not isfinite(high + low):
        return NAN
    return 0.5 * (high_at(state, 0, high, length) + low_at(state, 3 + length, low, length))


_BAR = ("high", "low", "close")
_LENGTH = Constant(name="length", default=14)
_TWENTY = Constant(name="length", default=20)
_BOLLINGER = (_TWENTY, Constant(name="width", least=0.0, most=100.0, whole=False, default=2.0))
_KELTNER = (
    _TWENTY,
    Constant(name="multiplier", least=0.0, most=100.0, whole=False, default=2.0),
    Constant(name="atr_length", default=10),
)
_WILDER = "Wilder, New Concepts in Technical Trading Systems (1978); seeded as TA-Lib does"
_BANDS = "Bollinger on Bollinger Bands (2001); population standard deviation, as TA-Lib"
_CHANNEL = "Keltner (1960) as Raschke draws it: ema and average true range"
_DONCHIAN = "Donchian; the newest bar is included, so a break-out is `close > donchian_upper(20)[1]`"


def _wilder_bars(length: int) -> int:
    return length + 1 + bars_to_forget(1.0 / length)


def _window(length: int, width: float = 0.0) -> int:
    return length


def _keltner_bars(length: int, multiplier: float, atr_length: int) -> int:
    mean = length + bars_to_forget(2.0 / (length + 1.0), (2.0,))
    return max(mean, atr_length + 1 + bars_to_forget(1.0 / atr_length, (2.0 * max(multiplier, 0.5),)))


TR = Indicator(
    name="tr",
    inputs=_BAR,
    constants=(),
    size=lambda: 4,
    step=tr_step,
    first=lambda: 2,
    warmup=lambda: 2,
    summary="true range in points: high to low, the close before included",
    source=_WILDER,
)
ATR = Indicator(
    name="atr",
    inputs=_BAR,
    constants=(_LENGTH,),
    size=lambda length: 4,
    step=atr_step,
    first=lambda length: length + 1,
    warmup=_wilder_bars,
    summary="average true range in points",
    source=_WILDER,
    memory=Memory.DECAY,
)
NATR = Indicator(
    name="natr",
    inputs=_BAR,
    constants=(_LENGTH,),
    size=lambda length: 4,
    step=natr_step,
    first=lambda length: length + 1,
    warmup=_wilder_bars,
    summary="average true range in percent of the close",
    source=_WILDER + "; unknown at a close of zero, where TA-Lib gives 0",
    memory=Memory.DECAY,
)
BOLLINGER = tuple(
    Indicator(
        name=f"bollinger_{part}",
        inputs=("x",),
        constants=_BOLLINGER,
        size=lambda length, width: 5 + length,
        step=step,
        first=_window,
        warmup=_window,
        summary=summary,
        source=_BANDS,
    )
    for part, step, summary in (
        ("upper", bollinger_upper_step, "mean of `length` values plus `width` standard deviations"),
        ("middle", bollinger_middle_step, "mean of `length` values"),
        ("lower", bollinger_lower_step, "mean of `length` values minus `width` standard deviations"),
        ("width", bollinger_width_step, "distance between the bands as a part of the mean"),
    )
)
KELTNER = tuple(
    Indicator(
        name=f"keltner_{part}",
        inputs=_BAR,
        constants=_KELTNER,
        size=lambda length, multiplier, atr_length: 6,
        step=step,
        first=lambda length, multiplier, atr_length: max(length, atr_length + 1),
        warmup=_keltner_bars,
        summary=f"ema(close, length) {sign} `multiplier` average true ranges",
        source=_CHANNEL,
        memory=Memory.DECAY,
    )
    for part, step, sign in (("upper", keltner_upper_step, "plus"), ("lower", keltner_lower_step, "minus"))
)
KELTNER_MIDDLE = Indicator(
    name="keltner_middle",
    inputs=("close",),
    constants=(_TWENTY,),
    size=lambda length: 2,
    step=keltner_middle_step,
    first=_window,
    warmup=lambda length: length + bars_to_forget(2.0 / (length + 1.0)),
    summary="ema(close, length)",
    source=_CHANNEL,
    memory=Memory.DECAY,
)
DONCHIAN = tuple(
    Indicator(
        name=f"donchian_{part}",
        inputs=inputs,
        constants=(_TWENTY,),
        size=lambda length: 6 + 2 * length,
        step=step,
        first=_window,
        warmup=_window,
        summary=summary,
        source=_DONCHIAN,
    )
    for part, inputs, step, summary in (
        ("upper", ("high",), donchian_upper_step, "highest high of the last `length` bars"),
        ("middle", ("high", "low"), donchian_middle_step, "middle of the last `length` bars' range"),
        ("lower", ("low",), donchian_lower_step, "lowest low of the last `length` bars"),
    )
)
VOLATILITY = (TR, ATR, NATR, *BOLLINGER, *KELTNER, KELTNER_MIDDLE, *DONCHIAN)
