"""From the notebook to a flat account, in a real JupyterLab and on the live desk, with the programs of the demo."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser.harness import (
    BROWSER_TEST,
    end_kernel,
    hosts,
    jupyterlab,
    listen,
    open_notebook,
    open_page,
    run_cells,
    wait_until,
)
from workbench.commands.stack import DemoStack
from workbench.domain.errors import WorkbenchError

pytestmark = [
    *BROWSER_TEST,
    pytest.mark.slow,
    pytest.mark.timeout(480),  # a cold numba cache on a machine that does other work, too
]

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "50_promote_and_trade.ipynb"
ACCOUNT = 1001
BUSY = "import time\ntime.sleep(120)"
ERROR = '"output_type":"error"'
QUICK = {"fast": 3, "slow": 8}


@pytest.fixture
def live(stack: DemoStack, browser: Any) -> Iterator[Any]:
    link = json.loads((stack.home.desk / "dashboard.json").read_text())["link"]
    page = open_page(browser, link, height=1400, lively=False)
    yield page
    page.close()


def truth(stack: DemoStack, account: int = ACCOUNT) -> dict[str, Any]:
    return next(a for a in stack.control("truth")["accounts"] if a["id"] == account)


def is_flat(stack: DemoStack, account: int = ACCOUNT) -> bool:
    """What the simulator itself holds: no position, and no order that may still fill."""
    found = truth(stack, account)
    return not found["positions"] and not any(order["status"] in (1, 6) for order in found["orders"])


def wait_for_a_position(stack: DemoStack, also: Callable[[], bool] = lambda: True) -> None:
    wait_until(lambda: bool(truth(stack)["positions"]) and also(), within_s=90)


def slow_down_in_a_position(stack: DemoStack, shown: Callable[[], bool]) -> None:
    """Let a minute last a minute while a position is open: at sixty times that it may be gone before it is clicked."""
    for _ in range(10):
        stack.control("clock", {"rate": 60})
        wait_for_a_position(stack, shown)
        stack.control("clock", {"rate": 1})
        time.sleep(1.0)  # what had happened until then is shown
        if truth(stack)["positions"] and shown():
            return
    raise AssertionError("ten positions were gone before the clock was slow")


@contextlib.contextmanager
def still(process: int) -> Iterator[None]:
    """Hold a process of ours as a debugger would: it is there and does nothing."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)


def open_book(stack: DemoStack, browser: Any, base: str) -> Any:
    page = open_notebook(browser, base, BOOK.name, height=1000)
    listen(page)
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    return page


def outputs(page: Any) -> str:
    book = "window.jupyterapp.shell.currentWidget.content.widgets"
    texts = f"{book}.map(w => JSON.stringify(w.model.toJSON().outputs || '')).join('')"
    return str(page.evaluate(texts))


def kernel_status(page: Any) -> str:
    return str(page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status"))


def start_from_the_panel(page: Any) -> None:
    page.get_by_text("Start a session", exact=True).click()
    page.locator("option[value='shipped:sma_cross']").wait_for(state="attached", timeout=20_000)
    page.get_by_label("Strategy").select_option("shipped:sma_cross")
    page.get_by_label("Account").select_option(str(ACCOUNT))
    for name, value in QUICK.items():
        page.locator(f"input[name={name}]").fill(str(value))
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Really start sma_cross").click()
    page.wait_for_selector("text=has started", timeout=60_000)


def test_a_notebook_runs_starts_a_session_and_stops_it_while_a_cell_sleeps(
    stack: DemoStack, browser: Any, live: Any, tmp_path: Path
) -> None:
    book = nbformat.read(BOOK, as_version=4)
    count = len(book.cells)
    book.cells.append(nbformat.v4.new_code_cell("desk.controls()"))
    book.cells.append(nbformat.v4.new_code_cell("'not yet'"))
    nbformat.write(book, tmp_path / BOOK.name)
    with jupyterlab(tmp_path, stack.environment()) as base:
        page = open_book(stack, browser, base)
        wait_until(lambda: "not yet" in outputs(page) or ERROR in outputs(page), within_s=300)
        assert ERROR not in outputs(page)
        panel = page.locator(".wb-controls").last
        panel.scroll_into_view_if_needed()
        page.evaluate(
            "document.querySelectorAll('.wb-controls').forEach((n, i, all) => i < all.length - 1 && n.remove())"
        )
        start_from_the_panel(page)
        (session,) = [s for s in stack.desk.sessions if s.account == ACCOUNT and s.state != "ended"]
        live.get_by_role("region", name="Sessions").get_by_text(session.session).first.wait_for(timeout=15_000)
        wait_for_a_position(stack, lambda: panel.locator("table").last.locator("tbody .wb-num").count() > 0)
        page.evaluate(
            "([n, text]) => window.jupyterapp.shell.currentWidget.content.widgets[n].model.sharedModel.setSource(text)",
            [count + 1, BUSY],
        )
        run_cells(page, count + 1)
        wait_until(lambda: kernel_status(page) == "busy")
        wait_for_a_position(stack)
        panel.get_by_role("button", name="EMERGENCY STOP").press("Enter")
        panel.get_by_text("FLAT, verified at the broker").first.wait_for(timeout=30_000)
        assert is_flat(stack) and kernel_status(page) == "busy"
        live.wait_for_selector("text=STOPPED: stop button in the notebook", timeout=10_000)
        assert hosts(page) == {"127.0.0.1"}
        page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.interrupt()")
        end_kernel(page)
        page.close()


def test_the_live_desk_changes_closes_and_stops_at_the_broker_with_page_server_and_runner_held(
    stack: DemoStack, live: Any
) -> None:
    desk = stack.desk
    with contextlib.suppress(WorkbenchError):  # nothing is latched when this test runs alone
        desk.clear_stop("the next part of the walk")
    stack.control("clock", {"resume": True})
    desk.start("sma_cross", account=ACCOUNT, contract=stack.contract, **QUICK)
    orders = live.get_by_role("region", name="Orders of the day")
    stops = orders.locator("tr", has_text="STOP").filter(has_text="WORKING")
    slow_down_in_a_position(stack, lambda: stops.count() == 1)

    stops.get_by_role("button", name="Modify").click()
    price = stops.get_by_label("price")
    working = {o["id"]: o["stopPrice"] for o in truth(stack)["orders"] if o["status"] == 1 and o["stopPrice"]}
    ((order, before),) = working.items()
    price.fill(str(before + (-1 if truth(stack)["positions"][0]["type"] == 1 else 1)))
    price.press("Enter")
    wait_until(lambda: next(o for o in truth(stack)["orders"] if o["id"] == order)["stopPrice"] != before)

    position = live.get_by_role("region", name="Positions").locator("tr", has_text="MES")
    position.get_by_role("button", name="Close", exact=True).click()
    position.get_by_role("button", name="at the market?").click()
    wait_until(lambda: not truth(stack)["positions"])
    live.get_by_role("region", name="Positions").get_by_text("flat").wait_for()

    stack.control("clock", {"rate": 60})
    wait_for_a_position(stack)
    runner = next(a["runner"]["pid"] for a in desk.snapshot()["accounts"] if a["account"] == ACCOUNT)
    served = next(p for p in stack.programs if p.name == "dashboard").process.pid
    with still(runner), still(served):
        live.wait_for_selector("text=no news for", timeout=15_000)  # the plots stand still
        live.get_by_role("button", name="EMERGENCY STOP").press("Enter")
        live.wait_for_selector("text=FLAT, verified at the broker", timeout=30_000)
        assert is_flat(stack)
    assert hosts(live) == {"127.0.0.1"} and live.complaints == []
