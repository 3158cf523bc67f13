"""What several browser tests share: a browser, and the programs of the demo, which are started once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

import workbench as wb
from tests.browser.harness import chromium
from workbench.commands.stack import DemoStack
from workbench.services.processes import free_port, python_module


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; one for each module, because its driver keeps this thread's only event loop."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def stack() -> Iterator[DemoStack]:
    """Simulator, desk, runner and dashboard as separate programs, with history of the contract that is traded."""
    before = {name: os.environ.get(name) for name in ("WORKBENCH_HOME", "WORKBENCH_PROFILE", "WORKBENCH_SIMULATOR_URL")}
    made = wb.demo_stack(seed=7, rate=60.0)
    try:
        made.choose_contract()
        made.backfill()
        port = free_port(0)
        url = f"http://127.0.0.1:{port}"
        made._run("dashboard", python_module("workbench.cli", "dashboard", "--port", str(port)), url, f"{url}/health")
        yield made
    finally:
        made.close()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
