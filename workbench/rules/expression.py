"""The expressions a rule is made of, as values: what the parser builds and the evaluator walks.

Equal expressions are equal values, so a sub-expression that occurs twice is computed once, and `text` writes each in
one normal form, whatever the spaces and brackets in the file were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What an expression gives."""

    NUMBER = "a number"
    CONDITION = "a condition (true or false)"
    TIME = "a time of day"
    TEXT = "a text"


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    kind: ClassVar[Kind] = Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    kind: ClassVar[Kind] = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Series:
    """A column of the bar: open, high, low, close, volume; or `time`, the moment the bar closed."""

    name: str

    @property
    def kind(self) -> Kind:
        return Kind.TIME if self.name == "time" else Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Kind = Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Back:
    """The value of `of` so many closed bars ago."""

    of: Expression
    bars: Expression

    @property
    def kind(self) -> Kind:
        return self.of.kind


@dataclass(frozen=True, slots=True)
class Negative:
    of: Expression
    kind: ClassVar[Kind] = Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str  # + - * /
    left: Expression
    right: Expression
    kind: ClassVar[Kind] = Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str  # < <= > >= == !=
    left: Expression
    right: Expression
    kind: ClassVar[Kind] = Kind.CONDITION


@dataclass(frozen=True, slots=True)
class Not:
    of: Expression
    kind: ClassVar[Kind] = Kind.CONDITION


@dataclass(frozen=True, slots=True)
class Logic:
    operator: str  # and, or
    items: tuple[Expression, ...]
    kind: ClassVar[Kind] = Kind.CONDITION


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Higher:
    """`of`, computed over the closed bars of another timeframe: ``tf("4h").sma(close, 20)``."""

    timeframe: str
    of: Expression

    @property
    def kind(self) -> Kind:
        return self.of.kind


Expression = (
    Number | Text | Series | Parameter | Back | Negative | Arithmetic | Comparison | Not | Logic | Call | Higher
)

# Functions that are fixed for a run when their arguments are.
_PLAIN = ("abs", "min", "max")


def children(expression: Expression) -> tuple[Expression, ...]:
    """Return the parts an expression is made of, in the order in which they are written."""
    match expression:
        case Back(of, bars):
            return (of, bars)
        case Negative(of) | Not(of) | Higher(_, of):
            return (of,)
        case Arithmetic(_, left, right) | Comparison(_, left, right):
            return (left, right)
        case Logic(_, items):
            return items
        case Call(_, arguments, _):
            return arguments
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """Yield the expression and everything inside it."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def number_text(value: float) -> str:
    """Write a number without needless digits: 20, not 20.0; the shortest that reads back as the same float.

    >>> number_text(20.0), number_text(0.1), number_text(-2.5)
    ('20', '0.1', '-2.5')
    """
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def text(expression: Expression) -> str:
    """Write an expression in its one normal form.

    >>> text(Comparison(">", Series("close"), Back(Series("close"), Number(1.0))))
    '(close > close[1])'
    """
    match expression:
        case Number(value):
            return number_text(value)
        case Text(value):
            return f'"{value}"'
        case Series(name) | Parameter(name):
            return name
        case Back(of, bars):
            return f"{text(of)}[{text(bars)}]"
        case Negative(of):
            return f"(-{text(of)})"
        case Not(of):
            return f"(not {text(of)})"
        case Arithmetic(operator, left, right) | Comparison(operator, left, right):
            return f"({text(left)} {operator} {text(right)})"
        case Logic(operator, items):
            return "(" + f" {operator} ".join(map(text, items)) + ")"
        case Call(function, arguments, _):
            return f"{function}({', '.join(map(text, arguments))})"
        case Higher(frame, of):
            return f'tf("{frame}").{text(of)}'


def is_constant(expression: Expression) -> bool:
    """Return True if only numbers and parameters occur in it, so that it is fixed for a run."""
    return all(
        isinstance(part, Number | Parameter | Negative | Arithmetic)
        or (isinstance(part, Call) and part.function in _PLAIN)
        for part in walk(expression)
    )
