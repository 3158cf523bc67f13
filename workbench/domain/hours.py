"""Dated trading hours: when a product trades, and to which trading date an instant belongs.

The trading date is the exchange's: Sunday evening is Monday. Hours, holidays and early closes come from
pandas-market-calendars, one calendar per product group, built on first use and kept. Three things are set right here
because the calendars were found to differ from the exchange's notices and from recorded data:

- Good Friday: index, currency, rate and crypto products trade (some morning hours) only in years in which the
  employment report falls on it, which is when Good Friday is the first Friday of April.
- Energy and metals close at 12:45 on 24 December, and on Labor Day at 13:30 since 2022 (as on other Monday holidays).
- Grains close at 12:05 on the days on which livestock closes early (day after Thanksgiving, 24 December).

Hours change over the years and the calendars know today's better than those of 2005: data outside the hours is a
flag, never a reason to throw it away. The quarter-hour halts of former years are not modelled, nor is weekend trading
of crypto products. A holiday with a shortened session is a trading date of its own here, as in the calendars; the
clearing house counts it to the next business day.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from workbench.domain.business_days import easter, nth_weekday
from workbench.domain.contract import ContractSpec, spec
from workbench.domain.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
DateArray = npt.NDArray[np.datetime64]

CHICAGO = ZoneInfo("America/Chicago")
SECOND = 1_000_000_000
EPOCH = date(1970, 1, 1)
EPOCH_AT = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR, LAST_YEAR = 2000, 2035

CALENDARS = {
    "index": "CME Globex Equity",
    "fx": "CMEGlobex_FX",
    "rates": "CME Globex Interest Rate Products",
    "energy": "CMEGlobex_EnergyAndMetals",
    "metals": "CMEGlobex_EnergyAndMetals",
    "grains": "CMEGlobex_Grains",
    "livestock": "CMEGlobex_Livestock",
    "crypto": "CME Globex Crypto",
}
GOOD_FRIDAY_GROUPS = frozenset({"index", "fx", "rates", "crypto"})


@dataclass(frozen=True, slots=True)
class TradingWindow:
    """The hours of one trading date; `open` and `close` in UTC nanoseconds, the close is exclusive."""

    trading_date: date
    open: int
    close: int
    early: bool


def local(at: int) -> datetime:
    """Return an instant (UTC ns) as Chicago time, cut to microseconds.

    Examples
    --------
    >>> local(1_378_072_800_000_000_000).isoformat()
    '2013-09-01T17:00:00-05:00'
    """
    return (EPOCH_AT + timedelta(microseconds=at // 1000)).astimezone(CHICAGO)


def at_local(day: date, clock: str) -> int:
    """Return a Chicago wall time on a calendar day as UTC nanoseconds.

    Parameters
    ----------
    day : date
        Calendar day in Chicago.
    clock : str
        ``HH:MM`` or ``HH:MM:SS``. A time that DST repeats means the first one.

    Examples
    --------
    >>> at_local(date(2013, 9, 1), "17:00")
    1378072800000000000
    """
    return _at_local(day, clock)


@lru_cache(maxsize=1 << 14)  # a backtest asks for the same clock on each of its dates, the next one again
def _at_local(day: date, clock: str) -> int:
    try:
        wall = datetime.combine(day, time.fromisoformat(clock), tzinfo=CHICAGO)
    except ValueError as error:
        raise InputError(f"{clock!r} is not a time of day; write HH:MM, such as 15:05") from error
    return (wall.astimezone(UTC) - EPOCH_AT) // timedelta(seconds=1) * SECOND


class TradingHours:
    """The trading windows of one product group, 2000 to 2035.

    Make one with `trading_hours`.

    Attributes
    ----------
    group : str
    opens, closes : array of int64
        UTC nanoseconds, one row per trading date, ascending.
    dates : array of datetime64[D]
        The trading dates.

    Notes
    -----
    An instant belongs to the trading date whose ``[open, next open)`` holds it: what is printed after a close (or on
    a weekend) belongs to the session that has just ended.
    """

    def __init__(self, group: str, opens: Int64Array, closes: Int64Array, dates: DateArray, breaks: Int64Array) -> None:
        """Keep the rows; the last one only bounds the one before it. `breaks` has a (start, end) row per break."""
        self.group = group
        self.opens, self.closes, self.dates = opens[:-1], closes[:-1], dates[:-1]
        self._edges = opens
        self._open_list: list[int] = opens.tolist()
        self._close_list: list[int] = closes.tolist()
        self._dates: list[date] = dates.tolist()
        self._row = {day: row for row, day in enumerate(self._dates[:-1])}
        # Spans of trading: sessions cut at their breaks.
        self._starts = np.sort(np.concatenate([opens, breaks[:, 1]]))
        self._ends = np.sort(np.concatenate([closes, breaks[:, 0]]))
        self._start_list: list[int] = self._starts.tolist()
        self._end_list: list[int] = self._ends.tolist()
        self._usual_close = _usual_close(self.closes)
        self._period_opens: dict[str, Int64Array] = {}

    def __repr__(self) -> str:
        return f"TradingHours({self.group}, {self._dates[0]} to {self._dates[-2]})"

    # --- one instant ---

    def row(self, at: int) -> int:
        """Return the row of `opens` that holds an instant (UTC ns)."""
        row = bisect_right(self._open_list, at) - 1
        if not 0 <= row < len(self._row):
            raise InputError(f"{_show(at)} is outside the {self.group} trading calendar ({FIRST_YEAR} to {LAST_YEAR})")
        return row

    def session_bounds(self, at: int) -> tuple[int, int]:
        """Return the open of the session that holds an instant, and the open of the next one (UTC ns)."""
        row = self.row(at)
        return self._open_list[row], self._open_list[row + 1]

    def trading_date(self, at: int) -> date:
        """Return the trading date of an instant (UTC ns).

        Examples
        --------
        >>> trading_hours("ES").trading_date(at_local(date(2013, 9, 8), "17:00"))  # Sunday evening is Monday
        datetime.date(2013, 9, 9)
        """
        return self._dates[self.row(at)]

    def is_open(self, at: int) -> bool:
        """Return whether the product trades at an instant (UTC ns), breaks and early closes included."""
        self.row(at)
        return at < self._end_list[bisect_right(self._start_list, at) - 1]

    def window(self, trading_date: date) -> TradingWindow:
        """Return the hours of a trading date; raise InputError for a holiday or a weekend."""
        row = self._row.get(trading_date)
        if row is None:
            raise InputError(f"{trading_date} is not a trading date for {self.group} ({FIRST_YEAR} to {LAST_YEAR})")
        return self._window(row)

    def window_at(self, at: int) -> TradingWindow:
        """Return the hours of the trading date that an instant (UTC ns) belongs to."""
        return self._window(self.row(at))

    def next_open(self, at: int) -> int:
        """Return the first instant after `at` (UTC ns) at which trading starts; the end of a break counts."""
        self.row(at)
        return self._start_list[bisect_right(self._start_list, at)]

    def next_close(self, at: int) -> int:
        """Return the first instant after `at` (UTC ns) at which trading ends; the start of a break counts."""
        self.row(at)
        return self._end_list[bisect_right(self._end_list, at)]

    def trading_dates(self, start: date, end: date) -> list[date]:
        """Return the trading dates from `start` to `end`, both included."""
        return [day for day in self._dates[:-1] if start <= day <= end]

    def _window(self, row: int) -> TradingWindow:
        close = self._close_list[row]
        early = local(close).time() < self._usual_close
        return TradingWindow(self._dates[row], self._open_list[row], close, early)

    # --- arrays of instants ---

    def session_index(self, ts: Int64Array) -> Int64Array:
        """Return the rows of `opens` that hold the instants (UTC ns)."""
        stamps = np.asarray(ts, dtype=np.int64)
        if stamps.size:
            self.row(int(stamps.min()))
            self.row(int(stamps.max()))
        rows: Int64Array = np.searchsorted(self._edges, stamps, side="right").astype(np.int64) - 1
        return rows

    def dated(self, ts: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return where the trading dates begin among ascending instants, their number behind it, and the dates' rows.

        The opens are looked up among the instants, not each instant among the opens: a column of something that is the
        same for a trading date is ``np.repeat(by_row, np.diff(edges))``.

        Examples
        --------
        >>> hours = trading_hours("ES")
        >>> evening = at_local(date(2013, 9, 8), "17:00")  # Sunday
        >>> edges, rows = hours.dated(np.array([evening - 1, evening, evening + 1]))
        >>> edges.tolist(), hours.dates[rows].tolist()
        ([0, 1, 3], [datetime.date(2013, 9, 6), datetime.date(2013, 9, 9)])
        """
        stamps = np.asarray(ts, dtype=np.int64)
        if not stamps.size:
            return np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64)
        rows = np.arange(self.row(int(stamps[0])), self.row(int(stamps[-1])) + 1, dtype=np.int64)
        edges = np.append(0, np.searchsorted(stamps, self.next_opens(rows))).astype(np.int64)
        held = np.diff(edges) > 0
        return np.append(edges[:-1][held], stamps.size), rows[held]

    def next_opens(self, rows: Int64Array) -> Int64Array:
        """Return for each row of `opens` the open of the session after it (UTC ns)."""
        return self._edges[rows + 1]

    def period_opens(self, unit: str) -> Int64Array:
        """Return the opens (UTC ns) at which a new trading day, week or month begins, and a last one as the bound.

        Parameters
        ----------
        unit : str
            ``day``, ``week`` (Monday to Sunday of the trading date) or ``month``.
        """
        if unit not in self._period_opens:
            days = np.array(self._dates, dtype="datetime64[D]")
            label = {
                "day": days.astype(np.int64),
                "week": (days.astype(np.int64) + 3) // 7,
                "month": days.astype("M8[M]"),
            }
            first = np.flatnonzero(label[unit][1:] != label[unit][:-1]) + 1
            self._period_opens[unit] = self._edges[np.unique(np.concatenate([[0], first, [len(days) - 1]]))]
        return self._period_opens[unit]

    def is_open_array(self, ts: Int64Array) -> BoolArray:
        """Return for each instant (UTC ns) whether the product trades."""
        stamps = np.asarray(ts, dtype=np.int64)
        self.session_index(stamps)
        trading: BoolArray = stamps < self._ends[np.searchsorted(self._starts, stamps, side="right") - 1]
        return trading

    def trading_dates_of(self, ts: Int64Array) -> DateArray:
        """Return for each instant (UTC ns) its trading date as datetime64[D]."""
        dates: DateArray = self.dates[self.session_index(ts)]
        return dates


def trading_hours(product: str | ContractSpec) -> TradingHours:
    """Return the hours of a product.

    Parameters
    ----------
    product : str or ContractSpec
        A group (``index``), or anything `workbench.domain.contract.spec` accepts.

    Examples
    --------
    >>> trading_hours("CON.F.US.EP.U13") is trading_hours("index")
    True
    """
    if isinstance(product, ContractSpec):
        group = product.group
    else:
        group = product if product in CALENDARS else spec(product).group
    return _given.get(group) or _build(group)


_given: dict[str, TradingHours] = {}


def give_hours(hours: TradingHours) -> None:
    """Use these hours of a group in this process: a child gets them from its parent instead of building them anew."""
    _given[hours.group] = hours


@cache
def _build(group: str) -> TradingHours:
    import pandas_market_calendars

    calendar = pandas_market_calendars.get_calendar(CALENDARS[group])
    schedule = calendar.schedule(f"{FIRST_YEAR - 1}-12-20", f"{LAST_YEAR + 1}-01-10", market_times="all", tz="UTC")
    opens, closes = _ns(schedule["market_open"]), _ns(schedule["market_close"])
    dates = schedule.index.to_numpy().astype("datetime64[D]")
    _close_early(group, dates, closes)
    keep = _kept(group, dates)
    breaks = np.empty((0, 2), dtype=np.int64)
    if "break_start" in schedule:
        breaks = np.column_stack([_ns(schedule["break_start"]), _ns(schedule["break_end"])])[keep]
        breaks = breaks[(breaks[:, 0] > opens[keep]) & (breaks[:, 1] < closes[keep])]
    return TradingHours(group, opens[keep], closes[keep], dates[keep], breaks)


def _ns(column: pd.Series[pd.Timestamp]) -> Int64Array:
    stamps: Int64Array = column.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    return stamps


def _kept(group: str, dates: DateArray) -> BoolArray:
    """Drop Good Fridays without the employment report, and keep a row on either side of the covered years."""
    keep: BoolArray = np.ones(len(dates), dtype=np.bool_)
    if group in GOOD_FRIDAY_GROUPS:
        for year in range(FIRST_YEAR, LAST_YEAR + 1):
            good_friday = easter(year) - timedelta(days=2)
            if not (good_friday.month == 4 and good_friday.day <= 7):
                keep[dates == np.datetime64(good_friday)] = False
    before = int(np.searchsorted(dates, np.datetime64(f"{FIRST_YEAR}-01-01"))) - 1
    after = int(np.searchsorted(dates, np.datetime64(f"{LAST_YEAR + 1}-01-01")))
    keep[:before] = False
    keep[after + 2 :] = False
    return keep


def _close_early(group: str, dates: DateArray, closes: Int64Array) -> None:
    """Set the closes that the calendars miss or have wrong, in place."""
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    early: dict[date, str] = {}
    if group in ("energy", "metals"):
        early = {date(year, 12, 24): "12:45" for year in years}
        early |= {nth_weekday(year, 9, 0, 1): "13:30" for year in years if year >= 2022}
    elif group == "grains":
        livestock = _build("livestock")
        early = {day: "12:05" for row, day in enumerate(livestock.dates.tolist()) if livestock._window(row).early}
    for row, day in enumerate(dates.tolist()):
        if day in early:
            closes[row] = at_local(day, early[day])


def _usual_close(closes: Int64Array) -> time:
    clocks = [local(close).time() for close in closes[-500:].tolist()]
    return max(set(clocks), key=clocks.count)


def _show(at: int) -> str:
    try:
        return local(at).isoformat(timespec="seconds")
    except OverflowError:
        return f"the instant {at} ns"
