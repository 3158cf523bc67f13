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
from workbench.backtest.kernel_firm import Firm, open_account, pass_over, roll_firm
from workbench.backtest.kernel_state import (
    ENTERED,
    ENTRY_ID,
    LAST,
    QTY,
    SINCE,
    WAS,
    Gate,
    Ints,
    Log,
    Market,
    compiled,
    note_close,
    roll,
)
from workbench.rules.plan import NEVER


@compiled
def run(s: Ints, m: Market, x: Rules, g: Gate, firm: Firm, log: Log, first: int, last: int) -> None:
    """Play bars `first` to `last` (exclusive); earlier ones are history. `s` is fresh, and holds the state at the end."""
    open_account(s, m, firm, first)
    i = first
    while i < last:
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
    while i < last and (longs[i * a] == 1.0) == (shorts[i * b] == 1.0):
        i += 1
    if s[SINCE] < NEVER:
        s[SINCE] += i - begin
    return i
