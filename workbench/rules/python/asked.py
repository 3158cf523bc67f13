"""A rule whose decisions are made elsewhere: it notes what must be asked, and the answers come back as events.

Nothing of the strategy runs here, so a replay of the journal needs no worker: the answers are in the journal. The end
of the day is the one thing it decides by itself, because a position must be gone by then whatever became of the worker.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from workbench.domain.contract import spec
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.rules.daytime import DayClock, day_second
from workbench.rules.python.strategy import PythonStrategy
from workbench.rules.signal import Signal


class Asked(NamedTuple):
    """One closed bar, what is held at its close, and whether it is to be decided or only to be seen."""

    bar: BarClosed
    position: int
    entry_ticks: float | None
    decide: bool


class AskedRule:
    """The questions to one Python strategy on one contract, in order; owned by whoever feeds it.

    Parameters
    ----------
    strategy : PythonStrategy
        Its stored source is what the worker runs.
    """

    def __init__(self, strategy: PythonStrategy) -> None:
        self.strategy = strategy
        self.asked: list[Asked] = []
        self._day: DayClock | None = None
        self._last_start = -1

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> bool:
        """Note a closed bar that is only to be seen; False if it is not newer than the last one."""
        return self._note(bar, position, entry_ticks, decide=False)

    def on_bar(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> Signal | None:
        """Note a closed bar that is to be decided; return a signal only at the end of the day."""
        if not self._note(bar, position, entry_ticks, decide=True):
            return None
        flat_by = self.strategy.flat_by
        if flat_by is None or not position:
            return None
        if self._day is None:
            self._day = DayClock(trading_hours(spec(bar.contract)), day_second(flat_by))
        self._day.enter(bar.start)
        flat_at = self._day.flat_at
        is_last = flat_at is not None and bar.end + (bar.end - bar.start) > flat_at
        return Signal(at=bar.end, exit=True, rule="flat_by") if is_last else None

    def save(self) -> dict[str, Any]:
        """Return every question so far, as plain values: the worker is told them again and stands where it stood."""
        asked = [(msgspec.to_builtins(a.bar), a.position, a.entry_ticks, a.decide) for a in self.asked]
        return {"asked": asked, "last_start": self._last_start}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on where `save` was called."""
        self.asked[:] = [
            Asked(msgspec.convert(bar, BarClosed), position, entry, decide)
            for bar, position, entry, decide in saved["asked"]
        ]
        self._last_start = saved["last_start"]

    def _note(self, bar: BarClosed, position: int, entry_ticks: float | None, *, decide: bool) -> bool:
        if bar.timeframe != self.strategy.timeframe or bar.start <= self._last_start:
            return False
        self._last_start = bar.start
        self.asked.append(Asked(bar, position, entry_ticks, decide))
        return True
