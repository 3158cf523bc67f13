"""The shipped Python strategy on recorded bars: here, in its worker, and from the registry the same trades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.rules.python_build import probe
from tests.zoo.market import bars
from workbench.backtest.costs import Costs
from workbench.backtest.played import Played
from workbench.backtest.prepared import Prepared
from workbench.backtest.probes import series_of
from workbench.backtest.series import Series
from workbench.risk.limits import Limits
from workbench.rules import load_strategy, parse_strategy
from workbench.rules.python import PythonStrategy, StrategyFault
from workbench.services.strategy_worker import in_worker

SHIPPED = Path(__file__).parents[2] / "strategies" / "volatility_breakout.py"


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Series:
    frame = pd.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet").drop(columns=["symbol"])
    return series_of(load_strategy(SHIPPED), frame, None)


def play(strategy: PythonStrategy, data: Series) -> Played:
    return Prepared(series=data, costs=Costs(), limits=Limits()).run(strategy)


def same(left: Played, right: Played) -> bool:
    return all(
        np.array_equal(getattr(left.fills, c), getattr(right.fills, c)) for c in ("at", "qty", "ticks", "fees_e4")
    )


def test_it_trades_on_recorded_bars_and_the_worker_trades_the_same(recorded: Series) -> None:
    strategy = load_strategy(SHIPPED)
    here = play(strategy, recorded)
    with in_worker(strategy, recorded.events()) as worked:
        there = play(worked, recorded)
    assert same(here, there)
    assert len(here.fills.at) >= 60 and not here.alerts
    days = {at // 86_400_000_000_000 for at in here.fills.at.tolist()}
    assert len(days) >= 15


def test_the_stored_copy_and_other_parameters_run_too(recorded: Series) -> None:
    strategy = load_strategy(SHIPPED)
    stored = parse_strategy(strategy.source)
    assert stored.version == strategy.version
    assert same(play(stored, recorded), play(strategy, recorded))
    assert not same(play(stored.with_parameters(quiet=24, calm=1.2), recorded), play(strategy, recorded))


def test_a_stop_it_moves_is_moved_in_the_market() -> None:
    # in at the second open; after the third bar the stop goes to the entry, which the fifth bar takes out
    body = {
        "start": "self.n = 0",
        "on_bar": "self.n += 1\nif self.n == 1: self.enter_long(stop=10.0)\nif self.n == 3: self.move_stop(1000.0)",
    }
    closes = [1000.0, 1000.0, 1005.0, 1004.0, 999.0, 999.0]
    opens = [1000.0, 1000.0, 1000.0, 1005.0, 1004.0, 999.0]
    frame = bars(6).assign(open=opens, close=closes, volume=10)
    frame["high"], frame["low"] = frame[["open", "close"]].max(axis=1), frame[["open", "close"]].min(axis=1)
    data = series_of(probe().with_timeframe("5m"), frame, None)
    played = Prepared(series=data, costs=Costs(slippage_ticks=0), limits=Limits()).run(
        probe(**body).with_timeframe("5m")
    )
    assert played.fills.qty.tolist() == [1, -1]
    assert played.fills.ticks.tolist() == [4000, 4000]  # out at 1000.00, not at the 990 it began with
    assert played.fills.bar.tolist() == [1, 4]


def test_a_failing_strategy_ends_the_backtest_with_its_line() -> None:
    made = probe(on_bar="if bar.close > 6000: 1 / 0").with_timeframe("5m")
    data = series_of(made, bars(), None)
    with (
        in_worker(made, data.events()) as worked,
        pytest.raises(StrategyFault, match=r"probe.py, line 14, in on_bar: Zero"),
    ):
        play(worked, data)
