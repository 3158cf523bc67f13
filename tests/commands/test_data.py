"""`workbench data`: what a person types, what comes out, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from tests.storage.market_frames import CONTRACT, MONDAY, bars, ticks
from workbench.commands.data import app
from workbench.domain.bar import bars_schema
from workbench.domain.errors import GatewayError, InputError
from workbench.simulator.config import settings
from workbench.simulator.server import serve
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def answer(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "MESM25.parquet"
    bars(400).write_parquet(path)
    return path


def test_import_list_and_check_tell_the_same(home: Path, file: Path):
    [imported] = answer("import", file, "--contract", "MESM25")
    assert (imported["contract"], imported["timeframe"], imported["written"]) == (CONTRACT, "1m", 400)
    [listed] = answer("list")
    assert (listed["rows"], listed["first"]) == (400, "2025-03-17T13:30:00+00:00")
    [checked] = answer("check", "MESM25")
    assert checked["totals"]["present"] == checked["totals"]["expected"] == 400
    assert checked["gaps"] == []


def test_tables_name_contracts_by_their_code(home: Path, file: Path):
    assert "MESM25" in run("import", file, "--contract", "MESM25").stdout
    assert "MESM25" in run("list").stdout
    assert "MESM25 1m" in run("check", "--days").stdout


def test_an_import_says_how_it_read_the_file(home: Path, file: Path):
    said = run("import", file, "--contract", "MESM25").stderr
    assert "1m, zone UTC, stamps start" in said and "volume=volume" in said


def test_prints_are_imported_too(home: Path, tmp_path: Path):
    ticks(500).write_parquet(tmp_path / "ticks.parquet")
    [imported] = answer("import", tmp_path / "ticks.parquet", "--contract", "MESM25")
    assert (imported["timeframe"], imported["written"]) == ("ticks", 500)
    assert answer("list")[0]["timeframe"] == "ticks"


def test_columns_zone_and_stamp_can_be_said(home: Path, tmp_path: Path):
    end = pl.col("ts") + pl.duration(minutes=1)
    local = end.dt.convert_time_zone("America/Chicago").dt.strftime("%d.%m.%Y %H:%M")
    path = tmp_path / "export.csv"
    bars(400).with_columns(local).rename({"volume": "lots"}).write_csv(path, separator=";")
    zone, written = ("--zone", "America/Chicago"), ("--stamp", "end", "--format", "%d.%m.%Y %H:%M")
    answer("import", path, "--contract", "MESM25", "-t", "1m", "--column", "volume=lots", *zone, *written)
    assert BarStore(Home(home).market).read(CONTRACT, "1m").equals(bars(400))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["check", "MESM25"], "nothing is stored of CON.F.US.MES.M25"),
        (["check", "MESSM25"], "unknown"),
        (["import", "absent.parquet"], "is not there"),
        (["pull", "MES", "-t", "7m"], "unknown timeframe '7m'; did you mean"),
        (["pull", "MES", "--start", "yesterday"], "write 2025-03-16 or 2025-03-16T22:00Z"),
        (["pull", "MES", "--start", "2025-03-18", "--end", "2025-03-16"], "2025-03-18 is not before --end 2025-03-16"),
    ],
)
def test_what_a_person_gets_wrong_is_one_sentence(home: Path, arguments: list[str], text: str):
    with pytest.raises(InputError, match=text):
        run(*arguments)


def test_a_wrong_column_option_says_how_to_write_it(home: Path, file: Path):
    with pytest.raises(InputError, match="must be ROLE=NAME"):
        run("import", file, "--column", "volume")


def test_an_empty_home_is_said_to_be_empty(home: Path):
    assert "nothing is stored yet" in run("list").stdout
    assert answer("check") == []


def test_exit_codes_and_json_errors_of_the_whole_command(home: Path, tmp_path: Path):
    def workbench(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workbench.cli", "data", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert workbench("list", "--json").returncode == 0
    refused = workbench("import", str(tmp_path / "absent.csv"), "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["kind"] == "InputError"
    plain = workbench("import", str(tmp_path / "absent.csv"))
    assert plain.returncode == 1 and plain.stderr.startswith("workbench: ") and "Traceback" not in plain.stderr
    assert workbench("pull").returncode == 2


def test_no_gateway_is_a_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKBENCH_SIMULATOR_URL", "http://127.0.0.1:1")
    with pytest.raises(GatewayError, match=r"no simulator answers at .*workbench simulator"):
        run("pull", "MES")


async def test_pull_fetches_once_and_goes_on_where_it_was(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import asyncio

    recording = tmp_path / "recording.parquet"
    bars(400).with_columns(contract=pl.lit(CONTRACT)).write_parquet(recording)
    async with serve(settings(replay=recording, start="end")) as simulator:
        monkeypatch.setenv("WORKBENCH_SIMULATOR_URL", simulator.url)
        [first] = await asyncio.to_thread(answer, "pull", "MESM25", "-t", "1m", "--start", "2025-03-17")
        assert (first["received"], first["written"]) == (400, 400)
        [again] = await asyncio.to_thread(answer, "pull", "MESM25", "-t", "1m", "--start", "2025-03-17")
        assert again["written"] == again["replaced"] == 0
        told = await asyncio.to_thread(run, "pull", "MES", "-t", "1m", "--days", "1", "--again")
        assert "MESM25" in told.stdout and "bars" in told.stderr
    stored = BarStore(Home(home).market).read(CONTRACT, "1m")
    assert stored.equals(bars(400))
    assert stored.schema == bars_schema() and stored["ts"].to_physical()[0] == MONDAY
