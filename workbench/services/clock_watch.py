"""Jumps of the clock: the wall clock set, the computer put to sleep, or this process held still.

Bars, flat-by and the trading date hang on the clock, so whoever trades stops entering when it jumps (`ClockJumped`).
The market clock itself does not follow a wall clock that was set under it, see `services.clock`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_S = 1.0
JUMP_S = 2.0  # wall against monotonic, within one look
STILL_S = 30.0  # a look that comes so late: the process was held still


class ClockWatch:
    """Compares the wall clock with the monotonic clock, and both with when it meant to look.

    Parameters
    ----------
    jumped : callable
        Takes the seconds by which time has jumped: > 0 forwards, or asleep or held still for so long.
    wall, mono : callable
        Seconds; injected in tests.
    """

    def __init__(
        self,
        jumped: Callable[[float], None],
        *,
        wall: Callable[[], float] = time.time,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jumped, self._wall, self._mono = jumped, wall, mono
        self._last = (wall(), mono())

    def look(self) -> None:
        """Look once; tell when something has jumped since the last look."""
        was, self._last = self._last, (self._wall(), self._mono())
        passed = self._last[1] - was[1]
        by = (self._last[0] - was[0]) - passed  # a sleeping computer's monotonic clock sleeps, too
        if abs(by) > JUMP_S:
            self._jumped(by)
        elif passed > EVERY_S + STILL_S:
            self._jumped(passed)
