"""Request budgets: sliding windows that stay below the gateway's limits and keep room for what must not wait.

The gateway counts 50 history requests in 30 s and 200 others in 60 s, per user as far as is known. We plan for 80 % of
that, because somebody else may share the user; of those, ordinary requests get 60 %, so that a cancel, a close or the
reading that verifies them always finds room (design idea 12). An urgent request may use the whole limit: beyond it the
gateway would refuse anyway.

Others may use the same user up, and then it says 429. Ordinary requests then hold still for as long as it asked, so
that the room that comes back is left to urgent ones; an urgent one asks again after a second or a few.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum

SHARE = 0.8
RESERVE = 0.4
URGENT_PAUSES_S = (1.0, 2.0, 3.0)  # after the first, second and every further 429 to urgent requests in a row
LEAST_PAUSE_S = 0.25  # also where the gateway asks for none
PROBE_S = 0.25  # so long the first urgent one after a pause is alone: refused requests may count, too


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
        self._paused_until = dict.fromkeys(Priority, float("-inf"))
        self._limited, self._limited_at = (
            0,
            float("-inf"),
        )  # 429 to urgent requests in a row, and when the last one came

    def wait_s(self, priority: Priority = Priority.NORMAL) -> float:
        """Return the seconds until a request of `priority` may leave; 0 = now."""
        now = self._clock()
        while self._sent and self._sent[0] + self.window_s <= now:
            self._sent.popleft()
        cap = self.caps[priority]
        free_at = self._sent[-cap] + self.window_s if len(self._sent) >= cap else now
        return max(0.0, free_at - now, self._paused_until[priority] - now)

    async def acquire(self, priority: Priority = Priority.NORMAL) -> float:
        """Wait for room and take it; return the time of leaving, for `pause`."""
        while (wait := self.wait_s(priority)) > 0:
            await self._sleep(wait)
        now = self._clock()
        self._sent.append(now)
        if priority is Priority.URGENT and self._limited:
            self._paused_until[priority] = now + PROBE_S
        return now

    def pause(self, seconds: float, priority: Priority = Priority.NORMAL, left_at: float = float("inf")) -> None:
        """Hold back: a request of `priority` that left at `left_at` was answered 429, and `seconds` are asked for.

        Ordinary requests wait the whole time, whoever was refused. Urgent ones wait only when one of them was, and
        briefly: a second, growing to three. Of a burst the first refusal counts; the others left before it was known.
        """
        now = self._clock()
        self._paused_until[Priority.NORMAL] = max(self._paused_until[Priority.NORMAL], now + seconds)
        if priority is Priority.URGENT and left_at > self._limited_at:
            brief = URGENT_PAUSES_S[min(self._limited, len(URGENT_PAUSES_S) - 1)]
            self._paused_until[Priority.URGENT] = now + min(max(seconds, LEAST_PAUSE_S), brief)
            self._limited, self._limited_at = self._limited + 1, now

    def passed(self, priority: Priority, left_at: float = float("inf")) -> None:
        """Note that a request was let in: after an urgent one the others follow, and the next 429 is a first one again.

        Ordinary requests stay paused; that one got in because they hold still.
        """
        if priority is Priority.URGENT and left_at > self._limited_at:
            self._limited, self._paused_until[priority] = 0, float("-inf")


class Budgets:
    """The gateway's two budgets; every client of one user in this process shares one object."""

    def __init__(self, history: SlidingBudget | None = None, other: SlidingBudget | None = None) -> None:
        self.history = history or SlidingBudget(50, 30.0, reserve=0.0)
        self.other = other or SlidingBudget(200, 60.0)

    def of(self, history: bool) -> SlidingBudget:
        return self.history if history else self.other
