"""Pictures of the notebooks: each is run in a JupyterLab of its own and photographed from top to bottom."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from tests.browser.harness import end_kernel, jupyterlab, open_notebook, wait_until

BOOKS = Path(__file__).resolve().parents[2] / "notebooks"
# What ends the session of a notebook would leave its panel with a dead desk: these are run up to there.
ENDS = {"00_start_here": "## Stop", "50_promote_and_trade": "## Pause, resume, flatten"}
HEIGHT, STEP = 1500, 1350  # the menus and the status line take 115 px
RUN_S = 300.0
NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"
SCROLLER = f"{NOTEBOOK}.node.querySelector('.jp-WindowedPanel-outer')"
READY = f"""() => {{
  const code = {NOTEBOOK}.widgets.filter(w => w.model.type === 'code' && w.model.sharedModel.source.trim());
  const failed = code.some(w => JSON.stringify(w.model.toJSON().outputs).includes('"output_type":"error"'));
  const idle = window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.status === 'idle';
  return failed || idle && code.every(w => w.model.executionCount !== null);
}}"""


def notebooks(browser: Any, folder: Path, place: Path, names: Iterable[str] = ()) -> None:
    """Write `NAME_light_1.png`, `NAME_dark_1.png`, … and `NAME_phone.png` of the notebooks (all, unless named)."""
    chosen = [path for path in sorted(BOOKS.glob("*.ipynb")) if not names or path.stem in names]
    with jupyterlab(place, {"WORKBENCH_HOME": str(place / "home"), **own_settings(place)}) as base:
        for path in chosen:
            book = nbformat.read(path, as_version=4)
            ends = [n for n, cell in enumerate(book.cells) if cell.source.startswith(ENDS.get(path.stem, "\0"))]
            book.cells = book.cells[: ends[0]] if ends else book.cells
            nbformat.write(book, place / path.name)
            one(browser, base, path.name, folder)


def own_settings(place: str | Path) -> dict[str, str]:
    """Return the environment of a JupyterLab that leaves the person's own settings, such as the theme, alone."""
    return {"JUPYTERLAB_SETTINGS_DIR": f"{place}/settings", "JUPYTERLAB_WORKSPACES_DIR": f"{place}/workspaces"}


def one(browser: Any, base: str, name: str, folder: Path) -> None:
    """Run one notebook and photograph it in both themes, then on a narrow screen."""
    page = open_notebook(browser, base, name, height=HEIGHT)
    page.evaluate(f"{NOTEBOOK}.notebookConfig = {{...{NOTEBOOK}.notebookConfig, windowingMode: 'none'}}")
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    wait_until(lambda: page.evaluate(READY), within_s=RUN_S)
    if '"output_type":"error"' in page.evaluate(f"JSON.stringify({NOTEBOOK}.model.toJSON())"):
        sys.stderr.write(f"{name}: a cell failed\n")
    stem = Path(name).stem
    for theme in ("Light", "Dark"):
        page.evaluate(f"window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})")
        time.sleep(2.0)
        parts(page, folder, f"{stem}_{theme.lower()}")
    page.set_viewport_size({"width": 390, "height": HEIGHT})
    page.evaluate("window.jupyterapp.shell.mode = 'single-document'")
    time.sleep(1.5)
    page.evaluate(f"{SCROLLER}.scrollTop = 0")
    time.sleep(1.0)
    page.screenshot(path=folder / f"{stem}_phone.png")
    end_kernel(page)
    page.close()


def parts(page: Any, folder: Path, name: str) -> None:
    """Photograph the open notebook a screen at a time."""
    last = f"{NOTEBOOK}.widgets.at(-1).node"
    first = f"{NOTEBOOK}.widgets[0].node"
    tall = page.evaluate(f"{last}.getBoundingClientRect().bottom - {first}.getBoundingClientRect().top")
    for number, top in enumerate(range(0, max(1, int(tall) - (HEIGHT - STEP)), STEP), start=1):
        page.evaluate(f"{SCROLLER}.scrollTop = {top}")
        time.sleep(0.7)
        page.screenshot(path=folder / f"{name}_{number}.png")
