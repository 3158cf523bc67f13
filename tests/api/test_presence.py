"""The sign of life of the attended mode, over the API: who gave it, that runners see it, and that it is one act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import FULL, issue
from tests.fakes.desk import FakeDesk
from workbench.api.app import build_app
from workbench.api.routes import guards
from workbench.services.audit import Audit
from workbench.storage.presence import read_presence

Knock = Callable[..., Any]


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The instant that the wall clock shows (UTC ns)."""
    now = [1_795_014_000_000_000_000]
    monkeypatch.setattr(guards, "wall_ns", lambda: now[0])
    return now


async def test_a_person_attends_runners_see_it_and_the_audit_log_says_who(
    knock: Knock, desk: FakeDesk, wall: list[int]
) -> None:
    async with knock() as client:
        assert (await client.get("/api/here", headers=FULL)).json() == {"person": None, "at": None}
        done = await client.post("/api/here", headers=issue(desk, "trade"), json={"person": "ann"})
        assert (done.status_code, done.json()) == (200, {"person": "ann", "at": wall[0]})
        assert read_presence(desk.home) == (wall[0], "ann"), "the file that runners look at"
        assert (await client.get("/api/here", headers=FULL)).json() == done.json()
    [line] = [each for each in Audit(desk.home).read(10) if each["what"] == "POST /api/here"]
    assert (line["who"], line["details"]["status"]) == ("ann (page)", 200)
    assert desk.calls == []


async def test_the_same_key_again_is_no_new_sign_of_life(knock: Knock, desk: FakeDesk, wall: list[int]) -> None:
    headers = {**FULL, "idempotency-key": "minute-1"}
    async with knock() as client:
        first = await client.post("/api/here", headers=headers, json={"person": "ann"})
        wall[0] += 60_000_000_000
        again = await client.post("/api/here", headers=headers, json={"person": "ann"})
        assert again.json() == first.json()
        assert read_presence(desk.home) == (wall[0] - 60_000_000_000, "ann"), "a replay keeps no entry alive"
        await client.post("/api/here", headers=FULL, json={"person": "ann"})
    assert read_presence(desk.home) == (wall[0], "ann")


@pytest.mark.parametrize("body", [None, {}, {"person": ""}, {"person": "x" * 65}, {"person": "ann", "at": 1}])
async def test_nobody_in_particular_attends_nothing(knock: Knock, desk: FakeDesk, body: Any) -> None:
    async with knock() as client:
        assert (await client.post("/api/here", headers=FULL, json=body)).status_code == 422
    assert read_presence(desk.home) is None


def test_the_description_has_the_scope_and_an_example() -> None:
    described = build_app(FakeDesk(), token="x" * 40).openapi()
    assert described["paths"]["/api/here"]["post"]["x-scope"] == "trade"
    assert described["paths"]["/api/here"]["get"]["x-scope"] == "read"
    assert described["components"]["schemas"]["Here"]["properties"]["person"]["examples"] == ["ann"]
