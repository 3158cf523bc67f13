"""Bootstrap tests of the best of N, and Monte Carlo of the same trades."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.backtest.monte_carlo import against_random, drawdowns, trade_order
from workbench.backtest.reality import reality_check, stationary_bootstrap


def noise(dates: int, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((dates, count))


class TestStationaryBootstrap:
    def test_blocks_have_the_length_that_was_asked_for(self):
        drawn = stationary_bootstrap(500, 400, 8.0, seed=1)
        breaks = np.mean(np.diff(drawn, axis=1) % 500 != 1)  # 1/8, and 1/500 of the fresh starts go on by chance
        assert breaks == pytest.approx(1 / 8, rel=0.03)

    def test_every_date_is_as_likely(self):
        counts = np.bincount(stationary_bootstrap(50, 4000, 5.0, seed=2).ravel(), minlength=50)
        assert counts.min() > 0.9 * 4000
        assert counts.max() < 1.1 * 4000

    def test_the_same_seed_gives_the_same_dates(self):
        assert (stationary_bootstrap(30, 9, 3.0, seed=5) == stationary_bootstrap(30, 9, 3.0, seed=5)).all()
        assert (stationary_bootstrap(30, 9, 3.0, seed=5) != stationary_bootstrap(30, 9, 3.0, seed=6)).any()


class TestRealityCheck:
    def test_equals_a_plain_loop_over_the_same_resamples(self):
        daily = noise(40, 5, seed=3) + 0.1
        drawn = stationary_bootstrap(40, 200, 3.0, seed=9)
        means = np.array([[daily[rows, k].mean() for k in range(5)] for rows in drawn])
        mean, spread = daily.mean(axis=0), means.std(axis=0)
        white = sum(max(means[b] - mean) >= max(mean) for b in range(200))
        centre = [m if m >= -s * np.sqrt(2 * np.log(np.log(40))) else 0.0 for m, s in zip(mean, spread, strict=True)]
        found = max(0.0, *(mean / spread))
        hansen = sum(max(0.0, *((means[b] - centre) / spread)) >= found for b in range(200))
        made = reality_check(daily, samples=200, block=3.0, seed=9)
        assert (made.white, made.hansen) == (pytest.approx((white + 1) / 201), pytest.approx((hansen + 1) / 201))

    def test_noise_is_called_noise_about_as_often_as_the_level_says(self):
        made = [reality_check(noise(120, 10, seed), samples=200, seed=seed) for seed in range(120)]
        assert np.mean([m.white <= 0.1 for m in made]) < 0.2
        assert np.mean([m.hansen <= 0.1 for m in made]) < 0.2
        assert 0.35 < np.mean([m.white for m in made]) < 0.65

    def test_skill_is_found_among_many_without_it(self):
        daily = noise(250, 200, seed=4)
        daily[:, 77] += 0.4  # a yearly Sharpe ratio of 6
        made = reality_check(daily, seed=1)
        assert made.white < 0.01
        assert made.hansen < 0.01

    def test_hopeless_wild_combinations_spoil_white_but_not_hansen(self):
        # Hansen (2005): poor and volatile alternatives make White's test blind
        good = noise(250, 1, seed=5) + 0.25
        wild = noise(250, 20, seed=6) * 20.0 - 8.0
        made = reality_check(np.hstack([good, wild]), seed=1)
        assert made.white > 0.5
        assert made.hansen < 0.05

    @given(st.integers(0, 1000))
    @settings(max_examples=20)
    def test_a_worse_combination_more_never_lowers_whites_p(self, seed: int):
        daily = noise(30, 4, seed)
        best = daily.mean(axis=0).max()
        more = noise(30, 1, seed + 1)
        more += best - 0.01 - more.mean()
        alone = reality_check(daily, samples=100, seed=seed)
        assert reality_check(np.hstack([daily, more]), samples=100, seed=seed).white >= alone.white

    def test_a_thousand_copies_count_as_one(self):
        daily = noise(60, 1, seed=8) + 0.2
        one, many = reality_check(daily, samples=300), reality_check(np.tile(daily, 50), samples=300)
        assert many.white == pytest.approx(one.white, abs=0.011)  # matrix products differ in their last bits

    @pytest.mark.parametrize(
        ("daily", "reason"), [(noise(19, 3, 0), "too few"), (np.zeros((100, 3)), "nothing was traded")]
    )
    def test_undefined_says_why(self, daily: np.ndarray, reason: str):
        made = reality_check(daily)
        assert made.white is None
        assert made.hansen is None
        assert reason in made.reason


class TestTradeOrder:
    def test_few_trades_are_tried_in_every_order(self):
        nets = [10.0, -4.0, 3.0, -6.0, 1.0]
        falls = []
        for order in permutations(nets):
            total = peak = worst = 0.0
            for net in order:
                total += net
                peak = max(peak, total)
                worst = max(worst, peak - total)
            falls.append(worst)
        made = trade_order(nets)
        assert made.samples == 120
        assert made.drawdown_usd == 7.0  # from 10, or from 9: 10 → 6 → 9 → 3
        assert made.quantiles[50] == sorted(falls)[59]
        assert made.quantiles[95] == sorted(falls)[113]
        assert made.worse == sum(fall >= 7.0 for fall in falls) / 120

    def test_a_lucky_order_is_seen(self):
        nets = [5.0, -5.0] * 40
        assert trade_order(nets, seed=1).worse > 0.99

    @given(st.lists(st.integers(-50, 60).map(float), min_size=2, max_size=40), st.integers(0, 99))
    @settings(max_examples=40)
    def test_drawdown_lies_between_the_worst_trade_and_all_losses(self, nets: list[float], seed: int):
        made = trade_order(nets, samples=50, seed=seed)
        lost = -sum(net for net in nets if net < 0)
        assert max(0.0, -min(nets)) <= made.quantiles[5] <= made.quantiles[99] <= lost
        assert made == trade_order(nets, samples=50, seed=seed)

    def test_one_trade_has_no_order(self):
        made = trade_order([5.0])
        assert made.worse is None
        assert "1 closed trades" in made.reason

    def test_drawdown_of_nothing_is_zero(self):
        assert drawdowns(np.array([[1.0, 2.0, 3.0]])).tolist() == [0.0]


def test_random_versions_that_made_more_are_counted():
    made = against_random(5.0, np.array([1.0, 6.0, 5.0, -3.0]), np.array([3.0, 5.0, 4.0, 4.0]))
    assert made.better == (2 + 1) / (4 + 1)
    assert made.trades == 4.0
    assert made.quantiles[50] == 1.0
