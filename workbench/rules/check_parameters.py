"""Declared ranges and steps that a sweep would stumble over, and constraints that never refuse anything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

from workbench.domain.errors import WorkbenchError
from workbench.rules.check import ERROR, WARNING, Finding, Found
from workbench.rules.expression import Expression, Not, text, walk
from workbench.rules.expression import Parameter as Named
from workbench.rules.logic import Reasoner
from workbench.rules.parameter import Parameter, shown
from workbench.rules.strategy import Strategy

if TYPE_CHECKING:
    from workbench.rules.python.strategy import PythonStrategy

_CORNERS = 64


def parameters(strategy: Strategy | PythonStrategy) -> Found:
    """Yield what is odd about the declared parameters."""
    for parameter in strategy.parameters.values():
        for level, code, said in _one(parameter):
            yield Finding(level, code, f"parameter {parameter.name}: {said}", parameter.line)
    if not isinstance(strategy, Strategy):
        return
    ranges = {p.name: (p.min, p.max) for p in strategy.parameters.values()}
    booleans = {p.name: strategy.values[p.name] for p in strategy.parameters.values() if p.type == "bool"}
    reason = Reasoner(booleans, ranges)
    for constraint, line in strategy.constraints:
        if reason.never(Not(constraint)):
            said = f"the constraint {text(constraint)} refuses nothing: the ranges see to it already"
            yield Finding(WARNING, "never-binds", said, line)
    yield from _corners(strategy)


def _one(parameter: Parameter) -> Iterator[tuple[str, str, str]]:
    least, most, step = parameter.min, parameter.max, parameter.step
    if parameter.type == "bool":
        if (least, most, step) != (None, None, None):
            yield WARNING, "parameter-range", "min, max and step mean nothing for true and false"
        return
    if parameter.type == "int":
        fractions = [f"{n} {v:g}" for n, v in (("min", least), ("max", most), ("step", step)) if v and v != int(v)]
        if fractions:
            yield ERROR, "parameter-range", f"{' and '.join(fractions)} of a whole number"
    if least is None or most is None:
        missing = " and ".join(name for name, value in (("min", least), ("max", most)) if value is None)
        yield WARNING, "parameter-range", f"has no {missing}; a sweep does not know where to end"
        return
    if least == most:
        yield WARNING, "parameter-range", f"min and max are both {shown(least)}; it is a number, not a parameter"
        return
    if step is None:
        return
    if step > most - least:
        yield WARNING, "parameter-step", f"step {shown(step)} is wider than the range {shown(least)} to {shown(most)}"
    elif abs((most - least) / step - round((most - least) / step)) > 1e-9:
        last = least + int((most - least) / step) * step
        yield (
            WARNING,
            "parameter-step",
            f"steps of {shown(step)} from {shown(least)} end at {shown(last)}, not {shown(most)}",
        )
    elif abs((parameter.default - least) / step - round((parameter.default - least) / step)) > 1e-9:
        said = f"steps of {shown(step)} from {shown(least)} leave out the default {shown(parameter.default)}"
        yield WARNING, "parameter-step", said


def _corners(strategy: Strategy) -> Found:
    # At the ends of the ranges everything must still be a strategy: a length of 0 shows only in a sweep otherwise.
    inside = {part.name for e in _written(strategy) for part in walk(e) if isinstance(part, Named)}
    ends = {
        name: [end for end in (p.min, p.max) if end is not None]
        for name, p in strategy.parameters.items()
        if name in inside and p.type != "bool"
    }
    for name, values in ends.items():
        others = [other for other in ends if other != name][:4]
        for value in values:
            problem = _refusal(strategy, name, value, others, ends)
            if problem:
                parameter = strategy.parameters[name]
                yield Finding(
                    WARNING, "parameter-range", f"{name}={shown(value)} is never possible: {problem}", parameter.line
                )


def _refusal(strategy: Strategy, name: str, value: float, others: list[str], ends: dict[str, list[float]]) -> str:
    problem = ""
    choices: list[dict[str, float]] = [{}]
    choices += [dict(zip(others, corner, strict=True)) for corner in product(*(ends[other] for other in others))]
    for chosen in choices[:_CORNERS]:
        try:
            strategy.with_parameters(**{**chosen, name: value})
        except WorkbenchError as error:
            problem = problem or str(error)
        else:
            return ""
    return problem


def _written(strategy: Strategy) -> list[Expression]:
    return [*strategy.expressions, *(part for part, *_ in strategy.settings.values())]
