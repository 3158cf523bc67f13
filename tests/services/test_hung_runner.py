"""A runner that stands still is killed and its account goes on under a new one, with nothing sent twice."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.services.stack import ACCOUNT, stack
from workbench.services import children

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.statement(12)]


@pytest.mark.statement(52)
async def test_a_suspended_runner_is_replaced_and_trades_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "HUNG_AFTER_S", 3.0)
    async with stack(tmp_path) as made:
        await made.start(fast=3, slow=9)
        await made.until("it trades", lambda: bool(made.placed()))
        runner = made.desk.runners[ACCOUNT]
        pid, epoch = runner.pid, made.runner_view()["epoch"]
        os.kill(pid, signal.SIGSTOP)
        before = len(made.placed())
        await made.until("a new runner", lambda: runner.pid != pid and made.runner_view().get("epoch", 0) > epoch)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)  # it is gone and cannot resume
        await made.until("it trades on", lambda: len(made.placed()) > before, 120.0)
        assert len(set(made.tags())) == len(made.tags()), "no order twice"
        await asyncio.sleep(1.0)
        await made.until("both agree", lambda: made.own_qty() == made.broker_qty())
        assert [text for text in made.alerts() if f"(process {pid}) gave no sign of life" in text]
