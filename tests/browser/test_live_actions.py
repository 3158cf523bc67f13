"""What a person presses on the live desk: what is asked of the desk, and what the page says afterwards."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.browser.harness import BROWSER_TEST, close, desk_and_dashboard, grid, open_page, wait_until
from tests.fakes.desk import CONTRACT, FakeDesk

pytestmark = BROWSER_TEST


def actions(fake: FakeDesk) -> list[Any]:
    return [call[1] for call in fake.calls if call[0] == "action"]


def test_orders_and_positions_are_changed_from_their_rows(browser: Any) -> None:
    from playwright.sync_api import TimeoutError as TookTooLong

    fake = FakeDesk()
    with desk_and_dashboard(fake) as (_, board):
        page = open_page(browser, board.link)
        orders = grid(page, "Orders of the day")
        stop = orders.locator("tr", has_text="STOP")
        stop.get_by_role("button", name="Modify").click()
        price = stop.get_by_label("price")
        moved = float(price.input_value()) + 1
        price.fill(str(moved))
        price.press("Enter")  # as a person at the keyboard does
        page.wait_for_selector("text=on its way to the exchange")
        (modify,) = actions(fake)
        assert (modify.kind, modify.order_id, modify.stop_price, modify.qty) == ("modify", 9002, moved, None)

        target = orders.locator("tr", has_text="LIMIT")
        target.get_by_role("button", name="Cancel").click()
        target.get_by_role("button", name="Keep").click()
        target.get_by_role("button", name="Cancel").click()
        target.get_by_role("button", name="Cancel this order?").click()
        wait_until(lambda: len(actions(fake)) == 2)
        assert (actions(fake)[1].kind, actions(fake)[1].order_id) == ("cancel", 9003), "Keep asked for nothing"

        position = grid(page, "Positions").locator("tr", has_text="MES Z26")
        position.get_by_role("button", name="Part close").click()
        position.get_by_label("contracts").fill("1")
        position.get_by_role("button", name="Close these").click()
        wait_until(lambda: fake.qty == 1)
        assert (actions(fake)[2].kind, actions(fake)[2].contract, actions(fake)[2].qty) == ("part_close", CONTRACT, 1)
        position.get_by_role("button", name="Part close").wait_for(state="detached")  # one contract has no part
        for _ in range(5):  # a question that is not answered in six seconds is taken back
            position.get_by_role("button", name="Close", exact=True).click(timeout=20_000)
            with contextlib.suppress(TookTooLong):
                position.get_by_role("button", name="Close +1 at the market?").click(timeout=5_000)
                break
        grid(page, "Positions").get_by_text("flat").wait_for()
        close(page)


def test_a_session_is_paused_and_resumed_and_a_refusal_is_shown(browser: Any) -> None:
    fake = FakeDesk()
    with desk_and_dashboard(fake) as (_, board):
        page = open_page(browser, board.link)
        sessions = grid(page, "Sessions")
        sessions.get_by_role("button", name="Pause").click()
        sessions.get_by_role("button", name="Resume").wait_for()
        assert fake.state == "paused" and ("pause", "sma-cross-1", "dashboard") in fake.calls
        fake.latched = {"latched": True, "reason": "news", "by": "ann", "at": 1, "accounts": [1001]}
        sessions.get_by_role("button", name="Resume").click()
        sessions.get_by_role("button", name="Trade again?").click()
        page.wait_for_selector("text=the emergency stop is latched; clear it with a reason")
        sessions.get_by_role("button", name="Resume").wait_for()  # the row is not left saying "asked"
        assert fake.state == "paused"
        page.close()
