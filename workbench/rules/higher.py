"""Bars of a higher timeframe from closed bars of a lower one, as they come: the streaming twin of `Inputs.higher`."""

from __future__ import annotations

from collections.abc import Callable

from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import DayClock

# open, high, low, close, volume, trading date, start second, end second
Step = Callable[[float, float, float, float, float, float, float, float], None]


class HigherBars:
    """Takes closed bars and tells `step` of each bar of a higher timeframe once it is closed.

    Parameters
    ----------
    text : str
        The higher timeframe, such as ``4h``.
    group : str
        Product group, for its trading hours.
    step : callable
        Takes a closed higher bar as `Graph.step` does.
    """

    def __init__(self, text: str, group: str, step: Step) -> None:
        self._frame, self._hours, self._step = timeframe(text), trading_hours(group), step
        self._day = DayClock(self._hours)
        self._start, self._end = 0, -1
        self._whole = False  # the beginning of the bar was seen
        self._told = True
        self._bar = [0.0] * 5

    def take(self, start: int, end: int, open_: float, high: float, low: float, close: float, volume: float) -> bool:
        """Take a closed bar of the lower timeframe; True if a higher bar was closed by it."""
        told = False
        bar = self._bar
        if end > self._end:
            told = self._tell()
            first = self._end < 0
            self._start = self._frame.bar_start(end - 1, self._hours)
            self._end = self._frame.bar_end(self._start, self._hours)
            self._whole = not first or start <= self._start
            self._told = False
            bar[:] = (open_, high, low, close, volume)
        else:
            if high > bar[1] or high != high:
                bar[1] = high
            if low < bar[2] or low != low:
                bar[2] = low
            bar[3] = close
            bar[4] += volume
        return self._tell() or told if end >= self._end else told

    def _tell(self) -> bool:
        if self._told:
            return False
        self._told = True
        if not self._whole:
            return False
        day = self._day
        day.enter(self._start)
        o, h, lo, c, v = self._bar
        self._step(o, h, lo, c, v, day.day, day.second(self._start), day.second(self._end))
        return True
