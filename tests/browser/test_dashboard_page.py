"""The dashboard in a headless Chromium beside a fake desk: what a trader sees, and the button that must work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.harness import (
    BROWSER_TEST,
    TOKEN,
    close,
    dashboard,
    desk_and_dashboard,
    open_page,
    wait_until,
)
from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.apps.server import Dashboard

pytestmark = BROWSER_TEST


@pytest.fixture
def fake() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def board(fake: FakeDesk) -> Iterator[Dashboard]:
    with desk_and_dashboard(fake) as (_, served):
        yield served


def box(page: Any, selector: str) -> dict[str, float]:
    """Return where something stands; what is drawn anew with each frame is looked for again."""
    found: list[dict[str, float]] = []

    def look() -> bool:
        found[:] = [b for b in [page.locator(selector).bounding_box()] if b is not None]
        return bool(found)

    wait_until(look)
    return found[0]


def press_stop(page: Any) -> None:
    page.get_by_role("button", name="EMERGENCY STOP").click()


def test_no_request_leaves_the_machine_and_nothing_complains(browser: Any, board: Dashboard) -> None:
    page = open_page(browser, board.link)
    time.sleep(2)
    close(page)


def test_the_token_leaves_the_address_bar(browser: Any, board: Dashboard) -> None:
    page = open_page(browser, board.link)
    assert "token" not in page.url
    page.close()


def test_numbers_tables_and_candles_are_there_and_move(browser: Any, board: Dashboard) -> None:
    page = open_page(browser, board.link)
    for text in ("SIMULATOR", "runner 1001 running", "sma_cross@3f9c2a1", "▼ SELL", "daily loss left", "● live"):
        page.get_by_text(text, exact=False).first.wait_for(state="visible")
    title = page.locator(".wb-chart-title")
    before = title.inner_text()
    wait_until(lambda: title.inner_text() != before)
    clock = page.locator(".wb-clock").inner_text()
    wait_until(lambda: page.locator(".wb-clock").inner_text() != clock)
    page.close()


def test_another_timeframe_redraws_the_chart(browser: Any, board: Dashboard) -> None:
    page = open_page(browser, board.link)
    page.get_by_role("button", name="5m", exact=True).click()
    wait_until(lambda: "MES Z26 · 5m" in page.locator(".wb-chart-title").inner_text())
    assert page.complaints == []
    page.close()


def test_stop_shows_flat_and_reaches_the_desk_once_with_its_reason(
    browser: Any, board: Dashboard, fake: FakeDesk
) -> None:
    page = open_page(browser, board.link)
    page.get_by_label("Reason for the stop").fill("news at 13:00")
    press_stop(page)
    page.wait_for_selector("text=FLAT, verified at the broker in 1,312 ms")
    assert [call for call in fake.calls if call[0] == "stop"] == [("stop", "news at 13:00", None, "dashboard")]
    page.wait_for_selector("text=STOPPED: news at 13:00")
    assert page.get_by_text('workbench stop --clear --reason "…"').first.is_visible()
    verdict, status = box(page, ".wb-panel"), box(page, ".wb-lights")
    assert verdict["y"] + verdict["height"] < status["y"], "what is stopped stays readable"
    page.close()


def test_stop_that_is_not_flat_lists_what_remains(browser: Any, board: Dashboard, fake: FakeDesk) -> None:
    fake.not_flat = ["+2 MES Z26 in account 1001: market closed until 17:00"]
    page = open_page(browser, board.link)
    press_stop(page)
    page.wait_for_selector("text=NOT FLAT")
    assert page.get_by_text("market closed until 17:00").first.is_visible()
    page.close()


def test_stop_goes_straight_to_the_desk_while_the_pages_server_is_frozen(browser: Any, fake: FakeDesk) -> None:
    with serving(build_app(fake, token=TOKEN)) as url:
        with dashboard(url) as board:
            page = open_page(browser, board.link)
        # the dashboard's server is gone now; the desk lives
        page.wait_for_selector("text=no news for", timeout=10_000)
        press_stop(page)
        page.wait_for_selector("text=FLAT, verified")
        assert ("stop", "dashboard stop button", None, "dashboard") in fake.calls
        page.close()


def test_a_dead_desk_is_shown_dead_and_the_stop_says_so(browser: Any, fake: FakeDesk) -> None:
    with contextlib.ExitStack() as desk_side, contextlib.ExitStack() as page_side:
        url = desk_side.enter_context(serving(build_app(fake, token=TOKEN)))
        board = page_side.enter_context(dashboard(url))
        page = open_page(browser, board.link)
        desk_side.close()
        page.wait_for_selector("text=DESK DEAD", timeout=12_000)
        press_stop(page)
        page.wait_for_selector("text=the stop is NOT confirmed")
        assert page.get_by_text("workbench stop").first.is_visible()
        page.close()


def test_stale_data_is_called_stale_and_closed_closed(browser: Any, board: Dashboard, fake: FakeDesk) -> None:
    page = open_page(browser, board.link)
    fake.data_state = "stale"
    page.wait_for_selector("text=▲ STALE")
    fake.data_state = "closed"
    page.wait_for_selector("text=market closed")
    page.close()


def test_on_a_phone_the_stop_and_the_numbers_fit(browser: Any, board: Dashboard) -> None:
    page = open_page(browser, board.link, width=390, height=844)
    button = page.get_by_role("button", name="EMERGENCY STOP").bounding_box()
    assert button["x"] >= 0 and button["x"] + button["width"] <= 390 and button["y"] < 70
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for label in ("Day P&L", "Position", "Data age"):
        box = box_of(page, label)
        assert box["x"] + box["width"] <= 390 and box["y"] < 844
    page.close()


def test_the_light_theme_reaches_every_part(browser: Any, board: Dashboard) -> None:
    page = open_page(browser, board.link)
    page.get_by_label("Toggle theme").click()
    wait_until(lambda: min(_lightness(page, part) for part in (".wb-tile", ".wb-grid", ".wb-chart")) > 0.9)
    page.close()


def test_the_stop_is_reached_by_keyboard(browser: Any, board: Dashboard, fake: FakeDesk) -> None:
    page = open_page(browser, board.link)
    page.get_by_role("button", name="EMERGENCY STOP").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=FLAT, verified")
    page.close()


def test_a_closed_page_ends_nothing(browser: Any, board: Dashboard, fake: FakeDesk) -> None:
    open_page(browser, board.link).close()
    time.sleep(0.5)
    assert fake.calls == [] and fake.state == "running"


def box_of(page: Any, label: str) -> Any:
    """Where a label stands; each snapshot draws it anew, so a look may fall between two of them."""
    found: list[Any] = []
    wait_until(lambda: bool(found.append(page.get_by_text(label, exact=True).first.bounding_box()) or found[-1]))
    return found[-1]


def _lightness(page: Any, selector: str) -> float:
    colour = page.locator(selector).first.evaluate("node => getComputedStyle(node).backgroundColor")
    if not colour:
        return 0.0  # the node was replaced while it was looked at
    red, green, blue = (int(part) for part in colour.removeprefix("rgb(").rstrip(")").split(",")[:3])
    return (red + green + blue) / 765
