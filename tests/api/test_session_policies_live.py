"""Policies of sessions through API, desk, runner and simulator; what is read right after a command is from after it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.test_real_desk import accepted, client_of, holds, until
from tests.services.stack import ACCOUNT, stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
CHOSEN = {"disconnect_policy": "pause", "disconnect_after_s": 30.0}


async def begun(client: httpx.AsyncClient, policy: str) -> str:
    body = {"strategy": "sma_cross", "account": ACCOUNT, "contract": "MES", "start_policy": policy, **CHOSEN}
    answer = await client.post("/api/sessions", json=body)
    assert answer.status_code == 201, answer.text
    row: dict[str, Any] = answer.json()
    assert (row["start_policy"], row["disconnect_policy"], row["disconnect_after_s"]) == (policy, "pause", 30.0)
    return str(row["session"])


async def told(client: httpx.AsyncClient, session: str, verb: str) -> tuple[str, str]:
    """State in the answer to a command, and in the very next reading."""
    answer = (await client.post(f"/api/sessions/{session}/{verb}")).json()
    return answer["state"], (await client.get(f"/api/sessions/{session}")).json()["state"]


async def test_a_position_is_waited_out_or_closed_first_as_the_start_says(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=4.0) as made, client_of(made.home) as client:
        session = await begun(client, "adopt")
        row = (await client.get(f"/api/sessions/{session}")).json()
        assert row["state"] == "running" or " of " in row["reason"], "it says how many bars it waits for"
        assert await told(client, session, "pause") == ("paused", "paused")
        assert not {"paused", "ended"} & set(await told(client, session, "resume"))
        assert await told(client, session, "flatten") == ("paused", "paused")
        assert await told(client, session, "end") == ("ended", "ended")
        await accepted(client, (f"buy-{n}" for n in itertools.count()), qty=2)
        await until("two are held", lambda: holds(client, 2))
        waits = await begun(client, "wait_flat")
        row = (await client.get(f"/api/sessions/{waits}")).json()
        assert row["state"] == "waiting" and "until the position that was there" in row["reason"]
        assert made.broker_qty() == 2
        assert await told(client, waits, "pause") == ("paused", "paused")
        assert await told(client, waits, "resume") == ("waiting", "waiting")
        assert made.broker_qty() == 2, "it has not touched what it does not own"
        assert await told(client, waits, "end") == ("ended", "ended")
        await made.until("what was there is closed", lambda: made.broker_qty() == 0)
        await until("the desk has heard of it", lambda: holds_nothing(client))
        await accepted(client, (f"again-{n}" for n in itertools.count()), qty=1)
        await until("one is held", lambda: holds(client, 1))
        await begun(client, "flatten")
        await made.until("it begins flat", lambda: made.broker_qty() == 0)


async def holds_nothing(client: httpx.AsyncClient) -> bool:
    return not [p for p in (await client.get("/api/positions")).json() if p["qty"]]
