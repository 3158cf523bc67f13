"""Versions over the API: lineage, differences, gates, promotion and refusal, rollback, and one bar explained."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import FULL, TOKEN, issue
from tests.benchmarks.walk import minute_bars
from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.api.app import build_app
from workbench.domain.contract import parse_contract
from workbench.services.strategies import shipped_folder
from workbench.storage.bars import BarStore
from workbench.storage.home import write_durably

STORED = parse_contract("MESH22").id
TEXT = (shipped_folder() / "sma_cross.yaml").read_text(encoding="utf-8")
SLOWER = TEXT.replace("default: 15", "default: 20").replace('flat_by: "15:05"', "cooldown: 3")
GATES = "tested: {min_trades: 5}\npaper: {min_trades: 5, costs: charged}\nlive: {min_trades: 100000}\n"
WHO = {"reason": "it holds", "person": "ann"}


@pytest.fixture
async def client(desk: FakeDesk) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(desk, token=TOKEN)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8420", headers=FULL, timeout=120
    ) as session:
        yield session
    await app.state.close()


@pytest.fixture
async def versions(client: httpx.AsyncClient) -> tuple[str, str]:
    made = [(await client.post("/api/strategies", json={"source": t, "person": "ann"})).json() for t in (TEXT, SLOWER)]
    return made[0]["version"], made[1]["version"]


async def test_versions_are_listed_the_newest_first_with_who_made_them(client: Any, versions: tuple[str, str]) -> None:
    rows = (await client.get("/api/versions", params={"name": "sma_cross"})).json()
    assert [(r["version"], r["state"], r["person"]) for r in rows] == [(v, "draft", "ann") for v in versions[::-1]]
    assert rows[0]["parent"] == versions[0] and rows[1]["parent"] is None
    assert (await client.get("/api/versions", params={"name": "nobody"})).json() == []


async def test_a_version_tells_its_lineage_its_ways_and_the_gates(client: Any, desk: Any, versions: Any) -> None:
    write_durably(desk.home.path / "gates.yaml", GATES.encode())
    told = (await client.get(f"/api/versions/{versions[1]}")).json()
    assert [r["version"] for r in told["lineage"]] == list(versions)
    assert told["ways"] == ["tested", "paper", "retired"] and told["attempts"] == [] == told["evidence"]
    assert told["gates"][:2] == [
        {"into": "tested", "gate": "min_trades", "wanted": "5"},
        {"into": "paper", "gate": "costs", "wanted": "charged"},
    ]


async def test_a_difference_is_one_of_meaning_in_words(client: Any, versions: Any) -> None:
    told = (await client.get(f"/api/versions/{versions[1]}/difference/{versions[0]}")).json()
    kinds = {c["what"]: (c["kind"], c["before"], c["after"]) for c in told["changes"]}
    assert (told["old"]["version"], told["new"]["version"]) == versions
    changed = [c for what, c in kinds.items() if "slow" in what]
    assert len(changed) == 1 and changed[0][0] == "changed" and "15" in changed[0][1] and "20" in changed[0][2]
    assert {kind for kind, _, _ in kinds.values()} == {"removed", "changed"}
    same = (await client.get(f"/api/versions/{versions[1]}/difference/{versions[1]}")).json()
    assert same["changes"] == []


async def test_who_may_only_read_may_not_promote(client: Any, desk: Any, versions: Any) -> None:
    header = issue(desk, "read")
    for path, body in (
        (f"/api/versions/{versions[0]}/promote", {"to": "tested", **WHO}),
        ("/api/seats/sma_cross/rollback", WHO),
    ):
        assert (await client.post(path, json=body, headers=header)).status_code == 403
    assert (await client.get("/api/versions", headers=header)).status_code == 200


async def test_an_unknown_version_or_a_missing_reason_is_refused_and_nothing_runs(client: Any, versions: Any) -> None:
    unknown = await client.post("/api/versions/0123456789/promote", json={"to": "tested", **WHO})
    assert unknown.status_code == 422 and "0123456789" in unknown.json()["error"]
    silent = await client.post(f"/api/versions/{versions[0]}/promote", json={"to": "tested", "person": "ann"})
    assert silent.status_code == 422 and "reason" in silent.json()["error"]
    empty = await client.post("/api/seats/sma_cross/rollback", json=WHO)
    assert empty.status_code == 422 and "sma_cross" in empty.json()["error"]


@pytest.mark.slow
async def test_a_version_climbs_through_its_gates_and_is_refused_with_the_number_that_is_missing(
    client: Any, desk: Any, versions: Any
) -> None:
    BarStore(desk.home.market).write(STORED, "1m", minute_bars(6_000), source="test")
    write_durably(desk.home.path / "gates.yaml", GATES.encode())
    old, _ = versions
    judged = (await client.post(f"/api/versions/{old}/judge", json={"to": "paper"})).json()
    assert [(v["into"], v["gate"], v["passed"], v["bound"]) for v in judged] == [
        ("tested", "min_trades", True, 5),
        ("paper", "costs", True, "> 0"),
        ("paper", "min_trades", True, 5),
    ]
    assert (await client.get(f"/api/versions/{old}")).json()["state"] == "draft", "a trial moves nothing"

    key = {"Idempotency-Key": "promote-1"}
    body = {"to": "paper", **WHO}
    once, again = [await client.post(f"/api/versions/{old}/promote", json=body, headers=key) for _ in range(2)]
    assert once.json() == again.json() and (once.json()["passed"], once.json()["now"]) == (True, "paper")
    told = (await client.get(f"/api/versions/{old}")).json()
    assert [(a["wanted"], a["accepted"], a["person"]) for a in told["attempts"]] == [("paper", True, "ann")]
    assert {e["kind"] for e in told["evidence"]} == {"backtest"} and told["evidence"][0]["stats"]["trades"] > 5

    refused = (await client.post(f"/api/versions/{old}/promote", json={"to": "live", **WHO})).json()
    assert (refused["passed"], refused["now"]) == (False, "paper")
    assert len(refused["reasons"]) == 1 and "100,000" in refused["reasons"][0]
    lines = (await client.get("/api/audit")).json()
    assert lines[0]["what"] == f"POST /api/versions/{old}/promote"


@pytest.mark.slow
async def test_going_back_seats_the_version_that_was_live_before(client: Any, desk: Any, versions: Any) -> None:
    write_durably(desk.home.path / "gates.yaml", b"tested: {}\n")
    for version in versions:
        for to in ("paper", "live"):
            made = (await client.post(f"/api/versions/{version}/promote", json={"to": to, **WHO})).json()
            assert made.get("passed"), made
    old, new = versions
    assert (await client.get("/api/seats")).json() == [{"session": "sma_cross", "version": new, "before": [old]}]
    back = (await client.post("/api/seats/sma_cross/rollback", json=WHO)).json()
    assert (back["passed"], back["version"], back["replaced"]) == (True, old, new)
    assert (await client.get("/api/seats")).json()[0]["version"] == old


@pytest.mark.slow
async def test_a_bar_is_explained_with_the_value_of_every_part(client: Any) -> None:
    text = "name: a\nroots: [MES]\ntimeframe: 5m\nentry:\n  long: close > close[1] and close > 1\nstop: {ticks: 8}\n"
    bars = (await client.get("/api/bars", params={"contract": CONTRACT, "timeframe": "5m", "limit": 10})).json()
    chosen, before = bars[-2], bars[-3]
    asked = {"source": text, "contract": CONTRACT, "at": chosen["time"]}
    told = (await client.post("/api/strategies/explain", json=asked)).json()
    both = told["rules"]["entry.long"]
    first, second = both["parts"]
    assert (first["holds"], second["holds"]) == (chosen["close"] > before["close"], True)
    assert [p["value"] for p in first["parts"]] == [chosen["close"], before["close"]]
    assert both["holds"] is first["holds"] and told["verdicts"]["entry.long"]
    early = await client.post("/api/strategies/explain", json={**asked, "at": 5})
    assert early.status_code == 422 and "there is no 5m bar" in early.json()["error"]
    wrong = await client.post("/api/strategies/explain", json={**asked, "source": "name: a"})
    assert wrong.status_code == 422


async def test_a_check_names_what_is_odd_with_its_line(client: Any) -> None:
    text = "name: a\nroots: [MES]\ntimeframe: 1h\nentry:\n  long: close > highest(high, 20)\nstop: {ticks: 8}\n"
    told = (await client.post("/api/strategies/check", json={"source": text})).json()
    assert told["ok"] is True
    assert (told["findings"][0]["level"], told["findings"][0]["line"]) == ("error", 5)
    broken = (await client.post("/api/strategies/check", json={"source": text.replace("highest", "higest")})).json()
    assert broken["ok"] is False and [(f["level"], f["line"]) for f in broken["findings"]] == [("error", 5)]
    many = text.replace("highest", "higest").replace("1h", "7h").replace("stop:", "stopp:")
    told = (await client.post("/api/strategies/check", json={"source": many})).json()
    assert told["ok"] is False and [f["line"] for f in told["findings"]] == [3, 5, 6], "each mistake, not the first"


async def test_code_is_neither_explained_nor_run_for_who_may_only_read(client: Any, desk: FakeDesk) -> None:
    reader = issue(desk, "read")
    code = f"import os\nos.makedirs({str(desk.home.path / 'ran')!r})\n\nclass Mine(Strategy):\n    name = 'mine'\n"
    asked = {"source": code, "contract": CONTRACT, "at": 1_796_135_400}
    for path, body in (("explain", asked), ("check", {"source": code})):
        answer = await client.post(f"/api/strategies/{path}", json=body, headers=reader)
        assert "in Python is code" in answer.text, path
    assert not (desk.home.path / "ran").exists()
