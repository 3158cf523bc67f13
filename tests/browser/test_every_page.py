"""What holds for every page of the dashboard: the keyboard reaches it, it asks nobody else, it fits on a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.harness import BROWSER_TEST, close, desk_and_dashboard, open_page
from tests.fakes.desk import FakeDesk
from workbench.apps.pages import PAGES, Place

pytestmark = [*BROWSER_TEST, pytest.mark.slow]

REACHED = Path(__file__).with_name("reached.js")
SETTLE_S = 3.0


@pytest.fixture(scope="module")
def link() -> Iterator[str]:
    fake = FakeDesk()
    fake.frozen_s = 13_000  # a table that changes under the walk would take the focus away
    with desk_and_dashboard(fake) as (_, board):
        yield board.link


def unreached(page: Any) -> list[str]:
    """Return the controls at which the Tab key never arrives."""
    step = REACHED.read_text()
    count = page.evaluate(step, "all")
    assert count >= 5, "the stop, the theme, the navigation"
    for _ in range(count + 25):  # some stations are no controls: scrolled boxes, the browser itself
        page.keyboard.press("Tab")
        page.evaluate(step, "note")
    return list(page.evaluate(step, "left"))


@pytest.mark.parametrize("place", [place for place in PAGES if place.is_there], ids=lambda place: place.name)
def test_a_page_is_reached_by_keyboard_asks_nobody_else_and_fits_on_a_phone(
    browser: Any, link: str, place: Place
) -> None:
    page = open_page(browser, link.replace("/live", place.path, 1), lively=False)
    time.sleep(SETTLE_S)
    assert unreached(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    time.sleep(1.0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    stop = page.get_by_role("button", name="EMERGENCY STOP").bounding_box()
    assert stop["x"] >= 0 and stop["x"] + stop["width"] <= 390 and stop["y"] < 70
    close(page)
