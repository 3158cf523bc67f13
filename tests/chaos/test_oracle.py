"""The oracle is proven: every planted bug is caught by the very seeds that CI plays."""

from __future__ import annotations

import logging

import pytest

from tests.chaos.bugs import BUGS
from tests.chaos.story import CELLS, run_seed
from tests.chaos.test_in_process import SEEDS

pytestmark = pytest.mark.chaos
# Where a bug shows soonest; the other seeds follow.
NEAR = {
    "resend an order whose outcome is unknown": "lost_answer",
    "take unknown for rejected": "lost_answer",
    "believe one reading that does not find it": "late",
    "keep the latch in memory": "K9",
    "trade on after the stop": "K10",
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug: str) -> None:
    plant, word = BUGS[bug]
    near = NEAR.get(bug, "")
    order = sorted(SEEDS, key=lambda seed: near not in CELLS[seed % len(CELLS)])
    logging.disable(logging.CRITICAL)
    try:
        with plant():
            for seed in order:
                found = run_seed(seed).problems
                if any(word in problem for problem in found):
                    return
    finally:
        logging.disable(logging.NOTSET)
    raise AssertionError(f"nobody has noticed: {bug}")
