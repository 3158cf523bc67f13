"""A small SignalR client for the simulator's own tests: reads in the background, keeps everything."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from datetime import date

import httpx
import websockets

from workbench.domain.hours import at_local

END = "\x1e"
MORNING = at_local(date(2026, 11, 20), "09:00")  # a Friday, half an hour after the opening burst
MES = "CON.F.US.MES.Z26"


class HubClient:
    def __init__(self, socket) -> None:
        self.socket = socket
        self.messages: list[dict] = []
        self.raw: list[str] = []
        self.news = asyncio.Event()
        self.closed = False
        self._ids = itertools.count()
        self.reader: asyncio.Task | None = None

    async def read(self) -> None:
        try:
            async for frame in self.socket:
                for record in frame.split(END)[:-1]:
                    self.raw.append(record)
                    try:
                        self.messages.append(json.loads(record))
                    except ValueError:
                        self.messages.append({"type": -1, "text": record})
                self.news.set()
        except websockets.ConnectionClosed:
            pass
        self.closed = True
        self.news.set()

    async def send(self, target: str, *arguments, invocation: str | None = None) -> None:
        message = {"type": 1, "target": target, "arguments": list(arguments)}
        if invocation is not None:
            message["invocationId"] = invocation
        await self.socket.send(json.dumps(message) + END)

    async def call(self, target: str, *arguments) -> dict:
        number = f"c{next(self._ids)}"
        await self.send(target, *arguments, invocation=number)
        return await self.until(lambda m: m.get("invocationId") == number)

    async def until(self, wanted, timeout_s: float = 10.0) -> dict:
        """Return the first message, past or future, that is wanted."""
        async with asyncio.timeout(timeout_s):
            while True:
                self.news.clear()
                for message in self.messages:
                    if wanted(message):
                        return message
                if self.closed:
                    raise ConnectionError("the hub closed")
                await self.news.wait()

    def of(self, target: str) -> list:
        return [m["arguments"][-1] for m in self.messages if m.get("target") == target]

    async def event(self, target: str, wanted=lambda data: True, timeout_s: float = 10.0):
        message = await self.until(lambda m: m.get("target") == target and wanted(m["arguments"][-1]), timeout_s)
        return message["arguments"][-1]


@asynccontextmanager
async def hub(url: str, name: str, token: str, version: int = 1):
    socket = await websockets.connect(f"{url.replace('http', 'ws')}/hubs/{name}?access_token={token}", max_size=2**22)
    await socket.send(f'{{"protocol":"json","version":{version}}}{END}')
    assert await socket.recv() == "{}" + END
    client = HubClient(socket)
    client.reader = asyncio.create_task(client.read())
    try:
        yield client
    finally:
        await socket.close()
        await client.reader


class Rest:
    """The simulator over HTTP, logged in."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http, self.token = http, ""

    async def login(self) -> str:
        reply = await self.post("Auth/loginKey", userName="SIM", apiKey="simulator-key")
        self.token = reply["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        return self.token

    async def raw(self, path: str, **body) -> httpx.Response:
        return await self.http.post(f"/api/{path}", json=body)

    async def post(self, path: str, **body) -> dict:
        return (await self.raw(path, **body)).json()

    async def place(
        self, account: int = 1001, contract: str = MES, *, type: int = 2, side: int = 0, size: int = 1, **more
    ):
        return await self.post(
            "Order/place", accountId=account, contractId=contract, type=type, side=side, size=size, **more
        )

    async def fault(self, fault: str, **more) -> httpx.Response:
        return await self.http.post("/simulator/faults", json={"fault": fault, **more})


@asynccontextmanager
async def rest(simulator, *, over: str = "app"):
    """REST in process, or over the real socket with ``over="socket"``."""
    transport = httpx.ASGITransport(app=simulator.app) if over == "app" else None
    async with httpx.AsyncClient(transport=transport, base_url=simulator.url or "http://simulator") as http:
        client = Rest(http)
        await client.login()
        yield client
