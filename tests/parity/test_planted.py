"""The suite finds mistakes: each one planted into one engine shows within the cases of one run."""

from __future__ import annotations

from functools import cache

import pytest

from tests.parity.cases import Case, make_case
from tests.parity.pick import Seeded
from tests.parity.planted import BUGS, Bug, differs, plain_kernel
from workbench.backtest.played import Played

CASES = 300


@cache
def played(seed: int) -> tuple[Case, Played]:
    """A case of the suite, as the event engine plays it."""
    case = make_case(Seeded(seed))
    return case, case.prepared.run(case.strategy, "event")


def test_the_kernel_as_plain_python_is_the_compiled_one() -> None:
    run = plain_kernel()
    for seed in range(10):
        case, truth = played(seed)
        assert not differs(case, run, truth), f"seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_mistake_is_found(bug: Bug) -> None:
    run = plain_kernel(bug)
    for seed in range(CASES):
        case, truth = played(seed)
        if differs(case, run, truth):
            return
    pytest.fail(f"{bug.name} went unnoticed in {CASES} cases")
