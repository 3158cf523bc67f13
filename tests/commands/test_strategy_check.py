"""`workbench strategy check` says what makes no sense, with its line, and fails only on errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.rules.build import strategy_text
from workbench.commands import strategy


def run(*arguments: object) -> Any:
    return CliRunner().invoke(strategy.app, ["check", *map(str, arguments)])


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def make(name: str, **sections: str) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(strategy_text(**sections))
        return path

    return make


def test_what_is_well_is_said_in_a_line(write: Any) -> None:
    done = run(write("good", stop="{ticks: 8}"))
    assert done.exit_code == 0
    assert done.output.startswith("ok ") and "probe@" in done.output and len(done.output.splitlines()) == 1


def test_a_warning_is_shown_and_does_not_fail(write: Any) -> None:
    done = run(write("warned", trading="{flat_by: '16:30'}"))
    assert done.exit_code == 0
    assert "warning: line 5: flat_by 16:30 is not before the close of MES" in done.output


def test_an_error_fails_with_its_line(write: Any) -> None:
    path = write("dead", entry="{long: 'rsi(close) > 110'}")
    done = run(path)
    assert done.exit_code == 1 and done.output.startswith("wrong ")
    assert "error: line 4: entry.long can never be true: (rsi(close, 14) > 110) [never-true]" in done.output


def test_programs_get_every_finding(write: Any) -> None:
    paths = [
        write("good", stop="{ticks: 8}"),
        write("dead", entry="{long: 'close > high'}"),
        write("broken", entry="{long: 'clos > 1'}"),
    ]
    done = run(*paths, "--json")
    assert done.exit_code == 1
    good, dead, broken = json.loads(done.stdout)
    assert good["ok"] and good["findings"] == [] and good["warmup"] == 1
    assert not dead["ok"] and dead["findings"][0]["code"] == "never-true" and dead["findings"][0]["line"] == 4
    assert broken["findings"] == [
        {"level": "error", "code": "unreadable", "text": broken["error"], "line": 4},
    ]


def test_a_file_that_is_not_there_is_an_answer_too(tmp_path: Path) -> None:
    done = run(tmp_path / "none.yaml", "--json")
    [answer] = json.loads(done.stdout)
    assert done.exit_code == 1 and not answer["ok"] and answer["findings"][0]["line"] == 0


def test_every_mistake_of_a_file_is_named_in_one_run(write: Any) -> None:
    path = write("many", timeframe="7m", entry="{long: 'close > smaa(close, 20)'}", stopp="{ticks: 8}")
    done = run(path)
    assert done.exit_code == 1
    head, frame, rule, key = done.output.splitlines()
    assert head == f"wrong  {path}: 3 mistakes"
    assert f"({path}, line 3)" in frame and "did you mean 5m or 3m? known: 1s" in frame
    assert f"'smaa' (entry.long, {path}, line 4); did you mean sma" in rule
    assert f"unknown key 'stopp' ({path}, line 5); did you mean stop? known: " in key
    [answer] = json.loads(run(path, "--json").stdout)
    assert [(found["code"], found["line"]) for found in answer["findings"]] == [("unreadable", n) for n in (3, 4, 5)]
