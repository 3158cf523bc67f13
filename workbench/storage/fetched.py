"""Which stretches of history were asked of the gateway and stored: what lets a backfill go on where it stopped.

Silent minutes have no bar, so the bars alone cannot say whether a stretch was fetched.
"""

from __future__ import annotations

import json
from pathlib import Path

from filelock import FileLock, Timeout

from workbench.domain.errors import StorageError
from workbench.storage.home import read_json, write_durably

Span = tuple[int, int]


class Fetched:
    """Fetched stretches ``[start, end)`` in UTC ns, by contract and timeframe; one small file each."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root) / "fetched"

    def spans(self, contract: str, timeframe: str) -> list[Span]:
        """Return the fetched stretches, ascending, none touching another."""
        content = read_json(self._path(contract, timeframe))
        try:
            return [(int(start), int(end)) for start, end in content["spans"]] if content else []
        except (KeyError, TypeError, ValueError) as error:
            path = self._path(contract, timeframe)
            raise StorageError(f"{path} is damaged ({error}); delete it: the history is then fetched again") from error

    def missing(self, contract: str, timeframe: str, start: int, end: int) -> list[Span]:
        """Return what of ``[start, end)`` was not fetched yet, ascending."""
        holes, at = [], start
        for first, last in self.spans(contract, timeframe):
            if first > at:
                holes.append((at, min(first, end)))
            at = max(at, last)
            if at >= end:
                break
        holes.append((at, end))
        return [(first, last) for first, last in holes if first < last]

    def add(self, contract: str, timeframe: str, start: int, end: int) -> None:
        """Note that ``[start, end)`` was fetched and stored; durable when this returns."""
        path = self._path(contract, timeframe)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(path.with_suffix(".lock"), timeout=60):
                spans = _merged([*self.spans(contract, timeframe), (start, end)])
                write_durably(path, json.dumps({"spans": spans}).encode())
        except Timeout as error:
            raise StorageError(f"another process has held {path} for 60 s; end it and try again") from error

    def _path(self, contract: str, timeframe: str) -> Path:
        return self.root / contract / f"{timeframe}.json"


def _merged(spans: list[Span]) -> list[Span]:
    """Return the union of the spans, touching ones joined.

    Examples
    --------
    >>> _merged([(5, 7), (0, 2), (2, 3), (6, 9)])
    [(0, 3), (5, 9)]
    """
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
