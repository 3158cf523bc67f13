"""`workbench strategy`, `workbench backtest` and `workbench report` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.rules.build import strategy_text
from tests.test_research import CONTRACT, walk
from workbench import _numba_cache, research
from workbench.commands import backtest, strategy
from workbench.domain.errors import InputError
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

app = typer.Typer()
app.add_typer(strategy.app, name="strategy")
backtest.register(app)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    BarStore(Home(tmp_path).market).write(CONTRACT, "1m", walk(300), source="test")
    return tmp_path


def test_check_names_the_mistake_and_fails(tmp_path: Path) -> None:
    good, wrong = tmp_path / "good.yaml", tmp_path / "wrong.yaml"
    good.write_text(strategy_text())
    wrong.write_text(strategy_text(entry="{long: 'clse > open'}"))
    done = run("strategy", "check", good)
    assert done.exit_code == 0 and "ok" in done.stdout
    done = run("strategy", "check", good, wrong, "--json")
    first, second = json.loads(done.stdout)
    assert done.exit_code == 1
    assert first["ok"] and first["version"] and not second["ok"]
    assert f"{wrong}, line 4" in second["error"] and "did you mean close" in second["error"]


def test_register_list_and_show(tmp_path: Path) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text(strategy_text(stop="{ticks: 8}"))
    stored = json.loads(run("strategy", "register", file, "--home", tmp_path, "--json").stdout)
    again = json.loads(run("strategy", "register", file, "--home", tmp_path, "--json").stdout)
    assert stored == again
    listed = json.loads(run("strategy", "list", "--home", tmp_path, "--json").stdout)
    assert [v["version"] for v in listed["versions"]] == [stored["version"]]
    assert any(path.endswith("sma_cross.yaml") for path in listed["files"])
    shown = json.loads(run("strategy", "show", stored["version"], "--home", tmp_path, "--json").stdout)
    assert shown["rules"] == {"entry.long": "(close > open)"} and shown["stop"] == {"ticks": "8"}
    text = run("strategy", "show", "sma_cross", "--home", tmp_path).stdout
    assert "cross_above(sma(close, fast), sma(close, slow))" in text
    assert "stop × atr(14)" in text and "{" not in text, "written for people, not as Python"
    assert "8 ticks" in run("strategy", "show", file, "--home", tmp_path).stdout


def test_backtest_prints_its_line_and_its_json(place: Path) -> None:
    done = run("backtest", "sma_cross", "--home", place, "-p", "fast=4")
    assert done.exit_code == 0 and done.stdout.startswith("sma_cross@")
    answer = json.loads(run("backtest", "sma_cross", "--home", place, "-p", "fast=4", "--json").stdout)
    assert answer["summary"] == done.stdout.splitlines()[0]
    assert answer["provenance"]["parameters"]["fast"] == 4
    assert answer["stats"]["trades"] > 0


def test_backtest_reads_a_file_and_writes_a_page(place: Path) -> None:
    file = place / "bars.parquet"
    walk(300).write_parquet(file)
    page = place / "page.html"
    answer = json.loads(
        run("backtest", "sma_cross", "--data", file, "--contract", CONTRACT, "--report", page, "--json").stdout
    )
    assert answer["report"] == str(page) and page.stat().st_size > 100_000
    broken = place / "broken.parquet"
    broken.write_bytes(file.read_bytes()[:200])
    for path in (broken, place / "none.parquet"):
        assert isinstance(run("backtest", "sma_cross", "--data", path).exception, InputError)


def test_errors_go_up_as_ours_and_wrong_usage_is_two(place: Path) -> None:
    assert isinstance(run("backtest", "sma_cros", "--home", place).exception, InputError)
    assert isinstance(run("strategy", "show", "nothing", "--home", place).exception, InputError)
    assert run("backtest").exit_code == 2
    assert run("strategy", "chek").exit_code == 2


def test_a_notice_that_something_is_compiled_leaves_the_json_alone_on_stdout(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine whose cache of compiled code is empty."""
    warm = research.backtest

    def cold(*arguments: Any, **options: Any) -> Any:
        _numba_cache.say("compiling what runs compiled")
        return warm(*arguments, **options)

    monkeypatch.setattr(research, "backtest", cold)
    done = run("backtest", "sma_cross", "--home", place, "-p", "fast=4", "--json")
    assert "compiling" in done.stderr and done.exit_code == 0
    assert json.loads(done.stdout)["summary"].startswith("sma_cross@")
