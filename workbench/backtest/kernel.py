"""The compiled engine: the decision, the gate and the fill model over arrays, one bar after the other.

It takes the columns of a plan's slots and its numbers as arguments, so a new rule or parameter compiles nothing, and it
gives what the event engine gives: the same fills, orders, ids, refusals and equity, tested bar by bar against it
(`tests/parity`). While nothing is held and nothing waits, it looks only for the next entry.
"""

from __future__ import annotations

from workbench._numba_cache import prepare

prepare()

from workbench.backtest.kernel_decide import Rules, count, decide
from workbench.backtest.kernel_fills import play
from workbench.backtest.kernel_firm import Firm, level, open_account, pass_over, roll_firm
from workbench.backtest.kernel_signals import (
    ENTER,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    PAST,
    next_reach,
    next_signal,
)
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

FAR = 1 << 61
STRETCH = 512  # bars


@compiled
def run(s: Ints, m: Market, x: Rules, g: Gate, firm: Firm, log: Log, first: int, last: int) -> None:
    """Play bars `first` to `last` (exclusive) on a fresh state, which is the result; earlier bars are history."""
    open_account(s, m, firm, first)
    i = first
    is_single = m.offsets.shape[0] == m.sub_starts.shape[0] + 1  # each bar is its own and only sub-bar
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
            j, end = (i, i + 1) if is_single else (m.offsets[i], m.offsets[i + 1])
            while j < end:
                play(s, m, g, firm, log, i, j)
                j += 1
        if i >= s[DAY_BAR]:
            roll(s, m, m.ends[i])
        s[LAST] = m.closes[i]
        if log.daily.shape[0] and (s[QTY] != 0 or s[WAS] != 0 or s[ENTERED] != 0):
            note_close(s, m, log, i)
        count(s, m, x, i)
        decide(s, m, x, g, firm, log, i)
        i += 1
    if firm.on and last > first:
        roll_firm(s, m, firm, log, m.offsets[last] - 1)


@inlined
def _next_entry(s: Ints, x: Rules, i: int, last: int) -> int:
    # the next close at which exactly one side wants to enter; the closes before it count for the cool-down
    begin = i
    i = next_signal(x.signals, x.words, ENTER, max(i, x.needed - 1), last)
    if s[SINCE] < NEVER:
        s[SINCE] += i - begin
    return i


@inlined
def _glide(s: Ints, m: Market, x: Rules, firm: Firm, log: Log, i: int, last: int) -> int:
    # the next bar in which something can happen to a position; in those before it, it is merely held
    begin, end = i, last
    mask = ENTER_SHORT | EXIT_LONG | PAST
    low, high = s[STOP_AT] if s[STOP_ID] else -FAR, s[TARGET_AT] if s[TARGET_ID] else FAR
    if s[QTY] < 0:
        mask = ENTER_LONG | EXIT_SHORT | PAST
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
    if low > -FAR or high < FAR:
        i = _until(m, x, mask, low, high, i, end)
    else:
        i = next_signal(x.signals, x.words, mask, i, end)
    if i > begin:
        s[LAST] = m.closes[i - 1]
        s[BARS_IN] += i - begin
        if log.daily.shape[0]:
            _note_closes(s, m, log, begin, i)
    return i


@inlined
def _until(m: Market, x: Rules, mask: int, low: int, high: int, i: int, end: int) -> int:
    # a signal or a price, whichever comes first: by stretches, so that neither is sought far beyond the other
    while i < end:
        stretch = min(end, i + STRETCH)
        told = next_signal(x.signals, x.words, mask, i, stretch)
        i = next_reach(m.lows, m.highs, low, high, i, told)
        if i < stretch:
            return i
    return i


@inlined
def _note_closes(s: Ints, m: Market, log: Log, begin: int, end: int) -> None:
    # what `note_close` does at every close, for a position that is merely held
    worth, cash = s[QTY] * m.tick_value, s[CASH]
    closes, days = m.closes, m.days
    i = begin
    while i < end:
        day = days[i]
        stop = end if days[end - 1] == day else first_at_least(days, day + 1, i, end)
        _note_range(s, closes, cash, worth, i, stop)
        log.daily[day] = cash + worth * closes[stop - 1]
        i = stop
    s[EXPOSED] += end - begin


@inlined
def _note_range(s: Ints, closes: Ints, cash: int, worth: int, begin: int, end: int) -> None:
    # peak and depth over closes: their order matters only where a new peak and a deeper fall may both lie in them
    low = high = closes[begin]
    for k in range(begin, end):
        low, high = min(low, closes[k]), max(high, closes[k])
    best, worst = (cash + worth * high, cash + worth * low) if worth > 0 else (cash + worth * low, cash + worth * high)
    peak, depth = s[PEAK], s[DEPTH]
    if best <= peak:
        s[DEPTH] = max(depth, peak - worst)
    elif best - worst <= depth:
        s[PEAK] = best
    else:
        for k in range(begin, end):
            now = cash + worth * closes[k]
            peak = max(peak, now)
            depth = max(depth, peak - now)
        s[PEAK], s[DEPTH] = peak, depth
