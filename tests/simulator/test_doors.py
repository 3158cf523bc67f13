"""What ASP.NET grants every client: names in any case, browsers of any origin, an answer to whoever wants one."""

from __future__ import annotations

import httpx
import pytest

from tests.simulator.client import MES, MORNING, hub, rest
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.server import serve

PAGE = "http://localhost:3000"


@pytest.fixture
async def sim():
    async with serve(SimulatorSettings(start=MORNING, rate=20)) as simulator:
        yield simulator


@pytest.fixture
async def api(sim):
    async with rest(sim, over="socket") as client:
        yield client


async def test_hub_methods_are_found_in_any_case(sim, api):
    async with hub(sim.url, "market", api.token) as market, hub(sim.url, "USER", api.token) as user:
        assert "error" not in await market.call("subscribecontractquotes", MES)
        assert (await market.until(lambda m: m.get("target") == "GatewayQuote"))["arguments"][0] == MES
        assert "error" not in await user.call("SUBSCRIBEORDERS", 1001)
        assert "Method does not exist" in (await market.call("subscribeContractDepth", MES))["error"]


async def test_a_stream_that_no_hub_has_ends_with_an_error(sim, api):
    async with hub(sim.url, "market", api.token) as market:
        await market.socket.send('{"type":4,"invocationId":"s","target":"StreamQuotes","arguments":[]}\x1e')
        assert "Method does not exist" in (await market.until(lambda m: m.get("invocationId") == "s"))["error"]


async def test_paths_and_members_are_taken_in_any_case(api):
    assert (await api.raw("account/SEARCH/", onlyActiveAccounts=True)).json()["accounts"]
    assert (await api.raw("Account/search", OnlyActiveAccounts=True)).json()["success"]
    bracket = {"StopLossBracket": {"Ticks": -40, "TYPE": 4}}
    placed = await api.post(
        "Order/place", AccountId=1001, ContractId=MES, Type=1, Side=0, Size=1, LimitPrice=100, **bracket
    )
    assert placed["success"], placed
    child = await api.post("Order/v2/query", Filter={"AccountId": 1001, "Statuses": [8]})
    assert [order["parentOrderId"] for order in child["orders"]] == [placed["orderId"]]


async def test_a_browser_may_ask_from_any_page_with_credentials(sim, api):
    wanted = "authorization,x-requested-with,x-signalr-user-agent"
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
    async with httpx.AsyncClient(base_url=sim.url, headers={"Origin": PAGE}) as page:
        for path in ("/hubs/market/negotiate?negotiateVersion=1", "/api/Account/search"):
            preflight = await page.options(path, headers=ask)
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == PAGE
            assert preflight.headers["access-control-allow-credentials"] == "true"
            assert preflight.headers["access-control-allow-headers"] == wanted
        bearer = {"Authorization": f"Bearer {api.token}"}
        negotiated = await page.post("/hubs/market/negotiate?negotiateVersion=1", headers=bearer)
        assert negotiated.status_code == 200 and negotiated.headers["access-control-allow-origin"] == PAGE
        refused = await page.post("/api/Account/search", json={})
        assert refused.status_code == 401 and refused.headers["access-control-allow-origin"] == PAGE  # readable
        control = await page.get("/simulator/status")
        assert "access-control-allow-origin" not in control.headers


@pytest.mark.parametrize("key", ["simulator-key", "sim-key"])
async def test_the_default_user_has_a_key_that_no_client_finds_too_short(sim, key):
    async with httpx.AsyncClient(base_url=sim.url) as http:
        reply = await http.post("/api/Auth/loginKey", json={"userName": "sim", "apiKey": key})
        assert reply.json()["success"]


async def test_a_time_that_cannot_be_read_is_a_validation_error(api):
    reply = await api.raw("Order/search", accountId=1001, startTimestamp="yesterday")
    assert reply.status_code == 400 and "errors" in reply.json()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("", "$"),
        ("[]", "$"),
        ("{", "$"),
        ("{}", "onlyActiveAccounts"),
        ('{"onlyActiveAccounts":"yes"}', "$.onlyActiveAccounts"),
    ],
)
async def test_a_body_that_does_not_fit_is_told_where(api, body, place):
    reply = await api.http.post("/api/Account/search", content=body, headers={"Content-Type": "text/json"})
    assert reply.status_code == 400 and list(reply.json()["errors"]) == [place]
    assert reply.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_another_verb_is_405(api, method):
    reply = await api.http.request(method, "/api/Order/place")
    assert reply.status_code == 405 and reply.headers["allow"] == "POST"
