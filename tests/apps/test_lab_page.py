"""The lab and the explorer without a browser: what they ask of the desk, and what they show of its answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.apps.lab_samples import CONTRACT, STORED, STRATEGY, backtest_result, job, sweep_result, trade
from workbench.apps.explorer import ExplorerPage
from workbench.apps.feed import DeskFeed, DeskRefusedPage
from workbench.apps.lab import LabPage
from workbench.domain.errors import InputError


class Desk:
    """Answers what it was given, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((method, path, options))
        answer = self.answers[path]
        return answer(options) if callable(answer) else answer


def opened(kind: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, list[dict[str, Any]]]]:
    feed = DeskFeed(lambda: ("http://127.0.0.1:1", "x"))
    monkeypatch.setattr(feed, "ask", desk.ask)
    page, sent = kind(feed), {}  # type: ignore[var-annotated]
    page.body()
    for name, part in vars(page).items():
        if hasattr(part, "_send_msg"):
            sent[name] = []
            monkeypatch.setattr(part, "_send_msg", sent[name].append)
    return page, sent


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.001)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> tuple[LabPage, dict[str, Any], Desk]:
    done = job(1, result=backtest_result())
    desk = Desk(**{
        "/api/backtests": lambda options: job(5, state="queued"),
        f"/api/jobs/{done['id']}": done,
        f"/api/jobs/{done['id']}/trades": lambda options: [trade(1.0)] * options["params"]["limit"],
    })  # fmt: skip
    page, sent = opened(LabPage, desk, monkeypatch)
    page.strategies, page.stored, page.subject, page.jobs = [STRATEGY], STORED, "sma_cross", [done]
    return page, sent, desk


async def test_a_value_out_of_range_is_not_asked(lab: Any) -> None:
    page, sent, desk = lab
    await page._asked("change", "", {"fast": "400"})
    page.push()
    assert sent["form"][-1]["tone"] == "alarm" and "fast 400 is out of range" in sent["form"][-1]["words"]
    with pytest.raises(InputError, match="fast 400 is out of range"):
        await page._asked("run", "", {})
    assert desk.asked == []


async def test_what_was_typed_last_is_what_is_run_and_it_is_run_once(lab: Any) -> None:
    page, _, desk = lab
    await page._asked("run", "", {"fast": "9"})
    ((method, path, options),) = desk.asked
    assert (method, path, options["json"]["parameters"]["fast"]) == ("POST", "/api/backtests", 9)
    assert page.jobs[0]["state"] == "queued" and page._awaited == page.jobs[0]["id"]


async def test_of_a_hundred_thousand_trades_one_page_is_fetched_and_sent(lab: Any) -> None:
    page, sent, desk = lab
    desk.answers[f"/api/jobs/{page.jobs[0]['id']}"]["result"]["trades_in_all"] = 100_000
    await page._on_run("show", page.jobs[0]["id"], {})
    page.push()
    told = sent["trades"][-1]
    assert (told["total"], len(told["rows"]), told["page"]) == (100_000, 25, 0)
    await page._on_trades("page", "399", {})
    assert desk.asked[-1][2]["params"] == {"limit": 25, "offset": 9_975, "order": "newest"}
    assert sent["trades"][-1]["page"] == 399


async def test_nothing_is_sent_twice(lab: Any) -> None:
    page, sent, _ = lab
    await page._on_run("show", page.jobs[0]["id"], {})
    page.push()
    before = {name: len(messages) for name, messages in sent.items()}
    page.push()
    assert {name: len(messages) for name, messages in sent.items()} == before


async def test_a_cell_of_the_heat_map_comes_into_the_form_with_what_was_held(lab: Any) -> None:
    page, sent, _ = lab
    page.shown, page.mode = job(2, "sweep", result=sweep_result()), "sweep"
    page.push()
    assert page.heat.visible and not page.trades.visible and sent["heat"][-1]["best"] == 4
    await page._on_heat("cell", "3", {"fast": "10"})
    page.push()
    values = {f["name"]: f["value"] for g in sent["form"][-1]["groups"] for f in g["fields"]}
    assert sent["form"][-1]["mode"] == "backtest" and (values["fast"], values["slow"]) == ("10", "20")


async def test_another_strategy_forgets_the_values_of_the_last(lab: Any) -> None:
    page, _, _ = lab
    page.strategies = [STRATEGY, {**STRATEGY, "strategy": "0ce6001b9065e92b", "stored": True}]
    await page._asked("change", "", {"fast": "9"})
    await page._asked("change", "", {"subject": "0ce6001b9065e92b"})
    assert page.values == {} and page._strategy()["stored"]


# --- explorer --------------------------------------------------------------------------------------------------------

BAR = {"time": 1_641_250_800, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 7}
REPORT = {
    "contract": CONTRACT, "timeframe": "1m", "quarantine": {"off_tick": 2},
    "totals": {"days": 1, "expected": 1_380, "present": 1_350, "missing": 30, "gaps": 1, "longest_gap": 30,
               "outside_hours": 0, "off_tick": 0, "duplicates": 0, "quarantined": 2},
    "days": [{"trading_date": "2022-01-07", "early_close": True, "expected": 1_380, "present": 1_350, "missing": 30,
              "gaps": 1, "longest_gap": 30, "volume": 5, "outside_hours": 0, "off_tick": 0, "duplicates": 0,
              "quarantined": 2}],
    "gaps": [{"trading_date": "2022-01-07", "start": "2022-01-07T13:20:00+00:00", "end": "2022-01-07T13:50:00+00:00",
              "bars": 30}],
    "rejected": [{"time": 1_641_250_800, "reason": "off_tick", "source": "file", "values": "{}"}],
}  # fmt: skip


@pytest.fixture
async def explorer(monkeypatch: pytest.MonkeyPatch) -> tuple[ExplorerPage, dict[str, Any], Desk]:
    def chart(options: Any) -> Any:
        lines = {text: [5.0, None] for text in options["params"]["line"]}
        bars = [BAR, {**BAR, "time": BAR["time"] + 60}]
        told = {
            "contract": CONTRACT,
            "timeframe": "1m",
            "total": 20_000,
            "offset": options["params"].get("offset", 19_400),
        }
        return {**told, "bars": bars, "lines": lines}

    desk = Desk(**{"/api/data/chart": chart, "/api/data/quality": REPORT})
    page, sent = opened(ExplorerPage, desk, monkeypatch)
    page.stored = STORED
    page.values["contract"] = CONTRACT
    await page._fetch()
    return page, sent, desk


async def test_a_series_is_drawn_with_the_desks_own_indicators(explorer: Any) -> None:
    page, sent, desk = explorer
    page.push()
    drawn = sent["chart"][-1]
    assert desk.asked[0][2]["params"]["line"] == ["sma(close, 20)", "vwap()"]
    assert [(o["name"], len(o["points"])) for o in drawn["overlays"]] == [("sma(close, 20)", 1), ("vwap()", 1)]
    assert drawn["bars"][0]["time"] == BAR["time"] - 6 * 3600, "Chicago time, six hours behind in winter"
    assert "bars 19,401 to 19,402 of 20,000: 2022-01-03 17:00" in sent["form"][-1]["words"]
    assert "not live" in sent["form"][-1]["words"]


async def test_one_goes_back_and_to_a_gap_and_no_further_than_there_are_bars(explorer: Any) -> None:
    page, _, desk = explorer
    await page._asked("older", "", {})
    await page._fetch()
    assert desk.asked[-1][2]["params"]["offset"] == 19_000
    await page._asked("newer", "", {})
    await page._asked("newer", "", {})
    assert page.offset == 19_400, "the last whole screen"
    await page._on_gap("pick", REPORT["gaps"][0]["start"], {})  # type: ignore[index]
    await page._fetch()
    params = desk.asked[-1][2]["params"]
    assert params["at"] == "2022-01-07" and "offset" not in params


async def test_quality_says_what_is_missing_what_was_rejected_and_where(explorer: Any) -> None:
    page, sent, _ = explorer
    page.push()
    tiles = {tile["label"]: tile for tile in sent["sheet"][-1]["tiles"]}
    assert tiles["Complete"]["value"] == "97.83" and tiles["Missing bars"]["value"] == "30"
    assert tiles["Rejected"] == {"label": "Rejected", "value": "2", "unit": "", "note": "2 off_tick"}
    assert sent["gaps"][-1]["rows"][0]["cells"] == ["2022-01-07", "2022-01-07 07:20", "2022-01-07 07:50", "30"]
    assert sent["days"][-1]["rows"][0]["cells"][-1] == "early close, 2 quarantined"
    assert sent["rejected"][-1]["rows"][0]["cells"][1] == ["✖ off_tick", "alarm"]


async def test_a_length_that_makes_no_sense_is_said_before_it_is_asked(explorer: Any) -> None:
    page, _, desk = explorer
    count = len(desk.asked)
    await page._asked("change", "", {"sma.n": "1"})
    with pytest.raises(InputError, match="SMA: the length '1' must be a whole number from 2 to 1,000"):
        await page._fetch()
    assert len(desk.asked) == count


async def test_what_was_refused_is_taken_back_when_it_is_mended(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page, _, desk = explorer
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(page, "tell", lambda *words: told.append(words))
    desk.answers["/api/data"] = STORED
    loading = asyncio.ensure_future(page.loaded())
    await asyncio.sleep(0)
    await page._asked("change", "", {"sma.n": "1"})
    await until(lambda: len(told) == 1)
    await page._asked("change", "", {"sma.n": "30"})
    await until(lambda: len(told) == 2)
    assert told[0][1] == "alarm" and "whole number from 2 to 1,000" in told[0][0] and told[1] == ("", "")
    assert desk.asked[-1][2]["params"]["line"] == ["sma(close, 30)", "vwap()"]
    loading.cancel()


async def test_a_desk_that_was_away_is_asked_again(explorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page, _, desk = explorer
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(page, "tell", lambda *words: told.append(words))
    monkeypatch.setattr("workbench.apps.visit.AGAIN_S", 0.01)

    def away(options: Any) -> Any:
        raise DeskRefusedPage("the desk does not answer")

    page.stored, desk.answers["/api/data"] = None, away
    loading = asyncio.ensure_future(page._keep_loaded())
    await until(lambda: told != [])
    assert told[0] == ("the desk does not answer", "alarm")
    desk.answers["/api/data"] = STORED
    page.feed.heard_at = time.monotonic()
    await until(lambda: page.stored is not None)
    assert told[-1] in [("",), ("", "")]
    loading.cancel()


async def test_live_data_says_how_old_it_is(explorer: Any) -> None:
    page, sent, _ = explorer
    page.feed.snapshot = {"data": [{"contract": CONTRACT, "timeframe": "1m", "age_s": 74.0, "state": "stale"}]}
    page.push()
    assert "▲ STALE, last price 74 s ago" in sent["form"][-1]["words"] and sent["form"][-1]["tone"] == "warn"


async def test_what_a_person_chose_stays_when_the_desk_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**STRATEGY, "strategy": "0ce6001b9065e92b", "stored": True}
    done, older = job(1, result=backtest_result()), job(2, result=backtest_result())
    desk = Desk(**{
        "/api/runnable": [STRATEGY, other], "/api/data": STORED, "/api/jobs": [done],
        f"/api/jobs/{done['id']}": done, f"/api/jobs/{done['id']}/trades": [],
    })  # fmt: skip
    page, _ = opened(LabPage, desk, monkeypatch)
    page.subject, page.shown = other["strategy"], older
    loading = asyncio.create_task(page.loaded())
    async with asyncio.timeout(5):
        while ("GET", "/api/jobs", {}) not in desk.asked:
            await asyncio.sleep(0.001)
    loading.cancel()
    assert (page.subject, page.shown) == (other["strategy"], older)


async def test_a_page_of_trades_that_comes_late_is_not_shown_for_another_run(lab: Any) -> None:
    page, _, desk = lab
    page.shown = page.jobs[0]
    path = f"/api/jobs/{page.jobs[0]['id']}/trades"

    def late(options: Any) -> Any:
        page.shown = job(7, result=backtest_result())
        return [trade(1.0)]

    desk.answers[path] = late
    await page._on_trades("page", "1", {})
    assert page.page_rows == [] and page.page == 0


async def test_a_combination_of_a_sweep_is_run_on_the_bars_of_the_sweep(lab: Any) -> None:
    page, _, desk = lab
    sweep = job(2, "sweep", result=sweep_result())
    page.shown = {**sweep, "asked": {**sweep["asked"], "start": "2022-01-03", "end": "2022-01-07", "slippage_ticks": 3}}
    page.values = {"start": "2021-01-04", "slippage_ticks": "0", "timeframe": "1h"}
    await page._on_best("run", "0", {})
    body = desk.asked[-1][2]["json"]
    assert (body["start"], body["end"], body["slippage_ticks"]) == ("2022-01-03", "2022-01-07", 3)
