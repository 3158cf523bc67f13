"""Do the entries know something? The strategy against itself entering at random bars, all else the same.

Exits, brackets, sizing, windows, limits, costs and the fill model are the strategy's own; only the bars at which it
wants in are drawn, as often long and short as its own, and so many that about as many trades come out of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.monte_carlo import RandomEntries, against_random
from workbench.backtest.prepared import Prepared
from workbench.rules.arrays import ColumnCache
from workbench.rules.strategy import Strategy

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]

SAMPLES = 200
_TUNINGS, _PROBES = 5, 4


def random_entries(prepared: Prepared, strategy: Strategy, samples: int = SAMPLES, seed: int = 0) -> RandomEntries:
    """Return how a strategy compares with random versions of itself.

    Parameters
    ----------
    prepared : Prepared
    strategy : Strategy
        With its values.
    samples : int
        Random versions.
    seed : int
    """
    plan, cache = prepared.plan(strategy), ColumnCache()
    own = prepared.summarise(plan, cache)
    if not own.trades:
        return RandomEntries(net_usd=own.net_usd, quantiles={}, reason="the strategy closed no trade")
    columns = prepared.columns(plan, cache)
    wanted = {side: _count(columns.get(f"entry.{side}")) for side in ("long", "short")}
    bars = np.flatnonzero(_may_enter(prepared, plan))
    share = wanted["long"] / max(1, sum(wanted.values()))
    random = np.random.default_rng(seed)

    def once(signals: int) -> tuple[float, int]:
        drawn = _drawn(bars, signals, share, len(prepared.series), random)
        made = prepared.summarise(plan, cache, columns=drawn)
        return made.net_usd, made.trades

    signals = min(len(bars), sum(wanted.values()))
    for _ in range(_TUNINGS):  # one that comes while a position is held is lost: more are needed than trades
        got = float(np.mean([once(signals)[1] for _ in range(_PROBES)]))
        signals = int(np.clip(round(signals * own.trades / max(got, 0.5)), 1, len(bars)))
    runs = np.array([once(signals) for _ in range(samples)], dtype=np.float64)
    return against_random(own.net_usd, runs[:, 0], runs[:, 1])


def _count(column: Float64Array | None) -> int:
    return 0 if column is None else int(np.count_nonzero(column == 1.0))


def _may_enter(prepared: Prepared, plan: Any) -> npt.NDArray[np.bool_]:
    may = np.ones(len(prepared.series), dtype=np.bool_)
    may[: plan.needed - 1] = False
    may &= prepared.allowed(plan).astype(np.bool_)
    may &= ~prepared.past(plan).astype(np.bool_)
    return may


def _drawn(
    bars: Int64Array, signals: int, share: float, size: int, random: np.random.Generator
) -> dict[str, Float64Array]:
    chosen = random.choice(bars, size=signals, replace=False)
    is_long = random.random(signals) < share
    made = {name: np.zeros(size) for name in ("entry.long", "entry.short")}
    made["entry.long"][chosen[is_long]] = 1.0
    made["entry.short"][chosen[~is_long]] = 1.0
    return made
