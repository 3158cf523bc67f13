"""Plans made from a template are the plans of the strategy with those values, whatever the values do to its shape."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.domain.errors import InputError
from workbench.rules.load import parse_strategy
from workbench.rules.plan import Plan
from workbench.rules.template import Shape, Template

SOURCE = """
name: moved
roots: [MES]
timeframe: 5m
parameters:
  fast: {default: 5, min: 0, max: 60, step: 1}
  slow: {default: 20, min: 0, max: 60, step: 1}
  far: {default: 2.5, min: -9, max: 9}
  deep: {default: false}
entry:
  long: 'cross_above(sma(close, fast), sma(close, slow)) and close > close[fast] + far and any(close > open, slow)'
  short: "close < ema(close, 20) - far / (far + 1) and (deep or close * 5 > low[slow])"
exit:
  long: "cross_below(sma(close, fast), sma(close, slow)) or min(far, 3) > atr(fast)"
stop: {atr: 2.5}
target: {points: far * 2 + 1}
trail: {ticks: slow * 4}
break_even: {after: {atr: far}, plus_ticks: 2}
"""
POINTS: list[dict[str, Any]] = [
    {},
    {"fast": 6, "slow": 21},
    {"fast": 20, "slow": 20},  # two lengths become one
    {"fast": 14, "slow": 20},  # one becomes a written one
    {"far": 2.0},
    {"far": 5.0, "fast": 5},  # a number equal to another one
    {"far": -1.0},  # divides by zero
    {"fast": 0},  # no length
    {"deep": True, "slow": 4},
]


def told(plan: Plan) -> dict[str, Any]:
    """Return all of a plan but the program that takes bars one by one."""
    graph = plan.graph
    described = {name: getattr(plan, name) for name in Plan.__slots__ if name != "graph"}
    return described | {
        "nodes": [(n.slot, n.op.name, n.inputs, n.constants, n.warm, n.timeframe) for n in graph.nodes],
        "typed": [tuple(map(type, n.constants)) for n in graph.nodes],
        "keys": graph.keys,
        "constants": graph.constants,
        "columns": graph.columns,
        "warmup": graph.warmup,
    }


def outcome(make: Any) -> object:
    """Return what `make` gives, or the words in which it refuses."""
    try:
        return told(make())
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("base", POINTS[:5], ids=str)
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_plan_from_a_template_is_the_plan(base: dict[str, Any], point: dict[str, Any]) -> None:
    strategy = parse_strategy(SOURCE)
    template = Template(strategy.unchecked(base), "MES", strategy.parameters)
    moved = strategy.unchecked(point)
    assert outcome(lambda: template.plan(moved)) == outcome(lambda: moved.plan("MES"))


def test_it_is_made_from_the_template_where_the_shape_is_the_same() -> None:
    strategy = parse_strategy(SOURCE)
    template = Template(strategy, "MES", ("fast", "slow"))
    shapes = [isinstance(template.plan(strategy.unchecked(point)).graph, Shape) for point in POINTS[:4]]
    assert shapes == [True, True, False, False]  # 14 is the length of the stop's range


def test_it_takes_no_bars() -> None:
    strategy = parse_strategy(SOURCE)
    with pytest.raises(TypeError, match="one by one"):
        Template(strategy, "MES", ["fast"]).plan(strategy).graph.step(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "more", ["sizing: {contracts: slow}\n", "secondary: [1h]\n"], ids=["setting", "higher timeframe"]
)
def test_what_a_template_cannot_do_is_left_to_the_strategy(more: str) -> None:
    source = SOURCE + more
    if "secondary" in more:
        source = source.replace("close > close[fast]", 'tf("1h").sma(close, fast) > close[fast]')
    strategy = parse_strategy(source)
    template = Template(strategy, "MES", ("fast", "slow"))
    moved = strategy.unchecked({"slow": 9})
    assert told(template.plan(moved)) == told(moved.plan("MES"))
    assert not isinstance(template.plan(moved).graph, Shape)
