"""The red button under everything that may go wrong at once: what it closes, what it never does, what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.benchmarks import bench_stop
from tests.services.stack import ACCOUNT, CONTRACT, Stack, open_orders, stack
from workbench.api.app import build_app
from workbench.gateway.messages import PlaceOrderRequest
from workbench.services import desk_main
from workbench.services.desk_main import serve_desk
from workbench.services.settings import load_profile
from workbench.simulator import requests
from workbench.storage.latch import drop_stop_file

pytestmark = pytest.mark.chaos
FAST = {"fast": 2, "slow": 4}
LIMIT, MARKET = 1, 2
FRIDAY_EVENING = "2026-11-20T21:50:00Z"  # 15:50 in Chicago, ten minutes before the close of the week
SUNDAY_OPEN = 1_795_388_400 * 10**9  # 2026-11-22 17:00 in Chicago


def place(made: Stack, kind: int, side: int, size: int, **levels: float) -> int:
    """An order by somebody else on the same account, straight into the exchange."""
    wish = PlaceOrderRequest(
        account_id=ACCOUNT,
        contract_id=CONTRACT,
        type=kind,
        side=side,
        size=size,
        **levels,  # type: ignore[arg-type]
    )
    answer = requests.place(made.simulator.exchange, wish)
    assert not answer.code, answer
    return int(answer.order_id or 0)


def load(made: Stack, orders: int) -> None:
    """A long position of 3 and so many orders that rest far away."""
    last = made.simulator.exchange.last(CONTRACT)
    assert last is not None
    place(made, MARKET, 0, 3)
    for n in range(orders):
        buys = n % 2 == 0
        place(made, LIMIT, 0 if buys else 1, 2, limit_price=(last + (-80 - n if buys else 80 + n)) / 4)


def turned(made: Stack, trades_before: int, sign: int = 1) -> bool:
    account = made.simulator.exchange.accounts[ACCOUNT]
    held = 0
    for n, trade in enumerate(sorted(account.trades, key=lambda t: t.id)):
        held += trade.size * (1 if trade.side == 0 else -1)
        if n >= trades_before and held * sign < 0:
            return True
    return False


def lives(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.contextmanager
def locked_database(made: Stack) -> Iterator[None]:
    """Somebody holds the whole database for himself."""
    other = sqlite3.connect(made.home.path / "workbench.db", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


@pytest.mark.statement(39)
async def test_with_the_database_locked_it_stops_all_the_same(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=30.0) as made:
        await made.start(**FAST)
        load(made, 10)
        await made.until("a position", lambda: made.broker_qty() != 0)
        with locked_database(made):
            result = await asyncio.wait_for(made.desk.stop("the database hangs", None, "ann"), 20)
        assert result["result"] == "FLAT", result
        assert made.broker_qty() == 0 and not open_orders(made)


@pytest.mark.statement(36)
@pytest.mark.statement(39)
async def test_two_stops_at_once_one_by_the_file_close_once_and_turn_nothing(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=30.0) as made:
        await made.start(**FAST)
        load(made, 30)
        await made.until("a position", lambda: made.broker_qty() != 0)
        before = len(made.simulator.exchange.accounts[ACCOUNT].trades)
        headers = {"Authorization": f"Bearer {made.desk._token}"}
        async with httpx.AsyncClient(base_url=made.desk.url, headers=headers, timeout=40, trust_env=False) as web:
            one, two = (web.post("/api/stop", json={"reason": r, "person": r}) for r in ("one", "two"))
            drop_stop_file(made.home, "three")
            answers = await asyncio.gather(one, two)
        assert [a.json()["result"] for a in answers] == ["FLAT", "FLAT"]
        assert made.broker_qty() == 0 and not open_orders(made)
        assert not turned(made, before)
        limited = [r for r in made.simulator.requests.entries if r["status"] == 429]
        assert not limited, "the request budget held"


@pytest.mark.statement(36)
@pytest.mark.statement(39)
async def test_a_runner_that_stood_still_through_the_stop_is_dead_and_sends_nothing_when_it_is_resumed(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path, rate=30.0) as made:
        await made.start(**FAST)
        load(made, 10)
        await made.until("the runner knows", lambda: made.own_qty() != 0)
        pid = made.desk.runners[ACCOUNT].pid
        os.kill(pid, signal.SIGSTOP)
        result = await made.desk.stop("it hangs", None, "ann")
        sent = len(made.placed())
        assert result["result"] == "FLAT" and result["accounts"][0]["killed_runner"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        await asyncio.sleep(1.0)
        assert not lives(pid)
        assert len(made.placed()) == sent and made.broker_qty() == 0


@pytest.mark.statement(36)
async def test_a_runner_that_stood_still_while_the_latch_fell_enters_nothing_when_it_is_resumed(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=120.0) as made:
        await made.start(**FAST)
        await made.until("it trades", lambda: len(made.placed()) > 0)
        runner = made.desk.runners[ACCOUNT]
        pid, others = runner.pid, made.desk.button
        os.kill(pid, signal.SIGSTOP)
        others._due = list  # type: ignore[method-assign]  # nobody else acts: no desk, no command line
        sent = len(made.placed())
        await asyncio.sleep(1.0)  # bars and fills pile up in its sockets
        drop_stop_file(made.home, "by hand")
        os.kill(pid, signal.SIGCONT)
        await made.until("it has closed by itself and ended", lambda: not lives(pid), 30)
        assert len(made.placed()) == sent, "the first thing it does is to look at the latch"
        assert made.broker_qty() == 0


def asked_for(made: Stack) -> list[dict[str, Any]]:
    changing = ("/api/Order/cancel", "/api/Position/closeContract")
    return [r for r in made.simulator.requests.entries if r["path"] in changing]


@pytest.mark.statement(38)
async def test_a_desk_that_was_started_anew_closes_at_the_open_what_the_weekend_kept(tmp_path: Path) -> None:
    async with stack(tmp_path, start=FRIDAY_EVENING, rate=1.0) as made:
        await made.desk.ensure_runner(ACCOUNT)
        load(made, 4)
        await made.until("a position", lambda: made.broker_qty() == 3)
        made.simulator.faults.set("refuse_cancel", closed_only=True)
        exchange, home = made.simulator.exchange, made.home
        contract = exchange.contract(CONTRACT)
        assert contract is not None
        made.simulator.sync()
        made.simulator.clock.set_rate(120.0)
        await made.until("the week is over", lambda: not exchange.market.is_open(contract, exchange.now), 30)
        await made.until("the desk knows it", lambda: not made.desk.hours.is_open(CONTRACT), 30)
        result = await made.desk.stop("over the weekend", None, "ann")
        assert result["result"] == "NOT_FLAT"
        assert "at the open" in str(result["remaining"]), result
        assert f"+3 {CONTRACT}" in result["remaining"], result
        made.desk.button._due = list  # type: ignore[method-assign]  # this desk is dead for all it does
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(desk_main, "only_desk", lambda home: contextlib.nullcontext())
            profile = load_profile("sim", simulator_url=made.simulator.url)
            async with serve_desk(home, profile, build_app, port=0) as again:
                await made.until("it has looked once", lambda: again.button.result is not None, 30)
                looked = asked_for(made)
                assert 2 <= len(looked) <= 3, "a try of each desk, one more while the new one learns the market's time"
                made.simulator.sync()
                made.simulator.clock.set_rate(7200.0)
                await made.until("the week has begun", lambda: exchange.now > SUNDAY_OPEN, 120)
                await made.until("closed", lambda: made.broker_qty() == 0 and not open_orders(made), 30)
                later = [r["at"] for r in asked_for(made)[len(looked) :]]
                assert later and min(later) >= SUNDAY_OPEN - 60 * 10**9, "not a blind loop over the weekend"


@pytest.mark.statement(36)
async def test_thirty_orders_part_fills_and_a_flood_of_quotes(tmp_path: Path) -> None:
    """Three of the runs that ``python -m tests.benchmarks.bench_stop`` makes by the hundred; times are not judged."""
    rows: list[dict[str, Any]] = []
    async with bench_stop.bench(tmp_path / "home") as made:
        for mode in ("plain", "hung", "two"):
            rows.append(await made.one(len(rows), mode))
    for row in rows:
        assert row["result"] == "FLAT" and row["left"] == 0, row
        assert row["runner_gone"] and not row["turned"], row
        assert row["entries_after_block"] == 0 and row["limited"] == 0 and row["closes"] <= 2, row
        assert row["requests"] < 120, row


@pytest.mark.statement(41)
async def test_a_storm_of_reconnects_is_capped_by_growing_pauses(tmp_path: Path) -> None:
    # By hand: pauses are drawn from 0 to 1, 2, 4, 8 … s, so 12 s hold about 5 attempts of each hub, hardly ever 12.
    async with stack(tmp_path, rate=1.0) as made:
        await made.desk.ensure_runner(ACCOUNT)
        await made.until("the runner is up", lambda: bool(made.runner_view().get("account", {}).get("synced")))
        tried = {"user": 0, "market": 0}
        faults, was = made.simulator.faults, made.simulator.faults.hits_hub

        def counted(name: str, hub: str) -> bool:
            if name == "refuse_hub":
                tried[hub] += 1
            return was(name, hub)

        faults.hits_hub = counted  # type: ignore[method-assign]
        faults.set("refuse_hub")
        faults.set("drop_hub")
        await asyncio.sleep(12.0)
        assert all(1 <= n <= 24 for n in tried.values()), tried  # two clients: the runner and ingest
        halted = made.runner_view()["account"]["halted"]
        assert any("hub is down" in reason for reason in halted), "entries are blocked at once"
        faults.clear("refuse_hub")
        await made.until(
            "it is back", lambda: not any("down" in h for h in made.runner_view()["account"]["halted"]), 60
        )
