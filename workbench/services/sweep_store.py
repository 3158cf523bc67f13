"""What is done of a sweep, on the disk: one folder by its address, one file for each chunk.

The folder may be deleted at any time: everything in it can be made again. A file that cannot be read counts as not
there.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.backtest.sweep import Chunk
from workbench.domain.errors import InputError
from workbench.storage.home import Home, remove_leftover

if TYPE_CHECKING:
    from workbench.backtest.sweep import Float64Array

MOST_FOLDERS = 40


class SweepStore:
    """Chunks of one sweep.

    Parameters
    ----------
    home : Home
    key : str
        Address of the sweep: what decides its results.
    fresh : bool
        Forget the chunks that are there.
    """

    def __init__(self, home: Home, key: str, *, fresh: bool) -> None:
        self.folder = home.path / "sweeps" / key
        self.is_kept = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob("chunk-*") if fresh else ():
                path.unlink(missing_ok=True)  # what was counted stays: the same combinations are the same trials
            _forget_oldest(self.folder.parent)
        except OSError:  # a home that cannot be written: the sweep runs, but cannot be gone on with
            self.is_kept = False

    def load(self, number: int, table: Float64Array) -> Chunk | None:
        """Return a chunk that is there and is of just these combinations, else None."""
        try:
            with np.load(io.BytesIO(self._path(number).read_bytes()), allow_pickle=False) as held:
                if not np.array_equal(held["table"], table):
                    return None
                refusals = tuple((int(row), str(reason)) for row, reason in json.loads(str(held["refusals"])))
                return Chunk(raw=held["raw"], daily=held["daily"], refusals=refusals)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            return None  # missing, cut short or changed: made again

    def save(self, number: int, table: Float64Array, chunk: Chunk) -> None:
        """Keep a chunk: whole or not at all. Not synced: a power cut costs a chunk that can be made again."""
        if not self.is_kept:
            return
        packed = io.BytesIO()
        np.savez(packed, table=table, raw=chunk.raw, daily=chunk.daily, refusals=np.array(json.dumps(chunk.refusals)))
        path = self._path(number)
        beside = path.with_suffix(f".{os.getpid()}.part")
        try:
            beside.write_bytes(packed.getbuffer())
            beside.replace(path)
        except OSError:
            self.is_kept = False

    @property
    def counted(self) -> int:
        """Combinations that are in the ledger already."""
        try:
            return int(json.loads((self.folder / "counted.json").read_text())["trials"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    @counted.setter
    def counted(self, trials: int) -> None:
        if self.is_kept:
            (self.folder / "counted.json").write_text(json.dumps({"trials": trials}))

    def describe(self, told: dict[str, Any]) -> None:
        """Write what this folder is, for people."""
        if self.is_kept:
            (self.folder / "sweep.json").write_text(json.dumps(told, indent=1, default=str))

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.npz"


def require_known(home: Home, key: str) -> None:
    """Raise InputError unless there is a sweep at this address to go on with."""
    folder = home.path / "sweeps"
    if not (folder / key).is_dir():
        held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        raise InputError(
            f"resume={key!r} is no sweep of these bars, values and costs; run it without resume, or with resume=True"
            + (f"; there are {', '.join(held[-5:])}" if held else "")
        )


def _forget_oldest(folder: Path) -> None:
    held = sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for path in held[: max(0, len(held) - MOST_FOLDERS)]:
        remove_leftover(path)
