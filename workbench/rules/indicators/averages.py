"""Moving averages: sma, ema, wma, rma, hma, dema, tema, kama.

All are TA-Lib's where it has them (sma, ema, wma, dema, tema, kama), the first value and the seed included.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Constant, Indicator, Memory, bars_to_forget
from workbench.rules.indicators.parts import ema_at, mean_at, rma_at, wma_at

State = MutableSequence[float]
LENGTH = Constant(name="length")

KAMA_SLOW = 2.0 / 31.0  # Kaufman's constants: as an ema of 30 when the price goes nowhere,
KAMA_SPAN = 2.0 / 3.0 - 2.0 / 31.0  # as an ema of 2 when every move goes one way


def sma_step(state: State, x: float, length: int) -> float:
    """Take one value; return the plain mean of the last `length`."""
    return mean_at(state, 0, x, length) if isfinite(x) else NAN


def ema_step(state: State, x: float, length: int) -> float:
    """Take one value; return the exponential mean, α = 2 / (length + 1), seeded with the mean of the first `length`."""
    return ema_at(state, 0, x, length) if isfinite(x) else NAN


def wma_step(state: State, x: float, length: int) -> float:
    """Take one value; return the mean of the last `length`, weighted 1, 2 … length."""
    return wma_at(state, 0, x, length) if isfinite(x) else NAN


def rma_step(state: State, x: float, length: int) -> float:
    """Take one value; return Wilder's mean, α = 1 / length, seeded with the mean of the first `length`."""
    return rma_at(state, 0, x, length) if isfinite(x) else NAN


def _root(length: int) -> int:
    # Whole square root, rounded down, by counting: the same in both forms.
    root = 1
    while (root + 1) * (root + 1) <= length:
        root += 1
    return root


def hma_step(state: State, x: float, length: int) -> float:
    """Take one value; return Hull's mean: the wma over √length of 2 · wma(length / 2) − wma(length)."""
    # state: [0] √length, [1:] the wma of half the length, of the length, of the root
    if not isfinite(x):
        return NAN
    half = length // 2
    if state[0] == 0.0:
        state[0] = float(_root(length))
    fast = wma_at(state, 1, x, half)
    slow = wma_at(state, 6 + half, x, length)
    return wma_at(state, 11 + half + length, 2.0 * fast - slow, int(state[0])) if isfinite(slow) else NAN


def dema_step(state: State, x: float, length: int) -> float:
    """Take one value; return 2 · ema − ema of the ema."""
    if not isfinite(x):
        return NAN
    once = ema_at(state, 0, x, length)
    if not isfinite(once):
        return NAN
    return 2.0 * once - ema_at(state, 2, once, length)


def tema_step(state: State, x: float, length: int) -> float:
    """Take one value; return 3 · ema − 3 · ema of the ema + ema of that."""
    if not isfinite(x):
        return NAN
    once = ema_at(state, 0, x, length)
    if not isfinite(once):
        return NAN
    twice = ema_at(state, 2, once, length)
    if not isfinite(twice):
        return NAN
    return 3.0 * once - 3.0 * twice + ema_at(state, 4, twice, length)


def kama_step(state: State, x: float, length: int) -> float:
    """Take one value; return Kaufman's adaptive mean: fast when the price goes one way, slow when it goes nowhere."""
    # state: [0] values seen (up to length + 1), [1] place in the ring, [2] value before, [3] sum of the moves, [4] the
    # mean, [5] value that left the ring last, [6] bars without a move, [7:] ring
    if not isfinite(x):
        return NAN
    seen, head, before = state[0], state[1], state[2]
    place = 7 + int(head)
    old, older = state[place], state[5]
    state[place], state[2], state[5] = x, x, old
    state[1] = head + 1.0 if head + 1.0 < length else 0.0
    if seen == 0.0:
        state[0], state[4] = 1.0, x
        return NAN
    state[6] = state[6] + 1.0 if x == before else 0.0
    if seen < length:
        state[0] = seen + 1.0
        state[3] += abs(x - before)
        state[4] = x
        return NAN
    if seen == length:
        state[0] = seen + 1.0
        state[3] += abs(x - before)
    elif head == 0.0:
        state[3] = abs(x - before) + (abs(state[8] - old) if length > 1 else 0.0)
        for i in range(8, 6 + length):
            state[3] += abs(state[i + 1] - state[i])
        if length == 1:
            state[3] = abs(x - before)
    else:
        state[3] += abs(x - before) - abs(old - older)
    efficiency = 1.0
    if state[6] < length and state[3] > 0.0:
        efficiency = min(abs(x - old) / state[3], 1.0)
    weight = efficiency * KAMA_SPAN + KAMA_SLOW
    state[4] += (x - state[4]) * (weight * weight)
    return state[4]


def _window(length: int) -> int:
    return length


def _hull_bars(length: int) -> int:
    return length + _root(length) - 1


SMA = Indicator(
    name="sma",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 4 + length,
    step=sma_step,
    first=_window,
    warmup=_window,
    summary="mean of the last `length` values",
    source="arithmetic mean",
)
EMA = Indicator(
    name="ema",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 2,
    step=ema_step,
    first=_window,
    warmup=lambda length: length + bars_to_forget(2.0 / (length + 1.0)),
    summary="exponential mean, weight 2 / (length + 1) on the newest value",
    source="seeded with the mean of the first `length` values, as TA-Lib does",
    memory=Memory.DECAY,
)
WMA = Indicator(
    name="wma",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 5 + length,
    step=wma_step,
    first=_window,
    warmup=_window,
    summary="mean of the last `length` values, weighted 1 … length (newest)",
    source="linearly weighted mean",
)
RMA = Indicator(
    name="rma",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 2,
    step=rma_step,
    first=_window,
    warmup=lambda length: length + bars_to_forget(1.0 / length),
    summary="Wilder's mean, weight 1 / length on the newest value",
    source="Wilder, New Concepts in Technical Trading Systems (1978); seeded with the mean of the first values",
    memory=Memory.DECAY,
)
HMA = Indicator(
    name="hma",
    inputs=("x",),
    constants=(Constant(name="length", least=2),),
    size=lambda length: 16 + length // 2 + length + _root(length),
    step=hma_step,
    first=_hull_bars,
    warmup=_hull_bars,
    summary="Hull's mean: wma over √length of 2 · wma(length / 2) − wma(length)",
    source="Hull (2005); half and root are rounded down",
)
DEMA = Indicator(
    name="dema",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 4,
    step=dema_step,
    first=lambda length: 2 * length - 1,
    warmup=lambda length: 2 * length - 1 + bars_to_forget(2.0 / (length + 1.0), (2.0, 1.0)),
    summary="2 · ema − ema of the ema",
    source="Mulloy, Stocks & Commodities 12:1 (1994); seeded as TA-Lib does",
    memory=Memory.DECAY,
)
TEMA = Indicator(
    name="tema",
    inputs=("x",),
    constants=(LENGTH,),
    size=lambda length: 6,
    step=tema_step,
    first=lambda length: 3 * length - 2,
    warmup=lambda length: 3 * length - 2 + bars_to_forget(2.0 / (length + 1.0), (3.0, 3.0, 1.0)),
    summary="3 · ema − 3 · ema of the ema + ema of that",
    source="Mulloy, Stocks & Commodities 12:1 (1994); seeded as TA-Lib does",
    memory=Memory.DECAY,
)
KAMA = Indicator(
    name="kama",
    inputs=("x",),
    constants=(Constant(name="length", default=10),),
    size=lambda length: 8 + length,
    step=kama_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1 + bars_to_forget(KAMA_SLOW * KAMA_SLOW),
    summary="Kaufman's adaptive mean over `length` moves, between an ema of 2 and one of 30",
    source="Kaufman, Trading Systems and Methods (1995); a window without a move counts as efficient, as in TA-Lib; "
    "the warm-up is that of a market which goes nowhere",
    memory=Memory.DECAY,
)
AVERAGES = (SMA, EMA, WMA, RMA, HMA, DEMA, TEMA, KAMA)
