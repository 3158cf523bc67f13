"""The closing half of a stop: all cancels at once, no turned position, no wasted request."""

from __future__ import annotations

import asyncio
import time

import pytest

from workbench.domain.commands import Accepted, Outcome, Rejected, Unknown
from workbench.domain.events import PositionReported
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.gateway.faults import RateLimited
from workbench.services import sweep as module
from workbench.services.sweep import AccountStop, Reading, Sweep

MES, MNQ = "CON.F.US.MES.Z26", "CON.F.US.MNQ.Z26"


def order(number: int, side: Side = Side.SELL, contract: str = MES, **values: object) -> Order:
    base = {"account": 1, "contract": contract, "side": side, "type": OrderType.LIMIT, "qty": 1}
    return Order(**{**base, "order_id": number, "status": Status.WORKING, **values})  # type: ignore[arg-type]


class Broker:
    """An account; `stuck` orders are refused, `slow` ones are accepted and stay for a while; answers take `trip_s`."""

    def __init__(self, orders: list[Order], trip_s: float = 0.0, **positions: int) -> None:
        self.orders = {o.order_id: o for o in orders}
        self.positions_now = {{"mes": MES, "mnq": MNQ}[name]: qty for name, qty in positions.items()}
        self.trip_s = trip_s
        self.stuck: set[int] = set()
        self.slow: dict[int, float] = {}
        self.open = True
        self.calls: list[str] = []
        self.on_the_way = self.most_on_the_way = 0

    def _show(self) -> None:
        for number, until in list(self.slow.items()):
            if number not in self.orders or time.monotonic() >= until > 0:
                self.orders.pop(number, None)
                self.slow.pop(number)

    async def working(self, account: int) -> list[Order]:
        self.calls.append("working")
        await asyncio.sleep(self.trip_s)
        self._show()
        return list(self.orders.values())

    async def positions(self, account: int) -> list[PositionReported]:
        self.calls.append("positions")
        await asyncio.sleep(self.trip_s)
        held = self.positions_now.items()
        return [PositionReported(at=0, account=1, contract=c, qty=q, average_price=1.0) for c, q in held]

    async def cancel(self, account: int, order_id: int) -> Outcome:
        self.calls.append(f"cancel {order_id}")
        self.on_the_way += 1
        self.most_on_the_way = max(self.most_on_the_way, self.on_the_way)
        await asyncio.sleep(self.trip_s)
        self.on_the_way -= 1
        if order_id in self.stuck or not self.open:
            return Rejected(code=3, name="Rejected", reason="not now")
        if order_id in self.slow:
            self.slow[order_id] = time.monotonic() + 0.3
        else:
            self.orders.pop(order_id, None)
        return Accepted(order_id=order_id)

    async def close(self, account: int, contract: str) -> Outcome:
        self.calls.append(f"close {contract}")
        if not self.open:
            return Rejected(code=5, name="OrderRejected", reason="closed")
        self.positions_now[contract] = 0
        return Accepted()

    def count(self, what: str) -> int:
        return sum(call.startswith(what) for call in self.calls)


@pytest.fixture(autouse=True)
def _quick_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BETWEEN_CLEAN_READS_S", 0.05)


async def swept(
    broker: Broker,
    within_s: float = 5.0,
    *,
    is_open: bool = True,
    first: Reading | None = None,
    limited_s: float = 5.0,
) -> AccountStop:
    stop = AccountStop(1)
    sweep = Sweep(stop, broker, begun=time.monotonic(), is_open=lambda contract: is_open, limited_s=limited_s)
    early = None if first is None else asyncio.ensure_future(asyncio.sleep(0, first))
    await sweep.run(time.monotonic() + within_s, early)
    return stop


@pytest.mark.statement(36)
async def test_thirty_orders_are_cancelled_side_by_side_and_closed_only_then() -> None:
    broker = Broker([order(n) for n in range(1, 31)], trip_s=0.005, mes=2)
    stop = await swept(broker)
    assert stop.result == "FLAT"
    assert broker.count("cancel") == 30, "each is asked once"
    assert broker.most_on_the_way == min(30, module.AT_ONCE)
    last_cancel = max(n for n, call in enumerate(broker.calls) if call.startswith("cancel"))
    assert broker.calls.index(f"close {MES}") > last_cancel
    assert "working" in broker.calls[last_cancel : broker.calls.index(f"close {MES}")], "and only after a new reading"


async def test_what_was_read_while_the_runner_let_go_is_cancelled_but_proves_nothing() -> None:
    broker = Broker([order(1)], mes=1)
    stop = await swept(broker, first=Reading([order(1), order(9)], []))
    assert broker.calls[:2] == ["cancel 1", "cancel 9"], "before the first reading of its own"
    assert stop.result == "FLAT"
    empty = Broker([], mes=1)
    assert (await swept(empty, first=Reading([], []))).result == "FLAT"
    assert empty.count("close") == 1, "an early reading that was clean is not believed"


@pytest.mark.statement(38)
async def test_a_closed_market_is_not_asked_twice_and_what_remains_is_listed() -> None:
    broker = Broker([order(n) for n in range(1, 31)], mes=1)
    broker.open = False
    stop = await swept(broker, is_open=False)
    assert (stop.result, stop.market_closed, stop.contracts) == ("NOT_FLAT", True, [MES])
    assert sum("order " in text for text in stop.remaining) == 30
    assert any(text.startswith("+1 ") for text in stop.remaining)
    assert "at the open" in stop.remaining[-1]
    assert (broker.count("cancel"), broker.count("close")) == (30, 0), "a position with working orders is not closed"


@pytest.mark.statement(38)
async def test_a_position_that_a_closed_market_keeps_is_listed_after_one_refused_close() -> None:
    broker = Broker([], mes=1)
    broker.open = False
    stop = await swept(broker, is_open=False)
    assert (stop.result, stop.market_closed, broker.count("close")) == ("NOT_FLAT", True, 1)


async def test_refused_cancels_leave_room_in_the_request_budget() -> None:
    # By hand: the first round is 2 readings and 30 cancels; after it the pause doubles from 20 ms, so 2 s hold at most
    # seven more rounds of 2 readings and 2 cancels each.
    broker = Broker([order(n) for n in range(1, 31)], mes=1)
    broker.stuck = set(range(1, 31))
    stop = await swept(broker, 2.0)
    assert stop.result == "NOT_FLAT"
    assert len(broker.calls) <= 32 + 8 * 4
    assert broker.count("close") == 0


async def test_an_order_that_could_turn_the_position_round_keeps_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADDING_HOLDS_S", 0.0)
    broker = Broker([order(1, Side.SELL)], mes=1)
    broker.stuck = {1}
    stop = await swept(broker, 0.5, limited_s=0.0)
    assert broker.positions_now == {MES: 1}, "its stop may still close it; closed first, the stop would sell short"
    assert any("order 1 SELL" in text for text in stop.remaining)


async def test_an_order_that_can_only_add_does_not_keep_the_position_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADDING_HOLDS_S", 0.05)
    broker = Broker([order(1, Side.BUY)], mes=1)
    broker.stuck = {1}
    stop = await swept(broker, 0.5, limited_s=0.0)
    assert broker.positions_now == {MES: 0}
    assert stop.result == "NOT_FLAT", "the order is still there"


async def test_one_contract_that_is_stuck_does_not_keep_another_open() -> None:
    broker = Broker([order(1, Side.SELL)], mes=1, mnq=-3)
    broker.stuck = {1}
    await swept(broker, 0.5, limited_s=0.0)
    assert broker.positions_now == {MES: 1, MNQ: 0}


async def test_an_order_whose_cancel_takes_its_time_is_not_asked_again_meanwhile() -> None:
    broker = Broker([order(1)], mes=1)
    broker.slow = {1: 0.0}
    stop = await swept(broker)
    assert (stop.result, broker.count("cancel 1")) == ("FLAT", 1)


async def test_the_fill_of_the_close_is_seen_within_a_few_milliseconds_and_asked_for_no_longer_than_needed() -> None:
    broker = Broker([], trip_s=0.02, mes=1)

    async def close(account: int, contract: str) -> Outcome:
        asyncio.get_running_loop().call_later(0.15, broker.positions_now.clear)
        return Accepted()

    broker.close = close  # type: ignore[method-assign]
    stop = await swept(broker)
    assert stop.result == "FLAT"
    assert stop.clean_ms is not None and stop.clean_ms >= 150.0
    # By hand: one reading before, one every 25 ms for 150 ms and the way back, and the proof.
    assert broker.count("positions") <= 1 + 9 + 3


async def test_readings_for_a_fill_do_not_wait_for_each_other_and_none_is_left_behind() -> None:
    class Counts(Broker):
        reading = most = 0

        async def positions(self, account: int) -> list[PositionReported]:
            self.reading += 1
            self.most = max(self.most, self.reading)
            try:
                if self.reading > 1 and self.positions_now and self.count("positions") % 2:
                    await asyncio.sleep(5)  # an answer that is lost on its way
                return await super().positions(account)
            finally:
                self.reading -= 1

        async def close(self, account: int, contract: str) -> Outcome:
            asyncio.get_running_loop().call_later(0.1, self.positions_now.clear)
            return Accepted()

    broker = Counts([], trip_s=0.04, mes=1)
    assert (await swept(broker)).result == "FLAT"
    assert broker.most > 1, "one that is under way does not hold up the next"
    assert broker.reading == 0 and asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_was_done_is_told_once_each_and_what_was_refused_with_its_reason() -> None:
    broker = Broker([order(1), order(2, Side.BUY)], mes=1)
    broker.stuck = {1}
    asyncio.get_running_loop().call_later(0.2, broker.stuck.clear)
    stop = await swept(broker)
    assert broker.count("cancel 1") > 2
    assert sorted(stop.cancelled) == [
        f"order 1 SELL 1 {MES} limit",
        f"order 1 SELL 1 {MES} limit refused: not now",
        f"order 2 BUY 1 {MES} limit",
    ]
    assert stop.closed == [f"+1 {MES}"]


# --- a gateway that says 429 ------------------------------------------------------------------------------------------

LIMITED = Unknown(reason="too many requests", code=429)


@pytest.mark.statement(37)
async def test_a_close_that_waited_for_the_request_budget_is_not_closed_again_before_it_can_have_filled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLOSE_SETTLES_S", 0.2)
    monkeypatch.setattr(module, "FILLS_WITHIN_S", 0.0)

    class Waits(Broker):
        async def close(self, account: int, contract: str) -> Outcome:
            self.calls.append(f"close {contract}")
            await asyncio.sleep(0.4)  # the budget, then the wire
            asyncio.get_running_loop().call_later(0.05, self.positions_now.update, {contract: 0})
            return Accepted()

    broker = Waits([], mes=2)
    assert (await swept(broker)).result == "FLAT"
    assert broker.count("close") == 1, "the second would have turned it round"


async def test_a_429_is_not_taken_for_a_closed_market() -> None:
    class Limited(Broker):
        async def cancel(self, account: int, order_id: int) -> Outcome:
            self.calls.append(f"cancel {order_id}")
            return LIMITED if self.count("cancel") < 3 else Accepted()

        async def working(self, account: int) -> list[Order]:
            self.orders = {} if self.count("cancel") >= 3 else self.orders
            return await super().working(account)

    broker = Limited([order(1)])
    stop = await swept(broker, is_open=False)
    assert (stop.result, stop.market_closed, broker.count("cancel")) == ("FLAT", False, 3)


@pytest.mark.statement(38)
async def test_a_refused_or_limited_close_is_not_read_for_as_if_it_could_fill() -> None:
    # By hand: one close each 1.5 s, and readings with pauses that double from 20 ms: 0, 20, 60, 140, 300, 620, 1260 ms.
    for outcome in (LIMITED, Rejected(code=1, name="X", reason="no")):

        class Refuses(Broker):
            said: Outcome = outcome

            async def close(self, account: int, contract: str) -> Outcome:
                self.calls.append(f"close {contract}")
                return self.said

        broker = Refuses([], mes=1)
        await swept(broker, 0.5, limited_s=0.0)
        assert broker.count("positions") <= 8
        assert broker.count("close") == 1


async def test_the_deadline_waits_for_a_429_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Limited(Broker):
        async def positions(self, account: int) -> list[PositionReported]:
            self.calls.append("positions")
            if self.count("positions") < self.until:
                raise RateLimited("/api/Position/searchOpen", 60.0)
            return await super().positions(account)

    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.05)
    broker = Limited([], mes=1)
    broker.until = 8
    assert (await swept(broker, 0.0)).result == "FLAT", "the deadline was over at the first 429"
    never = Limited([], mes=1)
    never.until = 10**6
    stop = await swept(never, 0.0, limited_s=0.3)
    assert stop.result == "NOT_FLAT" and "too many requests" in stop.remaining[0]
