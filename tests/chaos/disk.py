"""A durable fake disk: files are real, but what was not synced when the power went is lost or torn, by seed.

Programs write as they always do. `os.fsync` and `os.fdatasync` only note what is safe from then on, `os.replace` and
`os.rename` are safe from the next sync of their folder on. `crash` returns the folder as it is found after the reboot.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class FakeDisk:
    """A folder with two faces: what programs see, and what would be left after a power cut.

    Parameters
    ----------
    root : Path
        An empty folder; each boot gets one of its own inside.
    rng : random.Random
        Decides what becomes of what was not synced.
    """

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._root, self._rng = root, rng
        self._boots = 0
        self._safe: dict[str, bytes] = {}  # path -> content that a power cut leaves
        self._renamed: dict[str, bytes | None] = {}  # path -> what the name stood for before a rename not yet synced
        self.syncs = 0
        self.full = False  # when set, every sync fails as on a full or dying disk
        self.path = self._next()

    def _next(self) -> Path:
        self._boots += 1
        path = self._root / str(self._boots)
        path.mkdir(parents=True)
        return path

    # --- what programs call ------------------------------------------------------------------------------------------

    def sync(self, handle: int) -> None:
        """`os.fsync`: from here on this survives."""
        if self.full:
            raise OSError(28, "No space left on device")
        self.syncs += 1
        path = os.readlink(f"/proc/self/fd/{handle}")
        if not path.startswith(str(self.path)):
            return
        if os.path.isdir(path):
            for name in [n for n in self._renamed if os.path.dirname(n) == path]:
                del self._renamed[name]
        else:
            with open(path, "rb") as file:
                self._safe[path] = file.read()

    def replace(self, source: Any, target: Any) -> None:
        """`os.replace`: the new name is safe when its folder is synced."""
        old, new = os.fspath(source), os.fspath(target)
        if str(new).startswith(str(self.path)):
            self._renamed.setdefault(str(new), self._safe.get(str(new)))
            if old in self._safe:
                self._safe[str(new)] = self._safe.pop(old)
            else:
                self._safe.pop(str(new), None)
        _replace(old, new)

    # --- the end -----------------------------------------------------------------------------------------------------

    def crash(self, *, power: bool) -> Path:
        """Return a fresh folder with what is left; without a power cut everything that was written is."""
        old, new = self.path, self._next()
        safe: dict[str, bytes] = {}
        for place in sorted(p for p in old.rglob("*") if p.is_file() and not p.is_symlink()):
            seen = place.read_bytes()
            left = seen if not power else self._left_of(str(place), seen)
            if left is None:
                continue
            target = new / place.relative_to(old)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(left)
            safe[str(target)] = left
        for folder in (p for p in old.rglob("*") if p.is_dir()):
            (new / folder.relative_to(old)).mkdir(parents=True, exist_ok=True)
        self._safe, self._renamed, self.path = safe, {}, new
        return new

    def _left_of(self, path: str, seen: bytes) -> bytes | None:
        if path in self._renamed and self._rng.random() < 0.5:
            return self._renamed[path]  # the rename has not reached the platter
        safe = self._safe.get(path)
        if safe == seen:
            return seen
        luck = self._rng.random()
        if luck < 0.3:  # the kernel had written it back in time
            return seen
        if safe is not None and not seen.startswith(safe):
            return safe
        kept = len(safe or b"")
        torn = seen[: self._rng.randint(kept, len(seen))]
        if luck < 0.6 or len(torn) == kept:
            return torn if safe is not None or torn else None
        return torn[:-1] + bytes([torn[-1] ^ 0x41])  # a sector that was half written


_replace = os.replace


@contextlib.contextmanager
def on(disk: FakeDisk) -> Iterator[None]:
    """Let this process work on `disk`."""
    mine = {"fsync": disk.sync, "fdatasync": disk.sync, "replace": disk.replace, "rename": disk.replace}
    real = {name: getattr(os, name) for name in mine}
    for name, function in mine.items():
        setattr(os, name, function)
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)


def scratch(seed: int) -> Path:
    """A folder in memory where there is one: the fake disk needs no real one."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(os.environ.get("TMPDIR", "/tmp"))
    path = base / f"workbench-chaos-{os.getpid()}-{seed}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
