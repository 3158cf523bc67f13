"""The summary from fills: by hand, as a witness of the kernel's, and for sweeps of strategies in Python."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.rules.python_build import probe, source
from tests.zoo.market import bars
from workbench.backtest.costs import Costs
from workbench.backtest.played import Fills, Orders, Played
from workbench.backtest.prepared import Prepared
from workbench.backtest.probes import series_of
from workbench.backtest.search import grid, space
from workbench.backtest.summary import summary_of
from workbench.backtest.sweep import RAW
from workbench.domain.errors import InputError
from workbench.risk.limits import Limits
from workbench.rules import load_strategy
from workbench.rules.python import read_python
from workbench.services.sweep_job import Job

STRATEGIES = Path(__file__).parents[2] / "strategies"


def prepared(frame: pd.DataFrame) -> Prepared:
    return Prepared(series=series_of(probe().with_timeframe("5m"), frame, None), costs=Costs(), limits=Limits())


def test_a_winner_and_a_loser_by_hand() -> None:
    # closes 1000, 1002, 1001, 1000 (ticks 4000, 4008, 4004, 4000); a tick is 1.25 USD, 0.50 USD a fill
    closes = [1000.0, 1002.0, 1001.0, 1000.0]
    frame = bars(4).assign(open=closes, high=closes, low=closes, close=closes)
    fills = [(0, 1, 4000), (1, -1, 4008), (2, -1, 4004), (3, 1, 4006)]
    table = {
        "at": [0] * 4, "bar": [f[0] for f in fills], "order": [1, 2, 3, 4], "qty": [f[1] for f in fills],
        "ticks": [f[2] for f in fills], "fees_e4": [5000] * 4,
    }  # fmt: skip
    columns = {f.name: np.array(table[f.name], dtype=np.int64) for f in dataclasses.fields(Fills)}
    none = Orders(**{f.name: np.zeros(0, dtype=np.int64) for f in dataclasses.fields(Orders)})
    made = summary_of(Played(fills=Fills(**columns), orders=none), prepared(frame), 0, 4)
    # won 8 ticks = 10.00 − 1.00; lost 2 ticks = −2.50 − 1.00; equity at the closes −0.50, 9.00, 8.50, 5.50
    assert (made.trades, made.wins, made.won_usd, made.lost_usd) == (2, 1, 9.0, -3.5)
    assert (made.net_usd, made.costs_usd, made.max_drawdown_usd) == (5.5, 2.0, 3.5)
    assert made.trade_sum_sq == 81.0 + 12.25
    assert (made.exposure_bars, made.first, made.last, made.refused) == (2, 0, 3, 0)
    assert made.daily.sum() == 5.5


@pytest.mark.parametrize("name", ["donchian_breakout", "mean_reversion_bands", "opening_range"])
@pytest.mark.parametrize("cut", [(0, None), (700, 3100)])
def test_the_kernel_says_the_same(name: str, cut: tuple[int, int | None], shared_data: Path) -> None:
    frame = pd.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet").drop(columns=["symbol"]).iloc[:4000]
    strategy, on = load_strategy(STRATEGIES / f"{name}.yaml").with_timeframe("5m"), prepared(frame)
    first, last = cut[0], cut[1] or 4000
    kernel = on.summarise(strategy, first=first, last=last)
    ours = summary_of(on.run(strategy, "kernel", first=first, last=last), on, first, last)
    assert kernel.trades >= 5
    for field in dataclasses.fields(kernel):
        left, right = getattr(kernel, field.name), getattr(ours, field.name)
        assert np.array_equal(left, right) or np.allclose(left, right, rtol=1e-12, atol=0), field.name


SWINGS = source(
    "low = wb.Strategy.parameter(30, min=10, max=60, step=10)\n"
    "high = wb.Strategy.parameter(60, min=10, max=90, step=10)\n"
    'constraints = ("low < high",)',
    start="self.rsi = self.indicator('rsi', 5)",
    on_bar="""
    if self.flat and self.rsi.value < self.low:
        self.enter_long(stop=6.0)
    elif self.long and self.rsi.value > self.high:
        self.exit()
    """,
)


def test_a_python_strategy_is_swept_and_broken_constraints_are_left_out() -> None:
    strategy = read_python(SWINGS, "swings.py").with_timeframe("5m")
    of = space(strategy, {"low": [20, 30, 60], "high": [50, 70]})
    points = grid(of)
    assert (len(points.table), points.dropped) == (5, 1)  # low 60 with high 50 is against the constraint
    on = prepared(bars())
    job = Job(series=on.series, data_version="made up", costs=on.costs, limits=on.limits)
    chunk = job.run(of, points.table)
    row = points.table.tolist().index([30.0, 70.0])
    alone = on.summarise(strategy.with_parameters(low=30, high=70))
    assert alone.trades > 3
    assert chunk.raw[row, RAW.index("trades")] == alone.trades and not chunk.refusals
    assert np.array_equal(chunk.daily[row], alone.daily)


def test_constraints_of_a_python_strategy_are_told_with_their_line() -> None:
    strategy = read_python(SWINGS, "swings.py")
    with pytest.raises(InputError, match=r"\(low < high\) does not hold for low=60, high=50 \(swings.py, line 10\)"):
        strategy.with_parameters(low=60, high=50)
    with pytest.raises(InputError, match=r"unknown name 'lo'.*did you mean low"):
        read_python(SWINGS.replace("low < high", "lo < high"), "swings.py")
    with pytest.raises(InputError, match=r"a constraint compares parameters and numbers.*line 10"):
        read_python(SWINGS.replace("low < high", "close < high"), "swings.py")


def test_what_needs_a_plan_of_rules_says_so() -> None:
    with pytest.raises(InputError, match="probe is written in Python: it has no plan of rules"):
        prepared(bars(50)).plan(probe())
