"""A login or an exchange that hangs holds up nobody who has a token: a stop presses on with it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.gateway.fakes import jwt, reply
from workbench.gateway import tokens as module
from workbench.gateway.tokens import LoginTokens
from workbench.gateway.transport import Transport

NOW, HOUR = 1_795_000_000.0, 3600.0


class Gateway(httpx.AsyncBaseTransport):
    """Gives the first token at once and the next one when it is let."""

    def __init__(self) -> None:
        self.now, self.number, self.may = NOW, 0, asyncio.Event()
        transport = Transport("http://gateway", transport=self)
        self.tokens = LoginTokens(transport, "someone", "key", wall=lambda: self.now)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.number += 1
        if self.number > 1:
            await self.may.wait()
        token = jwt(self.now + 24 * HOUR, self.number)
        return reply(newToken=token) if request.url.path.endswith("validate") else reply(token=token)

    async def hangs(self) -> None:
        while self.number < 2:
            await asyncio.sleep(0)


@pytest.mark.statement(39)
@pytest.mark.parametrize("what", ["login", "exchange"])
async def test_who_has_a_token_waits_a_second_at_most_for_a_younger_one(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_FOR_OTHERS_S", 0.01)
    gateway = Gateway()
    first = await gateway.tokens.get()
    if what == "login":
        asking = asyncio.create_task(gateway.tokens.renew(first))  # a child's hub was logged out
    else:
        gateway.now += 23 * HOUR
        asking = asyncio.create_task(gateway.tokens.get())
    await gateway.hangs()
    stopping = asyncio.create_task(gateway.tokens.get())
    await asyncio.wait({stopping}, timeout=4.0)
    assert stopping.done() and stopping.result() == first
    gateway.may.set()
    assert await asking == await gateway.tokens.get() != first


async def test_a_token_that_has_ended_serves_nobody_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_FOR_OTHERS_S", 0.01)
    gateway = Gateway()
    first = await gateway.tokens.get()
    gateway.now += 25 * HOUR
    both = [asyncio.create_task(gateway.tokens.get()) for _ in range(2)]
    await gateway.hangs()
    await asyncio.sleep(0.05)
    gateway.may.set()
    second = await asyncio.gather(*both)
    assert second[0] == second[1] != first and gateway.number == 2, "one login for both"
