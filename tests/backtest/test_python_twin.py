"""The same rules in YAML and in Python trade the same, in every order and fill: two ways of writing, one decision."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workbench.backtest.costs import Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.probes import series_of
from workbench.domain.account import PROGRAMMES
from workbench.risk.limits import Limits
from workbench.rules import parse_strategy
from workbench.rules.python import read_python

YAML = """
name: twin
roots: [MES]
timeframe: 5m
parameters:
  fast: {{default: 5, min: 2, max: 50}}
  slow: {{default: 20, min: 5, max: 100}}
entry:
  long: cross_above(ema(close, fast), sma(close, slow))
  short: cross_below(ema(close, fast), sma(close, slow))
exit:
  long: close < lowest(low, 10)[1]
  short: close > highest(high, 10)[1]
stop: {{atr: 2.0, length: 14}}
target: {{points: 12}}
sizing: {{contracts: 2}}
trading:
{yaml}
"""
PYTHON = """
import workbench as wb


class Twin(wb.Strategy):
    name, roots, timeframe, contracts = "twin", ("MES",), "5m", 2
    fast = wb.Strategy.parameter(5, min=2, max=50)
    slow = wb.Strategy.parameter(20, min=5, max=100)
    {python}

    def start(self):
        self.up = self.expression("cross_above(ema(close, fast), sma(close, slow))")
        self.down = self.expression("cross_below(ema(close, fast), sma(close, slow))")
        self.below = self.expression("close < lowest(low, 10)[1]")
        self.above = self.expression("close > highest(high, 10)[1]")
        self.range = self.indicator("atr", 14)

    def on_bar(self, bar):
        if (self.long and self.below) or (self.short and self.above):
            self.exit()
        if self.up and not self.down:
            self.enter_long(stop=2.0 * self.range.value, target=12.0)
        elif self.down and not self.up:
            self.enter_short(stop=2.0 * self.range.value, target=12.0)
"""
SETTINGS = {
    "none": ("  cooldown: 0", "cooldown = 0"),
    "all": (
        '  window: ["08:30", "14:30"]\n  flat_by: "15:05"\n  max_trades_per_day: 3\n  cooldown: 4',
        'window, flat_by, max_trades_per_day, cooldown = ("08:30", "14:30"), "15:05", 3, 4',
    ),
    "night": ('  window: ["18:00", "02:00"]\n  cooldown: 1', 'window, cooldown = ("18:00", "02:00"), 1'),
    "early": ('  flat_by: "09:45"', 'flat_by = "09:45"'),
}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("account", [None, "topstep-50k"])
def test_yaml_and_python_trade_the_same(settings: str, account: str | None, shared_data: Path) -> None:
    frame = pd.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet").drop(columns=["symbol"])
    yaml, python = SETTINGS[settings]
    declared, written = parse_strategy(YAML.format(yaml=yaml)), read_python(PYTHON.format(python=python), "twin.py")
    rules = None if account is None else PROGRAMMES[account]
    on = Prepared(series=series_of(written, frame, None), costs=Costs(), limits=Limits(), programme=rules)
    left, right = on.run(declared, "every"), on.run(written, "every")
    assert left.difference(right) == ""
    assert on.run(declared, "kernel").difference(right) == ""
    assert len(left.fills.at) >= 20
