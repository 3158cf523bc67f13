"""History from the gateway into the store, chunk by committed chunk: a stopped backfill goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.storage.fetched import Fetched

if TYPE_CHECKING:
    import polars as pl

    from workbench.storage.bars import BarStore

CHUNK_BARS = 10_000
# The gateway may be some seconds behind our clock, or the other way round: nearer to now than this a stretch counts as
# fetched only up to the last bar that came.
UNSETTLED_NS = 600_000_000_000


class BarSource(Protocol):
    """The part of `gateway.rest.Rest` that a backfill needs."""

    async def bars(
        self, contract_id: str, tf: Timeframe, start: int, end: int, *, include_partial: bool = False
    ) -> pl.DataFrame:
        """Return all bars with start <= t < end (UTC ns), oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillReport:
    """What a backfill has done so far.

    Attributes
    ----------
    contract, timeframe : str
    total_ns, done_ns : int
        Length of the history that was missing, and how much of it is stored by now.
    chunks, received, written, unchanged, replaced, quarantined : int
        Commits, and rows by what became of them.
    """

    contract: str
    timeframe: str
    total_ns: int = 0
    done_ns: int = 0
    chunks: int = 0
    received: int = 0
    written: int = 0
    unchanged: int = 0
    replaced: int = 0
    quarantined: int = 0


async def backfill(
    rest: BarSource,
    store: BarStore,
    contract: str,
    timeframe: str | Timeframe,
    start: int,
    end: int,
    progress: Callable[[BackfillReport], None] | None = None,
    *,
    now: int | None = None,
    again: bool = False,
    chunk_bars: int = CHUNK_BARS,
) -> BackfillReport:
    """Fetch what of ``[start, end)`` was not fetched before, oldest first, and store it chunk by chunk.

    Parameters
    ----------
    rest : BarSource
    store : BarStore
    contract : str
        Id or code with a two-digit year.
    timeframe : str or Timeframe
    start, end : int
        UTC ns.
    progress : callable, optional
        Called with the report so far, once before the first chunk and after each.
    now : int, optional
        Market time (UTC ns); bars that are not final by then are left alone.
    again : bool
        Fetch the whole stretch, fetched before or not.

    Returns
    -------
    BackfillReport

    Raises
    ------
    InputError
        When the stretch is empty.
    GatewayError, StorageError
        From the gateway or the disk; the chunks before it are stored, and a second call goes on behind them.
    """
    product = parse_contract(contract)
    wanted = timeframe if isinstance(timeframe, Timeframe) else parse_timeframe(timeframe)
    hours = trading_hours(product.spec)
    if end <= start:
        raise InputError(f"nothing to fetch of {product.id}: the stretch ends at {end} ns, before its start {start} ns")
    last = end if now is None else min(end, wanted.bar_start(now, hours))
    fetched = Fetched(store.root)
    holes = fetched.missing(product.id, wanted.text, start, last) if not again else [(start, last)]
    report = BackfillReport(contract=product.id, timeframe=wanted.text, total_ns=sum(b - a for a, b in holes if b > a))
    if progress:
        progress(report)
    for first, until in _chunks(holes, chunk_bars * wanted.length):
        frame = await rest.bars(product.id, wanted, first, until)
        stored = await asyncio.to_thread(store.write, product, wanted, frame, source="rest")
        settled = until
        if now is not None and until > now - max(UNSETTLED_NS, 2 * wanted.length):
            settled = first if frame.is_empty() else wanted.bar_end(int(frame["ts"].to_physical()[-1]), hours)
        if settled > first:
            await asyncio.to_thread(fetched.add, product.id, wanted.text, first, min(settled, until))
        report = replace(
            report,
            done_ns=report.done_ns + until - first,
            chunks=report.chunks + 1,
            received=report.received + frame.height,
            written=report.written + stored.written,
            unchanged=report.unchanged + stored.unchanged,
            replaced=report.replaced + stored.replaced,
            quarantined=report.quarantined + stored.quarantined,
        )
        if progress:
            progress(report)
    return report


def _chunks(holes: list[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    for start, end in holes:
        for first in range(start, end, length):
            yield first, min(first + length, end)
