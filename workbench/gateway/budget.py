"""Request budgets: sliding windows that stay below the gateway's limits and keep room for what must not wait.

The gateway counts 50 history requests in 30 s and 200 others in 60 s, per user as far as is known. We plan for 80 % of
that, because somebody else may share the user; of those, ordinary requests get 60 %, so that a cancel, a close or the
reading that verifies them always finds room (design idea 12). An urgent request may use the whole limit: beyond it the
gateway would refuse anyway.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum

SHARE = 0.8
RESERVE = 0.4


class Priority(Enum):
    """`URGENT` is for cancel, close and the reads that verify them; research, entries and the rest are `NORMAL`."""

    NORMAL = "normal"
    URGENT = "urgent"


class SlidingBudget:
    """Requests that may leave within a sliding window.

    Parameters
    ----------
    limit : int
        Requests per window that the gateway allows.
    window_s : float
        Length of the window, seconds.
    share, reserve : float
        Part of the limit we plan with, and part of that which only urgent requests may use.
    clock, sleep
        Monotonic seconds and how to wait; injected in tests.
    """

    def __init__(
        self,
        limit: int,
        window_s: float,
        *,
        share: float = SHARE,
        reserve: float = RESERVE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if limit < 1 or window_s <= 0:
            raise ValueError(f"a budget needs a limit and a window above 0, not {limit} in {window_s} s")
        self.limit, self.window_s = limit, window_s
        self.caps = {Priority.NORMAL: max(1, int(limit * share * (1 - reserve))), Priority.URGENT: limit}
        self._clock, self._sleep = clock, sleep
        self._sent: deque[float] = deque()
        self._paused_until = float("-inf")

    def wait_s(self, priority: Priority = Priority.NORMAL) -> float:
        """Return the seconds until a request of `priority` may leave; 0 = now."""
        now = self._clock()
        while self._sent and self._sent[0] + self.window_s <= now:
            self._sent.popleft()
        cap = self.caps[priority]
        free_at = self._sent[-cap] + self.window_s if len(self._sent) >= cap else now
        return max(0.0, free_at - now, self._paused_until - now)

    async def acquire(self, priority: Priority = Priority.NORMAL) -> None:
        """Wait for room and take it."""
        while (wait := self.wait_s(priority)) > 0:
            await self._sleep(wait)
        self._sent.append(self._clock())

    def pause(self, seconds: float) -> None:
        """Let nothing leave for `seconds`: the gateway said 429, and asking again before that only prolongs it."""
        self._paused_until = max(self._paused_until, self._clock() + seconds)


class Budgets:
    """The gateway's two budgets; every client of one user in this process shares one object."""

    def __init__(self, history: SlidingBudget | None = None, other: SlidingBudget | None = None) -> None:
        self.history = history or SlidingBudget(50, 30.0, reserve=0.0)
        self.other = other or SlidingBudget(200, 60.0)

    def of(self, history: bool) -> SlidingBudget:
        return self.history if history else self.other
