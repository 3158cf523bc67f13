"""Finer data from the store: what is there goes inside the bars, what is asked for by name must be there."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.backtest.made import MES, Row, frame
from tests.rules.build import DAY_OPEN
from workbench.backtest.series import Series, series
from workbench.domain.bar import ticks_schema
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import bars_from_bars
from workbench.storage import finer
from workbench.storage.bars import BarStore
from workbench.storage.finer import with_stored
from workbench.storage.ticks import TickStore

HOURS = trading_hours("MES")
MINUTES: list[Row] = [(1000 + i, 1002 + i, 999 + i, 1001 + i) for i in range(30)]


def coarse(text: str = "5m") -> Series:
    return series(bars_from_bars(frame(MINUTES), "1m", text, HOURS), MES, timeframe(text))


def tape(count: int = 30) -> pl.DataFrame:
    """Prints that build the minutes: open, low, high, close of each."""
    rows = [
        (DAY_OPEN + i * MINUTE + k * SECOND, price)
        for i, (open_, high, low, close) in enumerate(MINUTES[:count])
        for k, price in enumerate((open_, low, high, close))
    ]
    made = pl.DataFrame({"ts": [at for at, _ in rows], "price": [float(price) for _, price in rows]})
    return made.with_columns(
        pl.col("ts").cast(pl.Datetime("ns", "UTC")), size=pl.lit(1, pl.Int64), side=pl.lit(-1, pl.Int8),
        watermark=pl.lit(0, pl.Int64),
    ).select(list(ticks_schema()))  # fmt: skip


def told(made: Series) -> tuple[str, int, int]:
    assert made.inner is not None
    return made.inner.source, len(made.inner), made.inner.missing


def test_an_empty_store_leaves_the_bars_as_they_are(tmp_path: Path) -> None:
    assert with_stored(coarse(), "auto", tmp_path).inner is None
    assert with_stored(coarse(), None, tmp_path).inner is None


def test_the_finest_bars_that_build_the_bars_are_taken(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    store.write(MES, "1m", frame(MINUTES), source="test")
    store.write(MES, "10m", bars_from_bars(frame(MINUTES), "1m", "10m", HOURS), source="test")
    assert told(with_stored(coarse(), "auto", tmp_path)) == ("1m", 30, 0)
    assert told(with_stored(coarse("30m"), "10m", tmp_path)) == ("10m", 3, 0)
    assert with_stored(coarse(), None, tmp_path).inner is None
    minutes = series(frame(MINUTES), MES, timeframe("1m"))
    assert with_stored(minutes, "auto", tmp_path).inner is None  # nothing finer than a minute


def test_prints_of_the_whole_series_are_better_than_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BarStore(tmp_path).write(MES, "1m", frame(MINUTES), source="test")
    TickStore(tmp_path).append(MES, tape())
    assert told(with_stored(coarse(), "auto", tmp_path)) == ("ticks", 120, 0)
    assert told(with_stored(coarse(), "1m", tmp_path)) == ("1m", 30, 0)
    monkeypatch.setattr(finer, "MOST_PRINTS", 119)  # too many to be taken without being asked for
    assert told(with_stored(coarse(), "auto", tmp_path)) == ("1m", 30, 0)
    assert told(with_stored(coarse(), "ticks", tmp_path)) == ("ticks", 120, 0)


def test_prints_of_a_part_are_taken_only_when_asked_for(tmp_path: Path) -> None:
    TickStore(tmp_path).append(MES, tape(10))
    assert with_stored(coarse(), "auto", tmp_path).inner is None
    assert told(with_stored(coarse(), "ticks", tmp_path)) == ("ticks", 44, 4)  # 40 prints, 4 bars of their own


def test_what_is_asked_for_by_name_must_be_there(tmp_path: Path) -> None:
    BarStore(tmp_path).write(MES, "5m", bars_from_bars(frame(MINUTES), "1m", "5m", HOURS), source="test")
    with pytest.raises(InputError, match=r"no 1m of CON\.F\.US\.MES\.U25 in these bars; it holds 5m\. finer='auto'"):
        with_stored(coarse("10m"), "1m", tmp_path)
    with pytest.raises(InputError, match="no ticks of"):
        with_stored(coarse(), "ticks", tmp_path)
    with pytest.raises(InputError, match="cannot be built"):
        with_stored(coarse(), "5m", tmp_path)
    with pytest.raises(InputError, match="did you mean"):
        with_stored(coarse(), "1min", tmp_path)
