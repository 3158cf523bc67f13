"""The stop latch: a small file per account, and one for everything, that outlives every process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.domain.errors import InputError, StorageError
from workbench.storage.home import Home, read_json, sync_folder, write_durably


@dataclass(frozen=True, slots=True)
class Latch:
    """A stop that holds: why, by whom, since when (UTC ns wall time)."""

    reason: str
    by: str
    at: int
    account: int | None  # None: everything


def _path(home: Home, account: int | None) -> Path:
    return home.path / "stop.json" if account is None else home.account(account) / "stop.json"


def set_latch(home: Home, *, reason: str, by: str, at: int, account: int | None = None, mark: bool = True) -> Latch:
    """Latch on disk before anything is cancelled; an older latch stays as it is (its first reason counts).

    Without `mark` the accounts' stopped marks are left to the caller, or to clearing: they may wait, cancels not.
    """
    known = _read(_path(home, account), account)
    if known is not None:
        return known
    body = {"reason": reason, "by": by, "at": at}
    write_durably(_path(home, account), json.dumps(body).encode())
    if mark:
        mark_stopped(home, home.accounts() if account is None else [account], reason)
    return Latch(reason, by, at, account)


def mark_stopped(home: Home, accounts: Iterable[int], reason: str) -> None:
    """Leave the mark of a stop in each account."""
    for each in accounts:
        write_durably(stopped_mark(home, each), reason.encode())


def stopped_mark(home: Home, account: int) -> Path:
    """The file that outlives a cleared latch: the next runner ends the earlier sessions, so that nothing trades on."""
    return home.account(account) / "stopped"


def read_latch(home: Home, account: int | None = None) -> Latch | None:
    """Return the latch that stops `account`: its own, the one for everything, or a dropped STOP file.

    An unreadable latch is a latch: what cannot be read was written to stop something.
    """
    if os.path.lexists(home.stop_file):
        return Latch(_stop_file_reason(home.stop_file), "stop file", 0, None)
    return _read(_path(home, None), None) or (None if account is None else _read(_path(home, account), account))


def _read(path: Path, account: int | None) -> Latch | None:
    try:
        body = read_json(path)
    except StorageError as error:
        return Latch(f"the latch itself is damaged: {error}", "unknown", 0, account)
    if body is None:
        return None
    at = body.get("at", 0)
    return Latch(str(body.get("reason", "")), str(body.get("by", "unknown")), at if isinstance(at, int) else 0, account)


def _stop_file_reason(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        text = f"unreadable ({error.strerror})"
    return text[:500] or "a STOP file was dropped"


def drop_stop_file(home: Home, reason: str) -> Path:
    """Stop everything without any process of ours: runners and the desk watch for this file."""
    write_durably(home.stop_file, reason.encode())
    return home.stop_file


def clear_latch(home: Home, *, reason: str, person: str, account: int | None = None, at: int) -> dict[str, Any]:
    """Release what holds; only a person with a typed reason may, and the release is kept on record.

    With `account` its own latch alone is released; without, everything is: the stop of all and every account's own.

    Raises
    ------
    InputError
        No reason, no person, or nothing is latched.
    """
    if not reason.strip() or not person.strip():
        raise InputError(
            "clearing the stop needs a typed reason and a person's name: workbench stop --clear --reason …"
        )
    held = _held(home, account)
    if not held:
        everything = account is not None and read_latch(home) is not None
        if everything:
            raise InputError(f"everything is stopped, not account {account} alone: clear it without --account")
        raise InputError("nothing is stopped; there is no latch to clear")
    latch = held[0][1]
    record = {"cleared_at": at, "by": person, "reason": reason, "latched_for": latch.reason, "latched_by": latch.by}
    log = home.path / "stops.log"
    earlier = log.read_bytes() if log.exists() else b""
    write_durably(log, earlier + json.dumps(record).encode() + b"\n")
    for _, known in held:  # a latch whose marks were not written, or a dropped file, has stopped them all the same
        behind = home.accounts() if known.account is None else [known.account]
        mark_stopped(home, [a for a in behind if not stopped_mark(home, a).exists()], known.reason)
    for path, _ in held:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)
    return record


def _held(home: Home, account: int | None) -> list[tuple[Path, Latch]]:
    # Without an account everything is released: the stop of all, a dropped file, and each account's own.
    held: list[tuple[Path, Latch]] = []
    if account is None and os.path.lexists(home.stop_file):
        held.append((home.stop_file, Latch("a STOP file was dropped", "stop file", 0, None)))
    for each in [account] if account is not None else [None, *home.accounts()]:
        latch = _read(_path(home, each), each)
        if latch is not None:
            held.append((_path(home, each), latch))
    return held
