"""What the tick store promises: every print, in its order of arrival, once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import CONTRACT, MONDAY, ticks
from workbench.domain.bar import ticks_schema
from workbench.storage import ticks as module
from workbench.storage.ticks import TickStore

HOUR = 3_600_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> TickStore:
    return TickStore(tmp_path / "market")


def test_prints_come_back_in_their_order_of_arrival_repeats_and_all(store: TickStore):
    frame = pl.concat([ticks(500), ticks(500)])
    report = store.append(CONTRACT, frame)
    assert (report.written, report.quarantined) == (1000, 0)
    assert store.read(CONTRACT).equals(frame)
    assert store.read(CONTRACT).schema == ticks_schema()


def test_a_batch_is_appended_once(store: TickStore):
    frame = ticks(500)
    assert store.append(CONTRACT, frame, source="file", batch="file:1").written == 500
    again = TickStore(store.root).append(CONTRACT, frame, source="file", batch="file:1")
    assert (again.written, again.unchanged, again.version) == (0, 500, 0 + store.coverage()[0].version)
    assert store.append(CONTRACT, frame, source="file", batch="file:2").written == 500


def test_live_and_committed_prints_keep_their_order(store: TickStore):
    frame = ticks(1000)
    store.append(CONTRACT, frame[:200])
    for at in range(200, 600, 100):
        store.append_live(CONTRACT, frame[at : at + 100])
    assert store.read(CONTRACT).equals(frame[:600])
    store.append(CONTRACT, frame[600:800])
    store.append_live(CONTRACT, frame[800:])
    assert TickStore(store.root).read(CONTRACT).equals(frame)
    assert store.coverage()[0].rows == 1000
    store.settle(CONTRACT)
    assert store.read(CONTRACT).equals(frame)


def test_a_long_buffer_settles_by_itself(store: TickStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SETTLE_ROWS", 100)
    frame = ticks(250)
    for at in range(0, 250, 50):
        store.append_live(CONTRACT, frame[at : at + 50])
    assert store._series(CONTRACT)[1].rows() == 50
    assert store.read(CONTRACT).equals(frame)


def test_a_settle_that_was_killed_before_it_cleared_the_buffer_appends_nothing_twice(store: TickStore):
    frame = ticks(100)
    store.append_live(CONTRACT, frame)
    buffer = store._series(CONTRACT)[1]
    kept = buffer.path.read_bytes()
    store.settle(CONTRACT)
    buffer.path.write_bytes(kept)
    assert store.read(CONTRACT).equals(frame)
    store.append_live(CONTRACT, frame[:10])
    store.settle(CONTRACT)
    assert store.read(CONTRACT).equals(pl.concat([frame, frame[:10]]))


def test_a_slice_is_by_stamp_and_keeps_the_order(store: TickStore):
    frame = ticks(20_000)
    store.append(CONTRACT, frame)
    start, end = MONDAY + HOUR // 4, MONDAY + HOUR // 2
    expected = frame.filter(pl.col("ts").to_physical().is_between(start, end, closed="left"))
    assert 0 < expected.height < frame.height
    assert store.read(CONTRACT, start, end).equals(expected)


def test_a_bad_print_goes_to_quarantine_and_the_others_enter(store: TickStore):
    frame = ticks(5).with_columns(size=pl.Series([1, 0, 2, -1, 3]), price=pl.Series([5600.0, 5600, 5600.1, 5600, 5600]))
    report = store.append(CONTRACT, frame, source="hub")
    assert (report.written, report.reasons) == (2, {"bad_volume": 2, "off_tick": 1})
    assert store.quarantine.read(CONTRACT, "ticks")["reason"].to_list() == ["bad_volume", "off_tick", "bad_volume"]


def test_compaction_makes_one_file_a_day(store: TickStore):
    frame = ticks(3000)
    for at in range(0, 3000, 500):
        store.append(CONTRACT, frame[at : at + 500])
    version = store.data_version(CONTRACT)
    store.compact(CONTRACT, kept_hours=0)
    assert len(list(store.root.rglob("*.parquet"))) == 1
    assert store.data_version(CONTRACT) == version


def test_the_recorded_ticks_come_back_all_of_them_in_order(store: TickStore, shared_data: Path):
    recorded = pl.read_parquet(shared_data / "ticks/ES_ticks_mlfinpy_201309.parquet")
    report = store.append("ESU13", recorded, source="file", batch="file")
    assert (report.written, report.quarantined, report.flagged, report.disordered) == (500_000, 0, 0, 0)
    assert store.read("CON.F.US.EP.U13").select("ts", "price", "size").equals(recorded.select("ts", "price", "size"))
