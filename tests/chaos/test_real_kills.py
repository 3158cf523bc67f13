"""Twenty real deaths of the runner's process on the real stack: SIGKILL at exact points, on the wire, and at random."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.services.stack import ACCOUNT, Stack, open_orders, stack
from workbench.services.children import ACCOUNT_TAKEN
from workbench.services.crash import VARIABLE
from workbench.services.desk_file import TOKEN_ENV
from workbench.simulator.config import Latency
from workbench.storage.lock import AccountLock

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]
FAST = {"fast": 2, "slow": 4}
PLACE = "/api/Order/place"


def is_back(made: Stack, old_pid: int) -> bool:
    runner = made.desk.runners[ACCOUNT]
    account = made.runner_view().get("account", {})
    return runner.state == "running" and runner.pid != old_pid and bool(account.get("synced"))


def working_ids(made: Stack) -> set[int]:
    return {o.id for o in open_orders(made)}


def shown_ids(made: Stack) -> set[int]:
    return {o["order_id"] for o in made.runner_view().get("account", {}).get("working", [])}


def agrees(made: Stack) -> bool:
    account = made.runner_view().get("account", {})
    broker = made.simulator.exchange.accounts[ACCOUNT]
    cents = round(float(broker.balance), 2) == account.get("balance_usd")
    return cents and made.own_qty() == made.broker_qty() and working_ids(made) == shown_ids(made)


def uncovered(made: Stack) -> int:
    """Contracts of the position that no working stop at the exchange covers."""
    qty = made.broker_qty()
    stops = sum(o.remaining for o in open_orders(made) if o.type in (4, 5) and o.status == 1 and o.sign * qty < 0)
    return max(0, abs(qty) - stops)


async def assert_whole(made: Stack) -> None:
    """The broker's and our orders, position and money are one; nothing was sent twice; nothing is naked."""
    await made.until("orders, position and money agree", lambda: agrees(made), 30)
    twice = [tag for tag, n in Counter(made.tags()).items() if n > 1]
    assert not twice
    assert len(made.placed()) == len({r["body"].split('"customTag":"')[1].split('"')[0] for r in made.placed()})
    await made.until("every contract has its stop", lambda: uncovered(made) == 0, 5)
    assert not any(p["locked"] for p in made.runner_view()["account"]["positions"])


async def come_back(made: Stack, pid: int) -> None:
    await made.until("the runner is back", lambda: is_back(made, pid), 90)
    await assert_whole(made)


@pytest.mark.statement(3)
@pytest.mark.statement(15)
@pytest.mark.parametrize("outcome", ["never arrived", "accepted", "filled", "rejected"])
async def test_killed_while_the_answer_is_awaited_the_exchange_decides_what_became_of_it(
    tmp_path: Path, outcome: str
) -> None:
    slow = {"latency": Latency(acceptance_ms=600_000)} if outcome == "accepted" else {}
    async with stack(tmp_path, rate=60.0, **slow) as made:
        faults = made.simulator.faults
        if outcome == "never arrived":
            faults.set("timeout_before", path=PLACE, hang_s=5.0, count=1)
        else:
            faults.set("timeout_after", path=PLACE, hang_s=5.0, count=1)
        if outcome == "rejected":
            faults.set("reject_order", count=1)
        await made.start(**FAST)
        await made.until("an order is on the wire", lambda: bool(made.placed()), 150)
        await asyncio.sleep(0.15)
        mine = [o for o in made.simulator.exchange.orders.values() if o.account == ACCOUNT and o.tag]
        assert len(mine) == (0 if outcome == "never arrived" else 1)
        tag = made.placed()[0]["body"].split('"customTag":"')[1].split('"')[0]
        if outcome == "accepted":
            assert mine[0].status == 6, "it waits at the exchange"
        pid = made.kill_runner()
        await made.until("the runner is back", lambda: is_back(made, pid), 90)
        if outcome == "never arrived":
            await made.until(
                "it is known never to have arrived", lambda: "never reached" in " ".join(made.alerts()), 60
            )
        await assert_whole(made)
        sent = [r for r in made.placed() if tag in r["body"]]
        assert len(sent) == 1, "no second order for that intent"
        assert made.tags().count(tag) == (0 if outcome == "never arrived" else 1)
        if outcome == "filled":
            assert mine[0].filled == mine[0].size
        if outcome == "rejected":
            assert mine[0].status == 5
        assert (await made.desk.stop("end of test", None, "test"))["result"] == "FLAT"


@pytest.mark.statement(1)
@pytest.mark.statement(2)
@pytest.mark.statement(4)
@pytest.mark.statement(5)
@pytest.mark.statement(6)
@pytest.mark.statement(42)
@pytest.mark.parametrize(
    "points", [("K0", "K1", "K3", "K4"), ("K5", "K6", "K8", "K11"), ("", "K2", "", "K6"), ("", "", "K3", "K11")]
)
async def test_killed_again_and_again_at_exact_points_and_at_random(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: tuple[str, ...]
) -> None:
    rng = random.Random("".join(points))
    async with stack(tmp_path, rate=60.0) as made:
        await made.start(**FAST)
        runner = made.desk.runners[ACCOUNT]
        if points[0]:
            monkeypatch.setenv(VARIABLE, points[0])
            made.kill_runner()  # the next one dies at the point
        for n, point in enumerate(points):
            pid = runner.pid
            if point:
                await made.until(f"it dies at {point}", lambda: runner.exit_code == 137, 150)
            else:
                await made.until("it runs", lambda: runner.state == "running", 40)
                await asyncio.sleep(rng.uniform(0.2, 2.0))
                pid = runner.pid
                made.kill_runner()
            following = points[n + 1] if n + 1 < len(points) else ""
            if following:
                monkeypatch.setenv(VARIABLE, following)  # inherited by the runner that the desk starts next
            else:
                monkeypatch.delenv(VARIABLE, raising=False)
            if following != "K11":
                await come_back(made, pid)
        assert (await made.desk.stop("end of test", None, "test"))["result"] == "FLAT"
        assert made.broker_qty() == 0
        assert not open_orders(made)


def second_runner(made: Stack) -> list[str]:
    base = made.simulator.url
    return [
        sys.executable, "-m", "workbench.services.runner_main", "--account", str(ACCOUNT),
        "--home", str(made.home.path), "--desk", "http://127.0.0.1:9", "--rest", base, "--hubs", base, "--simulated",
    ]  # fmt: skip


@pytest.mark.statement(14)
async def test_of_two_runners_for_one_account_only_the_first_trades(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=60.0) as made:
        await made.start(**FAST)
        holder = AccountLock(made.home.account(ACCOUNT)).holder()
        assert holder is not None
        done: Any = await asyncio.to_thread(
            subprocess.run, second_runner(made), capture_output=True, text=True, timeout=60, check=False,
            env={**__import__("os").environ, TOKEN_ENV: "none"},
        )  # fmt: skip
        assert done.returncode == ACCOUNT_TAKEN
        assert f"account {ACCOUNT} is held by" in done.stderr
        assert AccountLock(made.home.account(ACCOUNT)).holder() == holder
        await made.until("the first one trades on", lambda: bool(made.placed()), 60)
        assert (await made.desk.stop("end of test", None, "test"))["result"] == "FLAT"
