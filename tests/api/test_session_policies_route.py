"""Policies of a session over REST: refused with the choices, handed on, and in the row that is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.fakes.desk import FakeDesk
from workbench.api.app import build_app
from workbench.services.desk_answers import SessionRow
from workbench.services.strategies import resolve_strategy
from workbench.storage.registry import Registry

TOKEN = "the-full-token-of-this-test"
BODY: dict[str, Any] = {"strategy": "sma_cross", "account": 1001}
CHOSEN = {"start_policy": "wait_flat", "disconnect_policy": "pause", "disconnect_after_s": 30.0}
USUAL = {"start_policy": "adopt", "disconnect_policy": "keep", "disconnect_after_s": 60.0}


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build_app(desk, token=TOKEN), raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=headers) as session:
        yield session


@pytest.mark.parametrize("chosen", [CHOSEN, {}])
async def test_a_start_hands_the_policies_over_and_shows_them_in_the_row(
    client: httpx.AsyncClient, desk: FakeDesk, chosen: dict[str, Any]
) -> None:
    response = await client.post("/api/sessions", json={**BODY, **chosen})
    assert response.status_code == 201, response.text
    asked, wanted = desk.calls[0][1], {**USUAL, **chosen}
    assert {name: getattr(asked, name) for name in wanted} == wanted and asked.parameters == {}
    row = (await client.get("/api/sessions/sma-cross-1")).json()
    assert {name: row[name] for name in wanted} == wanted


async def test_a_stored_version_is_activated_with_policies(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    registry = Registry(desk.home)
    registry.register(resolve_strategy("sma_cross", registry), at=1)
    answered = await client.post("/api/strategies/sma_cross/activate", json={"account": 1001, **CHOSEN})
    assert answered.status_code == 201, answered.text
    assert desk.calls[0][1].start_policy == "wait_flat" and desk.calls[0][1].disconnect_after_s == 30.0


@pytest.mark.parametrize(
    ("field", "value", "choices"),
    [
        ("start_policy", "wait-flat", ["adopt", "wait_flat", "flatten"]),
        ("disconnect_policy", "stop", ["keep", "pause", "flatten"]),
        ("disconnect_after_s", 0, ["1"]),
        ("disconnect_after_s", 4000, ["3600"]),
    ],
)
async def test_what_the_runner_does_not_know_is_refused_with_the_choices(
    client: httpx.AsyncClient, desk: FakeDesk, field: str, value: Any, choices: list[str]
) -> None:
    response = await client.post("/api/sessions", json={**BODY, field: value})
    assert response.status_code == 422
    told = response.json()["error"]
    assert field in told and all(word in told for word in choices), told
    assert desk.calls == []


async def test_the_row_of_a_session_says_what_it_waits_for(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    desk.state, desk.reason = "warming", "warming up: 3 of 31 bars"
    row = (await client.get("/api/sessions/sma-cross-1")).json()
    assert (row["state"], row["reason"]) == ("warming", "warming up: 3 of 31 bars")
    assert {"reason", "start_policy", "disconnect_policy", "disconnect_after_s"} <= set(SessionRow.model_fields)
