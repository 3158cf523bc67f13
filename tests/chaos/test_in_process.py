"""180 seeded runs in one process: every crash point, every fate of an order, a disk that loses what was not synced."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.story import CELLS, ELSEWHERE, POINTS, run_seed

pytestmark = pytest.mark.chaos
SEEDS = range(180)
ROOT = Path(__file__).parents[2]
BLOCK = 12


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(SEEDS.start, SEEDS.stop, BLOCK))
@pytest.mark.statement(1)
@pytest.mark.statement(2)
@pytest.mark.statement(4)
@pytest.mark.statement(5)
@pytest.mark.statement(6)
@pytest.mark.statement(10)
@pytest.mark.statement(16)
@pytest.mark.statement(37)
@pytest.mark.statement(42)
def test_after_any_death_exchange_journal_and_surfaces_agree(first: int) -> None:
    results = [run_seed(seed) for seed in range(first, first + BLOCK)]
    bad = [(r.seed, r.problems, r.facts) for r in results if not r.ok]
    assert not bad, bad


def test_the_runs_of_ci_visit_every_point_and_every_fate() -> None:
    cells = Counter(CELLS[seed % len(CELLS)] for seed in SEEDS)
    assert set(cells) == set(CELLS)
    assert {point for point, _ in cells} == set(POINTS)


def test_every_crash_point_from_k0_to_k14_is_a_cell_or_has_real_deaths_of_its_own() -> None:
    cells = {point.split(".")[0] for point in POINTS} - {"kill"}
    assert cells | set(ELSEWHERE) == {f"K{n}" for n in range(15)} and not cells & set(ELSEWHERE)
    for point, statement in (("K13", 45), ("K14", 51)):
        text = (ROOT / ELSEWHERE[point]).read_text(encoding="utf-8")
        assert f"statement({statement})" in text and ("SIGKILL" in text or "137" in text), point


def test_a_seed_gives_the_same_run_again() -> None:
    first, again = run_seed(17), run_seed(17)
    assert first.facts == again.facts
    assert first.problems == again.problems == []
