"""The way between a runner and the simulated exchange, in one process: requests and events that get lost or garbled.

REST goes through the project's own client and the simulator's own operations, as bytes; the user hub through the
project's own protocol. Only the socket is missing.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from workbench.domain import events as e
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.endpoints import Endpoint
from workbench.gateway.faults import GatewayUnavailable
from workbench.gateway.frames import HandshakeRequest
from workbench.gateway.hubs import HubKind, HubStatus
from workbench.gateway.messages import encode
from workbench.gateway.protocol import HubConnection
from workbench.gateway.tokens import FixedToken
from workbench.gateway.transport import TIMEOUT_S, Transport, read_reply
from workbench.gateway.wire_hub import ARGUMENT_TYPES
from workbench.services.broker import RestBroker
from workbench.simulator import render
from workbench.simulator.config import Latency
from workbench.simulator.market import Prints
from workbench.simulator.operations import Caller, Operations
from workbench.simulator.rest_api import bind_body
from workbench.simulator.server import Simulator

PLACE = "/api/Order/place"
CLOSE = "/api/Position/closeContract"
ONE_WAY_S = 0.02
HUB_S = 0.03
CHUNK_S = 0.1
# What may become of the one order that a run is about. "never" is a request that dies on its way, at once or after a
# time-out, "late" one that is held up in the network and arrives seconds after its sender has been told of a failure.
FATES = ("never", "late", "accepted", "filled", "rejected", "part_filled", "lost_answer", "timed_out", "garbled")


class Died(BaseException):
    """The process of this life is gone; nothing catches it."""


@dataclass
class Noise:
    """How often (of 1) something small goes wrong; `seed`ed, and silent while `calm`."""

    rng: random.Random
    repeat: float = 0.0
    late: float = 0.0
    garble: float = 0.0
    read_fails: float = 0.0
    refuse_send: float = 0.0
    calm: bool = False

    def hits(self, chance: float) -> bool:
        return not self.calm and chance > 0 and self.rng.random() < chance


@dataclass
class World:
    """The exchange's side: it lives on, whoever dies."""

    simulator: Simulator
    noise: Noise
    account: int
    fates: dict[int, str] = field(default_factory=dict)  # number of the place request -> its fate
    placed: list[dict[str, Any]] = field(default_factory=list)  # every place request that left, with what became of it
    requests: Counter[str] = field(default_factory=Counter)
    lines: list[Line] = field(default_factory=list)
    watchers: list[Callable[[int], None]] = field(default_factory=list)
    now: Callable[[], int] = lambda: 0
    on_request: Callable[[Endpoint], None] = lambda endpoint: None
    late_s: float = 2.5
    under_way: set[str] = field(default_factory=set)  # tags of held-up requests
    blind_until: float = 0.0  # until then (seconds of the run) nothing can be read
    reading: Callable[[], bool] = lambda: True  # whether who places has read the broker

    def __post_init__(self) -> None:
        self.exchange = self.simulator.exchange
        self.exchange.sink = self
        self.operations = Operations(self.simulator)
        self.normal = self.exchange.config
        self.loop = asyncio.get_running_loop()
        self.said_at = 0.0  # when the exchange last had something to say (seconds of the run)

    def advance(self) -> None:
        """Bring the exchange to the present."""
        self.simulator.advance(self.now())
        for look in self.watchers:
            look(self.exchange.now)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CHUNK_S)
            self.advance()

    # --- the exchange's events --------------------------------------------------------------------------------------

    def user(self, target: str, account: int, action: int, model: Any) -> None:
        text = render.user_event(target, action, model)
        self.said_at = self.loop.time()
        for line in self.lines:
            line.say(text)

    def market(self, contract: Any, prints: Prints) -> None:
        for line in self.lines:
            if line.up:
                for ts, ticks, size, _ in zip(*(column.tolist() for column in prints), strict=True):
                    line.later(HUB_S, line.on_print, contract.id, ts, contract.spec.price(ticks), size)


class Line:
    """The sockets of one life: both hubs, up or down."""

    def __init__(self, world: World, client: GatewayClient, on_print: Callable[..., None]) -> None:
        self.world, self.client, self.on_print = world, client, on_print
        self.up, self.dead = False, False
        self._protocol: HubConnection | None = None
        self._ready_at = 0.0

    def later(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        if not self.dead:
            self.world.loop.call_later(delay_s, self._if_alive, call, arguments)

    def _if_alive(self, call: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if not self.dead:
            call(*arguments)

    def connect(self) -> None:
        """Both hubs are ready."""
        protocol = HubConnection(server=False, argument_types=ARGUMENT_TYPES)
        protocol.send(HandshakeRequest())
        protocol.receive_data("{}\x1e")
        self._protocol, self.up = protocol, True
        for kind in (HubKind.USER, HubKind.MARKET):
            self.client._status(kind, HubStatus.READY, "")

    def drop(self, back_after_s: float) -> None:
        """The sockets break; what was on its way is lost."""
        self.up, self._protocol = False, None
        for kind in (HubKind.USER, HubKind.MARKET):
            self.client._status(kind, HubStatus.DOWN, "the socket ended")
        self.later(back_after_s, self.connect)

    def say(self, text: str) -> None:
        """Carry one record of the user hub, soon, late, twice or spoilt."""
        noise = self.world.noise
        if not self.up:
            return
        protocol = self._protocol
        if noise.hits(noise.garble):
            cut = noise.rng.randrange(1, len(text) - 1)
            self.later(HUB_S, self._hear, protocol, text[:cut].encode() + b"\xff\x1e")
        late = noise.rng.uniform(0.1, 1.2) if noise.hits(noise.late) else 0.0
        self.later(HUB_S + late, self._hear, protocol, text.encode())
        if noise.hits(noise.repeat):
            self.later(HUB_S + noise.rng.uniform(0.0, 1.5), self._hear, protocol, text.encode())

    def _hear(self, protocol: HubConnection, data: bytes) -> None:
        if protocol is not self._protocol:
            return  # the socket it was sent on is gone
        try:
            messages, _ = protocol.receive_data(data)
        except Exception:  # a broken frame ends the connection, as in `Hub.run`
            self.drop(0.3)
            return
        for message in messages:
            self.client._take(HubKind.USER, message.target, message.arguments)  # type: ignore[attr-defined]


class Wire(Transport):
    """REST without a socket: bytes out, bytes in, and the fate of every place request in between."""

    def __init__(self, world: World, alive: Callable[[], bool]) -> None:
        super().__init__("http://exchange", transport=httpx.MockTransport(lambda request: httpx.Response(404)))
        self.world, self.alive = world, alive
        self.caller = Caller("sim", "token")

    async def exchange(self, endpoint: Endpoint, request: Any = None, **_: Any) -> Any:
        if not self.alive():
            raise Died
        world = self.world
        world.requests[endpoint.path] += 1
        await asyncio.sleep(ONE_WAY_S)
        if not self.alive():
            raise Died
        if endpoint.path == PLACE:
            return await self._place(endpoint, request)
        noise = world.noise
        if endpoint.mutates and noise.hits(noise.refuse_send):
            raise self._reset(endpoint)
        if not endpoint.mutates and (world.loop.time() < world.blind_until or noise.hits(noise.read_fails)):
            raise self._reset(endpoint)
        reply = self._carry_out(endpoint, request)
        if endpoint.mutates:
            world.on_request(endpoint)
        await asyncio.sleep(ONE_WAY_S)
        if not self.alive():
            raise Died
        if endpoint.mutates and noise.hits(noise.refuse_send):
            raise self._reset(endpoint)
        return read_reply(endpoint, httpx.Response(200, content=reply))

    def _carry_out(self, endpoint: Endpoint, request: Any) -> bytes:
        self.world.advance()
        reply = self.world.operations.table[endpoint.path](bind_body(endpoint, encode(request)), self.caller)
        return encode(reply)

    def _reset(self, endpoint: Endpoint) -> GatewayUnavailable:
        return GatewayUnavailable(endpoint.path, "no answer: ReadError connection reset")

    async def _place(self, endpoint: Endpoint, request: Any) -> Any:
        world = self.world
        number = len(world.placed)
        fate = world.fates.get(number, "")
        sent = {"tag": request.custom_tag, "fate": fate, "at": world.now(), "applied": False, "request": request,
                "read": world.reading()}  # fmt: skip
        world.placed.append(sent)
        if fate == "never":
            world.on_request(endpoint)
            if not self.alive():
                raise Died
            await asyncio.sleep(ONE_WAY_S if number % 2 else TIMEOUT_S)
            raise self._reset(endpoint)
        if fate == "late":
            world.under_way.add(request.custom_tag)
            world.loop.call_later(world.late_s, self._arrive, sent, endpoint, request)
            world.on_request(endpoint)
            if not self.alive():
                raise Died
            await asyncio.sleep(ONE_WAY_S)
            raise self._reset(endpoint)
        reply = self._with_fate(fate, endpoint, request)
        sent["applied"] = True
        world.on_request(endpoint)
        if not self.alive():
            raise Died
        await asyncio.sleep(ONE_WAY_S + (TIMEOUT_S if fate == "timed_out" else 0))
        if not self.alive():
            raise Died
        if fate in ("lost_answer", "timed_out"):
            raise self._reset(endpoint)
        if fate == "garbled":
            reply = reply[: len(reply) // 2] + b"\xff"
        return read_reply(endpoint, httpx.Response(200, content=reply))

    def _arrive(self, sent: dict[str, Any], endpoint: Endpoint, request: Any) -> None:
        self._carry_out(endpoint, request)
        sent["applied"] = True

    def _with_fate(self, fate: str, endpoint: Endpoint, request: Any) -> bytes:
        world, exchange = self.world, self.world.exchange
        world.advance()  # with the latency of everybody else
        delays = {"filled": 0, "accepted": 4000}
        if fate in delays:
            latency = Latency(acceptance_ms=delays[fate], transport_ms=0)
            exchange.config = world.normal.model_copy(update={"latency": latency})
        if fate == "rejected":
            world.simulator.faults.set("reject_order", count=1, text="Not enough margin.")
        try:
            return self._carry_out(endpoint, request)
        finally:
            exchange.config = world.normal


class ChaosBroker(RestBroker):
    """The runner's gateway; `watch` asks for nothing, the line brings all."""

    async def watch(self, contract: str) -> None:
        return None


def client_of(world: World, alive: Callable[[], bool], handlers: Handlers) -> GatewayClient:
    """Return the project's own client over this wire."""
    return GatewayClient(
        urls_at("http://exchange"), FixedToken("token"), handlers, now=world.now, transport=Wire(world, alive),
        rng=random.Random(1),
    )  # fmt: skip


def closed_bars(world: World, contract: Any, frame: Any, start: int, end: int) -> list[e.BarClosed]:
    """Bars over REST, as `fetch_closed` gives them, without a frame in between."""
    from workbench.domain.hours import trading_hours

    hours = trading_hours(contract.spec)
    found = world.simulator.history.bars(contract, frame, start, end, now=world.exchange.now, limit=20_000)
    price, out = contract.spec.price, []
    for row in zip(*(column.tolist() for column in found), strict=True):
        close = frame.bar_end(row[0], hours)
        if close <= end:
            bar = e.BarClosed(
                at=end, contract=contract.id, timeframe=frame.text, start=row[0], end=close, open=price(row[1]),
                high=price(row[2]), low=price(row[3]), close=price(row[4]), volume=row[5],
            )  # fmt: skip
            out.append(bar)
    return out
