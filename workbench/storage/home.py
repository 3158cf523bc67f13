"""Where everything lies: one folder, `WORKBENCH_HOME`, with one place for each thing."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.domain.errors import StorageError

log = logging.getLogger(__name__)
DEFAULT = Path("data") / "home"
NO_HANDLE = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one Workbench installation."""

    path: Path

    @property
    def market(self) -> Path:
        """Delta tables of bars, ticks and quarantine."""
        return self.path / "market"

    @property
    def versions(self) -> Path:
        """Stored copies of strategy versions."""
        return self.path / "versions"

    @property
    def desk(self) -> Path:
        return self.path / "desk"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def reports(self) -> Path:
        return self.path / "reports"

    @property
    def stop_file(self) -> Path:
        """Dropping a file of this name stops everything."""
        return self.path / "STOP"

    def account(self, account: int) -> Path:
        """Lock, lease, latch, journal and link of one account."""
        return self.path / "accounts" / str(account)

    def accounts(self) -> list[int]:
        """Accounts that have a folder, ascending."""
        folder = self.path / "accounts"
        return sorted(int(p.name) for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []


def home(path: str | Path | None = None) -> Home:
    """Return the home at `path`, else at ``WORKBENCH_HOME``, else ``./data/home``."""
    chosen = path if path is not None else os.environ.get("WORKBENCH_HOME") or DEFAULT
    return Home(Path(chosen).expanduser().absolute())


def write_durably(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a small file so that it is either whole or not there, and on the disk when this returns.

    Raises
    ------
    StorageError
        The disk is full, read-only or gone; an earlier file of this name is untouched.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror or error}; free or unlock the disk") from error


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftover(folder: Path) -> None:
    """Remove a folder that nobody needs any more; one that cannot be removed is told in the log and stays."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        if not folder.exists():
            return
        log.warning("%s is not needed any more and could not be removed: %s", folder, error.strerror or error)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in `path`, None where there is no such file.

    Raises
    ------
    StorageError
        The file is there but is not a JSON object.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in NO_HANDLE and not os.path.lexists(path):  # that is our want of handles, not of the file
            return None
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        value = json.loads(data)
    except ValueError as error:
        raise StorageError(f"{path} is not readable JSON ({error}); move it away and try again") from error
    if not isinstance(value, dict):
        raise StorageError(f"{path} holds a {type(value).__name__}, an object was expected; move it away and try again")
    return value
