"""Ctrl-C at any moment of the demo: it ends by itself and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workbench.commands.demo_folder import claim, fresh_home
from workbench.domain.errors import InputError
from workbench.services.desk_file import ingest_lock
from workbench.storage.home import Home
from workbench.storage.lock import AccountLock


def left_over(home: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("WORKBENCH_HOME") == str(home):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "number"),
    [("simulator ", signal.SIGINT), ("desk ", signal.SIGHUP), ("history ", signal.SIGINT), ("session ", signal.SIGINT)],
)
def test_a_demo_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, when: str, number: int) -> None:
    home = tmp_path / "demo"
    command = [sys.executable, "-u", "-m", "workbench.cli", "demo", "--headless", "--home", str(home)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith(when):
            break
    time.sleep(0.1)
    running.send_signal(number)
    _, said = running.communicate(timeout=40)
    assert "Traceback" not in said
    assert left_over(home) == []


HOLD = """
import sys, time
from pathlib import Path
from workbench.storage.lock import AccountLock
lock = AccountLock(Path(sys.argv[1])); lock.acquire("runner"); print("held", flush=True); time.sleep(60)
"""


def test_what_outlived_its_desk_is_ended_before_the_folder_is_made_anew(tmp_path: Path) -> None:
    place = Home(tmp_path / "demo")
    fresh_home(place)
    held = subprocess.Popen([sys.executable, "-c", HOLD, str(place.account(1001))], stdout=subprocess.PIPE)
    assert held.stdout is not None
    held.stdout.readline()
    fresh_home(place)
    held.stdout.close()
    assert held.wait(5) == -signal.SIGKILL
    assert not AccountLock(place.account(1001)).path.exists() and not ingest_lock(place).path.exists()


def test_a_second_demo_in_the_folder_of_a_running_one_is_refused(tmp_path: Path) -> None:
    place = Home(tmp_path / "demo")
    handle = claim(place)
    (place.path / "precious").write_text("of the running demo")
    with pytest.raises(InputError, match="a demo already runs in"):
        fresh_home(place)
    assert (place.path / "precious").exists()
    os.close(handle)
    fresh_home(place)
    assert not (place.path / "precious").exists()
