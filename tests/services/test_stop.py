"""The emergency stop by itself: latch, take over, cancel, close, prove."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.domain.commands import Accepted, Outcome, Rejected
from workbench.domain.errors import GatewayError
from workbench.domain.events import PositionReported
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.services import stop as module
from workbench.services import sweep
from workbench.services.stop import emergency_stop
from workbench.storage.home import Home
from workbench.storage.latch import read_latch, stopped_mark
from workbench.storage.lock import AccountLock, is_same_process

CONTRACT = "CON.F.US.MES.Z26"


def order(number: int, **values: object) -> Order:
    base = {"account": 1, "contract": CONTRACT, "side": Side.SELL, "type": OrderType.STOP, "qty": 1}
    return Order(**{**base, "order_id": number, "status": Status.WORKING, **values})  # type: ignore[arg-type]


class FakeBroker:
    """An account at a broker; `calls` keeps the order of everything asked."""

    def __init__(self, orders: list[Order], qty: int, home: Home) -> None:
        self.orders, self.qty, self.home = {o.order_id: o for o in orders}, qty, home
        self.calls: list[str] = []
        self.refuse_cancels = 0
        self.unreadable = 0
        self.close_takes_s = 0.0

    async def working(self, account: int) -> list[Order]:
        if self.unreadable:
            self.unreadable -= 1
            raise GatewayError("the gateway is away")
        return list(self.orders.values())

    async def positions(self, account: int) -> list[PositionReported]:
        self.calls.append("read")
        return [PositionReported(at=0, account=account, contract=CONTRACT, qty=self.qty, average_price=1.0)]

    async def cancel(self, account: int, order_id: int) -> Outcome:
        assert read_latch(self.home, account) is not None, "the latch is on disk before the first cancel"
        self.calls.append(f"cancel {order_id}")
        if self.refuse_cancels:
            self.refuse_cancels -= 1
            return Rejected(code=3, name="Rejected", reason="market closed")
        self.orders.pop(order_id, None)
        return Accepted(order_id=order_id)

    async def close(self, account: int, contract: str) -> Outcome:
        self.calls.append("close")
        if self.close_takes_s:
            asyncio.get_running_loop().call_later(self.close_takes_s, self._flat)
        else:
            self._flat()
        return Accepted()

    def _flat(self) -> None:
        self.qty = 0


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def stop(broker: FakeBroker, place: Home, accounts: list[int] | None = None) -> dict[str, object]:
    return await emergency_stop(place, accounts or [1], broker, reason="test", by="person")


@pytest.mark.statement(36)
@pytest.mark.statement(37)
async def test_cancels_before_it_closes_and_proves_flat_by_two_readings(place: Home) -> None:
    broker = FakeBroker([order(11, parent_id=10), order(10)], 2, place)
    begun = time.monotonic()
    result = await stop(broker, place)
    assert result["result"] == "FLAT"
    assert [c for c in broker.calls if c != "read"] == ["cancel 10", "cancel 11", "close"], "parents first, then legs"
    assert time.monotonic() - begun >= sweep.BETWEEN_CLEAN_READS_S, "one clean reading is no proof"
    assert read_latch(place, 1) is not None, "it stays latched"


async def test_nobody_closes_twice_while_a_close_settles(place: Home) -> None:
    broker = FakeBroker([], 1, place)
    broker.close_takes_s = 0.5
    assert (await stop(broker, place))["result"] == "FLAT"
    assert broker.calls.count("close") == 1


@pytest.mark.statement(38)
async def test_refused_cancels_are_asked_again_and_nothing_is_closed_before(place: Home) -> None:
    broker = FakeBroker([order(10)], 1, place)
    broker.refuse_cancels = 3
    assert (await stop(broker, place))["result"] == "FLAT"
    assert broker.calls.count("cancel 10") == 4
    assert broker.calls.index("close") > len(broker.calls) - 1 - broker.calls[::-1].index("cancel 10")


@pytest.mark.statement(38)
async def test_what_remains_is_listed_when_it_cannot_be_closed(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_UP_S", 0.3)
    broker = FakeBroker([order(10)], 1, place)
    broker.refuse_cancels = 10**6
    result = await stop(broker, place)
    assert result["result"] == "NOT_FLAT"
    assert any("order 10 SELL 1" in text for text in result["remaining"])  # type: ignore[attr-defined]
    assert any(text.startswith("+1 ") for text in result["remaining"])  # type: ignore[attr-defined]
    kept = json.loads((place.account(1) / "stop_result.json").read_text())
    assert kept["result"] == "NOT_FLAT"


@pytest.mark.statement(38)
async def test_an_unreadable_broker_is_never_flat(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_UP_S", 0.3)
    broker = FakeBroker([], 0, place)
    broker.unreadable = 10**6
    result = await stop(broker, place)
    assert result["result"] == "NOT_FLAT"
    assert "cannot be read" in str(result["remaining"])


async def test_one_failed_reading_starts_the_proof_anew(place: Home) -> None:
    broker = FakeBroker([], 0, place)
    broker.unreadable = 1
    assert (await stop(broker, place))["result"] == "FLAT"


async def test_a_gateway_out_of_reach_leaves_the_latch(place: Home) -> None:
    async def nobody() -> FakeBroker:
        raise GatewayError("connection refused")

    result = await emergency_stop(place, [1], nobody, reason="test", by="person")
    assert result["result"] == "NOT_FLAT"
    assert result["latched"]
    assert read_latch(place, 1) is not None


HANG = """
import sys, time
from pathlib import Path
from workbench.storage.lock import AccountLock
lock = AccountLock(Path(sys.argv[1])); lock.acquire("runner"); print("held", flush=True); time.sleep(600)
"""


@pytest.mark.statement(39)
async def test_a_hung_runner_is_killed_and_its_account_closed(place: Home) -> None:
    folder = place.account(1)
    hung = subprocess.Popen([sys.executable, "-c", HANG, str(folder)], stdout=subprocess.PIPE)
    assert hung.stdout is not None
    hung.stdout.readline()
    holder = AccountLock(folder).holder()
    assert holder is not None
    assert is_same_process(holder)
    broker = FakeBroker([order(10)], 1, place)
    result = await stop(broker, place)
    hung.wait(5)
    hung.stdout.close()
    assert hung.returncode == -9
    assert result["result"] == "FLAT"
    assert result["accounts"][0]["killed_runner"]  # type: ignore[index]


async def test_a_runner_that_cannot_be_told_does_not_keep_us_from_closing(place: Home) -> None:
    async def tell(account: int) -> None:
        raise RuntimeError("the channel is broken")

    broker = FakeBroker([], 1, place)
    result = await emergency_stop(place, [1], broker, reason="test", by="person", order_runner=tell)
    assert result["result"] == "FLAT"


@pytest.mark.statement(36)
async def test_who_has_an_account_is_told_after_the_latch_and_let_go_before_the_first_cancel(place: Home) -> None:
    broker, told = FakeBroker([order(10)], 1, place), list[tuple[int, bool, list[str]]]()
    lock = AccountLock(place.account(1))
    lock.acquire("a runner that does as it is told")

    async def tell(account: int) -> None:
        told.append((account, read_latch(place, account) is not None, [c for c in broker.calls if c != "read"]))
        lock.release()

    result = await emergency_stop(place, [1], broker, reason="test", by="person", order_runner=tell)
    assert told == [(1, True, [])]
    assert result["result"] == "FLAT" and not result["accounts"][0]["killed_runner"]  # type: ignore[index]


async def test_a_stop_that_has_no_way_to_tell_a_runner_does_not_warn_of_it(
    place: Home, caplog: pytest.LogCaptureFixture
) -> None:
    lock = AccountLock(place.account(1))
    lock.acquire("a runner that has seen the latch")
    asyncio.get_running_loop().call_later(0.02, lock.release)
    assert (await stop(FakeBroker([order(10)], 1, place), place))["result"] == "FLAT"
    assert caplog.messages == []


async def test_every_stopped_account_keeps_a_mark_that_ends_its_sessions_later(place: Home) -> None:
    await stop(FakeBroker([], 0, place), place, [1, 2])
    assert [stopped_mark(place, account).read_text() for account in (1, 2)] == ["test", "test"]


async def test_two_closers_at_once_close_once(place: Home) -> None:
    broker = FakeBroker([order(10)], 1, place)
    first, second = await asyncio.gather(stop(broker, place), stop(broker, place))
    assert first["result"] == second["result"] == "FLAT"
    assert broker.calls.count("close") == 1


async def test_a_stop_of_no_account_is_latched_and_claims_nothing(place: Home) -> None:
    broker = FakeBroker([order(10)], 1, place)
    result = await emergency_stop(place, [], broker, reason="test", by="person")
    assert result["result"] == "NOT_FLAT", "nobody has read anything"
    assert "no account is known" in str(result["remaining"])
    assert read_latch(place) is not None
    assert broker.calls == []
