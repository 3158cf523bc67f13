"""A halt of an earlier life released through desk, runner and simulator, as the command does it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.services.stack import ACCOUNT, stack
from workbench.desk import Desk
from workbench.domain import events as e
from workbench.execution.release import CLOCK_JUMPED
from workbench.execution.state import AccountState
from workbench.execution.step import journal_form, step
from workbench.risk.limits import Limits
from workbench.storage.home import Home
from workbench.storage.journal import FILE, Journal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
AT = 1_795_097_000_000_000_000  # 19 November 2026, some minutes before the market of the stack begins


def slept(home: Home) -> None:
    """The journal of a runner that noticed a suspend and then ended."""
    (folder := home.account(ACCOUNT)).mkdir(parents=True, exist_ok=True)
    journal, state = Journal(folder / FILE), AccountState(ACCOUNT, Limits(), lambda *_: None)  # type: ignore[arg-type]
    event = e.ClockJumped(at=AT, by_s=3600.0)
    journal.append(event, [journal_form(c) for c in step(state, event)])
    journal.sync()
    journal.close()


@pytest.mark.statement(53)
async def test_the_halt_of_a_suspend_is_released_through_the_desk(tmp_path: Path) -> None:
    slept(Home(tmp_path))
    async with stack(tmp_path) as made:
        await made.desk.ensure_runner(ACCOUNT)
        await made.until(
            "it is halted", lambda: CLOCK_JUMPED in made.runner_view().get("account", {}).get("halted", [])
        )
        where = json.loads((made.home.desk / "desk.json").read_text())
        client = Desk(where["url"], where["token"])
        told = await asyncio.to_thread(client.release, ACCOUNT, reason="the laptop slept", by="ann")
        assert told["accepted"] and told["released"] == [CLOCK_JUMPED], told
        await made.until("it shows", lambda: CLOCK_JUMPED not in made.runner_view()["account"]["halted"])
        again = await asyncio.to_thread(client.release, ACCOUNT, reason="the laptop slept", by="ann")
        assert not again["accepted"] and CLOCK_JUMPED not in again["reason"]
