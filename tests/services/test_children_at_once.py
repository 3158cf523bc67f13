"""Two who want the same child at the same time get one process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.services.test_children import SLEEPS, program, until, watched  # noqa: F401 - a fixture
from workbench.services import children
from workbench.services.children import Child


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the pids of all processes that were begun."""
    pids, real = list[int](), asyncio.create_subprocess_exec

    async def spawn(*command: Any, **options: Any) -> Any:
        process = await real(*command, **options)
        pids.append(process.pid)
        await asyncio.sleep(0.3)  # a busy loop: the watch looks three times meanwhile
        return process

    monkeypatch.setattr(children.asyncio, "create_subprocess_exec", spawn)
    return pids


@pytest.mark.statement(14)
async def test_a_child_that_two_ask_for_at_once_is_one_process(program: Any, begun: list[int]) -> None:  # noqa: F811
    child = Child(**program(SLEEPS))
    try:
        await asyncio.gather(child.start(), child.start())
        assert begun == [child.pid]
    finally:
        await child.end()


@pytest.mark.statement(14)
async def test_a_child_that_is_being_started_is_not_started_by_the_watch_too(
    program: Any,  # noqa: F811
    begun: list[int],
) -> None:
    async with watched(Child(**program(SLEEPS))) as child:
        await child.start()
        await until(lambda: len(begun) >= 1)
        assert begun == [child.pid] and child.restarts == 0
