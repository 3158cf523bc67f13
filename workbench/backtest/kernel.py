"""The compiled engine: the decision, the gate and the fill model over arrays, one bar after the other.

It takes the columns of a plan's slots and its numbers as arguments, so a new rule or parameter compiles nothing, and it
gives what the event engine gives: the same fills, orders, ids, refusals and equity, tested bar by bar against it
(`tests/parity`). While nothing is held and nothing waits, it looks only for the next entry.
"""

from __future__ import annotations

from workbench._numba_cache import prepare

prepare()

import numpy as np
from numpy.typing import NDArray

from workbench.backtest.kernel_decide import Rules, count, decide
from workbench.backtest.kernel_fills import play
from workbench.backtest.kernel_firm import Firm, level, open_account, pass_over, roll_firm
from workbench.backtest.kernel_state import (
    ACTED,
    BARS_IN,
    CASH,
    CLOSE_ID,
    DAY_BAR,
    DEPTH,
    ENTERED,
    ENTRY_ID,
    EXPOSED,
    LAST,
    PEAK,
    QTY,
    SINCE,
    STOP_AT,
    STOP_ID,
    TARGET_AT,
    TARGET_ID,
    WAS,
    Floats,
    Gate,
    Ints,
    Log,
    Market,
    compiled,
    first_at_least,
    inlined,
    note_close,
    roll,
)
from workbench.domain.programme import INTRADAY, NONE
from workbench.rules.plan import NEVER

Bytes = NDArray[np.uint8]
FAR = 1 << 61


@compiled
def run(s: Ints, m: Market, x: Rules, g: Gate, firm: Firm, log: Log, first: int, last: int) -> None:
    """Play bars `first` to `last` (exclusive) on a fresh state, which is the result; earlier bars are history."""
    open_account(s, m, firm, first)
    i = first
    may_glide = not x.moves and not (firm.on and firm.trail == INTRADAY)
    while i < last:
        if may_glide and s[QTY] != 0 and s[WAS] == s[QTY] and s[CLOSE_ID] == 0:
            i = _glide(s, m, x, firm, log, i, last)
            if i >= last:
                break
        if s[QTY] == 0 and s[WAS] == 0 and s[ENTERED] == 0 and s[ENTRY_ID] == 0:
            i = _next_entry(s, x, i, last)
            if i >= last:
                break
            if firm.on:
                pass_over(s, m, firm, log, i)
        elif s[QTY] == 0 and s[ENTRY_ID] == 0:
            if firm.on:
                pass_over(s, m, firm, log, i)
        else:
            for j in range(m.offsets[i], m.offsets[i + 1]):
                play(s, m, g, firm, log, i, j)
        roll(s, m, m.ends[i])
        s[LAST] = m.closes[i]
        if log.daily.shape[0] and (s[QTY] != 0 or s[WAS] != 0 or s[ENTERED] != 0):
            note_close(s, m, log, i)
        count(s, m, x, i)
        decide(s, m, x, g, firm, log, i)
        i += 1
    if firm.on and last > first:
        roll_firm(s, m, firm, log, m.offsets[last] - 1)


@compiled
def _next_entry(s: Ints, x: Rules, i: int, last: int) -> int:
    # the next close at which exactly one side wants to enter; the closes before it count for the cool-down
    begin = i
    i = max(i, x.needed - 1)
    longs, shorts, a, b = x.entry_long, x.entry_short, x.steps[0], x.steps[1]
    up, down = x.truths[0], x.truths[1]
    while i < last and (longs[i * a] == up) == (shorts[i * b] == down):
        i += 1
    if s[SINCE] < NEVER:
        s[SINCE] += i - begin
    return i


@compiled
def _glide(s: Ints, m: Market, x: Rules, firm: Firm, log: Log, i: int, last: int) -> int:
    # the next bar in which something can happen to a position; in those before it, it is merely held
    begin, end = i, last
    out, against, along = x.exit_long, x.entry_short, x.entry_long
    o, b, c = 2, 1, 0
    low, high = s[STOP_AT] if s[STOP_ID] else -FAR, s[TARGET_AT] if s[TARGET_ID] else FAR
    if s[QTY] < 0:
        out, against, along = x.exit_short, x.entry_long, x.entry_short
        o, b, c = 3, 0, 1
        low, high = s[TARGET_AT] if s[TARGET_ID] else -FAR, s[STOP_AT] if s[STOP_ID] else FAR
    if firm.on:
        breaks = level(s, m, firm)
        if breaks != NONE:
            low, high = (max(low, breaks), high) if s[QTY] > 0 else (low, min(high, breaks))
        while s[ACTED] < firm.bars.shape[0] and firm.bars[s[ACTED]] < i:
            s[ACTED] += 1
        if s[ACTED] < firm.bars.shape[0]:
            end = min(end, firm.bars[s[ACTED]])
    if x.exit_after:
        end = min(end, max(i, i + x.exit_after - s[BARS_IN] - 1))
    end = min(end, max(i, s[DAY_BAR]))  # a new day is looked at by itself
    lean, steps = log.daily.shape[0] > 0, (x.steps[b], x.steps[c], x.steps[o], x.past_step)
    truths = (x.truths[b], x.truths[c], x.truths[o])
    if low > -FAR or high < FAR:
        i = _until(against, along, out, x.past, m.lows, m.highs, steps, truths, low, high, i, end)
    else:
        i = _until_signal(against, along, out, x.past, steps, truths, i, end)
    if i > begin:
        s[LAST] = m.closes[i - 1]
        s[BARS_IN] += i - begin
        if lean:
            _note_closes(s, m, log, begin, i)
    return i


# The next two loops are where the time of a sweep goes: few columns are read, nothing is written, and what cannot
# happen in a run (no exit rule, no flat-by: columns of one value) is not looked at.


@compiled
def _until_signal(
    against: Floats,
    along: Floats,
    out: Floats,
    past: Bytes,
    steps: tuple[int, int, int, int],
    truths: tuple[float, float, float],
    i: int,
    end: int,
) -> int:
    b, c, a, d = steps
    u, v, w = truths
    if a == 0 and out[0] != w and d == 0 and not past[0] and b == 1 and c == 1:
        while i < end and not (against[i] == u and along[i] != v):
            i += 1
        return i
    while i < end:
        if out[i * a] == w or (against[i * b] == u and along[i * c] != v) or past[i * d]:
            return i
        i += 1
    return i


@compiled
def _until(
    against: Floats,
    along: Floats,
    out: Floats,
    past: Bytes,
    lows: Ints,
    highs: Ints,
    steps: tuple[int, int, int, int],
    truths: tuple[float, float, float],
    low: int,
    high: int,
    i: int,
    end: int,
) -> int:
    b, c, a, d = steps
    u, v, w = truths
    while i < end:
        if lows[i] <= low or highs[i] >= high or past[i * d]:
            return i
        if out[i * a] == w or (against[i * b] == u and along[i * c] != v):
            return i
        i += 1
    return i


@inlined
def _note_closes(s: Ints, m: Market, log: Log, begin: int, end: int) -> None:
    # what `note_close` does at every close, for a position that is merely held
    worth, cash, peak, depth = s[QTY] * m.tick_value, s[CASH], s[PEAK], s[DEPTH]
    closes, days = m.closes, m.days
    i = begin
    while i < end:
        day = days[i]
        stop = end if days[end - 1] == day else first_at_least(days, day + 1, i, end)
        for k in range(i, stop):
            now = cash + worth * closes[k]
            peak = max(peak, now)
            depth = max(depth, peak - now)
        log.daily[day] = cash + worth * closes[stop - 1]
        i = stop
    s[PEAK], s[DEPTH] = peak, depth
    s[EXPOSED] += end - begin
