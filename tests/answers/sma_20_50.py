"""The reference cases of a 20/50 moving-average cross, by vectorbt and by backtrader; nothing of ours takes part.

Rule: in the market from the first cross on, one contract, long after the fast average rises above the slow one, short
after it falls below. Conventions, the same for both:

- Averages are of closes in whole ticks, so that two averages are equal exactly when they are.
- A cross that passes through exact equality still counts, once, when the other side is reached (backtrader's CrossOver;
  vectorbt compares with the side before the equality as well).
- Decided at a bar's close, filled at the next bar's open (vectorbt: signals shifted by one, price = open).
- No costs, no slippage.

`python -m tests.answers.sma_20_50` writes sma_20_50.json beside this file.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

HERE = Path(__file__).resolve().parent
FAST, SLOW = 20, 50
# file, contract as the file names it (None: all rows), our contract id, timeframe, tick in points
CASES: list[tuple[str, str | None, str, str, float]] = [
    ("MES_5m_projectx_2025", None, "CON.F.US.MES.M25", "5m", 0.25),
    ("ES_1m_lean_201310", "ESZ13", "CON.F.US.EP.Z13", "1m", 0.25),
    ("GC_1m_lean_201310", "GCZ13", "CON.F.US.GCE.Z13", "1m", 0.1),
]
Trade = tuple[int, int, int, int, int]  # row of the entry, side, ticks, row of the exit, ticks


def recorded(folder: Path, name: str, contract: str | None) -> pl.DataFrame:
    """Return the bars of one contract, in order of time."""
    bars = pl.read_parquet(folder / "bars" / f"{name}.parquet")
    if contract is not None:
        bars = bars.filter(pl.col("contract").cast(pl.Utf8) == contract)
    return bars.select("ts", "open", "high", "low", "close", "volume").sort("ts")


def in_ticks(bars: pl.DataFrame, tick: float) -> pd.DataFrame:
    """Return open, high, low and close in whole ticks, as floats, by time."""
    columns = {name: np.round(bars[name].to_numpy() / tick) for name in ("open", "high", "low", "close")}
    return pd.DataFrame(columns, index=pd.DatetimeIndex(bars["ts"].cast(pl.Int64).to_numpy().view("M8[ns]"), name="ts"))


def by_vectorbt(bars: pd.DataFrame) -> list[Trade]:
    """Return the closed trades of vectorbt."""
    import vectorbt as vbt

    fast, slow = vbt.MA.run(bars["close"], FAST), vbt.MA.run(bars["close"], SLOW)
    up, down = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
    portfolio = vbt.Portfolio.from_signals(
        bars["close"],
        entries=up.vbt.signals.fshift(1),
        short_entries=down.vbt.signals.fshift(1),
        price=bars["open"],
        size=1.0,
        init_cash=1e9,
        freq="1min",
    )
    rows = portfolio.trades.records
    return [
        (int(r.entry_idx), -1 if r.direction else 1, round(r.entry_price), int(r.exit_idx), round(r.exit_price))
        for r in rows.itertuples()
        if r.status == 1
    ]


def by_backtrader(bars: pd.DataFrame) -> list[Trade]:
    """Return the closed trades of backtrader."""
    import backtrader as bt

    found: list[Trade] = []

    class Cross(bt.Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            self.cross = bt.ind.CrossOver(bt.ind.SMA(period=FAST), bt.ind.SMA(period=SLOW))
            self.held: tuple[int, int, int] | None = None

        def next(self) -> None:
            if self.cross[0]:
                self.order_target_size(target=int(self.cross[0]))

        def notify_order(self, order: Any) -> None:
            if order.status != order.Completed:
                return
            row, ticks = len(self.data) - 1, round(order.executed.price)
            if self.held is not None:
                found.append((*self.held, row, ticks))
            self.held = (row, 1 if order.isbuy() else -1, ticks)

    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker.set_cash(1e12)
    cerebro.adddata(bt.feeds.PandasData(dataname=bars.assign(volume=0.0, openinterest=0.0)))
    cerebro.addstrategy(Cross)
    cerebro.run()
    return found


def digest(trades: list[Trade]) -> str:
    """Return a hash of all trades, row by row."""
    return hashlib.sha256("\n".join(",".join(map(str, trade)) for trade in trades).encode()).hexdigest()


def facts(trades: list[Trade]) -> dict[str, Any]:
    """Return what is kept of trades: how many, what they made, and a hash of every one."""
    return {
        "trades": len(trades),
        "long": sum(side > 0 for _, side, *_ in trades),
        "winners": sum(side * (out - into) > 0 for _, side, into, _, out in trades),
        "ticks": sum(side * (out - into) for _, side, into, _, out in trades),
        "first": list(trades[0]),
        "last": list(trades[-1]),
        "sha256": digest(trades),
    }


def main(folder: Path) -> None:
    """Compute every case with both libraries and write the file."""
    answers: dict[str, Any] = {
        "rule": f"SMA {FAST}/{SLOW} cross, always in the market, next open, no costs",
        "cases": {},
    }
    for name, contract, _, _, tick in CASES:
        bars = in_ticks(recorded(folder, name, contract), tick)
        answers["cases"][name] = {
            "bars": len(bars),
            "vectorbt": facts(by_vectorbt(bars)),
            "backtrader": facts(by_backtrader(bars)),
        }
    (HERE / "sma_20_50.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import os

    main(Path(os.environ.get("WORKBENCH_SHARED_DATA", HERE.parents[2] / "shared" / "data")))
