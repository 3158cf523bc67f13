"""The door: each reason for quarantine, what is only flagged, and what cannot be judged at all."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest

from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY, bars, ticks
from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.validate import check_bars, check_ticks

MES = parse_contract(CONTRACT)
INDEX = trading_hours("index")
NAN = float("nan")


def checked(frame: pl.DataFrame, text: str = "1m"):
    return check_bars(frame, MES, timeframe(text), INDEX)


def with_value(row: int, column: str, value: object) -> pl.DataFrame:
    frame = bars(10).with_columns(pl.col("volume").cast(pl.Float64))
    return frame.with_columns(
        pl.when(pl.int_range(10) == row).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("open", NAN, "not_finite"),
        ("close", float("inf"), "not_finite"),
        ("high", None, "not_finite"),
        ("volume", NAN, "not_finite"),
        ("volume", -1.0, "bad_volume"),
        ("volume", 1.5, "bad_volume"),
        ("high", 1.0, "bad_ohlc"),
        ("low", 9999.0, "bad_ohlc"),
        ("high", 9999.9, "off_tick"),
        ("ts", None, "no_stamp"),
        ("ts", datetime(1970, 1, 1, tzinfo=UTC), "outside_calendar"),
        ("ts", datetime(2025, 3, 17, 13, 34, 30, tzinfo=UTC), "misaligned"),
    ],
)
def test_one_bad_row_goes_to_quarantine_and_nine_enter(column: str, value: object, reason: str):
    found = checked(with_value(4, column, value))
    assert found.reasons() == {reason: 1}
    assert found.bad["row"].to_list() == [4]
    assert found.good.height == 9


def test_zero_and_negative_prices_are_legal():
    crude = parse_contract("CLK20")  # 20 April 2020
    frame = bars(3, start=at_local(date(2020, 4, 20), "13:00")).with_columns(
        open=pl.lit(-1.0), high=pl.lit(0.0), low=pl.lit(-37.63), close=pl.lit(-37.63)
    )
    assert check_bars(frame, crude, timeframe("1m"), trading_hours("CL")).reasons() == {}


def test_a_row_of_another_contract_is_named_so():
    frame = bars(3).with_columns(contract=pl.Series([CONTRACT, "MESH25", "nonsense"]))
    assert checked(frame).reasons() == {"wrong_contract": 2}


def test_codes_names_and_ids_of_the_same_contract_pass():
    frame = bars(3).with_columns(contract=pl.Series([CONTRACT, "MESM25", "MESM5"]))
    assert checked(frame).good.height == 3


def test_shuffled_rows_are_sorted_and_counted():
    found = checked(bars(100).sample(fraction=1.0, shuffle=True, seed=3))
    assert found.good.equals(bars(100))
    assert found.disordered > 50


def test_an_equal_repeat_enters_once():
    found = checked(pl.concat([bars(5), bars(5)[2:3]]))
    assert found.reasons() == {"duplicate": 1}
    assert found.good.equals(bars(5))


def test_contradicting_rows_do_not_enter_at_all():
    other = bars(5)[2:3].with_columns(volume=pl.col("volume") + 1)
    found = checked(pl.concat([bars(5), other]))
    assert found.reasons() == {"conflict": 2}
    assert found.good.height == 4


def test_outside_the_hours_is_a_flag_and_no_fault():
    found = checked(bars(10, start=at_local(date(2025, 3, 17), "15:55")))
    assert found.reasons() == {}
    assert (found.outside_hours, found.flagged) == (5, 5)


def test_bars_without_volume_and_after_expiry_are_flagged():
    assert checked(bars(4).with_columns(volume=pl.lit(0, pl.Int64))).without_volume == 4
    assert checked(bars(4, start=at_local(date(2025, 6, 23), "09:00"))).after_expiry == 4


def test_long_bars_must_start_where_the_timeframe_says():
    session = at_local(date(2025, 3, 16), "17:00")
    frame = bars(3, start=session, step=240 * MINUTE)
    assert checked(frame, "4h").reasons() == {}
    assert checked(frame.with_columns(pl.col("ts") + pl.duration(hours=1)), "4h").reasons() == {"misaligned": 3}


@pytest.mark.parametrize("column", ["ts", "close", "volume"])
def test_a_missing_column_is_an_error_with_its_name(column: str):
    with pytest.raises(InputError, match=f"no column {column}; it has"):
        checked(bars(3).drop(column))


def test_stamps_without_a_zone_and_text_prices_are_errors():
    with pytest.raises(InputError, match="with a time zone"):
        checked(bars(3).with_columns(pl.col("ts").dt.replace_time_zone(None)))
    with pytest.raises(InputError, match="open must be numbers"):
        checked(bars(3).with_columns(open=pl.lit("five")))


def test_ticks_keep_their_order_and_their_repeats():
    frame = pl.concat([ticks(50), ticks(50)])
    found = check_ticks(frame, MES, INDEX)
    assert found.good.equals(frame)
    assert found.disordered > 0


def test_ticks_without_side_and_watermark_get_unknown_ones():
    found = check_ticks(ticks(3).drop("side", "watermark"), MES, INDEX)
    assert found.good["side"].to_list() == [-1] * 3
    assert found.good["watermark"].to_list() == [0] * 3


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("size", 0, "bad_volume"),
        ("size", -3, "bad_volume"),
        ("price", NAN, "not_finite"),
        ("price", 5600.1, "off_tick"),
    ],
)
def test_a_bad_print_is_named(column: str, value: float, reason: str):
    frame = ticks(5).with_columns(
        pl.when(pl.int_range(5) == 2).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
    )
    assert check_ticks(frame, MES, INDEX).reasons() == {reason: 1}


def test_nothing_in_gives_nothing_out():
    found = checked(bars(3).clear())
    assert found.good.is_empty() and found.bad.is_empty() and found.flagged == 0


def test_stamps_are_bar_starts_to_the_nanosecond():
    frame = bars(2).with_columns(pl.Series("ts", [MONDAY, MONDAY + MINUTE + 1]).cast(pl.Datetime("ns", "UTC")))
    assert checked(frame).reasons() == {"misaligned": 1}
