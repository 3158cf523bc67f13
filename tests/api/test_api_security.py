"""Strangers at the door: wrong Host, wrong Origin, wrong token, and a stop token that tries to do more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter

from tests.fakes.desk import FakeDesk
from workbench.api.app import build_app
from workbench.api.security import MAX_STOP_TOKENS, STOP_TOKEN_LIFE_S, Tokens
from workbench.domain.errors import InputError

TOKEN = "the-full-token-of-this-test"
FULL = {"authorization": f"Bearer {TOKEN}"}
DASHBOARD = "http://127.0.0.1:8421"


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    internal = APIRouter()

    @internal.get("/internal/hello")
    async def hello() -> dict[str, bool]:
        return {"hello": True}

    app = build_app(desk, token=TOKEN, allowed_origins=[DASHBOARD], internal_router=internal)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420") as session:
        yield session


async def stop_token(client: httpx.AsyncClient) -> dict[str, str]:
    answered = (await client.post("/api/stop-token", headers=FULL)).json()
    assert answered["expires_in_s"] == STOP_TOKEN_LIFE_S and answered["expires_at"]
    return {"authorization": f"Bearer {answered['token']}"}


async def test_health_needs_no_token_and_says_nothing_secret(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/health")
    told = response.json()
    assert {**told, "schema": ""} == {"status": "ok", "service": "workbench desk", "version": "0.1.0", "schema": ""}


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer ", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN],
)
async def test_a_missing_or_wrong_token_is_401(client: httpx.AsyncClient, desk: FakeDesk, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    for method, path in (("GET", "/api/state"), ("POST", "/api/stop"), ("GET", "/internal/hello"), ("GET", "/nothing")):
        assert (await client.request(method, path, headers=headers)).status_code == 401
    assert desk.calls == []


@pytest.mark.parametrize("raw", ["Bearer tökén".encode(), b"Bearer \xff\xfe\x80", "Bearer токен".encode()])
async def test_a_token_that_is_not_ascii_is_401_and_not_a_crash(client: httpx.AsyncClient, raw: bytes) -> None:
    assert (await client.get("/api/state", headers=[(b"authorization", raw)])).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8420", "127.0.0.1.evil.example", "", "[::2]:8420"])
async def test_a_foreign_host_is_refused_even_with_the_token(client: httpx.AsyncClient, host: str) -> None:
    for path in ("/api/state", "/api/health"):
        assert (await client.get(path, headers={**FULL, "host": host})).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8420", "localhost:8420", "LOCALHOST"])
async def test_both_names_of_this_machine_are_served(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/api/state", headers={**FULL, "host": host})).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8421", "http://127.0.0.1:9999"])
async def test_a_foreign_origin_is_refused_even_with_the_token(
    client: httpx.AsyncClient, desk: FakeDesk, origin: str
) -> None:
    response = await client.post("/api/stop", headers={**FULL, "origin": origin})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers
    assert desk.calls == []


async def test_the_dashboards_origin_may_call_and_read(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/state", headers={**FULL, "origin": DASHBOARD})
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == DASHBOARD
    assert response.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in response.headers


async def test_the_preflight_names_exactly_the_asking_origin(client: httpx.AsyncClient) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    good = await client.options("/api/stop", headers={**asks, "origin": DASHBOARD})
    assert good.status_code == 204 and good.headers["access-control-allow-origin"] == DASHBOARD
    assert "authorization" in good.headers["access-control-allow-headers"]
    bad = await client.options("/api/stop", headers={**asks, "origin": "http://evil.example"})
    assert bad.status_code == 403 and "access-control-allow-origin" not in bad.headers


@pytest.mark.parametrize("status", [401, 409, 500])
async def test_errors_can_be_read_by_the_dashboard(client: httpx.AsyncClient, desk: FakeDesk, status: int) -> None:
    desk.fails = {409: InputError("x"), 500: RuntimeError("y")}.get(status)
    headers = {"origin": DASHBOARD} if status == 401 else {**FULL, "origin": DASHBOARD}
    response = await client.get("/api/state", headers=headers)
    assert response.status_code in (status, 422)
    assert response.headers["access-control-allow-origin"] == DASHBOARD


async def test_an_origin_learned_later_is_served(desk: FakeDesk) -> None:
    app = build_app(desk, token=TOKEN)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:1") as client:
        headers = {**FULL, "origin": "http://localhost:8888"}
        assert (await client.get("/api/state", headers=headers)).status_code == 403
        app.state.origins.allow("http://localhost:8888/")
        assert (await client.get("/api/state", headers=headers)).status_code == 200


async def test_a_dashboard_on_a_port_of_its_own_announces_itself(client: httpx.AsyncClient) -> None:
    headers = {**FULL, "origin": "http://127.0.0.1:50123"}
    assert (await client.get("/api/state", headers=headers)).status_code == 403
    assert (await client.post("/api/origins", headers=FULL, json={"origin": headers["origin"]})).status_code == 201
    assert (await client.get("/api/state", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1.evil.example:80", "null", "*", "https://x:1"]
)
async def test_only_pages_of_this_machine_can_be_announced(client: httpx.AsyncClient, origin: str) -> None:
    assert (await client.post("/api/origins", headers=FULL, json={"origin": origin})).status_code == 422


async def test_a_stop_token_stops(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    response = await client.post("/api/stop", headers=await stop_token(client), json={"reason": "button"})
    assert response.status_code == 200 and desk.calls == [("stop", "button", None, "api")]


async def test_a_stop_token_flattens_a_session(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    response = await client.post("/api/sessions/sma-cross-1/flatten", headers=await stop_token(client))
    assert response.status_code == 200 and response.json()["state"] == "paused"
    assert desk.calls == [("flatten", "sma-cross-1", "api")]


async def test_a_stop_token_is_good_for_nothing_else(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    headers = await stop_token(client)
    assert (await client.get("/api/health", headers=headers)).status_code == 200
    clear = {"reason": "let me in", "person": "mallory"}
    for method, path, body in (
        ("GET", "/api/state", None),
        ("POST", "/api/stop/clear", clear),
        ("POST", "/api/stop-token", None),
        ("POST", "/api/origins", {"origin": "http://127.0.0.1:9"}),
        ("POST", "/api/sessions", {"strategy": "x", "account": 1001}),
        ("POST", "/api/sessions/sma-cross-1/end", None),
        ("POST", "/api/sessions/sma-cross-1/resume", None),
        ("POST", "/api/sessions/sma-cross-1/start", None),
        ("POST", "/api/sessions/sma-cross-1/pause", None),
        ("GET", "/api/sessions/sma-cross-1/flatten", None),
        ("POST", "/api/sessions/sma-cross-1/flatten/", None),
        ("POST", "/api/sessions/sma-cross-1/x/flatten", None),
        ("POST", "/api/positions/1001/CON.F.US.MES.Z26/close", {"request": "x"}),
        ("POST", "/api/accounts/1001/release", {"request": "x", "reason": "let me in", "person": "mallory"}),
        ("GET", "/api/stop", None),
        ("POST", "/api/stop/", None),
        ("POST", "//api/stop", None),
        ("GET", "/internal/hello", None),
    ):
        assert (await client.request(method, path, headers=headers, json=body)).status_code == 403, path
    assert desk.calls == []


def test_a_stop_token_dies_after_twelve_hours() -> None:
    now = [0.0]
    tokens = Tokens(TOKEN, clock=lambda: now[0])
    token, life_s = tokens.issue_stop()
    assert tokens.scope_of(token) == "stop"
    now[0] = life_s + 1
    assert tokens.scope_of(token) is None
    assert tokens.scope_of(TOKEN) == "full"


def test_asking_for_stop_tokens_in_a_loop_does_not_grow_the_memory() -> None:
    tokens = Tokens(TOKEN)
    issued = [tokens.issue_stop()[0] for _ in range(MAX_STOP_TOKENS + 5)]
    alive = [token for token in issued if tokens.scope_of(token) == "stop"]
    assert alive == issued[5:]


def test_a_short_token_is_refused() -> None:
    with pytest.raises(InputError, match="at least 16"):
        Tokens("short")
