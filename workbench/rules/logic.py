"""What can be said of a condition without any bars: can it hold at all, can two hold together, does one imply another.

A condition is taken apart into clauses (one of them must hold) of literals (all of them must), comparisons become
linear inequalities over prices and indicators, and known facts are added: low <= close <= high, an rsi is from 0 to
100, the highest of a window is no less than its newest value. What is refuted this way can never happen on any bars;
what is not refuted may still never happen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from workbench.domain.errors import InputError
from workbench.rules.expression import (
    Arithmetic,
    Back,
    Call,
    Comparison,
    Expression,
    Higher,
    Logic,
    Negative,
    Not,
    Number,
    Parameter,
    Series,
    children,
    is_constant,
    text,
)
from workbench.rules.fixed import fold
from workbench.rules.linear import Above, Linear, contradict

MAX_CLAUSES = 128

# What an indicator can be at all; an end that is not there is None.
RANGES: dict[str, tuple[float | None, float | None]] = {
    **dict.fromkeys(("rsi", "stoch", "stoch_d", "stochrsi", "stochrsi_d", "mfi"), (0.0, 100.0)),
    **dict.fromkeys(("adx", "plus_di", "minus_di", "percent_rank"), (0.0, 100.0)),
    **dict.fromkeys(("atr", "natr", "tr", "stdev", "bars_since", "count", "volume"), (0.0, None)),
    "supertrend_direction": (-1.0, 1.0),
    "willr": (-100.0, 0.0),
    "cmf": (-1.0, 1.0),
}
# What is never below, and never above: the newest bar's extreme, or (empty) its own arguments.
_OVER: dict[str, tuple[Expression, ...]] = {
    **dict.fromkeys(("highest", "max"), ()),
    **dict.fromkeys(("donchian_upper", "session_high", "day_high"), (Series("high"),)),
}
_UNDER: dict[str, tuple[Expression, ...]] = {
    **dict.fromkeys(("lowest", "min"), ()),
    **dict.fromkeys(("donchian_lower", "session_low", "day_low"), (Series("low"),)),
}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Place:
    """Which bars a quantity is of: a timeframe (empty: our own), so many bars back, and before a cross or now."""

    frame: str = ""
    back: int = 0
    before: str = ""


@dataclass(frozen=True, slots=True)
class Literal:
    """A condition that cannot be taken apart further, and whether it must hold or must not."""

    of: Expression
    holds: bool
    at: Place = Place()


Clause = tuple[Literal, ...]
NOW = Place()


class Reasoner:
    """Answers about conditions for one set of parameter values.

    Parameters
    ----------
    parameters : mapping
        Values. A name that is missing is a quantity of its own; `ranges` says what it can be.
    ranges : mapping
        By parameter name: (least, most), None where there is no end.
    """

    def __init__(
        self,
        parameters: Mapping[str, float | bool],
        ranges: Mapping[str, tuple[float | None, float | None]] | None = None,
    ) -> None:
        self.parameters, self.ranges = parameters, ranges or {}

    def never(self, *conditions: Expression) -> bool:
        """Return True if the conditions can never hold together."""
        clauses = self.clauses(conditions)
        return clauses is not None and all(self.refuted(clause) for clause in clauses)

    def implies(self, condition: Expression, other: Expression) -> bool:
        """Return True if `other` holds whenever `condition` does, as far as both can be known."""
        return self.never(condition, Not(other))

    def clauses(self, conditions: Iterable[Expression]) -> list[Clause] | None:
        """Return the clauses of conditions that must all hold, or None when they are too many."""
        made: list[Clause] = [()]
        for condition in conditions:
            parts = self._split(condition, holds=True, at=NOW)
            if parts is None or len(made) * len(parts) > MAX_CLAUSES:
                return None
            made = [a + b for a, b in product(made, parts)]
        return made

    def refuted(self, clause: Clause) -> bool:
        """Return True if the literals of a clause can never all hold."""
        return _Clause(self, clause).is_refuted

    # --- taking conditions apart ---

    def _split(self, of: Expression, *, holds: bool, at: Place) -> list[Clause] | None:
        match of:
            case Not(inner):
                return self._split(inner, holds=not holds, at=at)
            case Logic(operator, items):
                parts = [self._split(item, holds=holds, at=at) for item in items]
                if any(part is None for part in parts):
                    return None
                known = [part for part in parts if part is not None]
                return _each(known) if (operator == "and") is holds else _one(known)
            case Back(inner, bars) if not is_constant(inner):
                return self._split(inner, holds=holds, at=replace(at, back=at.back + int(self.value(bars))))
            case Higher(frame, inner):
                return self._split(inner, holds=holds, at=replace(at, frame=frame))
            case Comparison("==" | "!=" as operator, left, right) if (operator == "!=") is holds:
                pair = (Comparison("<", left, right), Comparison(">", left, right))
                return [(Literal(part, holds=True, at=at),) for part in pair]
            case Parameter(name) if name in self.parameters:
                return [()] if bool(self.parameters[name]) is holds else []
            case Call("crosses", (a, b)):
                sides = [Call(f"cross_{way}", (a, b), of.kind) for way in ("above", "below")]
                literals: list[Clause] = [(Literal(side, holds=holds, at=at),) for side in sides]
                return literals if holds else _each([[literal] for literal in literals])
            case Call("all", (inner, _)) if holds:
                return self._with(of, inner, holds=True, at=at)
            case Call("any", (inner, _)) if not holds:
                return self._with(of, inner, holds=False, at=at)
        return [(Literal(of, holds=holds, at=at),)]

    def _with(self, of: Expression, inner: Expression, *, holds: bool, at: Place) -> list[Clause] | None:
        parts = self._split(inner, holds=holds, at=at)
        return None if parts is None else [(Literal(of, holds=holds, at=at), *part) for part in parts]

    def value(self, expression: Expression) -> float:
        """Return the value of a constant; raise KeyError when a parameter of it is not known."""
        return fold(expression, self.parameters)


def _each(parts: list[list[Clause]]) -> list[Clause] | None:
    if math.prod(len(part) for part in parts) > MAX_CLAUSES:
        return None
    return [sum(chosen, ()) for chosen in product(*parts)]


def _one(parts: list[list[Clause]]) -> list[Clause] | None:
    made = [clause for part in parts for clause in part]
    return made if len(made) <= MAX_CLAUSES else None


class _Clause:
    # the inequalities of one clause, with all facts about the quantities in them

    def __init__(self, reasoner: Reasoner, clause: Clause) -> None:
        self.reasoner, self.clause = reasoner, clause
        self.rows: list[Above] = []
        self.seen: set[tuple[Place, str]] = set()
        self.waiting: list[tuple[Place, Expression]] = []

    @cached_property
    def is_refuted(self) -> bool:
        said: dict[tuple[Expression, Place], bool] = {}
        for literal in self.clause:
            if said.setdefault((literal.of, literal.at), literal.holds) is not literal.holds:
                return True
            if self.take(literal):
                return True
        while self.waiting:
            self.facts(*self.waiting.pop())
        self.bars()
        return contradict(self.rows)

    def take(self, literal: Literal) -> bool:
        # True if the literal alone cannot be
        of, at = literal.of, literal.at
        match of:
            case Comparison(operator, left, right):
                self.compare(operator if literal.holds else _OPPOSITE[operator], left, right, at)
            case Call("cross_above" | "cross_below" as name, (a, b)) if literal.holds:
                above, below = (a, b) if name == "cross_above" else (b, a)
                self.compare(">", above, below, at)
                # the bar on which it stood on the other side; each cross has its own
                self.compare("<", above, below, replace(at, before=text(of)))
            case Call("any", (inner, _)) if literal.holds:
                return self.reasoner.never(inner)
        return False

    def compare(self, operator: str, left: Expression, right: Expression, at: Place) -> None:
        difference = self.linear(left, at) - self.linear(right, at)
        if operator in (">", ">=", "=="):
            self.rows.append(Above(difference, strict=operator == ">"))
        if operator in ("<", "<=", "=="):
            self.rows.append(Above(difference * -1, strict=operator == "<"))

    def linear(self, of: Expression, at: Place) -> Linear:
        match of:
            case _ if is_constant(of):
                try:
                    value = self.reasoner.value(of)
                except (KeyError, InputError):
                    pass
                else:
                    return Linear.fixed(value) if math.isfinite(value) else self.quantity(of, at)
        match of:
            case Negative(inner):
                return self.linear(inner, at) * -1
            case Arithmetic("+", left, right):
                return self.linear(left, at) + self.linear(right, at)
            case Arithmetic("-", left, right):
                return self.linear(left, at) - self.linear(right, at)
            case Arithmetic("*" | "/" as operator, left, right):
                return self.product(operator, left, right, of, at)
            case Back(inner, bars):
                return self.linear(inner, replace(at, back=at.back + int(self.reasoner.value(bars))))
            case Higher(frame, inner):
                return self.linear(inner, replace(at, frame=frame))
        return self.quantity(of, at)

    def product(self, operator: str, left: Expression, right: Expression, of: Expression, at: Place) -> Linear:
        a, b = self.linear(left, at), self.linear(right, at)
        if not b.terms and (operator == "*" or b.number):
            return a * (b.number if operator == "*" else 1 / b.number)
        if not a.terms and operator == "*":
            return b * a.number
        return self.quantity(of, at)

    def quantity(self, of: Expression, at: Place) -> Linear:
        key = (at, self.named(of))
        if key not in self.seen:
            self.seen.add(key)
            self.waiting.append((at, of))
        return Linear.of(key)

    def named(self, of: Expression) -> str:
        # parameters by their values, so that sma(close, fast) and sma(close, 5) are one
        if is_constant(of) and not isinstance(of, Parameter):
            try:
                return text(Number(self.reasoner.value(of)))
            except (KeyError, InputError):
                return text(of)
        if isinstance(of, Parameter) and of.name in self.reasoner.parameters:
            return text(Number(self.reasoner.parameters[of.name] + 0.0))
        inner = ",".join(map(self.named, children(of)))
        head = type(of).__name__ + getattr(of, "function", "") + getattr(of, "operator", "") + getattr(of, "name", "")
        return f"{head}{getattr(of, 'value', '')}{getattr(of, 'timeframe', '')}({inner})"

    def facts(self, at: Place, of: Expression) -> None:
        this = Linear.of((at, self.named(of)))
        match of:
            case Series(name):
                self.between(this, RANGES.get(name, (None, None)))
            case Parameter(name):
                self.between(this, self.reasoner.ranges.get(name, (None, None)))
            case Call(name, arguments) if name in _OVER:
                for part in _OVER[name] or (arguments[:1] if name == "highest" else arguments):
                    self.rows.append(Above(this - self.linear(part, at)))
            case Call(name, arguments) if name in _UNDER:
                for part in _UNDER[name] or (arguments[:1] if name == "lowest" else arguments):
                    self.rows.append(Above(self.linear(part, at) - this))
            case Call("abs", (inner,)):
                self.rows += [Above(this - self.linear(inner, at)), Above(this + self.linear(inner, at))]
            case Call("count", (_, bars)):
                self.between(this, (0.0, None))
                self.rows.append(Above(self.linear(bars, at) - this))
            case Call(name, arguments, kind):
                self.between(this, RANGES.get(name, (None, None)))
                self.bands(name, arguments, kind, at, this)

    def bands(self, name: str, arguments: tuple[Expression, ...], kind: object, at: Place, this: Linear) -> None:
        # the upper band is never below the middle, and so on, where both occur
        for end, other in (("_upper", "_middle"), ("_upper", "_lower"), ("_middle", "_lower")):
            if name.endswith(end):
                below = Call(name.removesuffix(end) + other, arguments, kind)  # type: ignore[arg-type]
                self.rows.append(Above(this - Linear.of((at, self.named(below)))))

    def between(self, this: Linear, ends: tuple[float | None, float | None]) -> None:
        least, most = ends
        if least is not None:
            self.rows.append(Above(this - least))
        if most is not None:
            self.rows.append(Above(this * -1 + most))

    def bars(self) -> None:
        for at in {place for place, _ in self.seen}:
            price = {name: Linear.of((at, self.named(Series(name)))) for name in _PRICES}
            for name in ("open", "close"):
                self.rows += [Above(price["high"] - price[name]), Above(price[name] - price["low"])]
