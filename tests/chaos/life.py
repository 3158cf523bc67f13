"""One life of a runner on the fake disk, from its start to its death; the world outlives it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.chaos.market import MES, Script
from tests.chaos.wire import ChaosBroker, Died, Line, World, client_of, closed_bars
from workbench.domain import events as e
from workbench.gateway.client import Handlers
from workbench.gateway.faults import GatewayUnavailable
from workbench.risk.limits import Limits
from workbench.services.clock import MarketClock
from workbench.services.runner import Runner
from workbench.storage.home import Home
from workbench.storage.latch import read_latch
from workbench.storage.lock import AccountLock

ACCOUNT = 1001
CONNECTS_S = 0.3  # log in, subscribe


class Life:
    """A runner with its sockets.

    Attributes
    ----------
    started_at, ready_at : int or None
        Market time (ns) at which it began, and at which it had read the broker.
    """

    def __init__(self, world: World, home: Home, script: Script, limits: Limits) -> None:
        self.world, self.home = world, home
        self.alive, self.ready_at = True, None
        self.died: BaseException | None = None
        self.lock = AccountLock(home.account(ACCOUNT))
        self.lock.acquire("runner")
        handlers = Handlers(on_event=self._on_event, on_fault=self._on_fault)
        self.client = client_of(world, lambda: self.alive, handlers)
        self.runner = Runner(
            account=ACCOUNT, home=home, gateway=ChaosBroker(self.client.rest), fetch=self._fetch, clock=MarketClock(),
            rules=lambda strategy, contract, parameters: script, limits=limits,
        )  # fmt: skip
        self.line = Line(world, self.client, self.runner.on_print)
        self.started_at = world.now()
        self.ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- what `RunnerProcess` does around a runner -------------------------------------------------------------------

    def _on_event(self, event: e.Event) -> None:
        if isinstance(event, e.StreamChanged):
            self.runner.on_stream(event.hub, event.up, event.reason)
        else:
            self.runner.on_event(event)

    def _on_fault(self, text: str) -> None:
        self.runner.alert("warning", f"a message of the gateway could not be understood: {text}")
        self.runner.reader.request("a message could not be understood")

    async def _fetch(self, contract: str, frame: Any, start: int, end: int) -> list[e.BarClosed]:
        await asyncio.sleep(0.04)
        if not self.alive:
            raise Died
        if self.world.noise.hits(self.world.noise.read_fails):
            raise GatewayUnavailable("bars", "no answer")
        self.world.advance()
        return closed_bars(self.world, MES, frame, start, end)

    # --- from start to end --------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start it; the hubs are up a moment later."""
        self.world.lines.append(self.line)
        self.runner.start()
        self._task = asyncio.ensure_future(self._live())
        self.line.later(CONNECTS_S, self.line.connect)

    async def _live(self) -> None:
        try:
            await self.runner.run()
        except BaseException as error:
            self.died = error
            if self.alive and not _is_death(error):
                raise
        finally:
            if self.alive:
                self._gone()

    def _gone(self) -> None:
        self.alive, self.line.dead = False, True
        if self.line in self.world.lines:
            self.world.lines.remove(self.line)
        self.lock.release()
        self.ended.set()

    def kill(self) -> None:
        """Nothing of it runs from here on: no clean-up reaches the disk or the wire."""
        if self.alive:
            self._gone()
            if self._task is not None:
                self._task.cancel()

    async def stop(self, reason: str) -> None:
        """Let it end by itself."""
        self.runner.stop(reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self.ended.wait()

    def look(self, now: int) -> None:
        """Note when it is ready."""
        if self.ready_at is None and self.alive and self.runner.state.synced:
            self.ready_at = now

    # --- what people do -----------------------------------------------------------------------------------------------

    def start_session(self, frame: str, name: str = "s1") -> None:
        at = self.world.now()
        self.runner.lanes.put(
            e.SessionStarted(
                at=at, session=name, strategy="v1", contract=MES.id, timeframe=frame, parameters={}, person="ann"
            )
        )
        self.runner.follow(MES.id, frame, at - 60_000_000_000)

    def put(self, event: e.Event) -> None:
        self.runner.lanes.put(event)


def _is_death(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_death(each) for each in error.exceptions)
    return isinstance(error, Died | asyncio.CancelledError)


def may_start(home: Home) -> bool:
    """A latched account gets no runner."""
    return read_latch(home, ACCOUNT) is None
