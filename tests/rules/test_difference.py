"""What changed between two versions, told by meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.rules import parse_strategy
from workbench.rules.difference import differences
from workbench.rules.python import load_python

BASE = """
name: cross
roots: [MES]
timeframe: 5m
parameters:
  fast: {default: 20, min: 2, max: 100}
  slow: {default: 50, min: 3, max: 200, step: 5}
constraints: ["fast < slow"]
entry: {long: "cross_above(sma(close, fast), sma(close, slow))"}
stop: {ticks: 8}
trading: {window: ["08:30", "15:00"]}
"""


def told(*changes: tuple[str, str]) -> list[str]:
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return [str(each) for each in differences(parse_strategy(BASE), parse_strategy(text))]


def test_formatting_comments_and_order_are_no_difference() -> None:
    assert told(("roots: [MES]", "roots:\n  - MES   # micro"), ("sma(close, fast)", "sma( close,fast )")) == []
    reordered = parse_strategy("stop: {ticks: 8}\n" + BASE.replace("stop: {ticks: 8}\n", ""))
    assert differences(parse_strategy(BASE), reordered) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("default: 20", "default: 25"), ["parameter fast: default: 20 → 25"]),
        (("step: 5", "step: 10"), ["parameter slow: step: 5 → 10"]),
        (("timeframe: 5m", "timeframe: 15m"), ["timeframe: 5m → 15m"]),
        (("stop: {ticks: 8}", "stop: {ticks: 9}"), ["stop.ticks: 8 → 9"]),
        (("stop: {ticks: 8}", "stop: {points: 2}"), ["stop: 8 ticks → 2 points"]),
        (("stop: {ticks: 8}", "stop: {atr: 2}"), ["stop: 8 ticks → 2 × atr(14)"]),
        (("stop: {ticks: 8}\n", ""), ["stop: 8 ticks → none"]),
        (
            ('"fast < slow"', '"fast <= slow"'),
            ["constraints: (fast < slow) → none", "constraints: none → (fast <= slow)"],
        ),
        (
            ("stop: {ticks: 8}", 'stop: {ticks: 8}\nexit: {long: "close < low[1]"}'),
            ["exit.long: none → (close < low[1])"],
        ),
        (
            ('"cross_above(sma(close, fast), sma(close, slow))"', '"close > sma(close, fast) + slow"'),
            ["entry.long: cross_above(sma(close, fast), sma(close, slow)) → (close > (sma(close, fast) + slow))"],
        ),
    ],
)
def test_each_change_is_told_in_words(change: tuple[str, str], expected: list[str]) -> None:
    assert told(change) == expected


def test_a_new_parameter_and_two_changes_are_three_lines() -> None:
    assert (
        told(
            ("  slow:", "  wide: {default: 1.5, min: 1}\n  slow:"),
            ("sma(close, fast)", "sma(close, fast) * wide"),
            ('"15:00"', '"14:30"'),
        )[0]
        == "parameter wide: none → default 1.5, min 1"
    )


PYTHON = '''
import workbench as wb
from helper import level

class Breakout(wb.Strategy):
    """Buys above a level."""

    name = "breakout"
    roots = ("MES",)
    timeframe = "5m"

    def on_bar(self, bar):
        # far enough?
        if bar.close > level(bar) + 1:
            return self.buy()
'''


def test_python_is_compared_by_its_trees_file_by_file(tmp_path: Path) -> None:
    def loaded(main: str, helper: str) -> object:
        (tmp_path / "breakout.py").write_text(main)
        (tmp_path / "helper.py").write_text(helper)
        return load_python(tmp_path / "breakout.py")

    helper = "def level(bar):\n    return bar.open\n"
    base = loaded(PYTHON, helper)
    same = loaded(PYTHON.replace("# far enough?", "# now?").replace('"5m"', "'5m'"), "\n\n" + helper)
    assert differences(base, same) == []  # type: ignore[arg-type]
    changed = loaded(PYTHON.replace("+ 1", "+ 2"), helper.replace("open", "high"))
    assert [str(each) for each in differences(base, changed)] == [  # type: ignore[arg-type]
        "breakout.py: if bar.close > level(bar) + 1: → if bar.close > level(bar) + 2:",
        "helper.py: return bar.open → return bar.high",
    ]
    gone = loaded(PYTHON.replace("from helper import level\n", "").replace("level(bar)", "bar.open"), helper)
    assert "file helper.py: there → none" in [str(each) for each in differences(base, gone)]  # type: ignore[arg-type]
