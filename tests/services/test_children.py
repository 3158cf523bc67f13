"""Child processes: restarted with pauses, not restarted when that is of no use, adopted when an old one lives."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from workbench.services import children
from workbench.services.children import Child
from workbench.services.link import ChildSilent

SLEEPS = "import time; time.sleep(60)"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    def make(source: str) -> dict[str, Any]:
        (tmp_path / "child_under_test.py").write_text(source)
        env = {"PYTHONPATH": str(tmp_path)}
        return {
            "name": "kid",
            "module": "child_under_test",
            "arguments": [],
            "environment": env,
            "log": tmp_path / "k.out",
        }

    return make


@asynccontextmanager
async def watched(child: Child, may_start: Callable[[], bool] = lambda: True) -> AsyncIterator[Child]:
    task = asyncio.create_task(child.watch(may_start))
    try:
        yield child
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await child.end()


async def until(done: Callable[[], bool], within_s: float = 8.0) -> None:
    async with asyncio.timeout(within_s):
        while not done():
            await asyncio.sleep(0.01)


class Told(list[tuple[str, str]]):
    def __call__(self, level: str, text: str) -> None:
        self.append((level, text))


async def test_a_killed_child_comes_back_and_that_is_said(program: Any) -> None:
    told = Told()
    async with watched(Child(**program(SLEEPS), tell=told)) as child:
        await child.start()
        pid = child.pid
        os.kill(pid, 9)
        await until(lambda: child.pid != pid)
        assert child.restarts == 1
        assert "kid ended with code -9" in told[0][1]


async def test_one_that_cannot_run_is_shown_with_its_last_words_and_not_started_again(program: Any) -> None:
    told = Told()
    source = "import sys; sys.stderr.write('noise\\nthe journal is damaged\\n'); sys.exit(4)"
    async with watched(Child(**program(source), tell=told)) as child:
        await child.start()
        await until(lambda: child.given_up)
        await asyncio.sleep(0.6)
        assert child.restarts == 0
        assert told == [("critical", told[0][1])]
        assert "the journal is damaged" in told[0][1]
        with pytest.raises(ChildSilent, match=r"cannot run: .*the journal is damaged"):
            await child.request("pause", timeout_s=30)  # at once, not after 30 s


async def test_a_crash_loop_slows_down_and_is_said_once(program: Any) -> None:
    told = Told()
    async with watched(Child(**program("raise SystemExit(1)"), tell=told)) as child:
        await child.start()
        await until(lambda: child.restarts >= 2)
        assert child._pause >= 4 * children.FIRST_PAUSE_S
        assert len(told) == 1


async def test_the_key_of_the_login_does_not_reach_children(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECTX_API_KEY", "very-secret-key")
    monkeypatch.setenv("PROJECTX_USERNAME", "somebody")
    source = "import os; print({k for k in os.environ if k.startswith('PROJECTX')}); raise SystemExit(4)"
    async with watched(Child(**program(source))) as child:
        await child.start()
        await until(lambda: child.given_up)
        assert child.last_words() == "set()"


async def test_nothing_is_started_beside_one_that_an_earlier_desk_left(program: Any) -> None:
    taken = [True]
    async with watched(Child(**program(SLEEPS), is_taken=lambda: taken[0])) as child:
        await child.start()
        await asyncio.sleep(0.3)
        assert child.is_gone and child.wanted
        taken.clear()
        taken.append(False)
        await until(lambda: not child.is_gone)  # when it has died, one of ours takes over


async def test_a_folder_that_cannot_be_written_does_not_keep_a_child_down(program: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with watched(Child(**{**program(SLEEPS), "log": tmp_path / "file" / "k.out"})) as child:
        await child.start()
        assert not child.is_gone


async def test_a_start_that_fails_is_tried_again_and_watching_goes_on(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    async with watched(Child(**program(SLEEPS))) as child:
        child.wanted = True
        await asyncio.sleep(0.3)
        monkeypatch.undo()
        await until(lambda: not child.is_gone)


async def test_what_a_silent_child_said_last_is_not_called_running(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = Child(**program(SLEEPS))
    child.attach(object(), 1)  # type: ignore[arg-type]
    assert child.state == "running"
    monkeypatch.setattr(children, "SILENT_AFTER_S", -1.0)
    assert (child.state, child.is_silent) == ("lost", True)


async def test_who_dies_and_dies_is_degraded_said_so_loudly_and_tried_seldom(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(children, "LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr(children, "DEGRADED_AFTER", 3)
    told = Told()
    async with watched(Child(**program("raise SystemExit(1)"), tell=told)) as child:
        await child.start()
        await until(lambda: child.state == "degraded", 30)
        lives = child.restarts
        await asyncio.sleep(0.5)
        assert child.restarts == lives == 2, "three lives, then a pause"
        assert [text for level, text in told if level == "critical" and "degraded" in text]
        assert child.wanted, "it is not given up"
