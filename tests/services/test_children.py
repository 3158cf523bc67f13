"""Child processes: restarted with pauses, not restarted when that is of no use, adopted when an old one lives."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from workbench.services import children
from workbench.services.children import Child
from workbench.services.link import ChildSilent
from workbench.services.pulse import MOST_BETWEEN_S, Pulse
from workbench.storage.lock import AccountLock

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


async def until(done: Callable[[], bool], within_s: float = 40.0) -> None:
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


# --- hung ---

LIVES = """
import sys, time
from pathlib import Path
from workbench.storage.lock import AccountLock
lock = AccountLock(Path(sys.argv[1]))
lock.acquire(sys.argv[2])
while True:
    time.sleep(0.02)
    lock.show_life()
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "SILENT_AFTER_S", 0.1)
    monkeypatch.setattr(children, "HUNG_AFTER_S", 0.6)
    monkeypatch.setattr(children, "MAY_START_WITHIN_S", 0.6)


def locked(program: Any, tmp_path: Path, role: str = "runner", source: str = LIVES) -> tuple[Child, AccountLock, Told]:
    """A child that holds a lock while it lives, and says nothing to the desk."""
    lock, told = AccountLock(tmp_path / "account"), Told()
    arguments = [str(tmp_path / "account"), role]
    given = {**program(source), "arguments": arguments, "lock": lock, "tell": told}
    return Child(**given, is_taken=lambda: lock.holder() is not None), lock, told


@pytest.mark.chaos
@pytest.mark.usefixtures("impatient")
async def test_a_suspended_child_is_killed_said_and_started_again(program: Any, tmp_path: Path) -> None:
    child, lock, told = locked(program, tmp_path)
    async with watched(child):
        await child.start()
        await until(lambda: lock.holder() is not None)
        pid = child.pid
        await asyncio.sleep(1.5)
        assert child.pid == pid, "what shows life on the disk is not hung, although it says nothing"
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: child.pid != pid and (lock.holder() or {}).get("pid") == child.pid)
        assert [text for level, text in told if level == "critical" and f"(process {pid}) gave no sign of life" in text]
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)  # it can never resume


@pytest.mark.chaos
@pytest.mark.usefixtures("impatient")
async def test_a_hung_one_that_an_earlier_desk_started_is_found_by_its_lock(program: Any, tmp_path: Path) -> None:
    earlier, lock, _ = locked(program, tmp_path)
    await earlier.start()
    try:
        await until(lambda: lock.holder() is not None)
        os.kill(earlier.pid, signal.SIGSTOP)
        child, _, told = locked(program, tmp_path)
        async with watched(child):
            await child.start()
            assert child.is_gone, "the account is taken"
            await until(lambda: (lock.holder() or {}).get("pid") == child.pid != 0)
            assert f"(process {earlier.pid}) gave no sign of life" in told[0][1]
    finally:
        await earlier.end()


@pytest.mark.chaos
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("why", ["the account is stopped", "somebody closes the account", "a person has ended it"])
async def test_nobody_else_is_killed_for_silence(program: Any, tmp_path: Path, why: str) -> None:
    role = "closer" if why == "somebody closes the account" else "runner"
    child, lock, told = locked(program, tmp_path, role)
    async with watched(child, lambda: why != "the account is stopped"):
        await child.start()
        await until(lambda: lock.holder() is not None)
        pid = child.pid
        os.kill(pid, signal.SIGSTOP)
        child.wanted = why != "a person has ended it"
        await asyncio.sleep(2.0)
        os.kill(pid, 0)
        assert child.pid == pid and told == []


@pytest.mark.chaos
@pytest.mark.usefixtures("impatient")
async def test_one_that_hangs_before_it_has_the_account_is_killed_too(program: Any, tmp_path: Path) -> None:
    child, _, told = locked(program, tmp_path, source=SLEEPS)
    async with watched(child):
        await child.start()
        pid = child.pid
        await until(lambda: child.pid != pid)
        assert f"(process {pid}) gave no sign of life" in told[0][1]


def test_time_in_which_the_desk_itself_stood_still_is_nobodys_silence() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    for _ in range(50):
        now[0] += 0.1
        silent = pulse.silent_s("a")
    assert silent == pytest.approx(4.9)
    now[0] += 3600  # asleep
    assert pulse.silent_s("a") == pytest.approx(4.9 + MOST_BETWEEN_S)
    now[0] += 0.1
    assert pulse.silent_s("b") == 0.0, "and whoever speaks then is not hung"


def test_a_child_that_the_desk_refuses_shows_life_by_asking(program: Any) -> None:
    child = Child(**program(SLEEPS))
    before = child._signs
    child.signed()
    assert child._signs != before
