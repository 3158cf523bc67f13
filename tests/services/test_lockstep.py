"""The same seed in lockstep gives the same orders, twice, through real processes and sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.stack import ACCOUNT, CONTRACT, stack
from workbench.domain.events import BarClosed
from workbench.research import backtest
from workbench.services.ingest import bars_of
from workbench.storage.home import Home
from workbench.storage.journal import read_journal

pytestmark = pytest.mark.slow
MINUTES = 90
SECOND = 1_000_000_000
MINUTE_NS = 60 * SECOND
PARAMETERS = {"fast": 3, "slow": 8}


async def run_once(folder: Path) -> list[tuple[Any, ...]]:
    async with stack(folder, lockstep=True) as made:
        made.simulator.clock.pause(True)
        begin = made.simulator.exchange.now
        await made.start(**PARAMETERS)
        made.simulator.clock.pause(False)
        made.simulator.pump.wake()
        end = begin + MINUTES * MINUTE_NS
        await made.until(f"{MINUTES} minutes of market", lambda: made.simulator.exchange.now >= end, 120)
        orders = [o for o in made.simulator.exchange.orders.values() if o.account == ACCOUNT and o.created < end]
        return [(o.id, o.created, o.side, o.type, o.size, o.limit, o.stop, bool(o.tag)) for o in orders]


async def test_same_seed_in_lockstep_gives_the_same_orders_twice(tmp_path: Path) -> None:
    first = await run_once(tmp_path / "one")
    second = await run_once(tmp_path / "two")
    assert len(first) >= 12, "the run must trade to mean anything"
    assert first == second


@pytest.mark.statement(49)
async def test_the_session_enters_when_and_where_the_backtest_of_the_same_bars_does(tmp_path: Path) -> None:
    orders = await run_once(tmp_path)
    entries = [(at - at % MINUTE_NS, side) for _, at, side, _, _, _, _, ours in orders if ours]
    bars = [r.event for r in read_journal(Home(tmp_path).account(ACCOUNT) / "journal.wbj")]
    bars = [b for b in bars if isinstance(b, BarClosed)]
    started = min(at for at, _ in entries)
    tested = backtest("sma_cross", bars_of(bars), contract=CONTRACT, **PARAMETERS).trades
    expected = [
        (int(t.timestamp()) * SECOND, 0 if side == "long" else 1)
        for t, side in zip(tested.entry_at, tested.side, strict=True)
    ]
    last = min(entries[-1][0], bars[-1].start)
    expected = [e for e in expected if started <= e[0] <= last]
    assert len(expected) >= 6
    assert [e for e in entries if e[0] <= last] == expected, "the same entries, at the same bar and side, and no others"
