"""Hubs: connected, subscribed and watched by one coroutine, on a fake socket and a fake clock."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import websockets
from websockets.http11 import Response

from tests.gateway.fakes import FakeSocket, FakeTime, Tokens, jwt
from workbench.domain.errors import AuthenticationError
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable
from workbench.gateway.hubs import Hub, HubKind, HubStatus
from workbench.gateway.link import Timing
from workbench.gateway.protocol import Close, Completion, Invocation, Message, Ping

MES = "CON.F.US.MES.Z26"
QUOTE = Invocation("GatewayQuote", [MES, {"bestBid": 1.0}])


def complete(call: Invocation) -> Message | None:
    return None if call.invocation_id is None else Completion(call.invocation_id, result=None)


class Server:
    """Hands out fake sockets; the test scripts what happens to each connection."""

    def __init__(self) -> None:
        self.sockets: list[FakeSocket] = []
        self.script: list[Exception] = []
        self.respond: Callable[[Invocation], Message | None] = complete

    async def connect(self, url: str) -> FakeSocket:
        if self.script:
            raise self.script.pop(0)
        self.sockets.append(FakeSocket(url, self._answer))
        return self.sockets[-1]

    def _answer(self, call: Invocation) -> Message | None:
        return self.respond(call)  # which the test may exchange at any time

    @property
    def socket(self) -> FakeSocket:
        return self.sockets[-1]


class Case:
    """A hub under test with everything around it faked; `tick_s` is real but tiny."""

    def __init__(self, kind: HubKind = HubKind.MARKET, **options: Any) -> None:
        self.server, self.tokens, self.time = Server(), Tokens(), FakeTime(1000.0)
        self.got: list[tuple[str, Any]] = []
        self.statuses: list[HubStatus] = []
        self.reasons: list[str] = []
        self.market_open = True
        self.hub = Hub(
            kind,
            "https://gateway/hubs/market",
            self.tokens,
            options.pop("on_message", lambda target, arguments: self.got.append((target, arguments))),
            on_status=self._status,
            is_market_open=lambda: self.market_open,
            timing=Timing(tick_s=0.002, **options),
            sleep=self.time.sleep,
            rng=random.Random(7),
            monotonic=self.time.monotonic,
            connect=self.server.connect,
        )

    def _status(self, status: HubStatus, reason: str) -> None:
        self.statuses.append(status)
        self.reasons.append(reason)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.hub.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)

    async def ready(self, connections: int = 1) -> None:
        await self.until(lambda: self.hub.connections >= connections and self.hub.status is HubStatus.READY)


def refused(status: int) -> websockets.InvalidStatus:
    return websockets.InvalidStatus(Response(status, "", websockets.Headers()))


# --- the normal life -------------------------------------------------------------------------------------------------


async def test_ready_means_every_desired_subscription_was_answered() -> None:
    case = Case()
    await case.hub.subscribe("SubscribeContractQuotes", MES)
    await case.hub.subscribe("SubscribeContractTrades", MES)
    held: list[Invocation] = []
    case.server.respond = held.append  # type: ignore[assignment]
    async with case.running():
        await case.until(lambda: len(held) == 2)
        assert case.hub.status is HubStatus.SUBSCRIBING
        case.server.socket.say(Completion(held[0].invocation_id or "", result=None))
        await asyncio.sleep(0.01)
        assert case.hub.status is HubStatus.SUBSCRIBING
        case.server.socket.say(Completion(held[1].invocation_id or "", result=None))
        await case.ready()
    assert case.statuses == [HubStatus.CONNECTING, HubStatus.SUBSCRIBING, HubStatus.READY, HubStatus.STOPPED]
    assert case.server.socket.calls == [("SubscribeContractQuotes", [MES]), ("SubscribeContractTrades", [MES])]
    assert case.server.socket.closed


async def test_the_token_travels_in_the_query_and_the_scheme_becomes_websocket() -> None:
    case = Case()
    async with case.running():
        await case.ready()
    url = urlsplit(case.server.socket.url)
    assert (url.scheme, url.path, parse_qs(url.query)) == ("wss", "/hubs/market", {"access_token": ["token-0"]})


async def test_events_arrive_in_order_also_several_in_a_frame_and_before_ready() -> None:
    case = Case()
    await case.hub.subscribe("SubscribeContractQuotes", MES)

    def answer_with_data_first(call: Invocation) -> Message | None:
        case.server.socket.say(Invocation("GatewayQuote", [MES, {"bestBid": 0.5}]))
        return complete(call)

    case.server.respond = answer_with_data_first
    async with case.running():
        await case.ready()
        case.server.socket.say(QUOTE, Invocation("GatewayTrade", [MES, []]), Ping(), Invocation("Odd", [1]))
        await case.until(lambda: len(case.got) == 4)
    assert [target for target, _ in case.got] == ["GatewayQuote", "GatewayQuote", "GatewayTrade", "Odd"]
    assert case.got[0][1][1].best_bid == 0.5


async def test_a_frame_cut_in_two_is_one_message() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        text = case.server.socket.server.send(QUOTE).encode()
        case.server.socket.say_raw(text[:30])
        case.server.socket.say_raw(text[30:])
        await case.until(lambda: len(case.got) == 1)


async def test_subscribing_on_an_open_connection_is_done_at_once_and_again_after_a_reconnect() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        await case.hub.subscribe("SubscribeContractTrades", MES)
        assert case.server.socket.calls == [("SubscribeContractTrades", [MES])]
        case.server.socket.cut()
        await case.ready(2)
        assert case.server.socket.calls == [("SubscribeContractTrades", [MES])]
        await case.hub.unsubscribe("SubscribeContractTrades", MES)
        assert case.server.socket.calls[-1] == ("UnsubscribeContractTrades", [MES])
        case.server.socket.cut()
        await case.ready(3)
    assert case.server.socket.calls == []


async def test_a_refused_subscription_tells_the_caller_and_is_not_tried_again() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        case.server.respond = lambda call: Completion(call.invocation_id or "", error="Method does not exist.")
        with pytest.raises(GatewayRefused, match="does not exist"):
            await case.hub.subscribe("SubscribeContractDepth", MES)
    assert case.hub.desired == []


async def test_an_invocation_nobody_answers_times_out() -> None:
    case = Case(answer_s=0.05)
    async with case.running():
        await case.ready()
        case.server.respond = lambda call: None
        with pytest.raises(GatewayUnavailable, match="no completion"):
            await case.hub.invoke("Anything")
    with pytest.raises(GatewayUnavailable, match="not connected"):
        await case.hub.invoke("Anything")


async def test_whoever_waits_for_a_completion_hears_of_the_end_of_the_connection() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        case.server.respond = lambda call: None
        waiting = asyncio.create_task(case.hub.invoke("Anything"))
        await case.until(lambda: case.server.socket.calls != [])
        case.server.socket.cut()
        with pytest.raises(GatewayUnavailable, match="ended"):
            await waiting


async def test_what_a_callback_posts_leaves_after_it() -> None:
    case: Case = Case(on_message=lambda target, arguments: case.hub.post("Acknowledge", 7))
    async with case.running():
        await case.ready()
        case.server.socket.say(QUOTE)
        await case.until(lambda: case.server.socket.calls == [("Acknowledge", [7])])


async def test_an_error_in_a_callback_ends_the_hub_loudly() -> None:
    def fail(target: str, arguments: Any) -> None:
        raise OSError("disk full")

    case = Case(on_message=fail)
    task = asyncio.create_task(case.hub.run())
    await case.ready()
    case.server.socket.say(QUOTE)
    with pytest.raises(OSError, match="disk full"):
        await task
    assert case.hub.status is HubStatus.STOPPED


# --- endings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda s: s.cut(), "the socket ended"),
        (lambda s: s.cut(ConnectionResetError("reset by peer")), "reset by peer"),
        (lambda s: s.cut(websockets.PayloadTooBig(10, 5)), "the socket ended"),
        (lambda s: s.say(Close()), "the server closed: no error given"),
        (lambda s: s.say(Close(error="restart", allow_reconnect=False)), "the server closed: restart"),
        (lambda s: s.say_raw(b"garbage\x1e"), "broke the protocol"),
        (lambda s: s.say_raw(b'{"type":1,"target":"X","arguments":7}\x1e'), "broke the protocol"),
    ],
)
async def test_every_ending_is_followed_by_a_new_connection_with_all_subscriptions(
    act: Callable[[FakeSocket], None], reason: str
) -> None:
    case = Case()
    await case.hub.subscribe("SubscribeContractQuotes", MES)
    async with case.running():
        await case.ready()
        act(case.server.socket)
        await case.ready(2)
    assert any(reason in r for r in case.reasons), case.reasons
    assert [s.calls for s in case.server.sockets] == [[("SubscribeContractQuotes", [MES])]] * 2
    assert case.server.sockets[0].closed


async def test_what_was_readable_before_the_garbage_still_counts() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        case.server.socket.say_raw(case.server.socket.server.send(QUOTE).encode() + b"garbage\x1e")
        await case.ready(2)
    assert [target for target, _ in case.got] == ["GatewayQuote"]
    assert case.hub.broken == 1


async def test_pauses_double_with_full_jitter_up_to_a_minute() -> None:
    case = Case()
    case.server.script = [ConnectionRefusedError("no")] * 12
    async with case.running():
        await case.ready()
    bounds = [min(60.0, 2.0**n) for n in range(12)]
    assert len(case.time.slept) == 12
    assert all(0 <= s <= b for s, b in zip(case.time.slept, bounds, strict=True))
    assert len(set(case.time.slept)) == 12


async def test_a_connection_that_lasted_makes_the_next_pause_a_short_one() -> None:
    case = Case()
    case.server.script = [ConnectionRefusedError("no")] * 8
    async with case.running():
        await case.ready()
        case.server.socket.say(Ping())
        case.time.now += 29
        case.server.socket.say(Ping())
        await asyncio.sleep(0.02)
        case.time.now += 2
        await asyncio.sleep(0.02)
        case.time.slept.clear()
        case.server.socket.cut()
        await case.ready(2)
    assert case.time.slept[0] <= 1.0


async def test_a_server_that_closes_at_once_is_not_stormed() -> None:
    case = Case()
    case.server.respond = lambda call: Close()
    await case.hub.subscribe("SubscribeContractQuotes", MES)
    async with case.running():
        await case.until(lambda: len(case.time.slept) >= 10)
    assert sum(case.time.slept[:10]) > 60


# --- tokens ----------------------------------------------------------------------------------------------------------


async def test_a_logout_renews_the_token_after_a_pause_and_rebuilds() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        case.server.socket.say(Invocation("GatewayLogout", []))
        await case.ready(2)
    assert case.tokens.renewed == ["token-0"]
    assert "token-1" in case.server.socket.url
    assert 4.0 <= case.time.slept[0] <= 6.0


async def test_a_401_on_the_upgrade_renews_the_token_with_growing_pauses() -> None:
    case = Case()
    case.server.script = [refused(401)] * 6
    async with case.running():
        await case.ready()
    assert case.tokens.renewed == [f"token-{n}" for n in range(6)]
    bounds = [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert all(0.8 * b <= s <= 1.2 * b for s, b in zip(case.time.slept, bounds, strict=True))


async def test_a_503_on_the_upgrade_is_no_reason_to_log_in_again() -> None:
    case = Case()
    case.server.script = [refused(503)]
    async with case.running():
        await case.ready()
    assert case.tokens.renewed == []


async def test_no_token_is_retried_and_kept_apart_from_the_network() -> None:
    case = Case()
    get, failures = case.tokens.get, [AuthenticationError("wrong key"), GatewayUnavailable("/login", "down")]

    async def sometimes() -> str:
        if failures:
            raise failures.pop(0)
        return await get()

    case.tokens.get = sometimes  # type: ignore[method-assign]
    async with case.running():
        await case.ready()
    assert case.reasons[1] == "wrong key"


async def test_after_22_hours_it_is_rebuilt_with_a_fresh_token_and_no_pause() -> None:
    case = Case(silence_s=1e9, data_silence_s=1e9)
    async with case.running():
        await case.ready()
        case.tokens.serial = 5
        case.time.now += 22 * 3600 + 1
        await case.ready(2)
    assert "token-5" in case.server.socket.url
    assert case.time.slept == []


async def test_half_an_hour_before_its_token_ends_a_connection_is_rebuilt_however_young() -> None:
    case = Case(silence_s=1e9, data_silence_s=1e9)
    tokens = [jwt(500_000.0 + 3 * 3600, 1), jwt(500_000.0 + 27 * 3600, 2), "end"]

    async def get() -> str:
        return tokens.pop(0)

    case.tokens.get = get  # type: ignore[method-assign]
    case.hub._wall = lambda: 500_000.0 + case.time.now - 1000.0
    async with case.running():
        await case.ready()
        case.time.now += 2.4 * 3600
        await asyncio.sleep(0.02)
        assert case.hub.connections == 1
        case.time.now += 0.2 * 3600
        await case.ready(2)
        case.time.now += 21 * 3600
        await asyncio.sleep(0.02)
        assert case.hub.connections == 2  # the second token lives for another day


async def test_no_log_and_no_reason_holds_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    case = Case()
    case.server.script = [OSError("cannot reach wss://gateway/hubs/market?access_token=token-0&x=1")]
    async with case.running():
        await case.ready()
    assert "token-0" not in caplog.text + "".join(case.reasons) + repr(case.hub)
    assert "access_token=***" in "".join(case.reasons)


# --- silence ---------------------------------------------------------------------------------------------------------


async def test_we_say_something_at_least_every_twelve_seconds() -> None:
    case = Case()
    async with case.running():
        await case.ready()
        case.time.now += 13
        await case.until(lambda: Ping() in case.server.socket.received)


async def test_no_frame_of_any_kind_for_thirty_seconds_is_a_dead_socket() -> None:
    case = Case(HubKind.USER)
    async with case.running():
        await case.ready()
        for _ in range(4):
            case.time.now += 20
            case.server.socket.say(Ping())
            await asyncio.sleep(0.01)
        assert case.hub.connections == 1
        case.time.now += 31
        await case.ready(2)
    assert any("no frame for 30 s" in r for r in case.reasons)


async def pings_only(case: Case, seconds: int) -> None:
    for _ in range(seconds // 10):
        case.time.now += 10
        case.server.socket.say(Ping())
        await asyncio.sleep(0.008)


async def test_a_zombie_market_hub_is_noticed_while_the_market_is_open() -> None:
    case = Case()
    await case.hub.subscribe("SubscribeContractTrades", MES)
    async with case.running():
        await case.ready()
        await pings_only(case, 110)
        await case.ready(2)
    assert any("no market data for 90 s" in r for r in case.reasons)


async def test_market_data_keeps_the_market_hub_alive() -> None:
    case = Case()
    await case.hub.subscribe("SubscribeContractTrades", MES)
    async with case.running():
        await case.ready()
        for _ in range(6):
            case.server.socket.say(QUOTE)
            await pings_only(case, 80)
    assert case.hub.connections == 1


async def test_silence_means_nothing_while_the_market_is_closed_and_counts_from_its_open() -> None:
    case = Case()
    await case.hub.subscribe("SubscribeContractTrades", MES)
    case.market_open = False
    async with case.running():
        await case.ready()
        await pings_only(case, 600)
        case.market_open = True
        await pings_only(case, 80)
        assert case.hub.connections == 1
        await pings_only(case, 30)
        await case.ready(2)


async def test_the_user_hub_may_be_quiet_for_hours() -> None:
    case = Case(HubKind.USER)
    await case.hub.subscribe("SubscribeOrders", 7)
    async with case.running():
        await case.ready()
        await pings_only(case, 1200)
    assert case.hub.connections == 1


async def test_a_server_that_never_shakes_hands_is_left() -> None:
    case = Case()

    class Mute(FakeSocket):
        async def send(self, text: str) -> None:
            return None

    first = Mute()
    connect = case.server.connect

    async def mute_first(url: str) -> FakeSocket:
        case.hub._connect = connect
        return first

    case.hub._connect = mute_first
    async with case.running():
        await case.until(lambda: case.hub.connections == 1)
        case.time.now += 11
        await case.ready(2)
    assert any("no answer to handshake" in r for r in case.reasons)
    assert first.closed


async def test_a_url_that_is_none_is_refused_without_showing_its_token() -> None:
    with pytest.raises(ValueError, match="http") as caught:
        Hub(HubKind.USER, "ftp://x?access_token=secret", Tokens(), lambda *_: None)
    assert "secret" not in str(caught.value)
