"""Two engines, one truth: the compiled kernel against the event engine, that wakes and that asks at every bar.

Fills, orders with their ids, refusals, the firm's acts and so all money are compared exactly.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.parity.cases import Case, make_case
from tests.parity.cells import chosen, is_busy, missing
from tests.parity.pick import Drawn, Seeded

CASES = int(os.environ.get("PARITY_CASES", "300"))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A case that hypothesis can make smaller."""
    return make_case(Drawn(draw))


@settings(
    max_examples=15, deadline=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck)
)
@given(cases())
@pytest.mark.statement(49)
def test_any_case_is_played_the_same(case: Case) -> None:
    _, difference = case.differs(("event", "every"))
    assert not difference, f"{difference}\n{case.told()}"


@pytest.mark.statement(49)
def test_seeded_cases_are_played_the_same() -> None:
    for seed in range(40):
        case = make_case(Seeded(seed))
        _, difference = case.differs(("event", "every") if seed % 6 == 0 else ("event",))
        assert not difference, f"seed {seed}: {difference}\n{case.told()}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.statement(49)
def test_hundreds_of_cases_are_played_the_same_and_cover_what_can_happen() -> None:
    counts: Counter[tuple[str, ...]] = Counter()
    cases = busy = 0
    for seed, case, played, counts in chosen(CASES):  # noqa: B007 - the newest counts are looked at below
        for engine in ("event", "every") if seed % 4 == 0 else ("event",):
            difference = played.difference(case.prepared.run(case.strategy, engine))
            assert not difference, f"seed {seed}, {engine}: {difference}\n{case.told()}"
        cases, busy = cases + 1, busy + is_busy(played)
    assert cases >= CASES
    assert busy >= 0.9 * cases, f"only {busy} of {cases} cases have ten trades"
    assert not missing(counts)


def test_the_same_seed_is_the_same_case() -> None:
    first, second = make_case(Seeded(7)), make_case(Seeded(7))
    assert first.told() == second.told()
    assert first.prepared.series.ticks[3].tolist() == second.prepared.series.ticks[3].tolist()
