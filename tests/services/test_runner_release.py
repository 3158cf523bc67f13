"""The runner's verb `release`, against a runner in this process with a fake gateway, its journal included."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.services.test_runner_verbs import Desk, running
from workbench.domain import events as e
from workbench.domain.errors import WorkbenchError
from workbench.execution.release import CLOCK_JUMPED
from workbench.services import runner_verbs

WISH = {"request": "r1", "person": "ann", "reason": "the laptop slept"}


async def jump(desk: Desk) -> None:
    desk.runner.lanes.put(e.ClockJumped(at=desk.runner.clock.now(), by_s=3600.0))
    async with asyncio.timeout(5):
        while CLOCK_JUMPED not in desk.runner.state.halted:
            await asyncio.sleep(0.005)


def only_the_jump(told: dict[str, Any]) -> bool:
    return bool(told["accepted"]) and told["released"] == [CLOCK_JUMPED] and CLOCK_JUMPED not in told["halted"]


@pytest.mark.statement(53)
async def test_a_suspend_is_released_by_a_person_and_stays_so_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await jump(desk)
    async with running(tmp_path) as desk:
        assert CLOCK_JUMPED in desk.runner.state.halted, "the halt survives a restart"
        assert only_the_jump(await desk.verbs["release"](WISH))
        assert any("released by ann (the laptop slept)" in a["text"] for a in desk.runner.alerts)
    async with running(tmp_path) as desk:
        assert CLOCK_JUMPED not in desk.runner.state.halted and not desk.runner.decider.damage
        again = await desk.verbs["release"](WISH)
        assert (again["accepted"], again["repeated"], again["released"]) == (True, True, [])


async def test_each_release_reads_the_broker_first(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await jump(desk)
        before = desk.runner.reader.readings
        assert only_the_jump(await desk.verbs["release"](WISH))
        assert desk.runner.reader.readings > before


async def test_a_broker_that_cannot_be_read_releases_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_verbs, "READ_S", 0.2)
    async with running(tmp_path) as desk:
        await jump(desk)

        async def dead(*_: Any) -> Any:
            raise WorkbenchError("no line")

        desk.runner.gateway.positions = dead  # type: ignore[method-assign,assignment]
        await asyncio.sleep(0.6)  # a reading that is under way ends
        with pytest.raises(WorkbenchError, match="could not be read in time, nothing was released"):
            await desk.verbs["release"](WISH)
        assert CLOCK_JUMPED in desk.runner.state.halted


async def test_what_a_person_cannot_release_is_refused_and_named(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        desk.runner.lanes.put(e.Halted(at=desk.runner.clock.now(), reason="the journal cannot be written"))
        told = await desk.verbs["release"](WISH)
        assert not told["accepted"] and "the journal cannot be written" in told["halted"]
        assert "a person cannot release this" in told["reason"] and told["released"] == []
