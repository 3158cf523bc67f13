"""The zoo: every leaky signal is caught, no clean one is accused, shipped strategies included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.rules.python_build import probe
from tests.zoo.clean import CLEAN
from tests.zoo.leaky import LEAKY
from tests.zoo.market import bars
from workbench.backtest.detectors import detect
from workbench.rules import load_strategy

SHIPPED = sorted(
    path for path in (Path(__file__).parents[2] / "strategies").iterdir() if path.suffix in (".yaml", ".py")
)


@pytest.mark.parametrize("leaky", LEAKY, ids=lambda f: f.__name__)
@pytest.mark.statement(47)
def test_a_leaky_signal_is_caught(leaky: Callable) -> None:
    found = detect(leaky, bars())
    assert found.look_ahead and not found.clean
    first = found.look_ahead[0]
    assert f"{first.column} at row {first.row}" in str(first) and "Chicago" in str(first)


@pytest.mark.parametrize("clean", CLEAN, ids=lambda f: f.__name__)
@pytest.mark.statement(47)
def test_a_clean_signal_is_not_accused(clean: Callable) -> None:
    found = detect(clean, bars())
    assert found.clean, found


def test_there_are_enough_animals() -> None:
    assert len(LEAKY) >= 25 and len(CLEAN) >= 15


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
@pytest.mark.statement(47)
def test_a_shipped_strategy_is_clean_on_recorded_bars(path: Path, shared_data: Path) -> None:
    frame = pd.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet").drop(columns=["symbol"])
    strategy = load_strategy(path).with_timeframe("5m")  # a second timeframe stays what it is
    found = detect(strategy, frame.iloc[:4000])
    assert found.clean, found


# --- strategies that leak ---------------------------------------------------------------------------------------------

LEAKY_STRATEGIES = {
    "a clock": {"on_bar": "import time\nif time.perf_counter_ns() % 2: self.enter_long(stop=1.0)"},
    "dice": {
        "start": "import random\nself.dice = random.Random()",
        "on_bar": "if self.dice.random() > .5: self.enter_long()",
    },
    "a file that grows": {"on_bar": "open(__file__ + '.seen', 'a').close()"},
}


@pytest.mark.parametrize("name", LEAKY_STRATEGIES)
def test_a_python_strategy_that_asks_the_world_is_caught(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = bars(400)
    found = detect(probe(**LEAKY_STRATEGIES[name]).with_timeframe("5m"), frame)
    assert found.uncertain and "probe.py, line" in found.uncertain[0]
    assert not found.clean
    assert found.look_ahead or name == "a file that grows"


def test_state_that_outlives_the_warm_up_is_caught_and_a_declared_history_is_not() -> None:
    counts = {"start": "self.n = 0", "on_bar": "self.n += 1\nif self.n > 30: self.enter_long(stop=float(self.n))"}
    found = detect(probe(**counts).with_timeframe("5m"), bars(400))
    assert not found.look_ahead
    assert {f.column for f in found.warm_up} >= {"entry (flat)", "stop (flat)"}
    settled = {
        "start": "self.last = []",
        "on_bar": "self.last = [*self.last, bar.close][-9:]\nif bar.close >= max(self.last): self.enter_long()",
    }
    assert detect(probe("history = 9", **settled).with_timeframe("5m"), bars(400)).clean
    assert not detect(probe(**settled).with_timeframe("5m"), bars(400)).clean


def test_the_place_and_both_values_are_named() -> None:
    def peek(bars: pd.DataFrame) -> pd.Series:
        made = bars.close.diff()
        made.iloc[:100] = 0.0
        if len(bars) > 700:
            made.iloc[321] = 42.0  # row 321 changes once row 700 is known
        return made.rename("move")

    (found,) = detect(peek, bars()).look_ahead
    assert (found.column, found.row, found.value) == ("move", 321, 42.0)
    assert found.changed == bars().close.diff().iloc[321]
    assert found.at == bars().index[321].value
    # 200 bars a day: row 321 is 121 bars, 10 hours and 5 minutes, after midnight UTC of 2 September
    assert "(2025-09-02 05:05:00 Chicago)" in str(found)


def test_a_signal_that_never_forgets_is_a_warm_up_finding_only() -> None:
    found = detect(lambda bars: bars.close.expanding().mean(), bars())
    assert not found.look_ahead and found.warm_up


def test_a_warm_up_that_is_declared_too_short_is_found() -> None:
    def mean(bars: pd.DataFrame) -> pd.Series:
        return bars.close.rolling(50, min_periods=1).mean()

    assert detect(mean, bars(), warmup=50).clean
    assert detect(mean, bars(), warmup=49).warm_up


def test_polars_frames_go_to_the_function_as_they_are() -> None:
    import polars as pl

    frame = pl.DataFrame({"ts": bars().index.as_unit("ns").asi8, "close": bars().close.to_numpy()})
    assert detect(lambda bars: bars["close"].shift(1), frame).clean
    assert not detect(lambda bars: bars["close"].shift(-1), frame).clean


def test_a_function_that_changes_its_bars_harms_nobody() -> None:
    def careless(bars: pd.DataFrame) -> pd.Series:
        bars["close"] = np.arange(len(bars))
        return bars.close > 3

    before = bars().close.copy()
    detect(careless, bars())
    assert bars().close.equals(before)
