"""Notebooks that run: a killed kernel changes nothing in its session, and the published result on recorded prices."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.commands.stack import DemoOptions, DemoStack
from workbench.storage.home import Home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.filterwarnings("ignore")]
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
ACCOUNT = 1002


def until(true: Callable[[], Any], what: str, within_s: float = 60.0) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.2)
    pytest.fail(f"{what} did not come within {within_s:g} s")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[DemoStack]:
    options = DemoOptions(seed=7, rate=120.0, account=ACCOUNT, ports=(0, 0, 0, 0))
    with DemoStack(options, Home(tmp_path / "demo")) as made:
        made.choose_contract()
        made.backfill()
        yield made


class Kernel:
    """A kernel of its own, as JupyterLab starts one."""

    def __init__(self, environment: dict[str, str]) -> None:
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager(kernel_name="python3")
        self.manager.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager.start_kernel(env=os.environ | environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str) -> str:
        """Execute a cell and return what it printed."""
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            content = message["content"]
            printed.append(content.get("text", "") + "\n".join(content.get("traceback", [])))

        self.client.execute_interactive(code, timeout=90, output_hook=hear)
        return "".join(printed)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(stack: DemoStack) -> Iterator[Callable[[], Kernel]]:
    made: list[Kernel] = []

    def start() -> Kernel:
        made.append(Kernel(stack.environment()))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_kernel_killed_in_the_middle_of_a_session_changes_nothing_in_it(
    stack: DemoStack, kernel: Callable[[], Kernel]
) -> None:
    notebook, desk = kernel(), stack.desk
    start = f"desk.start('sma_cross', account={ACCOUNT}, contract={stack.contract!r}, fast=3, slow=9).session"
    told = notebook.run(
        f"import time, workbench as wb\ndesk = wb.connect()\nprint({start})\npanel = desk.controls()\npanel"
    )
    name = re.findall(r"sma_cross-\S+", told)[0]
    stack.control("clock", {"resume": True})
    until(lambda: len(desk.fills) >= 1, "a first fill")
    runner = {a["account"]: a["runner"] for a in desk.snapshot()["accounts"]}[ACCOUNT]

    notebook.client.execute("time.sleep(600)")  # a busy kernel is the normal state
    os.kill(notebook.pid, signal.SIGKILL)
    until(lambda: not notebook.manager.is_alive(), "the end of the kernel")
    bar, fills = desk.session(name).last_bar_end, len(desk.fills)

    later = until(lambda: (desk.session(name).last_bar_end or 0) >= (bar or 0) + 5 * 60_000_000_000, "five more bars")
    until(lambda: len(desk.fills) > fills, "another fill")
    now = {a["account"]: a["runner"] for a in desk.snapshot()["accounts"]}[ACCOUNT]
    assert later and desk.session(name).state == "running"
    assert (now["pid"], now["restarts"]) == (runner["pid"], runner["restarts"])

    again = kernel()  # a new kernel finds it, and ends it
    told = again.run(
        f"import workbench as wb\nsession = wb.connect().session({name!r})\nprint(session.state)\nsession.end()"
    )
    assert told.startswith("running")
    until(lambda: desk.session(name).state == "ended" and desk.positions.empty, "the end of the session")
    truth = next(a for a in stack.control("truth")["accounts"] if a["id"] == ACCOUNT)
    assert truth["positions"] == [] and len([t for t in truth["trades"] if not t.get("voided")]) == len(desk.fills)


def test_the_published_result_is_found_in_recorded_prices(shared_data: Path) -> None:
    from nbclient import NotebookClient
    from nbformat import read

    notebook = read(NOTEBOOKS / "80_published_result.ipynb", 4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source = re.sub(
        r'(?m)^panel = "".*$', f"panel = {str(shared_data / 'pst/daily_panel.parquet')!r}", parameters.source
    )
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    tables = [
        o.data["text/plain"]
        for c in notebook.cells
        for o in c.get("outputs", [])
        if "data" in o and "text/plain" in o.data
    ]
    ratio = next(float(found[1]) for text in tables if (found := re.search(r"Sharpe ratio\s+([\d.]+)", text)))
    assert ratio > 1.0  # Moskowitz, Ooi and Pedersen (2012): "greater than one" for the diversified factor


@pytest.mark.parametrize(("written", "passes"), [("99.0", True), ("99.25", False)])
def test_the_numbers_worked_out_by_hand_are_compared_and_a_wrong_one_is_noticed(
    tmp_path: Path, written: str, passes: bool
) -> None:
    tests = Path(__file__).resolve().parent
    text = (tests / "answers" / "numbers.ipynb").read_text(encoding="utf-8")
    assert text.count("exit_price     99.0") == 1
    target = tmp_path / "numbers.ipynb"
    target.write_text(text.replace("99.0", written), encoding="utf-8")
    options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={tests / 'sanitize.cfg'}", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "default", *options, str(target)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode == 0) is passes, done.stdout[-2000:]
