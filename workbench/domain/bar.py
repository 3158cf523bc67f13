"""Declared frame schemas: what a frame of bars and a frame of ticks look like, everywhere.

Polars loads on the first call, not when this module is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

BAR_COLUMNS = ("ts", "open", "high", "low", "close", "volume")
TICK_COLUMNS = ("ts", "price", "size", "side", "watermark")

AGGRESSOR_BUY = 0
AGGRESSOR_SELL = 1
AGGRESSOR_UNKNOWN = -1


def bars_schema() -> pl.Schema:
    """Return the schema of a frame of bars.

    Returns
    -------
    polars.Schema
        ``ts`` UTC nanoseconds, the START of the bar; ``open high low close`` in points; ``volume`` in contracts.

    Examples
    --------
    >>> list(bars_schema())
    ['ts', 'open', 'high', 'low', 'close', 'volume']
    """
    import polars as pl

    columns: dict[str, pl.DataType | type[pl.DataType]] = {
        "ts": pl.Datetime("ns", "UTC"),
        "open": pl.Float64,
        "high": pl.Float64,
        "low": pl.Float64,
        "close": pl.Float64,
        "volume": pl.Int64,
    }
    return pl.Schema(columns)


def ticks_schema() -> pl.Schema:
    """Return the schema of a frame of ticks (prints), in order of arrival.

    Returns
    -------
    polars.Schema
        ``ts`` UTC nanoseconds, the exchange stamp; ``price`` in points; ``size`` in contracts; ``side`` of the
        aggressor (0 buy, 1 sell, -1 unknown); ``watermark`` nanoseconds of the market clock when the print was
        received (0 = not known).

    Examples
    --------
    >>> str(ticks_schema()["side"])
    'Int8'
    """
    import polars as pl

    columns: dict[str, pl.DataType | type[pl.DataType]] = {
        "ts": pl.Datetime("ns", "UTC"),
        "price": pl.Float64,
        "size": pl.Int64,
        "side": pl.Int8,
        "watermark": pl.Int64,
    }
    return pl.Schema(columns)
