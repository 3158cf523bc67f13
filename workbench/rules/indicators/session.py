"""Indicators of the trading day: opening range, session and overnight extremes, the opening, the gap.

Seconds here count from 17:00 Chicago, where the trading date begins, so that a day never wraps at midnight. All of them
begin anew with each trading date; on a date that was joined too late to know, they stay unknown.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import isfinite

from workbench.rules.indicators.base import NAN, Constant, Indicator, Memory
from workbench.rules.indicators.parts import is_new_date

State = MutableSequence[float]


def _range_step(
    state: State, x: float, day: float, start_s: float, end_s: float, minutes: int, open_s: int, sign: float
) -> float:
    # state: [0:3] date, [3] bars in the range, [4] their extreme
    if not isfinite(day + start_s + end_s):
        return NAN
    if is_new_date(state, 0, day, start_s, float(open_s)) > 0.0:
        state[3] = 0.0
    if state[2] == 0.0 or not isfinite(x):
        return NAN
    ends = open_s + 60.0 * minutes
    if start_s >= open_s and end_s <= ends:
        state[4] = x if state[3] == 0.0 else sign * max(sign * state[4], sign * x)
        state[3] += 1.0
    return state[4] if end_s >= ends and state[3] > 0.0 else NAN


def range_high_step(
    state: State, high: float, day: float, start_s: float, end_s: float, minutes: int, open_s: int
) -> float:
    """Take one bar; return the high of the first `minutes` after the opening once they are over, NaN before."""
    return _range_step(state, high, day, start_s, end_s, minutes, open_s, 1.0)


def range_low_step(
    state: State, low: float, day: float, start_s: float, end_s: float, minutes: int, open_s: int
) -> float:
    """Take one bar; return the low of the first `minutes` after the opening once they are over, NaN before."""
    return _range_step(state, low, day, start_s, end_s, minutes, open_s, -1.0)


def _so_far(state: State, x: float, day: float, start_s: float, end_s: float, until_s: float, sign: float) -> float:
    # state: [0:3] date, [3] bars that count, [4] their extreme; a bar counts when it ends at `until_s` at the latest
    if not isfinite(x + day + start_s + end_s):
        return NAN
    if is_new_date(state, 0, day, start_s, 0.0) > 0.0:
        state[3] = 0.0
    if end_s <= until_s:
        state[4] = x if state[3] == 0.0 else sign * max(sign * state[4], sign * x)
        state[3] += 1.0
    return state[4] if state[2] > 0.0 and state[3] > 0.0 else NAN


def session_high_step(state: State, high: float, day: float, start_s: float) -> float:
    """Take one bar; return the highest high of the trading date so far."""
    return _so_far(state, high, day, start_s, start_s, start_s, 1.0)


def session_low_step(state: State, low: float, day: float, start_s: float) -> float:
    """Take one bar; return the lowest low of the trading date so far."""
    return _so_far(state, low, day, start_s, start_s, start_s, -1.0)


def session_open_step(state: State, open: float, day: float, start_s: float, open_s: int) -> float:
    """Take one bar; return the opening of the date's first bar at or after `open_s`; unknown before it."""
    # state: [0:3] date, [3] 1 when it is known, [4] the opening
    if not isfinite(open + day + start_s):
        return NAN
    if is_new_date(state, 0, day, start_s, float(open_s)) > 0.0:
        state[3] = 0.0
    if state[3] == 0.0 and start_s >= open_s:
        state[3], state[4] = 1.0, open
    return state[4] if state[2] > 0.0 and state[3] > 0.0 else NAN


def overnight_high_step(state: State, high: float, day: float, start_s: float, end_s: float, open_s: int) -> float:
    """Take one bar; return the highest high from 17:00 to `open_s`: so far during the night, then that of the night."""
    return _so_far(state, high, day, start_s, end_s, float(open_s), 1.0)


def overnight_low_step(state: State, low: float, day: float, start_s: float, end_s: float, open_s: int) -> float:
    """Take one bar; return the lowest low from 17:00 to `open_s`: so far during the night, then that of the night."""
    return _so_far(state, low, day, start_s, end_s, float(open_s), -1.0)


def overnight_open_step(state: State, open: float, day: float, start_s: float) -> float:
    """Take one bar; return the opening of the trading date's first bar."""
    return session_open_step(state, open, day, start_s, 0)


def overnight_close_step(state: State, close: float, day: float, start_s: float, end_s: float, open_s: int) -> float:
    """Take one bar; return the last close from 17:00 to `open_s`: so far during the night, then that of the night."""
    # state: [0:3] date, [3] 1 when it is known, [4] the close
    if not isfinite(close + day + start_s + end_s):
        return NAN
    if is_new_date(state, 0, day, start_s, 0.0) > 0.0:
        state[3] = 0.0
    if end_s <= open_s:
        state[3], state[4] = 1.0, close
    return state[4] if state[2] > 0.0 and state[3] > 0.0 else NAN


def _since(state: State, x: float, day: float, start_s: float, open_s: int, sign: float) -> float:
    # state: [0:3] date, [3] bars that count, [4] their extreme; a bar counts when it begins at `open_s` at the earliest
    if not isfinite(x + day + start_s):
        return NAN
    if is_new_date(state, 0, day, start_s, float(open_s)) > 0.0:
        state[3] = 0.0
    if start_s >= open_s:
        state[4] = x if state[3] == 0.0 else sign * max(sign * state[4], sign * x)
        state[3] += 1.0
    return state[4] if state[2] > 0.0 and state[3] > 0.0 else NAN


def day_high_step(state: State, high: float, day: float, start_s: float, open_s: int) -> float:
    """Take one bar; return the highest high of the date since `open_s`; unknown before it."""
    return _since(state, high, day, start_s, open_s, 1.0)


def day_low_step(state: State, low: float, day: float, start_s: float, open_s: int) -> float:
    """Take one bar; return the lowest low of the date since `open_s`; unknown before it."""
    return _since(state, low, day, start_s, open_s, -1.0)


def gap_step(state: State, open: float, close: float, day: float, start_s: float, open_s: int) -> float:
    """Take one bar; return the opening at `open_s` minus the last close of the date before; unknown before it."""
    # state: [0:5] the opening, [5] newest close, [6] close of the date before, [7] 1 when that is known
    if not isfinite(open + close + day + start_s):
        return NAN
    if state[1] > 0.0 and day != state[0]:
        state[6], state[7] = state[5], 1.0
    state[5] = close
    begins = session_open_step(state, open, day, start_s, open_s)
    return begins - state[6] if state[7] > 0.0 else NAN


_OPENS = Constant(name="open_s", least=0, most=86400, clock=True)
_RANGE = (Constant(name="minutes", most=1380), _OPENS)
_DAY = ("day", "start_s", "end_s")
_CRABEL = "Crabel, Day Trading with Short Term Price Patterns and Opening Range Breakout (1990)"
_DATE = "the exchange's trading date, from 17:00 Chicago"


def _one(*constants: float) -> int:
    return 1


OPENING_RANGE_HIGH = Indicator(
    name="opening_range_high",
    inputs=("high", *_DAY),
    constants=_RANGE,
    size=lambda minutes, open_s: 5,
    step=range_high_step,
    first=_one,
    warmup=_one,
    summary="high of the first `minutes` of the trading date's day session, from the moment they are over",
    source=_CRABEL,
    memory=Memory.SESSION,
)
OPENING_RANGE_LOW = Indicator(
    name="opening_range_low",
    inputs=("low", *_DAY),
    constants=_RANGE,
    size=lambda minutes, open_s: 5,
    step=range_low_step,
    first=_one,
    warmup=_one,
    summary="low of the first `minutes` of the trading date's day session, from the moment they are over",
    source=_CRABEL,
    memory=Memory.SESSION,
)
SESSION_HIGH = Indicator(
    name="session_high",
    inputs=("high", "day", "start_s"),
    constants=(),
    size=lambda: 5,
    step=session_high_step,
    first=_one,
    warmup=_one,
    summary="highest high of the trading date so far",
    source=_DATE,
    memory=Memory.SESSION,
)
SESSION_LOW = Indicator(
    name="session_low",
    inputs=("low", "day", "start_s"),
    constants=(),
    size=lambda: 5,
    step=session_low_step,
    first=_one,
    warmup=_one,
    summary="lowest low of the trading date so far",
    source=_DATE,
    memory=Memory.SESSION,
)
SESSION_OPEN = Indicator(
    name="session_open",
    inputs=("open", "day", "start_s"),
    constants=(_OPENS,),
    size=lambda open_s: 5,
    step=session_open_step,
    first=_one,
    warmup=_one,
    summary='opening of the day session, or at another time of day ("17:00" is that of the trading date)',
    source="opening of the first bar that begins at that time or later",
    memory=Memory.SESSION,
)
OVERNIGHT_HIGH = Indicator(
    name="overnight_high",
    inputs=("high", *_DAY),
    constants=(_OPENS,),
    size=lambda open_s: 5,
    step=overnight_high_step,
    first=_one,
    warmup=_one,
    summary="highest high from 17:00 to the day session's opening (or another time of day); so far, during the night",
    source=_DATE,
    memory=Memory.SESSION,
)
OVERNIGHT_LOW = Indicator(
    name="overnight_low",
    inputs=("low", *_DAY),
    constants=(_OPENS,),
    size=lambda open_s: 5,
    step=overnight_low_step,
    first=_one,
    warmup=_one,
    summary="lowest low from 17:00 to the day session's opening (or another time of day); so far, during the night",
    source=_DATE,
    memory=Memory.SESSION,
)
GAP = Indicator(
    name="gap",
    inputs=("open", "close", "day", "start_s"),
    constants=(_OPENS,),
    size=lambda open_s: 8,
    step=gap_step,
    first=_one,
    warmup=_one,
    summary="opening of the day session (or at another time of day) minus the last close of the trading date before",
    source=_DATE,
    memory=Memory.PRIOR_DAY,
)
OVERNIGHT_OPEN = Indicator(
    name="overnight_open",
    inputs=("open", "day", "start_s"),
    constants=(),
    size=lambda: 5,
    step=overnight_open_step,
    first=_one,
    warmup=_one,
    summary="opening of the trading date, at 17:00 Chicago",
    source=_DATE,
    memory=Memory.SESSION,
)
OVERNIGHT_CLOSE = Indicator(
    name="overnight_close",
    inputs=("close", *_DAY),
    constants=(_OPENS,),
    size=lambda open_s: 5,
    step=overnight_close_step,
    first=_one,
    warmup=_one,
    summary="last close before the day session's opening (or another time of day); so far, during the night",
    source=_DATE,
    memory=Memory.SESSION,
)
DAY_HIGH = Indicator(
    name="day_high",
    inputs=("high", "day", "start_s"),
    constants=(_OPENS,),
    size=lambda open_s: 5,
    step=day_high_step,
    first=_one,
    warmup=_one,
    summary="highest high since the day session's opening (or another time of day) so far; unknown before it",
    source=_DATE,
    memory=Memory.SESSION,
)
DAY_LOW = Indicator(
    name="day_low",
    inputs=("low", "day", "start_s"),
    constants=(_OPENS,),
    size=lambda open_s: 5,
    step=day_low_step,
    first=_one,
    warmup=_one,
    summary="lowest low since the day session's opening (or another time of day) so far; unknown before it",
    source=_DATE,
    memory=Memory.SESSION,
)
SESSION = (
    OPENING_RANGE_HIGH,
    OPENING_RANGE_LOW,
    SESSION_HIGH,
    SESSION_LOW,
    SESSION_OPEN,
    DAY_HIGH,
    DAY_LOW,
    OVERNIGHT_OPEN,
    OVERNIGHT_HIGH,
    OVERNIGHT_LOW,
    OVERNIGHT_CLOSE,
    GAP,
)
