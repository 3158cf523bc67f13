"""Nothing that a desk has started is left for ever: the recording ends without a desk, and a test leaves no process."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

import pytest

from tests.services.stack import ACCOUNT, children_of, stack
from workbench.services import ingest_main
from workbench.services.ingest_main import IngestProcess
from workbench.storage.home import Home
from workbench.storage.lock import AccountLock

NOBODY = "127.0.0.1:9"  # discard: nobody listens


def ingest(place: Home) -> IngestProcess:
    options = argparse.Namespace(
        home=str(place.path),
        desk=f"http://{NOBODY}",
        rest=f"http://{NOBODY}",
        hubs=f"ws://{NOBODY}",
        simulated=False,
        timeframes=["1m"],
    )
    return IngestProcess(place, options, "token-of-a-desk-that-is-gone")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_main, "DESK_GONE_AFTER_S", 0.5)
    monkeypatch.setattr(ingest_main, "LOOK_FOR_DESK_S", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_the_recording_ends_when_no_desk_is_there_for_long(tmp_path: Path) -> None:
    await asyncio.wait_for(ingest(Home(tmp_path)).run(), 20.0)


@pytest.mark.usefixtures("impatient")
async def test_the_recording_goes_on_while_a_desk_lives_that_does_not_answer(tmp_path: Path) -> None:
    place = Home(tmp_path)
    with AccountLock(place.desk) as desk:
        desk.acquire("desk")
        recording = asyncio.create_task(ingest(place).run())
        done, _ = await asyncio.wait({recording}, timeout=2.0)
        assert not done
    await asyncio.wait_for(recording, 20.0)  # and when that desk has died, too, it ends


async def failing(folder: Path, seen: list[int]) -> None:
    async with stack(folder) as made:
        await made.start(fast=3, slow=9)
        child = made.desk.runners[ACCOUNT]
        seen += [child.pid, made.desk.ingest.pid]
        child._process, child.channel = None, None  # the desk has lost sight of it, as after a crash of its own
        assert {p.pid for p in children_of(folder)} == set(seen)
        raise ZeroDivisionError


@pytest.mark.chaos
@pytest.mark.slow
async def test_a_test_that_fails_leaves_no_process_behind(tmp_path: Path) -> None:
    seen: list[int] = []
    with pytest.raises(ExceptionGroup):
        await failing(tmp_path, seen)
    assert len(seen) == 2 and children_of(tmp_path) == []
    for pid in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
