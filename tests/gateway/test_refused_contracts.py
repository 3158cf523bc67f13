"""A contract that the gateway will not serve costs the other contracts nothing; nothing else may be given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.fakes import FakeSocket, Tokens
from tests.gateway.test_client import Case as ClientCase
from tests.gateway.test_hubs import MES, Case, complete
from workbench.gateway.client import GatewayClient, Handlers, urls_at
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable
from workbench.gateway.hubs import Hub, HubKind, HubStatus
from workbench.gateway.link import Timing
from workbench.gateway.protocol import Completion, Invocation, Message, Ping

OLD = "CON.F.US.MES.U26"
TRADES = "SubscribeContractTrades"


def refusing(*refused: Any) -> Any:
    """A server that refuses every call with one of these arguments or method names."""

    def respond(call: Invocation) -> Message | None:
        if call.invocation_id and (call.target in refused or any(a in refused for a in call.arguments)):
            return Completion(call.invocation_id, error="contract is not tradable")
        return complete(call)

    return respond


class Heard(list[tuple[str, str, str]]):
    """What a hub tells of refusals: method, contract, reason."""

    def of(self, hub: Hub) -> Heard:
        hub._refused._tell = lambda key, reason: self.append((key[0], key[1][0], reason))
        return self


async def tick(case: Case, seconds: float) -> None:
    """Let time pass on a connection that is alive."""
    case.time.now += seconds
    case.server.socket.say(Ping())
    await asyncio.sleep(0.02)


def asked_for(case: Case, contract: str) -> int:
    return sum(contract in arguments for socket in case.server.sockets for _, arguments in socket.calls)


@pytest.mark.statement(41)
async def test_a_contract_that_is_refused_at_the_start_leaves_the_others_ready() -> None:
    case = Case()
    told = Heard().of(case.hub)
    case.server.respond = refusing(OLD)
    await case.hub.subscribe(TRADES, OLD)
    await case.hub.subscribe(TRADES, MES)
    async with case.running():
        await case.ready()
        await asyncio.sleep(0.02)
    assert case.hub.connections == 1
    assert case.hub.desired == [(TRADES, (MES,))]
    assert told == [(TRADES, OLD, "contract is not tradable")]


@pytest.mark.statement(41)
async def test_a_contract_that_has_expired_by_the_reconnect_is_given_up_there_and_told_once() -> None:
    case = Case()
    told = Heard().of(case.hub)
    await case.hub.subscribe(TRADES, OLD)
    await case.hub.subscribe(TRADES, MES)
    async with case.running():
        await case.ready()
        assert told == []
        case.server.respond = refusing(OLD)
        for connection in (2, 3, 4):
            case.server.socket.cut()
            await case.ready(connection)
        assert case.hub.connections == 4
    assert told == [(TRADES, OLD, "contract is not tradable")]
    assert case.statuses.count(HubStatus.READY) == 4, "every connection that was made became READY"


async def test_a_refused_contract_is_asked_for_again_with_pauses_that_grow_to_five_minutes() -> None:
    case = Case(silence_s=1e9, data_silence_s=1e9, rebuild_s=1e9)
    case.server.respond = refusing(OLD)
    await case.hub.subscribe(TRADES, OLD)
    await case.hub.subscribe(TRADES, MES)
    async with case.running():
        await case.ready()
        for asked, pause in enumerate((5, 10, 20, 40, 80, 160, 300, 300, 300), 1):
            await tick(case, pause - 0.5)
            assert asked_for(case, OLD) == asked
            await tick(case, 1.0)
            assert asked_for(case, OLD) == asked + 1
        case.time.now += 3600
    assert case.hub.connections == 1


async def test_a_contract_that_is_accepted_after_all_is_desired_again_before_its_first_print_is_handed_on() -> None:
    case = Case()
    told = Heard().of(case.hub)
    at_print: list[bool] = []
    case.hub._on_message = lambda target, arguments: at_print.append((TRADES, OLD, "") in told)
    case.server.respond = refusing(OLD)
    await case.hub.subscribe(TRADES, MES)
    await case.hub.subscribe(TRADES, OLD)
    async with case.running():
        await case.ready()

        def accept_and_print(call: Invocation) -> Message | None:
            socket = case.server.socket
            socket.say(Completion(call.invocation_id or "", result=None), Invocation("GatewayTrade", [OLD, []]))
            return None

        case.server.respond = accept_and_print
        await tick(case, 6)
        await case.until(lambda: at_print != [])
        assert case.hub.desired == [(TRADES, (MES,)), (TRADES, (OLD,))] and case.hub.refused == []
        case.server.respond = complete
        case.server.socket.cut()
        await case.ready(2)
    assert at_print == [True]
    assert told == [(TRADES, OLD, "contract is not tradable"), (TRADES, OLD, "")]


async def test_whoever_asks_for_a_refused_contract_again_is_answered_without_the_gateway() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        case.server.respond = refusing(OLD)
        for _ in range(20):
            with pytest.raises(GatewayRefused, match="not tradable"):
                await case.hub.subscribe(TRADES, OLD)
    assert asked_for(case, OLD) == 1


async def test_one_whose_asking_was_cut_off_is_given_up_by_the_next_connection() -> None:
    case = Case()
    told = Heard().of(case.hub)
    await case.hub.subscribe(TRADES, MES)
    async with case.running():
        await case.ready()
        case.server.respond = lambda call: None
        asking = asyncio.create_task(case.hub.subscribe(TRADES, OLD))
        await case.until(lambda: asked_for(case, OLD) == 1)
        case.server.respond = refusing(OLD)
        case.server.socket.cut()
        with pytest.raises(GatewayUnavailable):
            await asking
        await case.ready(2)
    assert case.hub.desired == [(TRADES, (MES,))] and case.hub.connections == 2
    assert [contract for _, contract, _ in told] == [OLD]


async def test_one_that_is_given_up_by_its_owner_is_not_asked_for_again() -> None:
    case = Case()
    case.server.respond = refusing(OLD)
    await case.hub.subscribe(TRADES, MES)
    await case.hub.subscribe(TRADES, OLD)
    async with case.running():
        await case.ready()
        await case.hub.unsubscribe(TRADES, OLD)
        await asyncio.sleep(0.02)
        before = asked_for(case, OLD)
        await tick(case, 20)
        assert asked_for(case, OLD) == before and case.hub.refused == []


async def test_an_asking_that_the_end_of_the_connection_cut_off_is_made_on_the_next_one() -> None:
    case = Case()
    case.server.respond = refusing(OLD)
    await case.hub.subscribe(TRADES, MES)
    await case.hub.subscribe(TRADES, OLD)
    async with case.running():
        await case.ready()
        case.server.respond = lambda call: None if OLD in call.arguments else complete(call)
        await tick(case, 6)
        assert asked_for(case, OLD) == 2
        case.server.respond = complete
        case.server.socket.cut()
        await case.until(lambda: case.hub.refused == [])
    assert asked_for(case, OLD) == 3


# --- what may not be given up ----------------------------------------------------------------------------------------


@pytest.mark.statement(41)
async def test_a_user_hub_whose_subscription_is_refused_is_never_ready() -> None:
    case = Case(HubKind.USER)
    case.server.respond = refusing("SubscribeOrders")
    await case.hub.subscribe("SubscribePositions", 7)
    await case.hub.subscribe("SubscribeOrders", 7)
    async with case.running():
        await case.until(lambda: case.hub.connections >= 5)
    assert HubStatus.READY not in case.statuses
    assert case.hub.desired == [("SubscribePositions", (7,)), ("SubscribeOrders", (7,))]
    assert any("a subscription failed" in reason for reason in case.reasons)


async def test_a_market_hub_whose_clock_is_refused_is_never_ready() -> None:
    case = Case()
    case.server.respond = refusing("SubscribeClock")
    await case.hub.subscribe(TRADES, MES)
    await case.hub.subscribe("SubscribeClock", "ingest")
    async with case.running():
        await case.until(lambda: case.hub.connections >= 5)
    assert HubStatus.READY not in case.statuses


@pytest.mark.statement(41)
async def test_a_market_hub_that_serves_none_of_its_contracts_connects_again_until_it_serves_one() -> None:
    case = Case()
    told = Heard().of(case.hub)
    case.server.respond = refusing(OLD, MES)
    await case.hub.subscribe(TRADES, OLD)
    await case.hub.subscribe(TRADES, MES)
    async with case.running():
        await case.until(lambda: case.hub.connections >= 5)
        assert HubStatus.READY not in case.statuses
        assert [contract for _, contract, _ in told] == [OLD, MES], "each told once, not with every connection"
        case.server.respond = refusing(OLD)
        await case.until(lambda: case.hub.status is HubStatus.READY)
    assert case.hub.desired == [(TRADES, (MES,))]
    assert told[2:] == [(TRADES, MES, "")]


async def test_a_subscription_that_nobody_answers_is_no_refusal() -> None:
    case = Case()
    told = Heard().of(case.hub)
    case.server.respond = lambda call: None if OLD in call.arguments else complete(call)
    await case.hub.subscribe(TRADES, MES)
    await case.hub.subscribe(TRADES, OLD)
    async with case.running():
        await case.until(lambda: case.hub.status is HubStatus.SUBSCRIBING)
        await tick(case, 11)
        await case.until(lambda: case.hub.connections >= 2)
    assert HubStatus.READY not in case.statuses and told == []
    assert case.hub.desired == [(TRADES, (MES,)), (TRADES, (OLD,))]


# --- as the client tells it ------------------------------------------------------------------------------------------


async def test_the_client_tells_once_of_a_contract_whose_quotes_and_trades_are_refused_and_once_of_its_return() -> None:
    told: list[tuple[str, str]] = []
    sockets: list[FakeSocket] = []
    server = [refusing(OLD)]

    async def connect(url: str) -> FakeSocket:
        sockets.append(FakeSocket(url, lambda call: server[0](call)))  # noqa: PLW0108 - it changes
        return sockets[-1]

    client = GatewayClient(
        urls_at("http://gateway"),
        Tokens(),
        Handlers(on_refused=lambda contract, text: told.append((contract, text))),
        transport=ClientCase().client.rest.transport,
        timing=Timing(tick_s=0.002, first_pause_s=0.001),
        connect=connect,
    )
    now = [1000.0]
    client.market._monotonic = client.market._refused._monotonic = lambda: now[0]
    await client.watch_contract(OLD)
    await client.watch_contract(MES)
    task = asyncio.create_task(client.run_market())
    async with asyncio.timeout(5):
        while client.market.status is not HubStatus.READY:
            await asyncio.sleep(0.001)
        assert len(told) == 1 and told[0][0] == OLD
        assert "not tradable" in told[0][1] and "choose the contract that trades now" in told[0][1]
        server[0] = complete
        now[0] += 6
        while len(told) < 2:
            sockets[-1].say(Ping())
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told[1:] == [(OLD, "")]
    assert {arguments for _, arguments in client.market.desired} == {(OLD,), (MES,)}
