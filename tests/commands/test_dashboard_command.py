"""`workbench dashboard` as a process: it tells its link, answers, refuses strangers, and cleans up after itself."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx


def test_it_tells_its_link_and_ends_cleanly(home: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "dashboard", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            file = home / "desk" / "dashboard.json"
            assert json.loads(file.read_text())["link"] == told["link"]
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert httpx.get(f"{told['url']}/health", timeout=20).status_code == 200
            assert httpx.get(f"{told['url']}/live", timeout=10).status_code == 403
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=15)
    assert process.returncode == 0 and not file.exists()


def test_ctrl_c_during_start_up_ends_cleanly_too(home: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "dashboard", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=20)
    assert "Traceback" not in complaints and process.returncode in (0, -signal.SIGTERM)


STUCK = """
import asyncio, sys
from workbench.apps import server
from workbench.apps.feed import DeskFeed

async def run(self, **_):
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass  # as something that swallows its end would

DeskFeed.run = run
server.ENDS_WITHIN_S = 1.0
server.serve(0, "http://127.0.0.1:9", "x", ready=lambda made: print(made.url, flush=True))
"""


def test_one_whose_work_does_not_end_is_ended_all_the_same(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as made:
        assert made.stdout is not None
        url = made.stdout.readline().strip()
        assert httpx.get(f"{url}/health", timeout=30).status_code in (200, 403)
        made.send_signal(signal.SIGTERM)
        _, complaints = made.communicate(timeout=60)
    assert made.returncode == 1 and "did not end by itself" in complaints


def test_a_taken_port_is_a_clear_message_and_exit_code_1(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "workbench.cli", "dashboard", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is taken" in done.stderr and "Traceback" not in done.stderr


def test_a_second_dashboard_that_finds_its_port_taken_leaves_the_first_ones_file(home: Path) -> None:
    file = home / "desk" / "dashboard.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"url": "http://127.0.0.1:1", "link": "http://127.0.0.1:1/live?token=x", "pid": 1}))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "workbench.cli", "dashboard", "--port", str(taken.getsockname()[1])]
        subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert json.loads(file.read_text())["pid"] == 1, "notebooks find the first one by it"


def test_no_token_goes_into_a_log(home: Path, tmp_path: Path) -> None:
    output = tmp_path / "dashboard.out"
    command = [sys.executable, "-m", "workbench.cli", "dashboard", "--port", "0"]
    with open(output, "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 90  # a slow machine
            while not output.read_text().endswith("goes on)\n"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            told = json.loads((home / "desk" / "dashboard.json").read_text())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=15)
    token = told["link"].partition("token=")[2]
    assert token and token not in output.read_text() and "dashboard.json" in output.read_text()
