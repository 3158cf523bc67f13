"""The emergency stop where the disk is full or hangs, and where the gateway shows its own closing order."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.services.test_stop import CONTRACT, FakeBroker, order
from workbench.domain.commands import Accepted, Outcome
from workbench.domain.errors import StorageError
from workbench.domain.order import OrderType, Status
from workbench.services import stop as module
from workbench.services.stop import emergency_stop
from workbench.storage.home import Home


class Blind(FakeBroker):
    """A broker that does not look at the latch."""

    async def cancel(self, account: int, order_id: int) -> Outcome:
        self.calls.append(f"cancel {order_id}")
        self.orders.pop(order_id, None)
        return Accepted(order_id=order_id)


class Honest(Blind):
    """A gateway whose close is a market order of its own, pending for a while and cancellable."""

    async def close(self, account: int, contract: str) -> Outcome:
        self.calls.append("close")
        self.orders[99] = order(99, type=OrderType.MARKET, status=Status.PENDING)
        self.reads_left = 3
        return Accepted()

    async def positions(self, account: int) -> list:
        if 99 in self.orders:
            self.reads_left -= 1
            if not self.reads_left:
                del self.orders[99]
                self.qty = 0
        return await super().positions(account)


async def test_a_full_disk_does_not_keep_the_stop_from_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kw: object) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr("workbench.storage.latch.write_durably", full)
    monkeypatch.setattr(module, "write_durably", full)
    place = Home(tmp_path)
    broker = Blind([order(5)], 2, place)
    result = await emergency_stop(place, [1], broker, reason="test", by="person")
    assert (result["result"], result["latched"]) == ("FLAT", False)
    assert broker.qty == 0 and not broker.orders


@pytest.mark.statement(12)
async def test_a_disk_that_hangs_does_not_keep_the_stop_from_closing_and_from_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_back, closed_by_then = threading.Event(), list[int]()
    place = Home(tmp_path)
    broker = Blind([order(5)], 2, place)

    def hangs(path: Path, data: bytes) -> None:
        comes_back.wait(20.0)
        closed_by_then.append(broker.qty)

    monkeypatch.setattr("workbench.storage.latch.write_durably", hangs)
    monkeypatch.setattr(module, "write_durably", hangs)
    monkeypatch.setattr(module, "DISK_WITHIN_S", 0.05)
    try:
        result = await emergency_stop(place, [1], broker, reason="test", by="person")
        assert (result["result"], result["latched"]) == ("FLAT", False)
        assert broker.qty == 0 and not broker.orders
        assert not closed_by_then, "nothing has come back yet"
    finally:
        comes_back.set()


async def test_the_order_of_its_own_close_is_not_cancelled(tmp_path: Path) -> None:
    place = Home(tmp_path)
    broker = Honest([order(5)], 2, place)
    result = await emergency_stop(place, [1], broker, reason="test", by="person")
    assert result["result"] == "FLAT"
    assert [call for call in broker.calls if call != "read"] == ["cancel 5", "close"]
    assert CONTRACT not in str(result["remaining"])
