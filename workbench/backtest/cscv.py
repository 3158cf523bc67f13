"""Probability of backtest overfitting: how often the best in one half of the time is below average in the other.

The dates are cut into an even number of blocks; each way of choosing half of them is an in-sample set, the rest its
out-of-sample set (combinatorially symmetric cross-validation). Only the sum and the sum of squares of each block are
needed for Sharpe ratios, so that thousands of combinations take little memory.

Source: D. H. Bailey, J. Borwein, M. López de Prado and Q. J. Zhu, "The Probability of Backtest Overfitting", Journal of
Computational Finance 20(4), 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

MOST_BLOCKS = 16
LEAST_DATES = 3  # in a block
_AT_ONCE = 1 << 15  # Sharpe ratios held at a time
_MOST_RATIOS = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What the splits showed.

    Parameters
    ----------
    pbo : float or None
        Share of the splits in which the best in sample was at or below the median out of sample (the paper's λ ≤ 0).
    blocks, splits : int
    slope : float or None
        Of a straight line through (Sharpe ratio in sample, out of sample) of the chosen ones: below 0, what looked
        better turned out worse.
    loss : float or None
        Share of the splits in which the chosen one lost money out of sample.
    reason : str
        Why the others are None.
    """

    pbo: float | None = None
    blocks: int = 0
    splits: int = 0
    slope: float | None = None
    loss: float | None = None
    reason: str = ""


def overfitting(daily: Float64Array, *, blocks: int | None = None) -> Overfitting:
    """Return the probability of backtest overfitting.

    Parameters
    ----------
    daily : array of float64, shape (dates, combinations)
        Profit of each combination on each trading date.
    blocks : int, optional
        Even; 16 when left out, down to 10 where many combinations would make the splits too many. Fewer are taken when
        there are not three dates for each. Dates that do not fill a block are left out at the beginning.

    Returns
    -------
    Overfitting
        With `pbo` None and a reason for one combination, too few dates, or combinations that never differ.
    """
    dates, count = daily.shape
    blocks = _blocks(count) if blocks is None else blocks
    blocks = min(blocks - blocks % 2, dates // LEAST_DATES - dates // LEAST_DATES % 2)
    if count < 2:
        return Overfitting(reason="there is one combination; overfitting needs a choice")
    if blocks < 4:
        return Overfitting(reason=f"{dates} trading dates are too few; 12 are the least")
    if not (daily != daily[:, :1]).any():
        return Overfitting(reason="all combinations made the same profits")
    sums, squares = _of_blocks(daily, blocks)
    size = dates // blocks * (blocks // 2)
    halves = np.array(_halves(blocks), dtype=np.float64)
    chosen: list[Float64Array] = []
    for first in range(0, len(halves), max(1, _AT_ONCE // count)):
        part = halves[first : first + max(1, _AT_ONCE // count)]
        here = _sharpe(part @ sums, part @ squares, size)
        there = _sharpe((1.0 - part) @ sums, (1.0 - part) @ squares, size)
        chosen += [_chosen(here, there), _chosen(there, here)]  # each split read in both directions
    ranks, inside, outside = np.concatenate(chosen, axis=1)
    spread = float(np.var(inside))
    return Overfitting(
        pbo=float(np.mean(ranks <= 0.5)),
        blocks=blocks,
        splits=len(ranks),
        slope=float(np.mean((inside - inside.mean()) * (outside - outside.mean()))) / spread if spread > 0 else None,
        loss=float(np.mean(outside < 0.0)),
    )


def _blocks(count: int) -> int:
    # 16 blocks have 12,870 splits, 10 have 252: their product with the combinations is kept in bounds
    affordable = (b for b in range(MOST_BLOCKS, 10, -2) if math.comb(b, b // 2) * count <= _MOST_RATIOS)
    return next(affordable, 10)


def _of_blocks(daily: Float64Array, blocks: int) -> tuple[Float64Array, Float64Array]:
    size = len(daily) // blocks
    cut = daily[len(daily) - size * blocks :].reshape(blocks, size, -1)
    return cut.sum(axis=1), np.einsum("bdc,bdc->bc", cut, cut)


def _halves(blocks: int) -> list[list[bool]]:
    # every half with the first block in it; the others are their complements
    rest = combinations(range(1, blocks), blocks // 2 - 1)
    return [[i == 0 or i in picked for i in range(blocks)] for picked in map(set, rest)]


def _sharpe(sums: Float64Array, squares: Float64Array, n: int) -> Float64Array:
    # in place, because this is where the time goes: Σx √((n − 1) / n) / √(n Σx² − (Σx)²)
    squares *= n
    flat = 1e-12 * squares
    squares -= sums * sums
    squares[squares <= flat] = math.inf  # never traded: a Sharpe ratio of 0, not of ±infinity
    np.sqrt(squares, out=squares)
    sums /= squares
    sums *= math.sqrt((n - 1) / n)
    return sums


def _chosen(here: Float64Array, there: Float64Array) -> Float64Array:
    # relative rank out of sample (0 … 1) of the best in sample, and its two Sharpe ratios; equals share their ranks
    best = np.argmax(here, axis=1)
    rows = np.arange(len(here))
    value = there[rows, best][:, None]
    below, equal = (there < value).sum(axis=1), (there == value).sum(axis=1)
    rank = (below + (equal + 1) / 2.0) / (there.shape[1] + 1)
    return np.stack([rank, here[rows, best], value[:, 0]])
