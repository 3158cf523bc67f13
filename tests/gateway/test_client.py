"""The client as a whole: what both hubs say comes out as domain values, in order, with the simulator's clock joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.gateway.fakes import FakeSocket, Host, Tokens
from tests.gateway.test_translate import ACCOUNT, MES, ORDER, POSITION, PRINT, TRADE
from workbench.domain import events as e
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable
from workbench.gateway.hubs import HubKind, HubStatus
from workbench.gateway.link import Timing
from workbench.gateway.protocol import Completion, Invocation, Message
from workbench.gateway.wire_hub import SimulatorClock


class Case:
    """A client whose two sockets the test plays."""

    def __init__(self) -> None:
        self.sockets: dict[str, FakeSocket] = {}
        self.events: list[Any] = []
        self.trades: list[Any] = []
        self.quotes: list[Any] = []
        self.clocks: list[int] = []
        self.times: list[int] = []
        self.faults: list[str] = []
        self.client = GatewayClient(
            urls_at("http://gateway"),
            Tokens(),
            Handlers(
                on_event=self._event,
                on_trades=self.trades.extend,
                on_quote=self.quotes.append,
                on_clock=self._clock,
                on_fault=self.faults.append,
            ),
            now=lambda: 99,
            transport=Host().transport,
            timing=Timing(tick_s=0.002, first_pause_s=0.001),
            connect=self._connect,
        )

    def _clock(self, clock: SimulatorClock) -> None:
        self.clocks.append(clock.seq)
        self.times.append(clock.now)

    def _event(self, event: e.Event) -> None:
        self.events.append(event)

    async def _connect(self, url: str) -> FakeSocket:
        name = url.split("?")[0].rsplit("/", 1)[1]
        self.sockets[name] = FakeSocket(url, self._answer)
        return self.sockets[name]

    @staticmethod
    def _answer(call: Invocation) -> Message | None:
        return None if call.invocation_id is None else Completion(call.invocation_id, result=None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.client.run_user()), asyncio.create_task(self.client.run_market())]
        try:
            await self.until_ready()
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.client.aclose()

    async def until_ready(self) -> None:
        async with asyncio.timeout(5):
            while {self.client.user.status, self.client.market.status} != {HubStatus.READY}:
                await asyncio.sleep(0.001)

    async def settle(self) -> None:
        await asyncio.sleep(0.02)

    def user(self, target: str, *arguments: Any) -> None:
        self.sockets["user"].say(Invocation(target, list(arguments)))

    def market(self, target: str, *arguments: Any) -> None:
        self.sockets["market"].say(Invocation(target, list(arguments)))

    def clock(self, name: str, seq: int, *, lockstep: bool = True, now: int | None = None) -> None:
        payload = {"now": 1_000 + seq if now is None else now, "rate": 0.0, "seq": seq, "lockstep": lockstep}
        self.sockets[name].say(Invocation("SimulatorClock", [payload]))

    def acknowledged(self, name: str) -> list[int]:
        return [a[0] for method, a in self.sockets[name].calls if method == "AcknowledgeSimulatorClock"]


async def test_watching_subscribes_to_all_that_concerns_an_account_and_a_contract() -> None:
    case = Case()
    await case.client.watch_account(7)
    await case.client.watch_contract(MES)
    async with case.running():
        assert case.sockets["user"].calls == [
            ("SubscribeAccounts", []),
            ("SubscribeOrders", [7]),
            ("SubscribePositions", [7]),
            ("SubscribeTrades", [7]),
        ]
        assert case.sockets["market"].calls == [("SubscribeContractQuotes", [MES]), ("SubscribeContractTrades", [MES])]
        await case.client.unwatch_contract(MES)
        assert case.client.market.desired == []


@pytest.mark.parametrize("error", [None, "no such contract"], ids=["no answer", "refused"])
async def test_a_subscription_that_fails_leaves_the_next_one_desired(
    error: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case()

    def answer(call: Invocation) -> Message | None:
        if call.target in ("SubscribeContractQuotes", "SubscribeOrders"):
            return None if error is None else Completion(call.invocation_id or "", error=error)
        return Case._answer(call)

    monkeypatch.setattr(case, "_answer", answer)
    async with case.running():
        monkeypatch.setattr(case.client.market, "timing", Timing(tick_s=0.002, answer_s=0.05))
        monkeypatch.setattr(case.client.user, "timing", Timing(tick_s=0.002, answer_s=0.05))
        for watching in (case.client.watch_contract(MES), case.client.watch_account(7)):
            with pytest.raises(GatewayUnavailable if error is None else GatewayRefused):
                await watching
        assert ("SubscribeContractTrades", (MES,)) in case.client.market.desired
        assert {("SubscribePositions", (7,)), ("SubscribeTrades", (7,))} <= set(case.client.user.desired)
        assert (("SubscribeContractQuotes", (MES,)) in case.client.market.desired) is (error is None)


async def test_a_market_entry_comes_as_the_events_it_is() -> None:
    case = Case()
    async with case.running():
        case.user("GatewayUserOrder", {"action": 1, "data": ORDER})
        case.user("GatewayUserTrade", {"action": 0, "data": TRADE})
        case.user("GatewayUserOrder", {"action": 1, "data": ORDER | {"status": 2, "fillVolume": 2}})
        case.user("GatewayUserPosition", POSITION)
        case.user("GatewayUserAccount", ACCOUNT)
        await case.settle()
    names = [type(event).__name__ for event in case.events]
    assert names[2:-2] == ["OrderReported", "FillReported", "OrderReported", "PositionReported", "AccountReported"]
    assert all(event.at == 99 for event in case.events)


async def test_streams_report_that_they_are_up_and_down() -> None:
    case = Case()
    async with case.running():
        case.sockets["user"].cut()
        await case.settle()
        await case.until_ready()
    changes = [(event.hub, event.up) for event in case.events if isinstance(event, e.StreamChanged)]
    assert sorted(changes[:2]) == [("market", True), ("user", True)]
    assert changes[2:4] == [("user", False), ("user", True)]
    assert sorted(changes[4:]) == [("market", False), ("user", False)]


async def test_prints_and_quotes_come_out_merged_and_in_order() -> None:
    case = Case()
    async with case.running():
        case.market("GatewayTrade", MES, [PRINT, PRINT | {"price": 1.5}])
        case.market("GatewayTrade", MES, PRINT)
        case.market("GatewayQuote", MES, {"bestBid": 1.0, "bestAsk": 2.0})
        case.market("GatewayQuote", MES, {"bestAsk": 3.0})
        case.market("GatewayDepth", MES, [{"price": 1.0, "volume": 1, "type": 6}])
        await case.settle()
    assert [t.price for t in case.trades] == [6713.75, 1.5, 6713.75]
    assert [(q.bid, q.ask) for q in case.quotes] == [(1.0, 2.0), (1.0, 3.0)]
    assert case.faults == []


async def test_what_cannot_be_understood_is_counted_and_changes_nothing() -> None:
    case = Case()
    async with case.running():
        case.user("GatewayUserOrder", {"action": 1, "data": {"id": "?"}})
        case.user("GatewayUserOrder")
        case.user("GatewayUserTrade", [TRADE, TRADE | {"price": 6713.6}, TRADE])
        case.user("GatewaySomethingNew", {"a": 1})
        case.market("GatewayTrade", MES, [PRINT | {"timestamp": "?"}, PRINT])
        case.market("GatewayQuote", 7, 8)
        await case.settle()
        assert case.client.user.connections == case.client.market.connections == 1
    assert len(case.faults) == case.client.faults == 6
    assert [type(event).__name__ for event in case.events[2:-2]] == ["FillReported", "FillReported"]
    assert len(case.trades) == 1


# --- the simulator's clock -------------------------------------------------------------------------------------------


@pytest.fixture
def clocked() -> Case:
    return Case()


async def follow(case: Case) -> None:
    await case.client.watch_account(7)
    await case.client.follow_clock("runner-7")


async def test_the_clock_is_asked_for_last_on_both_hubs(clocked: Case) -> None:
    await follow(clocked)
    async with clocked.running():
        assert clocked.sockets["user"].calls[-1] == ("SubscribeSimulatorClock", ["runner-7"])
        assert clocked.sockets["market"].calls[-1] == ("SubscribeSimulatorClock", ["runner-7"])


async def test_in_lockstep_an_announcement_counts_when_both_hubs_have_brought_it(clocked: Case) -> None:
    await follow(clocked)
    async with clocked.running():
        clocked.clock("market", 1)
        await clocked.settle()
        assert clocked.clocks == []
        clocked.clock("user", 1)
        clocked.clock("user", 1)
        await clocked.settle()
        assert clocked.clocks == [1]
        assert clocked.acknowledged("user") == []
        await clocked.client.acknowledge(1)
        await clocked.settle()
        assert (clocked.acknowledged("user"), clocked.acknowledged("market")) == ([1], [1])


async def test_a_hub_that_comes_back_is_acknowledged_for_what_was_done_already(clocked: Case) -> None:
    await follow(clocked)
    async with clocked.running():
        clocked.clock("market", 3)
        clocked.clock("user", 3)
        await clocked.settle()
        await clocked.client.acknowledge(3)
        clocked.sockets["user"].cut()
        await clocked.settle()
        await clocked.until_ready()
        clocked.clock("user", 3)
        await clocked.settle()
        assert clocked.acknowledged("user") == [3]  # on the new socket, without asking the owner again
        assert clocked.clocks == [3]


async def test_with_a_rate_the_first_hub_to_tell_is_enough(clocked: Case) -> None:
    await follow(clocked)
    async with clocked.running():
        for name, now in (("market", 10), ("user", 10), ("user", 20), ("market", 20), ("market", 15)):
            clocked.clock(name, 0, lockstep=False, now=now)
        await clocked.settle()
    assert clocked.times == [10, 20]


async def test_one_hub_alone_may_follow_the_clock(clocked: Case) -> None:
    await clocked.client.follow_clock("ingest", (HubKind.MARKET,))
    async with clocked.running():
        clocked.clock("market", 1)
        await clocked.settle()
        await clocked.client.acknowledge(1)
        await clocked.settle()
        assert clocked.clocks == [1]
        assert clocked.acknowledged("market") == [1]
        assert clocked.sockets["user"].calls == []
