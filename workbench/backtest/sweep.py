"""Many combinations through one engine: what is kept of each run, and the numbers that are compared.

A chunk of combinations is a pure function of bars, strategy and table of values, wherever it runs: in a thread here or
on another machine. Of each run a row of sums and its profit by trading date are kept, nothing as long as the bars.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from workbench.backtest.search import Space
from workbench.backtest.stats import TRADING_DATES_A_YEAR
from workbench.domain.errors import InputError, UnknownName
from workbench.rules.expression import walk
from workbench.rules.strategy import Strategy

if TYPE_CHECKING:
    from workbench.backtest.played import Summary
    from workbench.rules.arrays import ColumnCache

Float64Array = npt.NDArray[np.float64]

# Columns of `Chunk.raw`, as in `played.Summary`.
RAW = (
    "trades",
    "wins",
    "won_usd",
    "lost_usd",
    "net_usd",
    "costs_usd",
    "trade_sum_sq",
    "max_drawdown_usd",
    "exposure_bars",
    "refused",
)
_raw = attrgetter(*RAW)
# What can be compared, and whether more (+1) or less (-1) of it is better.
METRICS = {
    "sharpe_daily": 1,
    "net_usd": 1,
    "net_to_drawdown": 1,
    "profit_factor": 1,
    "expectancy_usd": 1,
    "t_trades": 1,
    "win_rate": 1,
    "sortino": 1,
    "max_drawdown_usd": -1,
    "worst_day_usd": 1,
    "best_day_usd": 1,
    "trades": 1,
    "trades_per_day": 1,
    "exposure": 1,
    "costs_usd": -1,
    "refused": -1,
}
LEAST_CHUNK, MOST_CHUNKS = 32, 256


class Runs(Protocol):
    """What a sweep needs of an engine over prepared bars.

    One that has ``ready(strategy)`` besides is asked for the work of ``batch`` combinations before the first of them is
    run: what one kind of work reads stays near the processor. `ready` does the first part and returns the second.
    """

    def summarise(self, strategy: Strategy, cache: ColumnCache | None = None) -> Summary:
        """Run a strategy with its values."""


class Ledger(Protocol):
    """The count of all combinations that were ever tried; `storage.ledger.Trials` is one."""

    def add(
        self, strategy: str, data_version: str, trials: int, what: str, *, evidence: dict[str, Any] | None = None
    ) -> None:
        """Count `trials` more of the strategy of this name."""

    def count(self, strategy: str) -> int:
        """Return how many combinations of the strategy of this name were ever tried."""


class MemoryLedger:
    """A ledger that lasts as long as the object: for tests, and where no home can be written."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int, str, dict[str, Any]]] = []

    def add(
        self, strategy: str, data_version: str, trials: int, what: str, *, evidence: dict[str, Any] | None = None
    ) -> None:
        self.rows.append((strategy, data_version, trials, what, evidence or {}))

    def count(self, strategy: str) -> int:
        return sum(row[2] for row in self.rows if row[0] == strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What is kept of some combinations, one row each.

    Parameters
    ----------
    raw : array of float64, shape (combinations, len(RAW))
        NaN for a combination the strategy refused.
    daily : array of float64, shape (combinations, dates)
        Net profit of each trading date, USD.
    refusals : tuple of (int, str)
        Row and reason of each refused combination.
    """

    raw: Float64Array
    daily: Float64Array
    refusals: tuple[tuple[int, str], ...] = ()


def run_chunk(
    runs: Runs,
    of: Space,
    table: Float64Array,
    dates: int,
    cache: ColumnCache | None = None,
    is_stopped: Callable[[], bool] = bool,
) -> Chunk | None:
    """Run the combinations of a table; None when it was stopped before the last one.

    Parameters
    ----------
    runs : Runs
        Bars and engine.
    of : Space
        Whose combinations they are.
    table : array of float64, shape (combinations, axes)
    dates : int
        Trading dates of the bars.
    cache : ColumnCache, optional
        Where sub-expressions that combinations share are kept.
    is_stopped : callable
        Asked before each combination.
    """
    raw, daily = np.full((len(table), len(RAW)), math.nan), np.zeros((len(table), dates))
    refusals: list[tuple[int, str]] = []
    loose, points = _is_loose(of), table.tolist()
    ready = getattr(runs, "ready", None) or (lambda strategy: partial(runs.summarise, strategy, cache))
    batch: list[tuple[int, Callable[[], Summary]]] = []
    for row, point in enumerate(points):
        if is_stopped():
            return None
        try:
            batch.append((row, ready(bound(of, point, loose))))
        except InputError as error:  # a length of 0 among the values: that combination has no meaning
            refusals.append((row, str(error)))
        if len(batch) < getattr(runs, "batch", 1) and row + 1 < len(points):
            continue
        for at, run in batch:
            try:
                summary = run()
            except InputError as error:
                refusals.append((at, str(error)))
                continue
            raw[at] = _raw(summary)
            daily[at] = summary.daily
        batch.clear()
    return Chunk(raw=raw, daily=daily, refusals=tuple(sorted(refusals)))


def bound(of: Space, point: Sequence[float], loose: bool = True) -> Strategy:
    """Return the strategy with the values of a combination.

    Its values and constraints were checked when the space was made. Lengths are checked by the plan that is made of it;
    settings such as ``sizing.contracts`` only where `loose` says that a varied parameter stands in one.
    """
    if loose:
        return of.strategy.with_parameters(**of.values(point))
    return of.strategy.unchecked(of.values(point))


def _is_loose(of: Space) -> bool:
    varied = set(of.names)
    settings = getattr(of.strategy, "settings", None)
    if settings is None:  # not made of expressions
        return True
    return any(getattr(part, "name", None) in varied for setting in settings.values() for part in walk(setting[0]))


def chunk_bounds(combinations: int) -> list[tuple[int, int]]:
    """Return first and last row of each chunk; they depend on the number of combinations alone.

    >>> chunk_bounds(70)
    [(0, 32), (32, 64), (64, 70)]
    """
    size = max(LEAST_CHUNK, -(-combinations // MOST_CHUNKS))
    return [(first, min(first + size, combinations)) for first in range(0, combinations, size)]


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Return chunks as one, in their order."""
    refusals, first = [], 0
    for chunk in chunks:
        refusals += [(first + row, reason) for row, reason in chunk.refusals]
        first += len(chunk.raw)
    return Chunk(
        raw=np.concatenate([chunk.raw for chunk in chunks]),
        daily=np.concatenate([chunk.daily for chunk in chunks]),
        refusals=tuple(refusals),
    )


def metrics(raw: Float64Array, daily: Float64Array, bars: int) -> dict[str, Float64Array]:
    """Return the numbers of each combination by name; NaN where one is undefined.

    The names mean what they mean in `workbench.backtest.stats`; besides, ``net_to_drawdown`` is net profit ÷ largest
    drawdown, and that ratios are given for fewer dates and trades as well: they rank, they do not judge.
    """
    of = {name: raw[:, i] for i, name in enumerate(RAW)}
    dates, trades = daily.shape[1], of["trades"]
    closed = of["won_usd"] + of["lost_usd"]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = closed / trades
        variance = (of["trade_sum_sq"] - trades * mean**2) / (trades - 1)
        made = {
            "net_usd": of["net_usd"],
            "sharpe_daily": sharpe_per_day(daily) * math.sqrt(TRADING_DATES_A_YEAR),
            "sortino": _sortino(daily),
            "trades": trades,
            "win_rate": of["wins"] / trades,
            "profit_factor": of["won_usd"] / -of["lost_usd"],
            "expectancy_usd": mean,
            "t_trades": mean / np.sqrt(variance / trades),
            "max_drawdown_usd": of["max_drawdown_usd"],
            "net_to_drawdown": of["net_usd"] / of["max_drawdown_usd"],
            "best_day_usd": daily.max(axis=1),
            "worst_day_usd": daily.min(axis=1),
            "exposure": of["exposure_bars"] / bars,
            "trades_per_day": trades / dates,
            "costs_usd": of["costs_usd"],
            "refused": of["refused"],
        }
    return {name: np.where(np.isfinite(column), column, math.nan) for name, column in made.items()}


def sharpe_per_day(daily: Float64Array) -> Float64Array:
    """Return the Sharpe ratio a day of each row; NaN for fewer than two dates or no variation.

    >>> sharpe_per_day(np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]))
    array([ 2., nan])
    """
    if daily.shape[1] < 2:
        return np.full(len(daily), math.nan)
    spread = daily.std(axis=1, ddof=1)
    flat = np.ptp(daily, axis=1) == 0.0
    made: Float64Array = np.where(flat, math.nan, daily.mean(axis=1) / np.where(flat, 1.0, spread))
    return made


def _sortino(daily: Float64Array) -> Float64Array:
    down = np.sqrt(np.mean(np.minimum(daily, 0.0) ** 2, axis=1))
    made: Float64Array = daily.mean(axis=1) / down * math.sqrt(TRADING_DATES_A_YEAR)
    return made


def require_metric(name: str) -> str:
    """Return the name of a metric; raise UnknownName with the closest known ones."""
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    return name


def score(name: str, values: Float64Array) -> Float64Array:
    """Return values so that more is better, and what is undefined is worst of all."""
    made: Float64Array = np.where(np.isfinite(values), METRICS[name] * values, -math.inf)
    return made


def estimated_bytes(combinations: int, dates: int, bars: int, cache_bytes: int) -> int:
    """Return about how much memory a sweep takes at its highest, the program itself not counted.

    The rows are counted twice (chunks and their join), the bars with their columns ten times.
    """
    return 2 * combinations * (dates + len(RAW) + len(METRICS)) * 8 + 10 * bars * 8 + cache_bytes
