"""What holds for every page of the dashboard: keyboard, contrast, numbers, no other host, a phone's width."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.harness import BROWSER_TEST, close, desk_and_dashboard, faint_texts, open_page, wait_until
from tests.fakes.desk import FakeDesk
from workbench.apps.pages import PAGES, Place

pytestmark = [*BROWSER_TEST, pytest.mark.slow]

HERE = Path(__file__).parent
SETTLE_S = 3.0
THEME_S = 1.0  # the parts of a page look for its theme twice a second


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    fake = FakeDesk()
    fake.frozen_s = 13_000  # a table that changes under the walk would take the focus away
    with desk_and_dashboard(fake) as (_, board):
        yield board.link


def unreached(page: Any) -> list[str]:
    """Return the controls at which neither the Tab key nor, within a group, the arrow keys arrive."""
    step = (HERE / "reached.js").read_text()
    count = page.evaluate(step, "all")
    assert count >= 5, "the stop, the theme, the navigation"
    for _ in range(count + 25):  # some stations are no controls: scrolled boxes, the browser itself
        page.keyboard.press("Tab")
        for _ in range(page.evaluate(step, "note")):
            page.keyboard.press("ArrowRight")
            page.evaluate(step, "note")
    return list(page.evaluate(step, "left"))


def go_light(page: Any) -> None:
    page.get_by_label("Toggle theme").click()
    wait_until(lambda: page.locator(".mui-light").count() > 0)
    page.mouse.move(2, 300)  # no tooltip
    time.sleep(THEME_S)


@pytest.mark.parametrize("place", [place for place in PAGES if place.is_there], ids=lambda place: place.name)
def test_a_page_is_reached_by_keyboard_can_be_read_asks_nobody_else_and_fits_on_a_phone(
    browser: Any, link: str, place: Place
) -> None:
    page = open_page(browser, link.replace("/live", place.path, 1), lively=False)
    time.sleep(SETTLE_S)
    assert unreached(page) == []
    assert page.evaluate((HERE / "numbers.js").read_text())["wrong"] == []
    assert faint_texts(page, "body") == [], "dark"
    go_light(page)
    assert faint_texts(page, "body") == [], "light"
    page.locator(".wb-places a").first.evaluate("link => { link.style.color = '#aaa'; }")
    assert [text.split(":")[0] for text in faint_texts(page, "body")] == ["Live desk"], "the measure sees shadow roots"
    page.set_viewport_size({"width": 390, "height": 844})
    time.sleep(1.0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    stop = page.get_by_role("button", name="EMERGENCY STOP").bounding_box()
    assert stop["x"] >= 0 and stop["x"] + stop["width"] <= 390 and stop["y"] < 70
    close(page)
