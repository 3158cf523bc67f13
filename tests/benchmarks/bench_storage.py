"""The store of bars against plain Parquet files by month: what ACID, validation and versions cost."""

from __future__ import annotations

import shutil
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl

from tests.benchmarks.harness import Row, compare
from workbench.domain.bar import bars_schema
from workbench.domain.hours import trading_hours
from workbench.storage.bars import BarStore

CONTRACT = "CON.F.US.MES.Z26"
PARTS, PART = 10, 100_000
MINUTE = 60_000_000_000
WEEK = 7 * 86_400_000_000_000


def parts() -> list[pl.DataFrame]:
    """Return a million one-minute bars of sessions, in ten parts."""
    rng = np.random.default_rng(7)
    grid = 1_560_000_000_000_000_000 // MINUTE * MINUTE + np.arange(2 * PARTS * PART) * MINUTE
    ts = grid[trading_hours("index").is_open_array(grid)][: PARTS * PART]
    close = 5000 + np.cumsum(rng.integers(-3, 4, len(ts))) * 0.25
    prices = {"open": close, "high": close + 0.5, "low": close - 0.5, "close": close}
    frame = pl.DataFrame({"ts": ts, **prices, "volume": rng.integers(1, 900, len(ts))}, schema=bars_schema())
    return [frame[at : at + PART] for at in range(0, PARTS * PART, PART)]


class PlainParquet:
    """Bars in one Parquet file per month and write: no lock, no check, no version, no repeat noticed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.numbers = count()

    def write(self, frame: pl.DataFrame) -> None:
        number = next(self.numbers)
        months = frame.with_columns(month=pl.col("ts").dt.strftime("%Y-%m"))
        for (month,), part in months.group_by("month", maintain_order=True):
            folder = self.root / str(month)
            folder.mkdir(parents=True, exist_ok=True)
            part.drop("month").write_parquet(folder / f"{number}.parquet", compression="zstd")

    def read(self, start: int, end: int) -> pl.DataFrame:
        first, last = (pl.Series([at]).cast(pl.Datetime("ns")).dt.strftime("%Y-%m")[0] for at in (start, end))
        files = [path for path in self.root.glob("*/*.parquet") if first <= path.parent.name <= last]
        inside = pl.col("ts").to_physical().is_between(start, end, closed="left")
        return pl.scan_parquet(sorted(files)).filter(inside).sort("ts").collect()


def rows() -> list[Row]:
    """Return ten appends of 100,000 bars, and reading one week out of the million."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-bench-"))
    frames, runs = parts(), count()
    start = int(frames[5]["ts"].to_physical()[0])

    def ours() -> None:
        store = BarStore(folder / f"store-{next(runs)}")
        for frame in frames:
            store.write(CONTRACT, "1m", frame, source="bench")

    def theirs() -> None:
        plain = PlainParquet(folder / f"plain-{next(runs)}")
        for frame in frames:
            plain.write(frame)

    def again() -> None:
        for frame in frames:
            assert stored.write(CONTRACT, "1m", frame, source="bench").written == 0

    try:
        append = compare("store: append 10 x 100 k bars", ours, theirs, at_least=0.333, peer="plain Parquet", runs=3)
        stored, plain = BarStore(folder / "store"), PlainParquet(folder / "plain")
        for frame in frames:
            stored.write(CONTRACT, "1m", frame, source="bench")
            plain.write(frame)
        assert stored.read(CONTRACT, "1m", start, start + WEEK).equals(plain.read(start, start + WEEK))
        week = compare(
            "store: one week out of 1 M bars, not cached",
            lambda: BarStore(folder / "store").read(CONTRACT, "1m", start, start + WEEK),
            lambda: plain.read(start, start + WEEK),
            at_least=0.333,
            peer="plain Parquet",
            runs=15,
        )
        stored.read(CONTRACT, "1m", start, start + WEEK)
        cached = compare(
            "store: one week out of 1 M bars, cached",
            lambda: stored.read(CONTRACT, "1m", start, start + WEEK),
            lambda: plain.read(start, start + WEEK),
            at_least=5.0,
            peer="plain Parquet",
            runs=15,
        )
        repeat = compare("store: the same 1 M bars again", again, theirs, at_least=0.333, peer="a first write", runs=3)
        return [append, week, cached, repeat]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
