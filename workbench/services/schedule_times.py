"""When a report is due: five fields of cron, or so many minutes after the exchange's close. Pure; no clock is read.

``30 17 * * mon-fri`` means 17:30 in Chicago; another zone stands behind the fields (``0 8 * * * Europe/Berlin``).
``close + 10 min of MES`` follows the calendar of the product, with its holidays and early closes; ``open``, ``week
close`` and ``month close`` (the last trading date of a week or month) work alike.

A wall time that a change of clocks skips is an hour later that day; one that comes twice counts once. With ``*`` in the
hour field real minutes count instead: none is skipped, and the repeated hour counts twice.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from workbench.domain.errors import InputError, UnknownName
from workbench.domain.hours import EPOCH_AT, SECOND, local, trading_hours

MINUTE_NS = 60 * SECOND
MOST_DAYS = 366 * 9  # 29 February of a leap year comes again after eight years at most
MOST_OFFSET_MIN = 24 * 60
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SHORT = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * sun", "@monthly": "0 0 1 * *"}
HOW = "write cron such as '30 17 * * mon-fri', or 'close + 10 min of MES'"
_SESSION = re.compile(
    r"(?:(?P<period>week|month)\s+)?(?P<edge>open|close)(?:\s*(?P<sign>[+-])\s*(?P<n>\d+)\s*(?P<unit>min|m|h)\w*)?"
    r"(?:\s+of\s+(?P<product>[A-Za-z0-9.]+))?"
)


class Due(Protocol):
    """A rule that says when something is due."""

    def next_after(self, at: int) -> int:
        """Return the first due time after an instant (both UTC ns)."""
        ...

    def last_until(self, at: int, after: int) -> int | None:
        """Return the latest due time in ``after < due <= at``; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields of cron in a time zone; a day counts when either of both day fields names it, as in cron."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either_day: bool  # both day fields are restricted
    every_hour: bool
    zone: ZoneInfo

    def next_after(self, at: int) -> int:
        """Return the first due time after an instant (both UTC ns)."""
        day = _wall(at, self.zone).date() - timedelta(days=1)
        for _ in range(MOST_DAYS):
            found = next((due for due in self._of(day) if due > at), None)
            if found is not None:
                return found
            day += timedelta(days=1)
        raise InputError("this schedule is never due: no such date comes in nine years")

    def last_until(self, at: int, after: int) -> int | None:
        """Return the latest due time in ``after < due <= at``; None when there is none."""
        day, first = _wall(at, self.zone).date() + timedelta(days=1), _wall(after, self.zone).date()
        for _ in range(MOST_DAYS):
            found = [due for due in self._of(day) if after < due <= at]
            if found:
                return found[-1]
            if day < first:
                return None
            day -= timedelta(days=1)
        return None

    def _of(self, day: date) -> list[int]:
        if day.month not in self.months:
            return []
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if not (by_day or by_weekday if self.either_day else by_day and by_weekday):
            return []
        return sorted({due for hour in self.hours for minute in self.minutes for due in self._at(day, hour, minute)})

    def _at(self, day: date, hour: int, minute: int) -> Iterator[int]:
        wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
        first = wall.astimezone(UTC)
        is_skipped = first.astimezone(self.zone).replace(tzinfo=None) != wall.replace(tzinfo=None)
        if not (is_skipped and self.every_hour):
            yield _ns(first)
        if self.every_hour and not is_skipped:
            yield _ns(wall.replace(fold=1).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class AtSession:
    """So long after the open or close of each trading date, or of the last (first) one of a week or month."""

    product: str
    edge: str  # open, close
    period: str  # day, week, month
    offset: int  # ns

    def next_after(self, at: int) -> int:
        """Return the first due time after an instant (both UTC ns)."""
        times = _edges(self.product, self.edge, self.period)
        row = bisect_right(times, at - self.offset)
        if row == len(times):
            raise InputError(f"{local(at):%Y-%m-%d} is behind the end of the trading calendar of {self.product}")
        return times[row] + self.offset

    def last_until(self, at: int, after: int) -> int | None:
        """Return the latest due time in ``after < due <= at``; None when there is none."""
        times = _edges(self.product, self.edge, self.period)
        row = bisect_right(times, at - self.offset) - 1
        return times[row] + self.offset if row >= 0 and times[row] + self.offset > after else None


def parse_due(text: str) -> Due:
    """Return the rule that a person wrote.

    Raises
    ------
    InputError
        It is neither cron nor a time around the exchange's open or close.

    Examples
    --------
    >>> import datetime as dt
    >>> at = parse_due("close + 10 min of MES").next_after(1_795_446_000_000_000_000)  # Monday 23 November 2026, 09:00
    >>> local(at).isoformat()
    '2026-11-23T16:10:00-06:00'
    """
    written = " ".join(text.strip().split())
    found = _SESSION.fullmatch(written.lower())
    if found is not None:
        # the product keeps the case it was written in: the last word, if there is one
        product = written.rpartition(" of ")[2] if found["product"] else "index"
        return _at_session(found, product)
    return _cron(SHORT.get(written.lower(), written), written)


def _at_session(found: re.Match[str], product: str) -> AtSession:
    minutes = int(found["n"] or 0) * (60 if (found["unit"] or "").startswith("h") else 1)
    if minutes > MOST_OFFSET_MIN:
        raise InputError(f"{found.group()!r} is more than a day from the {found['edge']}; write it as cron")
    trading_hours(product)  # says what is wrong with a product that is none
    sign = -1 if found["sign"] == "-" else 1
    return AtSession(product, found["edge"], found["period"] or "day", sign * minutes * MINUTE_NS)


def _cron(text: str, written: str) -> Cron:
    fields = text.split()
    zone = fields.pop() if len(fields) == 6 else "America/Chicago"
    if len(fields) != 5:
        raise InputError(f"{written!r} says not when a report is due; {HOW}")
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"{zone!r} in {written!r} is no time zone; write one such as America/Chicago") from None
    minute, hour, day, month, weekday = fields
    made = Cron(
        minutes=_field(minute, 0, 59, (), "minute"),
        hours=_field(hour, 0, 23, (), "hour"),
        days=frozenset(_field(day, 1, 31, (), "day")),
        months=frozenset(_field(month, 1, 12, MONTHS, "month")),
        weekdays=frozenset(n % 7 for n in _field(weekday, 0, 7, WEEKDAYS, "weekday")),
        either_day=not day.startswith("*") and not weekday.startswith("*"),
        every_hour=hour.startswith("*"),
        zone=where,
    )
    made.next_after(0)  # 31 February is never
    return made


def _field(text: str, low: int, high: int, names: tuple[str, ...], what: str) -> tuple[int, ...]:
    out: set[int] = set()
    for part in text.lower().split(","):
        span, slash, step = part.partition("/")
        every = _number(step, 1, high, (), what) if slash else 1
        begin, dash, end = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(begin, low, high, names, what)
            last = _number(end, low, high, names, what) if dash else high if slash else first
        if last < first:
            raise InputError(f"{part!r} of the {what} field runs backwards; write it as two parts with a comma")
        out.update(range(first, last + 1, every))
    return tuple(sorted(out))


def _number(text: str, low: int, high: int, names: tuple[str, ...], what: str) -> int:
    if text in names:
        return names.index(text) + (1 if names is MONTHS else 0)
    if not text.isdecimal():
        if names and text.isalpha():
            raise UnknownName(what, text, names, where="a schedule")
        raise InputError(f"{text!r} in the {what} field is no number from {low} to {high}; {HOW}")
    if not low <= int(text) <= high:
        raise InputError(f"{text} in the {what} field must be from {low} to {high}")
    return int(text)


@lru_cache(maxsize=64)
def _edges(product: str, edge: str, period: str) -> list[int]:
    hours = trading_hours(product)
    times: list[int] = (hours.closes if edge == "close" else hours.opens).tolist()
    if period == "day":
        return times
    labels = [_period(day, period) for day in hours.dates.tolist()]
    borders = [
        row for row, (one, two) in enumerate(pairwise(labels)) if one != two
    ]  # the last rows but that of the calendar
    return [times[row if edge == "close" else row + 1] for row in borders]


def _period(day: date, period: str) -> tuple[int, int]:
    return (day.year, day.month) if period == "month" else day.isocalendar()[:2]


def _wall(at: int, zone: ZoneInfo) -> datetime:
    return (EPOCH_AT + timedelta(microseconds=at // 1000)).astimezone(zone)


def _ns(at: datetime) -> int:
    return (at - EPOCH_AT) // timedelta(seconds=1) * SECOND
