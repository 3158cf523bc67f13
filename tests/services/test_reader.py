"""Readings of the broker: asked again until they come, never taken as flat, never the end of the runner."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from workbench.domain import events as e
from workbench.domain.errors import GatewayError
from workbench.services import reader as module
from workbench.services.reader import Reader, read_broker

CONTRACT = "CON.F.US.MES.Z26"


class FakeGateway:
    """One account; `raises` come first, `quantities` one a reading of positions."""

    def __init__(self, *quantities: int, raises: tuple[Exception, ...] = ()) -> None:
        self.quantities, self.raises, self.reads = list(quantities) or [0], list(raises), 0

    async def positions(self, account: int) -> list[e.PositionReported]:
        self.reads += 1
        if self.raises:
            raise self.raises.pop(0)
        qty = self.quantities.pop(0) if len(self.quantities) > 1 else self.quantities[0]
        return [e.PositionReported(at=0, account=account, contract=CONTRACT, qty=qty, average_price=1.0)]

    async def orders(self, account: int, since: int) -> list[Any]:
        return []

    async def working(self, account: int) -> list[Any]:
        return []

    async def fills(self, account: int, since: int) -> list[Any]:
        return []

    async def account(self, account: int) -> tuple[Decimal, bool]:
        return Decimal(1), True


async def test_positions_that_move_while_we_read_are_read_again() -> None:
    gateway = FakeGateway(0, 1, 1, 1)
    read = await read_broker(gateway, 1, 0, 5)
    assert [p.qty for p in read.positions] == [1]
    assert gateway.reads == 4


@pytest.mark.parametrize("error", [GatewayError("away"), KeyError("odd"), ValueError("half a message")])
async def test_whatever_a_reading_raises_it_is_told_and_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "APART_S", 0.01)
    came: list[e.Event] = []
    told: list[str] = []
    reader = Reader(FakeGateway(2, raises=(error,)), 1, came.append, lambda: 5, lambda: 0, told.append)
    task = asyncio.create_task(reader.run())
    reader.request("test")
    async with asyncio.timeout(5):
        while not came:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(told) == 1
    assert [type(x) for x in came] == [e.BrokerRead]


async def test_many_requests_are_one_reading() -> None:
    came: list[e.Event] = []
    reader = Reader(FakeGateway(), 1, came.append, lambda: 5, lambda: 0)
    reader.patient = False
    for _ in range(10):
        reader.request("test")
    task = asyncio.create_task(reader.run())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert reader.readings == len(came) == 1
