"""Tokens that a person issues for other programs: scoped, with an end, revocable, kept as hashes only."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.services.clock import wall_ns
from workbench.services.logs import hide
from workbench.storage.home import Home, read_json, write_durably

Scope = Literal["read", "trade", "stop"]
SCOPES: tuple[Scope, ...] = ("read", "trade", "stop")
DAY_NS = 86_400 * 1_000_000_000
LONGEST_DAYS = 366
MOST_TOKENS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One issued token without its secret. Times are UTC ns, wall; `revoked_at` is None while it is good."""

    id: str
    name: str
    scopes: tuple[str, ...]
    hash: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None
    by: str = ""

    def is_good(self, now: int) -> bool:
        """Whether it opens anything at `now` (UTC ns)."""
        return self.revoked_at is None and now < self.expires_at

    def shown(self) -> dict[str, Any]:
        """Return what may be seen of it: no hash."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if k != "hash"}


class IssuedTokens:
    """The tokens of one home, in ``desk/tokens.json``; a change by another process is seen at the next look.

    Parameters
    ----------
    home : Home
        Where they are kept (0600, hashes only).
    """

    def __init__(self, home: Home) -> None:
        self._path = home.desk / "tokens.json"
        self._stamp: tuple[int, int, int] | None = None
        self._held: dict[str, Issued] = {}

    def create(self, *, name: str, scopes: Sequence[str], days: float = 30.0, by: str = "") -> tuple[str, Issued]:
        """Return a new token, which is never shown again, and its entry.

        Parameters
        ----------
        name : str
            Who or what it is for; shown in the audit log.
        scopes : sequence of str
            Of read, trade, stop.
        days : float
            Its life, at most 366 days.
        by : str
            Who issues it.
        """
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise UnknownName("scope", ", ".join(unknown) or "(none)", SCOPES)
        if not name.strip() or len(name) > 64 or not name.isprintable():
            raise InputError("a token needs a name of 1 to 64 printable characters, such as --name dashboard")
        if not 0 < days <= LONGEST_DAYS:
            raise InputError(f"a token lives between 0 and {LONGEST_DAYS} days, not {days:g}")
        now, secret, number = wall_ns(), secrets.token_urlsafe(32), secrets.token_hex(4)
        token = f"wb_{number}_{secret}"
        entry = Issued(
            id=number,
            name=name.strip(),
            scopes=tuple(s for s in SCOPES if s in scopes),
            hash=_hash(token),
            created_at=now,
            expires_at=now + int(days * DAY_NS),
            by=by,
        )
        with self._changing() as held:
            good = [each for each in held.values() if each.is_good(now)]
            if len(good) >= MOST_TOKENS:
                raise InputError(f"{MOST_TOKENS} tokens are issued already; revoke some first")
            if any(each.name == entry.name for each in good):
                raise InputError(f"a token named {entry.name} is issued already; revoke it, or choose another name")
            held[entry.id] = entry
        hide(token)
        return token, entry

    def revoke(self, which: str) -> Issued:
        """Make a token worthless at once; `which` is its id or its name."""
        with self._changing() as held:
            fitting = [e for e in held.values() if which in (e.id, e.name) and e.revoked_at is None]
            if not fitting:
                raise UnknownName("token", which, {e.name for e in held.values() if e.revoked_at is None})
            held[fitting[0].id] = replace(fitting[0], revoked_at=wall_ns())
            return held[fitting[0].id]

    def list(self) -> list[Issued]:
        """Return all tokens, the newest first; revoked and expired ones stay visible."""
        return sorted(self._read().values(), key=lambda e: -e.created_at)

    def find(self, presented: bytes) -> Issued | None:
        """Return the good token behind what was presented; a file that cannot be read lets nobody in."""
        if not presented.startswith(b"wb_"):
            return None
        try:
            held = self._read()
        except StorageError:
            return None
        digest, found, now = hashlib.sha256(presented).hexdigest(), None, wall_ns()
        for each in held.values():
            if hmac.compare_digest(each.hash, digest) and each.is_good(now):
                found = each
        return found

    def _read(self) -> dict[str, Issued]:
        try:
            stat = os.stat(self._path)
        except FileNotFoundError:
            self._stamp, self._held = None, {}
            return {}
        except OSError as error:
            raise StorageError(f"cannot read {self._path}: {error.strerror or error}") from error
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            rows = (read_json(self._path) or {}).get("tokens", [])
            try:
                held = [Issued(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]
            except (TypeError, KeyError) as error:
                raise StorageError(f"{self._path} is damaged ({error}); remove it and issue the tokens anew") from error
            self._held, self._stamp = {each.id: each for each in held}, stamp
        return dict(self._held)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Issued]]:
        # Two processes that issue at once lose none: the file is read, changed and written under a lock beside it.
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path.with_name("tokens.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"cannot lock {self._path}: {error.strerror or error}; free or unlock the disk"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = self._read()
            yield held
            rows = [asdict(each) for each in held.values()]
            write_durably(self._path, json.dumps({"tokens": rows}, indent=1).encode(), mode=0o600)
        finally:
            os.close(lock)


def _hash(token: str) -> str:
    # 256 random bits need no slow hash: nobody guesses them, and each request would pay for it.
    return hashlib.sha256(token.encode()).hexdigest()
