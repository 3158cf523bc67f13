"""`workbench demo`: what a person sees first."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from workbench.commands.demo_folder import MARKER, fresh_home
from workbench.commands.stack import CHICAGO, DemoOptions, DemoStack, demo_start, replay_start
from workbench.domain.errors import InputError
from workbench.storage.home import Home


def demo(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "workbench.cli",
        "demo",
        "--headless",
        "--home",
        str(tmp_path / "demo"),
        *arguments,
    ]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.slow
def test_headless_demo_trades_and_ends_flat_with_all_its_figures(tmp_path: Path) -> None:
    done = demo(tmp_path, "--for", "25", "--seed", "7", "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["bars_ingested"] > 3000
    assert answer["ticks_received"] > 500
    assert answer["bars_built"] > 20
    assert answer["fills"] == 2 * (answer["fills"] // 2), "what was opened was closed"
    assert answer["open_position"] == 0
    assert isinstance(answer["realized_pnl_usd"], float)
    assert answer["stop"]["latched"] is True
    assert answer["stop"]["flat_confirmed"] is True
    assert 1000 <= answer["stop"]["ms"] < 10_000, "two clean readings are a second apart"
    assert set(answer["versions"]) == {"program", "strategy"}
    assert len(answer["versions"]["strategy"]) == 16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bars/MES_5m_projectx_2025.parquet", "ticks/ES_ticks_mlfinpy_201309.parquet"])
def test_demo_replays_recorded_files(tmp_path: Path, shared_data: Path, name: str) -> None:
    done = demo(tmp_path, "--replay", str(shared_data / name), "--for", "12", "--rate", "300", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["bars_ingested"] > 1000
    assert answer["ticks_received"] > 100
    assert answer["stop"]["flat_confirmed"] is True


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo(tmp_path, "--ports", f"{port},0", "--for", "1")
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is taken" in done.stderr


def test_a_folder_that_is_not_a_demos_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a demo's folder"):
        fresh_home(Home(tmp_path))
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_demos_folder_is_made_anew(tmp_path: Path) -> None:
    place = Home(tmp_path / "demo")
    fresh_home(place)
    (place.path / "old").write_text("x")
    fresh_home(place)
    assert [p.name for p in place.path.iterdir()] == [MARKER]


def test_the_demo_begins_before_the_bell_of_the_last_full_day() -> None:
    # Sunday 22 November 2026: the last trading date that is over is Friday the 20th; 08:20 CST is 14:20 UTC.
    assert demo_start(datetime(2026, 11, 22, 12, tzinfo=CHICAGO)) == "2026-11-20T14:20:00Z"
    # Friday 27 November 2026: Thursday the 26th is Thanksgiving, a half day, so Wednesday it is.
    assert demo_start(datetime(2026, 11, 27, 12, tzinfo=CHICAGO)) == "2026-11-25T14:20:00Z"


@pytest.mark.parametrize(
    ("content", "says"), [(b"PAR1 but then nothing", "cannot be replayed"), (b"", "cannot be replayed")]
)
def test_a_broken_recording_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        replay_start(path)


def test_a_recording_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = demo(tmp_path, "--replay", str(tmp_path / "nothing.parquet"), "--for", "1")
    assert done.returncode == 1
    assert "nothing.parquet" in done.stderr


def test_a_demo_that_runs_already_can_be_a_context_and_is_not_started_twice(tmp_path: Path) -> None:
    stack = DemoStack(DemoOptions(), Home(tmp_path / "demo"))
    stack.urls = {"simulator": "http://127.0.0.1:1", "desk": "http://127.0.0.1:2"}  # as `demo_stack` hands it out
    with stack as same:
        assert same is stack and not stack.programs and not (tmp_path / "demo").exists()
