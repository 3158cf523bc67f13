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
from tests.browser.harness import chromium, controls_of, open_page, wait_until
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
        wait_until(lambda: len(stack.desk.fills) >= 3, within_s=120)
        board = Dashboard(0)
        with serving(board.app(), listener=board.listener), chromium() as browser:
            controls(browser, stack, folder)
            pages(browser, stack, board.link, folder)
    finally:
        stack.close()


def controls(browser: Any, stack: Any, folder: Path) -> None:
    """Photograph the control panel in JupyterLab."""
    with (
        tempfile.TemporaryDirectory() as place,
        controls_of(stack.desk, browser, Path(place), stack.environment()) as page,
    ):
        wait_for_a_position(stack)
        page.locator(".wb-controls").screenshot(path=folder / "controls.png")


def wait_for_a_position(stack: Any) -> None:
    """Wait until there is something to see."""
    wait_until(lambda: not stack.desk.positions.empty, within_s=120)
    time.sleep(1.0)


def pages(browser: Any, stack: Any, link: str, folder: Path) -> None:
    """Photograph the dashboard: dark, light, on a phone, and after the stop."""
    page = open_page(browser, link, height=1150)
    wait_for_a_position(stack)
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
