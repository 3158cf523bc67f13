"""Compile all that runs compiled, so that the first backtest need not wait: ``python -m workbench.warm``.

What was compiled is kept on this machine (see `workbench._numba_cache`); a second run finds it and takes a second or
two. The set-up calls it; without it everything compiles when it is first used.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import date

STRATEGY = """
name: warm
roots: [MES]
timeframe: 1m
entry:
  long: close > close[1]
  short: close < close[1]
stop: {ticks: 8}
target: {ticks: 8}
"""


def warm(tell: Callable[[str], object] = lambda text: None) -> float:
    """Compile kernels and the rules' operations; return the seconds it took.

    Parameters
    ----------
    tell : callable, optional
        Told a line for each part.
    """
    from workbench._numba_cache import prepare

    begun = time.monotonic()
    prepare()
    from workbench.rules.compiled import warm_up

    tell("operations of the rules")
    warm_up(progress=lambda done, total, name: None)
    tell("engines and aggregation")
    _run()
    return time.monotonic() - begun


def _run() -> None:
    import numpy as np
    import polars as pl

    from workbench.backtest.prepared import Prepared
    from workbench.backtest.series import series
    from workbench.domain.account import PROGRAMMES
    from workbench.domain.bar import bars_schema
    from workbench.domain.contract import parse_contract
    from workbench.domain.hours import at_local, trading_hours
    from workbench.domain.timeframe import timeframe
    from workbench.ingestion.aggregate import bars_from_bars
    from workbench.rules.load import parse_strategy

    contract, hours = parse_contract("MESZ26"), trading_hours("MES")
    starts = at_local(date(2026, 9, 1), "08:30") + np.arange(120) * 60_000_000_000
    close = 24_000 + np.cumsum(np.arange(120) % 7 - 3)
    prices = {"open": close - 1, "high": close + 4, "low": close - 4, "close": close}
    columns = {"ts": starts, **{name: ticks * 0.25 for name, ticks in prices.items()}, "volume": np.full(120, 10)}
    frame = pl.DataFrame(columns, schema=bars_schema())
    bars_from_bars(frame, "1m", "1h", hours)
    strategy, data = parse_strategy(STRATEGY), series(frame, contract, timeframe("1m"))
    for programme in (None, PROGRAMMES["topstep-50k"]):
        prepared = Prepared(series=data, programme=programme)
        prepared.run(strategy)
        prepared.summarise(strategy)


if __name__ == "__main__":
    sys.stdout.write("compiling what runs compiled, once on this machine\n")
    took = warm(lambda text: sys.stdout.write(f"  {text} …\n") and sys.stdout.flush())
    sys.stdout.write(f"done in {took:.0f} s\n")
