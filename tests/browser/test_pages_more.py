"""Promoting a version through its gates, building a rule by clicking, watching over the desk: as a person does it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_versions import GATES, SLOWER, STORED, TEXT
from tests.benchmarks.walk import minute_bars
from tests.browser.harness import BROWSER_TEST, close, desk_and_dashboard, grid, open_place, wait_until
from tests.fakes.desk import FakeDesk
from workbench.services.strategy_store import StrategyStore
from workbench.services.version_store import VersionStore
from workbench.storage.bars import BarStore
from workbench.storage.home import write_durably

pytestmark = [*BROWSER_TEST, pytest.mark.slow]


def test_a_version_is_promoted_through_its_gates_and_refused_with_the_reason(browser: Any) -> None:
    fake = FakeDesk()
    store = StrategyStore(fake.home)
    old, new = (store.create(text, person="ann", code=False)["version"] for text in (TEXT, SLOWER))
    BarStore(fake.home.market).write(STORED, "1m", minute_bars(6_000), source="test")
    write_durably(fake.home.path / "gates.yaml", GATES.encode())
    with desk_and_dashboard(fake) as (_, board):
        page = open_place(browser, board, "promote")
        changes = grid(page, "What it does differently")
        changes.locator("tr", has_text="parameter slow").get_by_text("± changed").wait_for()
        changes.locator("tr", has_text="flat_by").get_by_text("− removed").wait_for()
        gates = grid(page, "Gates on the way")
        gates.get_by_text("? not judged").first.wait_for()
        page.get_by_role("button", name="paper", exact=True).click()
        page.get_by_role("button", name="Promote", exact=True).click()
        page.get_by_text("write who you are").wait_for()
        page.get_by_label("Who").fill("ann")
        page.get_by_label("Why").fill("five quiet days")
        page.get_by_role("button", name="Promote", exact=True).click()
        page.get_by_text("is paper", exact=False).first.wait_for(timeout=180_000)
        grid(page, "Versions").locator("tr", has_text=new[:8]).get_by_text("◑ paper").wait_for()
        held = VersionStore(fake.home).one(new)
        assert held["state"] == "paper" and held["attempts"][0]["reason"] == "five quiet days"
        assert VersionStore(fake.home).one(old)["state"] == "draft"

        page.get_by_label("Why").fill("it made money")
        page.get_by_role("button", name="live", exact=True).click()
        page.get_by_role("button", name="Promote", exact=True).click()
        gates.get_by_text("✖ not passed").wait_for(timeout=180_000)
        gates.get_by_text("at least 100,000 are asked", exact=False).wait_for()
        assert VersionStore(fake.home).one(new)["state"] == "paper"
        close(page)


def test_a_rule_is_built_by_clicking_checked_explained_and_saved(browser: Any) -> None:
    fake = FakeDesk()
    with desk_and_dashboard(fake) as (_, board):
        page = open_place(browser, board, "rules")
        text, found = page.get_by_label("Strategy file"), page.get_by_role("list", name="Findings")
        found.get_by_text("✓ a strategy").wait_for(timeout=60_000)
        page.get_by_role("button", name="Add to: Leave long when").click()
        page.get_by_label("Leave long when 1 left", exact=True).select_option("rsi")
        page.get_by_label("Leave long when 1 operator").select_option("between")
        wait_until(lambda: "long: close[1] <= rsi(close, 14) <= 0" in text.input_value())
        page.get_by_label("Leave long when 1 right", exact=True).select_option("#number")
        page.get_by_label("Leave long when 1 right: number").fill("70")
        page.get_by_label("Leave long when 1 upper: number").fill("100")
        wait_until(lambda: "long: 70 <= rsi(close, 14) <= 100" in text.input_value())
        good = text.input_value()

        text.fill(good.replace("cross_above(sma(close, 10), sma(close, 30))", "close > highest(high, 20)"))
        found.get_by_text("✖ error line 5: entry.long can never be true").wait_for(timeout=60_000)
        assert page.get_by_label("Enter long when 1 right", exact=True).input_value() == "highest", "the form follows"
        text.fill(good.replace("timeframe: 1m", "timeframe: [1m"))
        page.get_by_text("the form waits").wait_for()
        text.fill(good)
        found.get_by_text("✓ a strategy").wait_for(timeout=60_000)

        grid(page, "Bars to explain").get_by_text("· choose a bar").wait_for(timeout=60_000)
        page.get_by_role("button", name="‹ bar before").click()
        told = grid(page, "What the chosen bar says")
        told.locator("tr", has_text="enter long:").wait_for(timeout=60_000)
        fast = told.locator("tr", has_text="┊  ┊  sma(close, 10)").first.locator("td").nth(2).inner_text()
        assert 6_000 < float(fast.replace(",", "")) < 8_000, "its value at that bar"

        page.get_by_label("Who").fill("ann")
        page.get_by_role("button", name="Save as a version").click()
        page.get_by_text("saved: my_idea@").wait_for(timeout=60_000)
        held = StrategyStore(fake.home).one("my_idea")
        assert held["source"] == good and held["state"] == "draft"
        close(page)


def test_the_desk_is_watched_on_one_page_also_on_a_phone(browser: Any) -> None:
    fake = FakeDesk()
    with desk_and_dashboard(fake) as (_, board):
        page = open_place(browser, board, "monitoring", width=390)
        for title, words in (
            ("Processes", "runner 1001"),
            ("Streams and market data", "ingest.market"),
            ("Exposure across accounts", "PRAC-V2-10001-1"),
            ("Alerts", "session sma-cross-1 started by demo"),
            ("Audit log", "POST /api/origins"),
        ):
            grid(page, title).get_by_text(words).first.wait_for(timeout=60_000)
        fake.latched = {"latched": True, "reason": "news", "by": "ann", "at": 1_796_135_400_000_000_000, "accounts": []}
        page.get_by_text("LATCHED", exact=True).wait_for()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, "nothing is wider than the phone"
        close(page)
