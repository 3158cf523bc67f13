"""What every benchmark needs: time ours and the peer's side by side in one run, and say whether the aim is met.

A benchmark is a module ``tests/benchmarks/bench_<what>.py`` with a function ``rows() -> list[Row]``::

    from tests.benchmarks.harness import Row, compare, measure


    def rows() -> list[Row]:
        return [
            compare("hub decode + dispatch", ours, theirs, at_least=5.0, work=20_000, unit="messages/s"),
            measure("streaming aggregation", stream, at_least=500_000, work=100_000, unit="trades/s"),
        ]

Both sides run alternately in the same process, so that a busy machine slows both; the median of n runs counts.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table, and one entry of bench.json.

    Parameters
    ----------
    name : str
        What was done.
    ours, other : float or None
        Ours, and the peer's or the limit, in `unit`.
    ratio : float or None
        How many times better ours is than the other (> 1: better), whether more or less of `unit` is better.
    aim : str
        The aim in words, such as ``>= 5 x pysignalr``.
    met : bool
        Whether the aim is met.
    unit : str
        ``s`` or a rate such as ``trades/s``.
    """

    name: str
    ours: float
    other: float | None = None
    ratio: float | None = None
    aim: str
    met: bool
    unit: str = "s"


def seconds(*sides: Callable[[], object], runs: int = 5, warm_up: int = 1) -> list[float]:
    """Return the median seconds of each side; the sides take turns within one loop.

    Parameters
    ----------
    *sides : callable
        Each does its whole work once per call.
    runs : int
        Timed rounds; the median of them counts.
    warm_up : int
        Rounds before that, not timed: compilation, caches.
    """
    taken: list[list[float]] = [[] for _ in sides]
    for round_ in range(warm_up + runs):
        for side, times in zip(sides, taken, strict=True):
            gc.collect()  # what the other side has left behind is not this one's time
            start = time.perf_counter()
            side()
            if round_ >= warm_up:
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def compare(
    name: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    *,
    at_least: float,
    work: float | None = None,
    unit: str = "s",
    runs: int = 5,
    peer: str = "",
) -> Row:
    """Time ours against a peer; the aim is to be `at_least` times as fast (0.67: at most 1.5 times as slow).

    Parameters
    ----------
    work : float, optional
        Pieces of work per call; then `unit` is a rate (``messages/s``) and the rates are shown.
    """
    mine, theirs = seconds(ours, other, runs=runs)
    ratio = theirs / mine
    shown = (mine, theirs) if work is None else (work / mine, work / theirs)
    aim = f">= {at_least:g} x {peer}".rstrip(" x")
    return Row(name=name, ours=shown[0], other=shown[1], ratio=ratio, aim=aim, met=ratio >= at_least, unit=unit)


def measure(
    name: str,
    ours: Callable[[], object],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    work: float | None = None,
    unit: str = "s",
    runs: int = 5,
) -> Row:
    """Time ours against a fixed limit: `at_least` so much of a rate, or `at_most` so many seconds.

    Examples
    --------
    >>> row = measure("sleep", lambda: None, at_most=1.0)
    >>> row.met, row.aim
    (True, '<= 1 s')
    """
    (taken,) = seconds(ours, runs=runs)
    return against_limit(name, taken if work is None else work / taken, at_least=at_least, at_most=at_most, unit=unit)


def against_limit(
    name: str, value: float, *, at_least: float | None = None, at_most: float | None = None, unit: str = "s"
) -> Row:
    """Return the row of a value that was measured elsewhere (such as in a child process)."""
    if (at_least is None) == (at_most is None):
        raise ValueError(f"{name}: give at_least or at_most, one of them")
    if at_least is not None:
        ratio, aim, limit = value / at_least, f">= {at_least:,g} {unit}", at_least
    else:
        limit = at_most or 0.0
        ratio, aim = limit / value, f"<= {limit:g} {unit}"
    return Row(name=name, ours=value, other=limit, ratio=ratio, aim=aim, met=ratio >= 1.0, unit=unit)
