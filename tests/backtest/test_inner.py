"""Finer data inside the bars: it must build exactly the bars it is used for, and every other bar stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.made import MES, frame
from tests.rules.build import DAY_OPEN
from workbench.backtest.inner import Inner, with_inner
from workbench.backtest.series import Series, series
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import bars_from_bars, bars_from_ticks

HOURS = trading_hours("MES")
Row = tuple[float, float, float, float]
# five minutes that build (1000, 1004, 996, 1001)
MINUTES: list[Row] = [
    (1000, 1001, 999, 1000), (1000, 1004, 1000, 1003), (1003, 1003, 1000, 1000), (1000, 1000, 996, 997),
    (997, 1001, 997, 1001),
]  # fmt: skip
WHOLE: Row = (1000, 1004, 996, 1001)


def coarse(*rows: Row, text: str = "5m") -> Series:
    return series(frame(rows, every=timeframe(text).length), MES, timeframe(text))


def inner(made: Series) -> Inner:
    assert made.inner is not None
    return made.inner


def rows_of(made: Inner, bar: int) -> list[tuple[int, ...]]:
    part = slice(made.offsets[bar], made.offsets[bar + 1])
    return list(zip(*(column[part].tolist() for column in made.ticks), strict=True))


def test_finer_bars_that_build_the_bars_lie_inside_them() -> None:
    made = inner(with_inner(coarse(WHOLE, WHOLE), frame(MINUTES * 2), "1m"))
    assert made.offsets.tolist() == [0, 5, 10]
    assert made.starts.tolist() == [DAY_OPEN + i * MINUTE for i in range(10)]
    assert (made.ends - made.starts == MINUTE).all()
    assert rows_of(made, 1) == [tuple(round(price * 4) for price in row) for row in MINUTES]
    assert (made.missing, made.different, made.differences) == (0, 0, ())
    assert not made.prints.any()


def test_a_bar_that_differs_is_named_and_stays_its_own() -> None:
    higher = (1000.0, 1005.0, 996.0, 1001.0)
    made = inner(with_inner(coarse(WHOLE, higher, WHOLE), frame(MINUTES * 3), "1m"))
    assert made.offsets.tolist() == [0, 5, 6, 11]
    assert rows_of(made, 1) == [(4000, 4020, 3984, 4004)]
    assert made.starts[5] == DAY_OPEN + 5 * MINUTE
    assert made.ends[5] == DAY_OPEN + 10 * MINUTE
    assert made.different == 1
    assert made.differences == ("2025-09-02 08:35 Chicago: high 1005.0, from 1m 1004.0",)
    assert made.told() == {
        "source": "1m", "sub_bars": 11, "bars": 3, "bars_without": 0, "bars_that_differ": 1,
        "version": made.version, "differences": list(made.differences),
    }  # fmt: skip


def test_the_version_is_that_of_what_is_inside() -> None:
    versions = [inner(with_inner(coarse(WHOLE), frame(rows), "1m")).version for rows in (MINUTES, MINUTES, MINUTES[:4])]
    assert versions[0] == versions[1] != versions[2]
    assert len(versions[0]) == 32


def test_a_bar_with_nothing_finer_stays_its_own_and_is_counted() -> None:
    made = inner(with_inner(coarse(WHOLE, WHOLE, WHOLE), frame(MINUTES, start=DAY_OPEN + 5 * MINUTE), "1m"))
    assert made.offsets.tolist() == [0, 1, 6, 7]
    assert (made.missing, made.different) == (2, 0)
    nothing = inner(with_inner(coarse(WHOLE), frame([]), "1m"))
    assert (nothing.offsets.tolist(), nothing.missing) == ([0, 1], 1)


def test_finer_bars_outside_the_bars_are_left_out() -> None:
    made = inner(with_inner(coarse(WHOLE), frame(MINUTES * 3, start=DAY_OPEN - 5 * MINUTE), "1m"))
    assert made.offsets.tolist() == [0, 5]
    assert made.starts[0] == DAY_OPEN


def test_missing_quiet_minutes_do_no_harm() -> None:
    # the bar is still built exactly: first open, highest high, lowest low, last close
    made = inner(with_inner(coarse(WHOLE), frame(MINUTES).filter(pl.int_range(pl.len()) != 2), "1m"))
    assert made.offsets.tolist() == [0, 4]


def prints(*rows: tuple[float, float], watermark: list[int] | None = None) -> pl.DataFrame:
    """Prints as (seconds after the open, price)."""
    ts = [DAY_OPEN + int(seconds * SECOND) for seconds, _ in rows]
    made = pl.DataFrame(
        {
            "ts": pl.Series(ts, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            "price": pl.Series([price for _, price in rows], dtype=pl.Float64),
            "size": pl.Series([1] * len(rows), dtype=pl.Int64),
        }
    )
    return made if watermark is None else made.with_columns(watermark=pl.Series(watermark, dtype=pl.Int64))


def test_prints_become_sub_bars_of_one_price() -> None:
    tape = prints((0, 1000), (61, 1004), (61, 1003), (200, 996), (299, 1001), (300, 1002))
    made = inner(with_inner(coarse(WHOLE), tape))
    assert rows_of(made, 0) == [(t, t, t, t) for t in (4000, 4016, 4012, 3984, 4004)]
    assert made.prints.all()
    assert (made.ends - made.starts == 1).all()
    assert made.source == "ticks"


def test_a_late_print_is_in_no_bar_and_a_stamp_that_runs_back_is_lifted() -> None:
    # 1001.25 arrives when the second bar has begun: too late for the first. 250 s arrives after 299 s: in time.
    tape = prints((0, 1000), (61, 1004), (299, 996), (250, 1001), (301, 1002), (299, 1001.25), (599, 1002))
    made = inner(with_inner(coarse(WHOLE, (1002, 1002, 1002, 1002)), tape))
    assert made.offsets.tolist() == [0, 4, 6]
    assert (made.missing, made.different) == (0, 0)
    assert (np.diff(made.starts) >= 0).all()


def test_bars_need_their_timeframe_and_one_that_divides() -> None:
    with pytest.raises(InputError, match="need their timeframe"):
        with_inner(coarse(WHOLE), frame(MINUTES))
    for text in ("5m", "2m", "1h"):
        with pytest.raises(InputError, match="cannot be built"):
            with_inner(coarse(WHOLE), frame(MINUTES), text)


STEPS = st.lists(st.integers(-6, 6), min_size=1, max_size=300)
HOLES = st.lists(st.booleans(), min_size=300, max_size=300)


@given(STEPS, HOLES, st.sampled_from(["5m", "15m", "1h", "4h"]), st.sets(st.integers(0, 40), max_size=4))
def test_every_bar_is_rebuilt_from_its_sub_bars_whatever_is_missing_or_wrong(
    steps: list[int], holes: list[bool], text: str, spoilt: set[int]
) -> None:
    price, rows = 4000, []
    for step in steps:
        rows.append((price, price + max(step, 0) + 1, price + min(step, 0) - 1, price + step))
        price += step
    minutes = frame([tuple(p / 4 for p in row) for row in rows]).filter(
        pl.Series(holes[: len(rows)]) | (pl.int_range(pl.len()) == 0)
    )
    bars = bars_from_bars(minutes, "1m", text, HOURS)
    bars = bars.with_columns(
        high=pl.when(pl.int_range(pl.len()).is_in(list(spoilt))).then(pl.col("high") + 1).otherwise(pl.col("high"))
    )
    whole = series(bars, MES, timeframe(text))
    made = inner(with_inner(whole, minutes, "1m"))
    assert made.different == len([row for row in spoilt if row < bars.height])
    assert made.missing == 0
    for i in range(len(whole)):
        part = slice(made.offsets[i], made.offsets[i + 1])
        open_, high, low, close = (column[part] for column in made.ticks)
        assert (open_[0], high.max(), low.min(), close[-1]) == tuple(int(column[i]) for column in whole.ticks)
        assert made.starts[part][0] >= whole.starts[i]
        assert made.ends[part][-1] <= whole.ends[i]
        assert (np.diff(made.starts[part]) > 0).all()


def test_recorded_prints_build_the_bars_made_from_them(shared_data: Path) -> None:
    es = parse_contract("ESU13")
    tape = pl.read_parquet(shared_data / "ticks" / "ES_ticks_mlfinpy_201309.parquet").head(60_000)
    hours = trading_hours(es.spec)
    ts = tape["ts"].dt.timestamp("ns").to_numpy()
    bars = bars_from_ticks(ts, tape["price"].to_numpy(), tape["size"].to_numpy(), "5m", hours)
    whole = series(bars, es, timeframe("5m"))
    made = inner(with_inner(whole, tape))
    assert (made.missing, made.different) == (0, 0)
    assert len(made) == tape.height
    assert np.diff(made.offsets).sum() == tape.height


def test_recorded_minutes_build_the_recorded_hours(shared_data: Path) -> None:
    # another source's own hourly bars: those of the days for which there are minutes
    es = parse_contract("ESZ13")
    minutes = pl.read_parquet(shared_data / "bars" / "ES_1m_lean_201310.parquet").filter(pl.col("contract") == "ESZ13")
    hourly = pl.read_parquet(shared_data / "bars" / "ES_1h_lean.parquet").filter(pl.col("contract") == "ESZ13")
    hourly = hourly.filter(pl.col("ts").is_between(minutes["ts"].min(), minutes["ts"].max()))
    named = [frame.drop("contract", "symbol") for frame in (minutes, hourly)]
    made = inner(with_inner(series(named[1], es, timeframe("1h")), named[0], "1m"))
    assert hourly.height > 50
    assert made.different + made.missing <= hourly.height // 20
