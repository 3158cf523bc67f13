"""Second looks: a double click, a token that has run out, and a verdict that is not true any more."""

from __future__ import annotations

from typing import Any

from tests.browser.harness import BROWSER_TEST, TOKEN, close, dashboard, desk_and_dashboard, grid, open_page
from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app

pytestmark = BROWSER_TEST


def press_stop(page: Any) -> None:
    page.get_by_role("button", name="EMERGENCY STOP").click()


def test_a_double_click_asks_and_does_not_answer_its_own_question(browser: Any) -> None:
    fake = FakeDesk()
    with desk_and_dashboard(fake) as (_, board):
        page = open_page(browser, board.link)
        position = grid(page, "Positions").locator("tr", has_text="MES Z26")
        position.get_by_role("button", name="Close", exact=True).dblclick()
        question = position.get_by_role("button", name="Close +2 at the market?")
        question.wait_for()
        page.wait_for_timeout(500)
        assert fake.qty == 2 and not fake.calls, "nobody can have read it"
        question.click()
        grid(page, "Positions").get_by_text("flat").wait_for()
        close(page)


def test_a_verdict_gives_way_to_a_later_one(browser: Any) -> None:
    fake = FakeDesk()
    with desk_and_dashboard(fake) as (_, board):
        page = open_page(browser, board.link)
        press_stop(page)
        page.wait_for_selector("text=FLAT, verified at the broker")
        assert fake.stop_result is not None
        left = "+1 MES Z26 in account 1001: filled after the stop"
        fake.stop_result = {**fake.stop_result, "result": "NOT_FLAT", "remaining": [left]}
        page.wait_for_selector(f"text={left}")
        assert page.get_by_text("✔ FLAT").count() == 0
        page.get_by_role("button", name="×").click()
        page.wait_for_timeout(1500)
        assert page.get_by_text(left).is_hidden(), "who has put it away is not shown the same again"
        close(page)


def test_a_stop_whose_token_has_run_out_is_sent_again_with_a_new_one(browser: Any) -> None:
    fake = FakeDesk()
    app = build_app(fake, token=TOKEN)
    with serving(app) as url, dashboard(url) as board:
        page = open_page(browser, board.link)
        app.state.tokens._stop.clear()  # as after a night in which the machine slept
        press_stop(page)
        page.wait_for_selector("text=FLAT, verified at the broker")
        assert [call for call in fake.calls if call[0] == "stop"] == [
            ("stop", "dashboard stop button", None, "dashboard")
        ]
        page.close()
