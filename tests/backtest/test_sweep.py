"""What a sweep keeps and says: metrics by hand, the best, its neighbours, its luck, its pictures."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backtest.sweeps import Known, crossing, hill, noisy, summary, swept
from workbench.backtest.luck import judge
from workbench.backtest.neighbours import neighbours
from workbench.backtest.overfit import deflated_sharpe, moments
from workbench.backtest.search import grid, space
from workbench.backtest.sweep import (
    METRICS,
    RAW,
    MemoryLedger,
    chunk_bounds,
    estimated_bytes,
    joined,
    metrics,
    require_metric,
    run_chunk,
)
from workbench.domain.errors import InputError, UnknownName


def raw(daily: np.ndarray, trades: int = 4) -> np.ndarray:
    made = summary(daily, trades)
    return np.array([[float(getattr(made, name)) for name in RAW]])


class TestMetrics:
    def test_by_hand(self):
        daily = np.array([3.0, -1.0, 4.0, -2.0, 1.0])  # four trades: 3, -1, 4, -2
        made = {name: column[0] for name, column in metrics(raw(daily), daily[None, :], 100).items()}
        assert made["net_usd"] == 5.0
        assert made["sharpe_daily"] == pytest.approx(1.0 / math.sqrt(26 / 4) * math.sqrt(252))  # mean 1, Σ(x−1)² = 26
        assert made["sortino"] == pytest.approx(1.0 / math.sqrt(5 / 5) * math.sqrt(252))  # (1 + 4) / 5 dates
        assert made["win_rate"] == 0.5
        assert made["profit_factor"] == pytest.approx(7 / 3)
        assert made["expectancy_usd"] == 1.0
        assert made["t_trades"] == pytest.approx(1.0 / math.sqrt(26 / 3 / 4))  # 2² + 2² + 3² + 3² = 26
        assert made["max_drawdown_usd"] == 2.0
        assert made["net_to_drawdown"] == 2.5
        assert (made["best_day_usd"], made["worst_day_usd"]) == (4.0, -2.0)
        assert (made["exposure"], made["trades_per_day"]) == (0.25, 0.8)

    def test_what_is_undefined_is_nan_not_infinite(self):
        never = np.zeros(5)
        made = metrics(raw(never, trades=0), never[None, :], 100)
        undefined = {name for name, column in made.items() if math.isnan(column[0])}
        assert undefined == {
            *("sharpe_daily", "sortino", "win_rate", "profit_factor"),
            *("expectancy_usd", "t_trades", "net_to_drawdown"),
        }
        winners = np.array([1.0, 2.0, 1.0, 2.0])
        assert math.isnan(metrics(raw(winners), winners[None, :], 100)["profit_factor"][0])

    def test_every_metric_has_a_direction_and_is_there(self):
        daily = np.array([3.0, -1.0, 4.0, -2.0, 1.0])
        assert set(metrics(raw(daily), daily[None, :], 100)) == set(METRICS)

    def test_an_unknown_metric_gets_did_you_mean(self):
        with pytest.raises(UnknownName, match="did you mean sharpe_daily"):
            require_metric("sharpe")


class TestChunks:
    @given(st.integers(1, 100_000))
    def test_cover_every_combination_once_and_are_not_too_many(self, count: int):
        bounds = chunk_bounds(count)
        assert bounds[0][0] == 0
        assert bounds[-1][1] == count
        assert all(a[1] == b[0] for a, b in pairwise(bounds))
        assert len(bounds) <= 256

    def test_a_combination_the_strategy_refuses_does_not_stop_the_rest(self):
        made = swept(hill, fast=[12, 13, 14], slow=[20, 30])
        assert made.frame["refusal"].notna().tolist() == [False, False, True, True, False, False]
        assert made.best == {"fast": 14, "slow": 30}
        assert "2 refused by the strategy" in made.summary()

    def test_chunks_join_to_the_whole(self):
        of = space(crossing(), {"fast": "5:15:1", "slow": "20:40:5"})
        table = grid(of).table
        whole = run_chunk(Known(noisy), of, table, 40)
        parts = [run_chunk(Known(noisy), of, table[a : a + 7], 40) for a in range(0, len(table), 7)]
        assert np.array_equal(joined(parts).raw, whole.raw, equal_nan=True)
        assert np.array_equal(joined(parts).daily, whole.daily)
        assert joined(parts).refusals == whole.refusals
        assert [row for row, _ in whole.refusals] == [i for i, row in enumerate(table) if row[0] == 13]

    def test_a_stopped_chunk_is_nothing(self):
        of = space(crossing(), {"fast": [5, 6, 7]})
        runs = Known(noisy)
        assert run_chunk(runs, of, grid(of).table, 40, is_stopped=lambda: runs.runs == 2) is None
        assert runs.runs == 2

    def test_memory_grows_with_combinations_and_dates(self):
        assert estimated_bytes(1000, 250, 100_000, 0) == 2 * 1000 * (250 + len(RAW) + len(METRICS)) * 8 + 8_000_000


class TestSweep:
    def test_frame_has_parameters_and_metrics_in_the_order_of_the_grid(self):
        frame = swept(hill, fast=[10, 30], slow=[53, 103]).frame
        assert frame[["fast", "slow"]].to_numpy().tolist() == [[10, 53], [10, 103], [30, 53], [30, 103]]
        assert frame["fast"].dtype.kind == "i"
        assert frame["net_usd"].iloc[3] == pytest.approx(hill(30, 103).sum())

    def test_the_best_is_the_top_of_the_hill(self):
        made = swept(hill, fast="20:40:5", slow="83:123:10")
        assert made.best == {"fast": 30, "slow": 103}
        assert made.strategy.values == {"fast": 30, "slow": 103}
        assert made.top(1)[["fast", "slow"]].to_numpy().tolist() == [[30, 103]]
        top = made.top(5)["sharpe_daily"].to_numpy()
        assert (np.diff(top) <= 0).all()

    def test_less_drawdown_is_better(self):
        made = swept(noisy, fast="5:12:1")
        best = swept(noisy, fast="5:12:1").frame["max_drawdown_usd"].idxmin()
        object.__setattr__(made, "metric", "max_drawdown_usd")
        assert made.best["fast"] == made.frame["fast"].iloc[best]

    def test_equity_is_the_running_sum_of_the_days(self):
        made = swept(noisy, fast=[5, 6])
        curve = made.equity(fast=6)
        assert curve.iloc[-1] == pytest.approx(noisy(6, 20).sum())
        assert str(curve.index[0].date()) == "2025-01-06"

    def test_asks_for_what_was_not_run_end_with_a_sentence(self):
        made = swept(noisy, fast=[5, 6])
        with pytest.raises(InputError, match="was not run"):
            made.equity(fast=7)
        with pytest.raises(UnknownName, match="did you mean fast"):
            made.equity(fsat=7)
        with pytest.raises(InputError, match="without its bars"):
            made.result()

    def test_nothing_traded_has_no_best(self):
        made = swept(lambda fast, slow: np.zeros(40), fast=[5, 6])
        with pytest.raises(InputError, match="none of 2 combinations has a sharpe_daily"):
            _ = made.best

    def test_shows_itself(self):
        made = swept(noisy, fast="5:12:1", slow=[20, 25])
        assert "16 combinations (grid)" in str(made)
        assert "luck" in made._repr_html_()
        assert repr(made).startswith("<Sweep probe:")

    def test_heat_map_holds_the_metric_of_each_cell(self):
        made = swept(hill, fast="28:32:1", slow="98:108:5")
        figure = made.heatmap()
        cells = np.array(figure.data[0].z)
        assert cells.shape == (3, 5)
        row = made.frame.query("fast == 31 and slow == 98")["sharpe_daily"].iloc[0]
        assert cells[0, 3] == pytest.approx(row)
        assert (figure.data[1].x[0], figure.data[1].y[0]) == (30, 103)

    def test_a_heat_map_of_one_parameter_is_a_line(self):
        figure = swept(hill, fast="28:32:1", slow=103).heatmap(metric="net_usd")
        assert list(figure.data[0].x) == [28, 29, 30, 31, 32]

    def test_a_heat_map_of_an_unknown_parameter_gets_did_you_mean(self):
        with pytest.raises(UnknownName, match="did you mean slow"):
            swept(hill, fast=[5, 6], slow=[20, 30]).heatmap("fast", "solw")

    def test_a_heat_map_of_a_parameter_against_itself_is_refused(self):
        with pytest.raises(InputError, match="x and y are both fast"):
            swept(hill, fast=[5, 6], slow=[20, 30]).heatmap("fast", "fast")


class TestStability:
    def test_neighbours_are_one_step_away_on_the_grid(self):
        of = space(crossing(), {"fast": [5, 10, 20, 40], "slow": [50, 53, 98]})
        table = grid(of).table
        best = int(np.flatnonzero((table == (10, 53)).all(axis=1))[0])
        found = {tuple(row) for row in table[neighbours(table, of.axes, best)].tolist()}
        assert found == {(f, s) for f in (5, 10, 20) for s in (50, 53, 98)} - {(10, 53)}

    def test_a_corner_has_fewer(self):
        of = space(crossing(), {"fast": [5, 10], "slow": [50, 53, 98]})
        assert len(neighbours(grid(of).table, of.axes, 0)) == 3

    def test_points_on_no_grid_have_nearest_ones(self):
        of = space(crossing(), {"fast": ..., "slow": ...})
        table = np.array([[50.0, 203.0], [52.0, 218.0], [90.0, 3.0], [48.0, 188.0]])
        assert neighbours(table, of.axes, 0).tolist() == [1, 2, 3]

    def test_a_plateau_keeps_what_a_needle_loses(self):
        plateau = swept(hill, fast="20:40:1", slow="83:123:5").stability
        assert plateau.neighbours == 8
        assert plateau.kept > 0.9
        needle = swept(
            lambda f, s: hill(30, 103) * (1 if f == 30 and s == 103 else -1), fast="20:40:1", slow="83:123:5"
        )
        assert needle.stability.kept < 0
        assert needle.stability.profitable == 0.0


class TestLuck:
    def test_noise_is_called_luck(self):
        verdict = swept(noisy, fast="5:12:1", slow="20:60:5").overfit
        assert verdict.is_likely_luck is not False
        assert verdict.sentence.startswith("This")

    def test_the_count_of_the_ledger_deflates(self):
        made = swept(noisy, fast="14:24:1", slow="30:60:5")
        few = made.overfit
        many = judge(made.daily, made.row, 1_000_000)
        assert many.deflated_sharpe < few.deflated_sharpe
        assert many.trials == 1_000_000
        shape = moments(made.daily[made.row])
        daily = made.daily.mean(axis=1) / made.daily.std(axis=1, ddof=1)
        assert many.deflated_sharpe == deflated_sharpe(
            shape.sharpe, 40, trials=1_000_000, variance=float(np.var(daily, ddof=1)),
            skew=shape.skew, kurtosis=shape.kurtosis,
        )  # fmt: skip

    def test_real_skill_in_every_combination_is_not_called_luck(self):
        days = np.random.default_rng(3).normal(0, 10, (60, 400))
        daily = days + 3.0 + np.linspace(0, 5, 60)[:, None]
        verdict = judge(daily, 59, 60)
        assert verdict.is_likely_luck is False
        assert verdict.sentence.startswith("Luck alone hardly explains this")

    def test_what_cannot_be_known_is_none_with_a_reason(self):
        verdict = judge(np.array([[1.0, 2.0, -1.0, 3.0]]), 0, 1)
        assert verdict.pbo is None
        assert verdict.hansen is None
        assert set(verdict.reasons) == {"pbo", "reality_check"}
        assert "too few" in verdict.sentence
        assert verdict.as_dict()["sentence"] == verdict.sentence

    @given(st.integers(0, 500))
    @settings(max_examples=15)
    def test_fewer_trials_than_combinations_are_never_believed(self, trials: int):
        daily = np.random.default_rng(4).normal(0, 1, (30, 40))
        assert judge(daily, 0, trials, samples=20).trials == max(30, trials)

    def test_a_ledger_counts_over_sweeps_of_one_name(self):
        ledger = MemoryLedger()
        ledger.add("a", "data", 5, "grid")
        ledger.add("b", "data", 7, "grid")
        ledger.add("a", "other", 6, "tpe")
        assert ledger.count("a") == 11
