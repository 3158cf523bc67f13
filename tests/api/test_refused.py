"""Acceptance of the API's security, one line a stranger: refused, in the audit log, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import FULL, ORDER, issue
from tests.fakes.desk import FakeDesk
from workbench.services.audit import Audit
from workbench.services.issued_tokens import IssuedTokens
from workbench.storage.presence import read_presence

STRANGERS: dict[str, tuple[dict[str, str], int, str]] = {
    "no token": ({}, 401, "?"),
    "a wrong token": ({"authorization": "Bearer " + "x" * 40}, 401, "?"),
    "a foreign origin": ({**FULL, "origin": "http://evil.example"}, 403, "?"),
    "a page from a file": ({**FULL, "origin": "null"}, 403, "?"),
    "a foreign host": ({**FULL, "host": "evil.example:8420"}, 400, "?"),
    "a rebound name": ({**FULL, "host": "127.0.0.1.evil.example"}, 400, "?"),
}


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/orders", ORDER),
        ("/api/stop/clear", {"reason": "because", "person": "mallory"}),
        ("/api/sessions/sma-cross-1/end", None),
        ("/api/here", {"person": "mallory"}),
        ("/api/tokens", {"name": "mine", "scopes": ["trade"]}),
    ],
)
async def test_a_stranger_is_refused_recorded_and_changes_nothing(
    knock: Callable[..., Any], desk: FakeDesk, name: str, path: str, body: Any
) -> None:
    headers, status, who = STRANGERS[name]
    async with knock() as client:
        refused = await client.post(path, headers=headers, json=body)
    assert refused.status_code == status and refused.json()["error"]
    line = Audit(desk.home).read(1)[0]
    assert (line["who"], line["what"], line["details"]["status"]) == (who, f"POST {path}", status)
    assert desk.calls == [] and desk.qty == 2 and desk.state == "running"
    assert IssuedTokens(desk.home).list() == []
    assert read_presence(desk.home) is None


async def test_a_stolen_token_that_was_revoked_is_refused_and_recorded(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    stolen = issue(desk, "trade", name="stolen")
    async with knock() as client:
        IssuedTokens(desk.home).revoke("stolen")
        assert (await client.post("/api/orders", headers=stolen, json=ORDER)).status_code == 401
    assert desk.calls == []
    line = Audit(desk.home).read(1)[0]
    assert line["details"]["status"] == 401 and stolen["authorization"][7:] not in str(line)
