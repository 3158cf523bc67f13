"""A killed writer, a full disk, several processes at once: readers see whole writes only, and the table lives on."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import CONTRACT, MINUTE, MONDAY, bars, ticks
from workbench.domain.errors import StorageError
from workbench.storage.bars import BarStore
from workbench.storage.delta import SeriesTable
from workbench.storage.ticks import TickStore

ROOT = Path(__file__).parents[2]


def child(*arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.storage.writer_child", *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.strip() == "done"


@pytest.mark.statement(45)
@pytest.mark.parametrize(
    "stage", ["half a data file", "files written, nothing committed", "committed, buffer not cleared"]
)
def test_a_writer_killed_in_mid_write_leaves_nothing_half(tmp_path: Path, stage: str):
    store = BarStore(tmp_path)
    store.write(CONTRACT, "1m", bars(3000)[:1000], source="before")
    process = child("die", str(tmp_path), stage)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert store.read(CONTRACT, "1m").equals(bars(3000)[:1010])  # what was there, and the live bars
    assert BarStore(tmp_path).write(CONTRACT, "1m", bars(3000), source="again").replaced == 0
    assert BarStore(tmp_path).read(CONTRACT, "1m").equals(bars(3000))
    store.compact(CONTRACT, "1m", kept_hours=0)
    assert len(list((tmp_path / "bars").rglob("*.parquet"))) == 1  # the orphan is gone


@pytest.mark.statement(45)
@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [2.0, 2.3, 2.6, 3.0])
def test_a_writer_killed_at_any_time_leaves_a_readable_table(tmp_path: Path, delay_s: float):
    process = child("bars", str(tmp_path), "0:100")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay_s)
    process.kill()
    process.communicate()
    store = BarStore(tmp_path)
    found = store.read(CONTRACT, "1m")
    assert found.height % 100 == 0
    assert found.equals(bars(3000)[: found.height])
    store.write(CONTRACT, "1m", bars(3000), source="again")
    assert store.read(CONTRACT, "1m").equals(bars(3000))


def test_two_writers_and_a_reader_at_once(tmp_path: Path):
    writers = [child("bars", str(tmp_path), f"{start}:200") for start in (0, 100)]
    reader = BarStore(tmp_path)
    expected = bars(3000)
    while any(writer.poll() is None for writer in writers):
        seen = reader.read(CONTRACT, "1m")
        assert seen["ts"].is_sorted() and seen["ts"].n_unique() == seen.height
        assert seen.join(expected, on=seen.columns, how="anti").is_empty()
    for writer in writers:
        finish(writer)
    assert reader.read(CONTRACT, "1m").equals(expected)


def test_two_recorders_of_prints_lose_none(tmp_path: Path):
    recorders = [child("ticks", str(tmp_path), seed) for seed in ("1", "2")]
    for recorder in recorders:
        finish(recorder)
    store = TickStore(tmp_path)
    assert store.coverage()[0].rows == 4000
    assert (
        store.read(CONTRACT)
        .sort("ts", "price", "size", "side", "watermark")
        .equals(pl.concat([ticks(2000, seed=1), ticks(2000, seed=2)]).sort("ts", "price", "size", "side", "watermark"))
    )


def test_a_writer_that_waits_too_long_says_for_whom(tmp_path: Path):
    held = BarStore(tmp_path)
    held.write(CONTRACT, "1m", bars(5), source="test")
    waiting = SeriesTable(tmp_path / "bars" / CONTRACT / "1m", {"ts": "long"}, lock_timeout_s=0.05)
    with (
        held._series(CONTRACT, "1m")[0].writing(),
        pytest.raises(StorageError, match="another process has been writing"),
        waiting.writing(),
    ):
        pass


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where the system lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_a_clear_error_and_the_table_is_as_it_was(small_disk: Path):
    store = BarStore(small_disk)
    store.write(CONTRACT, "1m", bars(500), source="before")
    files = sorted((small_disk / "bars").rglob("*.parquet"))
    with pytest.raises(StorageError, match=r"disk that holds .* is full; make room"):
        store.write(CONTRACT, "1m", bars(200_000), source="too much")
    assert BarStore(small_disk).read(CONTRACT, "1m").equals(bars(500))
    assert sorted((small_disk / "bars").rglob("*.parquet")) == files


def test_whatever_room_is_left_the_table_stays_whole(small_disk: Path):
    store = BarStore(small_disk)
    store.write(CONTRACT, "1m", bars(100), source="before")
    filler = small_disk / "filler"
    outcomes = set()
    for left in range(0, 72, 4):
        filler.write_bytes(b"")
        room = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(max(0, room - left * 1024)))
        before = store.read(CONTRACT, "1m")
        try:
            store.write(CONTRACT, "1m", bars(before.height + 10), source="more")
        except StorageError:
            outcomes.add("refused")
            assert BarStore(small_disk).read(CONTRACT, "1m").equals(before)
        else:
            outcomes.add("written")
            assert BarStore(small_disk).read(CONTRACT, "1m").height > before.height
    assert outcomes == {"refused", "written"}


def test_a_full_disk_does_not_cut_the_live_buffer(small_disk: Path):
    store = BarStore(small_disk)
    store.append_live(CONTRACT, "1m", bars(5))
    (small_disk / "filler").write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
    frame = bars(20_000, start=MONDAY + 10 * MINUTE)
    with pytest.raises(StorageError, match="full"):
        store.append_live(CONTRACT, "1m", frame)
    assert store._series(CONTRACT, "1m")[1].size() % 56 == 0
    assert store.read(CONTRACT, "1m")[:5].equals(bars(5))


def test_no_space_from_the_system_is_told_as_such_without_a_real_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = BarStore(tmp_path)
    store.write(CONTRACT, "1m", bars(5), source="before")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("workbench.storage.delta.os.fsync", full)
    with pytest.raises(StorageError, match="full; make room"):
        store.write(CONTRACT, "1m", bars(10), source="more")
    monkeypatch.undo()
    assert store.read(CONTRACT, "1m").equals(bars(5))
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
