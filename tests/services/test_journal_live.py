"""A journal that is damaged, or a disk that is full, under a real runner: nothing enters, and a person can get out."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from tests.services.stack import ACCOUNT, Stack, open_orders, stack
from workbench.services.decider import JOURNAL_BROKEN
from workbench.storage.records import FILE, MAGIC, read_contents

pytestmark = [pytest.mark.slow, pytest.mark.chaos]
FAST = {"fast": 2, "slow": 4}


def halted(made: Stack) -> str:
    return " ".join(made.runner_view().get("account", {}).get("halted", []))


async def flat(made: Stack, session: str) -> None:
    await made.desk.command_session(session, "flatten", "ann")
    await made.until("flat at the broker", lambda: made.broker_qty() == 0 and not open_orders(made), 60)
    await made.until("and in the runner's eyes", lambda: made.own_qty() == 0, 20)


def flip_the_middle(path: Path) -> bytes:
    """Damage a record that is followed by many good ones."""
    data, at = bytearray(path.read_bytes()), len(MAGIC)
    for _ in range(20):
        at += 8 + int.from_bytes(data[at : at + 4], "little")
    data[at + 10] ^= 0x55
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.statement(11)
@pytest.mark.statement(21)
async def test_a_runner_with_a_damaged_journal_comes_up_reads_and_closes_and_enters_nothing(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=120.0) as made:
        session = (await made.start(**FAST))["session"]
        await made.until("a position", lambda: made.broker_qty() != 0)
        runner, path = made.desk.runners[ACCOUNT], made.home.account(ACCOUNT) / FILE
        pid = made.kill_runner()
        await made.until("it is dead", lambda: runner.exit_code is not None)
        damaged = flip_the_middle(path)
        await made.until("it is back", lambda: runner.state == "running" and runner.pid != pid, 40)
        await made.until("entries are blocked", lambda: "damaged" in halted(made), 40)
        await made.until("the broker is read", lambda: bool(made.runner_view()["account"]["synced"]), 40)
        await made.until("its position is the broker's", lambda: made.own_qty() == made.broker_qty(), 40)
        await made.until(
            "it is told", lambda: any("nothing is entered, the account is read" in text for text in made.alerts()), 20
        )
        sent = len(made.placed())
        await flat(made, session)
        await asyncio.sleep(2.0)  # four minutes of market: the averages cross
        assert len(made.placed()) == sent, "not one entry"
        assert path.read_bytes() == damaged, "the file is left for a person"


@pytest.mark.statement(12)
@pytest.mark.statement(53)
async def test_a_runner_whose_disk_is_full_enters_nothing_tells_it_and_closes(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=120.0) as made:
        session = (await made.start(**FAST))["session"]
        await made.until("a position", lambda: made.broker_qty() != 0)
        runner, path = made.desk.runners[ACCOUNT], made.home.account(ACCOUNT) / FILE
        most = path.stat().st_size + 700
        resource.prlimit(runner.pid, resource.RLIMIT_FSIZE, (most, most))  # its files may not grow any more
        await made.until("it is told", lambda: any("File too large" in text for text in made.alerts()), 60)
        await made.until("entries are blocked", lambda: JOURNAL_BROKEN in halted(made), 20)
        sent = len(made.placed())
        await flat(made, session)
        await asyncio.sleep(2.0)
        assert len(made.placed()) == sent
        assert read_contents(path).damage == "", "what was written is whole"


@pytest.mark.statement(14)
async def test_a_runner_whose_lease_was_taken_stops_sending(tmp_path: Path) -> None:
    from workbench.storage.lock import next_epoch

    async with stack(tmp_path, rate=120.0) as made:
        await made.start(**FAST)
        await made.until("a position", lambda: made.broker_qty() != 0)
        runner = made.desk.runners[ACCOUNT]
        pid = runner.pid
        next_epoch(made.home.account(ACCOUNT))  # as a runner on a machine that does not see our lock would
        await made.until("it has ended", lambda: runner.pid != pid or runner.state != "running", 20)
        log = (made.home.logs / f"runner-{ACCOUNT}.log").read_text()
        assert "the lease of the account was taken by epoch" in log
