"""Business days of the US futures exchanges: the days on which prices settle and expiry rules count.

A business day is not the same as a day with trading: on Martin Luther King Day Globex trades for some hours, but
nothing settles and no expiry rule counts it. Trading hours are in `workbench.domain.hours`.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

ONE_DAY = timedelta(days=1)
SATURDAY = 5

# Days on which the exchange floors stayed shut out of turn; expiries moved with them.
EXTRA_HOLIDAYS = frozenset({date(2001, 9, 11), date(2001, 9, 12), date(2001, 9, 13)})


def nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    """Return the `n`-th given weekday of a month (Monday is 0).

    Examples
    --------
    >>> nth_weekday(2013, 9, 4, 3)  # third Friday
    datetime.date(2013, 9, 20)
    """
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def last_weekday(year: int, month: int, weekday: int) -> date:
    """Return the last given weekday of a month (Monday is 0).

    Examples
    --------
    >>> last_weekday(2024, 5, 0)  # Memorial Day
    datetime.date(2024, 5, 27)
    """
    last = last_day(year, month)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def last_day(year: int, month: int) -> date:
    """Return the last calendar day of a month."""
    return date(year + month // 12, month % 12 + 1, 1) - ONE_DAY


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar.

    Notes
    -----
    Gauss's method with the century corrections of Meeus, *Astronomical Algorithms*, chapter 8.

    Examples
    --------
    >>> easter(2025)
    datetime.date(2025, 4, 20)
    """
    golden, century = year % 19, year // 100
    epact = (19 * golden + century - century // 4 - (8 * century + 13) // 25 + 15) % 30
    epact -= (epact // 28) * (1 - (29 // (epact + 1)) * ((21 - golden) // 11))
    offset = epact - (year + year // 4 + epact + 2 - century + century // 4) % 7
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def _observed(day: date) -> date:
    """Saturday holidays are kept on Friday, Sunday ones on Monday."""
    return day + {5: -ONE_DAY, 6: ONE_DAY}.get(day.weekday(), timedelta())


@cache
def holidays(year: int) -> frozenset[date]:
    """Return the exchange holidays of a year (weekday dates only matter).

    Notes
    -----
    New Year on a Saturday is not moved to the Friday (31 December is a business day: contracts settle at the
    year's end). Juneteenth is kept since 2022, Martin Luther King Day since 1998.
    """
    new_year = date(year, 1, 1)
    days = {
        new_year if new_year.weekday() == SATURDAY else _observed(new_year),
        nth_weekday(year, 1, 0, 3),
        nth_weekday(year, 2, 0, 3),
        easter(year) - 2 * ONE_DAY,
        last_weekday(year, 5, 0),
        _observed(date(year, 7, 4)),
        nth_weekday(year, 9, 0, 1),
        nth_weekday(year, 11, 3, 4),
        _observed(date(year, 12, 25)),
    }
    if year >= 2022:
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days) | {day for day in EXTRA_HOLIDAYS if day.year == year}


def is_business_day(day: date) -> bool:
    """Return whether prices settle on `day`.

    Examples
    --------
    >>> is_business_day(date(2025, 4, 18))  # Good Friday
    False
    """
    return day.weekday() < SATURDAY and day not in holidays(day.year)


def business_day_on_or_before(day: date) -> date:
    """Return `day` itself, or the business day before it."""
    while not is_business_day(day):
        day -= ONE_DAY
    return day


def add_business_days(day: date, n: int) -> date:
    """Step `n` business days from `day` (negative: backwards); `day` itself is not counted.

    Examples
    --------
    >>> add_business_days(date(2025, 4, 17), 1)  # over Good Friday and Easter
    datetime.date(2025, 4, 21)
    """
    step = ONE_DAY if n > 0 else -ONE_DAY
    for _ in range(abs(n)):
        day += step
        while not is_business_day(day):
            day += step
    return day


def nth_last_business_day(year: int, month: int, n: int) -> date:
    """Return the `n`-th last business day of a month (1 is the last).

    Examples
    --------
    >>> nth_last_business_day(2024, 2, 3)  # gold of February 2024
    datetime.date(2024, 2, 27)
    """
    return add_business_days(business_day_on_or_before(last_day(year, month)), -(n - 1))
