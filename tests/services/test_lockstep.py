"""The same seed in lockstep gives the same orders, twice, through real processes and sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.stack import ACCOUNT, stack

pytestmark = pytest.mark.slow
MINUTES = 90


async def run_once(folder: Path) -> list[tuple[Any, ...]]:
    async with stack(folder, lockstep=True) as made:
        begin = made.simulator.exchange.now
        made.simulator.clock.pause(True)
        await made.start(fast=3, slow=8)
        made.simulator.clock.pause(False)
        made.simulator.pump.wake()
        end = begin + MINUTES * 60_000_000_000
        await made.until(f"{MINUTES} minutes of market", lambda: made.simulator.exchange.now >= end, 120)
        orders = [o for o in made.simulator.exchange.orders.values() if o.account == ACCOUNT and o.created < end]
        return [(o.id, o.created, o.side, o.type, o.size, o.limit, o.stop, o.parent) for o in orders]


async def test_same_seed_in_lockstep_gives_the_same_orders_twice(tmp_path: Path) -> None:
    first = await run_once(tmp_path / "one")
    second = await run_once(tmp_path / "two")
    assert len(first) >= 6, "the run must trade to mean anything"
    assert first == second
