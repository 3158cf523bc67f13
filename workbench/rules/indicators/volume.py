"""Volume: obv, mfi, cmf, vwap (of the trading date, or from a time of day on), poc.

Where TA-Lib differs: its mfi of a window without a flow (or of less than 1) is 0, ours 50, because nothing speaks for a
fall.
"""

from __future__ import annotations

from collections.abc import MutableSequence
from math import floor, isfinite

from workbench.rules.indicators.base import NAN, ROUNDING, Constant, Indicator, Memory
from workbench.rules.indicators.parts import is_new_date

State = MutableSequence[float]
_FAR = 1e15  # levels beyond this cannot be counted in whole floats


def obv_step(state: State, close: float, volume: float) -> float:
    """Take one bar; return the volume so far: added on a higher close, taken off on a lower one."""
    # state: [0] 1 after the first bar, [1] close before, [2] total
    if not isfinite(close + volume):
        return NAN
    if state[0] == 0.0 or close > state[1]:
        state[2] += volume
    elif close < state[1]:
        state[2] -= volume
    state[0], state[1] = 1.0, close
    return state[2]


def mfi_step(state: State, high: float, low: float, close: float, volume: float, length: int) -> float:
    """Take one bar; return the money flow index: the rising bars' part of price × volume, 0 … 100."""
    # state: [0] bars seen (up to length + 1), [1] place in the ring, [2] typical price before, [3] rising and [4]
    # falling flow, [5] bars since the last rising and [6] falling one, [7:] ring of signed flows
    typical = (high + low + close) / 3.0
    if not isfinite(typical * volume):
        return NAN
    before, seen = state[2], state[0]
    state[2] = typical
    if seen <= length:
        state[0] = seen + 1.0
    if seen == 0.0:
        return NAN
    moved = typical - before
    if abs(moved) <= ROUNDING * abs(typical):
        moved = 0.0
    flow = typical * volume if moved > 0.0 else -typical * volume if moved < 0.0 else 0.0
    head = state[1]
    place = 7 + int(head)
    old = state[place]
    state[place] = flow
    state[1] = head + 1.0 if head + 1.0 < length else 0.0
    state[3] += max(flow, 0.0) - max(old, 0.0)
    state[4] += max(-flow, 0.0) - max(-old, 0.0)
    if head == 0.0:  # sums are taken anew, so rounding cannot pile up
        state[3] = state[4] = 0.0
        for i in range(7, 7 + length):
            state[3] += max(state[i], 0.0)
            state[4] += max(-state[i], 0.0)
    state[5] = 0.0 if flow > 0.0 else state[5] + 1.0
    state[6] = 0.0 if flow < 0.0 else state[6] + 1.0
    if seen < length:
        return NAN
    rising = state[3] if state[5] < length else 0.0
    falling = state[4] if state[6] < length else 0.0
    return 100.0 * rising / (rising + falling) if rising + falling > 0.0 else 50.0


def cmf_step(state: State, high: float, low: float, close: float, volume: float, length: int) -> float:
    """Take one bar; return the Chaikin money flow: where closes lay in their bars, weighted by volume, −1 … 1."""
    # state: [0] bars seen (up to length), [1] place in the rings, [2] sum of flows, [3] of volumes, [4:] ring of flows,
    # then of volumes
    if not isfinite(high + low + close + volume):
        return NAN
    flow = volume * ((close - low) - (high - close)) / (high - low) if high > low else 0.0
    head = state[1]
    place = 4 + int(head)
    state[2] += flow - state[place]
    state[3] += volume - state[place + length]
    state[place], state[place + length] = flow, volume
    state[1] = head + 1.0 if head + 1.0 < length else 0.0
    if head == 0.0:
        state[2] = state[3] = 0.0
        for i in range(4, 4 + length):
            state[2] += state[i]
            state[3] += state[i + length]
    if state[0] < length:
        state[0] += 1.0
        if state[0] < length:
            return NAN
    return state[2] / state[3] if state[3] > 0.0 else 0.0


def vwap_anchored_step(
    state: State,
    high: float,
    low: float,
    close: float,
    volume: float,
    day: float,
    start_s: float,
    open_s: int,
) -> float:
    """Take one bar; return the mean typical price weighted by volume since the date's `open_s`; unknown before it."""
    # state: [0:3] date, [3] reference, [4] sum of distance × volume, [5] of volume
    typical = (high + low + close) / 3.0
    if not isfinite(typical * volume + day + start_s):
        return NAN
    if is_new_date(state, 0, day, start_s, float(open_s)) > 0.0:
        state[3], state[4], state[5] = typical, 0.0, 0.0
    if start_s < open_s:
        return NAN
    state[4] += (typical - state[3]) * volume
    state[5] += volume
    return state[3] + state[4] / state[5] if state[5] > 0.0 and state[2] > 0.0 else NAN


def vwap_step(state: State, high: float, low: float, close: float, volume: float, day: float, start_s: float) -> float:
    """Take one bar; return the mean typical price of the trading date so far, weighted by volume."""
    return vwap_anchored_step(state, high, low, close, volume, day, start_s, 0)


def _slot(price: float, base: float, width: float, bins: int) -> int:
    return int(min(max(floor(price / width + 0.5) - base, 0.0), bins - 1.0))


def poc_step(
    state: State,
    high: float,
    low: float,
    volume: float,
    day: float,
    start_s: float,
    width: float,
    bins: int,
) -> float:
    """Take one bar; return the point of control: the level with the most volume of the trading date so far.

    A bar's volume is spread evenly over the levels it touched; on a tie the level that got there first stays. Levels
    more than half of `bins` away from the date's first price are counted at the edge.
    """
    # state: [0:3] date, [3] number of the lowest level, [4] the point of control (−1 none), [5:] volume by level
    if not isfinite(high + low + volume + day + start_s) or max(abs(high), abs(low)) > _FAR * width:
        return NAN
    if is_new_date(state, 0, day, start_s, 0.0) > 0.0:
        for i in range(5, 5 + bins):
            state[i] = 0.0
        state[3], state[4] = floor(low / width + 0.5) - float(bins // 2), -1.0
    bottom, top = _slot(low, state[3], width, bins), _slot(high, state[3], width, bins)
    share = volume / (max(top - bottom, 0) + 1.0)
    best = int(state[4])
    for i in range(bottom, top + 1):
        state[5 + i] += share
        if state[5 + i] > 0.0 and (best < 0 or state[5 + i] > state[5 + best]):
            best = i
    state[4] = float(best)
    return (state[3] + best) * width if best >= 0 and state[2] > 0.0 else NAN


_FLOW = ("high", "low", "close", "volume")
_DAY = ("day", "start_s")
_OPENS = Constant(name="open_s", least=0, most=86400, clock=True)


def _one(open_s: int = 0) -> int:
    return 1


OBV = Indicator(
    name="obv",
    inputs=("close", "volume"),
    constants=(),
    size=lambda: 3,
    step=obv_step,
    first=_one,
    warmup=_one,
    summary="on-balance volume since the first bar: its changes speak, its level does not",
    source="Granville (1963); begins with the first bar's volume, as TA-Lib",
    memory=Memory.PATH,
)
MFI = Indicator(
    name="mfi",
    inputs=_FLOW,
    constants=(Constant(name="length", default=14),),
    size=lambda length: 7 + length,
    step=mfi_step,
    first=lambda length: length + 1,
    warmup=lambda length: length + 1,
    summary="money flow index: the rising bars' part of price × volume, 0 … 100 (50 when nothing flowed)",
    source="Quong and Soudack, Stocks & Commodities 7:3 (1989); TA-Lib gives 0 when nothing flowed",
)
CMF = Indicator(
    name="cmf",
    inputs=_FLOW,
    constants=(Constant(name="length", default=20),),
    size=lambda length: 4 + 2 * length,
    step=cmf_step,
    first=lambda length: length,
    warmup=lambda length: length,
    summary="Chaikin money flow: where closes lay in their bars, weighted by volume, −1 … 1 (0 without volume)",
    source="Chaikin; a bar without a range has no flow",
)
VWAP = Indicator(
    name="vwap",
    inputs=(*_FLOW, *_DAY),
    constants=(),
    size=lambda: 6,
    step=vwap_step,
    first=_one,
    warmup=_one,
    summary="mean typical price of the trading date so far (from 17:00 Chicago), weighted by volume",
    source="volume-weighted average price of (high + low + close) / 3; unknown on a date joined too late",
    memory=Memory.SESSION,
)
VWAP_ANCHORED = Indicator(
    name="vwap_anchored",
    inputs=(*_FLOW, *_DAY),
    constants=(_OPENS,),
    size=lambda open_s: 6,
    step=vwap_anchored_step,
    first=_one,
    warmup=_one,
    summary="the same since a time of day (the day session's opening if left out); unknown before it",
    source="volume-weighted average price of (high + low + close) / 3; unknown on a date joined too late",
    memory=Memory.SESSION,
)
POC = Indicator(
    name="poc",
    inputs=("high", "low", "volume", *_DAY),
    constants=(
        Constant(name="points", least=1e-7, most=1e6, whole=False),
        Constant(name="bins", least=2, most=100_000, default=2000),
    ),
    size=lambda points, bins: 5 + bins,
    step=poc_step,
    first=lambda points, bins: 1,
    warmup=lambda points, bins: 1,
    summary="point of control: the level (multiple of `points`) with the most volume of the trading date so far",
    source="Steidlmayer's market profile by volume; a bar's volume is spread evenly over the levels it touched",
    memory=Memory.SESSION,
)
VOLUME = (OBV, MFI, CMF, VWAP, VWAP_ANCHORED, POC)
