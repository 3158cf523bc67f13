"""The decision journal: one append-only file per account; what decided and what was decided, on disk before a send.

A record is ``length (4 bytes, little endian) | crc32 of the body (4) | body (MessagePack)``; the file starts with a
magic line that names the format. One writer (the runner, under the account's lock).
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from workbench.domain.commands import AnyCommand
from workbench.domain.errors import JournalDamaged, StorageError
from workbench.domain.events import AnyEvent
from workbench.storage.home import sync_folder

MAGIC = b"workbench-journal-1\n"
_HEAD = struct.Struct("<II")
_MOST = 16 * 1024 * 1024


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One step: the event that was taken in and the commands that it gave."""

    event: AnyEvent
    commands: list[AnyCommand]


_encoder = msgspec.msgpack.Encoder(decimal_format="string")
_decoder = msgspec.msgpack.Decoder(Record)


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
        self.path = path
        self.quarantined: Path | None = None
        self.broken = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.records, good = _read(path)
            self._cut_tail(good)
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self._good = os.fstat(self._handle).st_size
            if self._good == 0:
                self._write(MAGIC)
                self.sync()
                sync_folder(path.parent)
        except OSError as error:
            raise StorageError(f"cannot open the journal {path}: {error.strerror or error}") from error

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

    def append(self, event: AnyEvent, commands: list[AnyCommand]) -> None:
        """Write one record: it survives the death of this process at once, a power cut after `sync`.

        Raises
        ------
        StorageError
            The disk refuses. From then on this journal takes nothing more: a record that is missing in the middle
            would make a replay decide on another history.
        """
        body = _encoder.encode(Record(event, commands))
        self._write(_HEAD.pack(len(body), zlib.crc32(body)) + body)

    def sync(self) -> None:
        """Put all that was appended on the disk; nothing is sent before this returns."""
        self._require_whole()
        try:
            os.fdatasync(self._handle) if hasattr(os, "fdatasync") else os.fsync(self._handle)
        except OSError as error:
            raise self._break("sync", error) from error

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
        """Let go of the file."""
        os.close(self._handle)


def read_journal(path: Path) -> list[Record]:
    """Return the good records of a journal without opening it for writing."""
    return _read(path)[0]


def _read(path: Path) -> tuple[list[Record], int]:
    # Returns the records and the offset behind the last good one.
    data = path.read_bytes() if path.exists() else b""
    if not data:
        return [], 0
    if not data.startswith(MAGIC):
        if MAGIC.startswith(data):
            return [], 0  # killed while the first line was written
        raise JournalDamaged(f"{path} is not a decision journal (its first line is wrong); entries stay blocked")
    records: list[Record] = []
    good = len(MAGIC)
    for body, end in _bodies(data, good):
        try:
            records.append(_decoder.decode(body))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise JournalDamaged(f"{path}: record {len(records)} at byte {good} cannot be read: {error}") from error
        good = end
    if _something_good_follows(data, good):
        raise JournalDamaged(
            f"{path}: record {len(records)} at byte {good} is damaged and good records follow it; entries stay blocked "
            "until a person has looked (keep the file, link the account anew)"
        )
    return records, good


def _bodies(data: bytes, at: int) -> Iterator[tuple[bytes, int]]:
    while (found := _record_at(data, at)) is not None:
        yield found
        at = found[1]


def _record_at(data: bytes, at: int) -> tuple[bytes, int] | None:
    if at + _HEAD.size > len(data):
        return None
    length, checksum = _HEAD.unpack_from(data, at)
    end = at + _HEAD.size + length
    if length == 0 or length > _MOST or end > len(data):
        return None
    body = data[at + _HEAD.size : end]
    return (body, end) if zlib.crc32(body) == checksum else None


def _something_good_follows(data: bytes, bad: int) -> bool:
    # A torn tail is the end of the file; damage with a whole record somewhere behind it is damage in the middle.
    return any(_record_at(data, at) is not None for at in range(bad + 1, len(data) - _HEAD.size))
