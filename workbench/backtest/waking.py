"""Where the event engine must ask: the bars at which something can happen, found in columns.

Between two of them the decision only counts bars. A bar is asked at when an order can fill in it, when a condition may
act at its close, when the stop of a position follows, on the first bar of a trading date while a position is held, at
the flat-by and the time exit, and when the firm of an account looks.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.events import BarClosed
from workbench.rules.decision import Decision
from workbench.rules.signal import Signal

if TYPE_CHECKING:
    from workbench.backtest.prepared import Columns, Prepared
    from workbench.backtest.replay import Line
    from workbench.rules.arrays import ColumnCache
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.rules.strategy import Strategy

Int64Array = npt.NDArray[np.int64]
FAR = 1 << 60
_CHUNK = 256


class Wakes:
    """A strategy's plan in columns, and the bars at which it must be asked.

    Parameters
    ----------
    prepared : Prepared
    strategy : Strategy
    cache, columns
        As in `Prepared.run`.
    """

    def __init__(
        self,
        prepared: Prepared,
        strategy: Strategy | PythonStrategy,
        cache: ColumnCache | None,
        columns: Columns | None,
    ) -> None:
        self.prepared = prepared
        plan = prepared.plan(strategy)
        found = prepared.columns(plan, cache, columns)
        count = len(prepared.series)
        if columns:  # a condition that is given from outside gets a slot of its own
            free = (
                max([slot for slot in found if isinstance(slot, int)] + list(plan.conditions.values()), default=0) + 1
            )
            given = {name: free + k for k, name in enumerate(columns)}
            plan = replace(plan, conditions={**plan.conditions, **given})
            found.update({slot: found[name] for name, slot in given.items()})
        self.plan = plan
        self.index = self.day = -1
        slots = {slot: column for slot, column in found.items() if isinstance(slot, int)}
        self.values = [math.nan] * (max(slots, default=0) + 1)
        for slot, column in slots.items():
            self.values[slot] = float(column[0])
        self._columns = [(slot, memoryview(column.data)) for slot, column in slots.items() if len(column) > 1]
        self._past, self._may = prepared.past(plan), prepared.allowed(plan)
        self.decision = Decision(plan, self.values, self._is_allowed)
        names = ("entry.long", "entry.short", "exit.long", "exit.short")
        wanted = {name: _true(found.get(name), count) for name in names}
        longs, shorts = wanted["entry.long"], wanted["entry.short"]
        self._entries = np.flatnonzero(longs != shorts)
        past = np.broadcast_to(self._past.astype(bool), count)
        self._exits = {
            1: np.flatnonzero(wanted["exit.long"] | (shorts & ~longs) | past),
            -1: np.flatnonzero(wanted["exit.short"] | (longs & ~shorts) | past),
        }
        self._edges = prepared.account_days
        self._firm = prepared.firm_bars
        self._lows, self._highs = prepared.series.ticks[2], prepared.series.ticks[1]

    def after(self, i: int, line: Line) -> int:
        """Return the next bar after `i` at which to ask."""
        begin = i + 1
        if begin >= line.last:
            return begin
        firm, held = line.account.firm, line.broker.held
        if self.decision.has_entered or (held and (self.decision.follows or firm.is_intraday)):
            return begin
        if held:
            found = min(_next(self._exits[1 if held > 0 else -1], begin), _next(self._edges, begin))
            if self.plan.exit_after:
                found = min(found, max(begin, i + self.plan.exit_after - self.decision.bars_in))
        else:
            found = _next(self._entries, max(begin, self.plan.needed - 1))
        if firm.rules is not None:
            found = min(found, _next(self._firm, begin))
        return self._next_fill(begin, min(found, line.last), line)

    def enter(self, i: int) -> None:
        """Take the values of bar `i`."""
        self.index = i
        day = self.prepared.lists.days[i]
        if day != self.day:
            self.day = day
            self.decision.trades_today = 0
        for slot, column in self._columns:
            self.values[slot] = column[i]

    def decide(self, bar: BarClosed, position: int, entry_ticks: float | None) -> Signal | None:
        """Return what the rules want at the close of the bar that was entered."""
        i = self.index
        self.decision.count(position, bar.high, bar.low)
        past = self._past[i if len(self._past) > 1 else 0]
        ready = i + 1 >= self.plan.needed
        return self.decision.decide(bar.start, bar.end, bar.close, 0 if past else None, ready, entry_ticks)

    def _is_allowed(self, end: int) -> bool:
        return bool(self._may[self.index if len(self._may) > 1 else 0])

    def _next_fill(self, begin: int, end: int, line: Line) -> int:
        # the first bar before `end` that reaches an order or the firm's level
        bounds = line.broker.bounds()
        if bounds is None:
            return begin
        low, high = bounds
        if low < -FAR and high > FAR:
            return end
        size = _CHUNK
        while begin < end:
            stop = min(begin + size, end)
            hit = (self._lows[begin:stop] <= low) | (self._highs[begin:stop] >= high)
            where = int(hit.argmax())
            if hit[where]:
                return begin + where
            begin, size = stop, size * 2
        return end


class ColumnRule:
    """The rule of a session whose values come from columns; `Wakes` says at which bar it stands."""

    def __init__(self, wakes: Wakes) -> None:
        self.wakes = wakes

    @property
    def own_limits(self) -> tuple[float, int]:
        """Loss of a day (USD) and contracts that the strategy allows itself."""
        return self.wakes.plan.daily_loss_usd, self.wakes.plan.max_position

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> object:
        """History is in the columns already."""

    def on_bar(self, bar: BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None:
        return self.wakes.decide(bar, position, entry_ticks)


def _true(column: npt.NDArray[np.float64] | None, count: int) -> npt.NDArray[np.bool_]:
    if column is None:
        return np.zeros(count, dtype=np.bool_)
    return np.broadcast_to(column == 1.0, count)


def _next(rows: Int64Array, begin: int) -> int:
    place = int(np.searchsorted(rows, begin))
    return int(rows[place]) if place < len(rows) else FAR
