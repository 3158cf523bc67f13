"""Expressions with their parameters filled in, as a graph of uniform nodes that takes one bar at a time.

Each different sub-expression is one slot, whatever the number of rules that use it. A node is an operation, the slots
it reads and its constants; live evaluation calls the operation's step for each bar, `arrays.evaluate` runs the same
steps over columns. What stands in ``tf("4h")`` is a graph of its own, fed with the closed 4-hour bars.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from workbench.domain.errors import InputError
from workbench.domain.timeframe import timeframe
from workbench.rules.daytime import DAY_OPENS, DAY_S, day_second
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
    Text,
    text,
)
from workbench.rules.fixed import fold
from workbench.rules.higher import HigherBars
from workbench.rules.indicators import INDICATORS, Constant, Indicator
from workbench.rules.indicators.base import Memory
from workbench.rules.node import Node
from workbench.rules.operators import (
    ABSOLUTE,
    ALL,
    AND,
    ANY,
    ARITHMETIC,
    BACK,
    BETWEEN,
    COMPARISONS,
    COUNT,
    CROSS,
    HOLD,
    LEAST,
    MOST,
    NEGATIVE,
    NOT,
    OR,
    SINCE,
)
from workbench.rules.zones import local_second

NAN = math.nan
INPUTS = ("open", "high", "low", "close", "volume", "day", "start_s", "end_s")
# Bars of trading that a week and a month of nominal length hold at most.
_TRADING_S = {"week": 5 * DAY_S, "month": 23 * DAY_S}
_WINDOWED = {op.name: op for op in (ANY, ALL, COUNT)}
_CHAINED = {op.name: op for op in (LEAST, MOST)}
# Trading dates of history for what is exact once a date, or the one before it, was seen.
_DAYS = {Memory.SESSION: 1, Memory.PRIOR_DAY: 2}
_GENERAL, _ONE, _TWO, _ONE_FIXED, _HELD = range(5)


__all__ = ["INPUTS", "Graph", "Node", "Step", "fold", "node_key"]


class Step(NamedTuple):
    """How a graph came to a slot, new or shared: an operation (None for a number) and the constants as written."""

    op: Indicator | None
    inputs: tuple[int, ...]
    constants: tuple[float, ...]
    written: tuple[Expression | None, ...]
    slot: int


def node_key(op: Indicator, keys: Sequence[str], inputs: Iterable[int], constants: Iterable[float]) -> str:
    """Return the key of an operation on slots with these keys."""
    return f"{op.name}{op.source_hash}({','.join([keys[i] for i in inputs])};{','.join(map(repr, constants))})"


class Graph:
    """The slots of a set of expressions; `step` takes a bar, `values[slot]` is what an expression gives at it.

    Parameters
    ----------
    parameters : mapping
        Value of each parameter.
    group : str
        Product group, for the default opening of the day session and the trading hours of higher bars.
    where : str
        File, for messages.
    timeframe : str
        Of the bars it takes; needed for higher timeframes only.

    Attributes
    ----------
    nodes : list of Node
        Computed slots, each after those it reads.
    columns : dict
        Slot of each input column; the eight of `INPUTS` are always there.
    constants : dict
        Slot → value of what is fixed for a run.
    keys : list of str
        By slot: equal for equal sub-expressions with equal parameter values, whatever graph they are in.
    higher : dict
        Graph of each higher timeframe.
    days : int
        Trading dates of history that indicators of the day need.
    trace : list of Step
        How it was made, for those who make the like of it with other values (`template`).
    """

    def __init__(
        self, parameters: Mapping[str, float | bool], *, group: str = "index", where: str = "", timeframe: str = ""
    ) -> None:
        self.values: list[float] = [NAN] * len(INPUTS)
        self.nodes: list[Node] = []
        self.columns: dict[str, int] = {name: i for i, name in enumerate(INPUTS)}
        self.constants: dict[int, float] = {}
        self.higher: dict[str, Graph] = {}
        self.keys: list[str] = list(INPUTS)
        self.days = 0
        self.trace: list[Step] = []
        self.timeframe = timeframe
        self._parameters, self._group, self._where = parameters, group, where
        # By identity: hashing a whole tree at each of its levels would be most of the work of a sweep.
        self._slots: dict[int, tuple[Expression, int]] = {}
        self._made: dict[str, int] = dict(self.columns)  # by key
        self._warm: list[int] = [1] * len(INPUTS)
        self._program: list[tuple[int, int, Callable[..., float], list[float], Any, Any]] = []
        self._local: list[tuple[int, str]] = []
        self._feeds: dict[str, HigherBars] = {}
        self._held: dict[str, list[tuple[int, int]]] = {}

    @property
    def warmup(self) -> int:
        """Bars until every slot is warm."""
        return max(self._warm)

    def warm(self, slot: int) -> int:
        """Return the bars until a slot is warm."""
        return self._warm[slot]

    def step(
        self,
        open_: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        day: float,
        start_s: float,
        end_s: float,
        start: int = 0,
        end: int = 0,
    ) -> None:
        """Take one bar: trading date ordinal, seconds from the date's 17:00, and start and end in UTC ns.

        The last two are needed for higher timeframes and named zones only.
        """
        values = self.values
        values[:8] = (open_, high, low, close, volume, day, start_s, end_s)
        if self._held:
            self._feed(start, end, open_, high, low, close, volume)
        for slot, zone in self._local:
            values[slot] = local_second(zone, end)
        for kind, slot, step, state, a, b in self._program:
            if kind == _ONE_FIXED:
                values[slot] = step(state, values[a], b)
            elif kind == _TWO:
                values[slot] = step(state, values[a], values[b])
            elif kind == _ONE:
                values[slot] = step(state, values[a])
            else:
                values[slot] = step(state, *[values[i] for i in a], *b)

    def add(self, expression: Expression) -> int:
        """Return the slot of an expression, new or shared."""
        known = self._slots.get(id(expression))
        if known is not None:
            return known[1]
        slot = self._make(expression)
        self._slots[id(expression)] = expression, slot
        return slot

    def whole(self, expression: Expression, constant: Constant) -> int:
        """Return the value of a length; raise InputError if it is not whole or out of range."""
        return int(self.fixed(expression, constant))

    def fixed(self, expression: Expression, constant: Constant) -> float:
        """Return the value of an indicator's constant; raise InputError if it is out of range, or not whole."""
        value = self.constant(expression)
        if (constant.whole and value != int(value)) or not constant.least <= value <= constant.most:
            written = text(expression)
            shown = f"{value:g}" if isinstance(expression, Number) else f"{written} = {value:g}"
            raise InputError(
                f"{constant.name} {shown} must be a {'whole ' if constant.whole else ''}number "
                f"from {constant.least} to {constant.most}{f' ({self._where})' if self._where else ''}"
            )
        return int(value) if constant.whole else value

    def constant(self, expression: Expression) -> float:
        """Return the value of an expression of numbers and parameters."""
        value = fold(expression, self._parameters)
        if not math.isfinite(value):
            raise self._valueless(expression)
        return value

    def _valueless(self, expression: Expression) -> InputError:
        return InputError(f"{text(expression)} has no value{f' ({self._where})' if self._where else ''}")

    # --- building ---

    def _make(self, expression: Expression) -> int:
        match expression:
            case Number() | Parameter():
                return self._traced(Step(None, (), (), (expression,), self._fixed_slot(self.constant(expression))))
            case Series(name):
                return self.columns["end_s" if name == "time" else name]
            case Negative(of):
                return self._put(NEGATIVE, (self.add(of),))
            case Not(of):
                return self._put(NOT, (self.add(of),))
            case Arithmetic(operator, left, right):
                slot = self._put(ARITHMETIC[operator], (self.add(left), self.add(right)))
                if slot in self.constants and not math.isfinite(self.constants[slot]):
                    raise self._valueless(expression)
                return slot
            case Comparison(operator, left, right):
                return self._put(COMPARISONS[operator], (self.add(left), self.add(right)))
            case Logic(operator, items):
                return self._chain(AND if operator == "and" else OR, items)
            case Back(of, bars):
                slot = self.add(of)
                return self._put(BACK, (slot,), (self.whole(bars, BACK.constants[0]),), (bars,))
            case Higher(frame, of):
                return self._hold(frame, of)
            case Call():
                return self._call(expression)
        raise InputError(f"{text(expression)} cannot stand here")

    def _chain(self, op: Indicator, items: tuple[Expression, ...]) -> int:
        slot, *rest = (self.add(item) for item in items)
        for other in rest:
            slot = self._put(op, (slot, other))
        return slot

    def _call(self, call: Call) -> int:
        name, arguments = call.function, call.arguments
        if name == "between":
            return self._between(*(part.value for part in arguments if isinstance(part, Text)))
        if name in ("cross_above", "cross_below", "crosses"):
            a, b = (self.add(argument) for argument in arguments)
            up = self._put(CROSS, (a, b)) if name != "cross_below" else -1
            down = self._put(CROSS, (b, a)) if name != "cross_above" else -1
            return self._put(OR, (up, down)) if name == "crosses" else max(up, down)
        if name in _CHAINED:
            return self._chain(_CHAINED[name], arguments)
        if name == "abs":
            return self._put(ABSOLUTE, (self.add(arguments[0]),))
        if name == "bars_since":
            return self._put(SINCE, (self.add(arguments[0]),))
        if name in _WINDOWED:
            op = _WINDOWED[name]
            bars = arguments[1]
            return self._put(op, (self.add(arguments[0]),), (self.whole(bars, op.constants[0]),), (bars,))
        return self._indicator(call)

    def _between(self, begins: str, ends: str, zone: str = "") -> int:
        if not zone:
            return self._put(BETWEEN, (self.columns["end_s"],), (day_second(begins), day_second(ends) or DAY_S))
        seconds = [(day_second(part) + 17 * 3600) % DAY_S for part in (begins, ends)]
        column = f"local:{zone}"
        if column not in self.columns:
            slot = self._slot(column, 1)
            self.columns[column] = slot
            self._local.append((slot, zone))
        return self._put(BETWEEN, (self.columns[column],), (seconds[0], seconds[1] or DAY_S))

    def _indicator(self, call: Call) -> int:
        indicator = INDICATORS[call.function]
        self.days = max(self.days, _DAYS.get(indicator.memory, 0))
        given = list(call.arguments)
        inputs = tuple(self.add(given.pop(0)) if n in ("x", "y") else self.columns[n] for n in indicator.inputs)
        constants: list[float] = []
        written: list[Expression | None] = []
        for constant in indicator.constants:
            part = given.pop(0) if given else None
            written.append(None if isinstance(part, Text) else part)
            if part is None:
                constants.append(self._left_out(constant))
            elif isinstance(part, Text):
                constants.append(day_second(part.value))
            else:
                constants.append(self.fixed(part, constant))
        return self._put(indicator, inputs, tuple(constants), tuple(written))

    def _left_out(self, constant: Constant) -> float:
        if constant.default is not None:
            return constant.default
        return day_second(DAY_OPENS[self._group])

    def _hold(self, frame: str, of: Expression) -> int:
        own = timeframe(self.timeframe)
        other = timeframe(frame)
        if frame not in self.higher:
            graph = Graph(self._parameters, group=self._group, where=self._where, timeframe=frame)
            graph.keys[:] = [f"{frame}.{key}" for key in graph.keys]
            graph._made = {key: slot for slot, key in enumerate(graph.keys)}
            self.higher[frame] = graph
            self._held[frame] = []
        graph = self.higher[frame]
        slot = graph.add(of)
        self.days = max(self.days, graph.days)
        if slot in graph.constants:
            return self._fixed_slot(graph.constants[slot])
        bars = -(-_TRADING_S.get(other.period, other.seconds) // own.seconds)
        key = f"tf({frame},{graph.keys[slot]})"
        if key not in self._made:
            made = self._slot(key, bars * (graph.warm(slot) + 1))
            self.nodes.append(Node(made, HOLD, (slot,), (), self._warm[made], frame))
            self._held[frame].append((made, slot))
        return self._made[key]

    def _fixed_slot(self, value: float) -> int:
        key = repr(float(value))
        if key not in self._made:
            slot = self._slot(key, 1)
            self.values[slot] = self.constants[slot] = value
        return self._made[key]

    def _slot(self, key: str, warm: int) -> int:
        slot = len(self.values)
        self.values.append(NAN)
        self.keys.append(key)
        self._warm.append(warm)
        self._made[key] = slot
        return slot

    def _put(
        self,
        op: Indicator,
        inputs: tuple[int, ...],
        constants: tuple[float, ...] = (),
        written: tuple[Expression | None, ...] = (),
    ) -> int:
        key = node_key(op, self.keys, inputs, constants)
        known = self._made.get(key)
        slot = self._new(op, key, inputs, constants) if known is None else known
        return self._traced(Step(op, inputs, constants, written, slot))

    def _traced(self, step: Step) -> int:
        self.trace.append(step)
        return step.slot

    def _new(self, op: Indicator, key: str, inputs: tuple[int, ...], constants: tuple[float, ...]) -> int:
        size = op.size(*constants)
        if not size and all(i in self.constants for i in inputs):
            return self._fixed_slot(op.step([], *(self.constants[i] for i in inputs), *constants))
        warm = max(self._warm[i] for i in inputs) + op.warmup(*constants) - 1
        slot = self._slot(key, warm)
        self.nodes.append(Node(slot, op, inputs, constants, warm))
        state = [0.0] * max(size, 1)
        if len(inputs) == 1 and len(constants) <= 1:
            kind, a, b = _ONE_FIXED if constants else _ONE, inputs[0], constants[0] if constants else 0
            self._program.append((kind, slot, op.step, state, a, b))
        elif len(inputs) == 2 and not constants:
            self._program.append((_TWO, slot, op.step, state, *inputs))
        else:
            self._program.append((_GENERAL, slot, op.step, state, inputs, constants))
        return slot

    # --- higher timeframes ---

    def _feed(self, start: int, end: int, open_: float, high: float, low: float, close: float, volume: float) -> None:
        for frame, held in self._held.items():
            graph = self.higher[frame]
            feed = self._feeds.get(frame)
            if feed is None:
                feed = self._feeds[frame] = HigherBars(frame, self._group, graph.step)
            if feed.take(start, end, open_, high, low, close, volume):
                for slot, source in held:
                    self.values[slot] = graph.values[source]
