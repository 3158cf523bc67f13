"""A session whose start nobody waits for any more hears its market all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.services.test_reader import CONTRACT
from tests.services.test_runner_verbs import Desk, running
from workbench.domain import events as e
from workbench.domain.errors import WorkbenchError
from workbench.services.runner_verbs import RunnerVerbs


async def begun(desk: Desk) -> None:
    async with asyncio.timeout(10):
        while "one" not in desk.runner.state.sessions:
            await asyncio.sleep(0.005)


@pytest.mark.statement(26)
async def test_a_session_gets_its_bars_though_the_desk_went_while_it_began(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await desk.runner.settle()
        starting, put = asyncio.create_task(desk.begin()), desk.runner.lanes.put

        def put_and_break_off(event: e.Event) -> None:
            put(event)
            if isinstance(event, e.SessionStarted):
                starting.cancel()  # as the channel does with what it was answering

        desk.runner.lanes.put = put_and_break_off  # type: ignore[method-assign]
        assert isinstance((await asyncio.gather(starting, return_exceptions=True))[0], asyncio.CancelledError)
        await begun(desk)
        assert desk.runner.feed.contracts == [CONTRACT], "it runs, and would never see a bar"


@pytest.mark.statement(26)
async def test_a_session_that_begins_later_than_its_answer_gets_its_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(self: RunnerVerbs, *_: Any, **__: Any) -> None:
        raise WorkbenchError("the runner did not take the command in time; see its alerts")

    async with running(tmp_path) as desk:
        await desk.runner.settle()
        monkeypatch.setattr(RunnerVerbs, "_until", late)
        with pytest.raises(WorkbenchError, match="in time"):
            await desk.begin()
        await begun(desk)
        assert desk.runner.feed.contracts == [CONTRACT]
