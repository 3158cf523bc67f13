"""The desk's clock in front of a simulator: whatever answers there, the desk lives on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from workbench.services import simulator_status as module
from workbench.services.clock import MarketClock

GOOD = {"paused": False, "lockstep": False, "rate": 60.0, "now": 1_000_000_000_000, "seq": 3}


@pytest.mark.parametrize("odd", [[1], None, "text", {}, {**GOOD, "rate": None}, {**GOOD, "now": "soon"}])
async def test_an_odd_answer_is_passed_over_and_a_good_one_counts(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [odd]
    real, sleep = httpx.AsyncClient, asyncio.sleep

    def client(**options: Any) -> httpx.AsyncClient:
        serve = lambda request: httpx.Response(200, json=answers.pop(0) if answers else GOOD)  # noqa: E731
        return real(transport=httpx.MockTransport(serve), **options)

    monkeypatch.setattr(module.httpx, "AsyncClient", client)
    monkeypatch.setattr(module.asyncio, "sleep", lambda seconds: sleep(0.01))
    clock = MarketClock()
    task = asyncio.create_task(module.follow_simulator("http://simulator", clock))
    async with asyncio.timeout(2):
        while clock.seq != 3:
            await sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.rate == 60.0
