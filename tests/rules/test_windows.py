"""Windows by weekday and zone, and the flat-by, for one bar and for many."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.series import HOURS, random_inputs
from workbench.domain.hours import at_local
from workbench.rules.daytime import DayClock, day_second
from workbench.rules.windows import EVERY_DAY, Window, allowed, flat_at, is_allowed

NEW_YORK = "America/New_York"
WEEKDAYS = (0, 1, 2, 3, 4)


def clock(day: date, text: str, zone: str) -> int:
    """A wall time as UTC ns."""
    hour, minute = map(int, text.split(":"))
    wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone))
    return (wall.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 1_000_000_000


@pytest.mark.parametrize(
    ("day", "text", "inside"),
    [
        (date(2025, 9, 2), "09:29", False),
        (date(2025, 9, 2), "09:30", True),  # the close belongs to the window from its first moment …
        (date(2025, 9, 2), "15:59", True),
        (date(2025, 9, 2), "16:00", False),  # … and no longer at its end
        (date(2025, 9, 6), "10:00", False),  # Saturday
        (date(2025, 3, 10), "09:30", True),  # the Monday after the clocks went forward
        (date(2025, 11, 3), "09:30", True),  # the Monday after they went back
    ],
)
def test_the_new_york_day(day: date, text: str, inside: bool) -> None:
    window = Window(WEEKDAYS, 34_200, 57_600, NEW_YORK)
    at = clock(day, text, NEW_YORK)
    assert is_allowed([window], at) is inside
    assert allowed([window], np.array([at])).tolist() == [inside]


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    window = Window((4,), 22 * 3600, 2 * 3600, "Europe/London")  # Friday night
    friday, saturday = date(2025, 9, 5), date(2025, 9, 6)
    for day, text, inside in (
        (friday, "01:00", False),
        (friday, "22:00", True),
        (saturday, "01:59", True),
        (saturday, "02:00", False),
        (saturday, "22:30", False),
    ):
        assert (clock(day, text, "Europe/London") in window) is inside, (day, text)


def test_without_windows_everything_is_allowed() -> None:
    assert is_allowed([], 0) and allowed([], np.array([0, 1])).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(
        st.builds(
            Window,
            st.sets(st.sampled_from(EVERY_DAY), min_size=1).map(lambda days: tuple(sorted(days))),
            st.integers(0, 1439).map(lambda m: m * 60),
            st.integers(0, 1439).map(lambda m: m * 60),
            st.sampled_from([NEW_YORK, "America/Chicago", "Europe/London", "Asia/Tokyo"]),
        ),
        max_size=3,
    ),
)
def test_many_bars_are_allowed_as_each_is(seed: int, windows: list[Window]) -> None:
    ends = random_inputs(seed, text="15m", bars=60).ends
    assert allowed(windows, ends).tolist() == [is_allowed(windows, end) for end in ends.tolist()]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["15:05", "12:00", "18:00"]))
def test_the_flat_by_of_many_bars_is_that_of_each(seed: int, text: str) -> None:
    starts = random_inputs(seed, text="1h", bars=80).starts
    day = DayClock(HOURS, day_second(text))
    expected = []
    for start in starts.tolist():
        day.enter(start)
        expected.append(day.flat_at)
    made = flat_at(HOURS, starts, day_second(text))
    assert made is not None and made.tolist() == expected


def test_on_a_half_day_the_flat_by_is_five_minutes_before_the_close() -> None:
    starts = np.array([at_local(date(2025, 11, 28), "09:00")])
    made = flat_at(HOURS, starts, day_second("15:05"))
    assert made is not None and made[0] == at_local(date(2025, 11, 28), "12:10")
