"""The declared schemas of bulk data."""

from __future__ import annotations

import polars as pl

from workbench.domain.bar import BAR_COLUMNS, TICK_COLUMNS, bars_schema, ticks_schema


def test_schemas_are_the_declared_ones() -> None:
    assert tuple(bars_schema()) == BAR_COLUMNS
    assert tuple(ticks_schema()) == TICK_COLUMNS
    for schema in (bars_schema(), ticks_schema()):
        assert schema["ts"] == pl.Datetime("ns", "UTC")
    assert bars_schema()["volume"] == pl.Int64
    assert ticks_schema()["watermark"] == pl.Int64
