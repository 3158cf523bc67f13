"""`/ws` over a real loopback socket: token first, topics, resume, and slow clients that harm nobody."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from tests.api.conftest import TOKEN
from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.domain.errors import GatewayError
from workbench.services import topics as module
from workbench.services.issued_tokens import IssuedTokens


@pytest.fixture
def desk() -> FakeDesk:
    made = FakeDesk()
    made.frozen_s = 13_000
    return made


@pytest.fixture
def app(desk: FakeDesk) -> FastAPI:
    return build_app(desk, token=TOKEN, allowed_origins=["http://127.0.0.1:8421"])


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    with serving(app) as base:
        yield base.replace("http", "ws") + "/ws"


async def say(channel: ClientConnection, **message: Any) -> None:
    await channel.send(json.dumps(message))


async def hear(channel: ClientConnection, kind: str, within_s: float = 10) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while True:
            message: dict[str, Any] = json.loads(await channel.recv())
            if message["type"] == kind:
                return message


async def test_snapshot_then_deltas_with_numbers_that_follow(url: str, desk: FakeDesk) -> None:
    async with connect(url) as channel:
        await say(channel, token=TOKEN)
        welcome = await hear(channel, "welcome")
        assert set(welcome["topics"]) >= {"orders", "positions", "pnl", "risk", "status", "alerts", "quotes", "bars"}
        await say(channel, op="subscribe", topics=["positions", "status"])
        shown = {m["topic"]: m for m in [await hear(channel, "snapshot"), await hear(channel, "snapshot")]}
        assert list(shown["positions"]["values"]) == ["1001/CON.F.US.MES.Z26"]
        desk.qty = 5
        changed = await hear(channel, "delta")
        assert changed["seq"] == shown["positions"]["seq"] + 1
        assert changed["changed"]["1001/CON.F.US.MES.Z26"]["qty"] == 5
        desk.qty = 0
        assert (await hear(channel, "delta"))["removed"] == ["1001/CON.F.US.MES.Z26"]


async def test_after_a_gap_the_missed_deltas_come_again(url: str, desk: FakeDesk) -> None:
    async with connect(url) as stays, connect(url) as leaves:
        for channel in (stays, leaves):
            await say(channel, token=TOKEN)
            await say(channel, op="subscribe", topics=["positions"])
        shown = await hear(leaves, "snapshot")
        await leaves.close()
        for qty in (3, 4, 5):
            desk.qty = qty
            await hear(stays, "delta")
        async with connect(url) as again:
            await say(again, token=TOKEN)
            wish = {"topic": "positions", "since": shown["seq"], "epoch": shown["epoch"]}
            await say(again, op="subscribe", topics=[wish])
            await hear(again, "resumed")
            missed = [await hear(again, "delta") for _ in range(3)]
    assert [m["seq"] for m in missed] == [shown["seq"] + n for n in (1, 2, 3)]
    assert [m["changed"]["1001/CON.F.US.MES.Z26"]["qty"] for m in missed] == [3, 4, 5]


async def test_a_slow_client_is_dropped_and_the_others_lose_nothing(
    url: str, app: FastAPI, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PERIOD_S", 0.02)
    monkeypatch.setattr(module, "QUEUE", 60)
    monkeypatch.setattr("workbench.api.stream.PERIOD_S", 0.0)
    pad = "x" * 100_000
    big = {"level": "info", "text": "t"}
    original = desk.snapshot

    async def noisy() -> dict[str, Any]:
        snapshot = await original()
        return {**snapshot, "alerts": [{**big, "at": time.monotonic_ns(), "pad": pad}]}

    desk.snapshot = noisy  # type: ignore[method-assign]
    host, port = url.removeprefix("ws://").removesuffix("/ws").split(":")
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    small.connect((host, int(port)))
    small.setblocking(False)
    async with connect(url, sock=small, max_queue=1, compression=None) as slow, connect(url, compression=None) as quick:
        for channel in (slow, quick):
            await say(channel, token=TOKEN)
            await say(channel, op="subscribe", topics=["alerts"])
        seqs = [(await hear(quick, "snapshot"))["seq"]]
        async with asyncio.timeout(60):
            # the kernel's own buffers take what they can hold before anything of ours waits
            while len(seqs) < 110 or (len(app.state.topics.clients) > 1 and len(seqs) < 500):
                seqs.append((await hear(quick, "delta"))["seq"])
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert len(app.state.topics.clients) == 1, "the slow one was given up while it still held its socket"
        slow.transport.abort()


async def test_an_error_of_the_desk_is_told_and_the_topics_go_on(url: str, desk: FakeDesk) -> None:
    async with connect(url) as channel:
        await say(channel, token=TOKEN)
        await say(channel, op="subscribe", topics=["status", "positions"])
        await hear(channel, "snapshot")
        desk.fails = GatewayError("no answer since 12 s")
        assert "no answer" in (await hear(channel, "delta"))["changed"]["desk"]["error"]
        desk.fails, desk.qty = None, 7
        while "1001/CON.F.US.MES.Z26" not in (delta := await hear(channel, "delta"))["changed"]:
            pass
        assert delta["changed"]["1001/CON.F.US.MES.Z26"]["qty"] == 7


@pytest.mark.parametrize("first", ['{"token": "wrong"}', "{}", "[]", "garbage", b"\xff\x00"])
async def test_a_wrong_first_message_closes_the_socket(url: str, first: str | bytes) -> None:
    async with connect(url) as channel:
        await channel.send(first)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(channel.recv(), 5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


async def test_a_token_needs_read_and_its_end_ends_the_socket(
    url: str, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.api.ws.HEARTBEAT_S", 0.1)
    tokens = IssuedTokens(desk.home)
    blind, _ = tokens.create(name="blind", scopes=["trade", "stop"])
    reader, _ = tokens.create(name="reader", scopes=["read"])
    async with connect(url) as channel:
        await say(channel, token=blind)
        with pytest.raises(websockets.ConnectionClosed):
            await hear(channel, "welcome")
    async with connect(url) as channel:
        await say(channel, token=reader)
        assert (await hear(channel, "heartbeat"))["seq"] == 1
        tokens.revoke("reader")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear(channel, "never", 5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        "[]",
        "1",
        '{"op": "explode"}',
        '{"op": "subscribe", "topics": "orders"}',
        '{"op": "subscribe", "topics": [1]}',
        '{"op": "subscribe", "topics": [{"topic": "pnl", "since": "x"}]}',
        '{"op": "subscribe", "topics": ["nothing"]}',
        json.dumps({"op": "subscribe", "topics": ["x"] * 65}),
        "[" * 5_000,
    ],
)
async def test_what_nobody_can_read_is_answered_and_the_socket_stays(url: str, message: str) -> None:
    async with connect(url) as channel:
        await say(channel, token=TOKEN)
        await channel.send(message)
        assert (await hear(channel, "error"))["text"]
        await say(channel, op="ping")
        await hear(channel, "pong")


async def test_a_huge_message_ends_the_socket(url: str) -> None:
    async with connect(url) as channel:
        await say(channel, token=TOKEN)
        await channel.send('{"op": "' + "x" * 70_000 + '"}')
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await hear(channel, "never", 5)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4413


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example:8420"}])
async def test_a_foreign_page_gets_no_socket(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(websockets.InvalidStatus):
        async with connect(url, additional_headers=headers):
            pass
