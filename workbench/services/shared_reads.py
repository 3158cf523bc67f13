"""Reads that many ask for: one request at a time for each of them, its answer kept for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

KEPT_S = 5.0


class SharedReads:
    """Answers of slow or counted reads, shared by all who ask within a moment; a failure is shared, too.

    Parameters
    ----------
    kept_s : float
        Seconds after its beginning for which a read answers everybody.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept_s, self._clock = kept_s, clock
        self._known: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def of(self, key: Hashable, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return what `read` returns or has just returned; raise what it raises."""
        begun, reading = self._known.get(key, (float("-inf"), None))
        if reading is None or (reading.done() and self._clock() - begun > self._kept_s):
            reading = asyncio.ensure_future(read())
            self._known[key] = (self._clock(), reading)
        return await asyncio.shield(reading)  # who asked first may go
