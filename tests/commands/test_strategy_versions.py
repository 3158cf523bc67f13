"""`workbench strategy` for versions: list, show, diff, register, promote, rollback; exit codes and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.rules.build import strategy_text
from tests.test_research import CONTRACT, walk
from workbench.commands import strategy
from workbench.domain.errors import InputError
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

app = typer.Typer()
app.add_typer(strategy.app, name="strategy")
GATES = "tested: {min_trades: 5, costs: charged}\npaper: {detectors: clean, min_trades: 5}\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    BarStore(Home(tmp_path).market).write(CONTRACT, "1m", walk(300), source="test")
    (tmp_path / "gates.yaml").write_text(GATES)
    return tmp_path


def run(place: Path, *arguments: object) -> Any:
    return CliRunner().invoke(app, ["strategy", *map(str, arguments), "--home", str(place)])


def answer(place: Path, *arguments: object) -> Any:
    return json.loads(run(place, *arguments, "--json").stdout)


def written(place: Path, stop: int) -> Path:
    file = place / f"probe{stop}.yaml"
    file.write_text(strategy_text(stop=f"{{ticks: {stop}}}", target="{ticks: 6}"))
    return file


def test_a_version_goes_from_its_file_to_live_and_back(place: Path) -> None:
    first = answer(place, "register", written(place, 8), "--person", "ada")["version"]
    second = answer(place, "register", written(place, 9), "--person", "ada")
    assert second["parent"] == first
    assert run(place, "diff", first, second["version"]).output.splitlines()[1:] == ["  stop.ticks: 8 → 9"]
    assert answer(place, "diff", first, second["version"])["changes"] == [
        {"what": "stop.ticks", "before": "8", "after": "9"}
    ]
    assert "one and the same version" in run(place, "diff", first, written(place, 8)).output
    for version in (first, second["version"]):
        done = run(place, "promote", version, "--to", "paper", "--person", "ada")
        assert done.exit_code == 0, done.output
        assert f"@{version} is paper, by ada" in done.output
        done = run(place, "promote", version, "--to", "live", "--session", "open", "--reason", "now", "--person", "ada")
        assert done.exit_code == 0 and "is live in session open" in done.output
        assert "go on with the version they were started with" in done.output
    listed = answer(place, "list")["versions"]
    assert [(v["version"], v["state"], v["live_in"]) for v in listed] == [
        (first, "paper", ""),
        (second["version"], "live", "open"),
    ]
    back = answer(place, "rollback", "open", "--reason", "it lost", "--person", "bob")
    assert (back["version"], back["now"], back["replaced"]) == (first, "live", second["version"])
    text = run(place, "list", "probe").output
    assert "live" in text and "open" in text and "file " not in text
    shown = answer(place, "show", first)
    assert (shown["state"], shown["live_in"], shown["trials"]) == ("live", ["open"], 0)
    assert [p["to"] for p in shown["promotions"]] == ["paper", "live", "live"]
    assert [r["kind"] for r in shown["results"]] == ["backtest", "detectors"]
    text = run(place, "show", second["version"]).output
    assert f"lineage: {first} (live) → {second['version']} (paper)" in text and "9 ticks" in text


def test_a_refusal_is_exit_code_one_with_every_reason(place: Path) -> None:
    (place / "gates.yaml").write_text("tested: {min_trades: 5000}\npaper: {max_data_age_days: 1}\n")
    done = run(place, "promote", written(place, 8), "--to", "paper")
    assert done.exit_code == 1
    assert "stays draft, paper is refused:" in done.output
    assert "at least 5,000 are asked" in done.output and "days old, at most 1 are asked" in done.output
    body = answer(place, "promote", written(place, 8), "--to", "paper")
    assert not body["passed"] and len(body["reasons"]) == 2 and body["verdicts"][0]["bound"] == 5000
    shown = answer(place, "show", "probe")
    assert [p["done"] for p in shown["promotions"]] == [False, False]
    assert "at least 5,000" in shown["promotions"][0]["against"][0]


def test_the_source_is_shown_as_it_was_stored(place: Path) -> None:
    version = answer(place, "register", written(place, 8))["version"]
    text = written(place, 8).read_text()
    written(place, 8).write_text("name: other\n")
    assert run(place, "show", version, "--source").output == text
    assert answer(place, "show", version, "--source")["source"] == text


def test_a_broken_database_is_told_and_hides_no_version(place: Path) -> None:
    version = answer(place, "register", written(place, 8))["version"]
    (place / "workbench.db").write_bytes(b"no database " * 1000)
    done = run(place, "list")
    assert done.exit_code == 0 and version in done.stdout and "is damaged" in done.stderr
    body = answer(place, "list")
    assert [(v["version"], v["state"]) for v in body["versions"]] == [(version, None)] and "damaged" in body["error"]
    done = run(place, "show", version)
    assert done.exit_code == 0 and "8 ticks" in done.stdout and "is damaged" in done.stderr


def test_wrong_usage_is_two_and_unknown_names_are_ours(place: Path) -> None:
    assert run(place, "promote", "probe").exit_code == 2  # --to is missing
    assert run(place, "diff", "one").exit_code == 2
    for arguments in (("promote", "none", "--to", "paper"), ("rollback", "none"), ("list", "none"), ("show", "none")):
        assert isinstance(run(place, *arguments).exception, InputError)
    assert isinstance(run(place, "promote", written(place, 8), "--to", "papr").exception, InputError)
