"""Windows, and what choosing and trading in turn comes to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backtest.sweeps import DATES, Known, crossing
from workbench.backtest.search import grid, space
from workbench.backtest.sweep import Chunk, run_chunk
from workbench.backtest.walk_forward import WalkForward, walk, windows
from workbench.domain.errors import InputError


class TestWindows:
    def test_rolling(self):
        made = [(w.train, w.test) for w in windows(30, train=10, test=5)]
        assert made == [((0, 10), (10, 15)), ((5, 15), (15, 20)), ((10, 20), (20, 25)), ((15, 25), (25, 30))]

    def test_anchored_with_purge_and_embargo(self):
        made = [(w.train, w.test) for w in windows(20, train=8, test=5, anchored=True, purge=2, embargo=1)]
        assert made == [((0, 6), (9, 14)), ((0, 11), (14, 19)), ((0, 16), (19, 20))]

    @given(
        st.integers(5, 400),
        st.integers(2, 60),
        st.integers(1, 40),
        st.booleans(),
        st.integers(0, 10),
        st.integers(0, 9),
    )
    def test_nothing_of_a_test_is_ever_trained_on_before_and_every_date_is_tested_once(
        self, dates: int, train: int, test: int, anchored: bool, purge: int, embargo: int
    ):
        if purge > train - 2 or dates <= train + embargo:
            return
        made = windows(dates, train=train, test=test, anchored=anchored, purge=purge, embargo=embargo)
        tested = [day for window in made for day in range(*window.test)]
        assert tested == list(range(train + embargo, dates))
        for window in made:
            assert window.train[1] + purge + embargo == window.test[0]
            assert window.train[0] == 0 or not anchored
            assert anchored or window.train[1] - window.train[0] == train - purge

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"train": 0, "test": 5}, "train=0 must be"),
            ({"train": 10, "test": 0}, "test=0 must be"),
            ({"train": 10, "test": 2.5}, "test=2.5 must be"),
            ({"train": 10, "test": 5, "purge": -1}, "purge=-1 must be"),
            ({"train": 10, "test": 5, "purge": 9}, "leaves less than two"),
            ({"train": 30, "test": 5}, "30 trading dates are too few"),
        ],
    )
    def test_bad_lengths_say_what_is_wrong(self, options: dict[str, int], said: str):
        with pytest.raises(InputError, match=said):
            windows(30, **options)


def regime(fast: float, slow: float) -> np.ndarray:
    """fast = 5 makes 10 a day for twenty days and then loses 4; fast = 6 the other way round."""
    good, bad = np.tile([11.0, 9.0], 10), np.tile([-3.0, -5.0], 10)
    return np.concatenate([good, bad] if fast == 5 else [bad, good])


def walked(**options: int) -> WalkForward:
    of = space(crossing(), {"fast": [5, 6], "slow": 20})
    table = grid(of).table

    def run(first: int, last: int, part: np.ndarray) -> Chunk:
        return run_chunk(Known(lambda f, s: regime(f, s)[first:last]), of, part, last - first)

    steps = walk(of, table, windows(40, **options), run, lambda first, last: 10 * (last - first), "net_usd")
    return WalkForward(space=of, steps=steps, dates=DATES, metric="net_usd", combinations=2)


class TestWalk:
    def test_chooses_on_the_past_and_is_paid_by_what_follows(self):
        made = walked(train=10, test=10)
        # trained on days 0–9 and 10–19 it is 5, on 20–29 it is 6; tested on 10–19, 20–29, 30–39
        assert made.frame["fast"].tolist() == [5, 5, 6]
        assert made.frame["out_net_usd"].tolist() == [100.0, -40.0, 100.0]
        assert made.frame["in_net_usd"].tolist() == [100.0, 100.0, 100.0]
        assert made.stats["net_usd"] == 160.0
        assert made.efficiency == pytest.approx(160 / 30 / 10)
        assert made.stats["profitable_windows"] == pytest.approx(2 / 3)
        assert made.stats["max_drawdown_usd"] == pytest.approx(40.0)

    def test_the_windows_join_to_one_curve_by_date(self):
        made = walked(train=10, test=10)
        assert len(made.daily) == 30
        assert str(made.daily.index[0].date()) == str(DATES[10])
        assert made.equity.iloc[-1] == pytest.approx(160.0)
        assert made.frame["test_first"].iloc[1] == DATES[20]
        assert made.frame["train_last"].iloc[0] == DATES[9]

    def test_shows_itself(self):
        made = walked(train=10, test=15)
        assert "2 windows, 2 combinations each" in str(made)
        assert "<table" in made._repr_html_()
        assert len(made.plot().data[0].x) == 30

    def test_a_window_in_which_nothing_could_be_chosen_trades_nothing(self):
        of = space(crossing(), {"fast": [5, 6]})

        def run(first: int, last: int, part: np.ndarray) -> Chunk:
            quiet = first < 10  # the first training window is all warm-up
            gains = np.zeros(last - first) if quiet else np.arange(1.0, last - first + 1)
            return run_chunk(Known(lambda f, s: gains), of, part, last - first)

        steps = walk(of, grid(of).table, windows(40, train=10, test=10), run, lambda a, b: b - a, "sharpe_daily")
        made = WalkForward(space=of, steps=steps, dates=DATES, metric="sharpe_daily", combinations=2)
        assert [step.is_idle for step in steps] == [True, False, False]
        assert made.daily.iloc[:10].tolist() == [0.0] * 10
        assert made.stats["idle_windows"] == 1
        assert made.stats["net_usd"] == 2 * 55.0  # 1 + 2 + … + 10 in each of the other two
        assert "1 of them idle" in str(made)
        assert made.frame["out_trades"].iloc[0] == 0

    def test_no_window_with_the_metric_says_so(self):
        of = space(crossing(), {"fast": [5, 6]})

        def run(first: int, last: int, part: np.ndarray) -> Chunk:
            return run_chunk(Known(lambda f, s: np.zeros(last - first)), of, part, last - first)

        with pytest.raises(InputError, match="train longer"):
            walk(of, grid(of).table, windows(40, train=10, test=10), run, lambda a, b: b - a, "sharpe_daily")
