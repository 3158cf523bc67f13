"""The red button with the desk dead, the runner hung or alone: from the command line, and by a dropped file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.test_alerts import Receiver
from workbench.commands.stack import DemoOptions, DemoStack
from workbench.storage.home import Home
from workbench.storage.latch import drop_stop_file, read_latch
from workbench.storage.lock import AccountLock

pytestmark = pytest.mark.chaos
ACCOUNT = 1001


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """The operator's channel, known to every process of the stack."""
    receiver = Receiver()
    monkeypatch.setenv("WORKBENCH_ALERT_URLS", receiver.url)
    yield receiver
    receiver.close()


@pytest.fixture
def demo(tmp_path: Path, phone: Receiver) -> Iterator[DemoStack]:
    options = DemoOptions(ports=(0, 0, 0, 0), rate=120.0, parameters={"fast": 2, "slow": 4})
    with DemoStack(options, Home(tmp_path / "home")) as stack:
        stack.choose_contract()
        stack.trade()
        until("a position is held", lambda: truth(stack)["positions"] != [], 90)
        yield stack


def truth(stack: DemoStack) -> dict[str, Any]:
    accounts = stack.control("truth")["accounts"]
    found: dict[str, Any] = next(a for a in accounts if a["id"] == ACCOUNT)
    return found


def open_orders(stack: DemoStack) -> list[Any]:
    return [o for o in truth(stack)["orders"] if o["status"] in (1, 6, 8)]


def until(what: str, done: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


def runner_of(stack: DemoStack) -> int:
    holder = AccountLock(stack.home.account(ACCOUNT)).holder()
    assert holder is not None
    return int(holder["pid"])


def workbench(stack: DemoStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **stack.environment()}
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def kill_desk(stack: DemoStack) -> None:
    desk = next(p for p in stack.programs if p.name == "desk")
    desk.process.kill()
    desk.process.wait(5)


@pytest.mark.statement(39)
@pytest.mark.statement(40)
def test_stop_with_the_desk_dead_closes_verifies_and_is_cleared_only_with_a_reason(
    demo: DemoStack, phone: Receiver
) -> None:
    runner = runner_of(demo)
    kill_desk(demo)
    assert AccountLock(demo.home.account(ACCOUNT)).holder() is not None, "the runner outlives the desk"
    done = workbench(demo, "stop", "--reason", "the desk is dead", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["result"] == "FLAT"
    assert truth(demo)["positions"] == []
    assert open_orders(demo) == []
    assert is_zombie(runner), "the runner is gone"
    told = [m["message"] for m in phone.got if m["title"].startswith("Workbench command line")]
    assert len(told) == 1 and "without a desk (the desk is dead): FLAT" in told[0]
    assert read_latch(demo.home, ACCOUNT) is not None

    refused = workbench(demo, "stop", "--clear")
    assert refused.returncode == 1
    assert "say why" in refused.stderr
    assert read_latch(demo.home, ACCOUNT) is not None
    cleared = workbench(demo, "stop", "--clear", "--reason", "looked at everything")
    assert cleared.returncode == 0, cleared.stderr
    assert read_latch(demo.home, ACCOUNT) is None


@pytest.mark.statement(39)
def test_a_dropped_stop_file_stops_with_the_desk_dead(demo: DemoStack, phone: Receiver) -> None:
    runner = runner_of(demo)
    kill_desk(demo)
    drop_stop_file(demo.home, "dropped by hand")
    until("the runner has closed and gone", lambda: AccountLock(demo.home.account(ACCOUNT)).holder() is None, 20)
    until("flat", lambda: truth(demo)["positions"] == [] and open_orders(demo) == [], 10)
    until("the process has ended", lambda: not Path(f"/proc/{runner}").exists() or is_zombie(runner), 20)
    told = [m["message"] for m in phone.got if "stopped without a desk" in m["message"]]
    assert len(told) == 1 and f"account {ACCOUNT}" in told[0] and "FLAT" in told[0] and "NOT_FLAT" not in told[0]


def is_zombie(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_dropped_stop_file_stops_with_the_desk_alive(demo: DemoStack) -> None:
    drop_stop_file(demo.home, "dropped by hand")
    until("flat", lambda: truth(demo)["positions"] == [] and open_orders(demo) == [], 20)
    snapshot = demo.desk.snapshot()
    assert snapshot["stop"]["latched"]


@pytest.mark.statement(39)
def test_a_hung_runner_is_killed_and_its_position_closed(demo: DemoStack) -> None:
    runner = runner_of(demo)
    os.kill(runner, signal.SIGSTOP)
    result = demo.desk.emergency_stop(reason="it hangs")
    assert result.result == "FLAT", result
    assert truth(demo)["positions"] == []
    until("the hung runner is dead", lambda: is_zombie(runner), 5)


def test_a_new_desk_finds_the_runner_that_went_on(demo: DemoStack) -> None:
    runner = runner_of(demo)
    kill_desk(demo)
    time.sleep(1.0)
    assert runner_of(demo) == runner
    old = demo.urls["desk"]
    port = old.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "workbench.cli", "desk", "--port", port]
    again = subprocess.Popen(command, env={**os.environ, **demo.environment()}, stdin=subprocess.DEVNULL)
    try:
        until("the runner has dialled in again", lambda: seen(demo) == runner, 30)
        assert demo.desk.emergency_stop(reason="end of test").result == "FLAT"
    finally:
        again.terminate()
        again.wait(10)


def seen(stack: DemoStack) -> int | None:
    from workbench.domain.errors import WorkbenchError

    try:
        accounts = stack.desk.snapshot()["accounts"]
    except WorkbenchError:
        return None
    runner = next((a["runner"] for a in accounts if a["account"] == ACCOUNT), {"state": "down", "pid": None})
    return runner["pid"] if runner["state"] == "running" else None


def test_after_the_stop_the_blotter_still_shows_the_day_with_the_fill_that_closed(demo: DemoStack) -> None:
    assert demo.desk.emergency_stop(reason="look at it").result == "FLAT"
    fills = demo.desk.fills
    assert fills["qty"].sum() == 0, "what was opened and what closed it"
    assert len(demo.desk.orders) >= len(fills)
    assert demo.desk.positions.empty
