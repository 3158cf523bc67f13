"""Answers kept by the caller's key, so that a repeated request is answered again and not carried out again."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import logging
import os
import threading
from dataclasses import dataclass
from typing import Any

from workbench.domain.errors import StorageError
from workbench.services.clock import wall_ns
from workbench.storage.home import Home, write_durably

log = logging.getLogger(__name__)
KEPT_NS = 24 * 3_600 * 1_000_000_000
MOST_KEPT = 20_000
MOST_BYTES, REWRITE_BYTES = 32_000_000, 128_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One request by key: what it asked (a hash), and what was answered; `status` 0 while nothing was."""

    asked: str
    at: int
    status: int = 0
    body: bytes = b""


class KeptAnswers:
    """The keys of the last day, in ``desk/answers.jsonl``; appended and synced, rewritten when the desk starts.

    Parameters
    ----------
    home : Home
        Where they are kept, so that a key holds over a restart of the desk.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.desk / "answers.jsonl"
        self._kept = self._load()
        self._handle: int | None = None
        self._changing = threading.Lock()  # the loop knows at once what the disk's thread writes later
        self._bytes = sum(len(each.body) for each in self._kept.values())

    def get(self, key: str) -> Kept | None:
        """Return what is known of a key, None when it is new or older than a day."""
        found = self._kept.get(key)
        return found if found is not None and wall_ns() - found.at < KEPT_NS else None

    def begin(self, key: str, asked: str) -> None:
        """Note on the disk that a request with this key is being carried out.

        Raises
        ------
        StorageError
            The disk refuses: then nothing that may open or grow a position is carried out, because after a restart a
            repeat could not be told from it.
        """
        kept = Kept(asked, wall_ns())
        self._append(_row(key, kept))
        if self.get(key) is None:  # else it was remembered while the disk took its time, and may be answered by now
            self._put(key, kept)

    def remember(self, key: str, asked: str) -> None:
        """Note it in memory alone: what reduces or stops is carried out without a disk, too."""
        self._put(key, Kept(asked, wall_ns()))

    def answered(self, key: str, status: int, body: bytes) -> None:
        """Keep the answer in memory; `write` takes it to the disk."""
        begun = self._kept[key]
        self._put(key, Kept(begun.asked, begun.at, status, body))

    def write(self, key: str) -> None:
        """Write down what is known of a key; a disk that refuses is raised as a `StorageError`."""
        if (kept := self._kept.get(key)) is not None:
            self._append(_row(key, kept))

    def drop(self, key: str) -> None:
        """The request was refused before anything was done: the key may be used again; `forget` tells the disk."""
        with self._changing:
            self._kept.pop(key, None)

    def forget(self, key: str) -> None:
        """Write down that a key may be used again; a disk that refuses is raised as a `StorageError`."""
        self.drop(key)  # what was begun on a slow disk may have come in since
        self._append({"key": key, "gone": True})

    def _put(self, key: str, kept: Kept) -> None:
        with self._changing:
            self._bytes += len(kept.body)
            self._kept[key] = kept
            while len(self._kept) > MOST_KEPT or (self._bytes > MOST_BYTES and len(self._kept) > 1):
                self._bytes -= len(self._kept.pop(next(iter(self._kept))).body)

    def _append(self, row: dict[str, Any]) -> None:
        try:
            if self._handle is not None and os.fstat(self._handle).st_size > REWRITE_BYTES:
                self.close()
            if self._handle is None:
                self._handle = self._open()
            line = json.dumps(row).encode() + b"\n"
            if os.write(self._handle, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._handle)
        except OSError as error:
            self.close()  # half a line may stand there now: the file is written anew, from memory, before the next one
            raise StorageError(f"cannot keep the request key in {self._path} ({error.strerror or error})") from error

    def _open(self) -> int:
        # What is a day old goes when the file is opened; whatever a crash cut off goes, too.
        oldest = wall_ns() - KEPT_NS
        with self._changing:
            rows = [_row(key, kept) for key, kept in self._kept.items() if kept.at > oldest]
        write_durably(self._path, b"".join(json.dumps(row).encode() + b"\n" for row in rows), mode=0o600)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def _load(self) -> dict[str, Kept]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:  # an order's key is in its runner's journal, too; the desk must live to stop
            log.critical("the request keys of earlier cannot be read from %s: %s", self._path, error)
            return {}
        kept: dict[str, Kept] = {}
        for line in lines:
            try:
                row = json.loads(line)
                if row.get("gone"):
                    kept.pop(row["key"], None)
                else:
                    kept[row["key"]] = Kept(row["asked"], row["at"], row["status"], base64.b64decode(row["body"]))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # torn by a crash: its request was never answered
        oldest = wall_ns() - KEPT_NS
        return {key: each for key, each in kept.items() if each.at > oldest}

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            with contextlib.suppress(OSError):  # what it had to write was synced line by line
                os.close(self._handle)
            self._handle = None


def _row(key: str, kept: Kept) -> dict[str, Any]:
    body = base64.b64encode(kept.body).decode()
    return {"key": key, "asked": kept.asked, "at": kept.at, "status": kept.status, "body": body}
