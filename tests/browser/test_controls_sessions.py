"""The cards of the control panel, drawn from snapshots without a kernel: what trades first, what is over put away."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.browser.harness import BROWSER_TEST, listen
from tests.fakes.desk import FakeDesk
from workbench.widgets.controls import Controls

pytestmark = [*BROWSER_TEST, pytest.mark.slow]
RENDER = """async ([code, style]) => {
  const module = await import(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
  document.head.appendChild(Object.assign(document.createElement("style"), {textContent: style}));
  const model = {on: (_, heard) => { window.tell = heard; }, off: () => {}, send: () => {}};
  module.default.render({model, el: document.body});
}"""


@pytest.fixture
def panel(browser: Any) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    listen(page)
    page.evaluate(RENDER, [str(Controls._esm), str(Controls._css)])
    yield page
    assert page.complaints == []
    page.close()


def sessions(*states: str) -> dict[str, Any]:
    """Return a snapshot with a session of each state; the first began first."""
    with ThreadPoolExecutor(1) as aside:  # the browser's driver runs a loop in this thread
        snapshot = aside.submit(asyncio.run, FakeDesk().snapshot()).result()
    (row,) = snapshot["sessions"]
    snapshot["sessions"] = [
        {**row, "session": f"s{n}-{state}", "state": state, "last_bar_end": n * 60_000_000_000, "reason": f"why {n}"}
        for n, state in enumerate(states)
    ]
    return snapshot


def show(page: Any, snapshot: dict[str, Any]) -> None:
    page.evaluate("snapshot => window.tell({op: 'snapshot', snapshot})", snapshot)


def visible(page: Any) -> list[str]:
    cards = page.locator(".wb-card")
    return [c.locator("strong").inner_text() for c in cards.all() if c.is_visible()]


def test_what_is_over_is_put_away_below_what_lives_and_opens_the_newest_first(panel: Any) -> None:
    show(panel, sessions("ended", "running", *["ended"] * 6, "paused"))
    assert visible(panel) == ["s1-running", "s8-paused"]
    panel.get_by_text("Ended sessions: 7, the newest 5 here", exact=True).click()
    ended = [f"s{n}-ended" for n in (7, 6, 5, 4, 3)]
    assert visible(panel) == ["s1-running", "s8-paused", *ended]
    over = panel.locator(".wb-over")
    assert over.get_by_role("button").count() == 0, "nothing can be asked of what is over"
    assert over.get_by_text("○ ended").count() == 5 and over.get_by_text("why 7", exact=True).is_visible()


def test_a_session_that_ends_goes_there_and_the_open_list_stays_open(panel: Any) -> None:
    show(panel, sessions("running", "running"))
    assert panel.locator(".wb-over").count() == 0
    show(panel, sessions("running", "ended"))
    assert visible(panel) == ["s0-running"]
    panel.get_by_text("Ended sessions: 1", exact=True).click()
    show(panel, sessions("ended", "ended"))
    assert visible(panel) == ["s1-ended", "s0-ended"]
    assert panel.get_by_text("No session is alive. Start one below").is_visible()
    show(panel, sessions())
    assert panel.get_by_text("No session yet. Start one below").is_visible() and panel.locator(".wb-over").count() == 0


def test_the_last_orders_show_what_they_were_filled_at_and_whose_exit_they_are(panel: Any) -> None:
    made = {"account": 1001, "contract": "CON.F.US.MES.Z26", "side": "BUY", "qty": 2, "at": 1_796_135_400_000_000_000}
    orders = [
        {**made, "order_id": 1, "type": "MARKET", "filled": 2, "status": "FILLED", "rule": "entry.long"},
        {**made, "order_id": 2, "type": "STOP", "filled": 0, "status": "WORKING", "rule": "entry.long.bracket",
         "stop_price": 5402.5},
        {**made, "order_id": 3, "type": "LIMIT", "filled": 2, "status": "FILLED", "rule": "entry.long.bracket",
         "limit_price": 5431.0},
        {**made, "order_id": 4, "type": "MARKET", "filled": 2, "status": "FILLED", "rule": None},
    ]  # fmt: skip
    fills = [
        {**made, "order_id": 1, "qty": 1, "price": 5410.0}, {**made, "order_id": 1, "qty": 1, "price": 5411.0},
        {**made, "order_id": 3, "qty": 1, "price": 5430.0},  # the other half is older than what is shown here
    ]  # fmt: skip
    panel.evaluate("told => window.tell({op: 'blotter', ...told})", {"orders": orders, "fills": fills})
    rows = panel.locator(".wb-blotter").first.locator("tbody tr").all()
    cells = [row.locator("td").all_inner_texts() for row in rows]
    assert [row[5] for row in cells] == ["5,410.50", "5,402.50", "5,431.00", "–"]
    assert [row[7] for row in cells] == ["entry.long", "entry.long · stop", "entry.long · target", "–"]
