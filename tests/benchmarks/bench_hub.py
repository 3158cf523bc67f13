"""Hub messages: decode and dispatch to a handler, against pysignalr in the same run."""

from __future__ import annotations

import asyncio

from pysignalr.client import SignalRClient

from tests.benchmarks.harness import Row, compare
from workbench.gateway.protocol import HandshakeRequest, HubConnection
from workbench.gateway.wire_hub import ARGUMENT_TYPES

MESSAGES = 20_000
MES = "CON.F.US.MES.Z26"
FULL_QUOTE = (
    '{"type":1,"target":"GatewayQuote","arguments":["CON.F.US.MES.Z26",{"symbol":"F.US.MES","lastPrice":6713.5,'
    '"bestBid":6713.25,"bestAsk":6713.5,"change":22.75,"changePercent":0.0034,"open":6692,"high":6719.25,"low":6688.5,'
    '"volume":412877,"lastUpdated":"2026-11-20T15:09:03.2210000+00:00","timestamp":"2026-11-20T15:09:03+00:00"}]}\x1e'
)
QUOTE = (
    '{"type":1,"target":"GatewayQuote","arguments":["CON.F.US.MES.Z26",{"symbol":"F.US.MES","bestBid":6713.5,'
    '"bestAsk":6713.75,"lastUpdated":"2026-11-20T15:09:03.5810000+00:00","timestamp":"2026-11-20T15:09:03+00:00"}]}\x1e'
)
TRADE = (
    '{"type":1,"target":"GatewayTrade","arguments":["CON.F.US.MES.Z26",[{"symbolId":"F.US.MES","contractId":'
    '"CON.F.US.MES.Z26","price":6713.75,"timestamp":"2026-11-20T15:09:03.6020000+00:00","type":0,"volume":3}]]}\x1e'
)
# One full quote after a subscription, then sparse quotes and prints, as the gateway sends them.
STREAM = [FULL_QUOTE, *[QUOTE, TRADE] * (MESSAGES // 2)][:MESSAGES]


class Ours:
    """Our protocol with a table of handlers, as the hub has it; frames are bytes, as the socket gives them."""

    def __init__(self, frames: list[str]) -> None:
        self.frames = [frame.encode() for frame in frames]
        self.seen = 0
        self.handlers = {"GatewayQuote": self.handle, "GatewayTrade": self.handle}

    def handle(self, arguments: object) -> None:
        self.seen += 1

    def __call__(self) -> None:
        connection = HubConnection(server=False, argument_types=ARGUMENT_TYPES)
        connection.send(HandshakeRequest())
        connection.receive_data("{}\x1e")
        receive, handlers = connection.receive_data, self.handlers
        for frame in self.frames:
            for message in receive(frame)[0]:
                handlers[message.target](message.arguments)


class Theirs:
    """pysignalr's own way from the raw frame to the callback; frames are text, as its socket gives them."""

    def __init__(self, frames: list[str]) -> None:
        self.frames = frames
        self.seen = 0

    async def handle(self, arguments: object) -> None:
        self.seen += 1

    def __call__(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        client = SignalRClient("http://127.0.0.1/hubs/market")
        client.on("GatewayQuote", self.handle)
        client.on("GatewayTrade", self.handle)
        receive = client._transport._on_raw_message
        for frame in self.frames:
            await receive(frame)


def rows() -> list[Row]:
    """Return a row with one message a frame, as the gateway sends them, and one with ten a frame."""
    found = []
    ten = ["".join(STREAM[i : i + 10]) for i in range(0, MESSAGES, 10)]
    for name, frames, aim in (
        ("hub messages: decode + dispatch", STREAM, 5.0),
        ("hub messages: decode + dispatch, ten a frame", ten, 3.5),
    ):
        ours, theirs = Ours(frames), Theirs(frames)
        found.append(
            compare(name, ours, theirs, at_least=aim, work=MESSAGES, unit="messages/s", runs=7, peer="pysignalr")
        )
        if ours.seen != theirs.seen:
            raise AssertionError(f"{name}: we saw {ours.seen} messages, pysignalr {theirs.seen}")
    return found
