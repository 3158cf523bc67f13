"""Take the README's pictures from the running program: python -m tests.browser.screenshots [folder].

A demo of its own is started (simulator, desk, runner, dashboard); what is seen is what a person sees after `make demo`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import workbench as wb
from tests.browser.harness import chromium, controls_in_lab, open_page, wait_until
from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.apps.server import Dashboard

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "img"


def main(folder: Path = FOLDER) -> None:
    """Write dashboard.png, dashboard_light.png, dashboard_phone.png, dashboard_stopped.png and controls.png."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = wb.demo_stack(seed=7, rate=60.0)
    try:
        stack.choose_contract()
        stack.backfill()
        stack.trade()
        wait_until(lambda: len(stack.desk.fills) >= 3 and not stack.desk.positions.empty, within_s=120)
        board = Dashboard(0)
        with serving(board.app(), listener=board.listener), chromium() as browser:
            pages(browser, board.link, folder)
    finally:
        stack.close()
    with tempfile.TemporaryDirectory() as place, controls_in_lab(FakeDesk(), Path(place)) as page:
        time.sleep(2)
        page.locator(".wb-controls").screenshot(path=folder / "controls.png")


def pages(browser: Any, link: str, folder: Path) -> None:
    """Photograph the dashboard: dark, light, on a phone, and after the stop."""
    page = open_page(browser, link, height=1150)
    time.sleep(3)
    page.screenshot(path=folder / "dashboard.png")
    page.get_by_label("Toggle theme").click()
    page.mouse.move(640, 700)
    time.sleep(2)
    page.screenshot(path=folder / "dashboard_light.png")
    page.close()
    phone = open_page(browser, link, width=390, height=844)
    time.sleep(2)
    phone.screenshot(path=folder / "dashboard_phone.png")
    phone.get_by_role("button", name="EMERGENCY STOP").click()
    phone.wait_for_selector("text=FLAT, verified", timeout=30_000)
    time.sleep(1)
    phone.screenshot(path=folder / "dashboard_stopped.png")
    phone.close()


if __name__ == "__main__":
    main(*[Path(argument) for argument in sys.argv[1:2]])
