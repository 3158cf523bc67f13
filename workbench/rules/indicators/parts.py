"""The pieces steps are made of, each with its own stretch of the state from `at` on.

All of them take a finite value: a step looks at its inputs before it changes anything. A ring keeps the last values; a
sum over it is kept of distances from a reference value and taken anew each time the ring wraps, so rounding cannot pile
up and a flat stretch gives exactly its price. Wrapping costs the length of the ring once in so many bars.
"""

from __future__ import annotations

from collections.abc import MutableSequence

from workbench.rules.indicators.base import NAN

State = MutableSequence[float]


def mean_at(state: State, at: int, x: float, length: int) -> float:
    """Return the mean of the last `length` values; takes 4 + length places."""
    # [0] 1 when the ring is full, [1] place in it, [2] reference, [3] sum of distances, [4:] ring
    head = state[at + 1]
    place = at + 4 + int(head)
    old = state[place]
    state[place] = x
    if head > 0.0 and head + 1.0 < length and state[at] > 0.0:  # most bars: as below, without a choice to wait for
        state[at + 1] = head + 1.0
        state[at + 3] += x - old
        return state[at + 2] + state[at + 3] / length
    state[at + 1] = head + 1.0 if head + 1.0 < length else 0.0
    if head == 0.0:
        total = 0.0
        if state[at] > 0.0:
            for i in range(at + 5, at + 4 + length):
                total += state[i] - x
        elif length == 1:
            state[at] = 1.0
        state[at + 2] = x
        state[at + 3] = total
    elif state[at] > 0.0:
        state[at + 3] += x - old
    else:
        state[at + 3] += x - state[at + 2]
        if head + 1.0 >= length:
            state[at] = 1.0
    return state[at + 2] + state[at + 3] / length if state[at] > 0.0 else NAN


def sums_at(state: State, at: int, x: float, length: int) -> float:
    """Keep the plain and the weighted sum of the last `length` values; return 1 when there are so many, else 0.

    Takes 5 + length places; afterwards [2] is the reference, [3] Σ d and [4] Σ k·d with k = 1 … length (newest) and d
    the distances from the reference.
    """
    # [0] 1 when the ring is full, [1] place in it, [5:] ring
    head = state[at + 1]
    place = at + 5 + int(head)
    old = state[place]
    state[place] = x
    state[at + 1] = head + 1.0 if head + 1.0 < length else 0.0
    if head == 0.0:
        total = weighted = 0.0
        if state[at] > 0.0:
            for i in range(1, length):
                distance = state[at + 5 + i] - x
                total += distance
                weighted += distance * i
        elif length == 1:
            state[at] = 1.0
        state[at + 2] = x
        state[at + 3] = total
        state[at + 4] = weighted
        return state[at]
    distance = x - state[at + 2]
    if state[at] > 0.0:
        state[at + 4] += distance * length - state[at + 3]
        state[at + 3] += x - old
        return 1.0
    state[at + 4] += distance * (head + 1.0)
    state[at + 3] += distance
    if head + 1.0 >= length:
        state[at] = 1.0
    return state[at]


def wma_at(state: State, at: int, x: float, length: int) -> float:
    """Return the mean weighted 1 … length (newest); takes 5 + length places."""
    if sums_at(state, at, x, length) == 0.0:
        return NAN
    return state[at + 2] + state[at + 4] / (0.5 * length * (length + 1.0))


def _measure_from(state: State, at: int, x: float, length: int) -> None:
    # The sums of distances and of their squares, from `x` as the new reference.
    total = squares = 0.0
    for i in range(at + 5, at + 5 + length):
        distance = state[i] - x
        total += distance
        squares += distance * distance
    state[at + 2] = x
    state[at + 3] = total
    state[at + 4] = squares


def variance_at(state: State, at: int, x: float, length: int) -> float:
    """Return the population variance of the last `length` values; takes 5 + length places, mean = [2] + [3] / length.

    When the window has moved so far from the reference that its squares nearly cancel, the reference is taken anew: a
    flat stretch after a jump has a variance of exactly zero.
    """
    # [0] 1 when the ring is full, [1] place in it, [2] reference, [3] sum of distances, [4] of their squares, [5:] ring
    head = state[at + 1]
    place = at + 5 + int(head)
    old = state[place] - state[at + 2]
    state[place] = x
    state[at + 1] = head + 1.0 if head + 1.0 < length else 0.0
    if state[at] == 0.0:
        if head + 1.0 < length:
            return NAN
        state[at] = 1.0
        _measure_from(state, at, x, length)
    elif head == 0.0:
        _measure_from(state, at, x, length)
    else:
        new = x - state[at + 2]
        state[at + 3] += new - old
        state[at + 4] += new * new - old * old
    mean, square = state[at + 3] / length, state[at + 4] / length
    if square - mean * mean < 1e-5 * square:
        _measure_from(state, at, x, length)
        mean, square = state[at + 3] / length, state[at + 4] / length
    return max(square - mean * mean, 0.0)


def ema_at(state: State, at: int, x: float, length: int) -> float:
    """Return the exponential mean, α = 2 / (length + 1), seeded with the mean of the first; takes 2 places."""
    # [0] values seen (up to length), [1] sum, later the average
    if state[at] < length:
        state[at] += 1.0
        state[at + 1] += x
        if state[at] < length:
            return NAN
        state[at + 1] /= length
    else:
        state[at + 1] += (x - state[at + 1]) * (2.0 / (length + 1.0))
    return state[at + 1]


def rma_at(state: State, at: int, x: float, length: int) -> float:
    """Return Wilder's mean, α = 1 / length, seeded with the mean of the first; takes 2 places."""
    # [0] values seen (up to length), [1] sum, later the average
    if state[at] < length:
        state[at] += 1.0
        state[at + 1] += x
        if state[at] < length:
            return NAN
        state[at + 1] /= length
    else:
        state[at + 1] += (x - state[at + 1]) / length
    return state[at + 1]


def high_at(state: State, at: int, x: float, length: int) -> float:
    """Return the highest of the last `length` values; takes 3 + length places.

    The window is the end of the last full block and the beginning of this one: when a block is full, its places become
    the highest from there to its end (van Herk 1992; Gil and Werman 1993), so a bar costs the same for every length.
    """
    # [0] 1 when a block was full, [1] place in the block, [2] highest of this block, [3:] block
    head = state[at + 1]
    best = x if head == 0.0 or x > state[at + 2] else state[at + 2]
    place = at + 3 + int(head)
    state[at + 2] = best
    state[place] = x
    if head + 1.0 < length:
        state[at + 1] = head + 1.0
        if state[at] == 0.0:
            return NAN
        old = state[place + 1]
        return old if old > best else best
    edge = x
    for i in range(place - 1, at + 2, -1):
        edge = edge if state[i] < edge else state[i]
        state[i] = edge
    state[at] = 1.0
    state[at + 1] = 0.0
    return best


def low_at(state: State, at: int, x: float, length: int) -> float:
    """Return the lowest of the last `length` values; takes 3 + length places. The mirror of `high_at`."""
    head = state[at + 1]
    best = x if head == 0.0 or x < state[at + 2] else state[at + 2]
    place = at + 3 + int(head)
    state[at + 2] = best
    state[place] = x
    if head + 1.0 < length:
        state[at + 1] = head + 1.0
        if state[at] == 0.0:
            return NAN
        old = state[place + 1]
        return old if old < best else best
    edge = x
    for i in range(place - 1, at + 2, -1):
        edge = edge if state[i] > edge else state[i]
        state[i] = edge
    state[at] = 1.0
    state[at + 1] = 0.0
    return best


def true_range(high: float, low: float, before: float) -> float:
    """Return how far a bar reached from its low to its high, the close before it included (Wilder 1978)."""
    return max(high, before) - min(low, before)


def is_new_date(state: State, at: int, day: float, start_s: float, begins_s: float) -> float:
    """Return 1 for the first bar of a trading date, else 0; takes 3 places.

    Afterwards [2] is 1 when the date was seen from before `begins_s` on: always, except for the first date loaded when
    its first bar begins later. What such a date held before is not known, so nothing is said about it.
    """
    # [0] trading date, [1] 1 when any bar was seen
    if state[at + 1] > 0.0 and day == state[at]:
        return 0.0
    state[at + 2] = 1.0 if state[at + 1] > 0.0 or start_s <= begins_s else 0.0
    state[at] = day
    state[at + 1] = 1.0
    return 1.0
