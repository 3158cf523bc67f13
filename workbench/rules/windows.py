"""When entries are allowed, and when a position must be gone: for one bar, and for arrays of them, by the same rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from workbench.domain.clock import SECOND
from workbench.domain.hours import TradingHours, at_local
from workbench.rules.daytime import EARLY_MARGIN
from workbench.rules.zones import CHICAGO, DAY_S, offset, offsets

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
_DAY = DAY_S * SECOND
_THURSDAY = 3  # 1 January 1970


@dataclass(frozen=True, slots=True)
class Window:
    """A part of some weekdays, in the wall time of a zone. A bar belongs to it when its close is in [begins, ends).

    Parameters
    ----------
    days : tuple of int
        Weekdays, Monday = 0. A window over midnight belongs to the weekday on which it begins.
    begins_s, ends_s : int
        Seconds from midnight in `zone`; an end that is not later than the beginning is on the next day.
    zone : str
        IANA name.
    """

    days: tuple[int, ...]
    begins_s: int
    ends_s: int
    zone: str = CHICAGO

    def __contains__(self, end: int) -> bool:
        """Return whether a bar that closes at `end` (UTC ns) is in the window."""
        day, ns = divmod(end + offset(self.zone, end), _DAY)
        second, weekday = ns // SECOND, (day + _THURSDAY) % 7
        if self.begins_s < self.ends_s:
            return self.begins_s <= second < self.ends_s and weekday in self.days
        if second >= self.begins_s:
            return weekday in self.days
        return second < self.ends_s and (weekday - 1) % 7 in self.days

    def holds(self, ends: Int64Array) -> BoolArray:
        """Return for each close (UTC ns) whether it is in the window."""
        days, ns = np.divmod(ends + offsets(self.zone, ends), _DAY)
        seconds, weekdays = ns // SECOND, (days + _THURSDAY) % 7
        on = np.isin(np.arange(7), self.days)
        today: BoolArray = on[weekdays] & (seconds >= self.begins_s)
        if self.begins_s < self.ends_s:
            return today & (seconds < self.ends_s)
        made: BoolArray = today | (on[(weekdays - 1) % 7] & (seconds < self.ends_s))
        return made


def is_allowed(windows: Sequence[Window], end: int) -> bool:
    """Return whether a bar that closes at `end` (UTC ns) is in one of the windows; True without any."""
    return not windows or any(end in window for window in windows)


def allowed(windows: Sequence[Window], ends: Int64Array) -> BoolArray:
    """Return `is_allowed` of each close (UTC ns)."""
    made = np.full(len(ends), not windows)
    for window in windows:
        made |= window.holds(ends)
    return made


def flat_at(hours: TradingHours, starts: Int64Array, flat_by_s: int | None) -> Int64Array | None:
    """Return for each bar (starts, UTC ns) when its trading date's position must be gone (UTC ns), as `DayClock` does.

    `flat_by_s` counts from 17:00 Chicago; on a half day it is five minutes before the close at the latest.
    """
    if flat_by_s is None:
        return None
    edges, rows = hours.dated(starts)
    made: Int64Array = np.repeat(flat_on(hours, rows, flat_by_s), np.diff(edges))
    return made


def flat_on(hours: TradingHours, rows: Int64Array, flat_by_s: int) -> Int64Array:
    """Return the same for trading dates, given by their rows in the hours."""
    wanted = [at_local(day - timedelta(days=1), "17:00") + flat_by_s * SECOND for day in hours.dates[rows].tolist()]
    made: Int64Array = np.minimum(np.array(wanted, dtype=np.int64), hours.closes[rows] - EARLY_MARGIN)
    return made
