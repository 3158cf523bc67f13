"""Last trading days and roll dates, one rule per product family.

Each rule is the "termination of trading" clause of the product's contract specification at CME Group. Energy, metals,
grains and index futures are tested against published expiry tables; the others against dates worked by hand, and micro
copper is approximate. Holidays come from `workbench.domain.business_days`; closures that no rule foresees are not known
here, so ask the exchange's own calendar before relying on a date years ahead.

Roll dates are a convention, not a rule of the exchange: the day on which we call the next month the front. Index
futures change on the Monday of expiry week, as the gateway was seen to do. All others are approximate and follow
where the volume usually goes: before first notice for deliverable products, shortly before expiry for the rest.
The gateway's `activeContract` decides what can be traded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from workbench.domain.business_days import (
    ONE_DAY,
    add_business_days,
    business_day_on_or_before,
    is_business_day,
    last_weekday,
    nth_last_business_day,
    nth_weekday,
)

MONDAY, WEDNESDAY, THURSDAY, FRIDAY = 0, 2, 3, 4
Rule = Callable[[int, int], date]


def _month_before(year: int, month: int) -> tuple[int, int]:
    return (year, month - 1) if month > 1 else (year - 1, 12)


def _index(year: int, month: int) -> date:
    """Third Friday, or the business day before it."""
    return business_day_on_or_before(nth_weekday(year, month, FRIDAY, 3))


def _nikkei(year: int, month: int) -> date:
    """Business day before the second Friday."""
    return add_business_days(nth_weekday(year, month, FRIDAY, 2), -1)


def _fx(year: int, month: int) -> date:
    """Second business day before the third Wednesday."""
    return add_business_days(nth_weekday(year, month, WEDNESDAY, 3), -2)


def _fx_canada(year: int, month: int) -> date:
    """Business day before the third Wednesday."""
    return add_business_days(nth_weekday(year, month, WEDNESDAY, 3), -1)


def _sofr(year: int, month: int) -> date:
    """Business day before the third Wednesday of the third month after the named one."""
    year, month = (year, month + 3) if month <= 9 else (year + 1, month - 9)
    return add_business_days(nth_weekday(year, month, WEDNESDAY, 3), -1)


def _bonds(year: int, month: int) -> date:
    """Seventh business day before the last business day of the month."""
    return nth_last_business_day(year, month, 8)


def _last_business_day(year: int, month: int) -> date:
    """Last business day of the month."""
    return nth_last_business_day(year, month, 1)


def _crude(year: int, month: int) -> date:
    """Three business days before the 25th of the month before, counted from the last business day before the 25th
    when that is none itself.
    """
    return add_business_days(business_day_on_or_before(date(*_month_before(year, month), 25)), -3)


def _crude_mini(year: int, month: int) -> date:
    """Business day before crude oil's last day."""
    return add_business_days(_crude(year, month), -1)


def _gas(year: int, month: int) -> date:
    """Three business days before the first calendar day of the month."""
    return add_business_days(date(year, month, 1), -3)


def _gas_mini(year: int, month: int) -> date:
    """Business day before natural gas's last day."""
    return add_business_days(_gas(year, month), -1)


def _products(year: int, month: int) -> date:
    """Last business day of the month before."""
    return nth_last_business_day(*_month_before(year, month), 1)


def _metals(year: int, month: int) -> date:
    """Third last business day of the month."""
    return nth_last_business_day(year, month, 3)


def _copper_micro(year: int, month: int) -> date:
    """Third last business day of the month before: cash settled like the E-mini. Approximate."""
    return nth_last_business_day(*_month_before(year, month), 3)


def _crypto(year: int, month: int) -> date:
    """Last Friday of the month, or the business day before it. London holidays are ignored."""
    return business_day_on_or_before(last_weekday(year, month, FRIDAY))


def _grains(year: int, month: int) -> date:
    """Business day before the 15th."""
    return add_business_days(date(year, month, 15), -1)


def _feeder_cattle(year: int, month: int) -> date:
    """Last Thursday of the month; the Thursday before when it, or one of the four weekdays before it, is a holiday."""
    day = last_weekday(year, month, THURSDAY)
    while not all(is_business_day(day - n * ONE_DAY) for n in range(4)):
        day -= timedelta(days=7)
    return day


def _lean_hogs(year: int, month: int) -> date:
    """Tenth business day of the month."""
    return add_business_days(date(year, month, 1) - ONE_DAY, 10)


EXPIRY: dict[str, Rule] = {
    "index": _index,
    "nikkei": _nikkei,
    "fx": _fx,
    "fx_canada": _fx_canada,
    "sofr": _sofr,
    "bonds": _bonds,
    "notes": _last_business_day,
    "crude": _crude,
    "crude_mini": _crude_mini,
    "gas": _gas,
    "gas_mini": _gas_mini,
    "products": _products,
    "metals": _metals,
    "copper_micro": _copper_micro,
    "crypto": _crypto,
    "grains": _grains,
    "feeder_cattle": _feeder_cattle,
    "live_cattle": _last_business_day,
    "lean_hogs": _lean_hogs,
}


def _monday_of_expiry_week(rule: str, year: int, month: int) -> date:
    expiry = EXPIRY[rule](year, month)
    monday = expiry - timedelta(days=expiry.weekday())
    return monday if is_business_day(monday) else add_business_days(monday, 1)


def _before_expiry(days: int) -> Callable[[str, int, int], date]:
    return lambda rule, year, month: add_business_days(EXPIRY[rule](year, month), -days)


def _before_month(_rule: str, year: int, month: int) -> date:
    """Third last business day of the month before: ahead of first notice, which is at that month's end."""
    return nth_last_business_day(*_month_before(year, month), 3)


ROLL: dict[str, Callable[[str, int, int], date]] = {
    "index": _monday_of_expiry_week,
    "nikkei": _before_expiry(3),
    "fx": _before_expiry(5),
    "fx_canada": _before_expiry(6),
    "sofr": _monday_of_expiry_week,
    "bonds": _before_month,
    "notes": _before_month,
    "crude": _before_expiry(2),
    "crude_mini": _before_expiry(1),
    "gas": _before_expiry(2),
    "gas_mini": _before_expiry(1),
    "products": _before_month,
    "metals": _before_month,
    "copper_micro": _before_expiry(0),
    "crypto": _monday_of_expiry_week,
    "grains": _before_month,
    "feeder_cattle": _before_expiry(5),
    "live_cattle": _before_month,
    "lean_hogs": _before_expiry(5),
}


def expiry(rule: str, year: int, month: int) -> date:
    """Return the last trading day of the contract month under the named rule.

    Examples
    --------
    >>> expiry("crude", 2020, 5)  # the contract that settled at -37.63 on the day before
    datetime.date(2020, 4, 21)
    """
    return EXPIRY[rule](year, month)


def roll(rule: str, year: int, month: int) -> date:
    """Return the first trading date on which the contract after this one is the front.

    Examples
    --------
    >>> roll("index", 2026, 3)  # the Monday of expiry week
    datetime.date(2026, 3, 16)
    """
    return ROLL[rule](rule, year, month)
