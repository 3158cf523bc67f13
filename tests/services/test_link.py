"""The channel between desk and children, over a real socket: what goes wrong on one side never ends the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket

from workbench.domain.errors import InputError
from workbench.services.link import ChildChannel, ChildLink, ChildRefused, ChildSilent
from workbench.services.schema import OTHER_PROGRAM, SCHEMA_HEADER, VERSION_HEADER
from workbench.services.web import Server


class FakeDesk:
    """A desk that only serves the channel."""

    def __init__(self) -> None:
        self.channel: ChildChannel | None = None
        self.socket: WebSocket | None = None
        self.pushed: list[tuple[str, Any]] = []
        self.tokens: list[str] = []
        self.app = FastAPI()
        self.app.websocket("/internal/child/x")(self.serve)

    async def serve(self, socket: WebSocket) -> None:
        await socket.accept()
        self.tokens.append(socket.headers["authorization"])
        self.socket, self.channel = socket, ChildChannel(socket, lambda kind, body: self.pushed.append((kind, body)))
        try:
            await self.channel.listen()
        finally:
            self.channel = None


@contextlib.asynccontextmanager
async def serving(desk: FakeDesk) -> AsyncIterator[str]:
    listener = sockets.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(desk.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/internal/child/x"
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def linked(desk: FakeDesk, verbs: dict[str, Any]) -> AsyncIterator[ChildLink]:
    async with serving(desk) as url:
        link = ChildLink(lambda: (url, "secret-token"), verbs)
        task = asyncio.create_task(link.run())
        try:
            await until(lambda: desk.channel is not None)
            yield link
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(done: Any, within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not done():
            await asyncio.sleep(0.01)


async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return {"got": body}


async def refuse(body: dict[str, Any]) -> dict[str, Any]:
    raise InputError("not like this")


async def fail(body: dict[str, Any]) -> dict[str, Any]:
    return {"value": body["nobody gave this"]}


async def hang(body: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(60)
    return {}


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


async def test_a_request_is_answered_and_a_push_arrives_with_the_token_in_a_header(desk: FakeDesk) -> None:
    async with linked(desk, {"echo": echo}) as link:
        assert desk.channel is not None
        assert await desk.channel.request("echo", {"a": 1}) == {"got": {"a": 1}}
        await until(lambda: link.connected)
        link.push("snapshot", {"b": 2})
        await until(lambda: desk.pushed == [("snapshot", {"b": 2})])
        assert desk.tokens == ["Bearer secret-token"]


async def test_a_no_comes_back_with_its_reason(desk: FakeDesk) -> None:
    async with linked(desk, {"no": refuse}):
        assert desk.channel is not None
        with pytest.raises(ChildRefused, match="not like this"):
            await desk.channel.request("no")
        with pytest.raises(ChildRefused, match="there is no verb 'fly'"):
            await desk.channel.request("fly")


async def test_a_command_that_raises_anything_does_not_end_the_child(desk: FakeDesk) -> None:
    async with linked(desk, {"fail": fail, "echo": echo}):
        assert desk.channel is not None
        with pytest.raises(ChildRefused, match="failed: KeyError"):
            await desk.channel.request("fail")
        assert await desk.channel.request("echo") == {"got": {}}, "over the same channel"


async def test_what_nobody_can_read_closes_the_channel_and_the_child_dials_again(desk: FakeDesk) -> None:
    async with linked(desk, {"echo": echo}):
        first = desk.channel
        assert desk.socket is not None
        await desk.socket.send_text("not json")
        await until(lambda: desk.channel is not None and desk.channel is not first)
        assert desk.channel is not None
        assert await desk.channel.request("echo") == {"got": {}}


async def test_a_push_that_cannot_be_written_does_not_end_the_child(desk: FakeDesk) -> None:
    async with linked(desk, {"echo": echo}) as link:
        first = desk.channel
        await until(lambda: link.connected)
        link.push("snapshot", {"bad": object()})
        await until(lambda: desk.channel is not None and desk.channel is not first)
        assert desk.channel is not None
        assert await desk.channel.request("echo") == {"got": {}}


async def test_no_answer_in_time_is_said(desk: FakeDesk) -> None:
    async with linked(desk, {"hang": hang}):
        assert desk.channel is not None
        with pytest.raises(ChildSilent, match=r"no answer to 'hang' within 0\.1 s"):
            await desk.channel.request("hang", timeout_s=0.1)


async def test_a_child_that_goes_while_asked_leaves_no_one_waiting(desk: FakeDesk) -> None:
    async with linked(desk, {"hang": hang}):
        assert desk.channel is not None and desk.socket is not None
        asked = asyncio.create_task(desk.channel.request("hang", timeout_s=30))
        await asyncio.sleep(0.05)
        await desk.socket.close()
        with pytest.raises(ChildSilent):
            await asyncio.wait_for(asked, 2)


async def test_the_child_asks_anew_where_the_desk_is_at_each_attempt(desk: FakeDesk) -> None:
    async with serving(desk) as url:
        places = iter(["ws://127.0.0.1:9/gone", url])
        link = ChildLink(lambda: (next(places), "t"), {})
        task = asyncio.create_task(link.run())
        await until(lambda: desk.channel is not None)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.statement(50)
async def test_a_desk_of_another_program_closes_the_channel_with_the_reason() -> None:
    desk, refused = FakeDesk(), list[str]()

    async def refuse(socket: WebSocket) -> None:
        await socket.accept()
        assert {VERSION_HEADER, SCHEMA_HEADER} <= set(socket.headers.keys()), "it says which program it is"
        await socket.close(OTHER_PROGRAM, "this is program 2")

    desk.app = FastAPI()
    desk.app.websocket("/internal/child/x")(refuse)
    async with serving(desk) as url:
        link = ChildLink(lambda: (url, "secret-token"), {}, refused.append)
        task = asyncio.create_task(link.run())
        await until(lambda: bool(refused))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert refused == ["this is program 2"] and not link.connected and link.lost_at is not None


async def test_a_desk_that_says_hello_has_taken_the_child() -> None:
    desk, refused = FakeDesk(), list[str]()
    async with serving(desk) as url:
        link = ChildLink(lambda: (url, "secret-token"), {}, refused.append)
        task = asyncio.create_task(link.run())
        await until(lambda: desk.socket is not None)
        assert desk.socket is not None
        await desk.socket.send_json({"hello": {}})
        await until(lambda: refused == [""])
        assert link.lost_at is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_slow_command_holds_up_no_other_one() -> None:
    desk, begun, free = FakeDesk(), list[str](), asyncio.Event()

    async def slow(body: dict[str, Any]) -> dict[str, Any]:
        begun.append("slow")
        await free.wait()
        return {"slow": True}

    async def cancel(body: dict[str, Any]) -> dict[str, Any]:
        begun.append("cancel")
        return {"cancelled": True}

    async with linked(desk, {"slow": slow, "cancel": cancel}):
        assert desk.channel is not None
        waiting = asyncio.create_task(desk.channel.request("slow"))
        await until(lambda: begun == ["slow"])
        assert await desk.channel.request("cancel", timeout_s=1.0) == {"cancelled": True}
        free.set()
        assert await waiting == {"slow": True}
        assert begun == ["slow", "cancel"]


async def test_who_asks_and_is_cancelled_as_the_channel_goes_ends_and_does_not_ask_on() -> None:
    class Socket:
        async def send_text(self, text: str) -> None:
            self.sent = text

    channel = ChildChannel(Socket(), lambda kind, body: None)  # type: ignore[arg-type]

    async def for_ever() -> None:
        while True:
            with contextlib.suppress(ChildSilent):
                await channel.request("watch")
            await asyncio.sleep(0)

    asking = asyncio.create_task(for_ever())
    await asyncio.sleep(0.01)
    (answer,) = channel._waiting.values()
    answer.set_exception(ChildSilent("the child process has gone"))
    asking.cancel()  # in the same instant, as when a desk ends
    done, _ = await asyncio.wait({asking}, timeout=2.0)
    assert done == {asking} and asking.cancelled()
