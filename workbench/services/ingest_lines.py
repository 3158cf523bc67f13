"""What `Ingest` keeps per contract and timeframe, and closed bars as frames and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.domain.bar import bars_schema
from workbench.domain.contract import Contract
from workbench.domain.events import BarClosed
from workbench.domain.hours import TradingHours
from workbench.domain.timeframe import Timeframe
from workbench.ingestion.bar_builder import BarBuilder
from workbench.storage.fetched import Span

if TYPE_CHECKING:
    import polars as pl


@dataclass(slots=True)
class Line:
    """One contract in one timeframe.

    Attributes
    ----------
    whole_from : int
        First bar start (ns) that the stream covers from its first instant; None while the stream is down.
    missing : list of (int, int)
        Stretches that have to come from REST, ascending.
    ready : list of BarClosed
        Whole bars, not stored yet.
    """

    contract: Contract
    timeframe: Timeframe
    hours: TradingHours
    last_end: int = 0
    whole_from: int | None = None
    missing: list[Span] = field(default_factory=list)
    ready: list[BarClosed] = field(default_factory=list)
    stored: int = 0
    built: int = 0  # from the stream; the others came from REST


@dataclass(slots=True)
class Tape:
    """The prints of one contract on their way to the store."""

    contract: Contract
    builder: BarBuilder
    numerator: int
    denominator: int
    rows: list[tuple[int, float, int, int, int]] = field(default_factory=list)
    bad: list[dict[str, Any]] = field(default_factory=list)
    seen: int = 0


def bars_of(closed: Sequence[BarClosed]) -> pl.DataFrame:
    """Return closed bars of one line as a frame in `bars_schema`."""
    import polars as pl

    schema = bars_schema()
    rows = [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in closed]
    return pl.DataFrame(rows, schema={**schema, "ts": pl.Int64}, orient="row").cast({"ts": schema["ts"]})


def events_of(frame: pl.DataFrame, line: Line, at: int) -> list[BarClosed]:
    """Return the rows of a frame of bars as events of a line, taken in at `at` (ns)."""
    import polars as pl

    return [
        BarClosed(
            at=at,
            contract=line.contract.id,
            timeframe=line.timeframe.text,
            start=start,
            end=line.timeframe.bar_end(start, line.hours),
            open=first,
            high=high,
            low=low,
            close=last,
            volume=volume,
        )
        for start, first, high, low, last, volume in frame.with_columns(pl.col("ts").to_physical()).iter_rows()
    ]
