"""Bars, holes and constants for any operation of the rules, drawn by hypothesis."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.rules.indicators import Constant, Indicator

Columns = list[NDArray[np.float64]]
TICK = 0.25


@st.composite
def bars(draw: st.DrawFn, *, least: int = 0, most: int = 80, holes: bool = True) -> dict[str, NDArray[np.float64]]:
    """Bars of a walk in ticks with flat stretches and new dates; with `holes`, also NaN and infinite values."""
    n, rng = draw(st.integers(least, most)), np.random.default_rng(draw(st.integers(0, 2**32)))
    calm = rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.9]))
    close = 5000 + TICK * np.cumsum(np.where(calm, 0, rng.integers(-6, 7, n)))
    opened = np.concatenate([close[:1], close[:-1]])
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) + TICK * np.where(calm, 0, rng.integers(0, 5, n)),
        "low": np.minimum(opened, close) - TICK * np.where(calm, 0, rng.integers(0, 5, n)),
        "close": close,
        "volume": rng.integers(0, draw(st.sampled_from([1, 900])), n).astype(float),
    }
    per_day, begins, number = draw(st.integers(1, 30)), draw(st.sampled_from([0.0, 3600.0, 54000.0])), np.arange(n)
    columns["day"] = 739000.0 + number // per_day
    columns["start_s"] = np.where(number < per_day, begins, 0.0) + 1800.0 * (number % per_day)
    columns["end_s"] = columns["start_s"] + 1800.0
    columns["x"], columns["y"] = close.copy(), close[::-1].copy()
    for _ in range(draw(st.integers(0, 3)) if holes and n else 0):
        name = list(columns)[rng.integers(len(columns))]
        columns[name][rng.integers(n)] = draw(st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1e300]))
    return columns


def of(op: Indicator, columns: dict[str, NDArray[np.float64]]) -> Columns:
    """Return the columns an operation takes; names it may have besides bar columns all stand for an expression."""
    return [columns.get(name, columns["x"]) for name in op.inputs]


def constants(op: Indicator, most: int = 12) -> st.SearchStrategy[tuple[float, ...]]:
    """Return constants of an operation, lengths kept short enough for short data."""
    return st.tuples(*(_constant(c, most) for c in op.constants))


def _constant(constant: Constant, most: int) -> st.SearchStrategy[float]:
    if constant.clock:
        return st.sampled_from([0, 3600, 55800])
    if constant.whole:
        return st.integers(int(constant.least), int(min(constant.most, max(most, constant.least))))
    given = [] if constant.default is None else [constant.default]
    return st.sampled_from([*given, max(constant.least, 0.02), min(constant.most, 2.5)])


def defaults(op: Indicator, length: int) -> tuple[float, ...]:
    """Return constants of an operation: its defaults, and `length` (or the least there is) where it has none."""
    return op.typed([max(length, c.least) if c.default is None else c.default for c in op.constants])
