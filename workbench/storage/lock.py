"""One owner per account: an OS lock that dies with its process, and a lease whose epoch only rises."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from workbench.domain.errors import LockHeld
from workbench.storage.home import read_json, write_durably


class AccountLock:
    """The one lock of an account: a runner holds it while it trades, the closer of an emergency stop while it closes.

    The kernel releases it when the holder dies, however it dies.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lock"
        self._handle: int | None = None

    @property
    def held(self) -> bool:
        return self._handle is not None

    def acquire(self, role: str) -> None:
        """Take the lock at once.

        Raises
        ------
        LockHeld
            Another process has it; the message names it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked(handle):
            holder = os.pread(handle, 4096, 0).decode(errors="replace") or "another process"
            os.close(handle)
            raise LockHeld(f"account {self.path.parent.name} is held by {holder}; end it first")
        self._handle = handle
        with contextlib.suppress(OSError):  # a full disk must not keep the closer out: the lock counts, not its label
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(process_identity(role)).encode(), 0)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def show_life(self) -> None:
        """Let the file's date tell that the holder still gets on; a full disk keeps nobody from working."""
        with contextlib.suppress(OSError):
            os.utime(self.path)

    def shown_at(self) -> int:
        """When the holder has shown life, in ns of the disk's clock; 0 when there is no such file."""
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return 0

    def holder(self) -> dict[str, Any] | None:
        """Identity of the process that has the lock, None when nobody has."""
        try:
            handle = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(handle, 4096, 0).decode(errors="replace")
            try:
                identity = json.loads(text)
            except ValueError:
                identity = None
            return identity if isinstance(identity, dict) else {"role": "unknown", "pid": 0}
        finally:
            os.close(handle)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _locked(handle: int) -> bool:
    # `holder` tries the lock for an instant to see whether it is free; such a look must not count as an owner.
    for pause in (0.0, 0.005, 0.01, 0.02):
        time.sleep(pause)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False


def process_identity(role: str) -> dict[str, Any]:
    """Pid and start time: together they name a process even after its pid is used again."""
    return {"role": role, "pid": os.getpid(), "started": psutil.Process().create_time()}


def is_same_process(identity: dict[str, Any]) -> bool:
    """Say whether the process of `identity` still runs (a zombie does not)."""
    try:
        process = psutil.Process(int(identity["pid"]))
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and abs(process.create_time() - float(identity["started"])) < 0.01
    except (psutil.NoSuchProcess, KeyError):
        return False


def kill_process(identity: dict[str, Any], wait_s: float = 5.0) -> bool:
    """Kill exactly the process of `identity` and wait for its death; return whether it is gone."""
    if not is_same_process(identity):
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(identity["pid"])).kill()
    deadline = time.monotonic() + wait_s
    while is_same_process(identity):  # its parent reaps it, not we: waiting on the pid would take its exit code away
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def next_epoch(folder: Path) -> int:
    """Raise the lease epoch on disk and return it; a tag with an epoch in it therefore never repeats."""
    path = folder / "lease.json"
    known = read_json(path) or {"epoch": 0}
    epoch = int(known["epoch"]) + 1
    write_durably(path, json.dumps({"epoch": epoch, **process_identity("runner")}).encode())
    return epoch
