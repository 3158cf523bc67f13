"""Conditions as bits of the closes: the same as their columns, and the next one is found wherever it stands."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.cases import make_case
from tests.parity.pick import Seeded
from workbench.backtest import kernel_signals as k
from workbench.backtest.rule_columns import kernel_rules
from workbench.rules.compiled import column
from workbench.rules.operators import CROSS

BITS = {
    "entry.long": k.ENTER_LONG,
    "entry.short": k.ENTER_SHORT,
    "exit.long": k.EXIT_LONG,
    "exit.short": k.EXIT_SHORT,
}


def sides(rng: np.random.Generator, bars: int, unknown: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two columns of few values, so that they often meet, with unknown values in both."""
    columns = rng.integers(0, 6, (2, bars)).astype(np.float64)
    if rng.random() < 0.5:  # long stretches on one side
        columns = np.repeat(columns, 40, axis=1)[:, :bars]
    columns[rng.random((2, bars)) < unknown] = np.nan
    return columns[0], columns[1]


@pytest.mark.parametrize("seed", range(30))
def test_crosses_are_those_of_the_rule_however_long_the_stretches_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = sides(rng, int(rng.integers(0, 700)), float(rng.choice([0.0, 0.05, 0.4])))
    expected = (column(CROSS, [x, y]) == 1.0) * 1 + (column(CROSS, [y, x]) == 1.0) * 2
    for stretch in (1, 2, 7, 64, 4096):
        made = np.zeros(len(x), dtype=np.uint8)
        k.mark_crosses(made, x, y, np.empty(stretch + 1, dtype=np.uint8), 1, 2)
        assert made.tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(30))
def test_the_next_signal_and_the_next_price_are_what_a_walk_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 200))
    words = np.zeros(-(-count // 8), dtype=np.uint64)
    signals = words.view(np.uint8)[:count]
    signals |= (rng.random(count) < rng.choice([0.0, 0.02, 0.3])).astype(np.uint8) * rng.integers(1, 32, dtype=np.uint8)
    lows, highs = rng.integers(-50, 0, count), rng.integers(1, 51, count)
    for _ in range(60):
        i, end = sorted(rng.integers(0, count + 1, 2).tolist())
        mask, low, high = int(rng.integers(1, 32)), int(rng.integers(-60, 0)), int(rng.integers(1, 60))
        told = next((j for j in range(i, end) if signals[j] & mask), end)
        assert k.next_signal(signals, words, mask, i, end) == told
        reached = next((j for j in range(i, end) if lows[j] <= low or highs[j] >= high), end)
        assert k.next_reach(lows, highs, low, high, i, end) == reached


@pytest.mark.parametrize("seed", range(40))
def test_bits_hold_where_the_columns_are_true(seed: int) -> None:
    case = make_case(Seeded(seed))
    prepared, plan = case.prepared, case.prepared.plan(case.strategy)
    rules, count = kernel_rules(prepared, plan, None), len(prepared.series)
    columns = prepared.columns(plan, None)
    true = {name: np.broadcast_to(columns[name] == 1.0, count) for name in BITS if name in columns}
    both = true.get("entry.long", np.False_) & true.get("entry.short", np.False_)
    for name, bit in BITS.items():
        expected = true.get(name, np.zeros(count, dtype=np.bool_))
        if name.startswith("entry"):
            expected = expected & ~both
        assert ((rules.signals & bit) != 0).tolist() == expected.tolist(), name
    past = np.broadcast_to(prepared.past(plan) != 0, count)
    assert ((rules.signals & k.PAST) != 0).tolist() == past.tolist()
    assert rules.words.view(np.uint8)[:count].tolist() == rules.signals.tolist()
    assert not rules.words.view(np.uint8)[count:].any()
