"""A backtest and a sweep over the API, each in a process of its own to its end; and one that is ended on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.api.conftest import FULL, TOKEN
from tests.benchmarks.walk import minute_bars
from tests.fakes.desk import FakeDesk
from workbench import research
from workbench.api.app import build_app
from workbench.api.job_main import MOST_POINTS, MOST_TRADES
from workbench.domain.contract import parse_contract
from workbench.services.jobs import Jobs
from workbench.storage.bars import BarStore
from workbench.storage.home import write_durably

CONTRACT = parse_contract("MESH22").id
ASKED = {"strategy": "sma_cross", "contract": CONTRACT}
FEW = {"fast": [5, 10, 15], "slow": [20, 40]}
MANY = {"fast": "2:60:1", "slow": "61:160:1"}


@pytest.fixture
def app(desk: FakeDesk) -> FastAPI:
    BarStore(desk.home.market).write(CONTRACT, "1m", minute_bars(20_000), source="test")
    return build_app(desk, token=TOKEN)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=FULL) as session:
        yield session
    await app.state.close()


async def follow(client: httpx.AsyncClient, job: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ask until the job is over; return its end, and everything that was seen on the way."""
    seen = []
    async with asyncio.timeout(120):
        while True:
            seen.append((await client.get(f"/api/jobs/{job['id']}")).json())
            if seen[-1]["state"] not in ("queued", "running"):
                return seen[-1], seen
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_a_backtest_comes_to_its_end_with_the_result_of_a_backtest(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    asked = await client.post("/api/backtests", json={**ASKED, "parameters": {"fast": 4}})
    assert asked.status_code == 202
    over, seen = await follow(client, asked.json())
    assert (over["state"], over["progress"], over["error"]) == ("done", 1.0, None)
    assert {"loading", "running", "done"} <= {job["phase"] for job in seen}
    strategy = research.load_strategy("sma_cross", home=desk.home).with_parameters(fast=4)
    here = research.backtest(strategy, contract=CONTRACT, home=desk.home)
    result = over["result"]
    assert result["summary"] == here.summary()
    assert result["trades_in_all"] == len(here.trades) > MOST_TRADES == len(result["trades"])
    assert 0 < len(result["equity"]) <= MOST_POINTS, "thinned, so that a page can draw it"
    assert result["provenance"]["parameters"]["fast"] == 4
    assert over["created_at"] <= over["started_at"] <= over["ended_at"]
    [listed] = (await client.get("/api/jobs", params={"kind": "backtest"})).json()
    assert (listed["id"], listed["state"], listed["result"]) == (over["id"], "done", None)


async def test_who_sees_that_a_job_is_done_finds_its_result(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers are read in another thread than that in which jobs end."""
    jobs = Jobs(desk.home)
    job = jobs.start("backtest", {}, by="ann") | {"state": "running"}
    jobs._known()[job["id"]] = job
    seen = []

    def slowly(path: Path, data: bytes) -> None:
        seen.append(jobs.get(job["id"])["state"])
        write_durably(path, data)

    monkeypatch.setattr("workbench.services.jobs.write_durably", slowly)
    jobs._end(job, "done", result={"net_usd": 1})
    assert seen == ["running"]
    assert (jobs.get(job["id"])["state"], jobs.get(job["id"])["result"]) == ("done", {"net_usd": 1})
    await jobs.close()


@pytest.mark.slow
async def test_a_sweep_tells_its_progress_and_its_best(client: httpx.AsyncClient) -> None:
    asked = await client.post("/api/sweeps", json={**ASKED, "values": FEW})
    over, seen = await follow(client, asked.json())
    assert (over["state"], over["progress"], over["error"]) == ("done", 1.0, None)
    told = [job["progress"] for job in seen if job["progress"] is not None]
    assert told == sorted(told) and set(told) <= {k / 6 for k in range(7)} and told[-1] == 1.0
    result = over["result"]
    assert result["combinations"] == result["planned"] == len(result["top"]) == 6
    assert result["best"]["fast"] in FEW["fast"] and result["best"]["slow"] in FEW["slow"]


@pytest.mark.slow
async def test_a_sweep_that_is_cancelled_on_its_way_ends_its_process_and_the_next_job_runs(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    jobs: Jobs = app.state.jobs
    long = (await client.post("/api/sweeps", json={**ASKED, "values": MANY})).json()
    short = (await client.post("/api/backtests", json=ASKED)).json()
    async with asyncio.timeout(120):
        while (await client.get(f"/api/jobs/{long['id']}")).json()["phase"] != "running":
            await asyncio.sleep(0.01)
    waiting = (await client.get(f"/api/jobs/{short['id']}")).json()
    assert waiting["state"] == "queued", "one after the other"
    child = jobs._children[long["id"]]
    ended = await client.post(f"/api/jobs/{long['id']}/cancel")
    assert (ended.status_code, ended.json()["state"]) == (200, "cancelled")
    over, _ = await follow(client, short)
    assert over["state"] == "done" and child.returncode is not None, "its process is gone"
    again = (await client.get(f"/api/jobs/{long['id']}")).json()
    assert (again["state"], again["result"]) == ("cancelled", None)
    assert (await client.post(f"/api/jobs/{long['id']}/cancel")).status_code == 422
