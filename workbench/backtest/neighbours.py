"""Does the best stand on a plateau or on a needle? What the combinations next to it came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.backtest.axes import Axis

Float64Array = npt.NDArray[np.float64]
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """The best and its neighbours in the same metric.

    Parameters
    ----------
    best : float
    neighbours : int
        Combinations at most one step away in every parameter (of points that are on no grid: the nearest ones).
    median, worst : float or None
        Of the neighbours.
    profitable : float or None
        Share of the neighbours with a net profit above 0.
    kept : float or None
        median ÷ best: near 1 on a plateau, near 0 or below on a needle.
    reason : str
        Why the others are None.
    """

    best: float
    neighbours: int = 0
    median: float | None = None
    worst: float | None = None
    profitable: float | None = None
    kept: float | None = None
    reason: str = ""


def neighbours(table: Float64Array, axes: Sequence[Axis], best: int) -> Int64Array:
    """Return the rows next to row `best`: at most one step away on every axis, itself left out.

    Parameters
    ----------
    table : array of float64, shape (combinations, axes)
    axes : sequence of Axis
        When one of them is no list of values, or nothing lies one step away, the nearest rows are taken: three for
        each axis, by distance over the spread of each column.
    best : int
    """
    others = np.delete(np.arange(len(table)), best)
    if all(axis.values for axis in axes):
        steps = np.stack([_places(table[:, i], axis) for i, axis in enumerate(axes)], axis=1)
        near: Int64Array = others[(np.abs(steps[others] - steps[best]) <= 1).all(axis=1)]
        if len(near):
            return near
    spread = np.ptp(table, axis=0)
    apart = (table[others] - table[best]) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(np.sum(apart**2, axis=1), kind="stable")
    nearest: Int64Array = np.sort(others[order[: 3 * len(axes)]])
    return nearest


def stability(
    table: Float64Array, axes: Sequence[Axis], values: Float64Array, net_usd: Float64Array, best: int, sign: int = 1
) -> Stability:
    """Return how the neighbours of row `best` did in the metric `values`; with `sign` -1 less of it is better."""
    near = neighbours(table, axes, best)
    found = float(values[best])
    known = values[near][np.isfinite(values[near])]
    if not len(known):
        return Stability(best=found, reason="there are no neighbours whose metric is defined")
    median = float(np.median(known))
    return Stability(
        best=found,
        neighbours=len(near),
        median=median,
        worst=float((sign * known).min()) * sign,
        profitable=float(np.mean(net_usd[near] > 0)),
        kept=median / found if found > 0 and sign > 0 else None,
        reason="" if found > 0 and sign > 0 else "a share is kept only of what is above 0 and better the more of it",
    )


def _places(column: Float64Array, axis: Axis) -> Int64Array:
    places: Int64Array = np.searchsorted(np.sort(np.array(axis.values)), column).astype(np.int64)
    return places
