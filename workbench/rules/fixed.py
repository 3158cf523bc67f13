"""Expressions of numbers and parameters: what they are worth for a run."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.domain.errors import InputError
from workbench.rules.expression import Arithmetic, Call, Expression, Negative, Number, Parameter, text
from workbench.rules.operators import ARITHMETIC


def fold(expression: Expression, parameters: Mapping[str, float | bool]) -> float:
    """Return the value of a constant expression; NaN where it divides by zero."""
    match expression:
        case Number(value):
            return value
        case Parameter(name):
            return float(parameters[name])
        case Negative(of):
            return -fold(of, parameters)
        case Arithmetic(operator, left, right):
            return ARITHMETIC[operator].step([], fold(left, parameters), fold(right, parameters))
        case Call("abs", arguments):
            return abs(fold(arguments[0], parameters))
        case Call("min" | "max" as name, arguments):
            return (min if name == "min" else max)(fold(part, parameters) for part in arguments)
    raise InputError(f"{text(expression)} is not fixed for a run")
