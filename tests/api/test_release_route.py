"""`POST /api/accounts/{account}/release`: who may, what it must say, and that it is on record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import FULL, issue
from tests.fakes.desk import FakeDesk
from workbench.services.audit import Audit

PATH = "/api/accounts/1001/release"
WISH = {"request": "r1", "reason": "the laptop slept", "person": "ann"}


async def test_a_trade_token_releases_once_for_each_key_and_the_audit_log_says_who_and_why(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    desk.halted = ["the clock has jumped"]
    async with knock() as client:
        trade = issue(desk, "trade", name="bot")
        done = await client.post(PATH, headers=trade, json=WISH)
        again = await client.post(PATH, headers=trade, json=WISH)
    assert done.status_code == 200 and done.content == again.content
    assert done.json() == {
        "account": 1001, "accepted": True, "reason": "", "released": ["the clock has jumped"], "halted": []
    }  # fmt: skip
    (call,) = desk.calls
    assert call[:2] == ("release", 1001) and (call[2].person, call[2].reason) == ("ann", "the laptop slept")
    line = Audit(desk.home).read(2)[1]
    assert (line["who"], line["what"]) == ("ann (bot)", f"POST {PATH}")
    assert "the laptop slept" in str(line["details"]) and "ann" in str(line["details"])


@pytest.mark.parametrize("scopes", [("read",), ("stop",), ("read", "stop")])
async def test_without_the_scope_trade_nothing_is_released(
    knock: Callable[..., Any], desk: FakeDesk, scopes: tuple[str, ...]
) -> None:
    desk.halted = ["the clock has jumped"]
    async with knock() as client:
        refused = await client.post(PATH, headers=issue(desk, *scopes), json=WISH)
    assert refused.status_code == 403 and desk.calls == [] and desk.halted


@pytest.mark.parametrize(
    "wrong", [{"reason": "ab"}, {"reason": None}, {"person": ""}, {"person": None}, {"request": ""}, {"halt": "all"}]
)
async def test_a_body_without_person_reason_or_key_is_refused(
    knock: Callable[..., Any], desk: FakeDesk, wrong: dict[str, Any]
) -> None:
    async with knock() as client:
        assert (await client.post(PATH, headers=FULL, json={**WISH, **wrong})).status_code == 422
    assert desk.calls == []


async def test_a_stopped_account_is_not_released_and_one_that_is_not_halted_says_so(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    async with knock() as client:
        nothing = await client.post(PATH, headers=FULL, json=WISH)
        assert nothing.json()["accepted"] is False and "is not halted" in nothing.json()["reason"]
        await desk.stop("now", None, "ann")
        stopped = await client.post(PATH, headers=FULL, json={**WISH, "request": "r2"})
        unknown = await client.post("/api/accounts/7/release", headers=FULL, json={**WISH, "request": "r3"})
    assert (stopped.status_code, unknown.status_code) == (423, 422)
