"""What the API says about stored data, and the parts of a backtest's result that are too long for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import FULL, TOKEN
from tests.api.test_job_runs import CONTRACT, follow
from tests.benchmarks.walk import minute_bars
from tests.fakes.desk import FakeDesk
from workbench import research
from workbench.api.app import build_app
from workbench.storage.bars import BarStore

BARS = 20_000


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    frame = minute_bars(BARS)
    with_hole = frame[:5_000].vstack(frame[5_030:])
    BarStore(desk.home.market).write(CONTRACT, "1m", with_hole, source="test")
    app = build_app(desk, token=TOKEN)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=FULL) as session:
        yield session
    await app.state.close()


async def got(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await client.get(path, params=params, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.slow
async def test_what_is_stored_is_listed_judged_and_drawn(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    (held,) = await got(client, "/api/data")
    frame = minute_bars(BARS)
    seconds = (frame["ts"].to_physical() // 10**9).to_list()
    assert held == {
        "contract": CONTRACT, "timeframe": "1m", "rows": BARS - 30, "first": seconds[0], "last": seconds[-1],
    }  # fmt: skip

    quality = await got(client, "/api/data/quality", contract=CONTRACT)
    (gap,) = quality["gaps"]
    assert (gap["bars"], quality["totals"]["missing"]) == (30, 30) and quality["rejected"] == []

    newest = await got(client, "/api/data/chart", contract=CONTRACT, limit=50, line=["sma(close, 3)", "vwap()"])
    closes = frame["close"].to_list()
    assert (newest["total"], newest["offset"]) == (BARS - 30, BARS - 80)
    assert newest["bars"][-1]["time"] == seconds[-1] and newest["bars"][-1]["close"] == closes[-1]
    assert newest["lines"]["sma(close, 3)"][0] == pytest.approx(sum(closes[-52:-49]) / 3), "warm from the first bar on"
    assert len(newest["lines"]["vwap()"]) == 50

    dated = await got(client, "/api/data/chart", contract=CONTRACT, limit=100, at="2022-01-10")
    assert dated["bars"][10]["time"] == 1_641_769_200, "Sunday 17:00 in Chicago, a tenth of the chart before it"
    assert (await got(client, "/api/data/chart", contract=CONTRACT, limit=10, offset=7))["offset"] == 7
    refused = await client.get("/api/data/chart", params={"contract": CONTRACT, "line": "smaa(close, 3)"})
    assert refused.status_code == 422 and "sma" in refused.json()["error"]


@pytest.mark.slow
async def test_everything_that_can_be_run_declares_its_parameters(client: httpx.AsyncClient) -> None:
    source = research.load_strategy("sma_cross").source
    made = await client.post("/api/strategies", json={"source": source})
    listed = await got(client, "/api/runnable")
    shipped = next(row for row in listed if row["strategy"] == "sma_cross")
    assert (shipped["stored"], shipped["constraints"]) == (False, ["(fast < slow)"])
    fast = shipped["parameters"][0]
    assert (fast["name"], fast["type"], fast["default"], fast["min"], fast["max"]) == ("fast", "int", 5, 2, 100)
    assert [row["name"] for row in listed if row["strategy"] == made.json()["version"]] == ["sma_cross"]


@pytest.mark.slow
async def test_all_trades_of_a_backtest_are_read_in_parts_and_the_curve_keeps_its_extremes(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    asked = {"strategy": "sma_cross", "contract": CONTRACT}
    over, _ = await follow(client, (await client.post("/api/backtests", json=asked)).json())
    here = research.backtest("sma_cross", contract=CONTRACT, home=desk.home)
    path = f"/api/jobs/{over['id']}/trades"
    answer = await client.get(path, params={"limit": 5, "offset": 1_000})
    assert answer.headers["x-total-count"] == str(len(here.trades))
    assert [row["net_usd"] for row in answer.json()] == pytest.approx(here.trades["net_usd"][1_000:1_005].tolist())
    (newest,) = await got(client, path, limit=1, order="newest")
    assert newest["entry_at"] == here.trades["entry_at"].iloc[-1].value
    total = len(here.trades)
    last = await got(client, path, limit=10, offset=total - 3, order="newest")
    assert [row["entry_at"] for row in last] == [at.value for at in here.trades["entry_at"].iloc[[2, 1, 0]]]
    assert await got(client, path, limit=10, offset=total + 5, order="newest") == [], "beyond the oldest there is none"
    worst = (await got(client, path, limit=1, order="worst"))[0]
    assert worst["net_usd"] == pytest.approx(here.trades["net_usd"].min()) == pytest.approx(here.stats["worst_usd"])
    curve = [point["drawdown_usd"] for point in over["result"]["equity"]]
    assert max(curve) == 0 and min(curve) == pytest.approx(-here.stats["max_drawdown_usd"])
    other = (await client.post("/api/sweeps", json={**asked, "values": {"fast": [5, 10], "slow": [20, 40]}})).json()
    swept, _ = await follow(client, other)
    grid = swept["result"]["grid"]
    assert grid["parameters"] == ["fast", "slow"] and grid["left_out"] == 0
    assert sorted(zip(grid["columns"]["fast"], grid["columns"]["slow"], strict=True)) == [
        (5, 20), (5, 40), (10, 20), (10, 40),
    ]  # fmt: skip
    assert (await client.get(f"/api/jobs/{swept['id']}/trades")).status_code == 422, "a sweep keeps no trades"


@pytest.mark.slow
async def test_a_walk_forward_trades_each_window_with_what_was_chosen_before_it(client: httpx.AsyncClient) -> None:
    asked = {
        "strategy": "sma_cross", "contract": CONTRACT, "values": {"fast": [5, 10], "slow": [20, 40]},
        "train": 6, "test": 3,
    }  # fmt: skip
    over, _ = await follow(client, (await client.post("/api/walk-forwards", json=asked)).json())
    result = over["result"]
    assert [window["test_first"][:10] for window in result["windows"]] == ["2022-01-12", "2022-01-17", "2022-01-20"]
    assert sum(w["out_net_usd"] for w in result["windows"]) == pytest.approx(result["stats"]["net_usd"])
    assert result["equity"][-1]["equity_usd"] == pytest.approx(result["stats"]["net_usd"])
