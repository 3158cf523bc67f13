"""Bars over any window: pages from the newest to the oldest until a page brings nothing older.

The gateway keeps the latest 20,000 bars of a window, newest first, and has been seen to cut at 1,000 without a word. So
neither the number asked for nor the number received says whether a window is complete; only a further page that brings
nothing older does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from workbench.domain.bar import bars_schema
from workbench.domain.errors import InputError
from workbench.gateway.times import format_timestamp, parse_timestamp
from workbench.gateway.wire_rest import BarModel, BarsReply, BarsRequest

if TYPE_CHECKING:
    import polars as pl

    from workbench.domain.timeframe import Timeframe

PAGE = 20_000
Fetch = Callable[[BarsRequest], Awaitable[BarsReply]]
Rows = dict[int, BarModel]


async def pages(
    fetch: Fetch, contract_id: str, tf: Timeframe, start: int, end: int, *, live: bool, include_partial: bool
) -> AsyncIterator[Rows]:
    """Yield the bars with start <= t < end, by start (UTC ns), the newest page first; no bar comes twice.

    Parameters
    ----------
    fetch : callable
        One retrieveBars call.
    start, end : int
        UTC nanoseconds.
    """
    if end <= start:
        raise InputError(f"the window of bars is empty: start {start} is not before end {end} (UTC ns)")
    oldest = end
    while oldest > start:
        request = BarsRequest(
            contract_id=contract_id,
            live=live,
            start_time=format_timestamp(start),
            end_time=format_timestamp(oldest),
            unit=tf.gateway_unit,
            unit_number=tf.gateway_count,
            limit=PAGE,
            include_partial_bar=include_partial,
        )
        reply = await fetch(request)
        new = {t: bar for bar in reply.bars or () if start <= (t := parse_timestamp(bar.t)) < oldest}
        if not new:
            return
        oldest = min(new)
        yield new


def bars_frame(rows: Rows) -> pl.DataFrame:
    """Return `rows` as a frame of bars, oldest first."""
    import polars as pl

    order = sorted(rows)
    columns = {
        "ts": order,
        "open": [rows[t].o for t in order],
        "high": [rows[t].h for t in order],
        "low": [rows[t].l for t in order],
        "close": [rows[t].c for t in order],
        "volume": [rows[t].v for t in order],
    }
    schema = bars_schema()
    return pl.DataFrame(columns, schema={**schema, "ts": pl.Int64}).cast({"ts": schema["ts"]})
