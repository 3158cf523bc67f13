"""The quality of what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.domain.contract import parse_contract
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.quality import Quality, quality

if TYPE_CHECKING:
    from workbench.storage.bars import BarStore


def quality_of(
    store: BarStore, contract: str, timeframe: str, start: int | None = None, end: int | None = None
) -> Quality:
    """Return the quality of the stored bars with ``start <= ts < end`` (UTC ns) and of what was quarantined there."""
    import polars as pl

    product, frame = parse_contract(contract), parse_timeframe(timeframe)
    rejected = store.quarantine.read(product.id, frame.text)
    at = pl.col("ts").to_physical()
    if start is not None:
        rejected = rejected.filter((at >= start) | at.is_null())
    if end is not None:
        rejected = rejected.filter((at < end) | at.is_null())
    bars = store.read(product, frame, start, end)
    return quality(bars, product, frame, trading_hours(product.spec), rejected)
