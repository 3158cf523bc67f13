"""Which combinations a sweep tries, and what it says to ranges that make no sense."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.build import strategy_text
from workbench.backtest import search
from workbench.backtest.search import Tpe, grid, random_points, space
from workbench.domain.errors import InputError, UnknownName
from workbench.rules import Strategy, parse_strategy

PARAMETERS = """
  fast: {default: 5, min: 2, max: 100, step: 1}
  slow: {default: 20, min: 3, max: 400, step: 5}
  wide: {default: 1.5, min: 0.5, max: 4}
  both: {default: true}"""


def crossing(constraints: str = "[fast < slow]") -> Strategy:
    return parse_strategy(
        strategy_text(
            parameters=PARAMETERS,
            constraints=constraints,
            entry="{long: 'sma(close, fast) > sma(close, slow) * wide and both'}",
        )
    )


def rows(points: search.Points) -> list[tuple[float, ...]]:
    return [tuple(row) for row in points.table.tolist()]


class TestGrid:
    def test_every_combination_once_the_last_parameter_fastest(self):
        points = grid(space(crossing(), {"fast": [5, 10], "slow": "20:30:5"}))
        assert rows(points) == [(5, 20), (5, 25), (5, 30), (10, 20), (10, 25), (10, 30)]
        assert points.dropped == 0

    def test_combinations_against_a_constraint_are_dropped_and_counted(self):
        points = grid(space(crossing(), {"fast": range(10, 31, 10), "slow": (10, 20, 30)}))
        expected = [(f, s) for f, s in itertools.product((10, 20, 30), repeat=2) if f < s]
        assert rows(points) == expected
        assert points.dropped == 6

    def test_constraints_may_compute_and_join(self):
        made = crossing("['fast * 2 <= slow and slow - fast < 20', 'wide < fast']")
        points = grid(space(made, {"fast": "2:20:1", "slow": "3:43:5"}))
        slows = range(3, 44, 5)
        assert rows(points) == [(f, s) for f in range(2, 21) for s in slows if f * 2 <= s and s - f < 20]

    def test_a_single_value_is_held_fixed_even_where_the_default_would_break_a_constraint(self):
        made = space(crossing(), {"slow": 4, "fast": [2, 3, 50]})
        assert made.names == ("fast",)
        assert made.strategy.values["slow"] == 4
        assert rows(grid(made)) == [(2,), (3,)]

    def test_nothing_given_means_all_that_is_declared(self):
        made = space(crossing(), {})
        assert [(axis.name, len(axis.values)) for axis in made.axes] == [("fast", 99), ("slow", 80), ("both", 2)]

    def test_ellipsis_is_the_declared_range(self):
        made = space(crossing(), {"slow": ..., "both": ...})
        assert made.axes[0].values[:2] == (3.0, 8.0)
        assert made.axes[0].values[-1] == 398.0
        assert made.values((3.0, 1.0)) == {"slow": 3, "both": True}

    def test_steps_are_free_of_the_dust_of_binary_fractions(self):
        assert space(crossing(), {"wide": "0.5:0.8:0.1"}).axes[0].values == (0.5, 0.6, 0.7, 0.8)

    @given(st.integers(2, 60), st.integers(0, 40), st.integers(1, 9))
    @settings(max_examples=30)
    def test_a_range_is_what_python_makes_of_it_with_its_end(self, low: int, more: int, step: int):
        made = space(crossing(), {"fast": f"{low}:{low + more}:{step}", "wide": [1, 2]})
        fast = {axis.name: axis.values for axis in made.axes}.get("fast", (made.strategy.values["fast"],))
        assert list(fast) == list(range(low, low + more + 1, step))


class TestRandom:
    def test_draws_without_repetition_and_the_same_with_the_same_seed(self):
        made = space(crossing(), {"fast": ..., "slow": ...})
        first, again = random_points(made, 50, seed=3), random_points(made, 50, seed=3)
        assert rows(first) == rows(again)
        assert len(set(rows(first))) == 50
        assert all(fast < slow for fast, slow in rows(first))
        assert rows(random_points(made, 50, seed=4)) != rows(first)

    def test_takes_all_when_there_are_fewer(self):
        made = space(crossing(), {"fast": [5, 10], "slow": [8, 30]})
        assert sorted(rows(random_points(made, 99, seed=0))) == [(5, 8), (5, 30), (10, 30)]

    def test_a_number_without_a_step_is_drawn_evenly_between_its_bounds(self):
        points = random_points(space(crossing(), {"wide": "0.5:4", "fast": ...}), 400, seed=1)
        wide = points.table[:, 0]
        assert 0.5 <= wide.min() < 0.7
        assert 3.8 < wide.max() <= 4.0
        assert wide.mean() == pytest.approx(2.25, abs=0.2)

    def test_impossible_constraints_end_with_a_sentence(self):
        made = space(crossing(), {"wide": "0.5:4", "fast": "10:20:1", "slow": 4})
        with pytest.raises(InputError, match=r"0 keep the constraints \(fast < slow\)"):
            random_points(made, 5, seed=1)


class TestTpe:
    def peak(self, seed: int, trials: int = 80) -> list[tuple[float, float]]:
        # a hill at fast = 30, slow = 203
        made = Tpe(space(crossing(), {"fast": ..., "slow": ...}), seed)
        tried: list[tuple[float, float]] = []
        while len(tried) < trials:
            asked = made.ask(Tpe.BATCH)
            made.tell(-((asked[:, 0] - 30) ** 2) - ((asked[:, 1] - 203) / 4) ** 2)
            tried += [tuple(row) for row in asked.tolist()]
        return tried

    def test_learns_where_the_hill_is(self):
        tried = self.peak(seed=1)
        late = np.array(tried[-16:])
        assert np.abs(np.median(late, axis=0) - (30, 203)).max() < 40
        assert all(fast < slow for fast, slow in tried)

    def test_the_same_seed_asks_the_same(self):
        assert self.peak(seed=7, trials=48) == self.peak(seed=7, trials=48)

    def test_an_undefined_answer_is_not_an_error(self):
        made = Tpe(space(crossing(), {"fast": ...}), 1)
        made.ask(4)
        made.tell([float("nan")] * 4)
        assert len(made.ask(4)) == 4


class TestBadInput:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"fast": []}, "fast: an empty list leaves nothing to try"),
            ({"fast": "50:5:5"}, "never lead from 50 to 5; write 5:50:5"),
            ({"fast": "5:50:-5"}, "never lead from 5 to 50"),
            ({"fast": "5:50:0"}, "steps of 0 never lead"),
            ({"slow": "10:50:3"}, "against its declared step of 5"),
            ({"fast": "a:b"}, "is no range; write low:high:step"),
            ({"fast": "1:2:3:4"}, "is no range"),
            ({"fast": [5, 500]}, "fast=500 must be from 2 to 100"),
            ({"fast": "5:500:5"}, "fast=500 must be from 2 to 100"),
            ({"fast": [5.5]}, "fast=5.5 must be a whole number"),
            ({"wide": "2:1"}, "2 is not below 1"),
            ({"wide": "0.5:4:0.00001"}, "too many"),
            ({"fast": 5, "slow": 20}, "nothing to vary in probe"),
        ],
    )
    def test_says_what_to_write_instead(self, given: dict[str, object], said: str):
        with pytest.raises(InputError, match=said):
            space(crossing(), given)

    def test_an_undeclared_parameter_gets_did_you_mean(self):
        with pytest.raises(UnknownName, match="did you mean fast"):
            space(crossing(), {"fsat": [5, 10]})

    def test_a_grid_needs_steps(self):
        with pytest.raises(InputError, match="needs a step for wide"):
            grid(space(crossing(), {"wide": "0.5:4"}))

    def test_too_many_combinations_are_refused_with_the_count_before_they_are_made(self):
        with pytest.raises(InputError, match=r"2,772,000 combinations \(99 fast × 80 slow × 350 wide\) are too many"):
            grid(space(crossing(), {"fast": ..., "slow": ..., "wide": "0.51:4:0.01"}))

    def test_no_feasible_combination_names_the_constraints(self):
        with pytest.raises(InputError, match=r"none of the 4 combinations keeps the constraints \(fast < slow\)"):
            grid(space(crossing(), {"fast": [50, 60], "slow": [10, 20]}))

    @pytest.mark.parametrize("trials", [0, -3, 2.5, True])
    def test_trials_are_a_count(self, trials: object):
        with pytest.raises(InputError, match="trials"):
            random_points(space(crossing(), {"fast": ...}), trials, seed=0)
