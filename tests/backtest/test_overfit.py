"""Luck, told apart: the papers' own examples, hand calculations and brute force; laws by hypothesis."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as witness

from workbench.backtest.cscv import overfitting
from workbench.backtest.overfit import (
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
)

YEAR = math.sqrt(250)  # the papers annualise by 250 dates


def noise(dates: int, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((dates, count))


class TestPublishedNumbers:
    """Bailey and López de Prado, Journal of Risk 2012 and Journal of Portfolio Management 2014."""

    def test_two_years_of_monthly_returns_look_worse_once_their_tails_count(self):
        assert probabilistic_sharpe(0.458, 24) == pytest.approx(0.982, abs=5e-4)
        assert probabilistic_sharpe(0.458, 24, skew=-2.448, kurtosis=10.164) == pytest.approx(0.913, abs=5e-4)

    @pytest.mark.parametrize(("periods", "years"), [(250, 2.73), (52, 2.83), (12, 3.24)])
    def test_track_record_for_a_yearly_two_against_one(self, periods: int, years: float):
        made = minimum_track_record(2 / math.sqrt(periods), benchmark=1 / math.sqrt(periods))
        assert made / periods == pytest.approx(years, abs=5e-3)

    def test_bad_tails_take_almost_two_years_more(self):
        made = minimum_track_record(2 / math.sqrt(12), benchmark=1 / math.sqrt(12), skew=-0.72, kurtosis=5.78)
        assert made / 12 == pytest.approx(4.99, abs=5e-3)

    def test_a_hundred_tries_lift_the_bar_to_0_1132_a_day(self):
        assert expected_maximum_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)

    @pytest.mark.parametrize(
        ("trials", "skew", "kurtosis", "expected"),
        [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
    )
    def test_deflated_sharpe_of_the_analyst_with_two_and_a_half(
        self, trials: int, skew: float, kurtosis: float, expected: float
    ):
        made = deflated_sharpe(2.5 / YEAR, 1250, trials=trials, variance=0.5 / 250, skew=skew, kurtosis=kurtosis)
        assert made == pytest.approx(expected, abs=5e-5)


class TestMoments:
    def test_equal_those_of_scipy(self):
        daily = np.random.default_rng(7).standard_gamma(2.0, 500) - 1.8
        made = moments(daily)
        assert made.skew == pytest.approx(witness.skew(daily), rel=1e-12)
        assert made.kurtosis == pytest.approx(witness.kurtosis(daily, fisher=False), rel=1e-12)
        assert made.sharpe == pytest.approx(daily.mean() / daily.std(ddof=1), rel=1e-12)

    @pytest.mark.parametrize(
        ("daily", "reason"),
        [([1.0, 2.0], "too few"), ([3.0] * 9, "the same"), ([1.0, math.nan, 2.0, 4.0], "not a finite number")],
    )
    def test_what_is_undefined_says_why(self, daily: list[float], reason: str):
        reasons: dict[str, str] = {}
        assert moments(np.array(daily), reasons) is None
        assert reason in reasons["moments"]

    @given(st.floats(0.01, 1e6))
    def test_the_unit_of_money_does_not_matter(self, unit: float):
        daily = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0])
        made, other = moments(daily), moments(daily * unit)
        assert (made.sharpe, made.skew, made.kurtosis) == pytest.approx((other.sharpe, other.skew, other.kurtosis))


class TestUndefined:
    def test_no_track_record_is_long_enough_for_a_sharpe_below_the_benchmark(self):
        reasons: dict[str, str] = {}
        assert minimum_track_record(0.05, benchmark=0.05, reasons=reasons) is None
        assert "not above the benchmark" in reasons["minimum_track_record"]

    def test_impossible_moments_give_no_probability(self):
        reasons: dict[str, str] = {}
        assert deflated_sharpe(1.0, 100, trials=3, variance=0.1, skew=5.0, kurtosis=1.0, reasons=reasons) is None
        assert "no distribution" in reasons["deflated_sharpe"]
        assert minimum_track_record(1.0, skew=5.0, kurtosis=1.0) is None
        assert probabilistic_sharpe(1.0, 1) is None


class TestLaws:
    @given(st.integers(1, 10**9), st.integers(1, 10**6), st.floats(0.001, 0.3), st.floats(1e-6, 0.01))
    def test_more_trials_never_help(self, trials: int, more: int, sharpe: float, variance: float):
        few = deflated_sharpe(sharpe, 500, trials=trials, variance=variance)
        many = deflated_sharpe(sharpe, 500, trials=trials + more, variance=variance)
        assert many <= few + 1e-12

    @given(st.floats(0.01, 0.3), st.integers(30, 5000))
    def test_one_trial_is_the_probabilistic_sharpe(self, sharpe: float, n: int):
        assert deflated_sharpe(sharpe, n, trials=1, variance=1.0) == probabilistic_sharpe(sharpe, n)

    @given(st.floats(0.02, 0.5), st.floats(-2.0, 0.5), st.floats(6.0, 12.0), st.floats(0.6, 0.99))
    def test_the_minimum_track_record_is_where_the_probability_reaches_the_confidence(
        self, sharpe: float, skew: float, kurtosis: float, confidence: float
    ):
        n = minimum_track_record(sharpe, skew=skew, kurtosis=kurtosis, confidence=confidence)
        below = probabilistic_sharpe(sharpe, max(2, math.floor(n)), skew=skew, kurtosis=kurtosis)
        above = probabilistic_sharpe(sharpe, max(2, math.ceil(n)), skew=skew, kurtosis=kurtosis)
        assert above >= confidence - 1e-9
        assert n < 2 or below <= confidence + 1e-9

    def test_the_expected_maximum_is_what_a_simulation_gives(self):
        simulated = noise(4000, 100, seed=1).max(axis=1).mean()
        assert expected_maximum_sharpe(100, 1.0) == pytest.approx(simulated, abs=0.03)


class TestProbabilityOfOverfitting:
    def test_equals_brute_force_over_the_dates_themselves(self):
        daily = noise(24, 7, seed=3) + 0.2
        blocks = np.split(np.arange(24), 6)
        logits, inside, outside = [], [], []
        for chosen in combinations(range(6), 3):
            here = np.concatenate([blocks[i] for i in chosen])
            there = np.concatenate([blocks[i] for i in range(6) if i not in chosen])
            sharpe = [daily[rows].mean(axis=0) / daily[rows].std(axis=0, ddof=1) for rows in (here, there)]
            best = int(np.argmax(sharpe[0]))
            rank = witness.rankdata(sharpe[1])[best] / 8
            logits.append(math.log(rank / (1 - rank)))
            inside.append(sharpe[0][best])
            outside.append(sharpe[1][best])
        made = overfitting(daily, blocks=6)
        assert made.splits == 20  # 6 over 3
        assert made.pbo == np.mean(np.array(logits) <= 0)
        assert made.loss == np.mean(np.array(outside) < 0)
        assert made.slope == pytest.approx(np.polyfit(inside, outside, 1)[0])

    def test_a_combination_that_is_truly_better_is_not_overfitted(self):
        daily = noise(320, 40, seed=5)
        daily[:, 11] += 0.5
        assert overfitting(daily).pbo < 0.01

    def test_what_wins_only_once_is_overfitted(self):
        # each combination shines in one block and pays for it everywhere else
        daily = noise(160, 16, seed=6) * 0.1 - 0.2
        for block in range(16):
            daily[block * 10 : block * 10 + 10, block] += 3.0
        assert overfitting(daily).pbo > 0.9

    def test_pure_noise_is_a_coin(self):
        made = [overfitting(noise(160, 20, seed=seed), blocks=8).pbo for seed in range(60)]
        assert np.mean(made) == pytest.approx(0.5, abs=0.06)

    @pytest.mark.parametrize(
        ("daily", "reason"),
        [
            (noise(300, 1, 0), "one combination"),
            (noise(11, 9, 0), "too few"),
            (np.tile(noise(300, 1, 0), 5), "the same profits"),
        ],
    )
    def test_undefined_says_why(self, daily: np.ndarray, reason: str):
        made = overfitting(daily)
        assert made.pbo is None
        assert reason in made.reason

    def test_combinations_that_never_trade_are_taken_as_zero(self):
        daily = noise(64, 6, seed=9)
        daily[:, 2] = 0.0
        made = overfitting(daily)
        assert 0.0 <= made.pbo <= 1.0

    @given(st.integers(0, 10_000), st.floats(0.1, 1000.0))
    @settings(max_examples=25)
    def test_the_order_of_the_combinations_and_the_unit_do_not_matter(self, seed: int, unit: float):
        daily = noise(48, 9, seed)
        order = np.random.default_rng(seed).permutation(9)
        assert overfitting(daily * unit, blocks=6).pbo == overfitting(daily[:, order], blocks=6).pbo

    def test_thousands_of_combinations_are_cut_into_parts_with_the_same_result(self, monkeypatch: pytest.MonkeyPatch):
        daily = noise(64, 30, seed=2)
        whole = overfitting(daily)
        monkeypatch.setattr("workbench.backtest.cscv._AT_ONCE", 100)
        assert overfitting(daily).pbo == whole.pbo
