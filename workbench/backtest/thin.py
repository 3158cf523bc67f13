"""Long series thinned for the eye without losing their extremes: what stands out stays where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candles:
    """Bars put together: first open, highest high, lowest low, last close, and the index of the first bar of each."""

    first: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array


def candles(bars: Sequence[Float64Array], most: int) -> Candles:
    """Return at most `most` candles over (open, high, low, close), each over equally many bars.

    >>> o, h, l, c = (np.array(x, dtype=float) for x in ([1, 2, 3], [2, 9, 4], [1, 0, 3], [2, 3, 4]))
    >>> made = candles((o, h, l, c), 2)
    >>> made.high, made.low, made.close
    (array([9., 4.]), array([0., 3.]), array([3., 4.]))
    """
    open_, high, low, close = bars
    first = np.arange(0, len(open_), -(-len(open_) // most) or 1, dtype=np.int64)
    last = np.append(first[1:], len(open_)) - 1
    return Candles(first, open_[first], np.maximum.reduceat(high, first), np.minimum.reduceat(low, first), close[last])


def turning_points(values: npt.NDArray[np.generic], most: int) -> Int64Array:
    """Return the indices of at most `most` points: of each of equally long stretches its ends, highest and lowest.

    >>> turning_points(np.array([0, 5, 1, 1, 1, -7, 2, 3]), 4)
    array([0, 1, 5, 7])
    """
    n = len(values)
    if n <= most:
        return np.arange(n, dtype=np.int64)
    size = -(-n // max(most // 4, 1))
    whole = n // size * size
    blocks = values[:whole].reshape(-1, size)
    start = np.arange(0, whole, size)
    found = [start, start + blocks.argmax(axis=1), start + blocks.argmin(axis=1), start + size - 1]
    if whole < n:
        rest = values[whole:]
        found.append(whole + np.array([0, rest.argmax(), rest.argmin(), n - 1 - whole]))
    return np.unique(np.concatenate(found)).astype(np.int64)


def largest(sizes: Float64Array, most: int) -> Int64Array:
    """Return the indices, in order, of the `most` values of largest size.

    >>> largest(np.array([1.0, -9.0, 3.0]), 2)
    array([1, 2])
    """
    if len(sizes) <= most:
        return np.arange(len(sizes), dtype=np.int64)
    return np.sort(np.argpartition(-np.abs(sizes), most)[:most]).astype(np.int64)
