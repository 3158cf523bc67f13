"""The monitoring page without a browser: what it shows when the desk does not answer any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from workbench.apps import monitoring
from workbench.apps.feed import DeskFeed, DeskRefusedPage
from workbench.apps.monitoring import MonitoringPage


async def test_sums_that_can_not_be_asked_any_more_are_not_shown_as_those_of_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitoring, "ASK_S", 0.001)
    feed, asked = DeskFeed(lambda: ("http://127.0.0.1:1", "x")), list[str]()

    async def ask(method: str, path: str, **_: Any) -> Any:
        asked.append(path)
        if len(asked) > 2:
            raise DeskRefusedPage("the desk does not answer")
        return {"accounts": [], "sum": {"day_pnl_usd": 250.0}} if path == "/api/monitor" else []

    monkeypatch.setattr(feed, "ask", ask)
    page = MonitoringPage(feed)
    monkeypatch.setattr(page.nav, "_send_msg", lambda message: None)
    loading = asyncio.create_task(page.loaded())
    async with asyncio.timeout(20):
        while len(asked) < 2:
            await asyncio.sleep(0)
        assert page._monitored["sum"]["day_pnl_usd"] == 250.0
        while len(asked) < 4:
            await asyncio.sleep(0.001)
    loading.cancel()
    assert page._monitored == {} and page._asked_ms is None
