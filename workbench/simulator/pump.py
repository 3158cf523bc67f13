"""Moves market time: by the wall (times the rate), or in lockstep, a chunk whenever all participants are done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from workbench.domain.order import OrderType
from workbench.simulator.connections import Connection
from workbench.simulator.market import FOREVER
from workbench.simulator.render import invocation

if TYPE_CHECKING:
    from workbench.simulator.server import Simulator

SECOND = 1_000_000_000
CLOSED_CHUNK = 3600 * SECOND  # in lockstep, while nothing trades anywhere, time goes in such steps
ANNOUNCE_S = 1.0


class Pump:
    """Drives a `Simulator`; one task runs `run`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.sequence = 0
        self.ended = False
        self._woken = asyncio.Event()
        self._beats: dict[str, float] = {}

    def wake(self) -> None:
        """Look again whether the next chunk may go: an acknowledgement came, a participant left, the clock was set."""
        self._woken.set()

    async def run(self) -> None:
        """Move time until cancelled."""
        announced = 0.0
        while True:
            if time.monotonic() - announced >= ANNOUNCE_S:
                self.announce(self.participants())
                self._beat_quotes()
                self.simulator.scenario.due()
                announced = time.monotonic()
            if self.simulator.clock.lockstep:
                await self._lockstep(announced)
            else:
                self.simulator.sync()
                await asyncio.sleep(self.simulator.config.pump_s)

    def participants(self) -> list[Connection]:
        return sorted((c for c in self.simulator.hubs.connections if c.participant is not None), key=lambda c: c.number)

    def announce(self, connections: Iterable[Connection]) -> None:
        """Tell these participants the market time."""
        clock = self.simulator.clock
        now = self.simulator.exchange.now if clock.lockstep else clock.now()
        news = {"now": now, "rate": float(clock.rate), "seq": self.sequence, "lockstep": clock.lockstep}
        text = invocation("SimulatorClock", [news])
        for connection in connections:
            connection.put(text)

    async def _lockstep(self, announced: float) -> None:
        self._woken.clear()
        participants = self.participants()
        ready = participants and all(c.acknowledged >= self.sequence for c in participants)
        if ready and not self.simulator.clock.paused and not self.ended:
            self.release_chunk()
            await asyncio.sleep(0)
            return
        left = max(0.01, announced + ANNOUNCE_S - time.monotonic())
        try:
            async with asyncio.timeout(left):
                await self._woken.wait()
        except TimeoutError:
            return

    def release_chunk(self) -> None:
        """Move market time to the next boundary, then announce it: always after all events of the chunk."""
        simulator = self.simulator
        simulator.advance(self.next_boundary(simulator.exchange.now))
        self.sequence += 1
        self.announce(self.participants())

    def next_boundary(self, now: int) -> int:
        """Return where the next chunk ends (ns): a full one while something trades, up to an hour otherwise."""
        chunk = self.simulator.config.chunk_s * SECOND
        target = now - now % chunk + chunk
        market = self.simulator.exchange.market
        due = min(self.simulator.exchange.next_due() or FOREVER, self._first_fill(now, target))
        if now < due < target:
            return due  # an order comes alive: who waits for its fill must be able to act on it, not a minute later
        if market.is_any_open(now) or market.is_any_open(target):
            return target
        opens = min((market.hours(c).next_open(now) for c in market.live.values()), default=FOREVER)
        far = min(now - now % CLOSED_CHUNK + CLOSED_CHUNK, opens, due)
        return max(target, far - far % chunk)

    def _first_fill(self, now: int, target: int) -> int:
        # The moment after the print that a market order waits for: the entry of a reversal follows its close by the
        # way of an order, not by a chunk.
        exchange = self.simulator.exchange
        found = FOREVER
        for contract in exchange.market.live.values():
            book = exchange.books.get(contract.id)
            if book is not None and any(o.type is OrderType.MARKET for o in book.orders.values()):
                prints = exchange.market.feed.prints(contract, now, target)
                found = min(found, int(prints.ts[0]) + 1 if len(prints.ts) else FOREVER)
        return found

    def note_end(self) -> None:
        """Stop lockstep some time after the last print of a recording, so that its bars can close."""
        end = self.simulator.feed.end_at()
        if end != FOREVER:
            self.ended = self.simulator.exchange.now >= end + self.simulator.config.tail_s * SECOND

    def _beat_quotes(self) -> None:
        """Repeat the best prices of open, silent contracts, so that watchdogs on data age stay calm."""
        if self.simulator.clock.lockstep:
            return
        now, exchange = self.simulator.clock.now(), self.simulator.exchange
        for contract in exchange.market.live.values():
            last = self._beats.get(contract.id, 0.0)
            if time.monotonic() - last >= self.simulator.config.quote_interval_s:
                self._beats[contract.id] = time.monotonic()
                if (
                    last
                    and exchange.market.is_open(contract, now)
                    and exchange.market.boards[contract.id].last is not None
                ):
                    self.simulator.hubs.quote(contract, beat=now)
