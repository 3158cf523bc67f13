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
Flags = NDArray[np.uint8]
_types: Any = nb.types
_READ, _FLAGS = _types.Array(nb.int64, 1, "C", readonly=True), nb.uint8[::1]


def _pass(*taken: Any, gives: Any = nb.void) -> Callable[[Any], Any]:
    return nb.njit([gives(*taken)], cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload, no-any-return]


@_pass(_READ, _READ, _READ, _READ, _FLAGS)
def mark_past(starts: Ints, ends: Ints, edges: Ints, latest: Ints, past: Flags) -> None:
    """Fill `past` with whether the bar after each one would end later than its trading date's position may be held.

    `edges` are the first bars of the trading dates and the number of bars, `latest` the dates' last instants (UTC ns).
    """
    for day in range(latest.shape[0]):
        limit = latest[day]
        for i in range(edges[day], edges[day + 1]):
            past[i] = 2 * ends[i] - starts[i] > limit
