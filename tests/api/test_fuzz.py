"""Bodies that nobody should send: any bytes, any JSON, any body with one thing wrong. No crash, no act, all counted.

2,000 in the fast suite, 12,000 in the full one (the hub frames make it more than 50,000 there);
``WORKBENCH_FUZZ_BODIES=1000000`` with ``-m slow`` is the long run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.api.conftest import FULL, TOKEN
from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.api.app import build_app
from workbench.api.rate import Rate
from workbench.services.strategies import shipped_folder
from workbench.storage.presence import read_presence

LONG_RUN = 12_000
HOW_MANY = [2_000, pytest.param(int(os.environ.get("WORKBENCH_FUZZ_BODIES", str(LONG_RUN))), marks=[pytest.mark.slow])]
BATCH = 400  # bodies of one hypothesis example: an event loop and an application serve all of them
SOUND: dict[str, dict[str, Any]] = {
    "/api/orders": {
        "account": 1001,
        "contract": CONTRACT,
        "side": "BUY",
        "type": "LIMIT",
        "qty": 1,
        "limit_price": 1.0,
    },
    "/api/orders/9002/modify": {"account": 1001, "qty": 1, "limit_price": 1.0, "stop_price": 2.0},
    "/api/orders/9002/cancel": {"account": 1001, "person": "ann"},
    f"/api/positions/1001/{CONTRACT}/part-close": {"qty": 1},
    "/api/accounts/1001/release": {"reason": "because", "person": "ann"},
    "/api/sessions": {"strategy": "sma_cross", "account": 1001, "contract": None, "parameters": {"fast": 10}},
    "/api/sessions/sma-cross-1/pause": {"person": "ann"},
    "/api/limits/set": {"level": "global", "name": "", "values": {"x": 1}, "reason": "because", "person": "ann"},
    "/api/stop/clear": {"reason": "because", "person": "ann", "account": 1001},
    "/api/here": {"person": "ann"},
    "/api/sweeps": {"strategy": "sma_cross", "values": {"fast": [5, 10]}, "trials": 5, "seed": 1},
    "/api/tokens": {"name": "x", "scopes": ["read"], "days": 1.0},
    "/api/strategies": {"source": "name: x", "person": "ann"},
}
KEYED = ("/api/orders", "/api/positions", "/api/accounts")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WRONG = [None, True, -1, 0, 1.5, 2**63, -(10**30), "", "x" * 70, "\0", "../..", [], [1], {}, {"a": 1}, "NaN", "BUY "]


def damaged(path: str, draw: random.Random) -> bytes:
    """Return a sound body with one thing wrong, so that it must be refused."""
    body = dict(SOUND[path])
    if path.startswith(KEYED):
        body["request"] = f"fuzz-{draw.getrandbits(64):x}"
    kind = draw.choice(("cut", "extra", "bytes", "list", "nan", "depth", "utf"))
    text = json.dumps(body).encode()
    if kind == "cut":
        return text[: draw.randrange(1, len(text) - 1)]
    if kind == "extra":
        return json.dumps({**body, f"x{draw.randrange(99)}": draw.choice(WRONG)}).encode()
    if kind == "bytes":
        return bytes([*text[:1], 0xFF, draw.randrange(256), *text[1:]])
    if kind == "list":
        return json.dumps([body] * draw.randrange(1, 3)).encode()
    if kind == "nan":
        return b"[" + draw.choice((b"NaN", b"Infinity", b"1e999", b"-0")) + b"]"
    if kind == "depth":
        return b'{"account":' * draw.randrange(50, 3_000)
    return text.replace(b'"', b"\xc3", 1)


async def post_all(bodies: list[tuple[str, bytes]], desk: FakeDesk, counted: Counter[int]) -> None:
    app = build_app(desk, token=TOKEN, desk_rate=Rate(1e9, 10**9))
    app.state.jobs._at_once = 0
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=FULL) as client:
        for path, body in bodies:
            answered = await client.post(path, content=body, headers={"content-type": "application/json"})
            counted[answered.status_code] += 1
            assert answered.status_code < 500, (path, body, answered.text)
            assert answered.json()["error"] if answered.status_code >= 400 else True
    await app.state.close()


def state_of(desk: FakeDesk) -> tuple[Any, ...]:
    tokens, versions = desk.home.desk / "tokens.json", desk.home.versions
    stored = sorted(p.name for p in versions.glob("*")) if versions.is_dir() else []
    seen = read_presence(desk.home)
    return (
        desk.state,
        desk.qty,
        desk.latched,
        dict(desk.limit_values),
        dict(desk.requests),
        tokens.exists(),
        stored,
        seen,
    )


@pytest.fixture(autouse=True)
def _without_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    # The audit log and the request keys are synced at each act; what is fuzzed here is what comes before.
    monkeypatch.setattr("workbench.services.audit.os.fdatasync", lambda handle: None)
    monkeypatch.setattr("workbench.services.kept_answers.os.fdatasync", lambda handle: None)


@pytest.mark.statement(46)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("bodies_in_all", HOW_MANY)
def test_a_body_with_one_thing_wrong_changes_nothing_and_every_one_is_counted(bodies_in_all: int) -> None:
    draw, desk, counted = random.Random(1), FakeDesk(), Counter[int]()
    before, total = state_of(desk), bodies_in_all // 2
    bodies = [(path, damaged(path, draw)) for path in draw.choices(list(SOUND), k=total)]
    asyncio.run(post_all(bodies, desk, counted))
    assert state_of(desk) == before and desk.calls == []
    assert counted.total() == total and set(counted) <= {400, 422}, counted


@pytest.mark.statement(46)
@pytest.mark.timeout(0)
@pytest.mark.parametrize("bodies_in_all", HOW_MANY)
def test_any_bytes_and_any_json_never_crash_the_desk(bodies_in_all: int) -> None:
    counted: Counter[int] = Counter()

    @seed(46)
    @settings(
        max_examples=bodies_in_all // 2 // BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(parts=st.lists(st.binary(max_size=60) | ANYTHING, min_size=8, max_size=8), number=st.integers())
    def post(parts: list[Any], number: int) -> None:
        asyncio.run(post_all(anyhow(parts, random.Random(number)), FakeDesk(), counted))

    post()
    assert counted.total() >= bodies_in_all // 2 // BATCH * BATCH, counted


def anyhow(parts: list[Any], draw: random.Random) -> list[tuple[str, bytes]]:
    """Return `BATCH` bodies made of drawn bytes and values: as they are, or as one value of a sound body."""
    bodies = []
    for path in draw.choices(list(SOUND), k=BATCH):
        part = draw.choice(parts)
        if isinstance(part, bytes):
            bodies.append((path, part))
        elif draw.random() < 0.5:
            bodies.append((path, json.dumps(part).encode()))
        else:
            body = {**SOUND[path], **({"request": f"f{draw.getrandbits(64):x}"} if path.startswith(KEYED) else {})}
            body[draw.choice(list(body))] = part
            bodies.append((path, json.dumps(body).encode()))
    return bodies


def test_the_sound_bodies_are_sound() -> None:
    """Else the tests above would prove nothing."""
    desk, counted = FakeDesk(), Counter[int]()
    bodies = [
        (path, json.dumps({**body, **({"request": "r" + path[-9:]} if path.startswith(KEYED) else {})}).encode())
        for path, body in SOUND.items()
        if path not in ("/api/stop/clear", "/api/strategies")
    ]
    source = (shipped_folder() / "sma_cross.yaml").read_text()
    bodies.append(("/api/strategies", json.dumps({"source": source, "person": "ann"}).encode()))
    asyncio.run(post_all(bodies, desk, counted))
    assert set(counted) <= {200, 201, 202}, counted
