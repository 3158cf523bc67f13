"""A session that is started while the demo's market stands still says so, until somebody lets the market go on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from workbench.commands.stack import DemoOptions, DemoStack
from workbench.storage.home import Home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_start_in_a_market_that_stands_still_says_what_lets_it_go_on(tmp_path: Path) -> None:
    options = DemoOptions(account=1002, ports=(0, 0, 0, 0))
    with DemoStack(options, Home(tmp_path / "demo")) as stack:
        session = stack.desk.start("sma_cross", account=1002, contract=stack.choose_contract())
        assert "the market clock of the simulator stands still until somebody lets it go on; in a notebook: " in repr(
            session
        )
        stack.control("clock", {"resume": True})
        deadline = time.monotonic() + 60
        while (told := stack.desk.session(session.session)).waits_for or told.state != "running":
            assert time.monotonic() < deadline, repr(told)
            time.sleep(0.2)
        assert "stands still" not in repr(told)
