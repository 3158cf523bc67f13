"""Trend: adx, plus_di, minus_di, psar, supertrend.

adx, plus_di, minus_di and psar are TA-Lib's, its seeds included: Wilder's sums begin with one term less than their
length, and adx with the mean of its first values. psar and supertrend remember their last turn for as long as the trend
runs: no number of bars makes them forget, so a version's anchor decides.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Constant, Indicator, Memory, bars_to_forget
from workbench.rules.indicators.parts import true_range
from workbench.rules.indicators.volatility import atr_at

State = MutableSequence[float]


def _movement_at(state: State, high: float, low: float, close: float, length: int) -> float:
    # [0] bars seen, [1:4] high, low, close before, [4] upward and [5] downward movement, [6] true range (all
    # Wilder's sums); returns 1 when the sums are complete, else 0
    seen = state[0]
    up, down = high - state[1], state[2] - low
    reach = true_range(high, low, state[3])
    state[1], state[2], state[3] = high, low, close
    if seen < 2.0 * length:
        state[0] = seen + 1.0
    if seen == 0.0:
        return 0.0
    if seen >= length:
        state[4] -= state[4] / length
        state[5] -= state[5] / length
        state[6] -= state[6] / length
    if up > down and up > 0.0:
        state[4] += up
    elif down > up and down > 0.0:
        state[5] += down
    state[6] += reach
    return 1.0 if seen >= length else 0.0


def plus_di_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return the upward movement in percent of the true range."""
    if not isfinite(high + low + close) or _movement_at(state, high, low, close, length) == 0.0:
        return NAN
    return 100.0 * state[4] / state[6] if state[6] > 0.0 else 0.0


def minus_di_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return the downward movement in percent of the true range."""
    if not isfinite(high + low + close) or _movement_at(state, high, low, close, length) == 0.0:
        return NAN
    return 100.0 * state[5] / state[6] if state[6] > 0.0 else 0.0


def adx_step(state: State, high: float, low: float, close: float, length: int) -> float:
    """Take one bar; return Wilder's average directional index: how one-sided the movement is, 0 … 100."""
    # state: [7] values of the index (up to length), [8] their sum, later the average
    if not isfinite(high + low + close) or _movement_at(state, high, low, close, length) == 0.0:
        return NAN
    both = state[4] + state[5]
    moves = both > 0.0 and state[6] > 0.0
    index = 100.0 * abs(state[4] - state[5]) / both if moves else 0.0
    if state[7] < length:
        state[7] += 1.0
        state[8] += index
        if state[7] < length:
            return NAN
        state[8] /= length
    elif moves:  # a market that stands still says nothing about its direction
        state[8] = (state[8] * (length - 1.0) + index) / length
    return state[8]


def psar_step(state: State, high: float, low: float, acceleration: float, maximum: float) -> float:
    """Take one bar; return Wilder's parabolic stop for it: below the price while it rises, above while it falls."""
    # state: [0] bars seen (up to 2), [1] 1 long, −1 short, [2] stop of the coming bar, [3] extreme of the trend,
    # [4] acceleration now, [5] high before, [6] low before
    if not isfinite(high + low):
        return NAN
    high_before, low_before = state[5], state[6]
    state[5], state[6] = high, low
    if state[0] == 0.0:
        state[0] = 1.0
        return NAN
    if state[0] == 1.0:
        state[0] = 2.0
        falls = low_before - low > 0.0 and high - high_before < low_before - low
        state[1] = -1.0 if falls else 1.0
        state[2], state[3] = (high_before, low) if falls else (low_before, high)
        state[4] = min(acceleration, maximum)
        high_before, low_before = high, low
    if state[1] > 0.0:
        return _follow_up(state, high, low, high_before, low_before, acceleration, maximum)
    return _follow_down(state, high, low, high_before, low_before, acceleration, maximum)


def _follow_up(
    state: State, high: float, low: float, high_before: float, low_before: float, acceleration: float, maximum: float
) -> float:
    if low <= state[2]:  # touched: the trend turns, the stop stands at its extreme, above both bars
        stop = max(state[3], high_before, high)
        state[1], state[3], state[4] = -1.0, low, min(acceleration, maximum)
        state[2] = max(stop + state[4] * (low - stop), high_before, high)
        return stop
    stop = state[2]
    if high > state[3]:
        state[3] = high
        state[4] = min(state[4] + acceleration, maximum)
    state[2] = min(stop + state[4] * (state[3] - stop), low_before, low)
    return stop


def _follow_down(
    state: State, high: float, low: float, high_before: float, low_before: float, acceleration: float, maximum: float
) -> float:
    if high >= state[2]:
        stop = min(state[3], low_before, low)
        state[1], state[3], state[4] = 1.0, high, min(acceleration, maximum)
        state[2] = min(stop + state[4] * (high - stop), low_before, low)
        return stop
    stop = state[2]
    if low < state[3]:
        state[3] = low
        state[4] = min(state[4] + acceleration, maximum)
    state[2] = max(stop + state[4] * (state[3] - stop), high_before, high)
    return stop


def _supertrend_at(state: State, high: float, low: float, close: float, length: int, multiplier: float) -> float:
    # [0:4] average true range, [4] upper and [5] lower band, [6] 1 rising, −1 falling, 0 not known; returns [6]
    before = state[1]
    reach = atr_at(state, 0, high, low, close, length)
    if not isfinite(reach):
        return 0.0
    upper, lower = 0.5 * (high + low) + multiplier * reach, 0.5 * (high + low) - multiplier * reach
    if state[6] == 0.0:
        state[6] = -1.0
    else:  # a band only tightens, until the close before had left it
        if upper > state[4] and before <= state[4]:
            upper = state[4]
        if lower < state[5] and before >= state[5]:
            lower = state[5]
        if state[6] < 0.0 and close > upper:
            state[6] = 1.0
        elif state[6] > 0.0 and close < lower:
            state[6] = -1.0
    state[4], state[5] = upper, lower
    return state[6]


def supertrend_step(state: State, high: float, low: float, close: float, length: int, multiplier: float) -> float:
    """Take one bar; return the band that follows the price: the lower one while it rises, else the upper one."""
    if not isfinite(high + low + close):
        return NAN
    side = _supertrend_at(state, high, low, close, length, multiplier)
    return NAN if side == 0.0 else state[5] if side > 0.0 else state[4]


def supertrend_direction_step(
    state: State, high: float, low: float, close: float, length: int, multiplier: float
) -> float:
    """Take one bar; return 1 while supertrend is below the price, −1 while it is above."""
    if not isfinite(high + low + close):
        return NAN
    side = _supertrend_at(state, high, low, close, length, multiplier)
    return NAN if side == 0.0 else side


_BAR = ("high", "low", "close")
_LENGTH = Constant(name="length", least=2, default=14)
_PSAR = (
    Constant(name="acceleration", least=0.0, most=1.0, whole=False, default=0.02),
    Constant(name="maximum", least=0.0, most=1.0, whole=False, default=0.2),
)
_SUPERTREND = (
    Constant(name="length", default=10),
    Constant(name="multiplier", least=0.0, most=100.0, whole=False, default=3.0),
)
_WILDER = "Wilder, New Concepts in Technical Trading Systems (1978); seeded as TA-Lib does"
_SEBAN = "Seban (2009); begins as falling; the band tightens until a close leaves it"
_TURN_BARS = 100  # a trend that runs longer than this without a turn is rare; not a promise, see Memory.PATH


def _di_bars(length: int) -> int:
    return length + 1 + bars_to_forget(1.0 / length, (2.0,))


def _supertrend_bars(length: int, multiplier: float) -> int:
    return length + 1 + bars_to_forget(1.0 / length, (max(multiplier, 1.0),)) + _TURN_BARS


PLUS_DI = Indicator(
    name="plus_di",
    inputs=_BAR,
    constants=(_LENGTH,),
    size=lambda length: 7,
    step=plus_di_step,
    first=lambda length: length + 1,
    warmup=_di_bars,
    summary="upward movement in percent of the true range",
    source=_WILDER,
    memory=Memory.DECAY,
)
MINUS_DI = Indicator(
    name="minus_di",
    inputs=_BAR,
    constants=(_LENGTH,),
    size=lambda length: 7,
    step=minus_di_step,
    first=lambda length: length + 1,
    warmup=_di_bars,
    summary="downward movement in percent of the true range",
    source=_WILDER,
    memory=Memory.DECAY,
)
ADX = Indicator(
    name="adx",
    inputs=_BAR,
    constants=(_LENGTH,),
    size=lambda length: 9,
    step=adx_step,
    first=lambda length: 2 * length,
    warmup=lambda length: 2 * length + bars_to_forget(1.0 / length, (1.0, 2.0)),
    summary="average directional index: how one-sided the movement is, 0 … 100",
    source=_WILDER,
    memory=Memory.DECAY,
)
PSAR = Indicator(
    name="psar",
    inputs=("high", "low"),
    constants=_PSAR,
    size=lambda acceleration, maximum: 7,
    step=psar_step,
    first=lambda acceleration, maximum: 2,
    warmup=lambda acceleration, maximum: 2 + _TURN_BARS,
    summary="parabolic stop: below the price while it rises, above while it falls",
    source=_WILDER,
    memory=Memory.PATH,
)
SUPERTREND = Indicator(
    name="supertrend",
    inputs=_BAR,
    constants=_SUPERTREND,
    size=lambda length, multiplier: 7,
    step=supertrend_step,
    first=lambda length, multiplier: length + 1,
    warmup=_supertrend_bars,
    summary="band of `multiplier` average true ranges that follows the price on its other side",
    source=_SEBAN,
    memory=Memory.PATH,
)
SUPERTREND_DIRECTION = Indicator(
    name="supertrend_direction",
    inputs=_BAR,
    constants=_SUPERTREND,
    size=lambda length, multiplier: 7,
    step=supertrend_direction_step,
    first=lambda length, multiplier: length + 1,
    warmup=_supertrend_bars,
    summary="1 while supertrend is below the price, −1 while it is above",
    source=_SEBAN,
    memory=Memory.PATH,
)
TREND = (PLUS_DI, MINUS_DI, ADX, PSAR, SUPERTREND, SUPERTREND_DIRECTION)
