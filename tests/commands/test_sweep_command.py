"""`workbench sweep` on the command line, and `wb.sweep` and `wb.walk_forward` over the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from tests.benchmarks.walk import minute_bars
from workbench.backtest.costs import Costs
from workbench.commands import backtest as backtest_command
from workbench.commands import sweep
from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError, UnknownName
from workbench.research import backtest
from workbench.research_sweep import sweep as wb_sweep
from workbench.research_sweep import walk_forward
from workbench.services import sweep_store
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

CONTRACT = parse_contract("MESH22").id
app = typer.Typer()
sweep.register(app)
backtest_command.register(app)  # an app of one command would not have it by name


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    BarStore(Home(folder).market).write(CONTRACT, "1m", minute_bars(20_000), source="test")
    return folder


class TestCommand:
    def test_prints_the_best_and_its_luck(self, place: Path):
        done = run("sweep", "sma_cross", "--set", "fast=5:15:5", "-s", "slow=20,40", "--home", place)
        assert done.exit_code == 0, done.output
        lines = done.stdout.splitlines()
        assert any(line.startswith("sma_cross: 6 combinations (grid); best sharpe_daily") for line in lines)
        assert "luck" in lines[-1]
        assert "sharpe_daily" in done.stdout

    def test_json_has_it_all(self, place: Path, tmp_path: Path):
        table = tmp_path / "all.csv"
        done = run(
            "sweep", "sma_cross", "-s", "fast=5:15:5", "-s", "slow=20,40", "-s", "stop=2.5", "--metric", "net_usd",
            "--top", 2, "--csv", table, "--home", place, "--json",
        )  # fmt: skip
        answer = json.loads(done.stdout)
        assert len(answer["top"]) == 2
        assert answer["top"][0]["net_usd"] >= answer["top"][1]["net_usd"]
        assert answer["best"] == {name: answer["top"][0][name] for name in ("fast", "slow")}
        assert answer["trials"] >= answer["combinations"] == answer["planned"] == 6
        assert set(answer["overfit"]) >= {"deflated_sharpe", "pbo", "sentence", "reasons"}
        assert len(pd.read_csv(table)) == 6

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            ("fsat=5,10", "did you mean fast"),
            ("fast", "must be name=low:high:step"),
            ("fast=", "must be name=low:high:step"),
            ("fast=50:5:5", "write 5:50:5"),
            ("fast=9", "nothing to vary"),
        ],
    )
    def test_wrong_sets_end_with_a_sentence(self, place: Path, written: str, said: str):
        done = run("sweep", "sma_cross", "--set", written, "--home", place)
        assert done.exit_code == 1
        assert said in str(done.exception)

    def test_one_parameter_twice_is_refused(self, place: Path):
        done = run("sweep", "sma_cross", "-s", "fast=5", "-s", "fast=6", "--home", place)
        assert "given twice" in str(done.exception)

    def test_interrupted_it_says_how_to_go_on(self, place: Path, monkeypatch: pytest.MonkeyPatch):
        save, kept = sweep_store.SweepStore.save, []

        def saving(self, *args):
            if len(kept) == 1:
                raise KeyboardInterrupt
            kept.append(1)
            save(self, *args)

        words = ("sweep", "sma_cross", "-s", "fast=4:13:1", "-s", "slow=20:60:10", "--jobs", 1, "--home", place)
        with monkeypatch.context() as patched:
            patched.setattr(sweep_store.SweepStore, "save", saving)
            done = run(*words)
        assert done.exit_code == 1
        assert "of 50, interrupted" in done.stdout
        done = run(*words, "--resume")
        assert done.exit_code == 0
        assert "50 combinations" in done.stdout


class TestNotebook:
    def test_the_best_is_what_a_backtest_of_it_says(self, place: Path):
        made = wb_sweep("sma_cross", fast=[5, 10], slow=[30, 60], home=place, costs=Costs(slippage_ticks=2))
        alone = backtest("sma_cross", home=place, costs=Costs(slippage_ticks=2), **made.best)
        assert alone.stats["net_usd"] == pytest.approx(made.top(1)["net_usd"].iloc[0])
        assert made.result().stats == alone.stats
        assert made.result().provenance["parameters"]["fast"] == made.best["fast"]
        assert made.provenance["data"]["contract"] == CONTRACT

    def test_slippage_is_of_the_costs_that_were_given(self, place: Path):
        cheap = wb_sweep("sma_cross", fast=[5, 10], home=place, costs=Costs(slippage_ticks=1))
        dear = wb_sweep("sma_cross", fast=[5, 10], home=place, costs=Costs(slippage_ticks=5))
        assert (dear.frame["net_usd"] < cheap.frame["net_usd"]).all()

    def test_the_firm_holds_a_sweep_to_its_rules(self, place: Path):
        given = {"fast": [5, 10], "slow": [20, 30], "contracts": 5}
        free = wb_sweep("sma_cross", home=place, **given)
        held = wb_sweep("sma_cross", home=place, account="topstep-50k", **given)
        alone = backtest("sma_cross", home=place, account="topstep-50k", contracts=5, **held.best)
        assert held.top(1)["net_usd"].iloc[0] == pytest.approx(alone.stats["net_usd"])
        assert (held.frame["trades"] != free.frame["trades"]).any()
        assert held.provenance["sweep"] != free.provenance["sweep"]

    def test_a_strategy_in_python_is_swept_by_the_event_engine(self, place: Path):
        made = wb_sweep("volatility_breakout", quiet=[4, 8], calm=[1.6], home=place)
        alone = backtest("volatility_breakout", home=place, quiet=8, calm=1.6)
        row = made.frame[made.frame["quiet"] == 8].iloc[0]
        assert (row["trades"], row["net_usd"]) == (alone.stats["trades"], pytest.approx(alone.stats["net_usd"]))
        assert made.provenance["engine"] == "event" and alone.stats["trades"] > 0

    def test_walk_forward_over_the_store(self, place: Path):
        made = walk_forward("sma_cross", train=6, test=4, home=place, fast=[5, 10], slow=[30, 60])
        assert len(made.frame) == len(made.steps) >= 2
        assert made.stats["net_usd"] == pytest.approx(made.daily.sum())

    def test_walk_forward_of_a_sweep_is_the_same(self, place: Path):
        made = wb_sweep("sma_cross", fast=[5, 10], slow=[30, 60], home=place)
        other = walk_forward("sma_cross", train=6, test=4, home=place, fast=[5, 10], slow=[30, 60])
        assert made.walk_forward(train=6, test=4).frame.equals(other.frame)

    def test_random_entries_and_heat_map(self, place: Path):
        made = wb_sweep("sma_cross", fast=[5, 10], slow=[30, 60], home=place)
        assert 0 < made.random_entries(20).better <= 1
        assert len(made.heatmap("slow", "fast").data) == 2

    def test_what_is_wrong_is_said(self, place: Path):
        with pytest.raises(UnknownName, match="did you mean slow"):
            wb_sweep("sma_cross", slwo=[30, 60], home=place)
        with pytest.raises(InputError, match="train=400"):
            walk_forward("sma_cross", train=400, test=4, home=place, fast=[5, 10])
