"""The hubs as clients meet them: negotiate, handshake versions, completions, ids in the URL, flexible arguments."""

from __future__ import annotations

import json

import httpx
import pytest
import websockets

from tests.simulator.client import END, MES, MORNING, hub, rest
from tests.simulator.lab import Lab
from workbench.simulator.config import AccountSettings, SimulatorSettings, User
from workbench.simulator.connections import Connection
from workbench.simulator.market import DEPTH_LEVELS
from workbench.simulator.server import serve


@pytest.fixture
async def sim():
    config = SimulatorSettings(
        start=MORNING,
        rate=20,
        users=(User(), User(name="other", api_key="k")),
        accounts=(
            AccountSettings(id=1001, name="PRAC-1", rules=False),
            AccountSettings(id=9, name="PRAC-9", user="other"),
        ),
    )
    async with serve(config) as simulator:
        yield simulator


@pytest.fixture
async def api(sim):
    async with rest(sim, over="socket") as client:
        yield client


async def test_negotiate_answers_every_client(sim, api):
    async with httpx.AsyncClient(base_url=sim.url) as http:
        for url, headers in (
            (f"/hubs/market/negotiate?access_token={api.token}", {"Content-Type": "application/octet-stream"}),
            ("/hubs/user/negotiate?negotiateVersion=1", {"Authorization": f"Bearer {api.token}"}),
        ):
            reply = await http.post(url, headers=headers)
            body = reply.json()
            assert reply.status_code == 200 and reply.headers["content-type"].startswith("application/json")
            assert body["availableTransports"] == [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}]
            assert ("connectionToken" in body) == ("negotiateVersion=1" in url)
        assert (await http.post("/hubs/market/negotiate?access_token=bad")).status_code == 401
        assert (await http.post(f"/hubs/nothing/negotiate?access_token={api.token}")).status_code == 404


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_handshake_versions_zero_to_two_open(sim, api, version):
    async with hub(sim.url, "market", api.token, version) as market:
        assert await market.call("SubscribeContractQuotes", MES) == {"type": 3, "invocationId": "c0", "result": None}


async def test_another_protocol_is_refused_and_the_socket_closed(sim, api):
    socket = await websockets.connect(f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={api.token}&id=anything")
    await socket.send('{"protocol":"messagepack","version":1}' + END)
    assert "error" in json.loads((await socket.recv())[:-1])
    with pytest.raises(websockets.ConnectionClosed):
        await socket.recv()


async def test_a_bearer_header_opens_too_and_a_bad_token_is_401(sim, api):
    url = f"{sim.url.replace('http', 'ws')}/hubs/user"
    socket = await websockets.connect(url, additional_headers={"Authorization": f"Bearer {api.token}"})
    await socket.close()
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{url}?access_token=bad")
    assert refused.value.response.status_code == 401


async def test_unknown_methods_get_an_error_with_an_id_and_silence_without(sim, api):
    async with hub(sim.url, "user", api.token) as user:
        await user.send("Heartbeat")
        answer = await user.call("SubscribeContractDepth", MES)
        assert "HubException: Method does not exist." in answer["error"]
        assert len(user.messages) == 1
        assert "error" in await user.call("SubscribeOrders", "abc")


async def test_several_messages_in_one_frame_account_ids_as_text_and_repeated_subscriptions(sim, api):
    async with hub(sim.url, "user", api.token) as user:
        call = {"type": 1, "target": "SubscribeOrders", "arguments": ["1001"], "headers": {}}
        await user.socket.send(json.dumps(call) + END + json.dumps(call) + END + '{"type":6}' + END)
        await user.call("SubscribeTrades", 1001)
        await api.place()
        await user.event("GatewayUserTrade")
        pending = [d for d in user.of("GatewayUserOrder") if d["data"]["status"] == 6]
        assert len(pending) == 1  # subscribed twice, told once


async def test_a_foreign_account_brings_no_events_and_no_orders(sim, api):
    async with hub(sim.url, "user", api.token) as user, rest(sim, over="socket") as stranger:
        await user.call("SubscribeOrders", 9)
        token = (await stranger.post("Auth/loginKey", userName="other", apiKey="k"))["token"]
        stranger.http.headers["Authorization"] = f"Bearer {token}"
        assert (await api.place(account=9))["errorCode"] == 1
        assert (await stranger.place(account=9))["success"]
        assert [a["id"] for a in (await stranger.post("Account/search", onlyActiveAccounts=True))["accounts"]] == [9]
        await user.call("SubscribeTrades", 1001)
        assert not user.of("GatewayUserOrder")


async def test_two_connections_of_one_user_both_hear_everything(sim, api):
    async with hub(sim.url, "user", api.token) as one, hub(sim.url, "user", api.token) as two:
        for client in (one, two):
            await client.call("SubscribePositions", 1001)
        await api.place()
        assert await one.event("GatewayUserPosition") == await two.event("GatewayUserPosition")


async def test_a_client_that_says_goodbye_is_let_go(sim, api):
    async with hub(sim.url, "user", api.token) as user:
        await user.socket.send('{"type":7}' + END)
        with pytest.raises(ConnectionError):
            await user.until(lambda m: False)


async def test_rest_binds_bodies_like_the_service(api):
    assert (await api.raw("Auth/loginKey", userName="sim")).status_code == 400
    assert (await api.raw("Order/place", accountId="x", contractId=MES, type=2, side=0, size=1)).json()["status"] == 400
    assert (
        await api.raw("Order/place", accountId=1001, contractId=MES, type="Market", side=0, size=1)
    ).status_code == 400
    assert (await api.raw("Account/search", onlyActiveAccounts=True, unknownField=1)).status_code == 200
    query = await api.raw("Order/v2/query", filter={"accountId": 1001}, pageSize=-1)
    assert query.status_code == 400 and {"type", "title", "status", "detail", "instance"} == query.json().keys()
    assert (await api.http.get("/api/Status/ping")).json() == "pong"
    login = await api.post("Auth/loginApp", userName="a", password="b", deviceId="c", appId="d", verifyKey="e")
    assert login["errorCode"] == 4
    renewed = (await api.post("Auth/validate"))["newToken"]
    assert renewed.count(".") == 2 and (await api.post("Auth/logout"))["success"]
    assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 401
    api.http.headers["Authorization"] = f"Bearer {renewed}"
    assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 200


async def test_order_searches_page_filter_and_leave_suspended_out(api):
    tags = [f"q{n}" for n in range(5)]
    for tag in tags:
        await api.place(type=1, limitPrice=4000.0, customTag=tag, stopLossBracket={"ticks": -8, "type": 4})
    still = (await api.post("Order/v2/query", filter={"accountId": 1001, "statuses": [8]}))["orders"]
    assert len(still) == 5
    page = await api.post("Order/v2/query", filter={"accountId": 1001}, pageSize=4, pageOffset=4, sortBy=1,
                          sortDirection=1,
                          includeTotalCount=True)  # fmt: skip
    assert page["totalCount"] == 10 and len(page["orders"]) == 4
    ids = [o["id"] for o in page["orders"]]
    assert ids == sorted(ids, reverse=True)
    entry = next(
        o for o in (await api.post("Order/search", accountId=1001, startTimestamp="2026-01-01T00:00:00Z"))["orders"]
    )
    assert (await api.post("Order/searchById", accountId=1001, orderId=entry["id"]))["order"] is not None
    assert (await api.post("Order/searchById", accountId=1001, orderId=5))["errorCode"] == 1
    assert all(o["status"] == 1 for o in (await api.post("Order/searchOpen", accountId=1001))["orders"])


def depth_levels_of(connection: Connection, book: dict) -> dict:
    """Apply what waits for a connection to its book, as a client does."""
    while not connection.outbox.empty():
        for item in json.loads(connection.outbox.get_nowait()[:-1])["arguments"][1]:
            if item["type"] == 6:
                book.clear()
            elif item["volume"]:
                book[item["type"], item["price"]] = item["volume"]
            else:
                book.pop((item["type"], item["price"]), None)
    return book


def test_a_book_subscribed_late_or_again_has_no_stale_levels():
    lab = Lab()
    hubs, contract = lab.simulator.hubs, lab.tape.listed[0]
    hubs.transcript = None  # it would keep the book moving
    topic = ("GatewayDepth", contract.id)
    books: dict[Connection, dict] = {}

    def subscribe() -> Connection:
        connection = Connection("market", "sim", frozenset(), None)
        hubs.connections.add(connection)
        connection.topics.add(topic)
        hubs.greet(connection, "GatewayDepth", contract, lab.exchange.now)
        books[connection] = {}
        return connection

    first = subscribe()
    lab.prints(6001.0, 6003.0)
    first.topics.discard(topic)  # nobody listens while the market goes its way
    depth_levels_of(first, books.pop(first))
    lab.prints(6020.0)
    subscribe()
    lab.prints(6023.0)
    subscribe()
    lab.prints(6019.0)
    for connection, book in books.items():
        held = depth_levels_of(connection, book)
        bids, asks = ([price for kind, price in held if kind == side] for side in (2, 1))
        assert len(bids) == len(asks) == DEPTH_LEVELS and max(bids) < min(asks)
