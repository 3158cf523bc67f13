"""Sweeps as they are run: threads, Ctrl-C and resume, the ledger, memory, TPE, walk-forward, another engine's word."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.walk import CONTRACT, minute_bars
from workbench.backtest import kernel_runs
from workbench.backtest.costs import Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.random_entries import random_entries
from workbench.backtest.result import Result
from workbench.backtest.series import series
from workbench.backtest.sweep import RAW, MemoryLedger
from workbench.backtest.swept import Sweep
from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import Strategy, parse_strategy
from workbench.services.progress import is_watched, progress
from workbench.services.sweep_job import Job, SharedCache, pack, run_packed
from workbench.services.sweep_store import SweepStore
from workbench.services.sweeping import Where, sweep, walk_forward
from workbench.storage.home import Home

BARS = 30_000  # 22 trading dates
CROSS = """
name: cross
roots: [MES]
timeframe: 1m
constraints: [fast < slow]
parameters:
  fast: {default: 5, min: 2, max: 100, step: 1}
  slow: {default: 20, min: 3, max: 400, step: 1}
  stop: {default: 4.0, min: 0.5, max: 20}
  size: {default: 1, min: 0, max: 4}
entry:
  long: cross_above(sma(close, fast), sma(close, slow))
  short: cross_below(sma(close, fast), sma(close, slow))
stop: {atr: stop}
sizing: {contracts: size}
"""
GRID = {"fast": "5:14:1", "slow": "20:110:10"}  # 100 combinations, four chunks


@pytest.fixture(scope="module")
def job() -> Job:
    data = series(minute_bars(BARS), parse_contract(CONTRACT), timeframe("1m"))
    return Job(series=data, data_version="walk", costs=Costs(), limits=Limits(daily_loss_usd=Decimal(10**6)))


@pytest.fixture
def where(tmp_path: Path) -> Where:
    return Where(home=Home(tmp_path), ledger=MemoryLedger(), jobs=2, progress=False)


def cross() -> Strategy:
    return parse_strategy(CROSS)


def same(one: Sweep, other: Sweep) -> bool:
    return (
        np.array_equal(one.table, other.table)
        and np.array_equal(one.chunk.raw, other.chunk.raw, equal_nan=True)
        and np.array_equal(one.chunk.daily, other.chunk.daily)
        and one.chunk.refusals == other.chunk.refusals
    )


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs the engine made."""
    runs = [0]
    whole = kernel_runs.play

    def play(*args):
        runs[0] += 1
        return whole(*args)

    monkeypatch.setattr(kernel_runs, "play", play)
    return runs


def interrupt_after(chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes when so many chunks are kept."""
    kept = [0]
    save = SweepStore.save

    def saving(self, *args):
        if kept[0] == chunks:
            raise KeyboardInterrupt
        kept[0] += 1
        save(self, *args)

    monkeypatch.setattr(SweepStore, "save", saving)


class TestSweep:
    def test_every_row_is_what_the_event_engine_finds_alone(self, job: Job, where: Where):
        made = sweep(cross(), job, GRID, where=where)
        assert len(made) == 100
        for row in (0, 37, 99):
            values = made.space.values(made.table[row])
            chosen = cross().with_parameters(**values)
            stats = Result(chosen, job.series, job.prepared.run(chosen, engine="event")).stats
            shown = made.frame.iloc[row]
            for name in ("net_usd", "trades", "win_rate", "profit_factor", "expectancy_usd", "max_drawdown_usd"):
                assert shown[name] == pytest.approx(stats[name], abs=1e-6), name
            for name in ("sharpe_daily", "exposure", "costs_usd", "trades_per_day", "worst_day_usd", "refused"):
                assert shown[name] == pytest.approx(stats[name], abs=1e-6), name

    def test_threads_change_nothing(self, job: Job, where: Where):
        one = sweep(cross(), job, GRID, where=replace(where, jobs=1))
        assert same(one, sweep(cross(), job, GRID, where=replace(where, jobs=3)))

    def test_another_process_comes_to_the_same(self, job: Job, where: Where):
        made = sweep(cross(), job, {"fast": [5, 6], "slow": [20, 30]}, where=where)
        chunk = run_packed(pack(job, made.space), "key", made.table)
        assert np.array_equal(chunk.raw, made.chunk.raw)
        assert np.array_equal(chunk.daily, made.chunk.daily)

    def test_shared_columns_are_computed_once_and_others_not_kept(self, job: Job, where: Where):
        fresh = replace(job)
        sweep(cross(), fresh, GRID, where=replace(where, jobs=1))
        keys = list(fresh.cache._columns)
        assert sum(key.startswith("sma") for key in keys) == 20  # ten fast, ten slow
        assert not any(key.startswith("cross") for key in keys)

    def test_a_combination_with_a_senseless_setting_is_refused_alone(self, job: Job, where: Where):
        made = sweep(cross(), job, {"size": [0, 1, 2]}, where=where)
        assert made.frame["refusal"].notna().tolist() == [True, False, False]
        assert where.ledger.count("cross") == 2
        assert made.frame["net_usd"].isna().tolist() == [True, False, False]

    def test_runs_made_ready_together_are_as_if_alone_with_refused_ones_among_them(self, job: Job, where: Where):
        made = sweep(cross(), job, {"fast": "5:14:1", "size": [1, 0, 2]}, where=where)
        assert len(made.chunk.refusals) == 10
        for row, values in enumerate(map(made.space.values, made.table)):
            if not values["size"]:
                assert np.isnan(made.chunk.raw[row]).all()
                continue
            alone = job.prepared.summarise(cross().with_parameters(**values))
            assert made.chunk.raw[row].tolist() == [getattr(alone, name) for name in RAW]
            assert np.array_equal(made.daily[row], alone.daily)

    def test_full_results_of_single_combinations(self, job: Job, where: Where):
        def result(chosen: Strategy) -> Result:
            return Result(chosen, job.series, job.prepared.run(chosen))

        made = sweep(cross(), job, GRID, where=where, result=result)
        assert made.result().stats["net_usd"] == pytest.approx(made.frame["net_usd"].iloc[made.row])
        assert made.result(fast=5, slow=20).stats["trades"] == made.frame["trades"].iloc[0]
        order = made.monte_carlo
        assert order.drawdown_usd > 0
        assert order.quantiles[5] <= order.quantiles[99]


class TestInterruption:
    def test_ctrl_c_keeps_what_is_done_and_resume_goes_on(
        self, job: Job, where: Where, monkeypatch: pytest.MonkeyPatch, counted: list[int]
    ):
        whole = sweep(cross(), job, GRID, where=replace(where, home=Home(where.home.path / "other")))
        counted[0] = 0
        where = replace(where, ledger=MemoryLedger(), jobs=1)
        with monkeypatch.context() as patched:
            interrupt_after(2, patched)
            part = sweep(cross(), job, GRID, where=where)
        assert not part.is_complete
        assert 64 <= len(part) < 100
        assert "interrupted" in part.summary()
        assert where.ledger.count("cross") == part.trials == len(part)
        done, counted[0] = len(part), 0
        rest = sweep(cross(), job, GRID, where=replace(where, resume=True))
        assert rest.is_complete
        assert same(rest, whole)
        assert counted[0] == 100 - done
        assert where.ledger.count("cross") == 100

    def test_resume_by_address_takes_no_other_sweep(self, job: Job, where: Where):
        made = sweep(cross(), job, {"fast": [5, 6]}, where=where)
        key = made.provenance["sweep"]
        assert same(made, sweep(cross(), job, {"fast": [5, 6]}, where=replace(where, resume=key)))
        with pytest.raises(InputError, match="is another sweep"):
            sweep(cross(), job, {"fast": [5, 7]}, where=replace(where, resume=key))
        with pytest.raises(InputError, match="is no sweep of these"):
            sweep(cross(), job, {"fast": [5, 6]}, where=replace(where, resume="0123"))

    def test_costs_bars_and_fixed_values_make_another_address(self, job: Job, where: Where):
        made = sweep(cross(), job, {"fast": [5, 6]}, where=where)
        key = made.provenance["sweep"]
        dear = replace(job, costs=Costs(slippage_ticks=3))
        others = [
            sweep(cross(), dear, {"fast": [5, 6]}, where=where),
            sweep(cross(), replace(job, data_version="other"), {"fast": [5, 6]}, where=where),
            sweep(cross(), job, {"fast": [5, 6], "slow": 30}, where=where),
            sweep(cross(), replace(job, touch=True), {"fast": [5, 6]}, where=where),
        ]
        assert len({key, *(other.provenance["sweep"] for other in others)}) == 5

    @pytest.mark.parametrize(
        "damage",
        [
            lambda held: b"PK half a file",
            lambda held: held[: len(held) // 2],
            lambda held: held[:200] + bytes([held[200] ^ 255]) + held[201:],
            lambda held: b"",
        ],
        ids=["other", "half", "flipped", "empty"],
    )
    def test_a_damaged_file_is_made_again(self, job: Job, where: Where, counted: list[int], damage):
        made = sweep(cross(), job, GRID, where=where)
        path = where.home.path / "sweeps" / made.provenance["sweep"] / "chunk-000001.npz"
        path.write_bytes(damage(path.read_bytes()))
        counted[0] = 0
        assert same(made, sweep(cross(), job, GRID, where=replace(where, resume=True)))
        assert counted[0] == 32

    def test_a_home_that_cannot_be_written_costs_only_the_resume(self, job: Job, where: Where, tmp_path: Path):
        (tmp_path / "sweeps").write_text("a file where the folder should be")
        assert len(sweep(cross(), job, {"fast": [5, 6]}, where=where)) == 2


class TestLedger:
    def test_every_trial_counts_once_and_deflates(self, job: Job, where: Where):
        first = sweep(cross(), job, GRID, where=where)
        again = sweep(cross(), job, GRID, where=where)
        assert (first.trials, again.trials) == (100, 100)
        more = sweep(cross(), job, {**GRID, "stop": [2.0, 3.0]}, where=where)
        assert more.trials == 300
        assert more.overfit.trials == 300
        told = where.ledger.rows[0]
        assert told[:3] == ("cross", "walk", 100)
        assert set(told[4]) == {"first", "last", "sweep", "sharpe_variance", "pbo"}

    def test_the_ledger_of_the_home_keeps_count(self, job: Job, where: Where, tmp_path: Path):
        from workbench.storage.ledger import Trials

        ledger = Trials(Home(tmp_path))
        made = sweep(cross(), job, {"fast": [5, 6, 7]}, where=replace(where, ledger=ledger))
        assert Trials(Home(tmp_path)).count("cross") == made.trials == 3

    def test_a_ledger_that_cannot_be_written_costs_no_results_and_is_made_good(self, job: Job, where: Where):
        class Full(MemoryLedger):
            def add(self, *args: object, **kwargs: object) -> None:
                raise StorageError("the disk is full")

        with pytest.warns(UserWarning, match="3 trials of cross could not be counted: the disk is full"):
            made = sweep(cross(), job, {"fast": [5, 6, 7]}, where=replace(where, ledger=Full()))
        assert (len(made), made.trials) == (3, 3)
        ledger = MemoryLedger()
        sweep(cross(), job, {"fast": [5, 6, 7]}, where=replace(where, ledger=ledger, resume=True))
        assert ledger.count("cross") == 3


class TestSearch:
    def test_random_search_is_the_same_with_the_same_seed(self, job: Job, where: Where):
        given = {"fast": ..., "slow": ..., "stop": "0.5:20"}
        one = sweep(cross(), job, given, where=where, method="random", trials=20, seed=4)
        other = sweep(cross(), job, given, where=where, method="random", trials=20, seed=4)
        assert same(one, other)
        assert len(one) == 20

    def test_tpe_asks_the_same_however_many_threads_and_goes_on_where_it_was(
        self, job: Job, where: Where, counted: list[int]
    ):
        given = {"fast": ..., "slow": ...}
        one = sweep(cross(), job, given, where=replace(where, jobs=1), method="tpe", trials=40, seed=2)
        assert len(one) == 40
        counted[0] = 0
        again = sweep(cross(), job, given, where=replace(where, jobs=3, resume=True), method="tpe", trials=40, seed=2)
        assert same(one, again)
        assert counted[0] == 0

    @pytest.mark.parametrize(
        ("options", "error", "said"),
        [
            ({"method": "gird"}, UnknownName, "did you mean grid"),
            ({"metric": "sharp_daily"}, UnknownName, "did you mean sharpe_daily"),
            ({"trials": 5}, InputError, "a grid runs every combination"),
            ({"method": "tpe", "trials": 0}, InputError, "trials=0 must be"),
        ],
    )
    def test_bad_options_say_what_to_write(self, job: Job, where: Where, options: dict, error: type, said: str):
        with pytest.raises(error, match=said):
            sweep(cross(), job, {"fast": [5, 6]}, where=where, **options)

    @pytest.mark.parametrize("jobs", [0, -1, 1.5, True])
    def test_jobs_are_a_count(self, job: Job, where: Where, jobs: object):
        with pytest.raises(InputError, match="jobs"):
            sweep(cross(), job, {"fast": [5, 6]}, where=replace(where, jobs=jobs))

    def test_more_memory_than_allowed_is_refused_before_anything_runs(self, job: Job, where: Where, counted: list[int]):
        with pytest.raises(InputError, match=r"100 combinations over 22 trading dates take about .* GB.*most_bytes="):
            sweep(cross(), job, GRID, where=replace(where, most_bytes=10_000))
        assert counted[0] == 0


class TestWalkForward:
    def test_each_window_is_a_run_of_its_own_that_begins_flat(self, job: Job, where: Where):
        made = walk_forward(cross(), job, GRID, where=where, train=10, test=5, purge=1, embargo=1)
        assert len(made.steps) == 3  # 22 dates: tests on 11–15, 16–20, 21
        step = made.steps[0]
        assert (step.window.train, step.window.test) == ((0, 9), (11, 16))
        first, last = job.bars_of((11, 16))
        alone = job.prepared.run(cross().with_parameters(**step.values), first=first, last=last)
        curve = Result(cross(), job.series, alone).equity["equity_usd"]  # marked at the last close of the window
        assert step.outside["net_usd"] == pytest.approx(curve.iloc[last - 1])
        assert alone.fills.bar.min() > first
        inside = [
            job.prepared.summarise(cross().with_parameters(fast=f, slow=s), first=0, last=job.bars_of((0, 9))[1])
            for f, s in [(5, 20), (14, 110), tuple(step.values.values())]
        ]
        sharpe = [i.daily[:9].mean() / i.daily[:9].std(ddof=1) for i in inside]
        assert max(sharpe) == sharpe[2]
        assert where.ledger.count("cross") == 100

    def test_a_sweep_walks_on_its_own_bars(self, job: Job, where: Where):
        made = sweep(cross(), job, {"fast": [5, 9], "slow": [20, 60]}, where=where, metric="net_usd")
        walked = made.walk_forward(train=8, test=7)
        assert walked.metric == "net_usd"
        assert len(walked.daily) == 14

    def test_unknown_methods_are_refused(self, job: Job, where: Where):
        with pytest.raises(UnknownName, match="method of a walk-forward"):
            walk_forward(cross(), job, GRID, where=where, train=8, test=7, method="tpe")


class TestRandomEntries:
    def test_trade_as_often_and_are_the_same_with_the_same_seed(self, job: Job):
        own = job.prepared.summarise(cross())
        made = random_entries(job.prepared, cross(), samples=30, seed=3)
        assert made.trades == pytest.approx(own.trades, rel=0.1)
        assert made.net_usd == own.net_usd
        assert made == random_entries(job.prepared, cross(), samples=30, seed=3)
        assert made != random_entries(job.prepared, cross(), samples=30, seed=4)

    def test_entries_that_know_something_beat_all_random_ones(self):
        frame = minute_bars(6000)
        lift = np.zeros(6000, dtype=np.int64)
        marks = np.arange(50, 5900, 60)
        for mark in marks:  # after a burst of volume the price rises by 40 ticks in five bars
            lift[mark + 1 : mark + 6] += 8
        rise = np.cumsum(lift) * 0.25
        volume = frame["volume"].to_numpy().copy()
        volume[marks] = 5000
        frame = frame.with_columns(
            **{name: frame[name].to_numpy() + rise for name in ("close", "high")},
            **{name: frame[name].to_numpy() + np.concatenate([[0], rise[:-1]]) for name in ("open", "low")},
            volume=volume,
        )
        burst = parse_strategy(
            "name: burst\nroots: [MES]\ntimeframe: 1m\nentry: {long: volume > 4000}\nexit: {after_bars: 5}\n"
        )
        prepared = Prepared(series=series(frame, parse_contract(CONTRACT), timeframe("1m")), limits=Limits())
        made = random_entries(prepared, burst, samples=40, seed=1)
        assert made.better == pytest.approx(1 / 41)
        assert made.quantiles[99] < made.net_usd

    def test_no_trades_leave_nothing_to_compare(self, job: Job):
        never = parse_strategy("name: never\nroots: [MES]\ntimeframe: 1m\nentry: {long: close < 0}\n")
        made = random_entries(job.prepared, never)
        assert made.better is None
        assert "closed no trade" in made.reason


class TestAround:
    def test_a_cluster_that_does_not_answer_is_named(self, job: Job, where: Where, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("workbench.services.sweep_pool._CONNECT_S", 0.5)
        with pytest.raises(InputError, match=r"no dask scheduler answers at 'tcp://127\.0\.0\.1:9'"):
            sweep(cross(), job, {"fast": [5, 6]}, where=replace(where, cluster="tcp://127.0.0.1:9"))

    def test_no_bar_is_drawn_where_nobody_looks(self, capsys: pytest.CaptureFixture[str]):
        assert not is_watched()
        with progress("text", 3) as tick:
            tick(3)
        assert capsys.readouterr() == ("", "")

    def test_a_bar_is_drawn_on_demand(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("TERM", "xterm")
        with progress("twelve combinations", 12, show=True) as tick:
            tick(12)
        assert "twelve combinations" in capsys.readouterr().err

    def test_a_cache_of_many_threads_passes_what_nobody_shares(self):
        cache = SharedCache(10_000)
        cache.passing.add("alone")
        cache.put("alone", np.zeros(10))
        cache.put("shared", np.zeros(10))
        assert cache.get("alone") is None
        assert cache.get("shared") is not None
