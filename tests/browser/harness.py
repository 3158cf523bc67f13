"""A headless Chromium, and the dashboard running beside a fake desk, for tests and for the README's pictures."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.apps.server import Dashboard
from workbench.desk import Desk

TOKEN = "the-full-token-of-this-test"
LAB_TOKEN = "the-token-of-the-lab"
FLAGS = ["--no-sandbox", "--disable-gpu"]


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """Give a headless browser from the machine's own Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=installed_browser(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def dashboard(desk_url: str) -> Iterator[Dashboard]:
    """Serve the dashboard of the desk at `desk_url` on a free port."""
    board = Dashboard(0, desk_url, TOKEN)
    with serving(board.app(), listener=board.listener):
        yield board


@contextlib.contextmanager
def desk_and_dashboard(fake: FakeDesk) -> Iterator[tuple[str, Dashboard]]:
    """Serve a fake desk and the dashboard on it."""
    with serving(build_app(fake, token=TOKEN)) as url, dashboard(url) as board:
        yield url, board


def open_page(browser: Any, link: str, *, width: int = 1280, height: int = 900, lively: bool = True) -> Any:
    """Open the dashboard and wait until it shows numbers; complaints and asked hosts are kept on the page object."""
    page = browser.new_page(viewport={"width": width, "height": height})
    listen(page)
    page.goto(link)
    page.wait_for_selector(".wb-head[data-ready=yes]", timeout=40_000)
    if lively:  # a desk without a session has no candles
        page.wait_for_selector("text=Day P&L", timeout=15_000)
        wait_until(lambda: page.locator(".wb-chart-empty").is_hidden())
    return page


def listen(page: Any) -> None:
    """Keep what the page complains about and whom it asks, from now on."""
    page.complaints, page.asked = [], []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("websocket", lambda socket: page.asked.append(socket.url))


def open_place(browser: Any, board: Dashboard, name: str, *, width: int = 1280, height: int = 1400) -> Any:
    """Open one page of a dashboard by its short name, such as ``lab``."""
    link = board.link.replace("/live", f"/{name}", 1)
    return open_page(browser, link, width=width, height=height, lively=False)


def hosts(page: Any) -> set[str | None]:
    """Return the hosts that the page has asked for anything."""
    return {urlsplit(address).hostname for address in page.asked if not address.startswith(("blob:", "data:"))}


def close(page: Any) -> None:
    """Close a page that has complained about nothing and asked nobody but this machine."""
    assert page.complaints == []
    assert hosts(page) == {"127.0.0.1"}
    page.close()


def grid(page: Any, title: str) -> Any:
    """Return a part of a page by its title: a table, a form, a chart."""
    return page.get_by_role("region", name=title, exact=True)


def installed_browser() -> str | None:
    """The installed Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def wait_until(true: Any, *, within_s: float = 15.0) -> None:
    """Wait for a condition; fail with its name when it does not come."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.05)


@contextlib.contextmanager
def jupyterlab(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run JupyterLab on `folder`; give its base URL. Its token is `LAB_TOKEN`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = folder / ".settings"
    settings.mkdir()
    news = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(news))
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={LAB_TOKEN}",
        "--LabApp.expose_app_in_browser=True",
        f"--LabServerApp.app_settings_dir={settings}", *(["--allow-root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    with open(folder / "lab.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            wait_until(lambda: _answers(f"{base}/api"), within_s=180)
            yield base
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:  # a busy machine; what is tested has been by now
                process.kill()
                process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1, trust_env=False).status_code < 500
    except httpx.HTTPError:
        return False


def open_notebook(browser: Any, base: str, name: str, *, height: int = 900) -> Any:
    """Open a notebook in JupyterLab and wait for its kernel."""
    page = browser.new_page(viewport={"width": 1280, "height": height})
    page.goto(f"{base}/lab/tree/{name}?token={LAB_TOKEN}&reset")
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.context?.sessionContext?.session?.kernel?.status=='idle'",
        timeout=60_000,
    )
    return page


def run_cells(page: Any, *cells: int) -> None:
    """Run the cells with these numbers, without waiting for them."""
    for cell in cells:
        page.evaluate(
            "n => {const nb = window.jupyterapp.shell.currentWidget.content; nb.activeCellIndex = n; nb.deselectAll();"
            "window.jupyterapp.commands.execute('notebook:run-cell')}",
            cell,
        )


BROWSER_TEST = [
    pytest.mark.browser,
    # panel 1.9 builds a tornado request the old way, once for each page
    pytest.mark.filterwarnings("ignore:.*HTTPServerRequest.*:DeprecationWarning"),
    pytest.mark.skipif(installed_browser() is None, reason="needs chromium: apt-get install chromium"),
]


CONTRAST = Path(__file__).with_name("contrast.js")


def faint_texts(page: Any, selector: str) -> list[str]:
    """Return the visible texts under `selector` whose contrast is below WCAG AA (4.5, or 3 for large text)."""
    return list(page.evaluate(CONTRAST.read_text(), selector))


def end_kernel(page: Any) -> None:
    """Shut the kernel of the open notebook down; kernels pile up otherwise."""
    page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")


CONTROL_CELLS = ["import workbench as wb\ndesk = wb.connect()", "desk.controls()", "import time\ntime.sleep(120)"]


@contextlib.contextmanager
def controls_in_lab(fake: FakeDesk, folder: Path) -> Iterator[Any]:
    """Open a notebook that shows `desk.controls()` of a fake desk; give the page. Cell 2 keeps the kernel busy."""
    with contextlib.ExitStack() as stack:
        desk = Desk(stack.enter_context(serving(build_app(fake, token=TOKEN))), TOKEN)
        environment = {"WORKBENCH_HOME": str(folder / "home")}
        yield stack.enter_context(controls_of(desk, stack.enter_context(chromium()), folder, environment))


@contextlib.contextmanager
def controls_of(desk: Desk, browser: Any, folder: Path, environment: dict[str, str]) -> Iterator[Any]:
    """Open a notebook that shows the controls of `desk` in a JupyterLab of its own."""
    import nbformat

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CONTROL_CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "desk.ipynb")
    place = {"WORKBENCH_DESK_URL": desk.url, "WORKBENCH_API_TOKEN": desk._token}
    with jupyterlab(folder, {**environment, **place}) as base:
        desk.allow_origin(base)
        page = open_notebook(browser, base, "desk.ipynb")
        run_cells(page, 0, 1)
        page.wait_for_selector(".wb-card", timeout=60_000)
        yield page
        end_kernel(page)
