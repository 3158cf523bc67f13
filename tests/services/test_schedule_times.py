"""Due times against dates from the exchange's notices and the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.services.schedule_times import parse_due

CHICAGO = ZoneInfo("America/Chicago")


def ns(text: str, zone: ZoneInfo = CHICAGO, fold: int = 0) -> int:
    at = datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)
    return int(at.timestamp()) * 1_000_000_000


def shown(at: int, zone: ZoneInfo = CHICAGO) -> str:
    return f"{datetime.fromtimestamp(at / 1e9, UTC).astimezone(zone):%Y-%m-%d %H:%M}"


def following(text: str, after: str, count: int) -> list[str]:
    due, at, out = parse_due(text), ns(after), []
    for _ in range(count):
        at = due.next_after(at)
        out.append(shown(at))
    return out


def test_close_plus_ten_minutes_follows_thanksgiving_with_its_early_closes() -> None:
    # CME equity index: Wednesday 25 November 2026 16:00; Thanksgiving halts at 12:00; Friday closes at 12:15
    assert following("close + 10 min of MES", "2026-11-25 09:00", 4) == [
        "2026-11-25 16:10", "2026-11-26 12:10", "2026-11-27 12:25", "2026-11-30 16:10",
    ]  # fmt: skip


def test_christmas_and_good_friday_are_no_trading_dates() -> None:
    # Thursday 24 December 2026 closes at 12:15, Christmas is a holiday; Good Friday is 26 March 2027 (no jobs report)
    assert following("close + 10 min of MES", "2026-12-23 17:00", 2) == ["2026-12-24 12:25", "2026-12-28 16:10"]
    assert following("close of MES", "2027-03-25 12:00", 2) == ["2027-03-25 16:00", "2027-03-29 16:00"]
    # the last trading date of that week is Thursday
    assert following("week close + 1 h of MES", "2027-03-23 12:00", 2) == ["2027-03-25 17:00", "2027-04-02 17:00"]


def test_each_product_has_its_own_close() -> None:
    # grains close at 13:20, index futures at 16:00
    assert following("close + 10 min of ZC", "2026-11-23 09:00", 1) == ["2026-11-23 13:30"]
    assert following("open - 15 min of MES", "2026-11-21 09:00", 1) == ["2026-11-22 16:45"]  # Sunday evening
    assert following("month close of MES", "2026-11-02 09:00", 2) == ["2026-11-30 16:00", "2026-12-31 16:00"]


def test_a_close_stays_at_its_wall_time_when_the_clocks_change() -> None:
    # the clocks change on Sunday 14 March 2027, 16:00 Chicago is 22:00, then 21:00 UTC
    due = parse_due("close of MES")
    friday = due.next_after(ns("2027-03-12 09:00"))
    monday = due.next_after(friday)
    assert [shown(at, ZoneInfo("UTC")) for at in (friday, monday)] == ["2027-03-12 22:00", "2027-03-15 21:00"]


def test_cron_fields_lists_ranges_steps_and_names() -> None:
    assert following("30 17 * * mon-fri", "2026-11-20 17:30", 2) == ["2026-11-23 17:30", "2026-11-24 17:30"]
    assert following("*/20 9-10 * * *", "2026-11-23 09:30", 3) == [
        "2026-11-23 09:40", "2026-11-23 10:00", "2026-11-23 10:20",
    ]  # fmt: skip
    assert following("0 8 1 jan,jul *", "2026-11-23 00:00", 2) == ["2027-01-01 08:00", "2027-07-01 08:00"]
    assert following("0 0 * * 7", "2026-11-23 00:00", 1) == ["2026-11-29 00:00"]  # 7 is Sunday, as 0 is
    assert following("@weekly", "2026-11-23 00:00", 1) == ["2026-11-29 00:00"]
    assert following("0 12 29 2 *", "2026-11-23 00:00", 1) == ["2028-02-29 12:00"]


def test_with_both_day_fields_either_counts_as_in_cron() -> None:
    # Friday the 27th, Tuesday 1 December (the first), Friday 4 December
    assert following("0 9 1 * fri", "2026-11-23 00:00", 3) == [
        "2026-11-27 09:00",
        "2026-12-01 09:00",
        "2026-12-04 09:00",
    ]


def test_another_time_zone_stands_behind_the_fields() -> None:
    at = parse_due("0 8 * * * Europe/Berlin").next_after(ns("2026-11-23 00:00"))
    assert shown(at, ZoneInfo("UTC")) == "2026-11-23 07:00"


def test_a_wall_time_that_is_skipped_is_an_hour_later_and_one_that_comes_twice_counts_once() -> None:
    # 14 March 2027: 02:00 to 03:00 does not exist in Chicago; 1 November 2026: 01:00 to 02:00 comes twice
    assert following("30 2 * * *", "2027-03-13 12:00", 2) == ["2027-03-14 03:30", "2027-03-15 02:30"]
    due, first = parse_due("30 1 * * *"), ns("2026-11-01 01:30")
    assert due.next_after(ns("2026-10-31 12:00")) == first
    assert shown(due.next_after(first)) == "2026-11-02 01:30"


def test_every_half_hour_is_every_half_hour_also_when_the_clocks_change() -> None:
    for day in ("2026-11-01 00:00", "2027-03-14 00:00"):
        due, at, gaps = parse_due("*/30 * * * *"), ns(day), set()
        for _ in range(12):
            following_at = due.next_after(at)
            gaps.add((following_at - at) // 60_000_000_000)
            at = following_at
        assert gaps == {30}


@pytest.mark.parametrize(
    "text", ["close + 10 min of MES", "30 17 * * mon-fri", "*/30 * * * *", "week close + 1 h of MES"]
)
def test_the_latest_due_time_is_the_one_before_the_next(text: str) -> None:
    due, at = parse_due(text), ns("2026-10-30 00:00")
    for _ in range(40):
        following_at = due.next_after(at)
        assert due.last_until(following_at, at) == following_at
        assert due.last_until(following_at - 1, at) is None
        assert due.last_until(following_at + 1, following_at) is None
        at = following_at


def test_of_many_missed_ones_only_the_latest_is_given() -> None:
    due = parse_due("30 17 * * mon-fri")
    assert due.last_until(ns("2026-11-25 08:00"), ns("2026-11-16 08:00")) == ns("2026-11-24 17:30")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("whenever", "says not when"),
        ("60 * * * *", "60 in the minute field must be from 0 to 59"),
        ("0 9 * * fryday", "unknown weekday"),
        ("0 9 * * 5-1", "runs backwards"),
        ("0 0 31 2 *", "never due"),
        ("0 9 * * * Mars/Base", "no time zone"),
        ("*/0 * * * *", "must be from 1"),
        ("0 x * * *", "'x' in the hour field"),
        ("close + 30 h of MES", "more than a day"),
        ("close + 10 min of NOPE", "NOPE"),
    ],
)
def test_what_is_written_wrongly_is_said_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises((InputError, UnknownName, WorkbenchError), match=said):
        parse_due(text)
