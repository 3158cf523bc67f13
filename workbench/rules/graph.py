"""Expressions with their parameters filled in, as a graph that takes one bar at a time.

Each different sub-expression is one slot with one update, whatever the number of rules that use it. Conditions are 1.0
and 0.0; NaN means "cannot be known yet" and follows Kleene's logic: `not` of it stays unknown, `and` with something
false is false. Only 1.0 passes as true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from math import isnan

from workbench.domain.errors import InputError
from workbench.rules.daytime import DAY_OPENS, day_second, is_within
from workbench.rules.expression import (
    Arithmetic,
    Back,
    Call,
    Comparison,
    Expression,
    Logic,
    Negative,
    Not,
    Number,
    Parameter,
    Series,
    Text,
    is_constant,
    text,
)
from workbench.rules.indicators import INDICATORS, Constant

NAN = math.nan
INPUTS = ("open", "high", "low", "close", "volume", "day", "start_s", "end_s")
_SLOTS = {name: i for i, name in enumerate(INPUTS)} | {"time": 7}
MAX_BACK = 5000

Update = Callable[[], float]
Values = list[float]


class Graph:
    """The slots of a set of expressions; `step` takes a bar, `values[slot]` is what an expression gives at it.

    Parameters
    ----------
    parameters : mapping
        Value of each parameter.
    group : str
        Product group, for the default opening of the day session.
    where : str
        File, for messages.
    """

    def __init__(self, parameters: Mapping[str, float | bool], *, group: str = "index", where: str = "") -> None:
        self.values: Values = [NAN] * len(INPUTS)
        self._parameters, self._group, self._where = parameters, group, where
        self._updates: list[tuple[int, Update]] = []
        self._slots: dict[Expression, int] = {}
        self._warm: dict[int, int] = dict.fromkeys(range(len(INPUTS)), 1)

    @property
    def warmup(self) -> int:
        """Bars until every slot is warm."""
        return max(self._warm.values())

    def step(self, open_: float, high: float, low: float, close: float, volume: float, *day: float) -> None:
        """Take one bar; `day` is (trading date ordinal, start second, end second)."""
        values = self.values
        values[:8] = (open_, high, low, close, volume, *day)
        for slot, update in self._updates:
            values[slot] = update()

    def add(self, expression: Expression) -> int:
        """Return the slot of an expression, new or shared."""
        known = self._slots.get(expression)
        if known is not None:
            return known
        slot = self._make(expression)
        self._slots[expression] = slot
        return slot

    def whole(self, expression: Expression, constant: Constant) -> int:
        """Return the value of a length; raise InputError if it is not whole or out of range."""
        value = self.constant(expression)
        if value != int(value) or not constant.least <= value <= constant.most:
            written = text(expression)
            shown = f"{value:g}" if isinstance(expression, Number) else f"{written} = {value:g}"
            raise InputError(
                f"{constant.name} {shown} must be a whole number from {constant.least} to {constant.most}"
                f"{f' ({self._where})' if self._where else ''}"
            )
        return int(value)

    def constant(self, expression: Expression) -> float:
        """Return the value of an expression of numbers and parameters."""
        value = fold(expression, self._parameters)
        if not math.isfinite(value):
            raise InputError(f"{text(expression)} has no value{f' ({self._where})' if self._where else ''}")
        return value

    def _put(self, update: Update, warm: int) -> int:
        slot = len(self.values)
        self.values.append(NAN)
        self._updates.append((slot, update))
        self._warm[slot] = warm
        return slot

    def _make(self, expression: Expression) -> int:
        if is_constant(expression):
            slot = len(self.values)
            self.values.append(self.constant(expression))
            self._warm[slot] = 1
            return slot
        match expression:
            case Series(name):
                return _SLOTS[name]
            case Negative(of):
                return self._one(of, lambda v, a: lambda: -v[a])
            case Not(of):
                return self._one(of, _not)
            case Arithmetic(operator, left, right):
                return self._two(left, right, _ARITHMETIC[operator])
            case Comparison(operator, left, right):
                return self._two(left, right, _COMPARISONS[operator])
            case Logic(operator, items):
                slots = [self.add(item) for item in items]
                make = _all if operator == "and" else _any
                return self._put(make(self.values, slots), max(self._warm[s] for s in slots))
            case Back(of, bars):
                slot = self.add(of)
                count = self.whole(bars, Constant(name="look-back", least=0, most=MAX_BACK))
                return self._put(_back(self.values, slot, count), self._warm[slot] + count)
            case Call():
                return self._call(expression)
        raise InputError(f"{text(expression)} cannot stand here")

    def _one(self, of: Expression, make: Callable[[Values, int], Update]) -> int:
        slot = self.add(of)
        return self._put(make(self.values, slot), self._warm[slot])

    def _two(self, left: Expression, right: Expression, make: Callable[[Values, int, int], Update]) -> int:
        a, b = self.add(left), self.add(right)
        return self._put(make(self.values, a, b), max(self._warm[a], self._warm[b]))

    def _call(self, call: Call) -> int:
        if call.function == "between":
            begins, ends = (day_second(part.value) for part in call.arguments if isinstance(part, Text))
            return self._put(_between(self.values, begins, ends), 1)
        if call.function in ("cross_above", "cross_below"):
            a, b = (self.add(argument) for argument in call.arguments)
            if call.function == "cross_below":
                a, b = b, a
            return self._put(_cross(self.values, a, b), max(self._warm[a], self._warm[b]) + 1)
        return self._indicator(call)

    def _indicator(self, call: Call) -> int:
        indicator = INDICATORS[call.function]
        arguments = list(call.arguments)
        inputs = [self.add(arguments.pop(0)) if name == "x" else _SLOTS[name] for name in indicator.inputs]
        constants: list[int] = []
        for constant in indicator.constants:
            given = arguments.pop(0) if arguments else None
            if given is None or isinstance(given, Text):  # only the opening of the day session may be left out
                constants.append(day_second(DAY_OPENS[self._group] if given is None else given.value))
            else:
                constants.append(self.whole(given, constant))
        state = [0.0] * indicator.size(*constants)
        update = _indicate(self.values, indicator.step, state, tuple(inputs), tuple(constants))
        return self._put(update, max(self._warm[s] for s in inputs) + indicator.warmup(*constants) - 1)


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
            values = [fold(left, parameters), fold(right, parameters)]
            return _ARITHMETIC[operator](values, 0, 1)()
    raise InputError(f"{text(expression)} is not fixed for a run")


def _divide(v: Values, a: int, b: int) -> Update:
    return lambda: v[a] / v[b] if v[b] else NAN


_ARITHMETIC: dict[str, Callable[[Values, int, int], Update]] = {
    "+": lambda v, a, b: lambda: v[a] + v[b],
    "-": lambda v, a, b: lambda: v[a] - v[b],
    "*": lambda v, a, b: lambda: v[a] * v[b],
    "/": _divide,
}


def _compare(is_true: Callable[[float, float], bool]) -> Callable[[Values, int, int], Update]:
    def make(v: Values, a: int, b: int) -> Update:
        def update() -> float:
            x, y = v[a], v[b]
            return NAN if isnan(x) or isnan(y) else 1.0 if is_true(x, y) else 0.0

        return update

    return make


_COMPARISONS: dict[str, Callable[[Values, int, int], Update]] = {
    "<": _compare(lambda x, y: x < y),
    "<=": _compare(lambda x, y: x <= y),
    ">": _compare(lambda x, y: x > y),
    ">=": _compare(lambda x, y: x >= y),
    "==": _compare(lambda x, y: x == y),
    "!=": _compare(lambda x, y: x != y),
}


def _not(v: Values, a: int) -> Update:
    return lambda: 1.0 - v[a]  # NaN stays NaN


def _all(v: Values, slots: list[int]) -> Update:
    def update() -> float:
        result = 1.0
        for slot in slots:
            x = v[slot]
            if x == 0.0:
                return 0.0
            if isnan(x):
                result = NAN
        return result

    return update


def _any(v: Values, slots: list[int]) -> Update:
    def update() -> float:
        result = 0.0
        for slot in slots:
            x = v[slot]
            if x == 1.0:
                return 1.0
            if isnan(x):
                result = NAN
        return result

    return update


def _back(v: Values, a: int, bars: int) -> Update:
    ring = [NAN] * (bars + 1)
    head = 0

    def update() -> float:
        nonlocal head
        ring[head] = v[a]
        head = head + 1 if head < bars else 0
        return ring[head]

    return update


def _cross(v: Values, a: int, b: int) -> Update:
    side = 0.0  # the last side on which `a` really stood; equality leaves it, not-ready forgets it

    def update() -> float:
        nonlocal side
        x, y = v[a], v[b]
        if isnan(x) or isnan(y):
            side = 0.0
            return NAN
        before = side
        if x == y:
            return NAN if before == 0.0 else 0.0
        side = 1.0 if x > y else -1.0
        return NAN if before == 0.0 else 1.0 if before < side else 0.0

    return update


def _between(v: Values, begins: int, ends: int) -> Update:
    at = _SLOTS["time"]
    return lambda: 1.0 if is_within(v[at], begins, ends) else 0.0


def _indicate(
    v: Values, step: Callable[..., float], state: Values, inputs: tuple[int, ...], constants: tuple[int, ...]
) -> Update:
    if len(inputs) == 1 and len(constants) == 1:  # most indicators; saves building two tuples per bar
        (x,), (length,) = inputs, constants
        return lambda: step(state, v[x], length)
    return lambda: step(state, *[v[i] for i in inputs], *constants)
