"""Trading hours against recorded data, Lean's table and the exchange's published rules."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import InputError
from workbench.domain.hours import CALENDARS, at_local, local, trading_hours

DAY = 86_400_000_000_000
FIRST, LAST = at_local(date(2000, 1, 1), "00:00"), at_local(date(2035, 12, 31), "23:59")
INSTANT = st.integers(FIRST, LAST)
GROUP = st.sampled_from(sorted(CALENDARS))


def utc(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def test_the_open_is_22z_in_summer_and_23z_in_winter() -> None:
    hours = trading_hours("ES")
    assert hours.window(date(2025, 7, 15)).open == utc("2025-07-14T22:00")
    assert hours.window(date(2025, 1, 15)).open == utc("2025-01-14T23:00")


@pytest.mark.parametrize(
    ("monday", "opened"),
    [
        (date(2025, 3, 10), "2025-03-09T22:00"),  # clocks went forward that Sunday at 02:00
        (date(2025, 3, 7), "2025-03-06T23:00"),
        (date(2025, 11, 3), "2025-11-02T23:00"),  # and back
        (date(2025, 10, 31), "2025-10-30T22:00"),
    ],
)
def test_dst_weeks(monday: date, opened: str) -> None:
    assert trading_hours("CL").window(monday).open == utc(opened)


def test_sunday_evening_is_monday_and_a_print_after_the_close_is_still_friday() -> None:
    hours = trading_hours("MES")
    assert hours.trading_date(at_local(date(2025, 3, 16), "17:00")) == date(2025, 3, 17)
    assert hours.trading_date(at_local(date(2025, 3, 16), "17:00") - 1) == date(2025, 3, 14)
    assert hours.trading_date(at_local(date(2025, 3, 15), "11:00")) == date(2025, 3, 14)
    assert hours.trading_date(at_local(date(2025, 3, 17), "16:30")) == date(2025, 3, 17)


def test_the_maintenance_hour_is_closed_and_the_close_is_exclusive() -> None:
    hours = trading_hours("MES")
    close = at_local(date(2025, 3, 17), "16:00")
    assert hours.is_open(close - 1)
    assert not hours.is_open(close)
    assert not hours.is_open(close + 3_599_999_999_999)
    assert hours.is_open(close + 3_600_000_000_000)
    assert hours.next_close(close - 1) == close
    assert hours.next_close(close) == close + DAY
    assert hours.next_open(close) == close + 3_600_000_000_000
    assert hours.next_open(at_local(date(2025, 3, 14), "15:00")) == at_local(date(2025, 3, 16), "17:00")


@pytest.mark.parametrize(
    ("root", "day", "close"),
    [
        ("ES", date(2013, 9, 2), "10:30"),  # Labor Day
        ("ES", date(2024, 7, 3), "12:15"),
        ("ES", date(2024, 7, 4), "12:00"),
        ("ES", date(2024, 11, 29), "12:15"),  # day after Thanksgiving
        ("ES", date(2026, 4, 3), "08:15"),  # Good Friday with the employment report
        ("CL", date(2024, 12, 24), "12:45"),
        ("MGC", date(2024, 9, 2), "13:30"),  # Labor Day
        ("CL", date(2013, 9, 2), "12:00"),
        ("ZC", date(2025, 11, 28), "12:05"),
        ("LE", date(2025, 12, 24), "12:05"),
    ],
)
def test_early_closes(root: str, day: date, close: str) -> None:
    window = trading_hours(root).window(day)
    assert window.early
    assert window.close == at_local(day, close)
    assert not trading_hours(root).is_open(window.close)


def test_an_ordinary_day_is_not_early() -> None:
    for group in CALENDARS:
        assert not trading_hours(group).window(date(2025, 3, 12)).early, group


@pytest.mark.parametrize("day", [date(2025, 4, 18), date(2024, 3, 29), date(2025, 12, 25), date(2025, 3, 15)])
def test_a_day_without_trading_has_no_window(day: date) -> None:
    for group in CALENDARS:
        with pytest.raises(InputError, match="not a trading date"):
            trading_hours(group).window(day)


def test_grains_have_a_break_and_open_in_the_evening() -> None:
    hours = trading_hours("ZC")
    day = date(2025, 3, 12)
    window = hours.window(day)
    assert (window.open, window.close) == (at_local(date(2025, 3, 11), "19:00"), at_local(day, "13:20"))
    assert hours.is_open(at_local(day, "07:44"))
    assert not hours.is_open(at_local(day, "07:45"))
    assert not hours.is_open(at_local(day, "08:29"))
    assert hours.is_open(at_local(day, "08:30"))
    assert hours.next_close(at_local(day, "05:00")) == at_local(day, "07:45")
    assert hours.next_open(at_local(day, "05:00")) == at_local(day, "08:30")


def test_recorded_gateway_bars_lie_inside_the_hours(shared_data: Path) -> None:
    bars = pl.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet")
    ts = bars["ts"].cast(pl.Int64).to_numpy()
    hours = trading_hours("CON.F.US.MES.M25")
    assert hours.is_open_array(ts).all()
    # Every trading date of the span has bars, and Good Friday has none.
    assert np.unique(hours.trading_dates_of(ts)).tolist() == hours.trading_dates(date(2025, 3, 17), date(2025, 5, 7))


def test_no_print_of_labor_day_lies_outside_the_hours(shared_data: Path) -> None:
    ticks = pl.read_parquet(shared_data / "ticks" / "ES_ticks_mlfinpy_201309.parquet")
    ts = ticks["ts"].cast(pl.Int64).to_numpy()
    assert trading_hours("ES").is_open_array(ts).all()


@pytest.mark.parametrize(("row", "root"), [("Future-cme-ES", "ES"), ("Future-cme-NQ", "NQ")])
def test_early_closes_equal_leans_table(shared_data: Path, row: str, root: str) -> None:
    table = json.loads((shared_data / "meta" / "lean_market_hours_cme.json").read_text())[row]["earlyCloses"]
    hours = trading_hours(root)
    lean = {datetime.strptime(day, "%m/%d/%Y").date(): clock[:5] for day, clock in table.items() if clock[:5] < "17:00"}
    ours = {
        day: local(hours.window(day).close + 3_600_000_000_000).strftime("%H:%M")  # Lean writes New York time
        for day in hours.trading_dates(date(2009, 1, 1), date(2022, 12, 31))
        if hours.window(day).early
    }
    assert len(ours) > 100
    assert ours == {day: clock for day, clock in lean.items() if day <= date(2022, 12, 31)}


@given(at=INSTANT, group=GROUP)
def test_an_instant_lies_between_its_open_and_the_next(at: int, group: str) -> None:
    hours = trading_hours(group)
    window = hours.window_at(at)
    assert window.trading_date == hours.trading_date(at)
    assert hours.window(window.trading_date) == window
    assert window.open <= at < hours.session_bounds(at)[1]
    assert at < hours.next_open(at)
    assert at < hours.next_close(at)
    if hours.is_open(at):
        assert window.open <= at < window.close
        assert hours.next_close(at) < hours.next_open(at)
    else:
        assert hours.next_open(at) < hours.next_close(at)


@given(stamps=st.lists(INSTANT, max_size=20), group=GROUP)
def test_arrays_equal_scalars(stamps: list[int], group: str) -> None:
    hours = trading_hours(group)
    ts = np.array(stamps, dtype=np.int64)
    assert hours.session_index(ts).tolist() == [hours.row(at) for at in stamps]
    assert hours.is_open_array(ts).tolist() == [hours.is_open(at) for at in stamps]
    assert hours.trading_dates_of(ts).tolist() == [hours.trading_date(at) for at in stamps]


@given(day=st.dates(date(2000, 1, 1), date(2035, 12, 31)), clock=st.times())
def test_local_time_and_back(day: date, clock: object) -> None:
    text = f"{clock:%H:%M:%S}"
    seen = local(at_local(day, text))
    skipped = day.month == 3 and text.startswith("02:")
    assert skipped or (seen.date(), f"{seen:%H:%M:%S}") == (day, text)


@pytest.mark.parametrize("at", [0, -(10**30), 10**30, utc("1999-06-01"), utc("2037-01-01")])
def test_outside_2000_to_2035_is_a_clear_error(at: int) -> None:
    hours = trading_hours("ES")
    for call in (hours.trading_date, hours.is_open, hours.next_open, hours.next_close, hours.window_at):
        with pytest.raises(InputError, match="outside the index trading calendar"):
            call(at)


def test_an_array_outside_the_calendar_is_a_clear_error() -> None:
    with pytest.raises(InputError, match="outside"):
        trading_hours("ES").session_index(np.array([utc("2025-01-01"), 5]))


def test_the_whole_span_is_covered_without_overlap() -> None:
    for group in CALENDARS:
        hours = trading_hours(group)
        assert (hours.opens < hours.closes).all(), group
        assert (hours.closes[:-1] <= hours.opens[1:]).all(), group
        assert hours.trading_dates(date(2000, 1, 1), date(2000, 1, 4))[0] == date(2000, 1, 3)
        years = {day.year for day in hours.trading_dates(date(2000, 1, 1), date(2035, 12, 31))}
        assert years == set(range(2000, 2036))


def test_a_bad_time_of_day_is_a_clear_error() -> None:
    with pytest.raises(InputError, match="HH:MM"):
        at_local(date(2025, 1, 1), "25:00")


def test_trading_dates_are_inclusive_and_skip_weekends() -> None:
    days = trading_hours("ES").trading_dates(date(2025, 4, 16), date(2025, 4, 21))
    assert days == [date(2025, 4, 16), date(2025, 4, 17), date(2025, 4, 21)]
    assert trading_hours("ES").trading_dates(date(2025, 4, 18), date(2025, 4, 18) + timedelta(days=2)) == []
