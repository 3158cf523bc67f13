"""The audit log: who did what, when and from where, one JSON line each, appended and synced, never rewritten."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.domain.errors import StorageError
from workbench.services.clock import wall_ns
from workbench.services.logs import blotted
from workbench.storage.home import Home
from workbench.storage.plain import plain

LONGEST_TEXT = 2_000  # characters of one value: a posted body must not fill the log
MOST_ITEMS = 100
ROTATE_BYTES = 20_000_000
SECRET_WORDS = ("token", "secret", "password", "authorization", "api_key", "apikey")


class Audit:
    """The audit log of one home: ``audit.jsonl``, older parts ``audit-<n>.jsonl``.

    Any number of processes may write; each line is appended whole, under the lock of the file.

    Parameters
    ----------
    home : Home
        Where the log lies.
    """

    def __init__(self, home: Home) -> None:
        self.path = home.path / "audit.jsonl"

    def note(self, *, who: str, what: str, source: str, details: Mapping[str, Any]) -> None:
        """Append one line and sync it.

        Parameters
        ----------
        who : str
            The person or the name of the token, as far as known; ``?`` for a stranger.
        what : str
            The act in the imperative, such as ``POST /api/orders`` or ``clear the stop``.
        source : str
            Where it came from: ``cli``, ``stop file``, or the address of the client.
        details : mapping
            Plain values; what is named like a secret is blotted out, and so is every secret known to this process.

        Raises
        ------
        StorageError
            The disk refuses. What was done is done: say so, and go on.
        """
        line = {"at": wall_ns(), "who": who, "what": what, "source": source, "details": clean(plain(details))}
        data = blotted(json.dumps(line, ensure_ascii=True)).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(data)
        except OSError as error:
            raise StorageError(
                f"cannot write {self.path}: {error.strerror or error}; free or unlock the disk"
            ) from error

    def _append(self, data: bytes) -> None:
        with _locked(self.path) as handle:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":  # a line that a crash cut off stays a line of its own
                data = b"\n" + data
            os.write(handle, data)
            os.fdatasync(handle)
            if size > ROTATE_BYTES:
                os.rename(self.path, _next_part(self.path))

    def read(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest `limit` lines of this part, the newest first; a damaged line is shown as damaged."""
        try:
            lines = _tail(self.path, limit)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"cannot read {self.path}: {error.strerror or error}") from error
        return [_parsed(line) for line in lines]


class _locked:  # noqa: N801 - reads as a statement
    # Opens for appending under the file's lock; a file that was rotated away while waiting is opened anew.
    def __init__(self, path: Path) -> None:
        self._path, self._handle = path, -1

    def __enter__(self) -> int:
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(handle), os.stat(self._path))
            except FileNotFoundError:
                same = False
            if same:
                self._handle = handle
                return handle
            os.close(handle)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def clean(value: Any, name: str = "") -> Any:
    """Return `value` with everything that is named like a secret blotted out, and long texts cut.

    >>> clean({"qty": 1, "api_key": "abc", "nested": [{"token": "t"}]})
    {'qty': 1, 'api_key': '•••', 'nested': [{'token': '•••'}]}
    """
    if any(word in name.lower() for word in SECRET_WORDS) and value not in (None, "", True, False):
        return "•••"
    if isinstance(value, dict):
        first = list(value.items())[:MOST_ITEMS]
        return {str(key)[:MOST_ITEMS]: clean(item, str(key)) for key, item in first}
    if isinstance(value, list):
        return [clean(item, name) for item in value[:MOST_ITEMS]]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return value[:LONGEST_TEXT] + f"… ({len(value)} characters)"
    return value


def _next_part(path: Path) -> Path:
    numbers = [int(p.stem.removeprefix("audit-")) for p in path.parent.glob("audit-*.jsonl") if p.stem[6:].isdigit()]
    return path.with_name(f"audit-{max(numbers, default=0) + 1}.jsonl")


def _tail(path: Path, limit: int) -> Iterator[bytes]:
    # Read backwards by blocks: the log may be long, and only its end is wanted.
    lines: list[bytes] = []
    with path.open("rb") as file:
        at, rest = file.seek(0, os.SEEK_END), b""
        while at > 0 and len(lines) < limit:
            step = min(at, 65_536)
            at -= step
            file.seek(at)
            parts = (file.read(step) + rest).split(b"\n")
            rest = parts[0]
            lines += [part for part in reversed(parts[1:]) if part]
        if rest and len(lines) < limit:
            lines.append(rest)
    return iter(lines[:limit])


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    return {"at": None, "who": "?", "what": "damaged line", "source": "", "details": {"bytes": len(line)}}
