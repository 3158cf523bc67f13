"""An append buffer of fixed records beside a Delta table: live rows land here at once and reach the table in bulk.

A record is six 8-byte words and a check word. A record cut short by a killed writer, or torn by a power cut, fails the
check and is left out; the next writer cuts a broken tail off. Not synced to disk: market recording may lose its last
second.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.errors import StorageError
from workbench.storage.delta import storage_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

_TAIL = 64
_SALT = np.uint64(0x9E3779B97F4A7C15)
_ODD = np.arange(3, 15, 2, dtype=np.uint64)


class RecordBuffer:
    """Records of six numeric columns in one file, in order of arrival.

    Parameters
    ----------
    path : Path
    columns : sequence of (name, numpy type)
        Six columns of 8-byte types (``i8`` or ``f8``).
    """

    def __init__(self, path: Path, columns: Sequence[tuple[str, str]]) -> None:
        self.path = Path(path)
        self.names = [name for name, _ in columns]
        self._record = np.dtype([(name, f"<{kind}") for name, kind in columns] + [("check", "<u8")])
        if len(columns) != 6 or self._record.itemsize != 56:
            raise StorageError(f"{path}: a record has six 8-byte columns, got {columns}")

    def size(self) -> int:
        """Return the file's length in bytes, 0 when there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def rows(self) -> int:
        """Return how many whole records the file can hold (torn ones included)."""
        return self.size() // self._record.itemsize

    def append(self, frame: pl.DataFrame) -> None:
        """Append the rows of `frame` (its columns by name), all or none. Call it under the table's lock.

        Raises
        ------
        StorageError
            When the disk refuses; the file is then as it was.
        """
        records = np.zeros(frame.height, self._record)
        for name in self.names:
            records[name] = frame[name].to_physical().to_numpy()
        records["check"] = _check(records)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                whole = self._whole(file.fileno())
                _write_all(file.fileno(), records.tobytes(), whole)
        except OSError as error:
            raise storage_error(error, self.path) from error

    def read(self) -> dict[str, NDArray[Any]] | None:
        """Return the sound records as columns in order of arrival, or None when there are none."""
        return self._read(0)

    def tail(self) -> dict[str, NDArray[Any]] | None:
        """Return the sound ones of the last records, without reading the rest of the file."""
        return self._read(max(0, self.rows() - _TAIL)) or self._read(0)

    def clear(self) -> None:
        """Drop all records. Call it under the table's lock, after they are committed."""
        if self.size():
            os.truncate(self.path, 0)

    def _read(self, skipped: int) -> dict[str, NDArray[Any]] | None:
        width = self._record.itemsize
        try:
            with self.path.open("rb") as file:
                file.seek(skipped * width)
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(error, self.path) from error
        records = np.frombuffer(data[: len(data) // width * width], self._record)
        records = records[records["check"] == _check(records)]
        return {name: np.ascontiguousarray(records[name]) for name in self.names} if len(records) else None

    def _whole(self, handle: int) -> int:
        # A killed writer may have left part of a record: cut it off, or all that follows would be out of step.
        size = os.fstat(handle).st_size
        whole = size - size % self._record.itemsize
        if whole != size:
            os.ftruncate(handle, whole)
        return whole


def _write_all(handle: int, data: bytes, before: int) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
    except OSError:
        os.ftruncate(handle, before)
        raise


def _check(records: NDArray[Any]) -> NDArray[np.uint64]:
    words = np.frombuffer(records.tobytes(), "<u8").reshape(-1, 7)[:, :6]
    mixed: NDArray[np.uint64] = np.bitwise_xor.reduce((words ^ _SALT) * _ODD, axis=1)
    return mixed
