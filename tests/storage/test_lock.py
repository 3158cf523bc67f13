"""One owner per account: real processes, real kills."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from workbench.domain.errors import LockHeld, StorageError
from workbench.storage.lock import AccountLock, is_same_process, kill_process, next_epoch, process_identity

HOLD = """
import sys, time
from pathlib import Path
from workbench.storage.lock import AccountLock
lock = AccountLock(Path(sys.argv[1])); lock.acquire("runner"); print("held", flush=True); time.sleep(60)
"""


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_a_second_process_is_refused_with_the_holder_named(tmp_path: Path) -> None:
    folder = tmp_path / "1001"
    with holding(folder) as process, pytest.raises(LockHeld, match=rf'1001 is held by .*runner.*"pid": {process.pid}'):
        AccountLock(folder).acquire("closer")


def test_the_lock_is_free_the_moment_its_process_is_killed(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        lock = AccountLock(tmp_path)
        identity = lock.holder()
        assert identity is not None and identity["pid"] == process.pid and is_same_process(identity)
        assert kill_process(identity)
        assert lock.holder() is None
        lock.acquire("closer")
        assert lock.held
        lock.release()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    first, second = AccountLock(tmp_path), AccountLock(tmp_path)
    with first:
        first.acquire("runner")
        with pytest.raises(LockHeld):
            second.acquire("runner")
    second.acquire("runner")
    second.release()
    second.release()
    assert not second.held and second.holder() is None


def test_looking_for_the_holder_never_keeps_a_runner_out(tmp_path: Path) -> None:
    AccountLock(tmp_path).acquire("x")  # makes the file; the handle is dropped with the object below
    looker, stop = AccountLock(tmp_path), threading.Event()

    def look() -> None:
        while not stop.is_set():
            looker.holder()
            time.sleep(0.0002)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        folder = tmp_path / "other"
        looker.path = folder / "lock"
        for _ in range(200):
            lock = AccountLock(folder)
            lock.acquire("runner")
            lock.release()
    finally:
        stop.set()
        thread.join()


def test_a_full_disk_does_not_keep_the_closer_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    lock = AccountLock(tmp_path)
    lock.acquire("closer")
    assert lock.held and AccountLock(tmp_path).holder() == {"role": "unknown", "pid": 0}
    lock.release()


def test_another_process_with_the_same_pid_is_not_the_same_process() -> None:
    mine = process_identity("x")
    assert is_same_process(mine)
    assert not is_same_process({**mine, "started": mine["started"] - 100})
    assert not is_same_process({"pid": 2**22 + 1, "started": 0.0})
    assert kill_process({**mine, "started": mine["started"] - 100})  # gone already: nothing is killed


def test_a_process_that_does_not_die_is_told_of_and_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with holding(tmp_path) as process:
        identity = AccountLock(tmp_path).holder()
        assert identity is not None
        with monkeypatch.context() as patch:
            patch.setattr(psutil.Process, "kill", lambda self: None)  # as one that sleeps in the kernel
            assert kill_process(identity, wait_s=0.02) is False
        assert process.poll() is None and kill_process(identity)


def test_life_that_is_shown_is_seen_by_others(tmp_path: Path) -> None:
    mine, other = AccountLock(tmp_path), AccountLock(tmp_path)
    assert other.shown_at() == 0, "nobody has ever had it"
    with mine:
        mine.acquire("closer")
        os.utime(mine.path, ns=(10**18, 10**18))
        assert other.shown_at() == 10**18
        mine.show_life()
        assert other.shown_at() > 10**18


def test_the_epoch_rises_at_each_start(tmp_path: Path) -> None:
    assert [next_epoch(tmp_path) for _ in range(3)] == [1, 2, 3]


def test_a_damaged_lease_is_told_and_not_started_from_one_again(tmp_path: Path) -> None:
    (tmp_path / "lease.json").write_bytes(b"{")
    with pytest.raises(StorageError, match=r"lease\.json"):
        next_epoch(tmp_path)
