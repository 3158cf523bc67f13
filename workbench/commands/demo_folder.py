"""The demo's folder: made anew for each demo, held by one, and no process of it left behind."""

from __future__ import annotations

import fcntl
import json
import os
import shutil

from workbench.domain.errors import InputError
from workbench.services.desk_file import ingest_lock
from workbench.storage.home import Home, write_durably
from workbench.storage.lock import AccountLock, kill_process

MARKER = ".workbench-demo"


def fresh_home(home: Home) -> None:
    """Make the demo's folder anew; one that is not a demo's, or is in use, is left alone.

    Raises
    ------
    InputError
        The folder holds something else, or a demo runs in it.
    """
    handle = claim(home)
    try:
        empty(home)
    finally:
        os.close(handle)


def claim(home: Home) -> int:
    """Mark `home` as a demo's and hold it while the returned descriptor is open; raises as `fresh_home` does."""
    path = home.path / MARKER
    try:
        if home.path.exists() and any(home.path.iterdir()) and not path.exists():
            raise InputError(f"{home.path} is not a demo's folder; choose an empty one with --home")
        home.path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise InputError(f"the demo cannot use {home.path} ({error.strerror}); choose another with --home") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise InputError(f"a demo already runs in {home.path}; end it, or choose another folder with --home") from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, b"made by workbench demo; emptied at its next start\n", 0)
    return handle


def empty(home: Home) -> None:
    """Delete what an earlier demo has left, its processes first."""
    end_left_over(home)
    for path in home.path.iterdir():
        if path.name == MARKER:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def note_lab(home: Home, port: int) -> None:
    """Write down where the demo's JupyterLab is, so that the doctor knows it; without its token."""
    write_durably(home.desk / "lab.json", json.dumps({"port": port}).encode())


def end_left_over(home: Home) -> None:
    """End what outlived its desk in `home`: whoever holds the lock of an account or of ingest there."""
    (home.desk / "lab.json").unlink(missing_ok=True)
    for lock in (ingest_lock(home), *(AccountLock(home.account(a)) for a in home.accounts())):
        holder = lock.holder()
        if holder is not None and holder.get("role") in ("runner", "ingest"):
            kill_process(holder)
