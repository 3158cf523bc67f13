"""Small frames of bars made by hand, without any engine."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tests.rules.build import DAY_OPEN
from workbench.domain.clock import MINUTE
from workbench.domain.contract import parse_contract

MES = parse_contract("CON.F.US.MES.U25")
Row = tuple[float, float, float, float]  # open, high, low, close in points


def frame(rows: Sequence[Row], *, start: int = DAY_OPEN, every: int = MINUTE) -> pl.DataFrame:
    """Bars that follow each other from 08:30 Chicago on, ten contracts each."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    stamps = [start + i * every for i in range(len(rows))]
    prices = zip(("open", "high", "low", "close"), columns, strict=True)
    return pl.DataFrame(
        {
            "ts": pl.Series(stamps, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC")),
            **{name: pl.Series(column, dtype=pl.Float64) for name, column in prices},
            "volume": pl.Series([10] * len(rows), dtype=pl.Int64),
        }
    )
