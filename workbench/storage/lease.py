"""The lease of an account: who trades it since when, as a file that the holder looks at before each send.

The OS lock keeps a second runner out. The lease is for when the lock cannot: a lock file that was removed, a folder
that was brought back from a backup, a file system that forgets locks. Whoever took the account last has the lease, and
whoever finds that it is no longer his stops sending.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from workbench.domain.errors import LockHeld, StorageError
from workbench.storage.home import read_json, write_durably
from workbench.storage.lock import is_same_process, next_epoch

LEASE = "lease.json"


class Lease:
    """The lease of one runner.

    Parameters
    ----------
    folder : Path
        The account's.

    Attributes
    ----------
    epoch : int
        Higher than that of any runner before.
    broken : str
        Why the epoch could not be raised on disk: then nothing may be entered, because the next runner's tags could be
        the same.

    Raises
    ------
    LockHeld
        The process that had it still lives, although it does not hold the lock any more.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.broken = folder / LEASE, ""
        _require_free(self.path)
        try:
            self.epoch = next_epoch(folder)
        except StorageError as error:
            self.broken = str(error)
            self.epoch = _epoch_of(self.path) + 1
        self._ours = self._read() if not self.broken else None
        self._stamp = self._look()

    def lost(self) -> str:
        """Say why the account is no longer ours, "" while it is. Costs a look at the file's date (some µs)."""
        stamp = self._look()
        if stamp == self._stamp or self.broken:
            return ""
        now = self._read()
        if now == self._ours:
            self._stamp = stamp
            return ""
        if now is None:
            return f"the lease {self.path} is gone"
        return f"the lease of the account was taken by epoch {now.get('epoch')} (process {now.get('pid', '?')})"

    def give_back(self) -> None:
        """Leave the epoch and no holder, so that the next runner need not ask whether this process still lives."""
        if not self.broken and not self.lost():
            with contextlib.suppress(StorageError):
                write_durably(self.path, json.dumps({"epoch": self.epoch}).encode())
                self._ours, self._stamp = self._read(), self._look()

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> dict[str, Any] | None:
        try:
            return read_json(self.path)
        except StorageError:
            return None


def _require_free(path: Path) -> None:
    with contextlib.suppress(StorageError):
        holder = read_json(path) or {}
        if holder.get("pid") not in (None, os.getpid()) and "started" in holder and is_same_process(holder):
            raise LockHeld(
                f"account {path.parent.name} is leased to process {holder['pid']} (epoch {holder.get('epoch')}), which "
                "still runs; end it first"
            )


def _epoch_of(path: Path) -> int:
    try:
        return int((read_json(path) or {}).get("epoch", 0))
    except (StorageError, ValueError):
        return 0
