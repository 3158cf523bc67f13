"""Prints to bars: the array form against polars and against the bare loop; the streaming form in prints a second."""

from __future__ import annotations

import numpy as np
import polars as pl

from tests.benchmarks.harness import Row, compare, measure
from workbench._numba_cache import prepare
from workbench.domain.hours import trading_hours
from workbench.ingestion.aggregate import bars_from_ticks
from workbench.ingestion.bar_builder import BarBuilder

prepare()

import numba as nb  # noqa: E402 - the cache folder is chosen first

PRINTS, STREAMED = 10_000_000, 1_000_000
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
TIMEFRAMES = ["1m", "5m", "15m", "1h"]


@nb.njit(cache=True)
def bare_loop(ts, price, size, step, start, opened, highest, lowest, closed, volume):
    """Fold ascending prints into bars of `step` and do nothing else: no late prints, no anchors, no growing."""
    bar, end = -1, np.int64(0)
    o, h, low, c, v = 0.0, 0.0, 0.0, 0.0, np.int64(0)
    for i in range(ts.shape[0]):
        t, p = ts[i], price[i]
        if t >= end:
            if bar >= 0:
                opened[bar], highest[bar], lowest[bar], closed[bar], volume[bar] = o, h, low, c, v
            bar += 1
            start[bar] = t - t % step
            end = start[bar] + step
            o = h = low = c = p
            v = size[i]
        else:
            if p > h:
                h = p
            if p < low:
                low = p
            c = p
            v += size[i]
    if bar >= 0:
        opened[bar], highest[bar], lowest[bar], closed[bar], volume[bar] = o, h, low, c, v
    return bar + 1


def bare_bars(ts: np.ndarray, price: np.ndarray, size: np.ndarray) -> list[np.ndarray]:
    room = int((ts[-1] - ts[0]) // (60 * SECOND)) + 2
    out = [np.empty(room, np.int64), *(np.empty(room) for _ in range(4)), np.empty(room, np.int64)]
    count = bare_loop(ts, price, size, 60 * SECOND, *out)
    return [column[:count] for column in out]


def market(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Twenty days of a random walk on the grid, about 350 prints a minute at ten million."""
    rng = np.random.default_rng(7)
    ts = START + np.sort(rng.integers(0, 20 * 86_400 * SECOND * count // PRINTS, count))
    return ts, 5000 + np.cumsum(rng.integers(-1, 2, count)) * 0.25, rng.integers(1, 10, count)


def polars_bars(frame: pl.DataFrame) -> pl.DataFrame:
    price = pl.col("price")
    return frame.group_by_dynamic("ts", every="1m").agg(
        open=price.first(), high=price.max(), low=price.min(), close=price.last(), volume=pl.col("size").sum()
    )


def rows() -> list[Row]:
    """Return 10 M prints to 1m against polars and the bare loop, and the stream to four timeframes."""
    ts, price, size = market(PRINTS)
    frame = pl.DataFrame({"ts": ts, "price": price, "size": size}).cast({"ts": pl.Datetime("ns", "UTC")})
    hours = trading_hours("index")

    def ours() -> pl.DataFrame:
        return bars_from_ticks(ts, price, size, "1m", hours)

    assert ours().equals(polars_bars(frame))
    assert all((ours()[name].to_physical().to_numpy() == column).all() for name, column in zip(
        ours().columns, bare_bars(ts, price, size), strict=True
    ))  # fmt: skip
    t, p, s = (column.tolist() for column in market(STREAMED))

    def one_by_one() -> None:
        add = BarBuilder(TIMEFRAMES, hours, "CON.F.US.EP.Z26").add
        for each in zip(t, p, s, strict=True):
            add(*each)

    def in_batches() -> None:
        BarBuilder(TIMEFRAMES, hours, "CON.F.US.EP.Z26").add_many(t, p, s)

    work = {"work": PRINTS, "unit": "prints/s"}
    stream = {"at_least": 500_000, "work": STREAMED, "unit": "prints/s"}
    return [
        compare(
            "10 M prints to 1m, against polars", ours, lambda: polars_bars(frame), at_least=1.0, peer="polars", **work
        ),
        compare(
            "10 M prints to 1m, vs a bare loop",
            ours,
            lambda: bare_bars(ts, price, size),
            at_least=0.667,
            peer="the loop",
            **work,
        ),
        measure("stream to 1m 5m 15m 1h, one by one", one_by_one, **stream),
        measure("stream to 1m 5m 15m 1h, in batches", in_batches, **stream),
    ]
