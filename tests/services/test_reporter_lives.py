"""What cannot be shown of a runner ends neither the runner nor its alarms."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.services.test_runner_verbs import Desk
from workbench.services import reporter as module
from workbench.services.alerts import Channels
from workbench.services.link import ChildLink
from workbench.services.reporter import Reporter


@pytest.mark.statement(52)
async def test_a_state_that_cannot_be_shown_is_told_once_and_shown_when_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.005)
    desk, link, pushed = Desk(tmp_path), ChildLink(lambda: ("", ""), {}), list[tuple[str, dict[str, Any]]]()
    monkeypatch.setattr(link, "push", lambda kind, body: pushed.append((kind, body)))
    link.connected, broken = True, [True]

    def state() -> dict[str, Any]:
        if broken[0]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))  # the folder of the versions, whose names are shown
        return {"sent": 3}

    def texts() -> list[str]:
        return [body["text"] for kind, body in pushed if kind == "alert"]

    reporting = asyncio.create_task(Reporter(desk.runner, link, state, Channels("runner-1", [])).run())
    desk.runner.alert("critical", "an order of unknown fate")
    async with asyncio.timeout(10):
        while len(texts()) < 2 and not reporting.done():
            await asyncio.sleep(0.005)
        assert not reporting.done(), "the runner would end with it, whatever it holds"
        await asyncio.sleep(0.05)
        assert "an order of unknown fate" in texts() and len(texts()) == 2, "each alarm once"
        broken[0] = False
        while not any(kind == "snapshot" for kind, _ in pushed):
            await asyncio.sleep(0.005)
    (snapshot,) = (body for kind, body in pushed if kind == "snapshot" and body["whole"])
    assert snapshot["parts"] == {"sent": 3}
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)
