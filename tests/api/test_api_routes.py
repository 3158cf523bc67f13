"""The desk's REST answers, against a fake desk through the ASGI transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.api.app import answer, build_app
from workbench.domain.errors import GatewayError

TOKEN = "the-full-token-of-this-test"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(desk, token=TOKEN), raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=headers) as session:
        yield session


async def test_state_is_the_snapshot(client: httpx.AsyncClient) -> None:
    state = (await client.get("/api/state")).json()
    assert state["accounts"][0]["account"] == 1001
    assert state["sessions"][0]["state"] == "running"


async def test_bars_are_ascending_and_limited(client: httpx.AsyncClient) -> None:
    bars = (await client.get("/api/bars", params={"contract": CONTRACT, "timeframe": "1m", "limit": 5})).json()
    times = [bar["time"] for bar in bars]
    assert len(bars) == 5 and times == sorted(times)


async def test_a_zero_limit_is_refused_with_the_field_named(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/bars", params={"contract": CONTRACT, "limit": 0})
    assert response.status_code == 422
    assert "limit" in response.json()["error"]


async def test_an_unknown_timeframe_gets_a_hint(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/bars", params={"contract": CONTRACT, "timeframe": "1min"})
    assert response.status_code == 422
    assert response.json()["kind"] == "UnknownName" and "did you mean 1m" in response.json()["error"]


async def test_orders_and_fills_of_one_account(client: httpx.AsyncClient) -> None:
    orders = (await client.get("/api/orders", params={"account": 1001})).json()
    assert [order["status"] for order in orders] == ["FILLED", "WORKING", "WORKING"]
    assert (await client.get("/api/fills")).json()[0]["gross_pnl_usd"] is None  # missing is null, never 0


async def test_start_hands_over_what_was_asked(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    body = {"strategy": "sma_cross", "account": 1001, "parameters": {"fast": 10, "side": "long", "on": True, "x": 0.5}}
    response = await client.post("/api/sessions", json=body)
    assert response.status_code == 201
    asked = desk.calls[0][1]
    assert asked.parameters == body["parameters"] and isinstance(asked.parameters["fast"], int)


async def test_a_mistyped_key_is_refused(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    response = await client.post("/api/sessions", json={"strategy": "sma_cross", "account": 1001, "paramters": {}})
    assert response.status_code == 422 and "paramters" in response.json()["error"]
    assert desk.calls == []


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "flatten", "end"])
async def test_each_verb_reaches_the_session_with_the_person(
    client: httpx.AsyncClient, desk: FakeDesk, verb: str
) -> None:
    response = await client.post(f"/api/sessions/sma-cross-1/{verb}", json={"person": "ann"})
    assert response.status_code == 200
    assert desk.calls == [(verb, "sma-cross-1", "ann")]


async def test_an_unknown_verb_or_session_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/sessions/sma-cross-1/explode")).status_code == 422
    answered = await client.post("/api/sessions/sma-cros-1/pause")
    assert answered.status_code == 422 and "sma-cross-1" in answered.json()["error"]


async def test_a_manual_order_needs_a_positive_size_and_a_finite_price(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    order = {"request": "r1", "account": 1001, "contract": CONTRACT, "side": "BUY", "qty": 1}
    assert (await client.post("/api/orders", json=order)).status_code == 201
    assert (await client.post("/api/orders", json={**order, "request": "r2", "qty": 0})).status_code == 422
    nan = '{"request":"r3","account":1001,"contract":"X","side":"BUY","type":"LIMIT","qty":1,"limit_price":NaN}'
    assert (await client.post("/api/orders", content=nan)).status_code == 422
    assert len(desk.calls) == 1


async def test_stop_answers_with_its_typed_result(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    stopped = (await client.post("/api/stop", json={"reason": "news", "person": "ann"})).json()
    assert stopped["result"] == "FLAT" and stopped["latched"] is True and stopped["remaining"] == []
    assert desk.calls == [("stop", "news", None, "ann")]


async def test_a_stop_with_an_empty_body_stops_everything(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    assert (await client.post("/api/stop")).status_code == 200
    assert (await client.post("/api/stop", json={"reason": "", "colour": "red"})).status_code == 200
    assert desk.calls == [("stop", "emergency stop", None, "api")] * 2


async def test_a_stop_that_is_not_flat_says_what_remains(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.not_flat = ["+2 MES in account 1001: market closed until 17:00"]
    stopped = (await client.post("/api/stop")).json()
    assert stopped["result"] == "NOT_FLAT" and stopped["remaining"] == desk.not_flat


async def test_start_while_latched_is_locked(client: httpx.AsyncClient) -> None:
    await client.post("/api/stop")
    response = await client.post("/api/sessions", json={"strategy": "sma_cross", "account": 1001})
    assert response.status_code == 423 and response.json()["kind"] == "StopLatched"


async def test_clearing_needs_a_reason_and_a_person(client: httpx.AsyncClient) -> None:
    await client.post("/api/stop")
    assert (await client.post("/api/stop/clear", json={"reason": "", "person": "ann"})).status_code == 422
    assert (await client.post("/api/stop/clear", json={"reason": "tested"})).status_code == 422
    cleared = await client.post("/api/stop/clear", json={"reason": "tested", "person": "ann"})
    assert cleared.json() == {"latched": False}
    again = await client.post("/api/stop/clear", json={"reason": "tested", "person": "ann"})
    assert again.status_code == 409


async def test_an_error_of_ours_is_409_and_a_bug_is_500_with_its_name(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    desk.fails = GatewayError("the gateway does not answer since 12 s")
    refused = await client.get("/api/state")
    assert (refused.status_code, refused.json()["kind"]) == (409, "GatewayError")
    desk.fails = ZeroDivisionError("oops")
    broken = await client.get("/api/state")
    assert (broken.status_code, broken.json()["kind"]) == (500, "ZeroDivisionError")


async def test_an_unknown_path_is_404_in_the_same_shape(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/nothing")
    assert response.status_code == 404 and response.json()["error"]


def test_money_goes_out_as_numbers_and_nan_as_null() -> None:
    assert answer({"a": Decimal("12.50"), "b": float("nan")}).body == b'{"a":12.50,"b":null}'
