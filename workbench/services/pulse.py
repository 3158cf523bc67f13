"""For how long nothing has been seen of a process, counted by who looks: time in which nobody looked does not count."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_BETWEEN_S = 0.5  # of the time between two looks counts no more


class Pulse:
    """Adds up silence over looks.

    The computer asleep, or the desk itself held still, is silence of everybody and says nothing about one process: of
    such a gap only `MOST_BETWEEN_S` count, and then whoever lives has time to show it.

    Parameters
    ----------
    mono : callable
        Seconds; injected in tests.
    """

    def __init__(self, mono: Callable[[], float] = time.monotonic) -> None:
        self._mono, self._last = mono, mono()
        self._sign: object = None
        self._silent_s = 0.0

    def silent_s(self, sign: object) -> float:
        """Look once; return for how many seconds `sign` has stayed the same."""
        now = self._mono()
        passed, self._last = min(now - self._last, MOST_BETWEEN_S), now
        if sign != self._sign:
            self._sign, self._silent_s = sign, 0.0
        else:
            self._silent_s += passed
        return self._silent_s

    def forget(self) -> None:
        """Begin anew."""
        self._silent_s = 0.0
