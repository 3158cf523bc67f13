"""Fakes for the gateway room: joined hub connections, a clock, a REST host, a websocket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable
from typing import Any

import httpx
import websockets

from workbench.gateway.protocol import Close, HandshakeRequest, HubConnection, Invocation, Message


class HubPair:
    """A client and a server connection, joined without a socket, handshake done."""

    def __init__(self, **client_options: Any) -> None:
        self.client = HubConnection(server=False, **client_options)
        self.server = HubConnection(server=True)
        _, reply = self.server.receive_data(self.client.send(HandshakeRequest()))
        self.client.receive_data(reply)

    def from_client(self, message: Message) -> list[Message]:
        """Send from the client; return what the server reads."""
        return self.server.receive_data(self.client.send(message).encode())[0]

    def from_server(self, message: Message) -> list[Message]:
        """Send from the server; return what the client reads."""
        return self.client.receive_data(self.server.send(message).encode())[0]


class FakeTime:
    """A monotonic clock that moves when somebody sleeps."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def jwt(ends: float, serial: int = 0) -> str:
    """A token with an `exp` claim; the signature is nonsense."""
    part = base64.urlsafe_b64encode(json.dumps({"exp": ends, "n": serial}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{part}.c2ln"


class Tokens:
    """A token source that counts."""

    def __init__(self) -> None:
        self.serial = 0
        self.renewed: list[str] = []

    async def get(self) -> str:
        return f"token-{self.serial}"

    async def renew(self, bad: str) -> str:
        self.renewed.append(bad)
        if bad == f"token-{self.serial}":
            self.serial += 1
        return await self.get()


Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Host:
    """A REST host that answers from a script per path (the last answer repeats) and keeps what it was asked."""

    def __init__(self, **answers: Answer | list[Answer]) -> None:
        self.script: dict[str, deque[Answer]] = {}
        self.requests: list[httpx.Request] = []
        for path, answer in answers.items():
            self.on(path.replace("__", "/"), answer)

    def on(self, path: str, answer: Answer | list[Answer]) -> None:
        self.script[f"/api/{path}"] = deque(answer if isinstance(answer, list) else [answer])

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def bodies(self, path: str) -> list[Any]:
        return [json.loads(r.content) for r in self.requests if r.url.path == f"/api/{path}"]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        script = self.script.get(request.url.path)
        if script is None:
            return httpx.Response(404)
        answer = script.popleft() if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer


def reply(status: int = 200, **members: Any) -> httpx.Response:
    """An envelope that says success unless told otherwise."""
    return httpx.Response(status, json={"success": True, "errorCode": 0, "errorMessage": None, **members})


def refusal(code: int, message: str | None = None, **members: Any) -> httpx.Response:
    """An envelope that says no."""
    return reply(success=False, errorCode=code, errorMessage=message, **members)


class FakeSocket:
    """The client's end of a websocket; the test is the server and speaks the mirror protocol.

    What the server is to send is queued with `say`; subscriptions and other invocations are answered by `respond`.
    """

    def __init__(self, url: str = "", respond: Callable[[Invocation], Message | None] | None = None) -> None:
        self.url = url
        self.server = HubConnection(server=True)
        self.received: list[Message] = []
        self.closed = False
        self._respond = respond
        self._queue: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    @property
    def calls(self) -> list[tuple[str, list[Any]]]:
        """Invocations that came, in order."""
        return [(m.target, m.arguments) for m in self.received if isinstance(m, Invocation)]

    def say(self, *messages: Message) -> None:
        """Send messages in one frame."""
        self._queue.put_nowait("".join(self.server.send(m) for m in messages).encode())

    def say_raw(self, data: bytes) -> None:
        self._queue.put_nowait(data)

    def cut(self, error: Exception | None = None) -> None:
        """End the socket as a network does."""
        self._queue.put_nowait(error or websockets.ConnectionClosedError(None, None))

    async def recv(self, decode: bool | None = None) -> bytes:
        item = await self._queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def send(self, text: str) -> None:
        if self.closed:
            raise websockets.ConnectionClosedError(None, None)
        messages, answer = self.server.receive_data(text)
        self.received += messages
        if answer:
            self._queue.put_nowait(answer.encode())
        for message in messages:
            if isinstance(message, Invocation) and self._respond is not None:
                response = self._respond(message)
                if response is not None:
                    self.say(response)

    async def close(self) -> None:
        self.closed = True


__all__ = ["Close", "FakeSocket", "FakeTime", "Host", "HubPair", "Tokens", "jwt", "refusal", "reply"]
