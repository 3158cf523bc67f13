"""Time as a value: the market clock is read through `Clock`, never from the machine."""

from __future__ import annotations

from typing import Protocol

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 3600 * SECOND


class Clock(Protocol):
    """Something that tells the market time in UTC nanoseconds."""

    def now(self) -> int: ...


class ManualClock:
    """A clock that moves only when told to; for tests, backtests and lockstep."""

    def __init__(self, at: int = 0) -> None:
        self.at = at

    def now(self) -> int:
        return self.at

    def move_to(self, at: int) -> None:
        """Move forward to `at` (ns); a clock never runs backwards, so an earlier time is ignored."""
        self.at = max(self.at, at)
