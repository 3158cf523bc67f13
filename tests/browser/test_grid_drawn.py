"""A table drawn by itself: sessions fit with all their buttons; pages are newer or older where rows have a time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.harness import BROWSER_TEST, listen
from workbench.apps import live_rows
from workbench.apps.grid import Column, Grid, Row, _row

pytestmark = [*BROWSER_TEST, pytest.mark.slow]
RENDER = """async ([code, options, message]) => {
  const module = await import(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
  let tell;
  const model = {...options, on: (name, heard) => { if (name === "msg:custom") tell = heard; }, send_msg: () => {}};
  document.body.style.margin = "10px";
  document.body.append(module.render({model}));
  tell({data: message});
}"""


def draw(browser: Any, width: int, heads: tuple[Column, ...], rows: list[Row], **options: Any) -> Any:
    page = browser.new_page(viewport={"width": width, "height": 900})
    listen(page)
    shown = [{"title": c.title, "number": c.number, "wrap": c.wrap} for c in heads]
    message = {"columns": shown, "rows": [_row(row) for row in rows], "empty": "", "note": "", "total": None}
    page.evaluate(RENDER, [str(Grid._esm), {"title": "Sessions", "searchable": False, **options}, message])
    page.wait_for_timeout(100)
    assert page.complaints == []
    return page


def session(**changes: Any) -> dict[str, Any]:
    return {
        "session": "mean_reversion_bands-1001-1e987e",
        "strategy": "mean_reversion_bands",
        "version": "0ce6001b9065e92b",
        "account": 1001,
        "contract": "CON.F.US.MES.Z26",
        "timeframe": "1m",
        "state": "running",
        "position": -12,
        "pnl_usd": -1033.09,
        "trades": 104,
        "last_signal": "entry.long",
        "last_signal_at": 1_796_135_400_000_000_000,
        "start_policy": "wait_flat",
        "disconnect_policy": "flatten",
        "disconnect_after_s": 60.0,
        **changes,
    }


@pytest.mark.parametrize("state", ["running", "paused"])
def test_sessions_with_long_names_and_policies_show_every_button_at_1280_pixels(browser: Any, state: str) -> None:
    rows = live_rows.session_rows({"at": 1_796_135_500_000_000_000, "sessions": [session(state=state)]})
    page = draw(browser, 1280, live_rows.SESSION_HEADS, rows)
    cell = page.get_by_role("cell", name="wait_flat · flatten 60 s")
    assert cell.is_visible()
    inside = page.locator(".wb-scroll").bounding_box()
    assert page.locator(".wb-wide").count() == 0, "all of it fits"
    for name in ("Flatten", "End"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["x"] + box["width"] <= inside["x"] + inside["width"], f"{name} is cut off"
    page.close()


def test_on_a_phone_a_session_is_a_card_that_shows_its_policies(browser: Any) -> None:
    rows = live_rows.session_rows({"at": 1_796_135_500_000_000_000, "sessions": [session()]})
    page = draw(browser, 390, live_rows.SESSION_HEADS, rows)
    assert page.locator(".wb-stack").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for text in ("wait_flat · flatten 60 s", "Flatten", "End"):
        assert page.get_by_text(text, exact=True).is_visible(), text
    page.close()


def test_a_table_that_is_too_wide_scrolls_beneath_its_buttons(browser: Any) -> None:
    rows = live_rows.session_rows({"at": 1_796_135_500_000_000_000, "sessions": [session()]})
    page = draw(browser, 900, live_rows.SESSION_HEADS, rows)
    inside, box = page.locator(".wb-scroll").bounding_box(), page.get_by_role("button", name="End").bounding_box()
    assert page.locator(".wb-wide").count() == 1
    assert box["x"] + box["width"] <= inside["x"] + inside["width"]
    page.get_by_role("button", name="End").click(timeout=2_000)
    page.get_by_role("button", name="End this session?").wait_for(timeout=2_000)
    page.close()


@pytest.mark.parametrize(("by_time", "names"), [(True, ["‹ newer", "older ›"]), (False, ["‹ back", "more ›"])])
def test_only_rows_in_the_order_of_time_have_newer_and_older_pages(
    browser: Any, by_time: bool, names: list[str]
) -> None:
    rows = [Row(id=str(n), cells=[str(n)]) for n in range(30)]
    page = draw(browser, 1280, (Column(title="What"),), rows, by_time=by_time)
    assert page.locator(".wb-pages button").all_inner_texts() == names
    page.get_by_role("button", name=names[1]).click()
    assert "26–30 of 30" in page.locator(".wb-pages").inner_text()
    page.close()
