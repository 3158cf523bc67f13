"""The market clock: the wall clock, or in a replay what the simulator announces, running on between its words.

The wall clock is followed as long as it goes steadily. One that is set under us is not: the clock then goes on by the
machine's own (suspended time included) for the rest of this process, and `clock_watch` has the jump told.
"""

from __future__ import annotations

import time

from workbench.domain.clock import HOUR, SECOND

GRACE_NS = SECOND // 4
RESTARTED_NS = HOUR
STEADY_NS = SECOND  # the wall clock is believed when it is no farther than this from our own


def running_ns() -> int:
    """Nanoseconds that go on whatever is done to the wall clock, also while the machine sleeps where that is known."""
    try:
        asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    except (AttributeError, OSError):  # not Linux
        asleep = 0
    return time.monotonic_ns() + asleep


def wall_ns() -> int:
    """Wall time, UTC ns."""
    return time.time_ns()


class MarketClock:
    """Market time of one process.

    Before any announcement, and with a real gateway always, it is the wall clock. `announce` takes the simulator's
    word: the time, and how fast it runs (market seconds a real second; 0 stands still, as in lockstep).
    """

    def __init__(self) -> None:
        self._base: int | None = None
        self._rate = 1.0
        self._since = 0
        self._last = 0
        self._wall_is = (time.time_ns(), running_ns())  # the wall clock when it was believed last
        self.lockstep = False
        self.seq = 0

    @property
    def rate(self) -> float:
        """Market seconds in one real second; 0 in lockstep."""
        return self._rate

    @property
    def announced(self) -> bool:
        """Whether the simulator has given its word; until then this is the wall clock."""
        return self._base is not None

    def announce(self, now: int, rate: float, seq: int, lockstep: bool) -> None:
        """Set the clock to `now` (UTC ns), running at `rate` from here on.

        The first word replaces the wall clock, and a simulator that was started anew may be hours back; otherwise an
        announcement that is a little behind makes the clock wait, never run backwards.
        """
        if self._base is None or now < self._last - RESTARTED_NS:
            self._last = now
        self._base, self._rate, self._since = now, rate, time.monotonic_ns()
        self.seq, self.lockstep = seq, lockstep

    def grace(self) -> int:
        """Market ns that a bar waits after its end for prints on their way: a quarter of a real second, at most 15 s.

        None in lockstep, where all prints of a bar have come when its end is announced.
        """
        return 0 if self.lockstep else min(int(GRACE_NS * max(1.0, self._rate)), 15 * SECOND)

    def now(self) -> int:
        """Market time, UTC ns; never runs backwards."""
        if self._base is None:
            at = self._steady()
        else:
            at = self._base + int((time.monotonic_ns() - self._since) * self._rate)
        self._last = max(self._last, at)
        return self._last

    def _steady(self) -> int:
        wall, running = time.time_ns(), running_ns()
        own = self._wall_is[0] + running - self._wall_is[1]
        if abs(wall - own) > STEADY_NS:
            return own
        self._wall_is = (wall, running)
        return wall
