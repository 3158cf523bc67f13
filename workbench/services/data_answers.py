"""What the API answers about stored data: series, bars, charts, and how good they are."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Bar(BaseModel):
    """One bar; `time` is its start in unix seconds, prices in points."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class StoredSeries(BaseModel):
    """What the store holds of a contract in a timeframe; `first` and `last` are bar starts in unix seconds."""

    contract: str
    timeframe: str
    rows: int
    first: int
    last: int


class RejectedRow(BaseModel):
    """A row that failed validation, with its values as JSON; `time` in unix seconds, null where it had none."""

    time: int | None
    reason: str
    source: str
    values: str


class QualityReport(BaseModel):
    """Stored bars against the exchange's calendar: sums, one row per trading date, the longest gaps, rejected rows."""

    contract: str
    timeframe: str
    totals: dict[str, int]
    quarantine: dict[str, int]
    days: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    rejected: list[RejectedRow]


class Chart(BaseModel):
    """Part of a stored series, from `offset` of `total` bars on; `lines` holds an indicator's value at each bar."""

    contract: str
    timeframe: str
    total: int
    offset: int
    bars: list[Bar]
    lines: dict[str, list[float | None]]
