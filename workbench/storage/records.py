"""The files of a decision journal as bytes: how records are framed, and how they are read without being written.

A record is ``length (4 bytes, little endian) | crc32 of the body (4) | body (MessagePack)``; the file starts with a
magic line that names the format. One writer (the runner, under the account's lock). A file that takes the place of a
larger one begins with a snapshot of the state (`storage.rotation`); the larger one stays beside it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from workbench.domain.commands import AnyCommand
from workbench.domain.errors import JournalDamaged
from workbench.domain.events import AnyEvent
from workbench.domain.position import Fill

MAGIC = b"workbench-journal-1\n"
AFTER_SNAPSHOT = b"workbench-journal-2\n"  # the first record is a snapshot: an earlier program must not misread it
FILE = "journal.wbj"
HEAD = struct.Struct("<II")
_MOST = 64 * 1024 * 1024
_LARGEST_EVENT = 4 * 1024 * 1024  # a reading of the broker with some thousand orders
_PAIR = b"\x92"  # how the body of a record begins: an array of two


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One step: the event that was taken in and the commands that it gave."""

    event: AnyEvent
    commands: list[AnyCommand]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an account's state held when a file was begun.

    `at` is its market time (UTC ns), `epoch` the lease's, `before` the file that it follows, `state` what
    `storage.snapshot` wrote, `fills` the newest ones, for people, `read_until` up to when the broker had been read.
    """

    at: int
    epoch: int
    program: str
    before: str
    state: bytes
    fills: list[Fill] = []
    read_until: int = 0


_encoder = msgspec.msgpack.Encoder(decimal_format="string")
_decoder = msgspec.msgpack.Decoder(Record)
_snapshots = msgspec.msgpack.Decoder(Snapshot)


class Contents(NamedTuple):
    """What a file holds: its good records, the offset behind them, and what is wrong with the rest."""

    records: list[Record]
    good: int
    snapshot: Snapshot | None = None
    damage: str = ""


def framed(body: bytes) -> bytes:
    """Return a record as it stands in the file."""
    return HEAD.pack(len(body), zlib.crc32(body)) + body


def encoded(event: AnyEvent, commands: list[AnyCommand]) -> bytes:
    """Return one step as a record."""
    return framed(_encoder.encode(Record(event, commands)))


def snapshot_file(snapshot: Snapshot) -> bytes:
    """Return the beginning of a file that goes on from `snapshot`."""
    return AFTER_SNAPSHOT + framed(_encoder.encode(snapshot))


def read_journal(path: Path) -> list[Record]:
    """Return the good records of one file without opening it for writing.

    Raises
    ------
    JournalDamaged
        A record in the middle is damaged.
    """
    contents = read_contents(path)
    if contents.damage:
        raise JournalDamaged(contents.damage)
    return contents.records


def files_of(folder: Path) -> list[Path]:
    """Every file of an account's journal, oldest first; the one that is written comes last.

    Those before it gave way to a snapshot, or were put aside when the account was linked anew.
    """
    last = folder / FILE
    earlier = [p for p in folder.glob("journal-*.wbj") if p.stat().st_size]
    if last.exists():
        same = last.stat()  # killed while the files changed places: one file has two names for an instant
        earlier = [p for p in earlier if (p.stat().st_ino, p.stat().st_dev) != (same.st_ino, same.st_dev)]
    earlier.sort(key=begun_at)
    return [*earlier, last] if last.exists() else earlier


def begun_at(path: Path) -> int:
    """Market time (UTC ns) at which a file begins; 0 when it cannot be read."""
    with open(path, "rb") as file:
        data = file.read(len(MAGIC) + HEAD.size)
        length = HEAD.unpack_from(data, len(MAGIC))[0] if len(data) == len(MAGIC) + HEAD.size else 0
        body = file.read(min(length, _MOST))
    try:
        is_snapshot = data.startswith(AFTER_SNAPSHOT)
        return _snapshots.decode(body).at if is_snapshot else _decoder.decode(body).event.at
    except (msgspec.DecodeError, msgspec.ValidationError):
        return 0


def read_history(folder: Path) -> list[Record]:
    """Return the good records of all files of an account, oldest first.

    Raises
    ------
    JournalDamaged
        A record in the middle is damaged.
    """
    return [record for path in files_of(folder) for record in read_journal(path)]


def read_from(path: Path, at: int, most: int = _MOST) -> tuple[list[Record], int]:
    """Return whole records from byte `at` of a file that is being written, and the offset behind the last one.

    At least one and about `most` bytes of them. A record that is only half there is left for the next call; a damaged
    one ends the reading, as a torn one does. `at` 0 is the first record, behind a snapshot where there is one.
    """
    with open(path, "rb") as file:
        if at == 0:
            at = _first_record(file)
        file.seek(at)
        data = file.read(most + _LARGEST_EVENT)
    records, read = [], 0
    for body, end in _bodies(data, 0):
        records.append(_decoder.decode(body))
        read = end
        if read >= most:
            break
    return records, at + read


def _first_record(file: BinaryIO) -> int:
    head = file.read(len(MAGIC) + HEAD.size)
    if head.startswith(AFTER_SNAPSHOT) and len(head) == len(MAGIC) + HEAD.size:
        return len(head) + int(HEAD.unpack_from(head, len(MAGIC))[0])
    return len(MAGIC)


def read_snapshot(path: Path) -> Snapshot | None:
    """Return the snapshot at the beginning of a file, None where there is none that can be read."""
    with open(path, "rb") as file:
        end = _first_record(file)
        file.seek(0)
        data = file.read(end)
    found = _record_at(data, len(MAGIC)) if data.startswith(AFTER_SNAPSHOT) else None
    try:
        return None if found is None else _snapshots.decode(found[0])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def read_contents(path: Path) -> Contents:
    """Return all that can be read of a file, and what is wrong with it.

    Raises
    ------
    OSError
        The file cannot be read at all.
    """
    data = path.read_bytes() if path.exists() else b""
    if data.startswith(AFTER_SNAPSHOT):
        return _after_snapshot(path, data)
    if not data or (MAGIC.startswith(data) and data != MAGIC):
        return Contents([], 0)  # new, or killed while the first line was written
    if not data.startswith(MAGIC):
        why = f"{path} is not a decision journal (its first line is wrong); entries stay blocked"
        return Contents([], 0, None, why)
    return _records(path, data, len(MAGIC), None)


def _after_snapshot(path: Path, data: bytes) -> Contents:
    # Such a file was put into place whole: a first record that is torn is damage, not a kill.
    first = _record_at(data, len(AFTER_SNAPSHOT))
    why = "fails its checksum"
    if first is not None:
        try:
            return _records(path, data, first[1], _snapshots.decode(first[0]))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            why = f"cannot be read: {error}"
    return Contents([], 0, None, f"{path}: the snapshot at its beginning {why}; entries stay blocked")


def _records(path: Path, data: bytes, good: int, snapshot: Snapshot | None) -> Contents:
    records: list[Record] = []
    for body, end in _bodies(data, good):
        try:
            records.append(_decoder.decode(body))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            why = f"{path}: record {len(records)} at byte {good} cannot be read: {error}; entries stay blocked"
            return Contents(records, good, snapshot, why)
        good = end
    if _something_good_follows(data, good):
        why = (
            f"{path}: record {len(records)} at byte {good} is damaged and good records follow it; entries stay blocked "
            "until a person has looked (keep the file, link the account anew)"
        )
        return Contents(records, good, snapshot, why)
    return Contents(records, good, snapshot)


def _bodies(data: bytes, at: int) -> Iterator[tuple[bytes, int]]:
    while (found := _record_at(data, at)) is not None:
        yield found
        at = found[1]


def _record_at(data: bytes, at: int) -> tuple[bytes, int] | None:
    if at + HEAD.size > len(data):
        return None
    length, checksum = HEAD.unpack_from(data, at)
    end = at + HEAD.size + length
    if length == 0 or length > _MOST or end > len(data):
        return None
    body = data[at + HEAD.size : end]
    return (body, end) if zlib.crc32(body) == checksum else None


def _something_good_follows(data: bytes, bad: int) -> bool:
    # A torn tail is the end of the file; damage with a whole record somewhere behind it is damage in the middle.
    at = bad
    while (body := data.find(_PAIR, at + 1 + HEAD.size)) >= 0:
        at = body - HEAD.size
        if HEAD.unpack_from(data, at)[0] <= _LARGEST_EVENT and _record_at(data, at) is not None:
            return True
    return False
