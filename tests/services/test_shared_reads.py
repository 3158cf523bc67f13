"""What many pages ask of the broker is asked of it once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.services.clock import MarketClock
from workbench.services.shared_reads import SharedReads
from workbench.services.supervisor import Desk


class Counted:
    """A read that takes a while, and counts."""

    def __init__(self, fails: bool = False) -> None:
        self.count, self.fails = 0, fails

    async def read(self) -> int:
        self.count += 1
        await asyncio.sleep(0.01)
        if self.fails:
            raise RuntimeError("429")
        return self.count


async def test_all_who_ask_within_a_moment_get_the_answer_of_one_read() -> None:
    now, counted = [0.0], Counted()
    reads = SharedReads(5.0, lambda: now[0])
    assert await asyncio.gather(*(reads.of("orders", counted.read) for _ in range(50))) == [1] * 50
    now[0] = 4.9
    assert await reads.of("orders", counted.read) == 1
    now[0] = 5.1
    assert await reads.of("orders", counted.read) == 2
    assert await reads.of("fills", counted.read) == 3, "another list is another read"


async def test_a_broker_that_refuses_is_not_asked_again_at_once() -> None:
    reads, counted = SharedReads(5.0, lambda: 0.0), Counted(fails=True)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="429"):
            await reads.of("orders", counted.read)
    assert counted.count == 1


async def test_who_asked_first_may_go_and_the_others_get_their_answer() -> None:
    reads, counted = SharedReads(), Counted()
    first, second = (asyncio.create_task(reads.of("orders", counted.read)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1


async def test_pages_that_look_at_a_stopped_account_cost_the_broker_one_read_of_each_list() -> None:
    asked: list[str] = []

    async def orders(*_: Any) -> list[Any]:
        asked.append("orders")
        return []

    async def trades(*_: Any) -> list[Any]:
        asked.append("fills")
        return []

    desk: Any = SimpleNamespace(
        runners={1001: SimpleNamespace(channel=None)}, reads=SharedReads(), clock=MarketClock(),
        rest=SimpleNamespace(orders=orders, trades=trades),
    )  # fmt: skip
    for name in ("_at_the_broker", "_read_the_day", "_collect"):
        setattr(desk, name, getattr(Desk, name).__get__(desk))
    for _ in range(20):  # ten seconds of a dashboard, or one second of ten
        await Desk.orders(desk, None)
        await Desk.fills(desk, None)
    assert asked == ["orders", "fills"]
