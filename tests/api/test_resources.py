"""Orders, positions, strategies, jobs, reports and limits over REST, against a fake desk and a real store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import FULL, TOKEN, issue
from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.api.app import build_app
from workbench.services.desk_service import OrderAction
from workbench.services.strategies import shipped_folder

POSITION = f"/api/positions/1001/{CONTRACT}"


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(desk, token=TOKEN)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=FULL) as session:
        yield session
    await app.state.close()


# --- orders and positions ---


async def test_a_list_comes_in_pages_that_say_how_much_there_is(client: httpx.AsyncClient) -> None:
    first = await client.get("/api/orders", params={"limit": 2})
    rest = await client.get("/api/orders", params={"limit": 2, "offset": 2})
    assert [o["order_id"] for o in first.json() + rest.json()] == [9001, 9002, 9003]
    assert first.headers["x-total-count"] == rest.headers["x-total-count"] == "3"
    working = await client.get("/api/orders", params={"status": "WORKING"})
    assert [o["order_id"] for o in working.json()] == [9002, 9003]


async def test_one_order_or_404(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/orders/9003")).json()["rule"] == "target"
    missing = await client.get("/api/orders/4")
    assert missing.status_code == 404 and missing.json() == {"error": "there is no order 4", "kind": "NotFound"}


async def test_modify_and_cancel_name_the_order_and_the_person(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    body = {"request": "m", "account": 1001, "stop_price": 6800.25, "person": "ann"}
    moved = await client.post("/api/orders/9002/modify", json=body)
    assert moved.json()["accepted"] is True
    gone = await client.post("/api/orders/77/cancel", json={"request": "c", "account": 1001})
    assert gone.json() == {"accepted": False, "reason": "order 77 is not working"}
    expected = OrderAction(request="m", kind="modify", account=1001, order_id=9002, stop_price=6800.25, person="ann")
    assert desk.calls[0] == ("action", expected)


async def test_positions_close_in_part_and_whole(client: httpx.AsyncClient) -> None:
    assert [p["qty"] for p in (await client.get("/api/positions")).json()] == [2]
    assert (await client.post(f"{POSITION}/part-close", json={"request": "a", "qty": 1})).json()["accepted"]
    assert (await client.get(POSITION)).json()["qty"] == 1
    assert (await client.post(f"{POSITION}/close", json={"request": "b"})).json()["accepted"]
    assert (await client.get("/api/positions")).json() == []
    assert (await client.get(POSITION)).status_code == 404


async def test_performance_is_realised_and_open_less_fees(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    row = {"account": 1001, "contract": CONTRACT, "at": 1, "price": 1.0, "order_id": 1}

    async def fills(_: int | None) -> list[dict[str, Any]]:
        return [
            {**row, "trade_id": 1, "qty": 2, "fees_usd": 0.74, "gross_pnl_usd": None},
            {**row, "trade_id": 2, "qty": -1, "fees_usd": 0.37, "gross_pnl_usd": 12.5},
            {**row, "trade_id": 3, "qty": -1, "fees_usd": 0.37, "gross_pnl_usd": -2.5},
            {**row, "trade_id": 4, "qty": 2, "fees_usd": 0.74, "gross_pnl_usd": None},
            {**row, "trade_id": 5, "qty": 9, "fees_usd": 9.0, "gross_pnl_usd": 99.0, "contract": "OTHER"},
        ]

    desk.fills = fills  # type: ignore[method-assign]
    desk.frozen_s = 13_000
    earned = (await client.get(f"{POSITION}/performance")).json()
    # by hand: 12.50 - 2.50 realised, 0.74 + 0.37 + 0.37 + 0.74 in fees; two long from `entry`, 5 USD a point
    open_usd = (desk.closes[13_000] - desk.entry) * 5 * 2
    assert earned["realized_usd"] == 10.0 and earned["fees_usd"] == 2.22 and earned["contracts_traded"] == 6
    assert (earned["wins"], earned["losses"]) == (1, 1)
    assert earned["net_usd"] == pytest.approx(10.0 + open_usd - 2.22)
    assert [t["trade_id"] for t in (await client.get("/api/trades")).json()] == [2, 3, 5]


# --- strategies ---


def text(name: str = "mine", fast: int = 10) -> str:
    source = (shipped_folder() / "sma_cross.yaml").read_text()
    return source.replace("name: sma_cross", f"name: {name}").replace("fast: 10", f"fast: {fast}") + f"\n# {fast}\n"


async def test_a_strategy_is_stored_read_and_updated_as_a_new_version(client: httpx.AsyncClient) -> None:
    first = (await client.post("/api/strategies", json={"source": text(), "person": "ann"})).json()
    assert first["name"] == "mine" and first["source"] == text() and first["state"] == "draft"
    changed = text().replace("sma(close, fast)", "ema(close, fast)")
    assert changed != text()
    second = await client.put("/api/strategies/mine", json={"source": changed, "person": "ann"})
    assert second.status_code == 200 and second.json()["version"] != first["version"]
    assert second.json()["parent"] == first["version"]
    assert second.json()["versions"] == [second.json()["version"], first["version"]]
    assert (await client.get(f"/api/strategies/{first['version']}")).json()["source"] == text(), "nothing was changed"
    listed = (await client.get("/api/strategies")).json()
    assert [row["version"] for row in listed] == second.json()["versions"]


async def test_an_update_under_another_name_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/api/strategies", json={"source": text()})
    refused = await client.put("/api/strategies/mine", json={"source": text("other")})
    assert refused.status_code == 422 and "keeps its name" in refused.json()["error"]
    assert (await client.put("/api/strategies/nobody", json={"source": text("nobody")})).status_code == 422
    assert len((await client.get("/api/strategies")).json()) == 1


async def test_a_text_is_checked_and_nothing_is_stored(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    good = (await client.post("/api/strategies/check", json={"source": text()}, headers=issue(desk, "read"))).json()
    assert good["ok"] and good["name"] == "mine" and good["parameters"]
    bad = (await client.post("/api/strategies/check", json={"source": "name: x"})).json()
    assert not bad["ok"] and "missing" in bad["error"]
    assert (await client.get("/api/strategies")).json() == []


async def test_only_the_desks_own_token_brings_code(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    code = "import workbench as wb\n\nclass Mine(wb.Strategy):\n    pass\n"
    trader = issue(desk, "trade", "read")
    for path in ("/api/strategies", "/api/strategies/check"):
        answered = await client.post(path, json={"source": code}, headers=trader)
        assert "only the desk's own token" in answered.json()["error"]
    assert (await client.get("/api/strategies")).json() == []


async def test_activate_starts_the_stored_version_and_deactivate_ends_its_sessions(
    client: httpx.AsyncClient, desk: FakeDesk
) -> None:
    stored = (await client.post("/api/strategies", json={"source": text()})).json()
    started = await client.post("/api/strategies/mine/activate", json={"account": 1001, "parameters": {"fast": 7}})
    assert started.status_code == 201
    wish = desk.calls[0][1]
    assert (wish.strategy, wish.parameters) == (stored["version"], {"fast": 7})
    ended = await client.post("/api/strategies/sma_cross/deactivate", json={"person": "ann"})
    assert [s["state"] for s in ended.json()] == ["ended"] and desk.calls[1] == ("end", "sma-cross-1", "ann")
    assert (await client.post("/api/strategies/sma_cross/deactivate")).json() == []


async def test_one_session_or_one_strategy_is_stopped(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    stopped = await client.post("/api/sessions/sma-cross-1/emergency-stop", json={"reason": "news", "person": "ann"})
    assert stopped.json()["result"] == "FLAT" and desk.calls[0] == ("stop_session", "sma-cross-1", "news", "ann")
    assert (await client.post("/api/strategies/sma_cross/emergency-stop")).json()["ended"] == ["sma-cross-1"]
    assert (await client.post("/api/strategies/nobody/emergency-stop")).status_code == 422


# --- limits ---


async def test_limits_are_changed_by_a_named_person_with_a_reason(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    change = {"values": {"daily_loss_usd": 500}, "reason": "volatile week", "person": "ann"}
    assert (await client.post("/api/limits/tighten", json=change)).json()["effective"]["1001"] == {
        "daily_loss_usd": 500
    }
    for missing in ("reason", "person", "values"):
        body = {name: value for name, value in change.items() if name != missing}
        assert (await client.post("/api/limits/set", json=body)).status_code == 422
    assert len(desk.calls) == 1 and desk.calls[0][2] is True


# --- jobs and reports ---


async def settled(client: httpx.AsyncClient, job: dict[str, Any], within_s: float = 100) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while job["state"] in ("queued", "running"):
            await asyncio.sleep(0.1)
            job = (await client.get(f"/api/jobs/{job['id']}")).json()
    return job


async def test_a_backtest_without_bars_fails_with_its_reason_and_the_desk_lives(client: httpx.AsyncClient) -> None:
    asked = await client.post("/api/backtests", json={"strategy": "sma_cross", "contract": "MES"})
    assert asked.status_code == 202 and asked.json()["state"] in ("queued", "running")
    over = await settled(client, asked.json())
    assert over["state"] == "failed" and "bars" in over["error"]
    assert [j["id"] for j in (await client.get("/api/jobs", params={"kind": "backtest"})).json()] == [over["id"]]


async def test_a_waiting_job_is_cancelled_and_jobs_outlive_the_desk(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    first = (await client.post("/api/backtests", json={"strategy": "sma_cross"})).json()
    second = (await client.post("/api/sweeps", json={"strategy": "sma_cross", "values": {"fast": [5, 6]}})).json()
    assert (await client.post(f"/api/jobs/{second['id']}/cancel")).json()["state"] == "cancelled"
    assert (await client.post(f"/api/jobs/{first['id']}/cancel")).json()["state"] == "cancelled"
    assert (await client.post(f"/api/jobs/{first['id']}/cancel")).status_code == 422
    later = build_app(desk, token=TOKEN).state.jobs
    assert {job["id"]: job["state"] for job in later.rows()} == {first["id"]: "cancelled", second["id"]: "cancelled"}


async def test_reports_are_listed_and_their_page_may_run_nothing(client: httpx.AsyncClient, desk: FakeDesk) -> None:
    folder = desk.home.reports / "20261119T010203Z_daily_ab12"
    folder.mkdir(parents=True)
    meta = {"template": "/x/daily.ipynb", "status": "ok", "error": "", "started": "2026-11-19", "seconds": 2.5}
    (folder / "meta.json").write_text(json.dumps(meta))
    (folder / "report.html").write_text("<p>hello")
    listed = (await client.get("/api/reports")).json()
    assert [(row["name"], row["template"]) for row in listed] == [(folder.name, "daily")]
    page = await client.get(f"/api/reports/{folder.name}/page")
    assert page.text == "<p>hello" and page.headers["content-security-policy"].startswith("sandbox")
    assert (await client.get("/api/reports/none/page")).status_code == 404
    templates = {row["name"]: row for row in (await client.get("/api/reports/templates")).json()}
    assert {"backtest", "data", "session", "week"} <= set(templates)
    days = next(p for p in templates["week"]["parameters"] if p["name"] == "days")
    assert days == {"name": "days", "default": "7", "help": "calendar days"}


async def test_a_schedule_is_kept_listed_and_removed(client: httpx.AsyncClient) -> None:
    body = {"name": "evening", "template": "session", "due": "close + 10 min of MES", "parameters": {"session": "a"}}
    made = await client.post("/api/reports/schedules", json=body)
    assert made.status_code == 201 and made.json()["next_due"] is None
    assert (await client.post("/api/reports/schedules", json=body)).status_code == 422  # the name is taken
    listed = (await client.get("/api/reports/schedules")).json()
    assert [(row["name"], row["parameters"], row["last"]) for row in listed] == [("evening", {"session": "a"}, None)]
    for wrong, said in (
        ({"due": "at five"}, "says not when"),
        ({"template": "sesion"}, "did you mean session"),
        ({"parameters": {"sesion": "a"}}, "did you mean session"),
        ({"template": "../x"}, "template"),
    ):
        refused = await client.post("/api/reports/schedules", json=body | {"name": "b"} | wrong)
        assert refused.status_code in (404, 422) and said in refused.text, wrong
    assert (await client.delete("/api/reports/schedules/evening")).json() == []
    assert (await client.delete("/api/reports/schedules/evening")).status_code in (404, 422)
