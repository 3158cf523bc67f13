"""Binding a strategy to parameter values is little work: a sweep does it for every combination."""

from __future__ import annotations

from pathlib import Path

from tests.rules.build import strategy_text
from tests.rules.work import at_most_calls
from workbench.rules import load_strategy, parse_strategy

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


def test_a_combination_costs_a_few_hundred_calls() -> None:
    strategy = load_strategy(STRATEGIES / "sma_cross.yaml")
    strategy.plan("MES")
    with at_most_calls(1_500):
        strategy.with_parameters(fast=7, slow=30).plan("MES")


def test_the_work_grows_with_the_size_of_a_rule_not_with_its_depth() -> None:
    flat = " + ".join(["close"] * 30)
    deep = "abs(" * 15 + "close" + " + 1)" * 15
    for text in (flat, deep):
        strategy = parse_strategy(strategy_text(entry=f"{{long: '{text} > 1'}}"))
        with at_most_calls(2_500):
            strategy.plan("MES")


def test_each_plan_has_a_graph_of_its_own() -> None:
    strategy = load_strategy(STRATEGIES / "sma_cross.yaml")
    graphs = [strategy.plan("MES").graph for _ in range(3)]
    assert len({id(graph) for graph in graphs}) == 3
    graphs[0].step(1.0, 2.0, 0.5, 1.5, 10.0, 1.0, 0.0, 60.0)
    assert graphs[1].values[3] != 1.5
