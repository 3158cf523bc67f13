"""The simulator put together: exchange, hubs, REST, control plane, and a loopback server around them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from workbench.domain.errors import InputError
from workbench.gateway.codes import PlaceOrderError
from workbench.gateway.endpoints import ENDPOINTS
from workbench.simulator import control
from workbench.simulator.clock import MarketClock
from workbench.simulator.config import SimulatorSettings, wall_time
from workbench.simulator.connections import METHODS, Connection, Hubs
from workbench.simulator.doors import Doors
from workbench.simulator.exchange import Exchange
from workbench.simulator.faults import Faults
from workbench.simulator.history import History
from workbench.simulator.hub_server import HubServer
from workbench.simulator.market import FOREVER, Feed, Market
from workbench.simulator.pump import Pump
from workbench.simulator.refusals import Switches
from workbench.simulator.rest_api import RestApi
from workbench.simulator.scenario import Scenario
from workbench.simulator.synthetic import SyntheticFeed
from workbench.simulator.tokens import Tokens


class RequestLog:
    """What was asked over REST: the newest, and how many in all."""

    def __init__(self) -> None:
        self.entries: deque[dict[str, Any]] = deque(maxlen=20_000)
        self.total = 0

    def add(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Keep a request and return what is kept, so that its answer can be noted there."""
        self.total += 1
        kept = {"number": self.total, **entry}
        self.entries.append(kept)
        return kept


class Simulator:
    """A whole gateway in this process.

    Attributes
    ----------
    app : Doors
        The ASGI application; REST works in process, the hubs need `serve`.
    exchange, hubs, faults, tokens, clock, history, requests
        The parts, open to tests.
    """

    def __init__(self, config: SimulatorSettings, feed: Feed) -> None:
        self.config, self.feed = config, feed
        start = start_of(config, feed)
        self.clock = MarketClock(start, config.rate, time.monotonic, lockstep=config.lockstep)
        self.faults = Faults(time.monotonic)
        self.tokens = Tokens(config.users, config.token_ttl_s, time.time)
        self.requests = RequestLog()
        self.market = Market(feed, start)
        self.hubs = Hubs(self.faults, self._board, trades_per_event=config.trades_per_event)
        self.exchange = Exchange(config, self.market, self.hubs, start)
        self.exchange.switches = self._switches
        self.history = History(feed)
        self.pump = Pump(self)
        self.scenario = Scenario(self)
        self.faults.perform = self.perform
        self.faults.changed = self._apply_switches
        self.url = ""
        self._server: uvicorn.Server | None = None
        self.app = self._app()
        if config.scenario is not None:
            self.scenario.load(config.scenario)

    def _app(self) -> Doors:
        hubs, rest = HubServer(self), RestApi(self)
        app = Starlette(
            routes=[
                Route("/hubs/{hub}/negotiate", hubs.negotiate, methods=["POST"]),
                WebSocketRoute("/hubs/{hub}", hubs.connect),
                *control.routes(self),
                *rest.routes(),
            ]
        )
        hub_paths = (f"/hubs/{hub}{end}" for hub in METHODS for end in ("", "/negotiate"))
        return Doors(app, (*ENDPOINTS, *hub_paths))

    def _board(self, contract: Any) -> Any:
        return self.market.boards[contract.id]

    # -- time --

    def sync(self) -> None:
        """Bring the exchange to the present; in lockstep the pump alone moves it."""
        if not self.clock.lockstep:
            self.advance(self.clock.now())

    def advance(self, to: int) -> None:
        """Move market time to `to` (ns) in steps, so that a long way is not one huge event."""
        step = int(self.config.step_s * 1_000_000_000) if not self.clock.lockstep else FOREVER
        while self.exchange.now < to:
            self.exchange.advance(min(to, self.exchange.now + step))
        self.exchange.advance(to)
        if self.clock.lockstep:
            self.clock.move_to(self.exchange.now)
        self.hubs.release()
        self.pump.note_end()

    # -- faults --

    def _switches(self) -> Switches:
        faults = self.faults
        reject = faults.take("reject_order")
        return Switches(
            position_brackets=faults.on("position_brackets") is not None,
            unsigned_brackets=faults.on("unsigned_brackets") is not None,
            refuse_tag=faults.take("duplicate_tag") is not None,
            allow_tag=faults.on("allow_duplicate_tag") is not None,
            hours_code=PlaceOrderError.OutsideTradingHours
            if faults.on("hours_code_5") is not None
            else PlaceOrderError.OrderRejected,
            reject=reject["text"] if reject else "",
        )

    def _apply_switches(self) -> None:
        part = self.config.matching.part_fills or "part_fills" in self.faults.active
        if self.exchange.rules.part_fills != part:
            self.exchange.set_rules(replace(self.exchange.rules, part_fills=part))
        self.exchange.repeat_opening_trade = "duplicate_opening_trade" in self.faults.active

    def perform(self, name: str, parameters: dict[str, Any]) -> None:
        """Carry out a fault that acts at once."""
        if name == "expire_tokens":
            self.tokens.expire_in(float(parameters["after_s"]))
        elif name == "gateway_logout":
            self._to_all("both", '{"type":1,"target":"GatewayLogout","arguments":[]}\x1e')
            if parameters["void"]:
                self.tokens.void()
        elif name == "dom_reset":
            for contract in self.market.live.values():
                if parameters["contract"] in ("", contract.id):
                    self.hubs.snapshot(self.hubs.wants("GatewayDepth", contract.id), contract, self.exchange.now)
        elif name == "corrupt_frame":
            self._to_all(parameters["hub"], '{"type":1,"target":"GatewayQuo\x1e')
        elif name == "close_message":
            self._close(parameters)
        elif name == "drop_hub":
            for connection in self.hubs.of(parameters["hub"]):
                self.reset(connection)

    def _to_all(self, hub: str, text: str) -> None:
        for connection in self.hubs.of(hub):
            connection.put(text)

    def _close(self, parameters: dict[str, Any]) -> None:
        from workbench.gateway.protocol import Close, State

        message = Close(error=parameters["error"] or None, allow_reconnect=bool(parameters["allow_reconnect"]))
        for connection in self.hubs.of(parameters["hub"]):
            if connection.protocol.state is State.OPEN:
                connection.put(connection.protocol.send(message))
            connection.end()

    def reset(self, connection: Connection) -> None:
        """Cut a connection's socket without a word, as a broken line does."""
        protocols = self._server.server_state.connections if self._server is not None else ()
        for protocol in list(protocols):
            if connection.client is not None and tuple(getattr(protocol, "client", None) or ()) == connection.client:
                protocol.transport.abort()
                self.hubs.connections.discard(connection)
                return
        connection.end()

    # -- serving --

    @asynccontextmanager
    async def serve(self, port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Simulator]:
        """Serve on a real socket until the block ends; port 0 picks a free one, `url` says which.

        Raises
        ------
        InputError
            The port is taken.
        """
        config = uvicorn.Config(
            self.app, host=host, port=port, log_level="warning", access_log=False, ws="websockets-sansio",
            ws_ping_interval=None, ws_per_message_deflate=False, ws_max_size=4 << 20, lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        sockets = [bind(host, port)]
        self.url = f"http://{host}:{sockets[0].getsockname()[1]}"
        self._server = server = _Server(config)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=sockets))
            pumping = tasks.create_task(self.pump.run())
            try:
                while not server.started and not serving.done():
                    await asyncio.sleep(0.005)
                yield self
            finally:
                pumping.cancel()
                for connection in list(self.hubs.connections):
                    connection.end()
                server.should_exit = True
                await asyncio.wait({serving}, timeout=5)
                for each in sockets:
                    each.close()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone: whoever runs the simulator owns them."""

    @staticmethod
    def capture_signals() -> Any:
        from contextlib import nullcontext

        return nullcontext()


def bind(host: str, port: int) -> Any:
    """Return a listening socket, or raise InputError that says who to ask."""
    import socket

    # The protocol is named so that asyncio turns Nagle's delay off: an answer in two pieces would take 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror}. Another simulator may be running there; "
            f"stop it or choose another port with --port (0 picks a free one)"
        ) from error
    return listener


def start_of(config: SimulatorSettings, feed: Feed) -> int:
    """Return the market time at the beginning (ns)."""
    recorded = feed.end_at() != FOREVER
    if isinstance(config.start, int):
        return config.start
    if config.start == "end" and recorded:
        return feed.end_at()
    if recorded:
        return min(feed.first_at(contract) for contract in feed.contracts(feed.end_at() - 1))
    return wall_time()


def build(config: SimulatorSettings | None = None) -> Simulator:
    """Return a simulator over the market that the settings name: a recording, the store, or the synthetic one."""
    config = config or SimulatorSettings()
    if config.replay is not None:
        from workbench.simulator.replay import ReplayFeed

        return Simulator(config, ReplayFeed.from_file(config.replay, config))
    if config.home is not None:
        from workbench.simulator.replay import ReplayFeed
        from workbench.storage.home import Home

        return Simulator(config, ReplayFeed.from_store(Home(config.home).market, config))
    return Simulator(config, SyntheticFeed(config.seed, config.roots, prints_per_day=config.prints_per_day))


@asynccontextmanager
async def serve(config: SimulatorSettings | None = None, *, port: int = 0) -> AsyncIterator[Simulator]:
    """Build a simulator and serve it on loopback."""
    async with build(config).serve(port) as simulator:
        yield simulator
