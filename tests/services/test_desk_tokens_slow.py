"""A desk that is slow to renew a token holds up no cancel of a child that has one."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from workbench.services import tokens as module
from workbench.services.tokens import DeskTokens


class SlowDesk(httpx.AsyncBaseTransport):
    """Gives the first token at once and the next one when it is let."""

    def __init__(self) -> None:
        self.number, self.may = 0, asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.number += 1
        if self.number > 1:
            await self.may.wait()
        return httpx.Response(200, json={"token": f"gateway-token-{self.number}"})


async def slow(monkeypatch: pytest.MonkeyPatch) -> tuple[SlowDesk, DeskTokens, asyncio.Task[str]]:
    desk, real = SlowDesk(), httpx.AsyncClient
    monkeypatch.setattr(module.httpx, "AsyncClient", lambda **options: real(transport=desk, **options))
    source = DeskTokens(lambda: ("http://desk", "desk-secret"))
    await source.get()
    renewing = asyncio.create_task(source.renew("gateway-token-1"))  # a hub was logged out
    while desk.number < 2:
        await asyncio.sleep(0)
    return desk, source, renewing


async def test_a_cancel_leaves_with_the_token_there_is_while_another_one_is_slow_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "EARLY_ANSWER_S", 0.01)
    desk, source, renewing = await slow(monkeypatch)
    asking = asyncio.create_task(source.get())
    await asyncio.wait({asking}, timeout=5.0)
    assert asking.done() and asking.result() == "gateway-token-1"
    desk.may.set()
    assert await renewing == await source.get() == "gateway-token-2"


async def test_a_token_that_comes_in_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EARLY_ANSWER_S", 30.0)
    desk, source, renewing = await slow(monkeypatch)
    asking = asyncio.create_task(source.get())
    await asyncio.sleep(0.01)
    desk.may.set()
    assert await asking == await renewing == "gateway-token-2"
