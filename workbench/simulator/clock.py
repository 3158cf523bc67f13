"""The two clocks of the simulator: monotonic time for everything of the transport, market time as announced."""

from __future__ import annotations

from collections.abc import Callable


class MarketClock:
    """Market time from monotonic time: ``base + (monotonic − mark) × rate``, standing still when paused or in lockstep.

    Parameters
    ----------
    base : int
        Market time at the beginning (UTC ns).
    rate : float
        Market seconds per real second.
    monotonic : callable
        Seconds; injected, so that tests own it.
    """

    def __init__(self, base: int, rate: float, monotonic: Callable[[], float], *, lockstep: bool = False) -> None:
        self._base, self._rate, self._monotonic = base, rate, monotonic
        self._mark = monotonic()
        self.paused = False
        self.lockstep = lockstep

    @property
    def rate(self) -> float:
        """Market seconds per real second; 0 in lockstep and while paused."""
        return 0.0 if self.lockstep or self.paused else self._rate

    def now(self) -> int:
        """Return market time, UTC ns."""
        return self._base + int((self._monotonic() - self._mark) * 1_000_000 * self.rate) * 1000

    def move_to(self, at: int) -> None:
        """Set market time; lockstep moves it so, chunk by chunk."""
        self._base, self._mark = at, self._monotonic()

    def set_rate(self, rate: float) -> None:
        """Change the pace from here on."""
        self.move_to(self.now())
        self._rate = rate

    def pause(self, paused: bool) -> None:
        """Stop or go on."""
        now = self.now()
        self.paused = paused
        self.move_to(now)

    def set_lockstep(self, lockstep: bool) -> None:
        """Go over to lockstep, or back to the rate."""
        now = self.now()
        self.lockstep = lockstep
        self.move_to(now)
