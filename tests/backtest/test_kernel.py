"""The compiled engine: one signature for every rule, the same sums in brief, the same run from the middle."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity.cases import make_case
from tests.parity.pick import Seeded
from workbench.backtest.kernel import run
from workbench.backtest.played import E4, Played
from workbench.backtest.prepared import Prepared
from workbench.rules.arrays import ColumnCache

SEEDS = range(40)


def test_a_new_rule_or_parameter_compiles_nothing() -> None:
    case = make_case(Seeded(0))
    case.prepared.run(case.strategy, "kernel")
    before = len(run.signatures)  # type: ignore[attr-defined]
    for seed in SEEDS:
        case = make_case(Seeded(seed))
        case.prepared.run(case.strategy, "kernel")
        case.prepared.summarise(case.strategy, ColumnCache())
    assert before == len(run.signatures) == 1  # type: ignore[attr-defined]


def curve(prepared: Prepared, played: Played) -> np.ndarray:
    """Equity at each close in 1/10,000 USD, from the fills alone."""
    fills, count = played.fills, len(prepared.series)
    held, cash = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    np.add.at(held, fills.bar, fills.qty)
    np.add.at(cash, fills.bar, -fills.qty * fills.ticks * prepared.tick_value - fills.fees_e4)
    made: np.ndarray = np.cumsum(cash) + np.cumsum(held) * prepared.series.ticks[3] * prepared.tick_value
    return made


@pytest.mark.parametrize("seed", SEEDS)
def test_the_summary_says_what_the_full_run_does(seed: int) -> None:
    case = make_case(Seeded(seed))
    prepared, strategy = case.prepared, case.strategy
    played, brief = prepared.run(strategy, "event"), prepared.summarise(strategy, ColumnCache())
    equity = curve(prepared, played)
    held = np.cumsum(np.bincount(played.fills.bar, played.fills.qty, len(equity)).astype(np.int64))
    last = np.flatnonzero(np.diff(prepared.day_of_bar, append=-1))
    assert brief.net_usd == equity[-1] / E4
    assert brief.daily.tolist() == (np.diff(equity[last], prepend=0) / E4).tolist()
    assert brief.max_drawdown_usd == (np.maximum.accumulate(np.maximum(equity, 0)) - equity).max() / E4
    assert brief.exposure_bars == np.count_nonzero(held)
    assert brief.costs_usd == played.fills.fees_e4.sum() / E4
    assert brief.trades == np.count_nonzero(np.cumsum(played.fills.qty) == 0)
    assert brief.refused == sum(text.startswith("order refused") for _, text in played.alerts)
    assert brief.won_usd >= 0 >= brief.lost_usd


@pytest.mark.parametrize("seed", range(12))
def test_a_part_is_played_the_same_by_both_engines(seed: int) -> None:
    case = make_case(Seeded(seed))
    first, last = 200, 400
    kernel = case.prepared.run(case.strategy, "kernel", first=first, last=last)
    for engine in ("event", "every"):
        assert not kernel.difference(case.prepared.run(case.strategy, engine, first=first, last=last)), engine
    assert not len(kernel.fills) or (kernel.fills.bar.min() > first and kernel.fills.bar.max() < last)


@pytest.mark.parametrize("seed", range(6))
def test_given_conditions_take_the_place_of_the_rules(seed: int) -> None:
    case = make_case(Seeded(seed))
    count = len(case.prepared.series)
    given = {"entry.long": np.zeros(count), "entry.short": np.zeros(count)}
    given["entry.long"][150::40] = 1.0
    kernel = case.prepared.run(case.strategy, "kernel", columns=given)
    assert not kernel.difference(case.prepared.run(case.strategy, "event", columns=given))
    assert {kernel.rules[rule] for rule in kernel.orders.rule.tolist()} & {"entry.short"} == set()
