"""A desk's day of longer bars does not hide the history in minutes: the series is the longest that anything tells."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pytest

import workbench as wb
from tests.rules.build import DAY_OPEN
from tests.test_research import CONTRACT, walk
from workbench.api.stored_reads import chart
from workbench.domain.clock import MINUTE
from workbench.domain.errors import InputError
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

HOUR = 60 * MINUTE
START = DAY_OPEN + 30 * MINUTE  # 09:00 Chicago on Tuesday, 2 September 2025: a whole hour
MINUTES = walk(360, start=START)  # six hours
RULE = "name: up\nroots: [MES]\ntimeframe: 5m\nentry:\n  long: close > open\nexit:\n  long: close < open\n"


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path)


def by_hand(minutes: pl.DataFrame, every: str) -> pd.DataFrame:
    """Longer bars as pandas makes them: no part of the package."""
    rows = minutes.to_pandas().set_index("ts")
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return rows.resample(every).agg(how).dropna(subset=["open"]).astype({"volume": "int64"})


def longer(minutes: pl.DataFrame, every: str) -> pl.DataFrame:
    """The same for the store."""
    made = pl.from_pandas(by_hand(minutes, every).reset_index())
    return made.with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC")))


def store(place: Home, timeframe: str, frame: pl.DataFrame) -> None:
    report = BarStore(place.market).write(CONTRACT, timeframe, frame, source="test")
    assert report.quarantined == 0


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_freq=False, check_names=False, check_index_type=False)


@pytest.mark.parametrize(("timeframe", "every"), [("5m", "5min"), ("15m", "15min"), ("1h", "1h")])
def test_an_hour_of_stored_longer_bars_does_not_hide_the_minutes_before_it(
    place: Home, timeframe: str, every: str
) -> None:
    store(place, "1m", MINUTES)
    alone = wb.bars(CONTRACT, timeframe, home=place)
    for text, step in (("5m", "5min"), ("1h", "1h")):  # what a desk keeps for its warm-up
        store(place, text, longer(MINUTES.tail(60), step))
    found = wb.bars(CONTRACT, timeframe, home=place)
    same(found, by_hand(MINUTES, every))
    assert found.attrs["data_version"] == alone.attrs["data_version"], "the same bars, whatever a desk has added"


def test_a_chart_and_a_report_of_quality_are_of_the_whole_series(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    store(place, "1m", MINUTES)
    store(place, "5m", longer(MINUTES.tail(60), "5min"))
    assert wb.quality(CONTRACT, "5m", home=place).totals["present"] == 72
    monkeypatch.setenv("WORKBENCH_HOME", str(place.path))
    asked = {"contract": CONTRACT, "timeframe": "5m", "limit": 5, "offset": None, "at": None, "lines": []}
    shown = chart(asked)
    assert (shown["total"], shown["offset"]) == (72, 67)


def test_a_backtest_runs_on_all_of_it_and_tells_both_sources(place: Home) -> None:
    store(place, "1m", MINUTES)
    alone = wb.backtest(RULE, contract=CONTRACT, home=place)
    later = walk(30, seed=3, start=START + 7 * HOUR)  # longer bars alone, after an hour of which nothing is known
    store(place, "5m", longer(pl.concat([MINUTES.tail(60), later]), "5min"))
    result = wb.backtest(RULE, contract=CONTRACT, home=place)
    data = result.provenance["data"]
    assert (len(alone.bars), len(result.bars), data["bars"]) == (72, 78, 78)
    assert result.bars.index[0] == pd.Timestamp("2025-09-02 14:00", tz="UTC")
    told = [(s["timeframe"], s["bars"], s["first"], s["last"]) for s in data["sources"]]
    assert told == [
        ("1m", 72, "2025-09-02 09:00", "2025-09-02 14:55"),
        ("5m", 6, "2025-09-02 16:00", "2025-09-02 16:25"),
    ]
    assert len({s["version"] for s in data["sources"]} | {data["version"]}) == 3
    assert data["sources"][0]["version"] == alone.provenance["data"]["version"], "the hash of the bars that it gave"
    assert wb.bars(CONTRACT, "5m", home=place).attrs["sources"] == data["sources"]


def test_bars_as_they_are_stored_name_no_sources(place: Home) -> None:
    store(place, "5m", longer(MINUTES, "5min"))
    assert "sources" not in wb.bars(CONTRACT, "5m", home=place).attrs
    store(place, "1h", longer(MINUTES, "1h"))
    assert "sources" not in wb.bars(CONTRACT, "5m", home=place).attrs, "hours do not build five minutes"


def test_what_is_missing_before_between_and_after_is_built(place: Home) -> None:
    fives = longer(MINUTES, "5min")
    store(place, "5m", pl.concat([fives[10:20], fives[40:50]]))
    store(place, "1m", MINUTES)
    same(wb.bars(CONTRACT, "5m", home=place), by_hand(MINUTES, "5min"))


def test_a_hole_in_the_minutes_is_filled_by_stored_longer_bars(place: Home) -> None:
    # minutes 63 to 186 were never recorded: hours 10 and 12 are known in part, hour 11 not at all
    known = pl.concat([MINUTES.head(63), MINUTES.tail(360 - 187)])
    store(place, "1m", known)
    partly = wb.bars(CONTRACT, "1h", home=place)
    assert partly["volume"].tolist() == [600, 30, 530, 600, 600]
    store(place, "1h", longer(MINUTES[60:240], "1h"))
    same(wb.bars(CONTRACT, "1h", home=place), by_hand(MINUTES, "1h"))


def test_a_stored_bar_that_began_in_the_middle_gives_way_to_the_minutes(place: Home) -> None:
    store(place, "1m", MINUTES)
    store(place, "1h", longer(MINUTES[150:360], "1h"))  # the recording began at half past eleven
    same(wb.bars(CONTRACT, "1h", home=place), by_hand(MINUTES, "1h"))


def test_a_few_stored_seconds_do_not_take_the_place_of_minutes(place: Home) -> None:
    store(place, "1m", MINUTES)
    second = MINUTES.slice(200, 1).with_columns(volume=pl.lit(1, pl.Int64))
    store(place, "1s", second)
    assert wb.bars(CONTRACT, "1m", home=place)["volume"].tolist() == [10] * 360
    same(wb.bars(CONTRACT, "5m", home=place), by_hand(MINUTES, "5min"))


def test_days_are_built_on_the_open_of_the_exchange_and_joined_with_stored_ones(place: Home) -> None:
    # 22 hours from 17:00 Chicago on Monday are the date of Tuesday; Wednesday's bar is stored as a day alone
    tuesday = walk(22 * 60, start=DAY_OPEN - 15 * HOUR - 30 * MINUTE)
    store(place, "1m", tuesday)
    wednesday = walk(1, seed=9, start=DAY_OPEN + 8 * HOUR + 30 * MINUTE)
    store(place, "1d", wednesday)
    found = wb.bars(CONTRACT, "1d", home=place)
    assert [f"{at:%Y-%m-%d %H:%M}" for at in found.index] == ["2025-09-01 22:00", "2025-09-02 22:00"]
    expected = {"open": tuesday["open"][0], "high": tuesday["high"].max(), "low": tuesday["low"].min()}
    expected |= {"close": tuesday["close"][-1], "volume": 13_200}
    assert found.iloc[0].to_dict() == expected
    assert [s["timeframe"] for s in found.attrs["sources"]] == ["1m", "1d"]


@pytest.mark.parametrize("both", [False, True])
def test_a_stretch_holds_the_whole_bars_that_start_in_it(place: Home, both: bool) -> None:
    store(place, "1m", MINUTES)
    if both:
        store(place, "5m", longer(MINUTES[100:150], "5min"))
    part = wb.bars(CONTRACT, "5m", "2025-09-02T10:03", "2025-09-02T10:57", home=place)
    whole = by_hand(MINUTES, "5min")
    same(part, whole.loc[pd.Timestamp("2025-09-02 15:05", tz="UTC") : pd.Timestamp("2025-09-02 15:55", tz="UTC")])


def test_new_bars_do_not_change_a_stretch_that_was_asked_for_before(place: Home) -> None:
    store(place, "1m", MINUTES.head(333))
    store(place, "5m", longer(MINUTES[200:330], "5min"))
    end = wb.bars(CONTRACT, "5m", home=place).index[-1]  # it may still be forming
    first = wb.backtest(RULE, contract=CONTRACT, end=end, home=place)
    store(place, "1m", MINUTES.tail(30))
    store(place, "5m", longer(MINUTES[325:], "5min"))
    store(place, "1h", longer(MINUTES, "1h"))
    again = wb.backtest(RULE, contract=CONTRACT, end=end, home=place)
    assert len(first.bars) == 66 and len(wb.bars(CONTRACT, "5m", home=place)) == 72
    assert again.stats == first.stats and again.provenance == first.provenance


# --- asked for more than there is ------------------------------------------------------------------------------------


def test_a_start_that_the_store_does_not_reach_is_told(place: Home) -> None:
    store(place, "1m", MINUTES)
    result = wb.backtest(RULE, contract=CONTRACT, start="2025-08-25", home=place)
    # 25 to 29 August are five trading dates, Labor Day with its early close is the sixth
    said = "bars from 2025-08-25 were asked for, the first is of 2025-09-02 09:00 Chicago"
    assert (result.alarms[0].name, result.alarms[0].value) == ("short", 6.0)
    assert str(result.alarms[0]).endswith(f"{said}; trading dates missing before it: 6")
    assert said in repr(result) and said in result._repr_html_()
    assert said in result.provenance["data"]["short"][0]["text"]
    assert said in wb.bars(CONTRACT, "5m", "2025-08-25", home=place).attrs["short"][0]["text"]


def test_an_end_that_the_store_does_not_reach_is_told(place: Home) -> None:
    store(place, "1m", MINUTES)
    result = wb.backtest(RULE, contract=CONTRACT, end="2025-09-05", home=place)
    said = "bars until 2025-09-05 were asked for, the last is of 2025-09-02 14:55 Chicago"
    assert [a.value for a in result.alarms if a.name == "short"] == [3.0]
    assert str(result.alarms[0]).endswith(f"{said}; trading dates missing after it: 3")


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None),
        ("2025-09-02", "2025-09-02"),
        ("2025-09-01T13:00", None),  # Labor Day after its close: the first date after it is there
        ("2025-09-02T08:00", "2025-09-02T15:30"),
        (START - HOUR, START + 8 * HOUR),
    ],
)
def test_nothing_is_told_when_the_dates_that_were_asked_for_are_there(
    place: Home, start: object, end: object, given: bool
) -> None:
    store(place, "1m", MINUTES)
    bars = MINUTES if given else None
    result = wb.backtest(RULE, bars, contract=CONTRACT, start=start, end=end, home=place)  # type: ignore[arg-type]
    assert "short" not in result.provenance["data"]
    assert [a for a in result.alarms if a.name == "short"] == []


def test_a_frame_that_does_not_reach_is_told_as_well(place: Home) -> None:
    result = wb.backtest(RULE, MINUTES, contract=CONTRACT, start="2025-08-25", home=place)
    assert [a.value for a in result.alarms if a.name == "short"] == [6.0]


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h"])
def test_a_stretch_without_bars_is_answered_with_when_there_are_some(place: Home, timeframe: str) -> None:
    store(place, "1m", MINUTES)
    said = (
        f"no {timeframe} bars of {CONTRACT} between start and end: the store has them from 2025-09-02 09:00 to "
        "2025-09-02 14:59 Chicago"
    )
    for call in (wb.bars, lambda *a, **k: wb.backtest(RULE, timeframe=a[1], contract=a[0], start=a[2], **k)):
        with pytest.raises(InputError) as caught:
            call(CONTRACT, timeframe, "2027-01-01", home=place)
        assert said in str(caught.value)


def test_bars_that_nothing_builds_are_answered_with_what_is_stored(place: Home) -> None:
    store(place, "1h", longer(MINUTES, "1h"))
    with pytest.raises(InputError, match=f"no 5m bars of {CONTRACT} in the store; it holds {CONTRACT} 1h"):
        wb.bars(CONTRACT, "5m", home=place)


def test_a_start_after_the_end_is_refused_in_words(place: Home) -> None:
    store(place, "1m", MINUTES)
    with pytest.raises(InputError, match="start=2025-09-03 lies after end=2025-09-01"):
        wb.bars(CONTRACT, "5m", "2025-09-03", "2025-09-01", home=place)
