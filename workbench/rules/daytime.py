"""The trading date's clock: where a bar stands in its day, when the day must be over, windows of the day.

A trading date begins at 17:00 Chicago of the evening before (exchange rule), so times of day are counted in seconds
from there: 17:00 is 0, 08:30 is 55,800, 16:00 is 82,800. No daylight-saving change falls inside an open trading date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from workbench.domain.clock import SECOND
from workbench.domain.errors import InputError
from workbench.domain.hours import TradingHours, at_local

DAY_S = 86_400
_BEGINS_S = 17 * 3600
EARLY_MARGIN = 300 * SECOND  # on a half day everything is over five minutes before the close
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")

# When the day session of a product group begins, Chicago time: pit and regular hours as CME lists them. Index products
# follow the New York stock exchange (09:30 New York).
DAY_OPENS = {
    "index": "08:30",
    "fx": "07:20",
    "rates": "07:20",
    "energy": "08:00",
    "metals": "07:20",
    "grains": "08:30",
    "livestock": "08:30",
    "crypto": "08:30",
}


def day_second(text: str, *, where: str = "") -> int:
    """Return the seconds from 17:00 Chicago to the time of day `text`.

    >>> day_second("17:00"), day_second("08:30"), day_second("16:00")
    (0, 55800, 82800)
    """
    match = _TIME.fullmatch(text)
    if match is None:
        place = f" ({where})" if where else ""
        raise InputError(f'{text!r} is not a time of day; write it as HH:MM, such as "08:30" (Chicago time){place}')
    return (int(match[1]) * 3600 + int(match[2]) * 60 - _BEGINS_S) % DAY_S


def is_within(second: float, begins: int, ends: int) -> bool:
    """Return True if `second` lies in [begins, ends); a window may span 17:00, and an end at 17:00 is the day's end.

    >>> is_within(55800, day_second("08:30"), day_second("11:00")), is_within(64800, 55800, 64800)
    (True, False)
    """
    ends = ends or DAY_S
    return begins <= second < ends if begins <= ends else second >= begins or second < ends


@dataclass(slots=True)
class DayClock:
    """Turns bar times into places in the trading date; computes the calendar once per date."""

    hours: TradingHours
    flat_by_s: int | None = None
    day: int = -1  # proleptic ordinal of the trading date
    flat_at: int | None = None  # ns, when this date's positions must be gone
    _begins: int = 0
    _first: int = 0
    _next: int = -1

    def enter(self, start: int) -> bool:
        """Move to the trading date of the bar that starts at `start` (ns); True if the date is a new one."""
        if self._first <= start < self._next:
            return False
        window = self.hours.window_at(start)
        self._first, self._next = self.hours.session_bounds(start)
        self._begins = at_local(window.trading_date - timedelta(days=1), "17:00")
        fresh = window.trading_date.toordinal() != self.day
        self.day = window.trading_date.toordinal()
        self.flat_at = None
        if self.flat_by_s is not None:
            self.flat_at = self._begins + self.flat_by_s * SECOND
            self.flat_at = min(self.flat_at, window.close - EARLY_MARGIN)
        return fresh

    def second(self, at: int) -> float:
        """Return the seconds from the trading date's 17:00 to `at` (ns)."""
        return (at - self._begins) / SECOND
