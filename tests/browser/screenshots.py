"""Take the README's pictures from the running program: python -m tests.browser.screenshots [folder]."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.browser.harness import chromium, controls_in_lab, desk_and_dashboard, open_page
from tests.fakes.desk import FakeDesk

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "img"


def main(folder: Path = FOLDER) -> None:
    """Write dashboard.png, dashboard_light.png, dashboard_phone.png and dashboard_stopped.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with desk_and_dashboard(FakeDesk()) as (_, board), chromium() as browser:
        page = open_page(browser, board.link, height=1150)
        time.sleep(2)
        page.screenshot(path=folder / "dashboard.png")
        page.get_by_label("Toggle theme").click()
        time.sleep(1.5)
        page.screenshot(path=folder / "dashboard_light.png")
        page.close()
        phone = open_page(browser, board.link, width=390, height=844)
        time.sleep(2)
        phone.screenshot(path=folder / "dashboard_phone.png")
        phone.get_by_role("button", name="EMERGENCY STOP").click()
        phone.wait_for_selector("text=FLAT, verified")
        time.sleep(1)
        phone.screenshot(path=folder / "dashboard_stopped.png")
    controls(folder)


def controls(folder: Path) -> None:
    """Write controls.png: the control panel in JupyterLab."""
    with tempfile.TemporaryDirectory() as place, controls_in_lab(FakeDesk(), Path(place)) as page:
        time.sleep(2)
        page.locator(".wb-controls").screenshot(path=folder / "controls.png")


if __name__ == "__main__":
    main(*[Path(argument) for argument in sys.argv[1:2]])
