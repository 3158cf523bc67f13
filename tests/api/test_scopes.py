"""What each token opens, and that a refused request changes nothing and is in the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import FULL, ORDER, TOKEN, issue
from tests.fakes.desk import FakeDesk
from workbench.services.audit import Audit
from workbench.services.issued_tokens import DAY_NS, IssuedTokens

READS = [
    "/api/state",
    "/api/orders",
    "/api/positions",
    "/api/limits",
    "/api/audit",
    "/api/openapi.json",
    "/api/jobs",
    "/api/here",
]
TRADES = [
    ("/api/orders", ORDER),
    ("/api/orders/9002/cancel", {"request": "c", "account": 1001}),
    ("/api/positions/1001/CON.F.US.MES.Z26/close", {"request": "x"}),
    ("/api/accounts/1001/release", {"request": "x", "reason": "because", "person": "ann"}),
    ("/api/sessions", {"strategy": "sma_cross", "account": 1001}),
    ("/api/sessions/sma-cross-1/end", None),
    ("/api/strategies", {"source": "name: x"}),
    ("/api/limits/set", {"values": {"daily_loss_usd": 1}, "reason": "because", "person": "ann"}),
    ("/api/stop/clear", {"reason": "because", "person": "ann"}),
    ("/api/backtests", {"strategy": "sma_cross"}),
    ("/api/stop-token", None),
    ("/api/here", {"person": "ann"}),
]
STOPS = [("/api/stop", None), ("/api/strategies/sma_cross/emergency-stop", None)]
OWN = [
    ("GET", "/api/tokens", None),
    ("POST", "/api/tokens", {"name": "more", "scopes": ["trade"]}),
    ("POST", "/api/origins", {"origin": "http://127.0.0.1:9"}),
    ("POST", "/internal/token", {"stale": None}),
]


@pytest.mark.parametrize("path", READS)
async def test_read_opens_what_reads(knock: Callable[..., Any], desk: FakeDesk, path: str) -> None:
    async with knock() as client:
        assert (await client.get(path, headers=issue(desk, "read"))).status_code == 200
        assert (await client.get(path, headers=issue(desk, "trade", "stop", name="blind"))).status_code == 403


@pytest.mark.parametrize(("path", "body"), [*TRADES, *STOPS])
async def test_read_changes_nothing_and_the_try_is_recorded(
    knock: Callable[..., Any], desk: FakeDesk, path: str, body: Any
) -> None:
    async with knock() as client:
        refused = await client.post(path, headers=issue(desk, "read"), json=body)
    assert refused.status_code == 403 and "page has read" in refused.json()["error"]
    assert desk.calls == []
    line = Audit(desk.home).read(1)[0]
    assert (line["who"], line["what"], line["details"]["status"]) == ("page", f"POST {path}", 403)
    assert line["source"] == "127.0.0.1:50001"


async def test_trade_trades_and_stop_stops_and_neither_does_the_other(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    async with knock() as client:
        trade, stop = issue(desk, "trade", name="bot"), issue(desk, "stop", name="button")
        assert (await client.post("/api/orders", headers=trade, json=ORDER)).status_code == 201
        for path, body in STOPS:
            assert (await client.post(path, headers=trade, json=body)).status_code == 403
            assert (await client.post(path, headers=stop, json=body)).status_code == 200
        for path, body in TRADES:
            assert (await client.post(path, headers=stop, json=body)).status_code == 403, path
    assert [call[0] for call in desk.calls] == ["order", "stop", "stop_strategy"]


@pytest.mark.parametrize(("method", "path", "body"), OWN)
async def test_only_the_desks_own_token_issues_tokens_and_speaks_with_children(
    knock: Callable[..., Any], desk: FakeDesk, method: str, path: str, body: Any
) -> None:
    async with knock() as client:
        everything = issue(desk, "read", "trade", "stop")
        before = IssuedTokens(desk.home).list()
        assert (await client.request(method, path, headers=everything, json=body)).status_code == 403
        assert IssuedTokens(desk.home).list() == before


async def test_a_token_is_issued_once_shown_once_and_kept_as_a_hash(knock: Callable[..., Any], desk: FakeDesk) -> None:
    async with knock() as client:
        wish = {"name": "dashboard", "scopes": ["read"], "days": 2}
        made = (await client.post("/api/tokens", headers=FULL, json=wish)).json()
        mine = {"authorization": f"Bearer {made['token']}"}
        assert (await client.get("/api/state", headers=mine)).status_code == 200
        listed = (await client.get("/api/tokens", headers=FULL)).json()
        assert (await client.post("/api/tokens", headers=FULL, json=wish)).status_code == 422  # the name is taken
    assert [row["name"] for row in listed] == ["dashboard"] and "token" not in listed[0] and "hash" not in listed[0]
    stored = (desk.home.desk / "tokens.json").read_text()
    assert made["token"] not in stored and made["expires_at"] - made["created_at"] == 2 * DAY_NS
    assert made["token"] not in (desk.home.path / "audit.jsonl").read_text()


async def test_a_revoked_token_is_worthless_at_once_also_when_the_command_line_revoked_it(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    async with knock() as client:
        first, second = issue(desk, "read", name="a"), issue(desk, "read", name="b")
        assert (await client.get("/api/state", headers=first)).status_code == 200
        assert (await client.post("/api/tokens/a/revoke", headers=FULL)).status_code == 200
        assert (await client.get("/api/state", headers=first)).status_code == 401
        assert (await client.get("/api/state", headers=second)).status_code == 200
        IssuedTokens(desk.home).revoke("b")  # another process
        assert (await client.get("/api/state", headers=second)).status_code == 401


async def test_an_expired_token_opens_nothing(
    knock: Callable[..., Any], desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issue(desk, "read", "trade", days=0.5)
    async with knock() as client:
        assert (await client.get("/api/state", headers=token)).status_code == 200
        rows = json.loads((desk.home.desk / "tokens.json").read_text())
        later = rows["tokens"][0]["created_at"] + DAY_NS // 2
        monkeypatch.setattr("workbench.services.issued_tokens.wall_ns", lambda: later)
        assert (await client.get("/api/state", headers=token)).status_code == 401
        assert (await client.post("/api/orders", headers=token, json=ORDER)).status_code == 401
    assert desk.calls == []


async def test_a_stolen_hash_is_no_token(knock: Callable[..., Any], desk: FakeDesk) -> None:
    issue(desk, "trade")
    digest = IssuedTokens(desk.home).list()[0].hash
    async with knock() as client:
        for stolen in (digest, f"wb_{digest}", "wb_", f"wb_{IssuedTokens(desk.home).list()[0].id}_"):
            headers = {"authorization": f"Bearer {stolen}"}
            assert (await client.post("/api/orders", headers=headers, json=ORDER)).status_code == 401
    assert desk.calls == []


async def test_a_damaged_token_file_lets_nobody_in_but_the_desks_own(knock: Callable[..., Any], desk: FakeDesk) -> None:
    token = issue(desk, "read")
    (desk.home.desk / "tokens.json").write_text("{")
    async with knock() as client:
        assert (await client.get("/api/state", headers=token)).status_code == 401
        assert (await client.get("/api/state", headers=FULL)).status_code == 200


async def test_a_stranger_who_knocks_in_a_loop_does_not_fill_the_audit_log(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    async with knock() as client:
        for _ in range(300):
            assert (await client.get("/api/state", headers={"authorization": "Bearer no"})).status_code == 401
    lines = Audit(desk.home).read(1_000)
    assert 120 <= len(lines) <= 241 and {line["who"] for line in lines} == {"?"}


async def test_who_did_what_is_recorded_with_person_token_address_and_outcome(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    async with knock() as client:
        await client.post("/api/orders", headers=issue(desk, "trade", name="bot"), json={**ORDER, "person": "ann"})
        await client.post("/api/sessions/none/end", headers=FULL, json={"person": "bob"})
        await client.get("/api/state", headers=FULL)
    failed, placed = Audit(desk.home).read(10)
    assert (placed["who"], placed["what"], placed["details"]["status"]) == ("ann (bot)", "POST /api/orders", 201)
    assert placed["details"]["body"]["qty"] == 1
    assert (failed["who"], failed["details"]["status"]) == ("bob (desk)", 422)
    assert TOKEN not in str([failed, placed])
