"""Sweeps and walk-forwards as they are run: memory foreseen, chunks kept, trials counted, Ctrl-C heard.

`research` gives these functions their notebook form; here everything is given in full.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.backtest.random_entries import random_entries
from workbench.backtest.search import METHODS, Points, Space, Tpe, grid, random_points, space
from workbench.backtest.sweep import (
    METRICS,
    RAW,
    Chunk,
    Ledger,
    chunk_bounds,
    estimated_bytes,
    joined,
    metrics,
    require_metric,
    sharpe_per_day,
)
from workbench.backtest.swept import Later, Sweep
from workbench.backtest.walk_forward import WalkForward, walk, windows
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.rules.strategy import Strategy
from workbench.services.progress import progress as shown
from workbench.services.sweep_job import Bounds, Job
from workbench.services.sweep_pool import Pool, Task, pool
from workbench.services.sweep_store import SweepStore, require_known
from workbench.services.version import program_version
from workbench.storage.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.backtest.result import Result
    from workbench.backtest.sweep import Float64Array

TRIALS = 100  # of random and TPE search, when not told
MOST_BYTES = 2 << 30


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where a sweep runs, is kept and counted; nothing of it changes a result.

    Parameters
    ----------
    home : Home
    ledger : Ledger
    jobs : int, optional
        Threads.
    cluster : str or distributed.Client, optional
    resume : bool or str
        True: go on with what is done of this very sweep; a text: its address must be this one.
    progress : bool, optional
        Show a bar; left out, only to people.
    most_bytes : int
        Sweeps that would take more memory are refused.
    """

    home: Home
    ledger: Ledger
    jobs: int | None = None
    cluster: Any = None
    resume: bool | str = False
    progress: bool | None = None
    most_bytes: int = MOST_BYTES


@dataclass(kw_only=True)
class _Work:
    # one run of a sweep: what is done by number of its chunk
    job: Job
    of: Space
    store: SweepStore
    tick: Callable[[int], None]
    done: dict[int, tuple[Float64Array, Chunk]] = field(default_factory=dict)
    fresh: int = 0

    def run(self, pool: Pool, tasks: Sequence[Task]) -> None:
        todo = []
        for task in tasks:
            held = self.store.load(task.number, task.table)
            if held is None:
                todo.append(task)
            else:
                self._keep(task, held)
        pool(self.job, self.of, todo, self._made)

    def _made(self, task: Task, chunk: Chunk) -> None:
        self.store.save(task.number, task.table, chunk)
        self.fresh += len(task.table)
        self._keep(task, chunk)

    def _keep(self, task: Task, chunk: Chunk) -> None:
        self.done[task.number] = (task.table, chunk)
        self.tick(len(task.table))

    def result(self) -> tuple[Float64Array, Chunk]:
        held = [self.done[number] for number in sorted(self.done)]
        return np.concatenate([table for table, _ in held]), joined([chunk for _, chunk in held])


def sweep(
    strategy: Strategy,
    job: Job,
    parameters: Mapping[str, object],
    *,
    where: Where,
    method: str = "grid",
    trials: int | None = None,
    metric: str = "sharpe_daily",
    seed: int = 0,
    provenance: Mapping[str, Any] | None = None,
    result: Callable[[Strategy], Result] | None = None,
) -> Sweep:
    """Run many combinations of a strategy's parameters on the same bars.

    Parameters
    ----------
    strategy : Strategy
    job : Job
        Bars, costs and limits.
    parameters : mapping
        What each is tried with; see `workbench.backtest.axes`.
    where : Where
    method : str
        ``grid``, ``random`` or ``tpe``.
    trials : int, optional
        Combinations of random and TPE search; 100 when left out.
    metric : str
        What the best is best in (and TPE learns from); see `workbench.backtest.sweep.METRICS`.
    seed : int
    provenance : mapping, optional
    result : callable, optional
        Makes the full result of one combination.

    Returns
    -------
    Sweep
        After Ctrl-C what was done until then; ``resume=True`` goes on.

    Raises
    ------
    InputError
        Wrong ranges, names or method; more memory than is allowed; too many combinations.
    """
    require_metric(metric)
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if method == "grid" and trials is not None:
        raise InputError(f"trials={trials} goes with method='random' or 'tpe'; a grid runs every combination")
    of = space(strategy, parameters)
    points = _points(of, method, trials, seed)
    planned = len(points.table) if points is not None else int(trials or TRIALS)
    needed = _require_memory(planned, job, where)
    options = {"method": method, "trials": trials, "seed": seed, "program": program_version()}
    key = job.key(of, **options, metric=metric if method == "tpe" else "")
    if isinstance(where.resume, str) and where.resume != key:
        require_known(where.home, where.resume)
        raise InputError(f"resume={where.resume!r} is another sweep: this one is {key}; resume=True goes on with it")
    before = where.ledger.count(strategy.name)  # asked first: a ledger that cannot be read is no surprise after hours
    store = SweepStore(where.home, key, fresh=not where.resume)
    store.describe({"strategy": strategy.name, "version": strategy.version, "axes": of.described(), **options})
    text = f"{strategy.name}: {planned:,} combinations, about {needed / 1e6:,.0f} MB"
    with shown(text, planned, show=where.progress) as tick, pool(where.jobs, where.cluster) as run:
        work = _Work(job=job, of=of, store=store, tick=tick)
        try:
            dropped = (
                _run_points(work, run, points) if points is not None else _run_tpe(work, run, planned, metric, seed)
            )
        except KeyboardInterrupt:
            if not work.done:
                raise
            dropped = points.dropped if points is not None else 0
    table, chunk = work.result()
    new = int(np.count_nonzero(np.isfinite(chunk.raw[:, RAW.index("trades")]))) - store.counted
    made = Sweep(
        space=of, table=table, chunk=chunk, metric=metric, method=method, bars=len(job.series), dates=job.dates,
        trials=before + max(new, 0), planned=planned, dropped=dropped, seed=seed,
        provenance={**(provenance or {}), "sweep": key, "estimated_bytes": needed, **options},
        later=_later(strategy, job, parameters, where, result),
    )  # fmt: skip
    if new > 0:  # a killed sweep is counted when it is gone on with: until then nobody has seen what it found
        told = f"{method} over {', '.join(of.names)} by {metric}"
        try:
            where.ledger.add(strategy.name, job.data_version, new, told, evidence=_evidence(made, job))
            store.counted += new
        except StorageError as error:  # the results are worth more than their count; resume=True counts them
            warnings.warn(f"{new:,} trials of {strategy.name} could not be counted: {error}", stacklevel=3)
    return made


def walk_forward(
    strategy: Strategy,
    job: Job,
    parameters: Mapping[str, object],
    *,
    where: Where,
    train: int,
    test: int,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
    method: str = "grid",
    trials: int | None = None,
    metric: str = "sharpe_daily",
    seed: int = 0,
    provenance: Mapping[str, Any] | None = None,
) -> WalkForward:
    """Choose the best combination on each training window and trade the test window after it with it.

    Parameters
    ----------
    train, test, purge, embargo : int
        Trading dates; see `workbench.backtest.walk_forward`.
    anchored : bool
        Train from the first date on.
    others
        As in `sweep`; the method is ``grid`` or ``random``.
    """
    require_metric(metric)
    if method not in ("grid", "random"):
        raise UnknownName("method of a walk-forward", method, ("grid", "random"))
    of = space(strategy, parameters)
    table = grid(of).table if method == "grid" else random_points(of, TRIALS if trials is None else trials, seed).table
    steps = windows(len(job.dates), train=train, test=test, anchored=anchored, purge=purge, embargo=embargo)
    _require_memory(len(table), job, where)
    text, total = f"{strategy.name}: {len(steps)} windows", len(steps) * (len(table) + 1)
    with shown(text, total, show=where.progress) as tick, pool(where.jobs, where.cluster) as run:
        made = walk(of, table, steps, _windowed(job, of, run, tick), _bars_between(job), metric)
    told = f"walk-forward of {', '.join(of.names)} by {metric}, {len(steps)} windows"
    where.ledger.add(strategy.name, job.data_version, len(table), told, evidence=_span(job))
    options: dict[str, Any] = {"train": train, "test": test, "anchored": anchored, "purge": purge, "embargo": embargo}
    options |= {"method": method, "trials": trials, "metric": metric, "seed": seed, "axes": of.described()}
    return WalkForward(
        space=of, steps=made, dates=job.dates, metric=metric, combinations=len(table),
        provenance={**(provenance or {}), "walk_forward": options},
    )  # fmt: skip


# --- inside ---


def _points(of: Space, method: str, trials: int | None, seed: int) -> Points | None:
    if method == "grid":
        return grid(of)
    if method == "random":
        return random_points(of, TRIALS if trials is None else trials, seed)
    if trials is not None and (isinstance(trials, bool) or trials != int(trials) or trials < 1):
        raise InputError(f"trials={trials!r} must be a whole number of combinations, at least 1")
    return None


def _run_points(work: _Work, run: Pool, points: Points) -> int:
    bounds = chunk_bounds(len(points.table))
    work.run(run, [Task(number=i, table=points.table[a:b]) for i, (a, b) in enumerate(bounds)])
    return points.dropped


def _run_tpe(work: _Work, run: Pool, trials: int, metric: str, seed: int) -> int:
    search = Tpe(work.of, seed, maximise=METRICS[metric] > 0)
    number = ran = 0
    while ran < trials:
        table = search.ask(min(Tpe.BATCH, trials - ran))
        if not len(table):
            break
        half = -(-len(table) // 2)  # two chunks for two processors; their bounds do not depend on how many there are
        parts = [table[:half], table[half:]] if len(table) > 1 else [table]
        work.run(run, [Task(number=number + i, table=part) for i, part in enumerate(parts)])
        made = joined([work.done[number + i][1] for i in range(len(parts))])
        search.tell(metrics(made.raw, made.daily, len(work.job.series))[metric])
        number, ran = number + len(parts), ran + len(table)
    return search.dropped


def _require_memory(combinations: int, job: Job, where: Where) -> int:
    needed = estimated_bytes(combinations, len(job.dates), len(job.series), job.cache_bytes)
    if needed > where.most_bytes:
        raise InputError(
            f"{combinations:,} combinations over {len(job.dates):,} trading dates take about {needed / 1e9:.1f} GB, "
            f"{where.most_bytes / 1e9:.1f} GB are allowed; take larger steps, a shorter span of dates, "
            f"method='random' or 'tpe' with trials=, or raise most_bytes="
        )
    return needed


def _windowed(job: Job, of: Space, run: Pool, tick: Callable[[int], None]) -> Callable[[int, int, Float64Array], Chunk]:
    def between(first: int, last: int, table: Float64Array) -> Chunk:
        held: dict[int, Chunk] = {}

        def done(task: Task, chunk: Chunk) -> None:
            held[task.number] = chunk
            tick(len(task.table))

        bounds: list[Bounds] = chunk_bounds(len(table))
        run(job, of, [Task(number=i, table=table[a:b], dates=(first, last)) for i, (a, b) in enumerate(bounds)], done)
        return joined([held[number] for number in sorted(held)])

    return between


def _bars_between(job: Job) -> Callable[[int, int], int]:
    def between(first: int, last: int) -> int:
        begin, end = job.bars_of((first, last))
        return end - begin

    return between


def _evidence(made: Sweep, job: Job) -> dict[str, Any]:
    ratios = sharpe_per_day(made.daily)
    ratios = ratios[np.isfinite(ratios)]
    told: dict[str, Any] = {**_span(job), "sweep": made.provenance["sweep"]}
    if len(ratios) > 1:
        told["sharpe_variance"] = float(np.var(ratios, ddof=1))
    if made.overfitting.pbo is not None and math.isfinite(made.overfitting.pbo):
        told["pbo"] = made.overfitting.pbo
    return told


def _span(job: Job) -> dict[str, Any]:
    return {"first": str(job.dates[0]), "last": str(job.dates[-1])}


def _later(
    strategy: Strategy,
    job: Job,
    parameters: Mapping[str, object],
    where: Where,
    result: Callable[[Strategy], Result] | None,
) -> Later:
    return Later(
        result=result,
        random_entries=lambda chosen, samples, seed: random_entries(job.prepared, chosen, samples, seed),
        walk_forward=lambda **options: walk_forward(strategy, job, parameters, where=where, **options),
    )
