"""The database of what was decided about versions: SQLite in the home, or PostgreSQL by ``WORKBENCH_DATABASE_URL``.

It holds records and what is computed from them. What runs, stops or protects never asks it: versions run from their
stored copies (`storage.registry`), latch and lease are files of their own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError, StorageError
from workbench.storage.home import Home
from workbench.storage.migrations import HEAD, REVISIONS

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

URL_VARIABLE = "WORKBENCH_DATABASE_URL"
BUSY_S = 10.0
_ONE_MIGRATION = threading.Lock()  # alembic keeps the migration that runs in globals of its own
_ONE_WRITER = 0x57_4F_52_4B  # PostgreSQL's advisory lock of our writers
_MIGRATIONS = Path(__file__).parent / "migrations"


class DatabaseDamaged(StorageError):
    """The database file cannot be read as one."""


class DatabaseNewer(StorageError):
    """The database was changed by a newer program."""


class DatabaseBusy(StorageError):
    """Another process has been writing for too long."""


class Database:
    """One database. Opening it brings it up to date; every use is one connection and one transaction.

    Parameters
    ----------
    home : Home
        Where the SQLite file lies, ``workbench.db``.
    url : str, optional
        SQLAlchemy's form of address, such as ``postgresql://me@localhost/workbench``; by default that of
        ``WORKBENCH_DATABASE_URL``, else the file.
    """

    def __init__(self, home: Home, url: str | None = None) -> None:
        self.path = home.path / "workbench.db"
        self._written = url if url is not None else os.environ.get(URL_VARIABLE, "")
        self._is_current = False

    @property
    def is_file(self) -> bool:
        """Whether it is our own SQLite file; if not, a server answers."""
        return not self._written

    @property
    def exists(self) -> bool:
        """Whether there is anything to read; a file is made by the first write."""
        return not self.is_file or self.path.exists()

    @property
    def where(self) -> str:
        """Its place as shown to people: without a password."""
        return str(self.path) if self.is_file else self._url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the whole database."""
        with self._explained():
            self._bring_up_to_date()
            with self._reader().begin() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in the one transaction that may write now; all of it is kept, or nothing.

        Raises
        ------
        DatabaseBusy
            Another writer did not end in time.
        StorageError
            The disk or server refuses, the file is damaged or newer than this program.
        """
        with self._explained():
            if self.is_file:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._bring_up_to_date()
            with self._writer.begin() as connection:
                self._be_the_only_writer(connection)
                yield connection

    # --- opening ---

    @cached_property
    def _url(self) -> URL:
        from sqlalchemy import URL, make_url
        from sqlalchemy.exc import ArgumentError

        if self.is_file:
            return URL.create("sqlite", database=str(self.path))
        try:
            url = make_url(self._written)
        except ArgumentError:
            raise InputError(f"{URL_VARIABLE} is no address; write postgresql://user@host/database") from None
        if url.get_backend_name() != "postgresql":
            raise InputError(
                f"{URL_VARIABLE} names {url.get_backend_name()}; it may name PostgreSQL, as in "
                "postgresql://user@host/database. Left out, the database is a SQLite file in WORKBENCH_HOME"
            )
        return url.set(drivername="postgresql+psycopg")

    @cached_property
    def _writer(self) -> Engine:
        return self._engine(self._url)

    def _reader(self) -> Engine:
        if not self.is_file or os.access(self.path.parent, os.W_OK):
            return self._writer.execution_options(only_reads=True)
        return self._unwritable

    @cached_property
    def _unwritable(self) -> Engine:
        # SQLite keeps two helper files beside a database; where none can be made, it must be told that nobody writes.
        from sqlalchemy import URL

        pending = self.path.with_name(self.path.name + "-wal")
        if pending.exists() and pending.stat().st_size:
            raise StorageError(
                f"{self.path} was not closed ({pending.name} holds changes) and {self.path.parent} is read-only; "
                "open it once where it can be written"
            )
        query = {"mode": "ro", "immutable": "1", "uri": "true"}
        return self._engine(URL.create("sqlite", database=f"file:{self.path}", query=query))

    def _engine(self, url: URL) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool

        try:
            engine = create_engine(url, poolclass=NullPool)
        except ModuleNotFoundError as error:
            raise InputError(f"PostgreSQL needs {error.name}: pip install 'futures-workbench[postgres]'") from None
        if url.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
        return engine

    def _be_the_only_writer(self, connection: Connection) -> None:
        # SQLite has one writer by BEGIN IMMEDIATE; PostgreSQL is asked for the same.
        if not self.is_file:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(BUSY_S)}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_WRITER})")

    def _bring_up_to_date(self) -> None:
        if self._is_current:
            return
        with self._reader().begin() as connection:
            revision = self.revision(connection)
        if revision != HEAD:
            self._upgrade(revision)
        self._is_current = True

    def revision(self, connection: Connection) -> str | None:
        """Return the number of the newest migration the database has seen; None for an empty one.

        Raises
        ------
        DatabaseNewer
            This program does not know it.
        """
        from sqlalchemy import inspect

        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if found is not None and found not in REVISIONS:
            raise DatabaseNewer(
                f"{self.where} is at revision {found}, this program knows {HEAD}: a newer Workbench has changed it; "
                "use that one, or another WORKBENCH_HOME"
            )
        return found

    def _upgrade(self, revision: str | None) -> None:
        from filelock import FileLock, Timeout

        if not self.is_file:
            self._migrate()
            return
        try:
            with FileLock(str(self.path) + ".lock", timeout=BUSY_S * 3):
                self._use_write_ahead_log()
                self._keep_a_copy(revision)
                self._migrate()
        except Timeout:
            raise DatabaseBusy(f"another process has been changing {self.path} for {BUSY_S * 3:.0f} s") from None

    def _use_write_ahead_log(self) -> None:
        raw = self._writer.raw_connection()
        try:
            raw.cursor().execute("PRAGMA journal_mode=WAL").close()  # stays with the file
        finally:
            raw.close()

    def _keep_a_copy(self, revision: str | None) -> None:
        copy = self.path.with_name(f"workbench-{revision}.db")
        if revision is None or copy.exists():
            return
        raw = self._writer.raw_connection()
        try:
            raw.cursor().execute("VACUUM INTO ?", (str(copy),)).close()
        finally:
            raw.close()

    def _migrate(self) -> None:
        # One transaction: who comes second waits at its beginning, and then finds nothing left to do.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with _ONE_MIGRATION, self._writer.begin() as connection:
            self._be_the_only_writer(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    # --- errors ---

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from sqlalchemy.exc import DBAPIError, IntegrityError

        try:
            yield
        except IntegrityError:
            raise  # a constraint spoke: the caller knows what it means
        except DBAPIError as error:
            raise self._ours(str(error.orig or error).strip().splitlines()[0]) from error
        except OSError as error:
            raise StorageError(f"cannot use {self.where}: {error.strerror or error}") from error

    def _ours(self, said: str) -> StorageError:
        small = said.lower()
        if "is locked" in small or "lock timeout" in small or "busy" in small:
            return DatabaseBusy(f"{self.where} is busy: another process has been writing for {BUSY_S:.0f} s; try again")
        if "not a database" in small or "malformed" in small:
            return DatabaseDamaged(
                f"{self.where} is damaged ({said}). Stored versions are safe in {self.path.parent / 'versions'} and go "
                f"on running. Bring {self.path.name} back from a backup, or move it and its -wal and -shm away: "
                "versions are then taken up again as drafts, and promotions are recorded anew"
            )
        if "readonly" in small or "read-only" in small or "unable to open" in small:
            return StorageError(f"cannot write {self.where} ({said}); make WORKBENCH_HOME writable or choose another")
        if "full" in small:
            return StorageError(f"cannot write {self.where}: the disk is full; make room")
        return StorageError(f"{self.where}: {said}")


def _prepare(raw: Any, _record: Any) -> None:
    raw.isolation_level = None  # transactions begin where we say, see `_begin`
    cursor = raw.cursor()
    for setting in (f"busy_timeout = {int(BUSY_S * 1000)}", "foreign_keys = ON", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads or _is_immutable(connection) else "BEGIN IMMEDIATE")


def _is_immutable(connection: Connection) -> bool:
    return "immutable" in connection.engine.url.query
