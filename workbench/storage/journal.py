"""The decision journal: one append-only file per account; what decided and what was decided, on disk before a send.

One writer (the runner, under the account's lock). `storage.records` has the form of the file, `storage.rotation` puts a
smaller one that begins with a snapshot in its place.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from workbench.domain.commands import AnyCommand
from workbench.domain.errors import JournalDamaged, StorageError
from workbench.domain.events import AnyEvent
from workbench.storage.home import sync_folder
from workbench.storage.records import FILE, MAGIC, Record, Snapshot, encoded, read_contents, read_history, read_journal

__all__ = ["FILE", "MAGIC", "Journal", "Record", "Snapshot", "read_history", "read_journal"]


class Journal:
    """The file of one account, open for appending.

    Raises
    ------
    JournalDamaged
        A record in the middle is damaged: the file is left as it is and nothing may be entered.
    StorageError
        The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._begin(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            contents = read_contents(path)
            if contents.damage:
                raise JournalDamaged(contents.damage)
            self.records, self.snapshot = contents.records, contents.snapshot
            self._cut_tail(contents.good)
            self._open()
        except OSError as error:
            raise StorageError(f"cannot open the journal {path}: {error.strerror or error}") from error

    def _begin(self, path: Path) -> None:
        self.path = path
        self.quarantined: Path | None = None
        self.broken = ""  # why nothing more is taken
        self.damaged = ""  # what is wrong in the middle of the file
        self.records: list[Record] = []
        self.snapshot: Snapshot | None = None
        self._handle, self._good = -1, 0

    @classmethod
    def or_blocked(cls, path: Path) -> Journal:
        """Open the file; one that is damaged or cannot be written comes with what can be read of it, and takes nothing.

        `broken` then says why. The account can still be read, cancelled and flattened; nothing is entered, because
        nothing can be journalled before it is sent.
        """
        try:
            return cls(path)
        except StorageError as error:
            made = cls.__new__(cls)
            made._begin(path)
            made.broken = str(error)
            with contextlib.suppress(OSError):
                contents = read_contents(path)
                made.records, made.snapshot, made.damaged = contents.records, contents.snapshot, contents.damage
            return made

    def _open(self) -> None:
        self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._good = os.fstat(self._handle).st_size
        if self._good == 0:
            self._write(MAGIC)
            self.sync()
            sync_folder(self.path.parent)

    def _cut_tail(self, good: int) -> None:
        # A torn last record was never acted on (sends wait for the sync), so it is put aside and the rest goes on.
        if not self.path.exists() or self.path.stat().st_size <= good:
            return
        data = self.path.read_bytes()
        self.quarantined = self.path.with_suffix(f".tail-{len(data)}")
        self.quarantined.write_bytes(data[good:])
        with open(self.path, "r+b") as file:
            file.truncate(good)
            os.fsync(file.fileno())
        sync_folder(self.path.parent)

    @property
    def size(self) -> int:
        """Bytes that hold whole records."""
        return self._good

    def append(self, event: AnyEvent, commands: list[AnyCommand]) -> None:
        """Write one record: it survives the death of this process at once, a power cut after `sync`.

        Raises
        ------
        StorageError
            The disk refuses. From then on this journal takes nothing more: a record that is missing in the middle
            would make a replay decide on another history.
        """
        self._write(encoded(event, commands))

    def sync(self) -> None:
        """Put all that was appended on the disk; nothing is sent before this returns."""
        self._require_whole()
        try:
            os.fdatasync(self._handle) if hasattr(os, "fdatasync") else os.fsync(self._handle)
        except OSError as error:
            raise self._break("sync", error) from error

    def give_up(self, why: str) -> None:
        """Take nothing more, for a reason outside of this file, such as a lease that cannot be written."""
        self.broken = self.broken or why

    def forget(self) -> None:
        """Let go of the records that were read at the opening: they are in the state now."""
        self.records, self.snapshot = [], None

    def reopen(self) -> None:
        """Go on in the file that has just been put in the place of this one."""
        os.close(self._handle)
        self._handle = -1
        try:
            self._open()
        except OSError as error:
            raise self._break("open", error) from error

    def _write(self, data: bytes) -> None:
        self._require_whole()
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._good)  # what stays is a whole record, or a tail that is put aside
            raise self._break("write", error) from error
        self._good += len(data)

    def _require_whole(self) -> None:
        if self.broken:
            raise StorageError(self.broken)

    def _break(self, what: str, error: OSError) -> StorageError:
        self.broken = f"cannot {what} the journal {self.path}: {error.strerror or error}"
        return StorageError(self.broken)

    def close(self) -> None:
        """Put on the disk what can be, and let go of the file; a disk that refuses keeps nobody from ending."""
        if self._handle >= 0:
            with contextlib.suppress(StorageError):
                self.sync()
            os.close(self._handle)
            self._handle = -1
