"""A runner that starts again before a session has had its first bar asks for the warm-up, not for all of history."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.services.test_reader import CONTRACT
from tests.services.test_runner_verbs import AT, running

DAY = 86_400_000_000_000


@pytest.mark.statement(26)
async def test_a_restart_before_the_first_bar_asks_for_the_same_history_as_the_start(tmp_path: Path) -> None:
    asked: list[int] = []

    async def fetch(contract: str, frame: Any, start: int, end: int) -> list[Any]:
        assert contract == CONTRACT
        asked.append(start)
        return []

    async def asked_times(number: int) -> None:
        async with asyncio.timeout(10):
            while len(asked) < number:
                await asyncio.sleep(0.01)

    async with running(tmp_path) as desk:
        desk.runner.feed._fetch = fetch
        await desk.begin()
        await asked_times(1)
    async with running(tmp_path) as again:
        again.runner.feed._fetch = fetch
        again.runner._feed_wake.set()
        await asked_times(2)
        session = again.runner.state.sessions["one"]
        assert session.last_bar_end == 0 and session.warm_bars > 0
    first, second = asked[:2]
    assert AT - 30 * DAY < second < AT, "and not from the beginning of time"
    assert first == second
