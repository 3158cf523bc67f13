"""A sweep as a value that any process can work on: bars, costs, limits, and whose combinations."""

from __future__ import annotations

import hashlib
import json
import pickle
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workbench.backtest.costs import Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.search import Space
from workbench.backtest.series import Series
from workbench.backtest.sweep import Chunk, bound, run_chunk
from workbench.domain.errors import InputError
from workbench.risk.limits import Limits
from workbench.rules.arrays import ColumnCache
from workbench.rules.python import PythonStrategy
from workbench.rules.strategy import Strategy
from workbench.rules.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.backtest.played import Summary
    from workbench.backtest.sweep import Float64Array
    from workbench.domain.account import AccountProgramme

CACHE_BYTES = 192 * 1024 * 1024
_BATCH_BYTES, _MOST_BATCH = 1024 * 1024, 8
Bounds = tuple[int, int]


class SharedCache(ColumnCache):
    """Columns that several threads look up at once; those of keys in `passing` are not kept."""

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        super().__init__(max_bytes)
        self.passing: set[str] = set()
        self._lock = Lock()

    def get(self, key: str) -> Float64Array | None:
        with self._lock:
            return super().get(key)

    def put(self, key: str, column: Float64Array) -> None:
        if key in self.passing:
            return
        with self._lock:
            super().put(key, column)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that decides the outcome of a combination.

    Parameters
    ----------
    series : Series
    data_version : str
    costs : Costs
    limits : Limits
    programme : AccountProgramme, optional
    touch : bool
    cache_bytes : int
        Of shared sub-expressions; it changes nothing but speed.
    """

    series: Series = field(repr=False)
    data_version: str
    costs: Costs
    limits: Limits
    programme: AccountProgramme | None = None
    touch: bool = False
    cache_bytes: int = CACHE_BYTES
    _spaces: dict[int, _Shared] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def prepared(self) -> Prepared:
        return Prepared(
            series=self.series, costs=self.costs, limits=self.limits, programme=self.programme, touch=self.touch
        )

    @cached_property
    def cache(self) -> SharedCache:
        return SharedCache(self.cache_bytes)

    @property
    def dates(self) -> np.ndarray:
        """Trading dates with bars, datetime64[D]."""
        return self.series.hours.dates[self.prepared.days]

    def bars_of(self, dates: Bounds) -> Bounds:
        """Return the bars of a range of trading dates, both by number and with their ends exclusive."""
        first, last = np.searchsorted(self.prepared.day_of_bar, dates, "left")
        return int(first), int(last)

    def run(
        self, of: Space, table: Float64Array, dates: Bounds | None = None, is_stopped: Callable[[], bool] = bool
    ) -> Chunk | None:
        """Run the combinations of a table, on a range of trading dates only if one is given."""
        dates = dates or (0, len(self.prepared.days))
        runs = _Engine(self.prepared, self.cache, self._shared(of), self.bars_of(dates), dates)
        return run_chunk(runs, of, table, dates[1] - dates[0], is_stopped=is_stopped)

    def _shared(self, of: Space) -> _Shared:
        found = self._spaces.get(id(of))  # which stays alive in what is found
        if found is None:
            found = self._spaces[id(of)] = _shared(self.prepared, of)
        return found

    def key(self, of: Space, **options: Any) -> str:
        """Return the address of a sweep's results: a hash of all that decides them, 20 hex digits."""
        strategy = of.strategy
        fixed = {name: value for name, value in strategy.values.items() if name not in of.names}
        inner = self.series.inner
        described = {
            "strategy": strategy.version,
            "fixed": fixed,
            "axes": of.described(),
            "data": self.data_version,
            "contract": self.series.contract.id,
            "timeframe": self.series.timeframe.text,
            "inner": inner and [inner.source, hashlib.blake2b(inner.ticks[3].tobytes()).hexdigest()],
            "costs": repr(self.costs),
            "limits": repr(self.limits),
            "touch": self.touch,
            "programme": repr(self.programme),
            **options,
        }
        packed = json.dumps(described, sort_keys=True, default=str).encode()
        return hashlib.blake2b(packed, digest_size=10).hexdigest()


class _Engine:
    # an engine that trades on a range of trading dates, tells only of them, and keeps only columns others can use

    def __init__(self, prepared: Prepared, cache: SharedCache, shared: _Shared, bars: Bounds, dates: Bounds) -> None:
        self._prepared, self._cache, self._shared = prepared, cache, shared
        self._bars, self._dates = bars, dates

        self._free: list[np.ndarray] = []  # room for signals that no run needs any more

    @property
    def batch(self) -> int:
        # runs whose signals are near the processor together
        return max(1, min(_MOST_BATCH, _BATCH_BYTES // max(1, len(self._prepared.series))))

    def summarise(self, strategy: Strategy | PythonStrategy, cache: ColumnCache | None = None) -> Summary:
        return self.ready(strategy)()

    def ready(self, strategy: Strategy | PythonStrategy) -> Callable[[], Summary]:
        # the signals now, the run when it is called: before as many others are made ready as a batch has
        from workbench.backtest.kernel_runs import play
        from workbench.backtest.rule_columns import kernel_rules

        prepared, (first, last) = self._prepared, self._bars
        if isinstance(strategy, PythonStrategy):
            return lambda: self._cut(prepared.summarise(strategy, first=first, last=last))
        template = self._shared.template
        plan = self._prepared.plan(strategy) if template is None else template.plan(strategy)
        keys = plan.graph.keys
        passing = [keys[slot] for slot in self._shared.passing if slot < len(keys)]
        self._cache.passing.update(passing)
        try:
            words = self._free.pop() if self._free else np.empty(-(-len(prepared.series) // 8), dtype=np.uint64)
            rules = kernel_rules(prepared, plan, self._cache, words=words)
        finally:
            self._cache.passing.difference_update(passing)

        def run() -> Summary:
            made = play(prepared, plan, rules, first, last)
            self._free.append(words)
            return self._cut(made)

        return run

    def _cut(self, made: Summary) -> Summary:
        first, last = self._dates
        return made if last - first == len(made.daily) else replace(made, daily=made.daily[first:last])


class _Shared(NamedTuple):
    # what the combinations of a space have in common: the plan's shape, and slots whose columns no two of them share
    of: Space
    template: Template | None
    passing: frozenset[int]


def _is_python(strategy: object) -> bool:
    return isinstance(strategy, PythonStrategy)


def _shared(prepared: Prepared, of: Space) -> _Shared:
    nothing = _Shared(of, None, frozenset())
    if _is_python(of.strategy):
        return nothing
    point = [axis.values[0] if axis.values else axis.low for axis in of.axes]
    far = [axis.values[-1] if axis.values else axis.high for axis in of.axes]
    points = [point, *([*point[:i], value, *point[i + 1 :]] for i, value in enumerate(far))]
    try:
        base, *others = (prepared.plan(bound(of, at, loose=False)).graph.keys for at in points)
    except InputError:  # a value that a rule cannot take: then everything is kept, which costs memory alone
        return nothing
    passing = {slot for slot, key in enumerate(base) if not any(key in keys for keys in others)}
    # the point of most slots: two lengths that happen to be equal are one slot there, and not elsewhere
    best = max(range(len(points)), key=lambda i: len([base, *others][i]))
    model = bound(of, points[best], loose=False)
    return _Shared(of, Template(model, prepared.series.contract, of.names), frozenset(passing))


# --- in another process ---

_JOBS: OrderedDict[str, tuple[Job, Space]] = OrderedDict()
_JOBS_LOCK = Lock()
_MOST_JOBS = 2


def pack(job: Job, of: Space) -> bytes:
    """Return a job and its combinations for `run_packed`."""
    bare = replace(job)  # without what was worked out
    return zlib.compress(pickle.dumps((bare, of), protocol=pickle.HIGHEST_PROTOCOL), level=1)


def run_packed(packed: bytes, key: str, table: Float64Array, dates: Bounds | None = None) -> Chunk:
    """Run combinations of a packed job and space; what was worked out for it is kept for the next ones."""
    with _JOBS_LOCK:
        if key not in _JOBS:
            _JOBS[key] = pickle.loads(zlib.decompress(packed))  # noqa: S301 — our own bytes, sent by the sweep itself
            while len(_JOBS) > _MOST_JOBS:
                _JOBS.popitem(last=False)
        job, space = _JOBS[key]
        _ = job.prepared, job.cache
    made = job.run(space, table, dates)
    if made is None:
        raise RuntimeError("a chunk stopped although nobody asked")
    return made
