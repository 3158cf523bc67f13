"""Every switch, seen from the outside; and the list, the counts, the spelling."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets

from tests.simulator.client import MES, MORNING, hub, rest
from tests.simulator.lab import Lab
from workbench.domain.errors import InputError
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.faults import KINDS
from workbench.simulator.scenario import read_scenario
from workbench.simulator.server import build, serve

BRACKET = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 80, "type": 1}}


def simulator(**config):
    return build(SimulatorSettings(start=MORNING, lockstep=True, **config))


@asynccontextmanager
async def stage(rate: float = 20, **config):
    """A served simulator with REST and both hubs, all subscribed."""
    async with (
        serve(SimulatorSettings(start=MORNING, rate=rate, **config)) as sim,
        rest(sim, over="socket") as api,
        hub(sim.url, "user", api.token) as user,
        hub(sim.url, "market", api.token) as market,
    ):
        await user.call("SubscribeAccounts")
        for what in ("Orders", "Positions", "Trades"):
            await user.call(f"Subscribe{what}", 1001)
        for what in ("Quotes", "Trades", "MarketDepth"):
            await market.call(f"SubscribeContract{what}", MES)
        yield sim, api, user, market


# --- the control plane ---


async def test_the_list_names_every_switch_and_what_is_on():
    async with rest(simulator()) as api:
        await api.fault("slow_replies", count=3, delay_s=0.0)
        listing = (await api.http.get("/simulator/faults")).json()
    assert listing["available"].keys() == KINDS.keys()
    assert all(each["what"] for each in listing["available"].values())
    assert listing["active"]["slow_replies"]["count"] == 3


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"fault": "zombi_hub"}, "did you mean zombie_hub"),
        ({"fault": "drop_hub", "hubb": "user"}, "did you mean hub"),
        ({"fault": "part_fills", "count": 0}, "above 0"),
        ({}, "name the switch"),
    ],
)
async def test_a_wrong_fault_is_400_with_the_way_out(body, text):
    async with rest(simulator()) as api:
        reply = await api.http.post("/simulator/faults", json=body)
    assert reply.status_code == 400 and text in reply.json()["error"]


async def test_counts_run_out_durations_end_and_clear_turns_off():
    async with rest(simulator()) as api:
        await api.fault("unauthorized", count=2)
        statuses = [(await api.raw("Account/search", onlyActiveAccounts=True)).status_code for _ in range(3)]
        assert statuses == [401, 401, 200]
        await api.fault("unauthorized", duration_s=0.05)
        assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 401
        await asyncio.sleep(0.06)
        assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 200
        await api.fault("rate_limited")
        assert (await api.http.delete("/simulator/faults")).json() == {}
        assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 200


async def test_status_truth_requests_and_clock_answer():
    async with rest(simulator()) as api:
        await api.place(customTag="seen")
        status = (await api.http.get("/simulator/status")).json()
        assert status["now"] == MORNING and status["lockstep"] and MES in status["contracts"]
        truth = (await api.http.get("/simulator/truth")).json()
        assert truth["accounts"][0]["orders"][0]["customTag"] == "seen"
        log = (await api.http.get("/simulator/requests", params={"path": "/api/Order"})).json()
        assert [r["path"] for r in log["requests"]] == ["/api/Order/place"] and "seen" in log["requests"][0]["body"]
        assert (await api.http.post("/simulator/clock", json={"rate": 30, "lockstep": False})).json()["rate"] == 30
        assert (await api.http.post("/simulator/clock", json={"pause": True})).json()["paused"]
        assert (await api.http.post("/simulator/clock", json={"speed": 1})).status_code == 400


# --- REST ---


async def test_expired_tokens_give_401_until_a_new_login():
    async with rest(simulator()) as api:
        await api.fault("expire_tokens", after_s=0.0)
        reply = await api.raw("Account/search", onlyActiveAccounts=True)
        assert (reply.status_code, reply.content, reply.headers["www-authenticate"]) == (401, b"", "Bearer")
        api_two = await api.post("Auth/loginKey", userName="sim", apiKey="wrong")
        assert (api_two["success"], api_two["errorCode"], api_two["token"]) == (False, 3, None)


async def test_429_says_when_to_come_back_and_the_budgets_are_the_documented_ones():
    async with rest(simulator()) as api:
        await api.fault("rate_limited", count=1, retry_after=7)
        reply = await api.raw("Account/search", onlyActiveAccounts=True)
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")
        statuses = [(await api.raw("Account/search", onlyActiveAccounts=True)).status_code for _ in range(201)]
        assert statuses.count(200) == 200 and statuses[-1] == 429


@pytest.mark.parametrize(("fault", "exists"), [("timeout_before", False), ("timeout_after", True)])
async def test_a_place_times_out_before_or_after_acceptance(fault, exists):
    async with serve(SimulatorSettings(start=MORNING, rate=20)) as sim, rest(sim, over="socket") as api:
        await api.fault(fault, count=1, hang_s=3.0)
        with pytest.raises(httpx.ReadTimeout):
            await api.http.post(
                "/api/Order/place", timeout=0.5,
                json={"accountId": 1001, "contractId": MES, "type": 2, "side": 0, "size": 1, "customTag": "lost"},
            )  # fmt: skip
        found = await api.post("Order/search", accountId=1001, startTimestamp="2026-11-20T00:00:00Z")
        assert [o["customTag"] for o in found["orders"]] == (["lost"] if exists else [])


async def test_5xx_truncated_and_corrupt_bodies_leave_the_outcome_open():
    async with rest(simulator()) as api:
        await api.fault("server_error", count=1, status=502, path="/api/Order/place")
        place = {"accountId": 1001, "contractId": MES, "type": 2, "side": 0, "size": 1}
        reply = await api.raw("Order/place", **place)
        assert reply.status_code == 502 and reply.text.startswith("<html>")
        for n, fault in enumerate(("truncated_body", "corrupt_body"), 1):
            await api.fault(fault, count=1, path="/api/Order/place")
            reply = await api.raw("Order/place", **place, customTag=fault)
            assert reply.status_code == 200
            with pytest.raises(ValueError):
                json.loads(reply.content)
            assert (
                len((await api.post("Order/search", accountId=1001, startTimestamp="2026-01-01T00:00:00Z"))["orders"])
                == n
            )
        await api.fault("server_error", count=1, after=True, path="/api/Order/place")
        assert (await api.raw("Order/place", **place)).status_code == 503
        assert (
            len((await api.post("Order/search", accountId=1001, startTimestamp="2026-01-01T00:00:00Z"))["orders"]) == 3
        )


async def test_slow_replies_and_an_empty_live_tier():
    async with rest(simulator()) as api:
        await api.fault("slow_replies", count=1, delay_s=0.1)
        async with asyncio.timeout(5):
            started = asyncio.get_running_loop().time()
            await api.post("Contract/available", live=True)
        assert asyncio.get_running_loop().time() - started >= 0.1
        await api.fault("empty_live_tier")
        assert await api.post("Contract/available", live=True) == {
            "contracts": [], "success": True, "errorCode": 0, "errorMessage": None,
        }  # fmt: skip
        assert (await api.post("Contract/available", live=False))["contracts"]


# --- orders ---


def test_bracket_mode_signs_tags_and_plain_refusals_are_switches():
    lab = Lab()
    faults = lab.simulator.faults
    faults.set("position_brackets")
    assert lab.place(sl=-8).code == 2
    faults.clear("position_brackets")
    assert lab.place(sl=8, tp=12).code == 2
    faults.set("unsigned_brackets")
    assert lab.place(sl=8, tp=12).code == 0
    faults.set("duplicate_tag", count=1)
    assert (lab.place(tag="fresh").code, lab.place(tag="other").code) == (2, 0)
    assert lab.place(tag="other").code == 2
    faults.set("allow_duplicate_tag")
    assert lab.place(tag="other").code == 0
    faults.set("reject_order", count=1)
    assert lab.place().text == "Not enough margin." and lab.place().code == 0


def test_part_fills_can_be_switched_on_and_off():
    lab = Lab()
    lab.simulator.faults.set("part_fills")
    entry = lab.place(type=1, limit=5999.0, size=5)
    lab.prints(5998.0, size=2)
    assert lab.order(entry.order_id).filled == 2
    lab.simulator.faults.clear()
    lab.prints(5998.0, size=1)
    assert lab.order(entry.order_id).filled == 5


# --- hubs ---


async def test_flat_user_events_object_trades_one_item_trades_and_full_quotes():
    async with stage() as (_, api, user, market):
        wrapped = await market.event("GatewayTrade")
        assert isinstance(wrapped, list)
        for fault in ("flat_user_events", "object_trades", "full_quotes"):
            await api.fault(fault)
        await api.place()
        position = await user.event("GatewayUserPosition")
        assert position["size"] == 1 and "data" not in position
        trade = await market.event("GatewayTrade", lambda data: isinstance(data, dict))
        assert trade["symbolId"] == "F.US.MES"
        seen = len(market.of("GatewayQuote"))
        while len(market.of("GatewayQuote")) < seen + 3:
            await asyncio.sleep(0.02)
        assert all("high" in quote for quote in market.of("GatewayQuote")[-2:])
        await api.http.delete("/simulator/faults")
        await api.fault("one_item_trades")
        seen = len(market.of("GatewayTrade"))
        while len(market.of("GatewayTrade")) < seen + 8:
            await asyncio.sleep(0.02)
        assert all(len(each) == 1 for each in market.of("GatewayTrade")[-5:])


async def test_a_first_quote_can_be_sparse_and_the_book_can_be_reset():
    async with stage() as (sim, api, _, market):
        assert "lastPrice" in market.of("GatewayQuote")[0]
        assert (
            any("lastPrice" not in quote for quote in market.of("GatewayQuote")[1:])
            or len(market.of("GatewayQuote")) < 3
        )
        await api.fault("sparse_first_quote")
        async with hub(sim.url, "market", api.token) as late:
            await late.call("SubscribeContractQuotes", MES)
            quote = await late.event("GatewayQuote")
            assert "bestBid" in quote and "lastPrice" not in quote
        await market.event("GatewayDepth", lambda items: items[0]["type"] == 6)  # the book as it was at the beginning
        await api.fault("dom_reset", contract=MES)
        async with asyncio.timeout(10):
            while sum(items[0]["type"] == 6 for items in market.of("GatewayDepth")) < 2:
                await asyncio.sleep(0.01)


async def test_events_repeat_and_change_their_order():
    async with stage() as (_, api, user, _market):
        await api.fault("reorder_events")
        await api.place()
        await user.event("GatewayUserPosition")
        targets = [m["target"] for m in user.messages if m.get("target")]
        filled = [
            i
            for i, m in enumerate(user.messages)
            if m.get("target") == "GatewayUserOrder" and m["arguments"][0]["data"]["status"] == 2
        ]
        trade = next(i for i, m in enumerate(user.messages) if m.get("target") == "GatewayUserTrade")
        assert filled[0] < trade and targets[0]  # on the wire the trade comes first otherwise
        await api.http.delete("/simulator/faults")
        await api.fault("duplicate_events")
        await api.place(side=1)
        closed = lambda: [d for d in user.of("GatewayUserPosition") if d["data"]["size"] == 0]  # noqa: E731
        while len(closed()) < 2:
            await asyncio.sleep(0.02)
        assert closed()[0] == closed()[1]


async def test_a_dropped_hub_is_gone_and_may_come_back():
    async with stage() as (sim, api, user, market):
        await api.fault("drop_hub", hub="market")
        with pytest.raises(ConnectionError):
            await market.until(lambda m: False)
        assert not user.closed
        async with hub(sim.url, "market", api.token) as again:
            assert (await again.call("SubscribeContractTrades", MES))["result"] is None


async def test_a_zombie_hub_pings_but_brings_no_data():
    async with stage(keep_alive_s=0.1) as (_, api, _user, market):
        await market.event("GatewayTrade")
        await api.fault("zombie_hub", hub="market")
        await asyncio.sleep(0.2)
        seen, pings = len(market.of("GatewayTrade")), sum(m["type"] == 6 for m in market.messages)
        await asyncio.sleep(0.6)
        assert len(market.of("GatewayTrade")) == seen and sum(m["type"] == 6 for m in market.messages) > pings + 2


@pytest.mark.parametrize("error", ["", "Connection closed with an error."])
async def test_a_close_message_comes_with_or_without_an_error(error):
    async with stage() as (_, api, user, _market):
        await api.fault("close_message", hub="user", error=error, allow_reconnect=not error)
        close = await user.until(lambda m: m["type"] == 7)
        assert close.get("error", "") == error
        with pytest.raises(ConnectionError):
            await user.until(lambda m: False)
        assert user.socket.close_code == 1000


async def test_gateway_logout_reaches_both_hubs_and_voids_the_token():
    async with stage() as (_, api, user, market):
        await api.fault("gateway_logout")
        await user.until(lambda m: m.get("target") == "GatewayLogout")
        await market.until(lambda m: m.get("target") == "GatewayLogout")
        assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 401
        await api.login()
        assert (await api.raw("Account/search", onlyActiveAccounts=True)).status_code == 200


async def test_a_corrupt_frame_no_completion_and_a_refused_hub():
    async with stage() as (sim, api, user, _market):
        await api.fault("corrupt_frame", hub="user")
        await user.until(lambda m: m["type"] == -1)
        await api.fault("no_completion", count=1)
        with pytest.raises(TimeoutError):
            await user.until(lambda m: m.get("invocationId") == "lost", timeout_s=0.3)
        await api.fault("refuse_hub", hub="user")
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"{sim.url.replace('http', 'ws')}/hubs/user?access_token={api.token}")
        assert refused.value.response.status_code == 401
        assert (await api.http.post(f"/hubs/user/negotiate?access_token={api.token}")).status_code == 401


# --- scenarios ---


async def test_a_scenario_file_sets_faults_when_their_moment_comes(tmp_path):
    path = tmp_path / "bad-day.yaml"
    path.write_text(
        "name: bad day\nfaults:\n"
        "  - {fault: rate_limited, after_requests: 2, count: 1}\n"
        "  - {fault: slow_replies, count: 1, parameters: {delay_s: 0.0}}\n"
    )
    async with rest(simulator(scenario=path)) as api:  # the login is request 1
        statuses = [(await api.raw("Account/search", onlyActiveAccounts=True)).status_code for _ in range(3)]
        assert statuses == [429, 200, 200]
        assert (await api.http.get("/simulator/status")).json()["scenario"] == "bad day"
        wrong = await api.http.post("/simulator/scenario", json={"faults": [{"fault": "drop_hubs"}]})
        assert wrong.status_code == 400 and "did you mean drop_hub" in wrong.json()["error"]


def test_a_wrong_scenario_says_where(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("faults: [{fault: drop_hub, when: now}]\n")
    with pytest.raises(InputError, match=r"wrong\.yaml is wrong at faults\.0\.when"):
        read_scenario(path)
