"""The API in front of a real desk, runner and simulator: one order for one wish, and no secret in any file."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from schemathesis import GenerationMode
from websockets.asyncio.client import connect

from tests.api.test_schemathesis import operations, tried
from tests.services.stack import ACCOUNT, CONTRACT, START, Stack, open_orders, stack
from workbench.api.app import build_app
from workbench.services.audit import Audit
from workbench.services.desk_main import serve_desk
from workbench.services.issued_tokens import IssuedTokens
from workbench.services.linking import make_link
from workbench.services.settings import load_profile
from workbench.simulator.config import settings
from workbench.simulator.server import serve
from workbench.storage.home import Home
from workbench.storage.links import save_link

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
POSITION = f"/api/positions/{ACCOUNT}/{CONTRACT}"
SECRET = "a-desk-token-that-nobody-may-read-0123456789"


def told(home: Home) -> dict[str, Any]:
    return json.loads((home.desk / "desk.json").read_text())


@asynccontextmanager
async def client_of(home: Home, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
    where = told(home)
    headers = {"authorization": f"Bearer {token or where['token']}"}
    async with httpx.AsyncClient(base_url=where["url"], headers=headers, trust_env=False, timeout=30) as client:
        yield client


def order(request: str, **fields: Any) -> dict[str, Any]:
    return {"request": request, "account": ACCOUNT, "contract": "MES", "side": "BUY", "qty": 1, **fields}


async def until(what: str, done: Any, within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not (await done()):
            await asyncio.sleep(0.1)


async def ready(made: Stack, client: httpx.AsyncClient) -> None:
    """A session that trades nothing keeps the runner, its data and its prices there."""
    started = await client.post("/api/sessions", json={"strategy": "sma_cross", "account": ACCOUNT})
    assert started.status_code == 201, started.text
    await client.post(f"/api/sessions/{started.json()['session']}/pause")
    await made.until("the runner is synced", lambda: bool(made.runner_view().get("account", {}).get("synced")))


async def accepted(client: httpx.AsyncClient, names: Any, **fields: Any) -> dict[str, Any]:
    """Place an order; the first prices may still be on their way."""
    async with asyncio.timeout(30):
        while True:
            answered = await client.post("/api/orders", json=order(next(names), **fields))
            if answered.status_code == 201 and answered.json()["accepted"]:
                return dict(answered.json())
            await asyncio.sleep(0.5)


@pytest.mark.statement(19)
@pytest.mark.statement(27)
async def test_double_click_page_reload_and_repeated_call_are_one_order(tmp_path: Path) -> None:
    options = settings(start=START, rate=60.0, seed=7, roots=("MES",))
    async with serve(options, port=0) as simulator:
        home, profile = Home(tmp_path), load_profile("sim", simulator_url=simulator.url)
        save_link(home, make_link(account=ACCOUNT, name="PRAC-V2-10001-1", balance=Decimal(150_000), by="test"))
        async with serve_desk(home, profile, build_app, port=0) as desk, client_of(home) as client:
            made = Stack(simulator, desk, home)
            await made.until("the gateway is read", lambda: bool(desk.accounts))
            await ready(made, client)
            await accepted(client, (f"warm-{n}" for n in itertools.count()))
            before = len(made.placed())
            clicks = [client.post("/api/orders", json=order("click")) for _ in range(4)]  # a nervous finger
            answers = await asyncio.gather(*clicks)
            assert {a.status_code for a in answers} == {201} and len({a.content for a in answers}) == 1
            assert answers[0].json()["accepted"], answers[0].text
            reloaded = {"idempotency-key": "made anew by the reloaded page"}
            again = await client.post("/api/orders", json=order("click"), headers=reloaded)
            assert again.content == answers[0].content
            token, _ = IssuedTokens(home).create(name="page", scopes=["trade"], days=1)
            async with client_of(home, token) as other:  # the same wish from a page with a token of its own
                assert (await other.post("/api/orders", json=order("click"))).status_code == 201
            assert len(made.placed()) == before + 1
        async with serve_desk(home, profile, build_app, port=0) as desk, client_of(home) as client:
            replayed = await client.post("/api/orders", json=order("click"))
            assert replayed.content == answers[0].content, "the desk that was restarted gives the same answer"
            assert replayed.headers["idempotency-replayed"] == "true"
            made = Stack(simulator, desk, home)
            await made.until("the runner is back", lambda: bool(made.runner_view().get("account", {}).get("synced")))
            late = {"idempotency-key": "another key, after the restart"}
            late_answer = await client.post("/api/orders", json=order("click"), headers=late)
            assert late_answer.content == answers[0].content
            assert len(made.placed()) == before + 1


async def test_a_person_moves_cancels_and_closes_through_the_gate(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=4.0) as made, client_of(made.home) as client:  # no bar closes before the pause
        await ready(made, client)
        await accepted(client, (f"buy-{n}" for n in itertools.count()), qty=3)
        await until("three are held", lambda: holds(client, 3))
        part = await client.post(f"{POSITION}/part-close", json={"request": "part", "qty": 1, "person": "ann"})
        assert part.json()["accepted"], part.text
        await until("two are left", lambda: holds(client, 2))
        price = (await client.get(POSITION)).json()["last_price"]
        far = round((price - 20) * 4) / 4
        resting = await accepted(client, (f"rest-{n}" for n in itertools.count()), type="LIMIT", limit_price=far)
        await made.until("it rests at the broker", lambda: bool(open_orders(made)))
        number = open_orders(made)[0].id
        await until("its number is known", lambda: known(client, number))
        moved = await client.post(
            f"/api/orders/{number}/modify", json={"request": "move", "account": ACCOUNT, "limit_price": far - 1}
        )
        assert moved.status_code == 200 and moved.json()["accepted"], moved.text
        gone = await client.post(f"/api/orders/{number}/cancel", json={"request": "gone", "account": ACCOUNT})
        assert gone.json()["accepted"], gone.text
        await made.until("nothing works", lambda: not open_orders(made))
        assert (await client.post(f"{POSITION}/close", json={"request": "close"})).json()["accepted"]
        await made.until("flat at the broker", lambda: made.broker_qty() == 0)
        assert resting["order"]["contract"] == CONTRACT and len(made.placed()) == 3  # bought, sold in part, rested
        await until("the desk has heard of it, too", lambda: earned(client, qty=0, contracts_traded=6))
        past = (await client.get("/api/history/orders", params={"account": ACCOUNT, "limit": 2})).json()
        assert len(past) <= 2


async def holds(client: httpx.AsyncClient, qty: int) -> bool:
    return [p["qty"] for p in (await client.get("/api/positions")).json()] == [qty]


async def earned(client: httpx.AsyncClient, **wanted: int) -> bool:
    shown = (await client.get(f"{POSITION}/performance")).json()
    return {name: shown[name] for name in wanted} == wanted


async def known(client: httpx.AsyncClient, number: int) -> bool:
    return (await client.get(f"/api/orders/{number}")).status_code == 200


async def test_every_route_of_a_real_desk_answers_as_described(tmp_path: Path) -> None:
    async with stack(tmp_path) as made, client_of(made.home) as client:
        await ready(made, client)
        made.desk.app.state.jobs._at_once = 0
        headers, url = {"authorization": client.headers["authorization"]}, told(made.home)["url"]
        seen: Counter[int] = Counter()
        for name in sorted(operations(), key=lambda name: ("stop" in name, name)):  # what stops comes last
            for mode in GenerationMode:
                seen.update(await asyncio.to_thread(tried, url, name, mode, headers, 2 if "stop" in name else 4))
        assert not [status for status in seen if status >= 500], seen
        assert seen.total() > 150 and seen[200] > 20, seen


async def test_no_secret_is_in_any_log_or_file_that_is_not_made_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_API_TOKEN", SECRET)
    monkeypatch.setattr("workbench.services.desk_main.set_up", lambda *_: None)
    import logging

    from workbench.services.logs import set_up

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    home = Home(tmp_path)
    set_up("desk", home.logs, logging.DEBUG)
    try:
        secrets = [SECRET]
        async with stack(tmp_path) as made, client_of(home) as client:
            await ready(made, client)
            issued = (await client.post("/api/tokens", json={"name": "page", "scopes": ["read"]})).json()["token"]
            button = (await client.post("/api/stop-token")).json()["token"]
            secrets += [issued, button, await made.desk.tokens.get()]
            for secret in secrets:  # people paste them where they do not belong
                await client.post("/api/orders", json={**order("x"), "person": secret})
                await client.post(f"/api/sessions/{secret}/pause")
                await client.get("/api/orders", params={"token": secret, "contract": secret})
                await client.get("/api/state", headers={"authorization": f"Bearer {secret[:-1]}"})
                await client.post("/api/stop/clear", json={"reason": secret, "person": secret})
                async with connect(told(home)["url"].replace("http", "ws") + "/ws") as channel:
                    await channel.send(json.dumps({"token": secret}))
            await client.post("/api/stop", json={"reason": SECRET, "person": issued})
    finally:
        for handler in root.handlers:
            handler.close()
        root.handlers[:], root.level = handlers, level
    lines = Audit(home).read(1_000)
    assert len(lines) >= 10 and "•••" in json.dumps(lines, ensure_ascii=False)
    files = [p for p in tmp_path.rglob("*") if p.is_file() and (p.suffix in (".log", ".out", ".jsonl"))]
    assert {"desk.log", "audit.jsonl"} <= {p.name for p in files} and len(files) >= 4
    for path in files:
        text = path.read_text(errors="replace")
        for number, secret in enumerate(secrets):
            assert secret not in text, f"secret {number} is in {path.name}"
