"""A desk or a dashboard that starts in an empty home says what is missing, where it looked, and what to type."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from workbench.commands.missing import for_dashboard, for_desk
from workbench.services.linking import make_link
from workbench.services.settings import load_profile
from workbench.storage.home import Home
from workbench.storage.links import save_link

NOWHERE = "http://127.0.0.1:9"  # discard: nothing of ours listens there


class Yes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def somebody() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Yes)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def heard(words: list[str], health: str, lines: int) -> tuple[str, str]:
    command = [sys.executable, "-m", "workbench.cli", *words, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        told = process.stdout.readline()
        complaints = "".join(process.stderr.readline() for _ in range(lines))
        url = re.findall(r"http://127\.0\.0\.1:\d+", told)[0]
        assert httpx.get(f"{url}{health}", timeout=20).status_code == 200  # it serves: its end is an orderly one
        process.send_signal(signal.SIGINT)
        _, more = process.communicate(timeout=30)
    return told, complaints + more


def test_a_desk_in_an_empty_home_names_the_gateway_and_the_account_it_has_not_got(home: Path) -> None:
    told, complaints = heard(["desk", "--simulator-url", NOWHERE], "/api/health", 2)
    gateway, account = complaints.splitlines()
    assert f"nothing answers at {NOWHERE}" in gateway and "workbench simulator" in gateway
    assert f"none is linked in {home}" in account and f"workbench account link NUMBER --home {home}" in account
    assert told.startswith("desk on ")


def test_a_dashboard_without_a_desk_says_where_it_looked_and_what_starts_one(home: Path) -> None:
    told, complaints = heard(["dashboard"], "/health", 1)
    assert f"there is no {home / 'desk' / 'desk.json'}" in complaints
    assert f"workbench desk --home {home}" in complaints and "workbench demo" in complaints
    assert told.startswith("dashboard ") and "Traceback" not in complaints


def test_with_a_gateway_and_a_linked_account_nothing_is_missing(tmp_path: Path, somebody: str) -> None:
    home, profile = Home(tmp_path), load_profile("sim", simulator_url=somebody)
    assert [text.split(":")[0] for text in for_desk(home, profile)] == ["an account"]
    save_link(home, make_link(account=7, name="PRAC-V2-1-1", balance=Decimal(150_000), by="me"))
    assert for_desk(home, profile) == []
    assert [text.split(":")[0] for text in for_desk(home, load_profile("sim", simulator_url=NOWHERE))] == [
        "the gateway"
    ]


def test_a_dashboard_tells_a_silent_desk_from_one_that_answers(tmp_path: Path, somebody: str) -> None:
    home = Home(tmp_path)
    home.desk.mkdir(parents=True)
    (home.desk / "desk.json").write_text(json.dumps({"url": NOWHERE}))
    [silent] = for_dashboard(home)
    assert f"desk.json names {NOWHERE}" in silent and "workbench desk --home" in silent
    (home.desk / "desk.json").write_text(json.dumps({"url": somebody}))
    assert for_dashboard(home) == [] and for_dashboard(home, somebody) == []
    [away] = for_dashboard(home, NOWHERE)
    assert "WORKBENCH_DESK_URL" in away
    (home.desk / "desk.json").write_text("{")
    [torn] = for_dashboard(home)
    assert "is not readable JSON" in torn


def test_a_demo_that_runs_beside_is_named(tmp_path: Path, somebody: str) -> None:
    demo = Home(tmp_path / "demo")
    demo.desk.mkdir(parents=True)
    (demo.desk / "desk.json").write_text(json.dumps({"url": somebody}))
    [told] = for_dashboard(Home(tmp_path))
    assert f"workbench dashboard --home {demo.path}" in told
