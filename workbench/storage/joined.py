"""Bars of one timeframe from all that is stored: those of the timeframe itself, and those that shorter ones build.

A desk keeps a day of longer bars to warm its sessions up; a history is often stored in minutes alone. Neither may hide
the other. A bar that only one of them knows is taken from it. Of two bars with the same start the one with more volume
is given: to the other, trades are missing. Of equal ones it is the one from the shortest bars. So which bar is given
depends on what is stored of that bar alone, not on how far a timeframe reaches or in which order it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import Contract
from workbench.domain.errors import InputError
from workbench.domain.hours import TradingHours, local
from workbench.domain.timeframe import TIMEFRAMES, Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.aggregate import bars_from_bars, require_divisible
from workbench.storage.bars import FIRST, LAST, BarStore, Coverage
from workbench.storage.cache import content_version

if TYPE_CHECKING:
    import polars as pl

_RANK = "rank"
_LONGER_PERIOD = 5 * 86_400_000_000_000  # by which a week or month of trading dates may exceed its nominal length


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bars of a joined series that come from one stored timeframe; `first` and `last` are starts in UTC ns."""

    timeframe: str
    bars: int
    first: int
    last: int
    version: str

    def told(self) -> dict[str, Any]:
        """Return what the provenance of a result says about it; times are Chicago's."""
        first, last = (f"{local(at):%Y-%m-%d %H:%M}" for at in (self.first, self.last))
        return {
            "timeframe": self.timeframe,
            "bars": self.bars,
            "first": first,
            "last": last,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Bars, and the stored timeframes they come from, the shortest first; none when they are as they were stored."""

    frame: pl.DataFrame
    sources: tuple[Source, ...]


def held_for(store: BarStore, contract: Contract, wanted: Timeframe) -> list[Coverage]:
    """Return what is stored of a contract that is, or builds, bars of a timeframe; the shortest first."""
    held = {entry.timeframe: entry for entry in store.coverage() if entry.contract == contract.id}
    return [held[text] for text in TIMEFRAMES if text in held and (text == wanted.text or builds(text, wanted))]


def builds(source: str, wanted: Timeframe) -> bool:
    """Return whether bars of `wanted` are made of whole bars of `source`."""
    try:
        require_divisible(parse_timeframe(source), wanted)
    except InputError:
        return False
    return True


def read_joined(
    store: BarStore, contract: Contract, wanted: Timeframe, hours: TradingHours, start: int | None, end: int | None
) -> Joined:
    """Return the bars with ``start <= ts < end`` (UTC ns), ascending, that anything stored tells of.

    The last bar is included although it may still be forming.

    Raises
    ------
    InputError
        The end lies before the start.
    """
    first, last = FIRST if start is None else start, LAST if end is None else end
    held = [c for c in held_for(store, contract, wanted) if first < _end(c) and c.first < last]
    if [c.timeframe for c in held] in ([], [wanted.text]) or first >= last:
        return Joined(frame=store.read(contract, wanted, start, end), sources=())
    frame = _best([_part(store, contract, c.timeframe, wanted, hours, first, last) for c in held])
    return Joined(frame=frame.drop(_RANK), sources=_sources(frame, [c.timeframe for c in held]))


def _end(held: Coverage) -> int:
    return held.last + parse_timeframe(held.timeframe).length + _LONGER_PERIOD


def _part(
    store: BarStore, contract: Contract, text: str, wanted: Timeframe, hours: TradingHours, first: int, last: int
) -> pl.DataFrame:
    import polars as pl

    if text == wanted.text:
        return store.read(contract, text, first, last)
    # The last bar that starts in time is built whole, as a stored one is; one that began before the first is none.
    beyond = min(LAST, last + wanted.length + (_LONGER_PERIOD if wanted.daily else 0))
    built = bars_from_bars(store.read(contract, text, first, beyond), text, wanted, hours)
    return built.filter(pl.col("ts").cast(pl.Int64).is_between(first, last, closed="left"))


def _best(parts: list[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    ranked = [part.with_columns(pl.lit(rank).alias(_RANK)) for rank, part in enumerate(parts)]
    ordered = pl.concat(ranked).sort("ts", "volume", _RANK, descending=[False, True, False])
    return ordered.unique("ts", keep="first", maintain_order=True)


def _sources(frame: pl.DataFrame, names: list[str]) -> tuple[Source, ...]:
    import polars as pl

    made = []
    for rank, name in enumerate(names):
        part = frame.filter(pl.col(_RANK) == rank).drop(_RANK)
        if part.is_empty():
            continue
        first, last = (int(part["ts"].cast(pl.Int64)[row]) for row in (0, -1))
        version = content_version(part)
        made.append(Source(timeframe=name, bars=part.height, first=first, last=last, version=version))
    return tuple(made)
