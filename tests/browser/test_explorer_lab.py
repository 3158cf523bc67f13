"""The lab and the explorer in a headless Chromium, on a real store and the desk's own jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.benchmarks.walk import minute_bars
from tests.browser.harness import BROWSER_TEST, close, desk_and_dashboard, open_place, wait_until
from tests.fakes.desk import FakeDesk
from workbench import research
from workbench.domain.contract import parse_contract
from workbench.storage.bars import BarStore

pytestmark = BROWSER_TEST
CONTRACT = parse_contract("MESH22").id
BARS = 20_000
SLOW_MS = 90_000


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeDesk, Any]]:
    fake, frame = FakeDesk(), minute_bars(BARS)
    BarStore(fake.home.market).write(CONTRACT, "1m", frame[:5_000].vstack(frame[5_030:]), source="test")
    with desk_and_dashboard(fake) as (_, board):
        yield fake, board


def test_a_backtest_and_a_sweep_are_run_from_the_form_and_read(browser: Any, served: Any) -> None:
    fake, board = served
    page = open_place(browser, board, "lab", height=900)
    page.wait_for_selector(".wb-foot button", timeout=SLOW_MS)
    fast, run = page.locator("input[name=fast]"), page.get_by_role("button", name="Run the backtest")
    fast.fill("400")
    page.get_by_text("✖ at most 100 (2 to 100, step 1)").wait_for()
    assert run.is_disabled(), "what is out of range cannot be asked"
    fast.fill("7")
    wait_until(run.is_enabled)
    fast.press("Enter")
    figures = page.get_by_role("region", name="Result")
    wait_until(lambda: "fast 7, slow 15" in figures.inner_text(), within_s=SLOW_MS / 1000)
    here = research.backtest("sma_cross", contract=CONTRACT, home=fake.home, fast=7)
    net = f"{abs(here.stats['net_usd']):,.2f}"
    assert net in figures.inner_text() and f"{here.stats['trades']:,}" in figures.inner_text()
    assert "15 trading dates; it takes 20" in figures.inner_text(), "an undefined number has its reason"
    wait_until(lambda: int(page.locator(".wb-curve").get_attribute("data-points") or 0) > 100)
    trades = page.get_by_role("region", name="Trades")
    total = f"of {len(here.trades):,}"
    wait_until(lambda: f"1–25 {total}" in trades.inner_text())
    trades.get_by_role("button", name="older ›").click()
    wait_until(lambda: f"26–50 {total}" in trades.inner_text())

    page.get_by_role("button", name="Sweep", exact=True).click()
    for name in ("fast", "slow"):
        page.locator(f"input[name='{name}.vary']").check()
    ranges = {"fast": (4, 10, 3), "slow": (20, 40, 10)}
    for name, (low, high, step) in ranges.items():
        for part, value in (("low", low), ("high", high), ("step", step)):
            page.locator(f"input[name='{name}.{part}']").fill(str(value))
    page.get_by_text("at most 9 combinations").wait_for()
    page.get_by_role("button", name="Run the sweep").click()
    canvas = page.locator(".wb-heat canvas")
    canvas.wait_for(state="visible", timeout=SLOW_MS)
    page.get_by_text("This looks like luck", exact=False).first.wait_for()
    read = page.locator(".wb-read")
    wait_until(lambda: "★ best" in read.inner_text())
    assert page.locator(".wb-heat").get_attribute("data-drawn") == "9"
    canvas.focus()
    before = read.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: read.inner_text() != before)
    page.keyboard.press("Enter")
    page.get_by_text("in the form, ready to be run alone").wait_for()
    page.get_by_role("button", name="Run the backtest").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    close(page)


def test_a_series_is_explored_with_indicators_its_quality_and_its_gap(browser: Any, served: Any) -> None:
    _, board = served
    page = open_place(browser, board, "explorer", width=390, height=900)
    words = page.locator(".wb-words")
    wait_until(lambda: f"of {BARS - 30:,}" in words.inner_text(), within_s=SLOW_MS / 1000)
    wait_until(lambda: "30 bars" in page.get_by_role("region", name="Quality").inner_text(), within_s=SLOW_MS / 1000)
    page.locator("input[name=rsi]").check()
    page.locator("input[name='rsi.n']").wait_for()
    newest = words.inner_text()
    page.get_by_role("button", name="‹ Earlier").click()
    wait_until(lambda: words.inner_text() != newest)
    gaps = page.get_by_role("region", name="Gaps: choose one to go there")
    gaps.locator("tbody tr").first.click()
    wait_until(lambda: "2022-01-06" in words.inner_text() or "2022-01-07" in words.inner_text())
    assert page.locator("input[name=at]").input_value().startswith("2022-01-0"), "the form says where one is"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    close(page)
