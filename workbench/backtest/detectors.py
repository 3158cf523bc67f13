"""Detectors: signals that look ahead, and signals that depend on how much history happens to be loaded.

Look-ahead: the signals are computed again from the first k bars only, for every k (for a sample of them when there are
many bars); no earlier signal may differ. Warm-up: they are computed again from a later first bar; once the declared
warm-up has passed they may differ by no more than the declared error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from workbench.backtest.compare import SEED, Difference, Reader, Table, differences
from workbench.backtest.probes import Probe, probe_of
from workbench.domain.errors import InputError
from workbench.domain.hours import local
from workbench.rules.python import PythonStrategy, of_class
from workbench.rules.python import Strategy as Author
from workbench.rules.strategy import Strategy

EVERY = 300  # with no more bars than this, every cut is made
CUTS = 160
STARTS = (0.11, 0.26, 0.43)  # where the later first bars stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place where a signal is not what it would have been at the time.

    Parameters
    ----------
    kind : str
        ``look-ahead`` or ``warm-up``.
    column : str
        Column of the signals.
    row, at : int
        Row of the bars (0 = first), and when that bar starts (UTC ns).
    value, changed : float
        With all bars, and with fewer; NaN is "not known".
    bars : str
        Which bars gave `changed`.
    """

    kind: str
    column: str
    row: int
    at: int
    value: float
    changed: float
    bars: str

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.column} at row {self.row} ({local(self.at):%Y-%m-%d %H:%M:%S} Chicago) is "
            f"{_shown(self.value)} with all bars, but {_shown(self.changed)} {self.bars}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the detectors found.

    Parameters
    ----------
    look_ahead, warm_up : tuple of Finding
        The first difference of each column.
    uncertain : tuple of str
        Clocks, random numbers and files that a Python strategy asks.
    checked : str
        What was compared.
    beginnings : int
        Later first bars from which the warm-up was tried; 0: it could not be.
    """

    look_ahead: tuple[Finding, ...] = ()
    warm_up: tuple[Finding, ...] = ()
    uncertain: tuple[str, ...] = ()
    checked: str = ""
    beginnings: int = 0

    @property
    def clean(self) -> bool:
        """True when nothing was found."""
        return not (self.look_ahead or self.warm_up or self.uncertain)

    def __iter__(self) -> Iterator[str]:
        yield from map(str, (*self.look_ahead, *self.warm_up))
        yield from self.uncertain

    def __repr__(self) -> str:
        head = "clean" if self.clean else f"{len(list(self))} findings"
        return "\n".join([f"{head} ({self.checked})", *(f"  {line}" for line in self)])


def detect(what: Any, bars: Any, *, warmup: int | None = None, contract: str | None = None) -> Findings:
    """Return where signals look ahead, or depend on how much history was loaded.

    Parameters
    ----------
    what : Strategy or callable
        A strategy of either kind, or a function that takes a frame of bars and returns its signals: a series, frame or
        array with one row for each bar (or rows labelled by the bars' index).
    bars : Series, pandas or polars frame
        A function gets frames of the kind that is given here.
    warmup : int, optional
        Bars after which a function's signals must not depend on older ones any more; by default a third of `bars`.
        Strategies declare theirs.
    contract : str, optional
        Contract of the frame; by default the one it names, or that of the strategy's first root.

    Raises
    ------
    InputError
        Too few bars, a function that fails or returns no rows, a strategy that raises.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> bars = pd.DataFrame({"close": np.sin(np.arange(60.0))}, index=pd.date_range("2025-09-02", periods=60, tz="UTC"))
    >>> detect(lambda bars: bars.close > bars.close.rolling(5).mean(), bars).clean
    True
    >>> detect(lambda bars: bars.close.shift(-1) > bars.close, bars).look_ahead[0].row
    0
    """
    if isinstance(what, type) and issubclass(what, Author):
        what = of_class(what)
    if isinstance(what, Strategy | PythonStrategy):
        probe = probe_of(what, bars, contract)
    elif callable(what):
        probe = _FunctionProbe(what, bars, warmup)
    else:
        raise InputError(f"detect takes a strategy or a function of bars, not {type(what).__name__}")
    if len(probe) < 20:
        raise InputError(f"{len(probe)} bars are too few to detect anything; give 20 or more, best some thousands")
    return _run(probe)


def findings(what: Any, bars: Any) -> list[str]:
    """Return the findings of `detect` as sentences; empty when it is clean."""
    return list(detect(what, bars))


def _run(probe: Probe) -> Findings:
    full = probe.table(0, len(probe))
    ahead: dict[str, Finding] = {}
    made = 0
    for cut in probe.cuts(full):
        part = _maybe(probe, 0, cut, len(probe))
        if part is None:
            continue
        made += 1
        for found in differences(full, part, 0, 0, {}):
            known = f"when only the first {cut} bars were known"
            if found.column not in ahead or found.row < ahead[found.column].row:
                ahead[found.column] = _finding("look-ahead", found, probe, known)
    late: dict[str, Finding] = {}
    starts, warm = 0, probe.warmup
    lasting = _only(full, probe)
    slack = {name: SEED * size for name, size in full.ranges().items()} | {"": 0.0}
    for start in probe.starts():
        part = _maybe(probe, start, len(probe), len(probe)) if start + warm < len(probe) else None
        if part is None:
            continue
        starts += 1
        for found in differences(lasting, _only(part, probe), start, start + warm - 1, slack):
            known = f"when the bars begin at row {start} ({found.row - start + 1} bars loaded, warm-up {warm})"
            late.setdefault(found.column, _finding("warm-up", found, probe, known))
    if not made:
        raise InputError("it fails on every shorter history, so nothing could be compared")
    told = f"{starts} later beginnings" if starts else f"too few bars for the warm-up of {warm}"
    return Findings(
        look_ahead=tuple(ahead.values()),
        # what looks ahead differs for that reason from a later beginning, too: told once
        warm_up=tuple(found for name, found in late.items() if name not in ahead),
        uncertain=tuple(probe.uncertain),
        checked=f"{len(probe):,} bars, {made} cuts, {told}",
        beginnings=starts,
    )


def _only(table: Table, probe: Probe) -> Table:
    return Table({name: column for name, column in table.columns.items() if probe.forgets(name)}, table.rows)


def _maybe(probe: Probe, first: int, last: int, rows: int) -> Table | None:
    try:
        return probe.table(first, last)
    except InputError:
        if (last - first) * 2 > rows:
            raise
        return None  # a short history may be too short for it; that is no leak


def _finding(kind: str, found: Difference, probe: Probe, bars: str) -> Finding:
    return Finding(
        kind=kind,
        column=found.column,
        row=found.row,
        at=probe.at(found.row),
        value=found.full,
        changed=found.part,
        bars=bars,
    )


def spread_cuts(rows: int, full: Table, most: int = CUTS) -> list[int]:
    """Return how many first bars to keep in each cut: all numbers, or a sample that is dense where signals change."""
    if rows <= EVERY:
        return list(range(1, rows))
    even = np.linspace(rows // 50 + 2, rows - 1, most).astype(np.int64)
    steps = even + np.arange(len(even)) % 7  # not always at the same minute of an hour or a day
    made = {*steps.tolist(), rows - 1}
    for column in list(full.columns.values())[:8]:
        changes = np.flatnonzero(np.diff(np.nan_to_num(column, nan=-1e9)) != 0.0)
        if 0 < len(changes) < rows // 3:
            for row in changes[:: max(1, len(changes) // 12)].tolist():
                made |= {row + 1, row + 2, row + 3}
    return sorted(cut for cut in made if 1 <= cut < rows)


class _FunctionProbe:
    """A research function on slices of a frame."""

    uncertain: tuple[str, ...] = ()

    def __init__(self, function: Callable[[Any], Any], bars: Any, warmup: int | None) -> None:
        if not hasattr(bars, "columns") or not hasattr(bars, "head"):
            raise InputError(f"bars must be a pandas or polars frame, not {type(bars).__name__}")
        self._function, self._bars, self._reader = function, bars, Reader()
        self._is_pandas = hasattr(bars, "iloc")
        self.warmup = len(bars) // 3 if warmup is None else max(1, warmup)

    def __len__(self) -> int:
        return len(self._bars)

    def at(self, row: int) -> int:
        bars = self._bars
        if self._is_pandas:
            stamp = bars["ts"].iloc[row] if "ts" in bars.columns else bars.index[row]
        else:
            stamp = bars["ts"][row] if "ts" in bars.columns else row
        if hasattr(stamp, "as_unit"):
            return int(stamp.as_unit("ns").value)
        return int(stamp.timestamp() * 1_000_000) * 1000 if hasattr(stamp, "timestamp") else int(stamp)

    def cuts(self, full: Table) -> Sequence[int]:
        return spread_cuts(len(self), full)

    def starts(self) -> Sequence[int]:
        return [max(1, int(len(self) * share)) for share in STARTS]

    def forgets(self, column: str) -> bool:
        return True

    def table(self, first: int, last: int) -> Table:
        bars = self._bars
        part = bars.iloc[first:last].copy() if self._is_pandas else bars[first:last]
        labels = part.index if self._is_pandas else range(len(part))
        try:
            answer = self._function(part)
        except Exception as error:
            raise InputError(
                f"the function fails on bars {first} to {last - 1}: {type(error).__name__}: {error}"
            ) from error
        return self._reader.table(answer, cast("Sequence[Any]", labels))


def _shown(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.10g}"
