"""A runner cuts its own journal while it runs, and only while the account is its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.execution.test_pruning import days
from tests.services.test_runner_verbs import ACCOUNT, AT, running
from workbench.execution.step import journal_form
from workbench.services import runner, upkeep
from workbench.services.journal_fold import JournalFold, silent_state
from workbench.storage.records import Record, files_of, read_history

pytestmark = pytest.mark.statement(9)
DAY_NS = 86_400_000_000_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SMALL", 100)
    monkeypatch.setattr(runner, "TIMER_EVERY_S", 0.01)


async def test_a_running_runner_cuts_its_journal_when_a_trading_date_begins(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        await desk.begin()
        folder = desk.home.account(ACCOUNT)
        desk.runner.upkeep.look()
        assert [p.name for p in files_of(folder)] == ["journal.wbj"], "the first date of an account follows no other"
        desk.runner.clock.announce(AT + DAY_NS, 1.0, 2, False)
        while len(files_of(folder)) == 1:
            await asyncio.sleep(0.01)
        await desk.say("pause")
    assert [p.name for p in files_of(folder)] == ["journal-1.wbj", "journal.wbj"]
    told = [type(record.event).__name__ for record in read_history(folder)]
    assert told.count("SessionStarted") == told.count("SessionPaused") == 1
    async with running(tmp_path) as desk:
        assert desk.runner.state.sessions["one"].status == "paused", "a start goes on from the cut"


@pytest.mark.statement(12)
async def test_a_runner_that_has_lost_the_account_leaves_the_journal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "MOST", 100)
    monkeypatch.setattr(runner, "LATCH_EVERY_S", 60.0)
    monkeypatch.setattr(runner, "TIMER_EVERY_S", 0.2)
    async with running(tmp_path) as desk:
        folder = desk.home.account(ACCOUNT)
        (folder / "lease.json").write_text(json.dumps({"epoch": 9}))  # while it stood still somebody else took over
        await asyncio.wait_for(desk.runner.stopped.wait(), 5.0)
        assert "epoch 9" in desk.runner.stop_reason
    assert [p.name for p in files_of(folder)] == ["journal.wbj"]


def test_what_an_account_lets_go_of_stays_in_the_history() -> None:
    ride = days(6)
    fold, shown = JournalFold(silent_state(ride.state.account)), dict[int, int | None]()
    for event, commands in ride.log:
        fold.take(Record(event, [journal_form(command) for command in commands]))
        for number in fold.gone_orders():
            shown.pop(number)
        shown |= {number: order.order_id for number, _, order in fold.changed_orders()}
    assert len(fold.state.orders) < len(ride.broker.orders), "its own memory is as short as the runner's"
    assert sorted(number for number in shown.values() if number) == sorted(ride.broker.orders)
    assert len(fold.fills) == len(ride.broker.fills)
