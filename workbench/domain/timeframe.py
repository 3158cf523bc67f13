"""Timeframes: how long a bar is, and where it starts.

Bars up to one hour lie on multiples of the UTC clock. Longer intraday bars are anchored on the session open (17:00
Chicago for most products), as the gateway's own are; the last one of a session lasts until its length is over or the
next session opens, whichever is first. Daily, weekly and monthly bars belong to trading dates and start at the open of
their first session. A bar never depends on which prints it holds.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from workbench.domain.errors import InputError
from workbench.domain.hours import SECOND, TradingHours

Int64Array = npt.NDArray[np.int64]

TIMEFRAMES = (
    *("1s", "2s", "3s", "5s", "10s", "15s", "20s", "30s"),
    *("1m", "2m", "3m", "5m", "10m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "12h"),
    *("1d", "1w", "1mo"),
)
# unit: (seconds, the gateway's number for it, the trading-date period it stands for)
UNITS = {
    "s": (1, 1, ""),
    "m": (60, 2, ""),
    "h": (3_600, 3, ""),
    "d": (86_400, 4, "day"),
    "w": (604_800, 5, "week"),
    "mo": (2_592_000, 6, "month"),
}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """The length of a bar and the rule for where it starts. Make one with `timeframe`.

    Parameters
    ----------
    text : str
        ``5m``, ``4h``, ``1d`` …
    seconds : int
        Nominal length: a day counts 24 hours, a month 30 days.
    gateway_unit, gateway_count : int
        The gateway's `unit` and `unitNumber`.
    period : str
        ``day``, ``week`` or ``month`` for bars that belong to trading dates, else empty.
    """

    text: str
    seconds: int
    gateway_unit: int
    gateway_count: int
    period: str

    def __str__(self) -> str:
        return self.text

    @property
    def daily(self) -> bool:
        """Whether bars belong to trading dates (1d, 1w, 1mo)."""
        return self.period != ""

    @property
    def anchored(self) -> bool:
        """Whether bars hang on the session open (all above one hour)."""
        return self.seconds > 3_600

    @property
    def length(self) -> int:
        """Nominal length in nanoseconds."""
        return self.seconds * SECOND

    def bar_start(self, at: int, hours: TradingHours | None = None) -> int:
        """Return the start (UTC ns) of the bar that an instant (UTC ns) belongs to.

        Parameters
        ----------
        at : int
            UTC nanoseconds.
        hours : TradingHours, optional
            Needed above one hour.

        Examples
        --------
        >>> from datetime import date
        >>> from workbench.domain.hours import at_local, local, trading_hours
        >>> at = at_local(date(2025, 4, 1), "09:12")
        >>> local(timeframe("5m").bar_start(at)).strftime("%H:%M")
        '09:10'
        >>> local(timeframe("4h").bar_start(at, trading_hours("MES"))).strftime("%H:%M")
        '09:00'
        """
        if not self.anchored:
            return at - at % self.length
        trading = self._require(hours)
        if self.period:
            return int(self._edges(trading, at)[0])
        session_open, _ = trading.session_bounds(at)
        return at - (at - session_open) % self.length

    def bar_end(self, start: int, hours: TradingHours | None = None) -> int:
        """Return the end (UTC ns, exclusive) of the bar that starts at `start`."""
        if not self.anchored:
            return start + self.length
        trading = self._require(hours)
        if self.period:
            return int(self._edges(trading, start)[1])
        _, next_open = trading.session_bounds(start)
        return min(start + self.length, next_open)

    def bar_starts(self, ts: Int64Array, hours: TradingHours | None = None) -> Int64Array:
        """Return `bar_start` of each instant of an array (UTC ns)."""
        stamps = np.asarray(ts, dtype=np.int64)
        if not self.anchored:
            starts: Int64Array = stamps - stamps % self.length
            return starts
        trading = self._require(hours)
        rows = trading.session_index(stamps)
        if self.period:
            edges = trading.period_opens(self.period)
            return edges[np.searchsorted(edges, stamps, side="right") - 1]
        starts = stamps - (stamps - trading.opens[rows]) % self.length
        return starts

    def bar_ends(self, starts: Int64Array, hours: TradingHours | None = None) -> Int64Array:
        """Return `bar_end` of each bar start of an array (UTC ns)."""
        stamps = np.asarray(starts, dtype=np.int64)
        if not self.anchored:
            return stamps + self.length
        trading = self._require(hours)
        rows = trading.session_index(stamps)
        if self.period:
            edges = trading.period_opens(self.period)
            return edges[np.searchsorted(edges, stamps, side="right")]
        return np.minimum(stamps + self.length, trading.next_opens(rows))

    def _edges(self, hours: TradingHours, at: int) -> Int64Array:
        hours.row(at)  # outside the calendar is an error, not the nearest edge
        edges = hours.period_opens(self.period)
        after = int(np.searchsorted(edges, at, side="right"))
        return edges[after - 1 : after + 1]

    def _require(self, hours: TradingHours | None) -> TradingHours:
        if hours is None:
            raise InputError(f"{self.text} bars hang on the session open; pass hours=trading_hours(root)")
        return hours


@cache
def timeframe(text: str) -> Timeframe:
    """Return the timeframe that a text names.

    Raises
    ------
    InputError
        An unknown timeframe, with the closest known ones.

    Examples
    --------
    >>> timeframe("4h").seconds, timeframe("4h").anchored
    (14400, True)
    >>> timeframe("5min")
    Traceback (most recent call last):
    ...
    workbench.domain.errors.InputError: unknown timeframe '5min'; did you mean 5m or 15m?
    """
    if text not in TIMEFRAMES:
        close = difflib.get_close_matches(text, TIMEFRAMES, n=2, cutoff=0.4)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(TIMEFRAMES)}"
        raise InputError(f"unknown timeframe {text!r}; {hint}")
    count = int(text.rstrip("smhdwo"))
    seconds, gateway_unit, period = UNITS[text.lstrip("0123456789")]
    return Timeframe(text, count * seconds, gateway_unit, count, period)
