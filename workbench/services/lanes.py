"""Lanes into the decision loop: account and operator events first and never dropped, quotes conflated, bars kept.

Prices come last, but come: old ones block entries and blind the limits, so a flood of other events is interrupted.
"""

from __future__ import annotations

import asyncio
from collections import deque

from workbench.domain import events as e

OPERATOR = (
    e.SessionStarted,
    e.SessionPaused,
    e.SessionEnded,
    e.FlattenRequested,
    e.ManualOrderRequested,
    e.OrderActionRequested,
    e.LimitsChanged,
    e.BaselineSet,
    e.ClockJumped,
    e.Halted,
    e.Released,
    e.RunnerStarted,
)
MARKET = (e.BarClosed,)
PRICE_AFTER = 8  # other events that a waiting price lets pass


class Lanes:
    """One queue per kind of event; `get` takes from the most urgent one that holds something."""

    def __init__(self) -> None:
        self._operator: deque[e.Event] = deque()
        self._account: deque[e.Event] = deque()
        self._timer: deque[e.Event] = deque(maxlen=1)
        self._market: deque[e.Event] = deque()
        self._prices: dict[str, e.PriceSeen] = {}
        self._passed = 0  # other events since a price has waited
        self._wake = asyncio.Event()
        self.conflated = 0

    def put(self, event: e.Event) -> None:
        """Queue an event in its lane; a newer price of a contract replaces the one that waits."""
        if isinstance(event, e.PriceSeen):
            self.conflated += event.contract in self._prices
            self._prices[event.contract] = event
        elif isinstance(event, OPERATOR):
            self._operator.append(event)
        elif isinstance(event, MARKET):
            self._market.append(event)
        elif isinstance(event, e.TimerFired):
            self._timer.append(event)
        else:
            self._account.append(event)
        self._wake.set()

    def take(self) -> e.Event | None:
        """Return the next event, None when all lanes are empty; the price that has waited longest has its turn, too."""
        if self._passed < PRICE_AFTER:
            for lane in (self._operator, self._account, self._timer, self._market):
                if lane:
                    self._passed += bool(self._prices)
                    return lane.popleft()
        self._passed = 0
        return self._prices.pop(next(iter(self._prices))) if self._prices else None

    def waits(self, event: e.Event) -> bool:
        """Say whether this very operator event is still queued."""
        return any(queued is event for queued in self._operator)

    def __len__(self) -> int:
        lanes = (self._operator, self._account, self._timer, self._market)
        return sum(map(len, lanes)) + len(self._prices)

    async def get(self) -> e.Event:
        """Wait for the next event."""
        while (event := self.take()) is None:
            self._wake.clear()
            await self._wake.wait()
        return event
