"""Take pictures from the running program: python -m tests.browser.screenshots [folder [part …]].

A demo of its own is started (simulator, desk, runner, dashboard) on which people seem to have worked; what is seen is
what a person sees. Without a folder: the README's pictures, into notebooks/img. With one: every page of the dashboard,
dark and light, on a screen and on a phone, the reports, the controls in JupyterLab, and notebooks. A part is a page,
`html` (the reports themselves), `controls`, `stopped`, `notebooks`, or the name of a notebook, such as `40_sweep`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import workbench as wb
from tests.browser.book_pictures import BOOKS, notebooks, own_settings
from tests.browser.harness import chromium, controls_of, open_page, wait_until
from tests.browser.scenery import furnish
from tests.fakes.serve import serving
from workbench.apps.pages import PAGES
from workbench.apps.server import Dashboard

FOLDER = BOOKS / "img"
SIZES = {"wide": (1280, 900), "phone": (390, 844)}
SETTLE_S = 4.0  # charts and tables of a page come after it
PATIENCE_S = 40.0
MOST_PX = 6_000
RATE = 10.0  # market seconds per real second, while pictures are taken
EQUITY_S = 30.0  # until the equity of a page has a shape
# components live in shadow roots
EVERY_NODE = """(function all(root) {
  return [...root.querySelectorAll("*")].flatMap(node => node.shadowRoot ? [node, ...all(node.shadowRoot)] : [node]);
})(document)"""
Scene = Callable[[Any], None]  # what a person does on a page before the picture


def main(folder: Path | None = None, *parts: str) -> None:
    """Write the README's pictures, or those of all parts, or of the named ones, into `folder`."""
    (folder or FOLDER).mkdir(parents=True, exist_ok=True)
    pages = {place.name for place in PAGES} | {"controls", "stopped", "html"}
    if folder is None or not parts or pages & set(parts):
        with demo() as (browser, stack, link):
            if folder is None:
                readme(browser, stack, link, FOLDER)
            else:
                everything(browser, stack, link, folder, pages & set(parts) or pages)
    books = [part for part in parts if part not in pages]
    if folder is not None and (books or not parts):
        names = [] if not books or "notebooks" in books else books
        with chromium() as browser, tempfile.TemporaryDirectory() as place:
            notebooks(browser, folder, Path(place), names)


@contextmanager
def demo() -> Iterator[tuple[Any, Any, str]]:
    """Start a demo that trades, furnish it, and serve its dashboard: a browser, the stack, a link."""
    stack = wb.demo_stack(seed=7, rate=60.0, days=20)
    try:
        stack.choose_contract()
        stack.backfill()
        stack.trade()
        wait_until(lambda: len(stack.desk.fills) >= 6, within_s=180)
        stack.control("clock", {"rate": 1})  # two processors: runs and reports now, a lively market later
        furnish(stack)
        stack.control("clock", {"rate": RATE})
        board = Dashboard(0)
        with serving(board.app(), listener=board.listener), chromium() as browser:
            yield browser, stack, board.link
    finally:
        stack.close()


def readme(browser: Any, stack: Any, link: str, folder: Path) -> None:
    """Photograph what the README shows: the live desk, light, on a phone, and stopped; the lab; the controls."""
    controls(browser, stack, folder / "controls.png")
    page = open_page(browser, link, height=1150)
    time.sleep(EQUITY_S)
    wait_for_a_position(stack)
    page.screenshot(path=folder / "dashboard.png")
    go_light(page)
    page.screenshot(path=folder / "dashboard_light.png")
    page.close()
    lab = open_page(browser, link.replace("/live", "/lab", 1), height=1320, lively=False)
    settle(lab)
    show_run("Sweep")(lab)
    lab.screenshot(path=folder / "lab.png")
    lab.close()
    phone = open_page(browser, link, width=390, height=844)
    time.sleep(2)
    phone.screenshot(path=folder / "dashboard_phone.png")
    stopped(phone, folder / "dashboard_stopped.png")


def everything(browser: Any, stack: Any, link: str, folder: Path, parts: set[str]) -> None:
    """Photograph the pages that are there in each theme and size, reports, the controls, last the stopped desk."""
    scenes: dict[str, dict[str, Scene]] = {
        "lab": {"": lambda page: None, "_sweep": show_run("Sweep"), "_walk": show_run("Walk-forward")},
        "rules": {"": explain},
        "reports": {"": lambda page: None, "_open": open_report},
    }
    for place in (place for place in PAGES if place.is_there and place.name in parts):
        for extra, scene in scenes.get(place.name, {"": lambda page: None}).items():
            for size, (width, height) in SIZES.items():
                there = link.replace("/live", place.path, 1)
                photograph(browser, there, folder, f"{place.name}{extra}_{size}", width, height, scene)
    if "html" in parts:
        report_pages(browser, stack, link, folder)
    if "controls" in parts:
        controls(browser, stack, folder / "controls_light.png", folder / "controls_dark.png")
    if "stopped" in parts:
        stopped(open_page(browser, link, width=390, height=844), folder / "live_phone_stopped.png")
        page = open_page(browser, link, width=1280, height=900)
        time.sleep(SETTLE_S)
        page.screenshot(path=folder / "live_wide_stopped.png")


def show_run(what: str) -> Scene:
    """Return the scene that shows a run of the lab."""

    def scene(page: Any) -> None:
        row = page.get_by_role("region", name="Runs").locator("tr", has_text=what).first
        row.get_by_role("button", name="Show").click()
        page.mouse.move(2, 300)
        time.sleep(SETTLE_S)

    return scene


def explain(page: Any) -> None:
    """Choose the last bar in the rule builder."""
    page.get_by_role("region", name="Bars to explain").get_by_text("· choose a bar").wait_for()
    page.get_by_role("button", name="‹ bar before").click()
    told = page.get_by_role("region", name="What the chosen bar says")
    told.locator("tr", has_text="enter long:").wait_for(timeout=60_000)


def open_report(page: Any) -> None:
    """Open the newest report."""
    page.get_by_role("region", name="Reports").get_by_role("button", name="Open").first.click()
    time.sleep(SETTLE_S)


def report_pages(browser: Any, stack: Any, link: str, folder: Path) -> None:
    """Photograph the newest report of each template, as they are sent to others: on a screen and on a phone."""
    page = open_page(browser, link, lively=False)
    for report in stack.desk._request("GET", "/api/reports"):
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{link.split('/live')[0]}/report/{report['name']}")
            page.screenshot(path=folder / f"report_{report['template']}_{size}.png", full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                sys.stderr.write(f"report {report['template']}: {wide} px of {width}\n")
    page.close()


def photograph(browser: Any, link: str, folder: Path, name: str, width: int, height: int, scene: Scene) -> None:
    """Write `name`_dark.png and `name`_light.png: the whole page, however long; and say what it complained of."""
    page = open_page(browser, link, width=width, height=height, lively=False)
    settle(page)
    scene(page)
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


def controls(browser: Any, stack: Any, first: Path, second: Path | None = None) -> None:
    """Photograph the control panel in JupyterLab: dark, or, for two files, light and dark with its start form open."""
    dark = "window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    with (
        tempfile.TemporaryDirectory() as place,
        controls_of(stack.desk, browser, Path(place), {**stack.environment(), **own_settings(place)}) as page,
    ):
        if second is None:
            page.evaluate(dark)
        wait_for_a_position(stack)
        page.locator(".wb-controls").screenshot(path=first)
        if second is not None:
            page.evaluate(dark)
            page.get_by_text("Start a session", exact=True).click()
            page.locator("option[value='shipped:sma_cross']").wait_for(state="attached")
            page.get_by_label("Strategy").select_option("shipped:sma_cross")
            page.locator("input[name=fast]").wait_for()
            time.sleep(2)
            page.locator(".wb-controls").screenshot(path=second)


def wait_for_a_position(stack: Any) -> None:
    """Wait until there is something to see."""
    wait_until(lambda: not stack.desk.positions.empty, within_s=120)
    time.sleep(1.0)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]), *sys.argv[2:])
