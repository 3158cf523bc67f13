"""What a plan's conditions say at each close, as a byte of bits: the engine looks eight closes at a time for the next.

A condition is read from its column. Crosses of two columns need none: most blocks of bars show no change of sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from workbench._numba_cache import prepare

prepare()

import numba as nb
import numpy as np
from numpy.typing import NDArray

from workbench.backtest.kernel_state import Flags, Floats, Ints, inlined

Words = NDArray[np.uint64]
F = TypeVar("F", bound=Callable[..., Any])

# Bits of a close. Both entries at once are neither of them.
ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, PAST = 1, 2, 4, 8, 16
ENTER = ENTER_LONG | ENTER_SHORT
BLOCK = 32
_FLAGS, _INT = nb.uint8[::1], nb.int64
_READ: Any = nb.types.Array(nb.float64, 1, "C", readonly=True)  # takes what may be written to as well
_ONES = np.uint64(0x0101_0101_0101_0101)
_NONE, _ABOVE, _BELOW = np.uint8(0), np.uint8(1), np.uint8(2)


def _marks(*taken: Any) -> Callable[[F], F]:
    made: Callable[[F], F] = nb.njit([nb.void(_FLAGS, *taken)], cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]
    return made


@_marks(_READ, _INT)
def mark(signals: Flags, column: Floats, bit: int) -> None:
    """Set a bit at each close where a condition's column is true."""
    on, off = np.uint8(bit), np.uint8(0)
    for i in range(column.shape[0]):
        signals[i] |= on if column[i] == 1.0 else off


@_marks(_FLAGS)
def mark_past(signals: Flags, past: Flags) -> None:
    """Set the bit of the flat-by."""
    on, off = np.uint8(PAST), np.uint8(0)
    for i in range(past.shape[0]):
        signals[i] |= on if past[i] else off


@_marks()
def settle(signals: Flags) -> None:
    """Take both entries away where both hold: the close says nothing about entries then."""
    both, rest = np.uint8(ENTER), np.uint8(0xFF ^ ENTER)
    for i in range(signals.shape[0]):
        if signals[i] & both == both:
            signals[i] &= rest


@_marks(_READ, _READ, _FLAGS, _INT, _INT)
def mark_crosses(signals: Flags, x: Floats, y: Floats, sides: Flags, up: int, down: int) -> None:
    """Set bits where x was below y and is above now, and the other way: `rules.operators.crossed_step` for all closes.

    `sides` holds a block of sides and the one before it: the longer the block, the fewer loops; any length will do.
    """
    rise, fall, off = np.uint8(up), np.uint8(down), np.uint8(0)
    n, size = x.shape[0], sides.shape[0] - 1
    sides[0] = _NONE
    for begin in range(0, n, size):
        count = min(size, n - begin)
        a, b = x[begin : begin + count], y[begin : begin + count]
        known = 0
        for k in range(count):
            side = (_ABOVE if a[k] > b[k] else _NONE) | (_BELOW if a[k] < b[k] else _NONE)
            sides[k + 1] = side
            known += side != _NONE
        if known < count:  # equality leaves the side, an unknown value forgets it
            for k in range(count):
                if sides[k + 1] == _NONE and a[k] == b[k]:
                    sides[k + 1] = sides[k]
        told = signals[begin : begin + count]
        for k in range(count):
            changed = sides[k] | sides[k + 1]
            told[k] |= (rise if sides[k + 1] == _ABOVE else fall) if changed == _ABOVE | _BELOW else off
        sides[0] = sides[count]


@inlined
def next_signal(signals: Flags, words: Words, mask: int, i: int, end: int) -> int:
    """Return the first close from `i` on, before `end`, with one of the bits of `mask`; `end` if there is none.

    `words` are the signals again, eight to a word; they may end with a word that is not full.
    """
    while i < end and i & 7:
        if signals[i] & mask:
            return i
        i += 1
    wide = np.uint64(mask) * _ONES
    w, last = i >> 3, (end + 7) >> 3
    while w < last and words[w] & wide == 0:
        w += 1
    i = max(i, w << 3)
    while i < end:
        if signals[i] & mask:
            return i
        i += 1
    return end


@inlined
def next_reach(lows: Ints, highs: Ints, low: int, high: int, i: int, end: int) -> int:
    """Return the first bar from `i` on, before `end`, that reaches down to `low` or up to `high`; else `end`."""
    while i + BLOCK <= end:
        reached = 0
        for k in range(i, i + BLOCK):
            reached += (lows[k] <= low) | (highs[k] >= high)
        if reached:
            break
        i += BLOCK
    while i < end and lows[i] > low and highs[i] < high:
        i += 1
    return i
