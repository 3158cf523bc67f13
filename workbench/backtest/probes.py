"""Strategies as tables of what they know and want at each bar, computed from any slice of the bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np

from workbench.backtest.compare import Table
from workbench.backtest.series import Series, series
from workbench.domain.contract import Contract, front_month, parse_contract, spec
from workbench.domain.errors import InputError
from workbench.domain.hours import local
from workbench.domain.timeframe import timeframe
from workbench.rules.arrays import evaluate
from workbench.rules.inputs import Inputs
from workbench.rules.python import PythonStrategy
from workbench.rules.python.running import PythonRule
from workbench.rules.strategy import Strategy

HELD = ("(long)", "(short)")
MOST_BARS = 12_000  # a Python strategy is run many times: the newest bars are enough


class Probe(Protocol):
    """Something whose signals can be computed from bars `first` up to (not including) `last`."""

    @property
    def warmup(self) -> int: ...
    @property
    def uncertain(self) -> Sequence[str]: ...

    def __len__(self) -> int: ...
    def at(self, row: int) -> int: ...
    def cuts(self, full: Table) -> Sequence[int]: ...
    def starts(self) -> Sequence[int]: ...
    def table(self, first: int, last: int) -> Table: ...

    def forgets(self, column: str) -> bool:
        """Say whether a column must not depend on where the bars begin."""
        ...


def probe_of(strategy: Strategy | PythonStrategy, bars: Any, contract: str | None) -> Probe:
    """Return the probe of a strategy of either kind on `bars`."""
    data = bars if isinstance(bars, Series) else series_of(strategy, bars, contract)
    if isinstance(strategy, PythonStrategy):
        return PythonProbe(strategy, data)
    return RuleProbe(strategy, data)


class RuleProbe:
    """A declarative strategy: every slot of its graph, and its conditions, over columns."""

    uncertain: tuple[str, ...] = ()

    def __init__(self, strategy: Strategy, data: Series) -> None:
        self._data = data
        self._strategy = strategy
        self.warmup = strategy.warmup
        plan = strategy.plan(data.contract)
        self._graph = plan.graph
        names = {slot: name for name, slot in plan.conditions.items()}
        for kind in ("stop", "target", "trail"):
            sides = getattr(plan, kind)
            names |= {slot: kind for slot in (sides.long, sides.short) if slot >= 0}
        self._names = {node.slot: self._graph.keys[node.slot] for node in self._graph.nodes} | names

    def __len__(self) -> int:
        return len(self._data)

    def at(self, row: int) -> int:
        return int(self._data.starts[row])

    def cuts(self, full: Table) -> Sequence[int]:
        from workbench.backtest.detectors import spread_cuts

        return spread_cuts(len(self), full)

    def starts(self) -> Sequence[int]:
        return later_starts(len(self), self.warmup)

    def forgets(self, column: str) -> bool:
        return True

    def table(self, first: int, last: int) -> Table:
        made = evaluate(self._graph, inputs_of(self._data, first, last), self._names)
        rows = last - first
        columns = {
            self._names[slot]: np.full(rows, column) if isinstance(column, float) else column
            for slot, column in made.items()
        }
        return Table(columns, rows)


class PythonProbe:
    """A Python strategy: what it asks for at each bar while flat, long and short, and its readings."""

    def __init__(self, strategy: PythonStrategy, data: Series) -> None:
        self._strategy = strategy
        self.warmup = strategy.warmup
        self._events = data.events()[-MOST_BARS - self.warmup :]
        self._tick = data.contract.spec.tick_size
        self.uncertain = tuple(f"{what} ({place})" for place, what in strategy.uncertain())

    def __len__(self) -> int:
        return len(self._events)

    def at(self, row: int) -> int:
        return self._events[row].start

    def cuts(self, full: Table) -> Sequence[int]:
        # It is fed bar by bar, so only what it asks elsewhere can look ahead: then each run differs.
        return sorted({len(self) // 3, len(self) * 4 // 5, len(self)} - {0})

    def starts(self) -> Sequence[int]:
        return later_starts(len(self), self.warmup)

    def forgets(self, column: str) -> bool:
        return not column.endswith(HELD)  # what is done with a position depends on when it was entered, and should

    def table(self, first: int, last: int) -> Table:
        columns: dict[str, list[float]] = {}
        for name, position in (("flat", 0), ("long", 1), ("short", -1)):
            self._run(columns, name, position, first, last)
        return Table({name: np.array(column) for name, column in columns.items()}, last - first)

    def _run(self, columns: dict[str, list[float]], name: str, position: int, first: int, last: int) -> None:
        rule: PythonRule = self._strategy.start()
        host = rule.host
        rows: list[tuple[float, ...]] = []
        readings: list[list[float]] = []
        entry = self._events[first].open / self._tick if position else None
        for bar in self._events[first:last]:
            rule.on_bar(bar, position, entry)
            host = rule.host
            rows.append(
                (
                    float(host.side),
                    np.nan if host.stop is None else host.stop,
                    np.nan if host.target is None else host.target,
                    float(host.qty),
                    float(host.exits),
                )
            )
            if position == 0:
                readings.append(list(host.newest()))
        for i, column in enumerate(("entry", "stop", "target", "contracts", "exit")):
            columns[f"{column} ({name})"] = [row[i] for row in rows]
        if readings:
            for i, key in enumerate(host.reading_names()):
                columns[key] = [row[i] for row in readings]


def later_starts(rows: int, warmup: int) -> list[int]:
    """Return first bars that leave room for the warm-up, at odd places of the hour and the day."""
    room = rows - warmup
    return sorted({max(1, int(room * share)) for share in (0.07, 0.31, 0.58, 0.83)}) if room > 8 else []


def inputs_of(data: Series, first: int, last: int) -> Inputs:
    """Return bars `first` up to `last` as the columns of a rule."""
    open_, high, low, close = (np.array(column[first:last], dtype=np.float64) for column in data.points)
    return Inputs(
        starts=data.starts[first:last],
        ends=data.ends[first:last],
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=np.array(data.volume[first:last], dtype=np.float64),
        hours=data.hours,
    )


def series_of(strategy: Strategy | PythonStrategy, bars: Any, contract: str | None) -> Series:
    """Return a pandas or polars frame (columns open … volume, start of the bar as index or ``ts``) as checked bars."""
    import polars as pl

    named = contract or getattr(bars, "attrs", {}).get("contract")
    if hasattr(bars, "iloc"):
        stamps = bars["ts"] if "ts" in bars.columns else bars.index.to_series()
        if getattr(stamps.dtype, "tz", None) is None:
            raise InputError("bars need their start as index or column ts, with a time zone (UTC)")
        ns = stamps.dt.as_unit("ns").astype("int64").to_numpy()
        columns = {name: bars[name].to_numpy() for name in bars.columns if name != "ts"}
        frame = pl.DataFrame({"ts": ns, **columns}).with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC")))
    elif isinstance(bars, pl.DataFrame):
        frame = bars.with_columns(pl.col("ts").dt.convert_time_zone("UTC").cast(pl.Datetime("ns", "UTC")))
    else:
        raise InputError(f"bars must be a pandas or polars frame, not {type(bars).__name__}")
    return series(frame, _contract(named, frame, strategy.roots[0]), timeframe(strategy.timeframe))


def _contract(named: str | None, frame: Any, root: str) -> Contract:
    if named is None and "contract" in frame.columns and frame.height:
        named = str(frame["contract"][0])
    written = named or root
    product = spec(written)
    if written.upper() not in (product.root, product.exchange_root, product.symbol_id):
        return parse_contract(written)
    last = frame["ts"].cast(int).max() if frame.height else 0
    return front_month(product, local(int(cast(int, last) or 0)).date())
