"""After the set-up has compiled, a fresh process with a strategy never seen before compiles nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

NEW_STRATEGY = """
import workbench as wb
from numba.core.dispatcher import Dispatcher
from tests.benchmarks.walk import CONTRACT, minute_bars

compiled = []
compile_ = Dispatcher.compile
def counted(self, signature):
    before = sum(self.stats.cache_misses.values()) if self._cache else 0
    made = compile_(self, signature)
    after = sum(self.stats.cache_misses.values()) if self._cache else 0
    if after > before:
        compiled.append(self.py_func.__qualname__)
    return made
Dispatcher.compile = counted

strategy = wb.load_strategy('''
name: never_seen
roots: [MES]
timeframe: 1m
parameters: {length: {default: 17, min: 2, max: 99}}
entry:
  long: rsi(close, length) < 31 and close > kama(close, 23) * 0.9991
  short: cross_below(close, bollinger_lower(close, 19, 2.25))
stop: {percent: 0.31}
trail: {atr: 2.7}
trading: {flat_by: "15:01", cooldown: 2}
''')
result = wb.backtest(strategy, minute_bars(5000), contract=CONTRACT, account="topstep-50k")
assert result.stats["trades"] > 0
print("compiled:", compiled)
"""


@pytest.mark.slow
def test_a_new_rule_compiles_nothing_once_the_machine_is_warm() -> None:
    warmed = [sys.executable, "-m", "workbench.warm"]
    subprocess.run(warmed, check=True, timeout=500, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", NEW_STRATEGY], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().endswith("compiled: []")
