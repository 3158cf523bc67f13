"""A Delta table of numbers in time order: files written by polars, committed by delta-rs, one writer at a time.

The stamp is kept as a whole number of UTC nanoseconds, because a Delta timestamp holds only microseconds. Data files
are written and forced to disk before the commit names them, so a reader sees all of a write or nothing of it: what a
killed or failed writer leaves behind is a file that no version mentions (removed by `vacuum`).
"""

from __future__ import annotations

import errno
import io
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout

from workbench.domain.errors import StorageError

if TYPE_CHECKING:
    import polars as pl
    from deltalake import DeltaTable, Schema

LOCK_TIMEOUT_S = 60.0
COMMIT_ATTEMPTS = 5
KEPT_HOURS = 7 * 24

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a version: relative path, period, row count, and the range of its `ts` (ns, both ends included)."""

    path: str
    period: str
    rows: int
    first: int
    last: int
    size: int

    def overlaps(self, start: int, end: int) -> bool:
        return self.first < end and self.last >= start


class SeriesTable:
    """One Delta table under `root`, partitioned by `period`, with an int64 `ts` column.

    Parameters
    ----------
    root : Path
        Folder of the table; made by the first write.
    columns : mapping of str to str
        Column names to Delta primitive types (``long``, ``double``, ``byte``, ``string``), `ts` among them.
    lock_timeout_s : float
        How long a writer waits for another one.
    """

    def __init__(
        self,
        root: Path,
        columns: Mapping[str, str],
        *,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        self.root, self.columns, self.lock_timeout_s = (
            Path(root),
            dict(columns),
            lock_timeout_s,
        )
        self._lock = FileLock(self.root.with_name(self.root.name + ".lock"), timeout=lock_timeout_s)
        self._table: DeltaTable | None = None
        self._listed: tuple[int, list[DataFile]] = (-1, [])

    # --- reading ---

    def version(self) -> int:
        """Return the number of the newest version, -1 when there is none yet."""
        table = self._open()
        return -1 if table is None else int(table.version())

    def files(self) -> list[DataFile]:
        """Return the files of the newest version by first stamp."""
        table = self._open()
        if table is None:
            return []
        version = int(table.version())
        if self._listed[0] != version:
            self._listed = (version, _data_files(table))
        return self._listed[1]

    def read(self, start: int, end: int) -> pl.DataFrame | None:
        """Return the rows with ``start <= ts < end`` (ns) in file order, or None when the table has no such file."""
        for attempt in range(3):
            chosen = [file for file in self.files() if file.overlaps(start, end)]
            if not chosen:
                return None
            try:
                return self._scan(chosen, start, end)
            except FileNotFoundError:  # vacuumed between the listing and the reading: list again
                if attempt == 2:
                    raise
                self._table = None
        raise AssertionError("unreachable")

    def load(self, files: Sequence[DataFile]) -> pl.DataFrame:
        """Return all rows of these files."""
        return self._scan(files, -(2**63), 2**63 - 1)

    def seen(self, transaction: str) -> bool:
        """Return whether a write with this transaction id was committed before."""
        table = self._open()
        return table is not None and table.transaction_version(transaction) is not None

    # --- writing ---

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the table's lock; nests within one table object.

        Raises
        ------
        StorageError
            When another process holds it for longer than the time-out, or the folder cannot be made.
        """
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                yield
        except Timeout as error:
            raise StorageError(
                f"another process has been writing to {self.root} for {self.lock_timeout_s:g} s; "
                "wait for it, or end it, and try again (nothing was changed)"
            ) from error
        except OSError as error:
            raise storage_error(error, self.root) from error

    def attempt(self, write: Callable[[], Answer]) -> Answer:
        """Run `write` under the lock, again when somebody without our lock committed in between."""
        from deltalake.exceptions import CommitFailedError

        with self.writing():
            for _ in range(COMMIT_ATTEMPTS - 1):
                try:
                    return write()
                except CommitFailedError:
                    self._table = None
            return write()

    def commit(
        self,
        frames: Mapping[str, pl.DataFrame],
        *,
        removed: Sequence[DataFile] = (),
        note: Mapping[str, str] | None = None,
        transaction: str | None = None,
    ) -> int:
        """Add one file per period and drop `removed` ones in one commit; return the new version.

        Call it inside `writing`. On any failure the files written here are removed again.
        """
        from deltalake.exceptions import CommitFailedError, DeltaError

        written: list[Path] = []
        try:
            table = self._open() or self._create()
            actions: list[Any] = []
            for period, frame in frames.items():
                path = self._new_file(period)
                written.append(path)
                actions.append(self._write(path, period, frame))
            actions += [_removal(file) for file in removed]
            table.create_write_transaction(
                actions,
                "append",
                self._schema(),
                ["period"],
                commit_properties=_properties(note, transaction),
            )
        except CommitFailedError:
            _discard(written)
            raise
        except (OSError, DeltaError) as error:
            _discard(written)
            raise storage_error(error, self.root) from error
        except BaseException:
            _discard(written)
            raise
        version = self.version()
        self._force_log(version)
        return version

    def vacuum(self, kept_hours: int = KEPT_HOURS) -> int:
        """Remove files that no version of the last `kept_hours` names; return how many."""
        with self.writing():
            table = self._open()
            if table is None:
                return 0
            gone = table.vacuum(kept_hours, dry_run=False, enforce_retention_duration=False, full=True)
            return len(gone)

    # --- inside ---

    def _open(self) -> DeltaTable | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            if self._table is None:
                if not (self.root / "_delta_log").is_dir():
                    return None
                self._table = DeltaTable(self.root)
            elif self._may_have_changed(int(self._table.version())):
                self._table.update_incremental()
        except TableNotFoundError:
            self._table = None
        except (OSError, DeltaError) as error:
            raise storage_error(error, self.root) from error
        return self._table

    def _may_have_changed(self, version: int) -> bool:
        # Commits are numbered without holes: no next one and this one still there means nothing new. Two looks at the
        # folder take microseconds; asking the library reads the log.
        log = self.root / "_delta_log"
        return (log / f"{version + 1:020}.json").exists() or not (log / f"{version:020}.json").exists()

    def _create(self) -> DeltaTable:
        from deltalake import DeltaTable

        self._table = DeltaTable.create(self.root, self._schema(), mode="ignore", partition_by=["period"])
        return self._table

    def _schema(self) -> Schema:
        from deltalake import Field, Schema
        from deltalake.schema import PrimitiveType

        kinds = {**self.columns, "period": "string"}
        return Schema([Field(name, PrimitiveType(kind), nullable=True) for name, kind in kinds.items()])

    def _new_file(self, period: str) -> Path:
        folder = self.root / f"period={period}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"part-{uuid.uuid4().hex}.parquet"

    def _write(self, path: Path, period: str, frame: pl.DataFrame) -> Any:
        from deltalake.transaction import AddAction

        data = io.BytesIO()  # in memory first, so that a refusing disk is an OSError and nothing else
        frame.select(list(self.columns)).write_parquet(data, compression="zstd", statistics=True)
        with path.open("xb") as sink:
            sink.write(data.getbuffer())
            sink.flush()
            os.fsync(sink.fileno())
        stats = {
            "numRecords": frame.height,
            "minValues": {"ts": int(frame["ts"].min())},  # type: ignore[arg-type]
            "maxValues": {"ts": int(frame["ts"].max())},  # type: ignore[arg-type]
            "nullCount": {"ts": 0},
        }
        relative = path.relative_to(self.root).as_posix()
        return AddAction(
            relative,
            path.stat().st_size,
            {"period": period},
            int(time.time() * 1000),
            True,
            json.dumps(stats),
        )

    def _scan(self, chosen: Sequence[DataFile], start: int, end: int) -> pl.DataFrame:
        import polars as pl

        paths = [self.root / file.path for file in chosen]
        whole = all(start <= file.first and file.last < end for file in chosen)
        scan = pl.scan_parquet(paths, glob=False)
        try:
            return (scan if whole else scan.filter(pl.col("ts").is_between(start, end, closed="left"))).collect()
        except pl.exceptions.PolarsError as error:
            raise StorageError(f"a data file of {self.root} cannot be read: {error}") from error

    def _force_log(self, version: int) -> None:
        # delta-rs does not sync its log: after a power cut a version could be there and empty.
        for path in (
            self.root / "_delta_log" / f"{version:020}.json",
            self.root / "_delta_log",
        ):
            try:
                handle = os.open(path, os.O_RDONLY)
            except OSError:
                continue
            try:
                os.fsync(handle)
            except OSError:
                pass
            finally:
                os.close(handle)


def storage_error(error: BaseException, where: Path) -> StorageError:
    """Return the StorageError that says what happened at `where` and what to do."""
    text = str(error)
    full = getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT} or "No space left" in text
    refused = isinstance(error, PermissionError) or "ermission denied" in text or "Read-only file system" in text
    if full:
        return StorageError(
            f"the disk that holds {where} is full; make room and try again (what was stored before is still there)"
        )
    if refused:
        return StorageError(
            f"{where} cannot be written: {text}; check who owns it, or set WORKBENCH_HOME to another folder"
        )
    return StorageError(f"{where}: {text} (what was stored before is still there)")


def _data_files(table: DeltaTable) -> list[DataFile]:
    import polars as pl

    adds = pl.DataFrame(table.get_add_actions(flatten=True))
    if adds.is_empty():
        return []
    names = [
        "path",
        "partition.period",
        "num_records",
        "min.ts",
        "max.ts",
        "size_bytes",
    ]
    return sorted(
        (DataFile(*row) for row in adds.select(names).iter_rows()),
        key=lambda file: (file.first, file.path),
    )


def _removal(file: DataFile) -> Any:
    from deltalake.transaction import RemoveAction

    return RemoveAction(file.path, True, int(time.time() * 1000), file.size, {"period": file.period})


def _properties(note: Mapping[str, str] | None, transaction: str | None) -> Any:
    from deltalake.transaction import CommitProperties, Transaction

    return CommitProperties(
        custom_metadata=dict(note) if note else None,
        app_transactions=[Transaction(transaction, 1)] if transaction else None,
    )


def _discard(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
