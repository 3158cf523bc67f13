"""The example of `strategies/README.md` loads and decides."""

from __future__ import annotations

import re
from pathlib import Path

from tests.zoo.market import bars
from workbench.backtest.detectors import detect
from workbench.rules.python import read_python

README = Path(__file__).parents[2] / "strategies" / "README.md"


def test_the_example_in_python_is_a_clean_strategy() -> None:
    (code,) = re.findall(r"```python\n(import workbench.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    strategy = read_python(code, "rsi_pullback.py")
    assert strategy.description == "Buy a short weakness while the trend is up."
    assert detect(strategy, bars()).clean
