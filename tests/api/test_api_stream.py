"""The snapshot stream over a real loopback socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
import websockets
from fastapi import APIRouter, FastAPI, WebSocket
from websockets.asyncio.client import connect

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.domain.errors import GatewayError

TOKEN = "the-full-token-of-this-test"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def url(desk: FakeDesk) -> Iterator[str]:
    internal = APIRouter()

    @internal.websocket("/internal/runner")
    async def runner(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("welcome")

    app: FastAPI = build_app(desk, token=TOKEN, allowed_origins=["http://127.0.0.1:8421"], internal_router=internal)
    with serving(app) as base:
        yield base.replace("http", "ws")


async def next_message(socket: websockets.asyncio.client.ClientConnection) -> dict:
    return json.loads(await asyncio.wait_for(socket.recv(), 5))


async def test_snapshots_arrive_in_order_and_not_faster_than_twenty_a_second(url: str, desk: FakeDesk) -> None:
    desk.rate = 500
    async with connect(f"{url}/api/stream") as socket:
        await socket.send(json.dumps({"token": TOKEN}))
        began = asyncio.get_running_loop().time()
        messages = [await next_message(socket) for _ in range(21)]
    assert [message["seq"] for message in messages] == list(range(1, 22))
    assert messages[0]["accounts"][0]["account"] == 1001
    assert asyncio.get_running_loop().time() - began >= 0.95


async def test_an_unchanged_snapshot_still_beats_once_a_second(url: str, desk: FakeDesk) -> None:
    desk.frozen_s = 4000
    async with connect(f"{url}/api/stream") as socket:
        await socket.send(json.dumps({"token": TOKEN}))
        await next_message(socket)
        began = asyncio.get_running_loop().time()
        await next_message(socket)
    assert 0.7 < asyncio.get_running_loop().time() - began < 2.0


@pytest.mark.parametrize("first", ['{"token": "wrong"}', "{}", "[]", "garbage", '{"token": "tökén"}', b"\xff\x00"])
async def test_a_wrong_first_message_closes_the_stream(url: str, first: str | bytes) -> None:
    async with connect(f"{url}/api/stream") as socket:
        await socket.send(first)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await next_message(socket)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401


async def test_a_silent_stranger_is_shut_out_after_three_seconds(url: str) -> None:
    async with connect(f"{url}/api/stream") as socket:
        with pytest.raises(websockets.ConnectionClosed):
            await next_message(socket)


async def test_a_token_in_the_url_opens_nothing(url: str) -> None:
    async with connect(f"{url}/api/stream?token={TOKEN}") as socket:
        await socket.send("{}")
        with pytest.raises(websockets.ConnectionClosed):
            await next_message(socket)


async def test_a_stop_token_opens_no_stream(url: str) -> None:
    import httpx

    async with httpx.AsyncClient() as client:
        base = url.replace("ws", "http")
        asked = await client.post(f"{base}/api/stop-token", headers={"authorization": f"Bearer {TOKEN}"})
    async with connect(f"{url}/api/stream") as socket:
        await socket.send(json.dumps({"token": asked.json()["token"]}))
        with pytest.raises(websockets.ConnectionClosed):
            await next_message(socket)


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example:8420"}]
)
async def test_a_foreign_page_gets_no_socket(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(websockets.InvalidStatus):
        async with connect(f"{url}/api/stream", additional_headers=headers):
            pass


async def test_the_dashboards_origin_gets_its_socket(url: str) -> None:
    async with connect(f"{url}/api/stream", origin="http://127.0.0.1:8421") as socket:
        await socket.send(json.dumps({"token": TOKEN}))
        assert (await next_message(socket))["seq"] == 1


async def test_an_internal_socket_needs_the_full_token_in_its_header(url: str) -> None:
    with pytest.raises(websockets.InvalidStatus):
        async with connect(f"{url}/internal/runner"):
            pass
    async with connect(f"{url}/internal/runner", additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
        assert await socket.recv() == "welcome"


async def test_an_error_of_the_desk_is_told_and_the_stream_goes_on(url: str, desk: FakeDesk) -> None:
    desk.fails = GatewayError("no answer since 12 s")
    async with connect(f"{url}/api/stream") as socket:
        await socket.send(json.dumps({"token": TOKEN}))
        assert (await next_message(socket))["kind"] == "GatewayError"
        desk.fails = None
        assert "accounts" in await next_message(socket)
