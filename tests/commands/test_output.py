"""What commands print: nothing cut in a pipe, nothing taken for markup, errors as one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.commands.output import fail, show, table
from workbench.domain.errors import InputError


def test_a_table_in_a_pipe_shows_every_value_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    row = {f"column{n}": f"sma_cross-1001-{n}{'x' * 20}" for n in range(9)}
    table([row], list(row), empty="none")
    out = capsys.readouterr().out
    assert all(value in out for value in row.values())


def test_brackets_and_what_is_missing_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table([{"a": "[bold]x[/bold]", "b": None, "c": 0}], ["a", "b", "c"], empty="none")
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out and "–" in out and " 0 " in out
    table([], ["a"], empty="no rows")
    assert capsys.readouterr().out == "no rows\n"


def test_an_error_is_one_line_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(InputError("what, where, what to do")) == 1
    assert capsys.readouterr().err == "workbench: what, where, what to do\n"
    assert fail(InputError("what"), as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {"error": "what", "kind": "InputError"}
    show({"a": 1}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"a": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["session", "list"], "no desk answers"),
        (["session", "pause", "s"], "no desk answers"),
        (["account", "show", "5"], "account 5 is not linked"),
        (["account", "list"], "127.0.0.1:9"),
        (["account", "link", "5", "--yes"], "127.0.0.1:9"),
        (["demo", "--headless", "--ports", "a,b"], "--ports 'a,b' must be"),
        (["demo", "--headless", "--ports", "70000"], "--ports '70000' must be"),
        (["demo", "--headless", "--ports", "1,2,3,4,5"], "--ports '1,2,3,4,5' must be"),
        (["desk", "--simulator-url", "nonsense"], "not the address of a simulator"),
    ],
)
def test_every_failure_is_a_message_and_exit_code_1(tmp_path: Path, arguments: list[str], says: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    environment |= {"WORKBENCH_HOME": str(tmp_path), "WORKBENCH_SIMULATOR_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "workbench.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["simulator", "desk", "dashboard"])
def test_a_port_that_cannot_be_is_wrong_usage(command: str) -> None:
    line = [sys.executable, "-m", "workbench.cli", command, "--port", "70000"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert "65535" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    environment = {**os.environ, "WORKBENCH_HOME": str(tmp_path / "file" / "home"), "WORKBENCH_PROFILE": "sim"}
    for arguments in (["desk", "--port", "0"], ["demo", "--headless", "--home", str(tmp_path / "file" / "x")]):
        command = [sys.executable, "-m", "workbench.cli", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr and str(tmp_path / "file") in done.stderr
