"""Where bars start and end: worked by hand, by law, and against the gateway's own 4-hour anchor."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import InputError
from workbench.domain.hours import CALENDARS, at_local, local, trading_hours
from workbench.domain.timeframe import TIMEFRAMES, timeframe

FIRST, LAST = at_local(date(2000, 2, 1), "00:00"), at_local(date(2035, 11, 30), "00:00")
INSTANT = st.integers(FIRST, LAST)
GROUP = st.sampled_from(sorted(CALENDARS))
TEXT = st.sampled_from(TIMEFRAMES)


def utc(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


@given(at=INSTANT, group=GROUP, text=TEXT)
def test_a_bar_holds_its_instant_and_its_start_starts_it(at: int, group: str, text: str) -> None:
    hours, frame = trading_hours(group), timeframe(text)
    start = frame.bar_start(at, hours)
    end = frame.bar_end(start, hours)
    assert start <= at < end
    assert frame.bar_start(start, hours) == start
    assert frame.bar_start(end - 1, hours) == start
    assert frame.bar_start(end, hours) == end


@given(stamps=st.lists(INSTANT, max_size=20), group=GROUP, text=TEXT)
def test_arrays_equal_scalars(stamps: list[int], group: str, text: str) -> None:
    hours, frame = trading_hours(group), timeframe(text)
    starts = frame.bar_starts(np.array(stamps, dtype=np.int64), hours)
    assert starts.tolist() == [frame.bar_start(at, hours) for at in stamps]
    assert frame.bar_ends(starts, hours).tolist() == [frame.bar_end(int(start), hours) for start in starts]


@pytest.mark.parametrize(
    ("day", "starts"),
    [
        (date(2025, 7, 15), ["14T22:00", "15T02:00", "15T06:00", "15T10:00", "15T14:00", "15T18:00"]),
        (date(2025, 1, 15), ["14T23:00", "15T03:00", "15T07:00", "15T11:00", "15T15:00", "15T19:00"]),
    ],
)
def test_four_hour_bars_hang_on_the_session_open(day: date, starts: list[str]) -> None:
    hours = trading_hours("MES")
    window = hours.window(day)
    ts = np.arange(window.open, window.close, 60_000_000_000)
    expected = [utc(f"{day:%Y-%m}-{start}") for start in starts]
    assert np.unique(timeframe("4h").bar_starts(ts, hours)).tolist() == expected


def test_recorded_gateway_bars_fall_into_the_gateways_four_hour_bars(shared_data: Path) -> None:
    # The gateway's own 4 h MES bars of these weeks start at 22:00Z, 02:00Z, 06:00Z, 10:00Z, 14:00Z and 18:00Z.
    bars = pl.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet")
    starts = timeframe("4h").bar_starts(bars["ts"].cast(pl.Int64).to_numpy(), trading_hours("MES"))
    seen = np.unique(starts.astype("datetime64[ns]").astype("datetime64[h]").astype(np.int64) % 24)
    assert seen.tolist() == [2, 6, 10, 14, 18, 22]
    assert len(np.unique(starts)) == 218


def test_the_first_four_hour_bar_after_a_dst_change_starts_at_the_new_open() -> None:
    hours = trading_hours("MES")
    assert timeframe("4h").bar_start(utc("2025-03-07T21:30"), hours) == utc("2025-03-07T19:00")
    assert timeframe("4h").bar_start(utc("2025-03-09T23:30"), hours) == utc("2025-03-09T22:00")


def test_the_last_bar_of_a_session_ends_where_the_next_session_opens() -> None:
    hours = trading_hours("ES")
    friday = at_local(date(2025, 3, 14), "15:00")
    start = timeframe("12h").bar_start(friday, hours)
    assert local(start).strftime("%a %H:%M") == "Fri 05:00"
    assert timeframe("12h").bar_end(start, hours) == at_local(date(2025, 3, 14), "17:00")
    # Grains open 24 hours apart too, so a 6 h bar from 13:00 ends at the 19:00 open.
    grains = trading_hours("ZC")
    start = timeframe("6h").bar_start(at_local(date(2025, 3, 12), "13:10"), grains)
    assert start == at_local(date(2025, 3, 12), "13:00")
    assert timeframe("6h").bar_end(start, grains) == at_local(date(2025, 3, 12), "19:00")


def test_a_bar_is_cut_short_by_the_next_open() -> None:
    # Livestock opens at 08:30 each day: 2 h bars start at 08:30, 10:30, 12:30 …; across the spring change a day has
    # 23 hours only on a Sunday, so the cut shows where the open itself moves: from the winter to the summer clock.
    hours = trading_hours("ES")
    late_sunday = at_local(date(2025, 3, 9), "16:30")  # belongs to Friday's session, 2 h bars counted from 23:00Z
    start = timeframe("2h").bar_start(late_sunday, hours)
    assert start == utc("2025-03-09T21:00")
    assert timeframe("2h").bar_end(start, hours) == utc("2025-03-09T22:00")


def test_daily_bars_belong_to_the_trading_date() -> None:
    hours, day = trading_hours("ES"), timeframe("1d")
    start = day.bar_start(at_local(date(2025, 3, 14), "12:00"), hours)
    assert start == at_local(date(2025, 3, 13), "17:00")
    assert day.bar_end(start, hours) == at_local(date(2025, 3, 16), "17:00")  # over the weekend to Sunday's open


def test_weekly_and_monthly_bars_start_at_the_first_session() -> None:
    hours = trading_hours("ES")
    thursday = at_local(date(2025, 4, 17), "12:00")
    week, month = timeframe("1w"), timeframe("1mo")
    assert week.bar_start(thursday, hours) == at_local(date(2025, 4, 13), "17:00")
    assert week.bar_end(week.bar_start(thursday, hours), hours) == at_local(date(2025, 4, 20), "17:00")
    assert month.bar_start(thursday, hours) == at_local(date(2025, 3, 31), "17:00")  # 1 April is a Tuesday
    assert month.bar_end(month.bar_start(thursday, hours), hours) == at_local(date(2025, 4, 30), "17:00")
    # Sunday evening of 31 August is already September's first trading date.
    assert month.bar_start(at_local(date(2025, 8, 31), "18:00"), hours) == at_local(date(2025, 8, 31), "17:00")


def test_a_monday_holiday_moves_the_week_to_tuesday() -> None:
    hours = trading_hours("ZC")  # no grain session on Labor Day
    start = timeframe("1w").bar_start(at_local(date(2025, 9, 3), "10:00"), hours)
    assert start == at_local(date(2025, 9, 1), "19:00")


def test_up_to_one_hour_bars_lie_on_the_utc_clock_without_a_calendar() -> None:
    assert timeframe("1h").bar_start(utc("2025-03-09T21:59:59")) == utc("2025-03-09T21:00")
    assert timeframe("30s").bar_start(utc("1969-12-31T23:59:45")) == utc("1969-12-31T23:59:30")
    assert timeframe("1h").bar_end(utc("2025-03-09T21:00")) == utc("2025-03-09T22:00")


def test_anchored_bars_need_the_hours() -> None:
    with pytest.raises(InputError, match="pass hours="):
        timeframe("4h").bar_start(utc("2025-03-09T21:59"))
    with pytest.raises(InputError, match="outside the index"):
        timeframe("1w").bar_start(0, trading_hours("ES"))


def test_a_timeframe_knows_the_gateways_words() -> None:
    assert [
        (timeframe(text).gateway_unit, timeframe(text).gateway_count) for text in ("30s", "5m", "4h", "1d", "1w", "1mo")
    ] == [
        *((1, 30), (2, 5), (3, 4), (4, 1), (5, 1), (6, 1)),
    ]
    assert str(timeframe("15m")) == "15m"
    assert [text for text in TIMEFRAMES if timeframe(text).anchored] == ["2h", "4h", "6h", "12h", "1d", "1w", "1mo"]
    assert [text for text in TIMEFRAMES if timeframe(text).daily] == ["1d", "1w", "1mo"]


def test_timeframes_are_listed_from_short_to_long() -> None:
    seconds = [timeframe(text).seconds for text in TIMEFRAMES]
    assert seconds == sorted(seconds)
    assert seconds[0] == 1


@pytest.mark.parametrize("text", ["5min", "", "m", "7m", "1D", "4 h"])
def test_an_unknown_timeframe_gets_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="unknown timeframe"):
        timeframe(text)
