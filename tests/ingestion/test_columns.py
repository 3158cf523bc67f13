"""The short way through the door gives the columns that the long way gives, or leaves the frame to it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.market_frames import CONTRACT, MONDAY, bars
from workbench.domain.bar import bars_schema
from workbench.domain.contract import parse_contract, ticks_of
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.columns import bar_columns
from workbench.ingestion.validate import check_bars

MES = parse_contract(CONTRACT)
INDEX = trading_hours("index")
MINUTE = timeframe("1m")
BAD_PRICES = [float("nan"), float("inf"), -float("inf"), 1e300, 5600.1, 0.0, -5600.25]
BAD_VOLUMES = [float("nan"), float("inf"), -1.0, 0.5, 1e30]


def test_good_bars_come_out_as_points_ticks_and_volume():
    frame = bars(500)
    found = bar_columns(frame, MES, MINUTE, INDEX)
    assert found is not None
    assert found.starts.tolist() == (MONDAY + np.arange(500) * 60_000_000_000).tolist()
    for name, points, ticks in zip(("open", "high", "low", "close"), found.points, found.ticks, strict=True):
        assert points.tolist() == frame[name].to_list()
        assert (ticks * 0.25).tolist() == frame[name].to_list()  # a tick of MES is a quarter point
    assert found.volume.tolist() == frame["volume"].to_list()


@given(data=st.data())
def test_whatever_the_long_way_objects_to_does_not_pass_the_short_way(data: st.DataObject):
    frame = bars(12).with_columns(pl.col("volume").cast(pl.Float64))
    for _ in range(data.draw(st.integers(0, 2))):
        column = data.draw(st.sampled_from(["ts", "open", "high", "low", "close", "volume"]))
        row = data.draw(st.integers(0, 11))
        values = frame[column].to_list()
        if column == "ts":
            shift = data.draw(st.sampled_from([-120, -60, 1, 30, 60, 10**10]))
            frame = frame.with_columns(
                pl.when(pl.int_range(12) == row).then(pl.col("ts") + pl.duration(seconds=shift)).otherwise("ts")
            )
            continue
        values[row] = data.draw(st.sampled_from(BAD_VOLUMES if column == "volume" else BAD_PRICES))
        frame = frame.with_columns(pl.Series(column, values))
    judged = check_bars(frame, MES, MINUTE, INDEX)
    found = bar_columns(frame, MES, MINUTE, INDEX)
    assert (found is not None) == (judged.bad.is_empty() and judged.disordered == 0)
    if found is not None:
        assert [c.tolist() for c in found.points] == [
            judged.good[n].to_list() for n in ("open", "high", "low", "close")
        ]
        assert found.ticks[3].tolist() == ticks_of(judged.good["close"].to_numpy(), MES.spec)[0].tolist()
        assert found.volume.tolist() == judged.good["volume"].to_list()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.head(0),
        lambda f: f.drop("volume"),
        lambda f: f.with_columns(pl.lit(None, pl.Float64).alias("close")),
        lambda f: f.with_columns(pl.col("ts").dt.replace_time_zone(None)),
        lambda f: f.with_columns(contract=pl.lit("CON.F.US.MES.U25")),
        lambda f: f.with_columns(contract=pl.lit(None, pl.String)),
        lambda f: f.with_columns(pl.col("open").cast(pl.String)),
    ],
)
def test_a_frame_of_another_kind_is_left_to_the_long_way(spoil):
    assert bar_columns(spoil(bars(5)), MES, MINUTE, INDEX) is None


def test_bars_of_four_hours_must_begin_where_the_session_sets_them():
    hour = 3_600_000_000_000
    opened = INDEX.window_at(MONDAY).open
    good = bars(3, start=opened, step=4 * hour)
    assert bar_columns(good, MES, timeframe("4h"), INDEX) is not None
    shifted = bars(3, start=opened + hour, step=4 * hour)
    assert bar_columns(shifted, MES, timeframe("4h"), INDEX) is None


def test_whole_volumes_pass_whatever_their_type():
    frame = bars(4)
    assert frame.schema == bars_schema()
    whole = bar_columns(frame, MES, MINUTE, INDEX)
    floats = bar_columns(frame.with_columns(pl.col("volume").cast(pl.Float64)), MES, MINUTE, INDEX)
    assert whole is not None
    assert floats is not None
    assert whole.volume.tolist() == floats.volume.tolist()
