"""One backtest and a sweep, side by side with vectorbt, backtesting.py and the bare loop that does only this job."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from decimal import Decimal
from pathlib import Path

import pandas as pd
import polars as pl

import workbench as wb
from tests.benchmarks.harness import Row, compare, measure, seconds
from tests.benchmarks.walk import CONTRACT, minute_bars
from workbench._numba_cache import prepare
from workbench.risk.limits import Limits

prepare()

import numba as nb  # noqa: E402 - the cache folder is chosen first

BARS, SWEPT, SHOWN = 1_000_000, 100_000, 40
POINT_USD, FEE_USD = 5.0, 0.62
COSTS = wb.Costs(slippage_ticks=0, latency_s=0, fees_usd=FEE_USD, commissions_usd=0)
FREE_HAND = Limits(daily_loss_usd=Decimal(10**9))
CROSS = """
name: bench_cross
roots: [MES]
timeframe: 1m
constraints: [fast < slow]
parameters:
  fast: {default: 20, min: 2, max: 500, step: 1}
  slow: {default: 50, min: 3, max: 900, step: 1}
entry:
  long: cross_above(sma(close, fast), sma(close, slow))
exit:
  long: cross_below(sma(close, fast), sma(close, slow))
"""
GUARDED = CROSS + "stop: {atr: 3}\ntarget: {atr: 6}\ntrading: {flat_by: '15:05'}\n"
ROOMY = {"max_loss": 10**8, "daily_loss": 10**8, "lock_at": 10**8}  # evaluated at every bar, never broken


@nb.njit(cache=True)
def bare_cross(close, opened, fast, slow, point, fee):
    """Long while the fast mean is above, filled at the next open, one contract, a fee per side: the final equity."""
    sum_fast = sum_slow = cash = 0.0
    held, wanted, before = 0, 0, 0
    for i in range(close.shape[0]):
        if wanted != held:
            cash -= (wanted - held) * opened[i] * point + abs(wanted - held) * fee
            held = wanted
        sum_fast += close[i]
        sum_slow += close[i]
        if i >= fast:
            sum_fast -= close[i - fast]
        if i >= slow:
            sum_slow -= close[i - slow]
        if i >= slow - 1:
            difference = sum_fast / fast - sum_slow / slow
            side = 1 if difference > 0 else -1 if difference < 0 else before
            if before != 0 and side != before:
                wanted = max(side, 0)
            before = side
    return cash + held * close[-1] * point


def grid() -> list[tuple[int, int]]:
    """A thousand pairs of lengths."""
    return [(fast, slow) for fast in range(5, 55, 2) for slow in range(60, 260, 5)]


def vectorbt_cross(close: pd.Series, opened: pd.Series, fast: int, slow: int, *, stats: bool):
    import vectorbt as vbt

    quick, calm = vbt.MA.run(close, fast), vbt.MA.run(close, slow)
    above = quick.ma_crossed_above(calm).shift(1, fill_value=False)
    below = quick.ma_crossed_below(calm).shift(1, fill_value=False)
    made = vbt.Portfolio.from_signals(
        close, above, below, price=opened, size=POINT_USD, fixed_fees=FEE_USD, init_cash=1e6, freq="1min"
    )
    return made.stats() if stats else made.total_return()


def backtesting_cross(frame: pd.DataFrame) -> float:
    """Seconds of backtesting.py on the same cross; measured once, it takes many."""
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    class Cross(Strategy):
        def init(self):
            close = pd.Series(self.data.Close)
            self.quick = self.I(lambda: close.rolling(20).mean())
            self.calm = self.I(lambda: close.rolling(50).mean())

        def next(self):
            if crossover(self.quick, self.calm):
                self.buy(size=1)
            elif crossover(self.calm, self.quick):
                self.position.close()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        Backtest(frame, Cross, cash=1e9, commission=0.0001).run()
        return time.perf_counter() - begun


def rows() -> list[Row]:
    import vectorbt as vbt

    vbt.settings["engine"] = "auto"
    vbt.settings.plotting["use_widgets"] = False
    bars = minute_bars(BARS)
    # without a time zone: with one, vectorbt spends tens of seconds on the index alone
    index = pd.DatetimeIndex(bars["ts"].cast(int).to_numpy())
    close, opened = (pd.Series(bars[name].to_numpy(), index=index) for name in ("close", "open"))
    plain, guarded = wb.load_strategy(CROSS), wb.load_strategy(GUARDED)

    def ours() -> object:
        return wb.backtest(plain, bars, contract=CONTRACT, costs=COSTS, limits=FREE_HAND).stats

    def ours_guarded() -> object:
        account = wb.account("topstep-50k", **ROOMY)
        return wb.backtest(guarded, bars, contract=CONTRACT, limits=FREE_HAND, account=account).stats

    made = [compare(
        "backtest of 1 M bars, SMA 20/50, with statistics", ours,
        lambda: vectorbt_cross(close, opened, 20, 50, stats=True), at_least=5.0, peer="vectorbt (Rust)",
    )]  # fmt: skip
    made.append(_against_backtesting(bars, made[0].ours))
    made.append(
        compare("… with stop, target, flat-by, account programme", ours_guarded, ours, at_least=0.5, peer="without")
    )
    made += _sweep(bars.head(SWEPT), close.head(SWEPT), opened.head(SWEPT))
    made.append(_event(bars, plain))
    return made + _fresh()


def _against_backtesting(bars: pl.DataFrame, ours: float) -> Row:
    names = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
    index = pd.DatetimeIndex(bars["ts"].cast(int).to_numpy())
    frame = pd.DataFrame({names[n]: bars[n].to_numpy() for n in names}, index=index)
    other = backtesting_cross(frame.head(BARS // 10)) * 10  # a tenth, scaled: it grows with the bars
    return Row(
        name="… the same against backtesting.py (a tenth, × 10)", ours=ours, other=other, ratio=other / ours,
        aim=">= 100 x backtesting.py", met=other / ours >= 100,
    )  # fmt: skip


def _sweep(bars: pl.DataFrame, close: pd.Series, opened: pd.Series) -> list[Row]:
    strategy = wb.load_strategy(CROSS)
    points, opens = close.to_numpy().copy(), opened.to_numpy().copy()

    def ours() -> object:
        found = wb.sweep(
            strategy, bars, contract=CONTRACT, costs=COSTS, limits=FREE_HAND, progress=False, resume=False,
            fast=range(5, 55, 2), slow=range(60, 260, 5),
        )  # fmt: skip
        assert len(found.frame) == len(grid())
        return found

    def bare() -> object:
        return [bare_cross(points, opens, fast, slow, POINT_USD, FEE_USD) for fast, slow in grid()]

    def peer() -> object:
        return [vectorbt_cross(close, opened, fast, slow, stats=False) for fast, slow in grid()[:SHOWN]]

    mine, limit, theirs = seconds(ours, bare, peer, runs=3)
    theirs *= len(grid()) / SHOWN
    name = "sweep of 1,000 combinations × 100,000 bars"
    return [
        Row(name=name, ours=mine, other=limit, ratio=limit / mine, aim=">= 0.5 x bare loop", met=limit / mine >= 0.5),
        Row(
            name=f"… against vectorbt, one by one ({SHOWN}, scaled)", ours=mine, other=theirs, ratio=theirs / mine,
            aim=">= 40 x vectorbt", met=theirs / mine >= 40,
        ),
        _memory(),
    ]  # fmt: skip


_SWEEP_ALONE = """
import resource, sys
import workbench as wb
from tests.benchmarks.bench_backtest import COSTS, CROSS, FREE_HAND, SWEPT
from tests.benchmarks.walk import CONTRACT, minute_bars
wb.sweep(wb.load_strategy(CROSS), minute_bars(SWEPT), contract=CONTRACT, costs=COSTS, limits=FREE_HAND,
         progress=False, resume=False, fast=range(5, 55, 2), slow=range(60, 260, 5))
try:  # of this program alone: ru_maxrss begins with what the parent held
    lines = open("/proc/self/status", encoding="ascii").read().splitlines()
    print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024))
"""


def _memory() -> Row:
    peak = float(_alone(_SWEEP_ALONE).split()[-1])
    return Row(
        name="… its peak memory", ours=peak, other=600.0, ratio=600 / peak, aim="< 600 MB", met=peak < 600, unit="MB"
    )


def _event(bars: pl.DataFrame, strategy: object) -> Row:
    def ours() -> object:
        return wb.backtest(strategy, bars, contract=CONTRACT, costs=COSTS, limits=FREE_HAND, engine="event")

    return measure("event engine, SMA 20/50 with orders", ours, at_least=200_000, work=BARS, unit="bars/s", runs=1)


_FIRST = """
import time
begun = time.perf_counter()
import workbench as wb
from tests.benchmarks.bench_backtest import GUARDED
from tests.benchmarks.walk import CONTRACT, minute_bars
bars = minute_bars(10_000)
begun = time.perf_counter()
wb.backtest(wb.load_strategy(GUARDED), bars, contract=CONTRACT, account="topstep-50k").stats
print(time.perf_counter() - begun)
"""


def _fresh() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        cold = float(_alone(_FIRST, cache=folder).split()[-1])
        warm = float(_alone(_FIRST, cache=folder).split()[-1])
    name = "first backtest in a fresh process"
    return [
        Row(name=f"{name}, warm cache", ours=warm, other=3.0, ratio=3 / warm, aim="< 3 s", met=warm < 3),
        Row(name="… cold cache", ours=cold, other=60.0, ratio=60 / cold, aim="< 60 s", met=cold < 60),
    ]


def _alone(code: str, cache: str | None = None) -> str:
    env = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    if cache is not None:
        env["NUMBA_CACHE_DIR"] = cache
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=root, check=True, capture_output=True, text=True, timeout=600
    )
    return done.stdout
