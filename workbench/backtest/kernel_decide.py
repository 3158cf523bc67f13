"""The compiled twin of `rules.decision`: what the close of a bar decides, and what becomes of it at once."""

from __future__ import annotations

from typing import NamedTuple

from workbench._numba_cache import prepare

prepare()

import numpy as np

from workbench.backtest.kernel_fills import submit
from workbench.backtest.kernel_firm import Firm
from workbench.backtest.kernel_signals import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, PAST, Words
from workbench.backtest.kernel_state import (
    BARS_IN,
    BEST,
    CLOSE_ID,
    ENTERED,
    ENTRY,
    MARKET,
    MOVED,
    NO,
    QTY,
    SINCE,
    STOP_AT,
    STOP_ID,
    STOP_LEVEL,
    THEN_QTY,
    THEN_SIDE,
    THEN_STOP,
    THEN_TARGET,
    TODAY,
    TRADES_TODAY,
    WAS,
    Flags,
    Floats,
    Gate,
    Ints,
    Log,
    Market,
    cancel_legs,
    compiled,
    inlined,
    place,
)
from workbench.backtest.played import MOVES, RULES
from workbench.backtest.switches import Without
from workbench.rules import plan
from workbench.rules.plan import FIXED, NEVER, RISK, VOLATILITY

whole_ticks, whole_offset = compiled(plan.whole_ticks), compiled(plan.whole_offset)
_TIGHTEN = int(Without.TIGHTEN)
_LONG, _SHORT = RULES.index("entry.long"), RULES.index("entry.short")
_EXIT_LONG, _EXIT_SHORT = RULES.index("exit.long"), RULES.index("exit.short")
_AFTER, _FLAT_BY = RULES.index("exit.after"), RULES.index("flat_by")
_TRAIL, _EVEN = RULES.index("trail"), RULES.index("break_even")
_MOVED_TRAIL, _MOVED_EVEN = MOVES.index("trail"), MOVES.index("break_even")
STOPS, TARGETS, TRAILS, EVENS, PLUSES, RANGES = range(0, 12, 2)  # of `Rules.distances`; the short side is the next one
FOLLOWING = 2  # bit of `Rules.moves`


class Rules(NamedTuple):
    """A plan as columns and numbers. A column of one value stands for a constant: its step is 0."""

    signals: Flags  # bits of the conditions at each close, see `kernel_signals`
    words: Words  # the same, eight to a word
    distances: tuple[Floats, ...]  # stop, target, trail, break-even, plus, range; long and short of each
    strides: Ints  # of the distances; -1 where there is none
    allowed: Flags  # the windows allow an entry at this close
    allowed_step: int
    moves: int  # whether trailing or break-even is written
    needed: int
    exit_after: int
    cooldown: int
    max_trades: int
    sizing: int
    amount: float
    most: int
    tick_value: float


@inlined
def distance(x: Rules, kind: int, side: int, i: int) -> float:
    """Return a distance in ticks, not rounded."""
    k = kind if side > 0 else kind + 1
    made: float = x.distances[k][i * x.strides[k]]
    return made


@inlined
def is_written(x: Rules, kind: int, side: int) -> bool:
    """Return whether this side has such a distance."""
    made: bool = x.strides[kind if side > 0 else kind + 1] >= 0
    return made


@compiled
def contracts(x: Rules, stop: int, ranged: float) -> int:
    """Return `rules.plan.contracts` for a plan."""
    if x.sizing == FIXED:
        return min(int(x.amount), x.most)
    spread = float(stop) if x.sizing == RISK else ranged
    if not (spread > 0.0 and spread < plan.MAX_TICKS):
        return 0
    return int(min(np.floor(x.amount / (spread * x.tick_value)), float(x.most)))


@inlined
def count(s: Ints, m: Market, x: Rules, i: int) -> None:
    """Take the close of bar `i` into the memory: days, bars without a position, bars in it, its best price."""
    if m.days[i] != s[TODAY]:
        s[TODAY] = m.days[i]
        s[TRADES_TODAY] = 0
    qty = s[QTY]
    if qty != 0 or s[WAS] != 0 or s[ENTERED] != 0:
        s[SINCE] = 0
    elif s[SINCE] < NEVER:
        s[SINCE] += 1
    if qty != 0:
        same = qty * s[WAS] > 0
        s[BARS_IN] = s[BARS_IN] + 1 if same else 1
        if x.moves:  # what follows the best price reads it
            reached = m.highs[i] if qty > 0 else m.lows[i]
            if not same or (reached > s[BEST] if qty > 0 else reached < s[BEST]):
                s[BEST] = reached
    s[WAS] = qty
    s[ENTERED] = 0


@inlined
def decide(s: Ints, m: Market, x: Rules, g: Gate, firm: Firm, log: Log, i: int) -> None:
    """Decide at the close of bar `i` and carry it out; call `count` before."""
    qty = s[QTY]
    held = 1 if qty > 0 else -1 if qty < 0 else 0
    told = x.signals[i]
    if told & PAST:
        if held != 0:
            leave(s, m, log, i, _FLAT_BY)
        return
    side = 1 if told & ENTER_LONG else -1 if told & ENTER_SHORT else 0
    rule = 0
    if held != 0:
        rule = _leaves(s, x, told, held, side)
    if side != 0 and side != held and may_enter(s, x, i) and _enter(s, m, x, g, firm, log, i, side, held):
        return
    if rule != 0:
        leave(s, m, log, i, rule)
    elif held != 0 and x.moves:
        _follow(s, m, x, log, i, held)


@inlined
def _leaves(s: Ints, x: Rules, told: int, held: int, side: int) -> int:
    if held > 0 and told & EXIT_LONG:
        return _EXIT_LONG
    if held < 0 and told & EXIT_SHORT:
        return _EXIT_SHORT
    if side == -held:
        return _LONG if side > 0 else _SHORT
    if x.exit_after and s[BARS_IN] >= x.exit_after:
        return _AFTER
    return 0


@inlined
def may_enter(s: Ints, x: Rules, i: int) -> bool:
    """Return whether history, trades of the day, cool-down and windows allow an entry."""
    if i + 1 < x.needed or s[TRADES_TODAY] >= x.max_trades or s[SINCE] < x.cooldown:
        return False
    made: bool = x.allowed[i * x.allowed_step] != 0
    return made


@inlined
def _enter(s: Ints, m: Market, x: Rules, g: Gate, firm: Firm, log: Log, i: int, side: int, held: int) -> bool:
    stop = target = NO
    ticks = 0
    if is_written(x, STOPS, side):
        ticks = whole_ticks(distance(x, STOPS, side, i))
        if ticks == 0:
            return False
        stop = -side * ticks
    if is_written(x, TARGETS, side):
        target = side * whole_ticks(distance(x, TARGETS, side, i))
        if target == 0:
            return False
    if x.sizing == RISK and stop == NO:
        return False
    ranged = distance(x, RANGES, side, i) if x.sizing == VOLATILITY else np.nan
    qty = contracts(x, ticks, ranged)
    if qty < 1:
        return False
    s[TRADES_TODAY] += 1
    s[ENTERED] = 1
    if held != 0:
        leave(s, m, log, i, _LONG if side > 0 else _SHORT)
        s[THEN_SIDE], s[THEN_QTY], s[THEN_STOP], s[THEN_TARGET] = side, qty, stop, target
    else:
        submit(s, m, g, firm, log, i, m.ends[i], side, qty, stop, target)
    return True


@compiled
def leave(s: Ints, m: Market, log: Log, i: int, rule: int) -> None:
    """Cancel what protects the position and close it at the next open."""
    cancel_legs(s, log)
    side = -1 if s[QTY] > 0 else 1
    s[CLOSE_ID] = place(s, log, m.ends[i], MARKET, side, abs(s[QTY]), NO, NO, NO, rule)
    s[THEN_SIDE] = 0


@inlined
def _follow(s: Ints, m: Market, x: Rules, log: Log, i: int, held: int) -> None:
    level, rule, moved = NO, 0, 0
    if is_written(x, TRAILS, held):
        ticks = whole_ticks(distance(x, TRAILS, held, i))
        if ticks > 0:
            level, rule, moved = s[BEST] - ticks * held, _TRAIL, _MOVED_TRAIL
    if is_written(x, EVENS, held):
        after = whole_ticks(distance(x, EVENS, held, i))
        if after > 0 and (s[BEST] - s[ENTRY]) * held >= after:
            plus = whole_offset(distance(x, PLUSES, held, i)) if is_written(x, PLUSES, held) else 0
            even = s[ENTRY] + plus * held
            if level == NO or (even - level) * held > 0:
                level, rule, moved = even, _EVEN, _MOVED_EVEN
    if level == NO:
        return
    if (m.closes[i] - level) * held <= 0:  # the market is there already
        leave(s, m, log, i, rule)
    elif s[STOP_ID] and ((level - s[STOP_AT]) * held > 0 or (m.without & _TIGHTEN and level != s[STOP_AT])):
        s[STOP_AT] = level
        k = s[STOP_ID] - 1
        if k < log.orders.shape[1]:
            log.orders[STOP_LEVEL, k] = level
            log.orders[MOVED, k] = moved
