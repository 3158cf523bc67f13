"""Compiled passes over the bars of a run: what is looked up before it, and what is read from it after.

They have one signature each, whose columns may be read-only: bars may lie in a frame that nobody writes to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench._numba_cache import prepare, watch

prepare()

import numba as nb
import numpy as np
from numpy.typing import NDArray

watch()

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.uint8]
_types: Any = nb.types
_READ = _types.Array(nb.int64, 1, "C", readonly=True)
_INTS, _FLOATS, _FLAGS = nb.int64[::1], nb.float64[::1], nb.uint8[::1]


def _pass(*taken: Any, gives: Any = nb.void) -> Callable[[Any], Any]:
    return nb.njit([gives(*taken)], cache=True, nogil=True, error_model="numpy", _nrt=False)  # type: ignore[call-overload, no-any-return]


@_pass(_READ, _READ, _READ, _READ, _FLAGS)
def mark_past(starts: Ints, ends: Ints, edges: Ints, latest: Ints, past: Flags) -> None:
    """Fill `past` with whether the bar after each one would end later than its trading date's position may be held.

    `edges` are the first bars of the trading dates and the number of bars, `latest` the dates' last instants (UTC ns).
    """
    for day in range(latest.shape[0]):
        limit = latest[day]
        for i in range(edges[day], edges[day + 1]):
            past[i] = 2 * ends[i] - starts[i] > limit


@_pass(_READ, _READ, _READ, _READ, nb.int64, _INTS, _INTS)
def mark_to_market(rows: Ints, held: Ints, paid: Ints, closes: Ints, worth: int, position: Ints, equity: Ints) -> None:
    """Fill position and equity at each close: ``held[k]`` contracts that cost ``paid[k]`` from bar ``rows[k]`` on.

    `rows` ends with the number of bars; `worth` is what one tick of one contract is worth.
    """
    for k in range(held.shape[0]):
        contracts, cost = held[k], paid[k]
        value = contracts * worth
        for i in range(rows[k], rows[k + 1]):
            position[i] = contracts
            equity[i] = value * closes[i] - cost


@_pass(_READ, _READ, nb.int64, gives=_types.Tuple((nb.int64, nb.float64, nb.int64, nb.int64, nb.int64)))
def deepest_falls(equity: Ints, edges: Ints, capital: int) -> tuple[int, float, int, int, int]:
    """Return the largest fall, the largest as a share, trading dates of the first and of the longest, and highest bars.

    A fall is from one highest point of equity to the next, or the end; the run begins at a highest point of 0. A share
    is of the highest point and `capital`, in the same money.
    """
    peak = low = deepest = 0
    begun = dates = longest = highest = 0
    share, falling = 0.0, False
    for day in range(edges.shape[0] - 1):
        for i in range(edges[day], edges[day + 1]):
            now = equity[i]
            if now < peak:
                low = min(low, now) if falling else now
                falling = True
                continue
            if falling:
                longest = max(longest, day - begun)
                share = max(share, (peak - low) / (peak + capital))
                if peak - low > deepest:
                    deepest, dates = peak - low, day - begun
                falling = False
            peak, begun = now, day
            highest += 1
    if falling:
        day = edges.shape[0] - 2
        longest = max(longest, day - begun)
        share = max(share, (peak - low) / (peak + capital))
        if peak - low > deepest:
            deepest, dates = peak - low, day - begun
    return deepest, share, dates, longest, highest


@_pass(_READ, _READ, _READ, _READ, _FLOATS, _FLOATS)
def find_extremes(highs: Ints, lows: Ints, begin: Ints, end: Ints, top: Floats, bottom: Floats) -> None:
    """Fill `top` and `bottom` with the extremes of bars ``begin[k]`` to ``end[k]`` (exclusive); NaN without bars."""
    for k in range(begin.shape[0]):
        first, last = begin[k], end[k]
        if first >= last:
            top[k] = bottom[k] = np.nan
            continue
        most, least = highs[first], lows[first]
        for i in range(first + 1, last):
            most, least = max(most, highs[i]), min(least, lows[i])
        top[k], bottom[k] = most, least
