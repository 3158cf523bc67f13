"""The written rule of prints to bars, array form."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from workbench.domain.bar import bars_schema
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local, local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import (
    aggregate_ticks,
    bars_from_bars,
    bars_from_ticks,
)
from workbench.ingestion.bar_builder import BarBuilder

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
INDEX = trading_hours("index")


def built(prints: list[tuple[int, float, int]], text: str, watermark: list[int] | None = None):
    ts, price, size = (np.array(column) for column in zip(*prints, strict=True))
    return aggregate_ticks(
        ts.astype(np.int64),
        price.astype(float),
        size.astype(np.int64),
        text,
        INDEX,
        None if watermark is None else np.array(watermark),
    )


def rows(frame: pl.DataFrame) -> list[tuple]:
    return frame.with_columns(pl.col("ts").to_physical()).rows()


def test_open_is_the_first_arrival_and_close_the_last_even_when_stamps_are_out_of_order():
    bars = built([(30 * SECOND, 5.0, 1), (10 * SECOND, 7.0, 2), (20 * SECOND, 4.0, 3)], "1m").bars
    assert rows(bars) == [(0, 5.0, 7.0, 4.0, 4.0, 6)]
    assert bars.schema == bars_schema()


@pytest.mark.statement(44)
def test_equal_prints_are_distinct_trades():
    assert rows(built([(5, 2.0, 1), (5, 2.0, 1)], "1s").bars) == [(0, 2.0, 2.0, 2.0, 2.0, 2)]


def test_a_print_exactly_on_the_boundary_opens_the_next_bar():
    bars = built([(MINUTE - 1, 1.0, 1), (MINUTE, 2.0, 1)], "1m").bars
    assert bars["ts"].to_physical().to_list() == [0, MINUTE]


@pytest.mark.statement(44)
def test_a_late_print_is_recorded_and_changes_no_bar():
    found = built(
        [
            (10 * SECOND, 1.0, 1),
            (MINUTE, 2.0, 1),
            (11 * SECOND, 99.0, 9),
            (MINUTE + 1, 3.0, 1),
        ],
        "1m",
    )
    assert found.late.tolist() == [2]
    assert rows(found.bars) == [
        (0, 1.0, 1.0, 1.0, 1.0, 1),
        (MINUTE, 2.0, 3.0, 2.0, 3.0, 2),
    ]


def test_a_print_late_for_its_minute_is_in_time_for_its_hour():
    prints = [(10 * SECOND, 1.0, 1), (MINUTE, 2.0, 1), (11 * SECOND, 99.0, 9)]
    assert built(prints, "1h").late.tolist() == []
    assert rows(built(prints, "1h").bars) == [(0, 1.0, 99.0, 1.0, 99.0, 11)]


def test_the_watermark_makes_a_bar_final_without_any_print():
    prints = [(10 * SECOND, 1.0, 1), (20 * SECOND, 2.0, 1), (MINUTE + 5, 3.0, 1)]
    found = built(prints, "1m", watermark=[0, MINUTE, MINUTE])
    assert found.late.tolist() == [1]
    assert [row[1] for row in rows(found.bars)] == [1.0, 3.0]


def test_a_watermark_counts_from_its_own_print_on_and_never_falls():
    found = built([(1, 1.0, 1), (2, 2.0, 1), (3, 3.0, 1)], "1s", watermark=[0, SECOND, 0])
    assert found.late.tolist() == [1, 2]


def test_many_late_prints_and_many_bars_outgrow_the_first_buffers():
    ts = np.arange(40_000, dtype=np.int64) * SECOND
    late = np.zeros(40_000, np.int64)
    stamps = np.concatenate([ts, late])
    for watermark in (None, np.zeros(80_000, np.int64)):
        found = aggregate_ticks(stamps, np.ones(80_000), np.ones(80_000, np.int64), "1s", None, watermark)
        assert found.bars.height == 40_000
        assert found.late.tolist() == list(range(40_000, 80_000))
        assert found.bars["volume"].sum() == 40_000


def test_no_prints_no_bars():
    empty = np.empty(0, np.int64)
    assert bars_from_ticks(empty, np.empty(0), empty, "4h", INDEX).is_empty()


def test_columns_of_different_length_are_refused():
    with pytest.raises(InputError, match="equally long, got 2, 1, 2"):
        bars_from_ticks(np.zeros(2, np.int64), np.zeros(1), np.zeros(2, np.int64), "1m", None)


def test_stamps_in_the_wrong_unit_leave_the_calendar_and_say_so():
    with pytest.raises(InputError, match="unit of the stamps"):
        bars_from_ticks(np.array([1_378_072_800_000]), np.ones(1), np.ones(1, np.int64), "4h", INDEX)


@pytest.mark.statement(44)
def test_four_hour_bars_hang_on_the_session_open_across_the_clock_change():
    # Sunday 9 March 2025 is the first session on summer time: it opens at 22:00Z, the one before at 23:00Z.
    friday, monday = (
        at_local(date(2025, 3, 6), "17:00"),
        at_local(date(2025, 3, 9), "17:00"),
    )
    ts = np.array([friday, friday + 5 * 3600 * SECOND, monday, monday + 22 * 3600 * SECOND])
    bars = bars_from_ticks(ts, np.ones(4), np.ones(4, np.int64), "4h", INDEX)
    clocks = [local(at).strftime("%a %H:%M") for at in bars["ts"].to_physical()]
    assert clocks == ["Thu 17:00", "Thu 21:00", "Sun 17:00", "Mon 13:00"]


def test_daily_bars_belong_to_the_trading_date():
    sunday = at_local(date(2013, 9, 8), "17:00")
    ts = np.array(
        [
            sunday,
            at_local(date(2013, 9, 9), "15:59"),
            at_local(date(2013, 9, 9), "17:00"),
        ]
    )
    bars = bars_from_ticks(ts, np.array([1.0, 2, 3]), np.ones(3, np.int64), "1d", INDEX)
    assert bars["ts"].to_physical().to_list() == [sunday, ts[2]]
    week = bars_from_ticks(ts, np.array([1.0, 2, 3]), np.ones(3, np.int64), "1w", INDEX)
    assert week["ts"].to_physical().to_list() == [sunday]


def test_longer_bars_from_shorter_ones_equal_those_from_the_prints():
    rng = np.random.default_rng(3)
    ts = at_local(date(2024, 3, 7), "17:00") + np.sort(rng.integers(0, 5 * 86_400, 20_000)) * SECOND
    price, size = (
        5000 + np.cumsum(rng.integers(-1, 2, 20_000)) * 0.25,
        rng.integers(1, 9, 20_000),
    )
    minutes = bars_from_ticks(ts, price, size, "1m", INDEX)
    for text in ("5m", "1h", "4h", "1d", "1w", "1mo"):
        assert bars_from_bars(minutes, "1m", text, INDEX).equals(bars_from_ticks(ts, price, size, text, INDEX)), text


@pytest.mark.parametrize(
    ("source", "wanted"),
    [("5m", "1m"), ("5m", "5m"), ("2m", "3m"), ("1w", "1mo"), ("3m", "5m")],
)
def test_bars_that_are_no_whole_number_of_the_source_are_refused(source: str, wanted: str):
    with pytest.raises(InputError, match=f"{wanted} bars cannot be built from {source} bars"):
        bars_from_bars(pl.DataFrame(schema=bars_schema()), source, wanted, INDEX)


def test_bars_out_of_order_are_refused_with_the_row():
    frame = pl.DataFrame(
        {
            "ts": [0, 2, 1],
            "open": [1.0] * 3,
            "high": [1.0] * 3,
            "low": [1.0] * 3,
            "close": [1.0] * 3,
            "volume": [1] * 3,
        },
        schema=bars_schema(),
    )
    with pytest.raises(InputError, match="row 2 does not follow row 1"):
        bars_from_bars(frame, "1m", "5m", INDEX)


def test_four_hour_bars_of_the_recorded_file_start_at_2200_utc(shared_data):
    bars = pl.read_parquet(shared_data / "bars/MES_5m_projectx_2025.parquet").select(
        "ts", "open", "high", "low", "close", "volume"
    )
    built = bars_from_bars(bars.with_columns(pl.col("volume").cast(pl.Int64)), "5m", "4h", INDEX)
    assert set(built["ts"].dt.strftime("%H:%M")) == {
        "22:00",
        "02:00",
        "06:00",
        "10:00",
        "14:00",
        "18:00",
    }
    assert built["volume"].sum() == int(bars["volume"].sum())
    # Independent of our calendar: the same by polars alone, because every session of the file opens at 22:00 UTC.
    other = bars.group_by_dynamic("ts", every="4h", offset="2h").agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum().cast(pl.Int64),
    )
    assert built.equals(other)


@pytest.mark.statement(44)
def test_arrays_and_stream_agree_over_the_whole_recorded_tick_file(shared_data):
    ticks = pl.read_parquet(shared_data / "ticks/ES_ticks_mlfinpy_201309.parquet")
    ts, prices, sizes = ticks["ts"].to_physical(), ticks["price"], ticks["size"]
    builder = BarBuilder(["1m", "5m", "1h"], INDEX, "CON.F.US.EP.U13")
    closed = builder.add_many(ts.to_list(), prices.to_list(), sizes.to_list()) + builder.advance(2**62)
    for text in ("1m", "5m", "1h"):
        arrays = bars_from_ticks(ts.to_numpy(), prices.to_numpy(), sizes.to_numpy(), text, INDEX)
        stream = [(b.start, b.open, b.high, b.low, b.close, b.volume) for b in closed if b.timeframe == text]
        assert rows(arrays) == stream
        assert timeframe(text).bar_ends(arrays["ts"].to_physical().to_numpy()).tolist() == [
            b.end for b in closed if b.timeframe == text
        ]
        price, size = pl.col("price"), pl.col("size")
        every = ticks.group_by_dynamic("ts", every=text).agg(
            open=price.first(), high=price.max(), low=price.min(), close=price.last(), volume=size.sum()
        )
        assert arrays.equals(every)
