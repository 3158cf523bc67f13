"""Take pictures from the running program: python -m tests.browser.screenshots [folder].

A demo of its own is started (simulator, desk, runner, dashboard); what is seen is what a person sees after `make demo`.
Without a folder: the README's pictures, into notebooks/img. With one: every page of the dashboard, dark and light, on a
screen and on a phone, and the controls in JupyterLab, dark and light.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import workbench as wb
from tests.browser.harness import chromium, controls_of, open_page, wait_until
from tests.fakes.serve import serving
from workbench.apps.pages import PAGES
from workbench.apps.server import Dashboard

FOLDER = Path(__file__).resolve().parents[2] / "notebooks" / "img"
SIZES = {"wide": (1280, 1150), "phone": (390, 844)}
SETTLE_S = 4.0  # charts and tables of a page come after it
PATIENCE_S = 20.0
MOST_PX = 4_000
# components live in shadow roots
EVERY_NODE = """(function all(root) {
  return [...root.querySelectorAll("*")].flatMap(node => node.shadowRoot ? [node, ...all(node.shadowRoot)] : [node]);
})(document)"""


def main(folder: Path | None = None) -> None:
    """Write the README's pictures, or all pictures into `folder`."""
    if folder is None:
        with_demo(readme, FOLDER)
    else:
        with_demo(everything, folder)


def with_demo(take: Callable[[Any, Any, str, Path], None], folder: Path) -> None:
    """Start a demo that trades and a dashboard, and let `take` photograph them."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = wb.demo_stack(seed=7, rate=60.0)
    try:
        stack.choose_contract()
        stack.backfill()
        stack.trade()
        wait_until(lambda: len(stack.desk.fills) >= 3, within_s=120)
        board = Dashboard(0)
        with serving(board.app(), listener=board.listener), chromium() as browser:
            take(browser, stack, board.link, folder)
    finally:
        stack.close()


def readme(browser: Any, stack: Any, link: str, folder: Path) -> None:
    """Photograph what the README shows: controls.png, dashboard.png, and that in light, on a phone, and stopped."""
    controls(browser, stack, folder / "controls.png")
    page = open_page(browser, link, height=1150)
    wait_for_a_position(stack)
    page.screenshot(path=folder / "dashboard.png")
    go_light(page)
    page.screenshot(path=folder / "dashboard_light.png")
    page.close()
    phone = open_page(browser, link, width=390, height=844)
    time.sleep(2)
    phone.screenshot(path=folder / "dashboard_phone.png")
    stopped(phone, folder / "dashboard_stopped.png")


def everything(browser: Any, stack: Any, link: str, folder: Path) -> None:
    """Photograph every page that is there in each theme and size, the controls, and last the stopped desk."""
    for place in (place for place in PAGES if place.is_there):
        for size, (width, height) in SIZES.items():
            photograph(browser, link.replace("/live", place.path, 1), folder, f"{place.name}_{size}", width, height)
    controls(browser, stack, folder / "controls_light.png", folder / "controls_dark.png")
    page = open_page(browser, link, width=390, height=844)
    stopped(page, folder / "live_phone_stopped.png")


def photograph(browser: Any, link: str, folder: Path, name: str, width: int, height: int) -> None:
    """Write `name`_dark.png and `name`_light.png: the whole page, however long; and say what it complained of."""
    page = open_page(browser, link, width=width, height=height, lively=False)
    settle(page)
    tall = page.evaluate(f"Math.max(...{EVERY_NODE}.map(node => node.scrollHeight))")
    page.set_viewport_size({"width": width, "height": min(MOST_PX, max(height, tall + 80))})
    time.sleep(1.0)
    page.screenshot(path=folder / f"{name}_dark.png")
    go_light(page)
    page.screenshot(path=folder / f"{name}_light.png")
    wide = page.evaluate("document.documentElement.scrollWidth")
    if page.complaints or wide > width:
        sys.stderr.write(f"{name}: {wide} px of {width}; {page.complaints}\n")
    page.close()


def settle(page: Any) -> None:
    """Wait until a page has read what it shows; a page that goes on reading is photographed as it is."""
    time.sleep(SETTLE_S)
    deadline = time.monotonic() + PATIENCE_S
    leaf = "n.checkVisibility() && n.childElementCount === 0"
    waits = f"{EVERY_NODE}.some(n => {leaf} && /^(reading|waiting).*…$/i.test(n.textContent))"
    while time.monotonic() < deadline and page.evaluate(waits):
        time.sleep(0.5)


def go_light(page: Any) -> None:
    """Change from the dark theme to the light one."""
    page.get_by_label("Toggle theme").click()
    page.mouse.move(2, 300)  # no tooltip, no crosshair
    time.sleep(2)


def stopped(page: Any, file: Path) -> None:
    """Press the emergency stop and photograph its verdict."""
    page.get_by_role("button", name="EMERGENCY STOP").click()
    page.wait_for_selector("text=FLAT, verified", timeout=30_000)
    time.sleep(1)
    page.screenshot(path=file)
    page.close()


def controls(browser: Any, stack: Any, light: Path, dark: Path | None = None) -> None:
    """Photograph the control panel in JupyterLab, with its start form open in the dark picture."""
    with (
        tempfile.TemporaryDirectory() as place,
        controls_of(stack.desk, browser, Path(place), stack.environment()) as page,
    ):
        wait_for_a_position(stack)
        page.locator(".wb-controls").screenshot(path=light)
        if dark is not None:
            page.evaluate("window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
            page.get_by_text("Start a session", exact=True).click()
            page.locator("option[value='shipped:sma_cross']").wait_for(state="attached")
            page.get_by_label("Strategy").select_option("shipped:sma_cross")
            page.locator("input[name=fast]").wait_for()
            time.sleep(2)
            page.locator(".wb-controls").screenshot(path=dark)


def wait_for_a_position(stack: Any) -> None:
    """Wait until there is something to see."""
    wait_until(lambda: not stack.desk.positions.empty, within_s=120)
    time.sleep(1.0)


if __name__ == "__main__":
    main(*[Path(argument) for argument in sys.argv[1:2]])
