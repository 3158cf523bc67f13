"""`desk.controls()` in a real JupyterLab: the stop must work while the kernel is busy, which is its normal state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.harness import TOKEN, controls_in_lab, installed_browser, run_cells, wait_until
from tests.fakes.desk import FakeDesk

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(installed_browser() is None, reason="needs chromium: apt-get install chromium"),
]


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


def test_flatten_asks_once_more_before_it_acts(page: Any, fake: FakeDesk) -> None:
    page.get_by_role("button", name="Flatten").click()
    assert fake.calls == []
    page.get_by_role("button", name="Really close +2?").click()
    wait_until(lambda: ("flatten", "sma-cross-1") in [call[:2] for call in fake.calls])
    wait_until(lambda: "‖ paused" in card(page))


def test_the_stop_works_while_the_kernel_sleeps(page: Any, fake: FakeDesk) -> None:
    run_cells(page, 2)
    wait_until(
        lambda: (
            page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status")
            == "busy"
        )
    )
    page.get_by_role("button", name="EMERGENCY STOP").click()
    page.wait_for_selector("text=FLAT, verified at the broker", timeout=5_000)
    assert ("stop", "stop button in the notebook", None, "notebook") in fake.calls
    status = page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status")
    assert status == "busy"


def test_no_token_is_saved_in_the_notebook(page: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    saved = next(tmp_path_factory.getbasetemp().glob("lab*/desk.ipynb"))
    wait_until(lambda: "execution_count" in saved.read_text() and "wb.connect" in saved.read_text())
    assert TOKEN not in saved.read_text() and "Bearer" not in saved.read_text().replace("Bearer ${", "")
