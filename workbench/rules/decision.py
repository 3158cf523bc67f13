"""What the close of a bar decides, from a plan's values at that bar and from what has happened since the entry.

In this order:

1. Past the flat-by (the last close that is not later than it, half days included): leave, enter nothing.
2. An exit condition of the side that is held, or an entry condition of the other side, or the bars in position are
   used up: leave.
3. An entry condition of a side that is not held: enter, if the bar closes in a window, the day's trades are not used
   up, the cool-down is over, the history is long enough, and stop, target and size can be computed. When both sides
   want to enter at once, neither does.
4. Otherwise the stop of what is held moves: to the tightest of the trailing level (from the best price of the closed
   bars since the entry) and the break-even level. Where the close is at that level or beyond, the position is left.

`backtest.kernel` is the compiled twin of this class; a change here is a change there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from workbench.rules.plan import NEVER, RISK, VOLATILITY, Plan, contracts, whole_offset, whole_ticks
from workbench.rules.signal import Signal

TRAIL, BREAK_EVEN, EXIT_AFTER, FLAT_BY = "trail", "break_even", "exit.after", "flat_by"


class Decision:
    """The memory of one strategy on one contract, and its rules.

    Parameters
    ----------
    plan : Plan
    values : sequence of float
        The value of each slot of the plan at the bar that has just closed; kept current by the caller.
    is_allowed : callable
        Whether the windows allow an entry at the close of a bar (UTC ns).
    """

    def __init__(self, plan: Plan, values: Sequence[float], is_allowed: Callable[[int], bool]) -> None:
        self.plan, self._values, self._is_allowed = plan, values, is_allowed
        self.trades_today = 0
        self._position = 0
        self._entered = False
        self._since_trade = NEVER
        self._bars_in = 0
        self._best = 0
        self._moves = plan.trail.long >= 0 or plan.trail.short >= 0
        self._moves = self._moves or plan.break_even.long >= 0 or plan.break_even.short >= 0

    @property
    def follows(self) -> bool:
        """True when the stop of a position moves, so that every bar in position matters."""
        return self._moves

    @property
    def has_entered(self) -> bool:
        """True when an entry was signalled at the newest close."""
        return self._entered

    @property
    def bars_in(self) -> int:
        """Closed bars in the position that is held."""
        return self._bars_in

    def skip(self, bars: int) -> None:
        """Let so many bars close on which nothing was decided and the position did not change."""
        if self._position:
            self._bars_in += bars
        else:
            self._since_trade = min(self._since_trade + bars, NEVER)

    def count(self, position: int, high: float, low: float) -> None:
        """Take the close of a bar: `position` is held now, and the bar reached from `low` to `high` (points)."""
        # An entry that was signalled may have been filled and stopped out within this bar: it counts as a trade.
        busy = position != 0 or self._position != 0 or self._entered
        self._since_trade = 0 if busy else min(self._since_trade + 1, NEVER)
        if position:
            same = position * self._position > 0
            self._bars_in = self._bars_in + 1 if same else 1
            if self._moves:
                reached = self._ticks(high if position > 0 else low)
                better = max if position > 0 else min
                self._best = better(self._best, reached) if same else reached
        self._position, self._entered = position, False

    def decide(
        self, start: int, end: int, close: float, flat_at: int | None, ready: bool, entry_ticks: float | None
    ) -> Signal | None:
        """Return what the rules want at this close (`start`, `end` UTC ns, `close` points); call `count` before."""
        position = self._position
        if flat_at is not None and end + (end - start) > flat_at:
            return Signal(at=end, exit=True, rule=FLAT_BY) if position else None
        wants_long, wants_short = self._is_true("entry.long"), self._is_true("entry.short")
        side = 0 if wants_long == wants_short else 1 if wants_long else -1
        held = (position > 0) - (position < 0)
        rule = self._leaves(held, side) if held else ""
        if side and side != held and self._may_enter(end, ready):
            entry = self._entry(end, side, held if rule else 0)
            if entry is not None:
                self.trades_today += 1
                self._entered = True
                return entry
        if rule:
            return Signal(at=end, exit=True, exit_side=held, rule=rule)
        return self._follow(end, held, close, entry_ticks) if held and self._moves else None

    def _is_true(self, name: str) -> bool:
        slot = self.plan.conditions.get(name)
        return slot is not None and self._values[slot] == 1.0

    def _leaves(self, held: int, side: int) -> str:
        name = "exit.long" if held > 0 else "exit.short"
        if self._is_true(name):
            return name
        if side == -held:
            return "entry.long" if side > 0 else "entry.short"
        if self.plan.exit_after and self._bars_in >= self.plan.exit_after:
            return EXIT_AFTER
        return ""

    def _may_enter(self, end: int, ready: bool) -> bool:
        plan = self.plan
        if not ready or self.trades_today >= plan.max_trades or self._since_trade < plan.cooldown:
            return False
        return self._is_allowed(end)

    def _entry(self, at: int, side: int, held: int) -> Signal | None:
        plan = self.plan
        stop, target = self._distance(plan.stop.of(side)), self._distance(plan.target.of(side))
        if stop == 0 or target == 0:  # written, and not known now: no entry without its protection
            return None
        ranged = self._values[plan.volatility] if plan.sizing == VOLATILITY else math.nan
        if plan.sizing == RISK and stop is None:
            return None
        qty = contracts(plan.sizing, plan.amount, stop or 0, ranged, plan.tick_value, plan.most)
        if qty < 1:
            return None
        return Signal(
            at=at,
            entry=side,
            exit=held != 0,
            exit_side=held,
            rule="entry.long" if side > 0 else "entry.short",
            stop_ticks=None if stop is None else -side * stop,
            target_ticks=None if target is None else side * target,
            qty=qty,
        )

    def _follow(self, at: int, held: int, close: float, entry_ticks: float | None) -> Signal | None:
        plan, level, rule = self.plan, None, ""
        trail = self._distance(plan.trail.of(held))
        if trail:
            level, rule = self._best - trail * held, TRAIL
        after = self._distance(plan.break_even.of(held))
        if after and entry_ticks is not None and (self._best - entry_ticks) * held >= after:
            plus = plan.break_even_plus.of(held)
            even = math.floor(entry_ticks + 0.5) + (whole_offset(self._values[plus]) if plus >= 0 else 0) * held
            if level is None or (even - level) * held > 0:
                level, rule = even, BREAK_EVEN
        if level is None:
            return None
        if (self._ticks(close) - level) * held <= 0:  # the market is there already
            return Signal(at=at, exit=True, exit_side=held, rule=rule)
        return Signal(at=at, stop_to=level, rule=rule)

    def _distance(self, slot: int) -> int | None:
        return None if slot < 0 else whole_ticks(self._values[slot])

    def _ticks(self, points: float) -> int:
        return math.floor(points / self.plan.tick + 0.5) if math.isfinite(points) else self._best
