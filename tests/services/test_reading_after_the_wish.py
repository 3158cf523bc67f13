"""What a person asks for after a reading is answered by one that was begun after the asking."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.services.test_runner_release import WISH, jump
from tests.services.test_runner_verbs import Desk, running
from workbench.domain import events as e
from workbench.services import reader as module


class Slow:
    """Positions of a broker: each reading waits until it is let, and is counted."""

    def __init__(self, desk: Desk) -> None:
        self.begun, self.may = 0, asyncio.Event()
        desk.runner.reader._broker.positions = self.positions  # type: ignore[attr-defined]

    async def positions(self, account: int) -> list[e.PositionReported]:
        self.begun += 1
        await self.may.wait()
        return []

    async def until(self, number: int) -> None:
        async with asyncio.timeout(10):
            while self.begun < number:
                await asyncio.sleep(0.005)


@pytest.mark.statement(40)
@pytest.mark.parametrize("verb", ["reconcile", "release"])
async def test_a_reading_that_was_under_way_answers_no_later_wish(
    tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APART_S", 0.01)
    async with running(tmp_path) as desk:
        await desk.runner.settle()
        await jump(desk)
        slow = Slow(desk)
        desk.runner.reader.request("the timer")
        await slow.until(1)  # under way, and what it says is from before the wish
        asking = asyncio.create_task(desk.verbs[verb](WISH))
        await asyncio.sleep(0.05)
        slow.may.set()
        await asking
        assert slow.begun >= 4, "each reading asks twice, so this is the second one"
