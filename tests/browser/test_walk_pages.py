"""From an idea to a promoted version, and what watches over it: each page of the dashboard on the demo's programs."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.harness import BROWSER_TEST, close, grid, open_page, wait_until
from workbench.commands.stack import DemoStack
from workbench.domain.contract import spec
from workbench.domain.errors import WorkbenchError
from workbench.domain.hours import trading_hours
from workbench.storage.attempts import Attempt
from workbench.storage.bars import BarStore
from workbench.storage.home import write_durably
from workbench.storage.versions import Versions

pytestmark = [
    *BROWSER_TEST,
    pytest.mark.slow,
    pytest.mark.timeout(480),  # a cold numba cache on a machine that does other work, too
]

ACCOUNT = 1001
NAME = "walked"
PARAMETERS = """parameters:
  fast: {default: 5, min: 2, max: 60, step: 1}
  slow: {default: 20, min: 3, max: 200, step: 1}
"""
GATES = """tested: {detectors: clean, costs: charged, min_trades: 5}
paper: {costs: charged, min_trades: 5}
live: {min_days_in_paper: 5}
"""
SLOW_S = 90.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def trading(stack: DemoStack) -> Iterator[DemoStack]:
    """The stack with a session that records; stopped flat at the end."""
    with contextlib.suppress(WorkbenchError):  # nothing is latched when these tests run alone
        stack.desk.clear_stop("the pages are walked")
    stack.control("clock", {"rate": 5})  # the day is not to be over before these pages are walked
    stack.control("clock", {"resume": True})
    if not any(s.account == ACCOUNT and s.state == "running" for s in stack.desk.sessions):
        stack.desk.start("sma_cross", account=ACCOUNT, contract=stack.contract)
    yield stack
    assert stack.desk.emergency_stop(reason="the walk is over").result == "FLAT"


def opened(stack: DemoStack, browser: Any, name: str, *, width: int = 1280) -> Any:
    link = json.loads((stack.home.desk / "dashboard.json").read_text())["link"].replace("/live", f"/{name}", 1)
    return open_page(browser, link, width=width, height=1600, lively=False)


def ask(stack: DemoStack, path: str, **params: Any) -> Any:
    """What the desk's API says."""
    return stack.desk._request("GET", path, params=params)


def newest(stack: DemoStack, kind: str) -> Json:
    """The newest job of a kind, with its result once it is over."""
    job: Json = ask(stack, f"/api/jobs/{ask(stack, '/api/jobs', kind=kind)[0]['id']}")
    return job


def whole_days(stack: DemoStack) -> str:
    """The last trading date that is over: what is stored until then changes no more while the market goes on."""
    today = trading_hours(spec("MES")).trading_date(stack.market_time())
    return str(trading_hours(spec("MES")).trading_dates(today - timedelta(days=7), today - timedelta(days=1))[-1])


# --- from an idea to a promoted version -------------------------------------------------------------------------------


def build(stack: DemoStack, page: Any) -> str:
    """Compose a rule from lists, with parameters from the text; see it checked; return the text."""
    text, found = page.get_by_label("Strategy file"), page.get_by_role("list", name="Findings")
    found.get_by_text("✓ a strategy").wait_for(timeout=60_000)
    page.get_by_label("name", exact=True).fill(NAME)
    wait_until(lambda: f"name: {NAME}\n" in text.input_value())
    text.fill(text.input_value().replace("timeframe: 1m\n", f"timeframe: 1m\n{PARAMETERS}"))
    found.get_by_text("✖ error line 5: parameter fast is declared and never used").wait_for()
    for side in ("long", "short"):
        lengths = page.locator("fieldset", has_text=f"Enter {side} when").get_by_label("length")
        for box, name in zip(lengths.all(), ("fast", "slow"), strict=True):
            box.fill(name)
    page.get_by_role("button", name="Add to: Leave long when").click()
    page.get_by_label("Leave long when 1 left", exact=True).select_option("rsi")
    page.get_by_label("Leave long when 1 operator").select_option(">=")
    page.get_by_label("Leave long when 1 right", exact=True).select_option("#number")
    page.get_by_label("Leave long when 1 right: number").fill("85")
    lines = (
        "  long: cross_above(sma(close, fast), sma(close, slow))",
        "  short: cross_below(sma(close, fast), sma(close, slow))",
        "exit:\n  long: rsi(close, 14) >= 85",
        PARAMETERS,
    )
    wait_until(lambda: all(line in text.input_value() for line in lines))
    found.get_by_text("✓ a strategy").wait_for()
    return str(text.input_value())


def explain(stack: DemoStack, page: Any) -> None:
    """Choose a closed bar on the chart: the fast average is the mean of the five closes that end there."""
    expect(page.get_by_label("Explain on")).to_contain_text(stack.contract)
    bars = grid(page, "Bars to explain")
    bars.get_by_text("· choose a bar").wait_for(timeout=60_000)
    bars.get_by_role("button", name="‹ bar before").click()
    told = grid(page, "What the chosen bar says")
    told.locator("tr", has_text="enter long:").wait_for(timeout=60_000)
    begins = re.search(r"at the close of \w+ (\d{4}-\d\d-\d\d \d\d:\d\d)", told.inner_text())
    assert begins is not None, told.inner_text()
    closes = stack.desk.bars(stack.contract, "1m", 600)["close"]
    expected = closes.loc[: begins[1]].iloc[-5:].mean()
    shown = told.locator("tr", has_text="┊  ┊  sma(close, fast)").first.locator("td").nth(2).inner_text()
    assert float(shown.replace(",", "")) == pytest.approx(expected, abs=1e-6)


def save(page: Any) -> None:
    page.get_by_role("button", name="Save as a version").click()


def test_a_rule_is_built_from_lists_explained_and_saved_twice(trading: DemoStack, browser: Any) -> None:
    page = opened(trading, browser, "rules")
    text = build(trading, page)
    explain(trading, page)
    save(page)
    page.get_by_text("write who you are").wait_for()
    page.get_by_label("Who").fill("ann")
    save(page)
    page.get_by_text(f"saved: {NAME}@").wait_for(timeout=60_000)
    first = ask(trading, f"/api/strategies/{NAME}")
    assert first["source"] == text and first["state"] == "draft"

    page.get_by_label("stop", exact=True).fill("3")
    save(page)  # at once: what was typed last is in it
    wait_until(lambda: len(ask(trading, f"/api/strategies/{NAME}")["versions"]) == 2, within_s=60)
    second = ask(trading, f"/api/strategies/{NAME}")
    assert second["source"] == text.replace("stop: {atr: 2,", "stop: {atr: 3,")
    assert second["parent"] == first["version"] == Versions(trading.home).recorded(NAME)[0].version
    close(page)


def version(stack: DemoStack) -> str:
    return str(ask(stack, f"/api/strategies/{NAME}")["version"])


def run(stack: DemoStack, page: Any, what: str, kind: str) -> Json:
    """Press run, wait until the desk has done it, and return the job."""
    before = {job["id"] for job in ask(stack, "/api/jobs", kind=kind)}
    page.get_by_role("button", name=what).click()
    wait_until(lambda: any(j["id"] not in before for j in ask(stack, "/api/jobs", kind=kind)), within_s=30)
    wait_until(lambda: newest(stack, kind)["state"] not in ("queued", "running"), within_s=SLOW_S)
    job = newest(stack, kind)
    assert job["state"] == "done", job["error"]
    return job


def vary(page: Any, ranges: dict[str, tuple[int, int, int]]) -> None:
    for name, values in ranges.items():
        page.locator(f"input[name='{name}.vary']").check()
        for part, value in zip(("low", "high", "step"), values, strict=True):
            page.locator(f"input[name='{name}.{part}']").fill(str(value))


def test_the_rule_is_tried_swept_compared_and_walked_forward_in_the_lab(trading: DemoStack, browser: Any) -> None:
    page = opened(trading, browser, "lab")
    page.get_by_label("Strategy").select_option(version(trading), timeout=60_000)
    page.get_by_label("To", exact=True).fill(whole_days(trading))
    figures = grid(page, "Result")
    for fast in (7, 9):
        page.locator("input[name=fast]").fill(str(fast))
        job = run(trading, page, "Run the backtest", "backtest")
        figures.get_by_text(f"fast {fast}, slow 20").wait_for(timeout=30_000)
        stats = job["result"]["stats"]
        trades = ask(trading, f"/api/jobs/{job['id']}/trades", limit=5_000)
        assert job["asked"]["strategy"] == version(trading) and len(trades) == stats["trades"] > 10
        gained = [t["exit_price"] - t["entry_price"] if t["side"] == "long" else t["entry_price"] - t["exit_price"]
                  for t in trades]  # fmt: skip
        net = sum(5.0 * t["qty"] * points - t["costs_usd"] for t, points in zip(trades, gained, strict=True))
        assert stats["net_usd"] == pytest.approx(net, abs=0.01), "five dollars a point of the micro contract"
        assert f"{abs(net):,.2f}" in figures.inner_text()

    runs = grid(page, "Runs")
    runs.locator("tr", has_text="fast 7").get_by_role("button", name="Compare").click()
    apart = grid(page, "Side by side: A is shown, B is compared with").locator("tr", has_text="◆ fast")
    apart.wait_for(timeout=30_000)
    assert apart.locator("td").all_inner_texts()[1:3] == ["9", "7"]

    page.get_by_role("button", name="Sweep", exact=True).click()
    vary(page, {"fast": (4, 10, 3), "slow": (20, 40, 10)})
    page.get_by_text("9 combinations").first.wait_for()
    result = run(trading, page, "Run the sweep", "sweep")["result"]
    page.locator(".wb-heat[data-drawn='9']").wait_for(timeout=30_000)
    best = ", ".join(f"{name} {result['best'][name]:g}" for name in ("fast", "slow"))
    expect(page.locator(".wb-read")).to_contain_text(f"★ best: {best}")
    figures.get_by_text(result["overfit"]["sentence"]).wait_for()

    page.get_by_role("button", name="Walk-forward", exact=True).click()
    vary(page, {"fast": (4, 10, 3), "slow": (20, 40, 10)})
    page.get_by_label("Choose on").fill("2")
    page.get_by_label("Trade the next").fill("1")
    result = run(trading, page, "Run the walk-forward", "walk_forward")["result"]
    rows = grid(page, "Windows").locator("tbody tr")
    rows.first.wait_for(timeout=30_000)
    assert rows.count() == len(result["windows"]) >= 1
    traded = [f"{w['test_first'][:10]} … {w['test_last'][:10]}" for w in result["windows"]]
    assert [row.locator("td").nth(1).inner_text() for row in rows.all()] == traded
    figures.get_by_text(f"Walk-forward: {len(traded)} windows").wait_for()
    close(page)


def attempts(stack: DemoStack) -> list[Attempt]:
    return Versions(stack.home).attempts(version(stack))


def test_the_version_is_promoted_through_its_gates_and_refused_for_a_firms_money(
    trading: DemoStack, browser: Any
) -> None:
    write_durably(trading.home.path / "gates.yaml", GATES.encode())
    new = version(trading)
    page = opened(trading, browser, "promote")
    grid(page, "Versions").locator("tr", has_text=new[:8]).click()
    changed = grid(page, "What it does differently").locator("tr", has_text="± changed")
    changed.first.wait_for(timeout=30_000)
    assert changed.count() == 1 and "stop" in changed.inner_text()
    page.get_by_role("button", name="paper", exact=True).click()
    gates = grid(page, "Gates on the way")
    expect(gates.locator("tbody tr", has_text="? not judged")).to_have_count(5)
    page.get_by_role("button", name="Ask the gates").click()
    expect(gates.locator("tbody tr", has_text="✓ passed")).to_have_count(5, timeout=SLOW_S * 1_000)
    assert ask(trading, f"/api/versions/{new}")["state"] == "draft", "asking promotes nothing"
    kept = {one["kind"]: one["stats"] for one in ask(trading, f"/api/versions/{new}")["evidence"]}
    shown = grid(page, "Evidence").locator("tr", has_text="backtest").first
    assert f"{kept['backtest']['trades']:,}" in shown.inner_text()

    page.get_by_label("Who").fill("ann")
    page.get_by_label("Why").fill("it holds on the stored days")
    page.get_by_role("button", name="Promote", exact=True).click()
    page.get_by_text(f"{NAME}@{new[:8]} is paper").wait_for(timeout=SLOW_S * 1_000)
    grid(page, "Versions").locator("tr", has_text=new[:8]).get_by_text("◑ paper").wait_for()
    assert ask(trading, f"/api/versions/{new}")["state"] == "paper"
    assert [r.state.value for r in Versions(trading.home).recorded(NAME)] == ["draft", "paper"], "the file says so, too"

    page.get_by_label("Why").fill("it made money for a minute")
    page.get_by_role("button", name="live", exact=True).click()
    page.get_by_role("button", name="Promote", exact=True).click()
    gates.locator("tr", has_text="min_days_in_paper").get_by_text("✖ not passed").wait_for(timeout=SLOW_S * 1_000)
    assert [(a.wanted, a.accepted, a.person) for a in attempts(trading)] == [
        ("paper", True, "ann"), ("live", False, "ann")
    ]  # fmt: skip
    assert ask(trading, f"/api/versions/{new}")["state"] == "paper"
    close(page)


# --- what is stored, told and watched ---------------------------------------------------------------------------------


def test_the_stored_contract_is_explored_with_its_quality(trading: DemoStack, browser: Any) -> None:
    page = opened(trading, browser, "explorer")
    words, day = page.locator(".wb-words"), whole_days(trading)
    expect(words).to_contain_text(re.compile("● live|○ market closed"), timeout=60_000)
    newest = words.inner_text()
    page.get_by_label("Go to").fill(day)
    wait_until(lambda: place(words.inner_text())[1] < place(newest)[0])
    dates = stored_dates(trading)
    first, last = place(words.inner_text())
    assert first <= dates.index(day) + 1 <= last, "the date begins on the screen"
    cells = grid(page, "By trading date").locator("tr", has_text=day).locator("td").all_inner_texts()
    assert cells[1:3] == ["1,380", f"{dates.count(day):,}"], "twenty-three hours of minutes are expected"

    page.locator("input[name=rsi]").check()
    page.locator("input[name='rsi.n']").fill("1")
    page.get_by_text("RSI, below: the length '1' must be a whole number").wait_for()
    page.locator("input[name='rsi.n']").fill("9")
    page.get_by_text("RSI, below: the length '1' must be a whole number").wait_for(state="hidden")
    page.get_by_role("button", name="Newest").click()
    wait_until(lambda: place(words.inner_text())[1] >= len(dates))
    close(page)


def stored_dates(stack: DemoStack) -> list[str]:
    """The trading date of each bar of one minute, as it lies in the store."""
    starts = BarStore(stack.home.market).read(stack.contract, "1m")["ts"].to_physical().to_list()
    return [str(trading_hours(spec("MES")).trading_date(start)) for start in starts]


def place(words: str) -> tuple[int, int]:
    """From which bar to which the explorer says that it shows."""
    found = re.search(r"bars ([\d,]+) to ([\d,]+) of", words)
    return (int(found[1].replace(",", "")), int(found[2].replace(",", ""))) if found else (10**9, 10**9)


def test_a_report_is_made_and_read(trading: DemoStack, browser: Any) -> None:
    page, last = opened(trading, browser, "reports"), whole_days(trading)
    asked = grid(page, "Run a report")
    asked.locator("select").first.select_option("data", timeout=60_000)
    asked.locator("input[name=contract]").fill(trading.contract)
    asked.locator("input[name=end]").fill(last)
    asked.get_by_role("button", name="Run now").click()
    reader = grid(page, "The report")
    reader.wait_for(timeout=SLOW_S * 1_000)
    (made,) = [r for r in ask(trading, "/api/reports") if r["template"] == "data"]
    assert made["status"] == "ok", made["error"]
    assert (trading.home.reports / made["name"] / "report.html").is_file()
    shown = re.compile(f"/report/{made['name']}")
    wait_until(lambda: page.frame(url=shown) is not None)  # the reader is there before what it reads
    frame = page.frame(url=shown)
    frame.wait_for_load_state()
    assert trading.contract in frame.content()
    bars = sum(date <= last for date in stored_dates(trading))
    assert f">{bars:,}<" in frame.content(), "the bars of one minute up to that date"
    reader.get_by_role("button", name="Close").click()
    reader.wait_for(state="hidden")
    close(page)


def test_everything_that_was_done_is_watched_and_kept(trading: DemoStack, browser: Any) -> None:
    page = opened(trading, browser, "monitoring")
    snapshot = trading.desk.snapshot()
    pids = {
        "desk": snapshot["desk"]["pid"],
        "ingest": snapshot["desk"]["ingest"]["pid"],
        f"runner {ACCOUNT}": next(a["runner"]["pid"] for a in snapshot["accounts"] if a["account"] == ACCOUNT),
    }
    for name, pid in pids.items():
        row = grid(page, "Processes").locator("tr", has_text=name)
        expect(row).to_contain_text("● running", timeout=30_000)
        assert row.locator("td").nth(2).inner_text() == str(pid)
    for alert in snapshot["alerts"]:
        grid(page, "Alerts").get_by_text(alert["text"], exact=True).first.wait_for()
    audit = grid(page, "Audit log")
    audit.get_by_role("searchbox").fill(f"{version(trading)}/promote")
    promoted = [line for line in ask(trading, "/api/audit", limit=1_000) if line["what"].endswith("/promote")]
    expect(audit.locator("tbody tr")).to_have_count(len(promoted))
    expect(page.locator(".wb-tile", has_text="Desk answers in")).to_contain_text("ms")
    close(page)
