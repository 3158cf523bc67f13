"""The suite finds mistakes: each one planted into one engine shows within the cases of one run."""

from __future__ import annotations

from functools import cache

import pytest

from tests.parity.cases import Case, make_case, make_held
from tests.parity.pick import Seeded
from tests.parity.planted import BRIEF_BUGS, BUGS, Bug, brief, differs, plain_kernel
from workbench.backtest.played import Played, Summary
from workbench.backtest.summary import summary_of

CASES = 300


@cache
def held(seed: int) -> tuple[Case, Played]:
    """A position that is held over many bars, as the event engine plays it."""
    case = make_held(Seeded(seed))
    return case, case.prepared.run(case.strategy, "event")


@cache
def played(seed: int) -> tuple[Case, Played]:
    """A case of the suite, as the event engine plays it."""
    case = make_case(Seeded(seed))
    return case, case.prepared.run(case.strategy, "event")


def summed(case: Case, full: Played) -> tuple[Case, Summary]:
    """The same in brief, from the fills of a run that looks at every bar."""
    return case, summary_of(full, case.prepared, 0, len(case.prepared.series))


def same(one: Summary, other: Summary) -> bool:
    """Whether two summaries say the same; squares are added in another order."""
    told = [{n: getattr(s, n) for n in Summary.__slots__ if n not in ("daily", "trade_sum_sq")} for s in (one, other)]
    close = abs(one.trade_sum_sq - other.trade_sum_sq) <= 1e-9 * max(1.0, other.trade_sum_sq)
    return told[0] == told[1] and close and one.daily.tolist() == other.daily.tolist()


@pytest.mark.parametrize("seed", range(60))
def test_what_jumps_over_quiet_bars_sums_up_what_a_walk_does(seed: int) -> None:
    for case, truth in (summed(*played(seed)), summed(*held(seed))):
        assert same(brief(case), truth)


@pytest.mark.parametrize("bug", BRIEF_BUGS, ids=lambda bug: bug.name)
def test_a_planted_mistake_shows_in_a_summary(bug: Bug) -> None:
    run = plain_kernel(bug)
    cases = (summed(*each(seed)) for seed in range(60) for each in (held, played))
    assert any(not same(brief(case, run), truth) for case, truth in cases), bug.name


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
        if any(differs(case, run, truth) for case, truth in (played(seed), held(seed))):
            return
    pytest.fail(f"{bug.name} went unnoticed in {CASES} cases")
