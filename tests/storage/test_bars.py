"""What the bar store promises: nothing twice, nothing lost, nothing half."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY, bars
from workbench.domain.bar import bars_schema
from workbench.domain.errors import InputError, StorageError
from workbench.storage.bars import BarStore
from workbench.storage.cache import FrameCache, content_version

DAY = 24 * 60 * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "market")


def versions(store: BarStore, timeframe: str = "1m") -> int:
    return len(list((store.root / "bars" / CONTRACT / timeframe / "_delta_log").glob("*.json")))


def test_what_was_written_is_read_back(store: BarStore):
    frame = bars(3000)
    report = store.write(CONTRACT, "1m", frame, source="test")
    assert (report.written, report.unchanged, report.replaced, report.quarantined) == (3000, 0, 0, 0)
    assert store.read(CONTRACT, "1m").equals(frame)
    assert store.read(CONTRACT, "1m").schema == bars_schema()


def test_the_same_data_twice_changes_nothing_not_even_the_version(store: BarStore):
    first = store.write(CONTRACT, "1m", bars(3000), source="test")
    again = store.write(CONTRACT, "1m", bars(3000), source="another file, the same bars")
    assert (again.written, again.unchanged, again.replaced) == (0, 3000, 0)
    assert again.version == first.version
    logged = versions(store)
    BarStore(store.root).write(CONTRACT, "1m", bars(3000).reverse(), source="shuffled")
    assert versions(store) == logged


def test_changed_values_replace_and_are_counted(store: BarStore):
    frame = bars(100)
    store.write(CONTRACT, "1m", frame, source="test")
    changed = frame.with_columns(volume=pl.when(pl.int_range(100) == 50).then(pl.lit(9999)).otherwise(pl.col("volume")))
    report = store.write(CONTRACT, "1m", changed, source="correction")
    assert (report.written, report.unchanged, report.replaced) == (0, 99, 1)
    assert store.read(CONTRACT, "1m").equals(changed)


def test_history_written_after_newer_bars_is_read_in_order(store: BarStore):
    frame = bars(5000)
    for part in (frame[4000:], frame[:2000], frame[1500:4500]):
        store.write(CONTRACT, "1m", part, source="test")
    assert store.read(CONTRACT, "1m").equals(frame)


def test_many_small_writes_do_not_leave_many_files(store: BarStore):
    frame = bars(400)
    for at in range(0, 400, 10):
        store.write(CONTRACT, "1m", frame[at : at + 10], source="test")
    assert store.read(CONTRACT, "1m").equals(frame)
    [entry] = store.coverage()
    assert entry.files <= 8


def test_a_slice_is_closed_at_the_start_and_open_at_the_end(store: BarStore):
    store.write(CONTRACT, "1m", bars(10), source="test")
    found = store.read(CONTRACT, "1m", MONDAY + 2 * MINUTE, MONDAY + 5 * MINUTE)
    assert found["ts"].to_physical().to_list() == [MONDAY + k * MINUTE for k in (2, 3, 4)]


def test_a_slice_opens_only_the_files_it_needs(store: BarStore, monkeypatch: pytest.MonkeyPatch):
    store.write(CONTRACT, "1h", bars(2000, step=60 * MINUTE, start=MONDAY - MONDAY % (60 * MINUTE)), source="test")
    table, _ = store._series(CONTRACT, "1h")
    assert len(table.files()) == 4  # March to June
    opened: list[str] = []
    scan = table._scan
    monkeypatch.setattr(
        table, "_scan", lambda files, *slice_: opened.extend(file.period for file in files) or scan(files, *slice_)
    )
    assert store.read(CONTRACT, "1h", MONDAY + 20 * DAY, MONDAY + 27 * DAY).height == 7 * 24
    assert opened == ["2025-04"]


def test_nothing_stored_reads_as_an_empty_frame_of_the_schema(store: BarStore):
    assert store.read(CONTRACT, "5m").equals(pl.DataFrame(schema=bars_schema()))
    assert store.coverage() == []


def test_a_slice_that_ends_before_it_starts_is_refused(store: BarStore):
    with pytest.raises(InputError, match="before it starts"):
        store.read(CONTRACT, "1m", 10, 5)


def test_codes_and_ids_name_the_same_series(store: BarStore):
    store.write("MESM25", "1m", bars(5), source="test")
    assert store.read(CONTRACT, "1m").height == 5


def test_rows_that_fail_go_to_quarantine_with_reason_and_source(store: BarStore):
    frame = bars(10).with_columns(
        open=pl.when(pl.int_range(10) == 3).then(pl.lit(float("nan"))).otherwise(pl.col("open")),
        high=pl.when(pl.int_range(10) == 7).then(pl.lit(1.0)).otherwise(pl.col("high")),
    )
    report = store.write(CONTRACT, "1m", frame, source="file.csv")
    assert (report.written, report.quarantined, report.reasons) == (8, 2, {"not_finite": 1, "bad_ohlc": 1})
    kept = store.quarantine.read(CONTRACT, "1m")
    assert kept.select("reason", "source", "row").rows() == [("not_finite", "file.csv", 3), ("bad_ohlc", "file.csv", 7)]
    assert json.loads(kept["values"][0])["open"] == "nan"
    assert kept["ts"][1] == frame["ts"][7]
    store.write(CONTRACT, "1m", frame, source="file.csv")
    assert store.quarantine.read().height == 2


def test_the_data_version_is_the_content_and_nothing_else(store: BarStore, tmp_path: Path):
    frame = bars(3000)
    store.write(CONTRACT, "1m", frame, source="test")
    other = BarStore(tmp_path / "other")
    for at in range(0, 3000, 1000):
        other.write(CONTRACT, "1m", frame[at : at + 1000], source="in parts")
    assert store.data_version(CONTRACT, "1m") == other.data_version(CONTRACT, "1m") == content_version(frame)
    before = store.data_version(CONTRACT, "1m", None, MONDAY + 100 * MINUTE)
    store.write(CONTRACT, "1m", bars(10, start=MONDAY + 4000 * MINUTE), source="later")
    assert store.data_version(CONTRACT, "1m", None, MONDAY + 100 * MINUTE) == before
    assert store.data_version(CONTRACT, "1m") != other.data_version(CONTRACT, "1m")


def test_compaction_changes_files_and_no_content(store: BarStore):
    frame = bars(500)
    for at in range(0, 500, 100):
        store.write(CONTRACT, "1m", frame[at : at + 100], source="test")
    before = store.data_version(CONTRACT, "1m")
    store.compact(CONTRACT, "1m", kept_hours=0)
    assert store.coverage()[0].files == 1
    assert len(list((store.root / "bars").rglob("*.parquet"))) == 1
    assert store.data_version(CONTRACT, "1m") == BarStore(store.root).data_version(CONTRACT, "1m") == before
    logged = versions(store)
    store.compact(CONTRACT, "1m")
    assert versions(store) == logged


def test_a_reader_with_an_old_listing_survives_a_vacuum(store: BarStore):
    store.write(CONTRACT, "1m", bars(50), source="test")
    reader = BarStore(store.root)
    table, _ = reader._series(CONTRACT, "1m")
    stale = table.files()
    store.write(CONTRACT, "1m", bars(60, start=MONDAY - 10 * MINUTE), source="test")
    store.compact(CONTRACT, "1m", kept_hours=0)
    listed = table.files
    table.files = lambda: stale if table.__dict__.pop("files") else listed()  # the first listing is the old one
    assert reader.read(CONTRACT, "1m").height == 60


def test_coverage_lists_by_contract_and_length(store: BarStore):
    for text, count in (("1h", 3), ("1m", 5)):
        step = {"1h": 60 * MINUTE, "1m": MINUTE}[text]
        store.write(CONTRACT, text, bars(count, start=MONDAY - MONDAY % step, step=step), source="test")
    store.write("ESM25", "1m", bars(2), source="test")
    listed = [(entry.contract, entry.timeframe, entry.rows) for entry in store.coverage()]
    assert listed == [("CON.F.US.EP.M25", "1m", 2), (CONTRACT, "1m", 5), (CONTRACT, "1h", 3)]
    assert store.coverage()[1].first == MONDAY
    assert store.coverage()[1].last == MONDAY + 4 * MINUTE


# --- the live buffer ---


def test_live_bars_are_visible_at_once_without_a_commit(store: BarStore):
    frame = bars(10)
    store.write(CONTRACT, "1m", frame[:7], source="history")
    logged = versions(store)
    for row in range(7, 10):
        store.append_live(CONTRACT, "1m", frame[row : row + 1])
    assert versions(store) == logged
    assert BarStore(store.root).read(CONTRACT, "1m").equals(frame)
    assert BarStore(store.root).coverage()[0].rows == 10
    store.settle(CONTRACT, "1m")
    assert store._series(CONTRACT, "1m")[1].size() == 0
    assert store.read(CONTRACT, "1m").equals(frame)


def test_a_settle_that_was_killed_before_it_cleared_the_buffer_is_harmless(store: BarStore):
    frame = bars(5)
    store.append_live(CONTRACT, "1m", frame)
    buffer = store._series(CONTRACT, "1m")[1]
    kept = buffer.path.read_bytes()
    store.settle(CONTRACT, "1m")
    buffer.path.write_bytes(kept)
    assert store.read(CONTRACT, "1m").equals(frame)
    logged = versions(store)
    store.settle(CONTRACT, "1m")
    assert versions(store) == logged


def test_a_correction_over_rest_beats_the_live_bar(store: BarStore):
    frame = bars(5)
    store.append_live(CONTRACT, "1m", frame)
    corrected = frame.with_columns(volume=pl.col("volume") + 1)
    assert store.write(CONTRACT, "1m", corrected, source="rest").replaced == 5
    assert store.read(CONTRACT, "1m").equals(corrected)


@pytest.mark.parametrize("cut", [1, 8, 55])
def test_a_record_cut_short_by_a_killed_writer_is_left_out_and_cut_off(store: BarStore, cut: int):
    frame = bars(5)
    store.append_live(CONTRACT, "1m", frame[:3])
    buffer = store._series(CONTRACT, "1m")[1]
    with buffer.path.open("ab") as file:
        file.write(b"\x01" * cut)
    assert store.read(CONTRACT, "1m").equals(frame[:3])
    store.append_live(CONTRACT, "1m", frame[3:])
    assert store.read(CONTRACT, "1m").equals(frame)


def test_a_torn_record_in_the_middle_is_left_out(store: BarStore):
    frame = bars(5)
    store.append_live(CONTRACT, "1m", frame)
    path = store._series(CONTRACT, "1m")[1].path
    data = bytearray(path.read_bytes())
    data[56 * 2 : 56 * 3] = bytes(56)
    path.write_bytes(data)
    assert store.read(CONTRACT, "1m").equals(pl.concat([frame[:2], frame[3:]]))


# --- the cache ---


def test_the_second_read_of_a_slice_comes_from_memory(store: BarStore):
    store.write(CONTRACT, "1m", bars(100), source="test")
    first = store.read(CONTRACT, "1m")
    assert store.read(CONTRACT, "1m") is first
    assert store.cache.get(store.data_version(CONTRACT, "1m")) is first


def test_a_write_by_another_store_is_seen_in_spite_of_the_cache(store: BarStore):
    store.write(CONTRACT, "1m", bars(100)[:50], source="test")
    store.read(CONTRACT, "1m")
    BarStore(store.root).write(CONTRACT, "1m", bars(100), source="test")
    assert store.read(CONTRACT, "1m").height == 100


def test_the_cache_drops_the_frame_used_longest_ago():
    cache = FrameCache(most_bytes=2 * bars(100).estimated_size())
    frames = [bars(100, seed=seed) for seed in range(3)]
    names = [cache.keep(seed, content_version(frame), frame)[0] for seed, frame in enumerate(frames[:2])]
    cache.find(0)
    cache.keep(2, content_version(frames[2]), frames[2])
    assert cache.find(1) is None
    assert cache.find(0) == (names[0], frames[0])


def test_equal_content_is_held_once():
    cache = FrameCache()
    one, other = bars(10), bars(10)
    cache.keep("a", content_version(one), one)
    assert cache.keep("b", content_version(other), other)[1] is one
    assert len(cache) == 1


# --- a damaged table ---


def test_a_table_that_cannot_be_read_says_where(store: BarStore):
    store.write(CONTRACT, "1m", bars(10), source="test")
    log = store.root / "bars" / CONTRACT / "1m" / "_delta_log"
    for entry in log.glob("*.json"):
        entry.write_text("not json")
    with pytest.raises(StorageError, match=CONTRACT):
        BarStore(store.root).read(CONTRACT, "1m")


def test_a_damaged_data_file_says_where(store: BarStore):
    store.write(CONTRACT, "1m", bars(10), source="test")
    for path in store.root.rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorageError, match=f"data file of .*{CONTRACT}.* cannot be read"):
        BarStore(store.root).read(CONTRACT, "1m")


def test_the_recorded_file_goes_through_the_store_and_back(store: BarStore, shared_data: Path):
    recorded = pl.read_parquet(shared_data / "bars/MES_5m_projectx_2025.parquet")
    report = store.write(CONTRACT, "5m", recorded, source="file")
    assert (report.written, report.quarantined, report.flagged) == (10_000, 0, 0)
    expected = recorded.select(list(bars_schema())).cast({"volume": pl.Int64})
    assert store.read(CONTRACT, "5m").equals(expected)
    assert BarStore(store.root).read(CONTRACT, "5m").equals(expected)
