"""How clients find the desk: one small file in the home, readable by its owner only."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from typing import Any

from workbench.domain.errors import InputError, LockHeld, StorageError
from workbench.services.logs import hide
from workbench.storage.home import Home, read_json, write_durably
from workbench.storage.lock import AccountLock

TOKEN_ENV = "WORKBENCH_API_TOKEN"  # noqa: S105 - a name, not a secret
SHORTEST_TOKEN = 16


def desk_token(home: Home) -> str:
    """The desk's token: from the environment, else one made once and kept (0600), so that a new desk finds old runners.

    Raises
    ------
    InputError
        The token in the environment is too short to be one.
    StorageError
        The kept token cannot be read.
    """
    given = os.environ.get(TOKEN_ENV, "")
    if given:
        if len(given) < SHORTEST_TOKEN:
            raise InputError(f"{TOKEN_ENV} has {len(given)} characters; a token needs at least {SHORTEST_TOKEN}")
        if not (given.isascii() and given.isprintable() and " " not in given):
            raise InputError(f"{TOKEN_ENV} holds spaces or special characters; letters, digits, - and _ are safe")
        hide(given)
        return given
    path = home.desk / "token"
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        write_durably(path, token.encode(), mode=0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {path}: {error}; remove it to have a new one made") from error
    if len(token) < SHORTEST_TOKEN:  # torn or emptied: nobody may knock with nothing
        raise StorageError(f"{path} holds no token; remove it to have a new one made")
    hide(token)
    return token


def write_desk_file(home: Home, **values: Any) -> None:
    """Tell clients where the desk is: url, pid, token, dashboard_url, lab_url."""
    write_durably(home.desk / "desk.json", json.dumps(values).encode(), mode=0o600)


def remove_desk_file(home: Home) -> None:
    """The desk has ended."""
    (home.desk / "desk.json").unlink(missing_ok=True)


def desk_now(home: Home, url: str, token: str) -> tuple[str, str]:
    """Where the desk is and its token: what its file says now, else `url` and `token` of the desk that started us."""
    try:
        found = read_json(home.desk / "desk.json") or {}
    except StorageError:
        found = {}
    if isinstance(found.get("url"), str) and isinstance(found.get("token"), str):
        return found["url"], found["token"]
    return url, token


def ingest_lock(home: Home) -> AccountLock:
    """The lock of the one process that records market data in `home`."""
    return AccountLock(home.desk / "ingest")


@contextlib.contextmanager
def only_desk(home: Home) -> Iterator[None]:
    """Be the one desk of `home` while the block runs.

    Raises
    ------
    LockHeld
        Another desk serves this home.
    StorageError
        The lock cannot be made.
    """
    lock = AccountLock(home.desk)
    try:
        lock.acquire("desk")
    except LockHeld:
        pid = (lock.holder() or {}).get("pid", "?")
        raise LockHeld(
            f"a desk already serves {home.path} (process {pid}); use it, end it, or choose another folder with --home"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot lock {lock.path}: {error.strerror}; free or unlock the disk, or choose another folder with --home"
        ) from error
    try:
        yield
    finally:
        lock.release()
