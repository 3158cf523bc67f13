"""Momentum of one series: rsi, macd, roc, mom.

Where TA-Lib differs: its rsi of a price that does not move is 0, ours 50, because nothing speaks for a fall; its roc
from a price of zero is 0, ours unknown; it withholds macd until there is a signal, ours begins with the slow mean.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Constant, Indicator, Memory, bars_to_forget
from workbench.rules.indicators.parts import ema_at

State = MutableSequence[float]


def rsi_at(state: State, at: int, x: float, length: int) -> float:
    """Take one value; return Wilder's relative strength index; takes 4 places."""
    # [0] values seen (up to length + 1), [1] value before, [2] average gain, [3] average loss
    seen, change = state[at], x - state[at + 1]
    state[at + 1] = x
    if seen == 0.0:
        state[at] = 1.0
        return NAN
    gain, loss = max(change, 0.0), max(-change, 0.0)
    if seen <= length:
        state[at] = seen + 1.0
        state[at + 2] += gain / length
        state[at + 3] += loss / length
        if seen < length:
            return NAN
    else:
        state[at + 2] += (gain - state[at + 2]) / length
        state[at + 3] += (loss - state[at + 3]) / length
    total = state[at + 2] + state[at + 3]
    return 50.0 if total == 0.0 else 100.0 * state[at + 2] / total


def rsi_step(state: State, x: float, length: int) -> float:
    """Take one value; return Wilder's relative strength index, 0 … 100.

    Without any movement in the window there is no strength to speak of: 50.
    """
    return rsi_at(state, 0, x, length) if isfinite(x) else NAN


def _macd_at(state: State, x: float, fast: int, slow: int) -> float:
    # [0] values seen, [1:3] fast and [3:5] slow mean. As in TA-Lib both begin together: the shorter one leaves out the
    # first values and is seeded with those just before the longer one's first.
    seen = state[0]
    if seen < max(fast, slow):
        state[0] = seen + 1.0
    quick = ema_at(state, 1, x, fast) if seen >= slow - fast else NAN
    calm = ema_at(state, 3, x, slow) if seen >= fast - slow else NAN
    return quick - calm


def macd_step(state: State, x: float, fast: int, slow: int) -> float:
    """Take one value; return ema(fast) − ema(slow)."""
    return _macd_at(state, x, fast, slow) if isfinite(x) else NAN


def macd_signal_step(state: State, x: float, fast: int, slow: int, signal: int) -> float:
    """Take one value; return the ema of macd."""
    if not isfinite(x):
        return NAN
    line = _macd_at(state, x, fast, slow)
    return ema_at(state, 5, line, signal) if isfinite(line) else NAN


def macd_histogram_step(state: State, x: float, fast: int, slow: int, signal: int) -> float:
    """Take one value; return macd − its signal."""
    if not isfinite(x):
        return NAN
    line = _macd_at(state, x, fast, slow)
    return line - ema_at(state, 5, line, signal) if isfinite(line) else NAN


def _back_at(state: State, x: float, length: int) -> float:
    # [0] values seen (up to length), [1] place in the ring, [2:] ring; the value of so many bars ago
    head = state[1]
    place = 2 + int(head)
    old = state[place]
    state[place] = x
    state[1] = head + 1.0 if head + 1.0 < length else 0.0
    if state[0] < length:
        state[0] += 1.0
        return NAN
    return old


def mom_step(state: State, x: float, length: int) -> float:
    """Take one value; return its change over `length` bars."""
    return x - _back_at(state, x, length) if isfinite(x) else NAN


def roc_step(state: State, x: float, length: int) -> float:
    """Take one value; return its change over `length` bars in percent; unknown from zero."""
    if not isfinite(x):
        return NAN
    old = _back_at(state, x, length)
    return NAN if old == 0.0 else 100.0 * (x / old - 1.0)


def _slowest(*lengths: int) -> float:
    return 2.0 / (max(lengths) + 1.0)


_FAST, _SLOW = Constant(name="fast", default=12), Constant(name="slow", default=26)
_SIGNAL = Constant(name="signal", default=9)
_MACD = "Appel (1979); both means begin together and are seeded as TA-Lib does"

RSI = Indicator(
    name="rsi",
    inputs=("x",),
    constants=(Constant(name="length", default=14),),
    size=lambda length: 4,
    step=rsi_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1 + bars_to_forget(1.0 / length),
    summary="relative strength index, 0 … 100 (50 when nothing moved)",
    source="Wilder (1978); seeded as TA-Lib does, which gives 0 when nothing moved",
    memory=Memory.DECAY,
)
MACD = Indicator(
    name="macd",
    inputs=("x",),
    constants=(_FAST, _SLOW),
    size=lambda fast, slow: 5,
    step=macd_step,
    first=max,
    warmup=lambda fast, slow: max(fast, slow) + bars_to_forget(_slowest(fast, slow), (2.0,)),
    summary="ema(fast) − ema(slow)",
    source=_MACD + "; TA-Lib withholds it until there is a signal",
    memory=Memory.DECAY,
)
MACD_SIGNAL = Indicator(
    name="macd_signal",
    inputs=("x",),
    constants=(_FAST, _SLOW, _SIGNAL),
    size=lambda fast, slow, signal: 7,
    step=macd_signal_step,
    first=lambda fast, slow, signal: max(fast, slow) + signal - 1,
    warmup=lambda fast, slow, signal: (
        max(fast, slow) + signal - 1 + bars_to_forget(_slowest(fast, slow, signal), (0.0, 2.0))
    ),
    summary="ema of macd over `signal` bars",
    source=_MACD,
    memory=Memory.DECAY,
)
MACD_HISTOGRAM = Indicator(
    name="macd_histogram",
    inputs=("x",),
    constants=(_FAST, _SLOW, _SIGNAL),
    size=lambda fast, slow, signal: 7,
    step=macd_histogram_step,
    first=lambda fast, slow, signal: max(fast, slow) + signal - 1,
    warmup=lambda fast, slow, signal: (
        max(fast, slow) + signal - 1 + bars_to_forget(_slowest(fast, slow, signal), (2.0, 2.0))
    ),
    summary="macd − its signal",
    source=_MACD,
    memory=Memory.DECAY,
)
MOM = Indicator(
    name="mom",
    inputs=("x",),
    constants=(Constant(name="length", default=10),),
    size=lambda length: 2 + length,
    step=mom_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1,
    summary="change over `length` bars",
    source="difference",
)
ROC = Indicator(
    name="roc",
    inputs=("x",),
    constants=(Constant(name="length", default=10),),
    size=lambda length: 2 + length,
    step=roc_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1,
    summary="change over `length` bars in percent",
    source="rate of change; unknown from zero, where TA-Lib gives 0",
)
MOMENTUM = (RSI, MACD, MACD_SIGNAL, MACD_HISTOGRAM, MOM, ROC)
