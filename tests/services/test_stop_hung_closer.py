"""A closer that stands still gives way to the next stop; one that works is waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.test_stop import FakeBroker, order, stop
from workbench.services import stop as module
from workbench.services.stop import emergency_stop
from workbench.storage.home import Home
from workbench.storage.lock import AccountLock, is_same_process

pytestmark = [pytest.mark.chaos, pytest.mark.statement(36), pytest.mark.statement(39)]


class Stuck(FakeBroker):
    """A gateway that never answers a cancel."""

    async def cancel(self, account: int, order_id: int) -> None:  # type: ignore[override]
        await asyncio.Event().wait()


@pytest.fixture
def closer(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of a stop of account 1."""
    process = subprocess.Popen([sys.executable, "-m", __name__, str(tmp_path)])
    try:
        lock, deadline = AccountLock(Home(tmp_path).account(1)), time.monotonic() + 30
        while (lock.holder() or {}).get("role") != "closer":
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_suspended_closer_is_killed_and_the_next_stop_closes(
    tmp_path: Path, closer: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSER_HANGS_S", 1.0)
    holder = AccountLock(Home(tmp_path).account(1)).holder()
    assert holder is not None and holder["pid"] == closer.pid
    os.kill(closer.pid, signal.SIGSTOP)
    broker = FakeBroker([order(10)], 2, Home(tmp_path))
    result = await stop(broker, Home(tmp_path))
    assert result["result"] == "FLAT" and result["remaining"] == []
    assert [c for c in broker.calls if c != "read"] == ["cancel 10", "close"]
    assert not is_same_process(holder), "it can never resume and close a second time"


async def test_a_closer_that_waits_for_the_gateway_lives_and_is_left_to_it(
    tmp_path: Path, closer: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSER_HANGS_S", 1.5)
    monkeypatch.setattr(module, "GIVE_UP_S", 5.0)
    broker = FakeBroker([order(10)], 2, Home(tmp_path))
    result = await stop(broker, Home(tmp_path))
    assert closer.poll() is None
    assert result["result"] == "NOT_FLAT" and "is held by" in str(result["remaining"])
    assert [c for c in broker.calls if c != "read"] == [], "nobody closes twice"


async def test_a_stop_never_kills_its_own_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSER_HANGS_S", 0.0)
    monkeypatch.setattr(module, "GIVE_UP_S", 1.0)
    with AccountLock(Home(tmp_path).account(1)) as lock:
        lock.acquire("closer")
        result = await stop(FakeBroker([], 0, Home(tmp_path)), Home(tmp_path))
    assert result["result"] == "NOT_FLAT"


if __name__ == "__main__":
    place = Home(Path(sys.argv[1]))
    asyncio.run(emergency_stop(place, [1], Stuck([order(10)], 2, place), reason="first", by="desk"))
