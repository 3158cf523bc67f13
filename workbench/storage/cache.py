"""Frames in memory, keyed by their data version: the same bytes are held once and read once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    import polars as pl

DEFAULT_BYTES = 512 * 1024 * 1024


def content_version(frame: pl.DataFrame) -> str:
    """Return the data version of a frame: a hash of its columns' names, kinds and bytes, 32 hex digits.

    Examples
    --------
    >>> import polars as pl
    >>> one, other = pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [2, 1]})
    >>> content_version(one) == content_version(one.clone()), content_version(one) == content_version(other)
    (True, False)
    """
    import numpy as np

    digest = hashlib.blake2b(digest_size=16)
    for name in frame.columns:
        values = np.ascontiguousarray(frame[name].to_physical().to_numpy())
        digest.update(f"{name}:{values.dtype.str}:{len(values)};".encode())
        digest.update(values.data if values.size else b"")
    return digest.hexdigest()


class FrameCache:
    """Least recently used frames up to a number of bytes.

    A *state* says what was read (table, slice, table version) and leads to a data version; frames hang on data
    versions, so two states with equal content share one frame. Frames are handed out as they are: polars frames do not
    change.

    Parameters
    ----------
    most_bytes : int
        Frames are dropped, oldest use first, when their estimated size exceeds this.
    """

    def __init__(self, most_bytes: int = DEFAULT_BYTES) -> None:
        self.most_bytes = most_bytes
        self.hits = self.misses = 0
        self._states: OrderedDict[Hashable, str] = OrderedDict()
        self._frames: OrderedDict[str, pl.DataFrame] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._frames)

    def find(self, state: Hashable) -> tuple[str, pl.DataFrame] | None:
        """Return (data version, frame) of a state that was kept, or None."""
        with self._lock:
            version = self._states.get(state)
            if version is None or version not in self._frames:
                self.misses += 1
                return None
            self.hits += 1
            self._states.move_to_end(state)
            self._frames.move_to_end(version)
            return version, self._frames[version]

    def get(self, version: str) -> pl.DataFrame | None:
        """Return the frame of a data version, or None when it is not held."""
        with self._lock:
            return self._frames.get(version)

    def keep(self, state: Hashable, version: str, frame: pl.DataFrame) -> tuple[str, pl.DataFrame]:
        """Keep a frame under its state; return the held one, which may be an older equal frame."""
        with self._lock:
            held = self._frames.get(version)
            if held is None:
                held = self._frames[version] = frame
                self._bytes += int(frame.estimated_size())
            self._states[state] = version
            self._frames.move_to_end(version)
            while self._bytes > self.most_bytes and len(self._frames) > 1:
                _, dropped = self._frames.popitem(last=False)
                self._bytes -= int(dropped.estimated_size())
            while len(self._states) > 4096:
                self._states.popitem(last=False)
            return version, held

    def clear(self) -> None:
        with self._lock:
            self._states.clear()
            self._frames.clear()
            self._bytes = 0
