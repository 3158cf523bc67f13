"""Foreign rows into our schema: columns, stamps, zones; and the guesses that look wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import MINUTE, MONDAY, bars
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import bars_from_bars
from workbench.ingestion.importer import ImportOptions, guess_columns, infer_timeframe, read_rows
from workbench.ingestion.suspicion import findings

INDEX = trading_hours("index")
PRICES = {"open": [1.0], "high": [1.0], "low": [1.0], "close": [1.0], "volume": [5]}


def read(frame: pl.DataFrame, **options: object):
    return read_rows(frame, ImportOptions(**{"timeframe": "1m", **options}), hours=INDEX)


def stamped(*stamps: object, name: str = "ts") -> pl.DataFrame:
    return pl.DataFrame({name: list(stamps), **{key: value * len(stamps) for key, value in PRICES.items()}})


def instant(frame: pl.DataFrame, **options: object) -> datetime:
    return read(frame, **options).frame["ts"][0]


NINE = datetime(2025, 3, 17, 14, 30, tzinfo=UTC)


# --- columns ---


@pytest.mark.parametrize(
    "names",
    [
        ["ts", "open", "high", "low", "close", "volume"],
        ["Timestamp", "Open", "High", "Low", "Last", "Volume"],
        ["Date", "Time", "O", "H", "L", "C", "Vol"],
        ["datetime", "open_price", "high_price", "low_price", "close_price", "V"],
    ],
)
def test_usual_column_names_are_guessed(names: list[str]):
    kind, found = guess_columns(names, {})
    assert kind == "bars"
    assert {"open", "high", "low", "close", "volume"} <= set(found)


def test_prints_are_told_from_bars():
    assert guess_columns(["ts", "symbol", "price", "size"], {})[0] == "ticks"
    assert guess_columns(["time", "last", "volume"], {})[1] == {"ts": "time", "price": "last", "size": "volume"}


def test_a_missing_volume_says_what_where_and_what_to_do():
    with pytest.raises(InputError) as error:
        guess_columns(["ts", "open", "high", "low", "close", "turnover"], {}, "prices.parquet")
    assert str(error.value) == (
        "prices.parquet has no column for volume (its columns: ts, open, high, low, close, turnover); "
        "name it with --column volume=NAME; bars are not stored without volume"
    )


def test_names_that_say_nothing_are_told_what_bars_and_prints_need():
    with pytest.raises(InputError, match="bars need ts, open, high, low, close and volume, prints need ts, price"):
        guess_columns(["When", "Hoch", "Tief", "Letzt", "Stk"], {}, "odd.csv")


def test_a_named_column_beats_the_guess():
    assert (
        guess_columns(["ts", "open", "high", "low", "close", "volume", "lots"], {"volume": "lots"})[1]["volume"]
        == "lots"
    )


@pytest.mark.parametrize(
    ("given", "text"), [({"volume": "lots"}, "no column 'lots'"), ({"wolume": "v"}, "unknown role")]
)
def test_a_wrong_mapping_is_refused(given: dict[str, str], text: str):
    with pytest.raises(InputError, match=text):
        guess_columns(["ts", "open", "high", "low", "close", "v"], given)


def test_text_that_is_no_number_names_the_column():
    frame = stamped(NINE).with_columns(open=pl.lit("cheap"))
    with pytest.raises(InputError, match="column 'open' for open holds no numbers, for example 'cheap'"):
        read(frame)


def test_numbers_in_text_are_read():
    assert read(stamped(NINE).with_columns(open=pl.lit(" 1.25 "))).frame["open"].to_list() == [1.25]


# --- stamps ---


@pytest.mark.parametrize(
    "text",
    [
        "2025-03-17T14:30:00Z",
        "2025-03-17T14:30:00.000000+00:00",
        "2025-03-17 09:30:00-05:00",
        "2025-03-17T09:30:00.0000000-0500",
    ],
)
def test_text_with_an_offset_needs_no_zone(text: str):
    assert instant(stamped(text)) == NINE


@pytest.mark.parametrize(
    "text",
    ["2025-03-17T09:30:00", "2025-03-17 09:30:00.000", "2025-03-17 09:30", "20250317 09:30:00", "20250317 093000",
     "03/17/2025 09:30:00", "17/03/2025 09:30", "17.03.2025 09:30:00", "17.03.2025 09:30"],
)  # fmt: skip
def test_text_without_an_offset_is_read_in_the_named_zone(text: str):
    assert instant(stamped(text), zone="America/Chicago") == NINE


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epoch_numbers_of_any_unit(factor: int):
    assert instant(stamped(int(NINE.timestamp()) * factor)) == NINE
    assert instant(stamped(NINE.timestamp() * factor)) == NINE


def test_nanoseconds_survive():
    at = int(NINE.timestamp()) * 1_000_000_000 + 123_456_789
    assert read(stamped(at)).frame["ts"].to_physical()[0] == at
    assert read(stamped("2025-03-17T14:30:00.123456789Z")).frame["ts"].to_physical()[0] == at


def test_date_and_time_columns_are_joined():
    frame = stamped(NINE).drop("ts").with_columns(Date=pl.lit("2025-03-17"), Time=pl.lit("09:30:00"))
    assert instant(frame, zone="America/Chicago") == NINE
    numbers = stamped(NINE).drop("ts").with_columns(date=pl.lit(20250317), time=pl.lit(93000))
    assert instant(numbers, zone="America/Chicago") == NINE


def test_a_day_that_could_be_a_month_must_be_told():
    with pytest.raises(InputError, match=r"could be .* say which with --format"):
        read(stamped("03/04/2025 09:30:00"), zone="UTC")
    assert instant(stamped("03/04/2025 09:30:00"), zone="UTC", format="%d/%m/%Y %H:%M:%S").month == 4


def test_unreadable_stamps_show_a_sample():
    with pytest.raises(InputError, match="'half past nine' are in no known format"):
        read(stamped("half past nine"), zone="UTC")


def test_stamps_without_a_zone_must_get_one():
    with pytest.raises(InputError, match=r"carry no time zone .* --zone UTC or --zone America/Chicago"):
        read(stamped(datetime(2025, 3, 17, 9, 30)))


def test_an_unknown_zone_gets_the_closest_names():
    with pytest.raises(InputError, match="unknown time zone 'America/Chicgo'; did you mean America/Chicago"):
        read(stamped("2025-03-17 09:30"), zone="America/Chicgo")


def test_a_zone_that_contradicts_the_file_is_refused_unless_the_label_is_wrong():
    labelled = stamped(datetime(2025, 3, 17, 9, 30, tzinfo=UTC))
    with pytest.raises(InputError, match=r"carry the zone UTC, but --zone says America/Chicago.*--relabel"):
        read(labelled, zone="America/Chicago")
    assert instant(labelled, zone="America/Chicago", relabel=True) == NINE


def test_an_hour_that_occurs_twice_must_be_told():
    twice = stamped("2025-11-02 01:30:00")
    with pytest.raises(InputError, match="1 stamps occur twice in America/Chicago, the first is 2025-11-02 01:30"):
        read(twice, zone="America/Chicago")
    assert instant(twice, zone="America/Chicago", ambiguous="earliest").hour == 6
    assert instant(twice, zone="America/Chicago", ambiguous="latest").hour == 7


def test_an_hour_that_does_not_exist_betrays_a_wrong_zone():
    with pytest.raises(InputError, match="do not exist in America/Chicago, the first is 2025-03-09 02:30"):
        read(stamped("2025-03-09 02:30:00"), zone="America/Chicago")


@pytest.mark.parametrize(
    ("sides", "expected"), [(["B", "s", "A", None], [0, 1, -1, -1]), ([0, 1, 2, None], [0, 1, -1, -1])]
)
def test_the_aggressor_of_a_print_is_buy_sell_or_unknown(sides: list[object], expected: list[int]):
    frame = pl.DataFrame({"ts": [NINE] * 4, "price": [1.0] * 4, "size": [1] * 4, "side": sides})
    assert read(frame).frame["side"].to_list() == expected


# --- stamp convention and timeframe ---


def test_end_stamps_become_starts():
    assert instant(stamped("2025-03-17T14:31:00Z"), stamp="end") == NINE
    close = stamped(datetime.fromtimestamp(at_local(date(2025, 3, 17), "16:00") / 1e9, UTC))
    four = read(close, stamp="end", timeframe="4h").frame["ts"][0]
    assert four == datetime.fromtimestamp(at_local(date(2025, 3, 17), "13:00") / 1e9, UTC)


def test_an_unknown_convention_is_refused():
    with pytest.raises(InputError, match="stamped at their 'start' or their 'end'"):
        read(stamped(NINE), stamp="middle")


def test_daily_bars_stamped_with_a_date_go_to_that_trading_date():
    frame = pl.concat([stamped(date(2025, 3, 17)), stamped(date(2025, 3, 18))])
    opens = read(frame, zone="UTC", timeframe="1d").frame["ts"].to_physical().to_list()
    assert opens == [at_local(date(2025, 3, 16), "17:00"), at_local(date(2025, 3, 17), "17:00")]


def test_the_timeframe_is_the_usual_distance_of_bars():
    assert infer_timeframe(bars(50, step=5 * MINUTE)["ts"]).text == "5m"
    with pytest.raises(InputError, match="bars are 420 s apart"):
        infer_timeframe(bars(50, step=7 * MINUTE)["ts"])
    with pytest.raises(InputError, match="too few bars"):
        infer_timeframe(bars(1)["ts"])


# --- suspicious guesses, on recorded data ---


@pytest.fixture(scope="module")
def es_minutes(shared_data: Path) -> pl.DataFrame:
    return pl.read_parquet(shared_data / "bars/ES_1m_lean_201310.parquet").filter(pl.col("contract") == "ESZ13")


@pytest.fixture(scope="module")
def mes_bars(shared_data: Path) -> pl.DataFrame:
    return pl.read_parquet(shared_data / "bars/MES_5m_projectx_2025.parquet")


def said(
    frame: pl.DataFrame, text: str, shift_s: int, *, stamp: str = "start", zone: str = "UTC"
) -> list[tuple[str, str]]:
    moved = frame.with_columns(pl.col("ts") + pl.duration(seconds=shift_s))
    found = findings(moved, timeframe(text), INDEX, zone=zone, stamp=stamp)
    return [(finding.code, finding.text) for finding in found]


def test_rightly_stamped_recordings_raise_no_suspicion(es_minutes: pl.DataFrame, mes_bars: pl.DataFrame):
    assert said(es_minutes, "1m", 0) == []
    assert said(mes_bars, "5m", 0) == []


def test_end_stamps_read_as_starts_are_noticed(es_minutes: pl.DataFrame, mes_bars: pl.DataFrame):
    [(code, text)] = said(es_minutes, "1m", 60)
    assert code == "stamp"
    assert text.startswith("volume jumps at 08:31 Chicago instead of 08:30") and "--stamp end" in text
    assert said(mes_bars, "5m", 300)[0][0] == "stamp"


def test_start_stamps_read_as_ends_peak_one_minute_before_the_opening(es_minutes: pl.DataFrame):
    [(code, text)] = said(es_minutes, "1m", -60, stamp="end")
    assert code == "stamp"
    assert text.startswith("volume jumps at 08:29 Chicago instead of 08:30") and "--stamp start" in text


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/London", "Europe/Berlin", "America/New_York"])
def test_local_time_labelled_utc_is_noticed_and_the_zone_named(mes_bars: pl.DataFrame, zone: str):
    wall = mes_bars.with_columns(
        pl.col("ts").dt.convert_time_zone(zone).dt.replace_time_zone("UTC", ambiguous="earliest")
    )
    found = findings(wall, timeframe("5m"), INDEX, zone="UTC", stamp="start")
    assert [finding.code for finding in found] == ["zone"]
    assert f"--zone {zone}" in found[0].text or zone in found[0].text


def test_metals_have_no_stock_opening_but_their_session_edges_tell(shared_data: Path):
    gold = pl.read_parquet(shared_data / "bars/GC_1m_lean_201310.parquet").filter(pl.col("contract") == "GCZ13")
    metals = trading_hours("GC")
    assert findings(gold, timeframe("1m"), metals, zone="UTC", stamp="start") == []
    ends = gold.with_columns(pl.col("ts") + pl.duration(minutes=1))
    [finding] = findings(ends, timeframe("1m"), metals, zone="UTC", stamp="start")
    assert finding.code == "stamp" and "--stamp end" in finding.text


def test_bars_of_another_length_than_said_are_noticed(mes_bars: pl.DataFrame):
    assert said(mes_bars, "1m", 0)[0] == ("timeframe", "neighbouring bars are 300 s apart, not 60 s as 1m bars are")


def test_long_bars_and_few_days_are_not_judged(mes_bars: pl.DataFrame):
    whole = mes_bars.select("ts", "open", "high", "low", "close", pl.col("volume").cast(pl.Int64))
    assert said(bars_from_bars(whole, "5m", "4h", INDEX), "4h", 3600) == []
    assert said(mes_bars[:100], "5m", 300) == []
    assert said(bars(50, start=MONDAY), "1m", 0) == []
