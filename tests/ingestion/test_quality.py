"""The quality report against hand-made holes and a recording whose holes are known."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import CONTRACT, MINUTE, bars
from workbench.domain.bar import bars_schema
from workbench.domain.contract import parse_contract
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import bars_from_bars
from workbench.ingestion.quality import quality
from workbench.services.quality import quality_of
from workbench.storage.bars import BarStore

MES = parse_contract(CONTRACT)
INDEX = trading_hours("index")
SUNDAY = at_local(date(2025, 3, 16), "17:00")


def session(day: int = 0) -> pl.DataFrame:
    return bars(1380, start=SUNDAY + day * 1440 * MINUTE)


def test_a_full_session_misses_nothing():
    report = quality(pl.concat([session(), session(1)]), MES, timeframe("1m"), INDEX)
    assert report.days["trading_date"].to_list() == [date(2025, 3, 17), date(2025, 3, 18)]
    assert report.days["expected"].to_list() == report.days["present"].to_list() == [1380, 1380]
    assert report.totals["missing"] == report.totals["gaps"] == 0
    assert report.gaps.is_empty()


def test_holes_are_counted_and_placed():
    frame = session().filter(~pl.int_range(pl.len()).is_in([100, 101, 102, 500]))
    report = quality(frame, MES, timeframe("1m"), INDEX)
    day = report.days.row(0, named=True)
    assert (day["missing"], day["gaps"], day["longest_gap"]) == (4, 2, 3)
    assert report.gaps["bars"].to_list() == [3, 1]
    assert report.gaps["start"].to_physical()[0] == SUNDAY + 100 * MINUTE
    assert report.gaps["end"].to_physical()[0] == SUNDAY + 103 * MINUTE


def test_the_maintenance_hour_and_the_weekend_are_no_gaps():
    friday = bars(1380, start=at_local(date(2025, 3, 13), "17:00"))
    assert quality(pl.concat([friday, session()]), MES, timeframe("1m"), INDEX).totals["missing"] == 0


@pytest.mark.statement(44)
def test_an_early_close_expects_less():
    start = at_local(date(2024, 11, 28), "17:00")  # the Friday after Thanksgiving closes at 12:15
    frame = bars(19 * 60 + 15, start=start)
    report = quality(frame, parse_contract("MESZ24"), timeframe("1m"), INDEX)
    assert report.days.row(0, named=True)["early_close"]
    assert report.totals["expected"] == report.totals["present"] == 1155


def test_a_missing_day_is_one_day_of_gaps():
    report = quality(pl.concat([session(), session(2)]), MES, timeframe("1m"), INDEX)
    assert report.days["present"].to_list() == [1380, 0, 1380]
    assert report.days["longest_gap"].to_list() == [0, 1380, 0]


def test_bars_outside_the_hours_are_counted_but_not_expected():
    frame = pl.concat([session(), bars(5, start=SUNDAY + 1380 * MINUTE), session(1)])
    day = quality(frame, MES, timeframe("1m"), INDEX).days.row(0, named=True)
    assert (day["outside_hours"], day["present"], day["expected"], day["missing"]) == (5, 1385, 1380, 0)


def test_the_recording_misses_one_bar_in_a_thousand(shared_data: Path):
    recorded = pl.read_parquet(shared_data / "bars/MES_5m_projectx_2025.parquet")
    frame = recorded.select(list(bars_schema())).cast({"volume": pl.Int64})
    totals = quality(frame, MES, timeframe("5m"), INDEX).totals
    # Found by eye in the file: every 1,000th bar is absent, as if pages of a thousand had been joined badly.
    assert (totals["present"], totals["missing"], totals["gaps"], totals["longest_gap"]) == (10_000, 10, 10, 1)
    for text in ("1h", "4h", "1d", "1w", "1mo"):
        assert quality(bars_from_bars(frame, "5m", text, INDEX), MES, timeframe(text), INDEX).totals["missing"] == 0


def test_an_empty_frame_is_an_empty_report():
    report = quality(session().clear(), MES, timeframe("1m"), INDEX)
    assert report.totals["days"] == 0
    assert report.to_dict()["gaps"] == []


@pytest.mark.parametrize("most", [1, 100])
def test_the_report_is_json_with_the_longest_gaps(most: int):
    frame = session().filter(~pl.int_range(pl.len()).is_in([100, 101, 102, 500]))
    body = json.loads(json.dumps(quality(frame, MES, timeframe("1m"), INDEX).to_dict(most_gaps=most)))
    assert body["gaps"][0] == {
        "trading_date": "2025-03-17",
        "start": "2025-03-16T23:40:00+00:00",
        "end": "2025-03-16T23:43:00+00:00",
        "bars": 3,
    }
    assert len(body["gaps"]) == min(most, 2)


def test_quarantined_rows_are_counted_on_their_day(tmp_path: Path):
    store = BarStore(tmp_path)
    frame = session().with_columns(
        high=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(1.0)).otherwise(pl.col("high")),
        ts=pl.when(pl.int_range(pl.len()) == 9).then(pl.lit(None)).otherwise(pl.col("ts")),
    )
    store.write(CONTRACT, "1m", frame, source="file")
    report = quality_of(store, CONTRACT, "1m")
    assert report.reasons == {"bad_ohlc": 1, "no_stamp": 1}
    day = report.days.row(0, named=True)
    assert (day["quarantined"], day["missing"]) == (1, 2)
    assert quality_of(store, "MESM25", "1m", SUNDAY, SUNDAY + 5 * MINUTE).totals["present"] == 5
