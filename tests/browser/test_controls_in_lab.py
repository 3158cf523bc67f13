"""`desk.controls()` in a real JupyterLab: the stop must work while the kernel is busy, which is its normal state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.harness import BROWSER_TEST, TOKEN, controls_in_lab, faint_texts, run_cells, wait_until
from tests.fakes.desk import FakeDesk

pytestmark = [*BROWSER_TEST, pytest.mark.slow]


@pytest.fixture(scope="module")
def fake() -> FakeDesk:
    return FakeDesk()


@pytest.fixture(scope="module")
def page(fake: FakeDesk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with controls_in_lab(fake, tmp_path_factory.mktemp("lab")) as opened:
        yield opened


def card(page: Any) -> str:
    return str(page.locator(".wb-controls").inner_text())


def test_the_session_is_shown_and_moves(page: Any) -> None:
    assert "sma-cross-1" in card(page) and "● running" in card(page) and "simulator" in card(page)
    before = card(page)
    wait_until(lambda: card(page) != before)


def kernel_status(page: Any) -> str:
    return str(page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status"))


def test_a_session_is_started_from_what_the_strategy_declares(page: Any, fake: FakeDesk) -> None:
    page.get_by_text("Start a session", exact=True).click()
    page.locator("option[value='shipped:sma_cross']").wait_for(state="attached")
    page.get_by_label("Strategy").select_option("shipped:sma_cross")
    fast = page.locator("input[name=fast]")
    assert fast.input_value() == "5" and "whole 2 to 100, step 1" in card(page)
    fast.fill("1")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_selector("text=fast must be at least 2")
    fast.fill("60")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Really start sma_cross on 1001").click()
    page.wait_for_selector("text=fast=60 must be < slow=15")
    assert fake.calls == [], "what is wrong is not asked of the desk"
    fast.fill("7")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Really start sma_cross on 1001").click()
    page.wait_for_selector("text=sma-cross-1 has started")
    assert fake.calls[0][0] == "start" and fake.calls[0][1].parameters["fast"] == 7
    fake.calls.clear()


def test_the_keyboard_reaches_every_control_and_contrast_is_enough(page: Any) -> None:
    panel = page.locator(".wb-controls")
    wanted = panel.evaluate("root => root.querySelectorAll('button, select, input, summary').length")
    page.get_by_role("button", name="EMERGENCY STOP").focus()
    reached = 1
    for _ in range(wanted - 1):
        page.keyboard.press("Tab")
        reached += page.evaluate("document.activeElement.matches('.wb-controls :is(button, select, input, summary)')")
    assert reached == wanted >= 11
    for theme, light in (("JupyterLab Dark", "false"), ("JupyterLab Light", "true")):
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.wait_for_selector(f"body[data-jp-theme-light={light}]", state="attached")
        wait_until(lambda: faint_texts(page, ".wb-controls") == [])
    panel.evaluate("root => { root.querySelector('.wb-title').style.color = '#999'; }")
    assert faint_texts(page, ".wb-controls")[0].startswith("Desk: 2.8"), "the measure sees what is faint"
    panel.evaluate("root => { root.querySelector('.wb-title').style.color = ''; }")


def test_the_stop_stays_in_sight_when_the_panel_is_scrolled(page: Any) -> None:
    panel = page.locator(".wb-controls")
    page.set_viewport_size({"width": 1280, "height": 520})
    panel.evaluate("root => root.scrollTo(0, 10000)")
    assert panel.evaluate("root => root.scrollTop") > 50
    inside, button = panel.bounding_box(), page.get_by_role("button", name="EMERGENCY STOP").bounding_box()
    assert inside["y"] <= button["y"] and button["y"] + button["height"] <= inside["y"] + 100
    page.set_viewport_size({"width": 1280, "height": 900})


def test_flatten_and_stop_work_while_the_kernel_sleeps(page: Any, fake: FakeDesk) -> None:
    run_cells(page, 2)
    wait_until(lambda: kernel_status(page) == "busy")
    page.get_by_role("button", name="Flatten").click()
    assert fake.calls == [], "it asks once more"
    page.get_by_role("button", name="Really close +2 and pause?").press("Enter")
    page.wait_for_selector("text=✔ flatten sma-cross-1: ‖ paused, flat", timeout=5_000)
    assert fake.calls == [("flatten", "sma-cross-1", "notebook")]
    page.get_by_role("button", name="EMERGENCY STOP").click()
    page.wait_for_selector("text=FLAT, verified at the broker", timeout=5_000)
    assert ("stop", "stop button in the notebook", None, "notebook") in fake.calls
    assert kernel_status(page) == "busy"


def test_a_page_that_cannot_reach_the_desk_says_so_and_offers_the_dashboard(page: Any, fake: FakeDesk) -> None:
    page.route("**/api/health", lambda route: route.abort())
    page.route("**/flatten", lambda route: route.abort())
    page.wait_for_selector("text=This page cannot reach the desk", timeout=10_000)
    assert "workbench stop in a terminal, or workbench dashboard" in card(page)
    assert page.get_by_text("Open the dashboard's stop").is_hidden(), "no dashboard runs"
    page.unroute("**/api/health")
    page.unroute("**/flatten")
    page.get_by_text("This page cannot reach the desk").wait_for(state="hidden", timeout=10_000)


def test_no_token_is_saved_in_the_notebook(page: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    saved = next(tmp_path_factory.getbasetemp().glob("lab*/desk.ipynb"))
    wait_until(lambda: "execution_count" in saved.read_text() and "wb.connect" in saved.read_text())
    assert TOKEN not in saved.read_text() and "Bearer" not in saved.read_text().replace("Bearer ${", "")
