"""`kill -9` of the runner at any moment: no second order for one intent, the broker's position, the latch as it was."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.services.stack import ACCOUNT, Stack, open_orders, stack
from workbench.services.children import DEGRADED_AFTER
from workbench.services.crash import VARIABLE
from workbench.storage.journal import read_journal
from workbench.storage.latch import read_latch

pytestmark = pytest.mark.chaos
FAST = {"fast": 2, "slow": 4}


def is_back(made: Stack, old_pid: int) -> bool:
    runner = made.desk.runners[ACCOUNT]
    account = made.runner_view().get("account", {})
    return runner.state == "running" and runner.pid != old_pid and bool(account.get("synced"))


async def assert_agrees(made: Stack) -> None:
    """What the runner believes becomes what the broker has, and stays it; no tag was placed twice."""
    await made.until("own position is the broker's", lambda: made.own_qty() == made.broker_qty(), 20)
    sent = Counter(made.tags())
    assert all(n == 1 for n in sent.values()), sent.most_common(3)
    positions = made.runner_view()["account"]["positions"]
    assert not any(p["locked"] for p in positions), positions


async def test_killed_at_random_moments_no_intent_is_sent_twice(tmp_path: Path) -> None:
    rng = random.Random(3)
    async with stack(tmp_path, rate=120.0) as made:
        await made.start(**FAST)
        for _ in range(DEGRADED_AFTER - 1):
            await asyncio.sleep(rng.uniform(0.3, 2.5))
            pid = made.kill_runner()
            await made.until("the runner is back", lambda pid=pid: is_back(made, pid), 40)
            await assert_agrees(made)
        await made.until("it trades again", lambda: made.runner_view()["sent"] > 0, 60)
        result = await made.desk.stop("end of test", None, "test")
        assert result["result"] == "FLAT", result
        assert made.broker_qty() == 0
        assert not open_orders(made)
        assert len(made.placed()) == len(set(made.tags())), "every place request that was sent made exactly one order"


@pytest.mark.parametrize("point", ["K0", "K1", "K3", "K5", "K6"])
async def test_killed_at_an_exact_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    async with stack(tmp_path, rate=120.0) as made:
        monkeypatch.setenv(VARIABLE, point)
        await made.start(**FAST)
        runner = made.desk.runners[ACCOUNT]
        pid = runner.pid
        await made.until(f"it dies at {point}", lambda: runner.exit_code == 137, 60)
        monkeypatch.delenv(VARIABLE)
        if point == "K1":
            journal = read_journal(made.home.account(ACCOUNT) / "journal.wbj")
            assert journal[-1].commands, "the intent is on disk"
            assert not made.placed(), "and it has not left"
        await made.until("the runner is back", lambda: is_back(made, pid), 40)
        await assert_agrees(made)
        if point == "K1":
            tag = journal[-1].commands[-1].tag  # type: ignore[union-attr]
            await made.until(
                "it is known to have never arrived", lambda: "never reached" in " ".join(made.alerts()), 30
            )
            assert tag not in made.tags(), "and nobody sends it after the restart"
        assert (await made.desk.stop("end of test", None, "test"))["result"] == "FLAT"


@pytest.mark.statement(37)
async def test_latch_survives_a_kill_and_the_runner_does_not_come_back(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=120.0) as made:
        await made.start(**FAST)
        await made.until("a position", lambda: made.broker_qty() != 0, 60)
        stopping = asyncio.ensure_future(made.desk.stop("the button", None, "person"))
        await asyncio.sleep(0.01)
        runner = made.desk.runners[ACCOUNT]
        if runner.exit_code is None:
            made.kill_runner()
        assert (await stopping)["result"] == "FLAT"
        sent = len(made.placed())
        await asyncio.sleep(2.0)
        assert read_latch(made.home, ACCOUNT) is not None
        assert runner.state in ("stopped", "down", "lost")
        assert len(made.placed()) == sent, "nothing is entered while the latch holds"
        assert made.broker_qty() == 0


async def test_after_a_stop_is_cleared_the_old_session_does_not_trade_on(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=120.0) as made:
        first = await made.start(**FAST)
        await made.until("a position", lambda: made.broker_qty() != 0, 60)
        assert (await made.desk.stop("the button", None, "person"))["result"] == "FLAT"
        await made.desk.clear_stop("looked at everything", "person", None)
        sent = len(made.placed())
        await asyncio.sleep(1.5)
        assert len(made.placed()) == sent, "nobody starts anything"
        second = await made.start(**FAST)
        await made.until("the new session trades", lambda: len(made.placed()) > sent, 60)
        states = {s["session"]: s["state"] for s in made.runner_view()["sessions"]}
        assert states[first["session"]] == "ended"
        assert states[second["session"]] == "running"
        assert (await made.desk.stop("end of test", None, "test"))["result"] == "FLAT"
