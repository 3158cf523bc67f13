"""A headless Chromium, and the dashboard running beside a fake desk, for tests and for the README's pictures."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from typing import Any

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.apps.server import Dashboard

TOKEN = "the-full-token-of-this-test"
FLAGS = ["--no-sandbox", "--disable-gpu"]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Give a headless browser from the machine's own Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def dashboard(desk_url: str) -> Iterator[Dashboard]:
    """Serve the dashboard of the desk at `desk_url` on a free port."""
    board = Dashboard(0, desk_url, TOKEN)
    with serving(board.app(), listener=board.listener):
        yield board


@contextlib.contextmanager
def desk_and_dashboard(fake: FakeDesk) -> Iterator[tuple[str, Dashboard]]:
    """Serve a fake desk and the dashboard on it."""
    with serving(build_app(fake, token=TOKEN)) as url, dashboard(url) as board:
        yield url, board


def open_page(browser: Any, link: str, *, width: int = 1280, height: int = 900) -> Any:
    """Open the dashboard and wait until it shows numbers; complaints and asked hosts are kept on the page object."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.complaints, page.asked = [], []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("websocket", lambda socket: page.asked.append(socket.url))
    page.goto(link)
    page.wait_for_selector("text=Day P&L", timeout=15_000)
    page.wait_for_selector(".wb-head[data-ready=yes]", timeout=15_000)
    wait_until(lambda: page.locator(".wb-chart-empty").is_hidden())
    return page


def wait_until(true: Any, *, within_s: float = 15.0) -> None:
    """Wait for a condition; fail with its name when it does not come."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)
