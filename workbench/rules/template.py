"""Plans of one strategy that differ in parameter values only: made from the first by working out what moves.

A strategy's graph has the same slots whatever its lengths are, unless two expressions become one (or no longer are) or
a value is not allowed. A template sees that, and then the plan is made from the strategy itself: the result is the
same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from workbench.rules.expression import Expression, walk
from workbench.rules.expression import Parameter as Named
from workbench.rules.fixed import fold
from workbench.rules.graph import Graph, Node, Step, node_key
from workbench.rules.plan import Plan

if TYPE_CHECKING:
    from workbench.domain.contract import Contract
    from workbench.rules.strategy import Strategy

Values = Mapping[str, float | bool]


class Shape(Graph):
    """The slots that whole columns are computed from (`arrays.evaluate`): a graph that takes no bars one by one."""

    def __init__(
        self,
        of: Graph,
        nodes: list[Node],
        constants: dict[int, float],
        keys: list[str],
        warm: list[int],
        family: dict[str, Any],
    ) -> None:
        self.nodes, self.constants, self.keys, self._warm = nodes, constants, keys, warm
        self.family = family  # what holds for every plan of the template, worked out by who reads the first of them
        self.columns, self.higher, self.days, self.timeframe = of.columns, of.higher, of.days, of.timeframe

    def step(self, *bar: float) -> None:
        """Say that it cannot."""
        raise TypeError("a plan made from a template is for whole columns, not for bars one by one")


class Template:
    """Makes plans of a strategy on a contract with other values of some parameters.

    Parameters
    ----------
    strategy : Strategy
    contract : Contract or str
    varied : iterable of str
        Parameters whose values differ; all others are as in `strategy`.
    """

    def __init__(self, strategy: Strategy, contract: Contract | str, varied: Iterable[str]) -> None:
        self._contract, self._varied = contract, frozenset(varied)
        self._base = strategy.plan(contract)
        self._graph = graph = self._base.graph
        self._warm = [graph.warm(slot) for slot in range(len(graph.keys))]
        self._nodes = {node.slot: row for row, node in enumerate(graph.nodes)}
        self._moving = self._steps(graph)
        self._family: dict[str, Any] = {}
        rest = (field.name for field in fields(Plan) if field.name not in ("graph", "needed"))
        self._rest: dict[str, Any] = {name: getattr(self._base, name) for name in rest}
        settings = (setting[0] for setting in strategy.settings.values())
        self._is_able = not graph.higher and not any(map(self._is_varied, settings))

    def plan(self, strategy: Strategy) -> Plan:
        """Return the plan of the strategy with its values."""
        made = self._made(strategy.values) if self._is_able else None
        return strategy.plan(self._contract) if made is None else made

    def _is_varied(self, expression: Expression | None) -> bool:
        return expression is not None and any(
            isinstance(part, Named) and part.name in self._varied for part in walk(expression)
        )

    def _steps(self, graph: Graph) -> list[tuple[Step, bool]]:
        # steps that may come out otherwise, and those that share a slot with them; True: the first of its slot
        moved: set[int] = set()
        for step in graph.trace:
            if any(map(self._is_varied, step.written)) or not moved.isdisjoint(step.inputs):
                moved.add(step.slot)
        seen, written = set(graph.columns.values()), set()
        made = []
        for step in graph.trace:
            if step.slot in moved and repr(step) not in written:  # the same words give the same
                made.append((step, step.slot not in seen))
                seen.add(step.slot)
                written.add(repr(step))
        return made

    def _made(self, values: Values) -> Plan | None:
        graph = self._graph
        keys, nodes, constants = graph.keys.copy(), graph.nodes.copy(), graph.constants.copy()
        warm = self._warm.copy()
        for step, is_first in self._moving:
            given = _constants(step, values)
            if given is None:
                return None
            slot, key = step.slot, _key(step, given, keys, constants)
            if not is_first and key == keys[slot]:
                continue
            if not is_first or not key:
                return None
            keys[slot] = key
            if step.op is not None and slot not in constants:
                warm[slot] = max(warm[i] for i in step.inputs) + step.op.warmup(*given) - 1
                nodes[self._nodes[slot]] = Node(slot, step.op, step.inputs, given, warm[slot])
        if len(set(keys)) < len(keys):  # two have become one
            return None
        return Plan(**self._rest, graph=Shape(graph, nodes, constants, keys, warm, self._family), needed=max(warm))


def _key(step: Step, given: tuple[float, ...], keys: list[str], constants: dict[int, float]) -> str:
    # of what a step gives now, as a graph would write it; empty where the graph would have another shape
    op, inputs, slot = step.op, step.inputs, step.slot
    if op is None:
        value = given[0]
    elif op.size(*given) or not all(i in constants for i in inputs):
        return "" if slot in constants else node_key(op, keys, inputs, given)
    else:
        value = op.step([], *(constants[i] for i in inputs), *given)
    if slot not in constants or not math.isfinite(value):
        return ""
    constants[slot] = value
    return repr(float(value))


def _constants(step: Step, values: Values) -> tuple[float, ...] | None:
    if step.op is None:
        return (fold(step.written[0], values),)  # type: ignore[arg-type]
    made = list(step.constants)
    for i, expression in enumerate(step.written):
        if expression is None:
            continue
        constant, value = step.op.constants[i], fold(expression, values)
        if not constant.least <= value <= constant.most or (constant.whole and value != int(value)):
            return None
        made[i] = int(value) if constant.whole else value
    return tuple(made)
