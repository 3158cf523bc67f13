"""A strategy as a value: what it trades, its rules, its declared parameters, and the version that names just this."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.rules.expression import Call, Comparison, Expression, Kind, Logic, text, walk
from workbench.rules.graph import Graph, fold

if TYPE_CHECKING:
    from workbench.domain.contract import Contract
    from workbench.rules.evaluator import RuleState
    from workbench.rules.plan import Plan

# Raised when the same file would mean something else than before: it is part of every version.
SEMANTICS = 1

SIDES = ("entry.long", "entry.short", "exit.long", "exit.short")
Value = int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A declared parameter: sweeps, widgets and live sessions all read its type, default and range from here."""

    name: str
    type: str  # int, float, bool
    default: Value
    min: float | None = None
    max: float | None = None
    step: float | None = None
    description: str = ""
    line: int = 0

    @property
    def kind(self) -> Kind:
        return Kind.CONDITION if self.type == "bool" else Kind.NUMBER

    def require(self, value: object, where: str) -> Value:
        """Return `value` as this parameter's type; raise InputError if it has another type or is out of range."""
        made = self._typed(value)
        if made is None:
            raise InputError(f"{self.name}={value!r} must be {self._words()} ({where})")
        low, high = self.min, self.max
        if (low is not None and made < low) or (high is not None and made > high):
            bounds = f"from {_show(low)} to {_show(high)}" if None not in (low, high) else "in range"
            if high is None:
                bounds = f"at least {_show(low)}"
            elif low is None:
                bounds = f"at most {_show(high)}"
            raise InputError(f"{self.name}={_show(made)} must be {bounds} ({where})")
        return made

    def _typed(self, value: object) -> Value | None:
        if self.type == "bool" or isinstance(value, bool):
            return value if self.type == "bool" and isinstance(value, bool) else None
        # numpy's numbers come from sweeps and notebooks: they are taken by what they are worth
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return None
        if isinstance(value, str) or math.isnan(number) or abs(number) > 1e15:
            return None
        if self.type == "int":
            return int(number) if number == int(number) else None
        return number

    def _words(self) -> str:
        return {"int": "a whole number", "float": "a number", "bool": "true or false"}[self.type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Distance of a protective order from the fill price: `amount` ticks, points, or average true ranges."""

    unit: str  # ticks, points, atr
    amount: Expression
    range: Call | None = None  # atr(length), for the unit atr

    def normal(self) -> dict[str, str]:
        """Return the normal form that enters the version."""
        made = {self.unit: text(self.amount)}
        return made | {"range": text(self.range)} if self.range else made


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """One strategy, whatever file it came from. Make one with `load_strategy`.

    Attributes
    ----------
    roots : tuple of str
        Exchange roots of the contracts it is made for.
    timeframe : str
        Bars whose close it decides on.
    parameters : mapping
        Declared parameters; `values` holds those of this object.
    rules : mapping
        Conditions by name: entry.long, entry.short, exit.long, exit.short.
    window : (str, str) or None
        Entries only when the bar closes in it, Chicago time.
    flat_by : str or None
        Chicago time by which the position must be gone.
    source : str
        The text it was read from: what the registry stores and the runner executes.
    """

    name: str
    description: str
    roots: tuple[str, ...]
    timeframe: str
    parameters: Mapping[str, Parameter]
    rules: Mapping[str, Expression]
    constraints: tuple[tuple[Expression, int], ...] = ()
    stop: Distance | None = None
    target: Distance | None = None
    contracts: Expression
    max_trades_per_day: Expression | None = None
    cooldown: Expression
    window: tuple[str, str] | None = None
    flat_by: str | None = None
    source: str = field(default="", repr=False)
    where: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """Hash of the normalised content, 16 hex digits; formatting, comments, descriptions, `values` do not count."""
        packed = json.dumps(self.normal(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(packed.encode()).hexdigest()[:16]

    @cached_property
    def warmup(self) -> int:
        """Closed bars to load before the first live decision, so that older history would not change it."""
        bars = self.bind().warmup
        if any(
            isinstance(p, Call) and p.function.startswith("opening_range") for e in self.expressions for p in walk(e)
        ):
            bars = max(bars, -(-86_400 // timeframe(self.timeframe).seconds))
        return bars

    @property
    def expressions(self) -> list[Expression]:
        """Every expression that changes from bar to bar, or may."""
        made = list(self.rules.values())
        for distance in (self.stop, self.target):
            if distance is not None:
                made += [distance.amount, *([distance.range] if distance.range else [])]
        return made

    @property
    def group(self) -> str:
        """Product group of the first root."""
        return spec(self.roots[0]).group

    def bind(self) -> Graph:
        """Return a fresh graph of all expressions with this object's parameter values."""
        graph = Graph(self.values, group=self.group, where=self.where, timeframe=self.timeframe)
        for expression in self.expressions:
            graph.add(expression)
        return graph

    def plan(self, contract: Contract | str) -> Plan:
        """Return all that a decision needs on a contract (or an id or root): slots of a fresh graph, and numbers."""
        from workbench.rules.planning import make_plan

        return make_plan(self, contract)

    def with_parameters(self, **values: object) -> Strategy:
        """Return the same strategy (and version) with other parameter values.

        Raises
        ------
        UnknownName
            A parameter it does not declare.
        InputError
            Wrong type, out of range, or against a constraint.
        """
        for name in values:
            if name not in self.parameters:
                raise UnknownName("parameter", name, self.parameters, where=self.where)
        given = {name: self.parameters[name].require(value, self._line(name)) for name, value in values.items()}
        return replace(self, values={**self.values, **given}).checked()

    def with_timeframe(self, text: str) -> Strategy:
        """Return the same rules on another timeframe: another strategy, with a version of its own."""
        from workbench.rules.load import parse_strategy

        wanted = timeframe(text).text
        if wanted == self.timeframe:
            return self
        source = re.sub(r"(?m)^timeframe\s*:.*$", f"timeframe: {wanted}", self.source)
        changed = parse_strategy(source, where=self.where)
        if changed.timeframe != wanted:
            raise InputError(f"timeframe: must stand at the beginning of a line to be changed ({self.where})")
        return changed.with_parameters(**self.values)

    def checked(self) -> Strategy:
        """Return this strategy, or raise InputError: a constraint broken, a length out of range."""
        for constraint, line in self.constraints:
            self._check_constraint(constraint, f"{self.where}, line {line}")
        self.bind()
        graph = Graph(self.values, where=self.where)
        for name, least, expression in (
            ("sizing.contracts", 1, self.contracts),
            ("trading.cooldown", 0, self.cooldown),
            ("trading.max_trades_per_day", 1, self.max_trades_per_day),
        ):
            value = graph.constant(expression) if expression is not None else least
            if value < least or value != int(value):
                raise InputError(f"{name} = {value:g} must be a whole number, at least {least} ({self.where})")
        return self

    def constant(self, expression: Expression) -> int:
        """Return the value of a fixed whole-number setting, such as `contracts`."""
        return int(fold(expression, self.values))

    def require_contract(self, contract: str) -> None:
        """Raise InputError unless `contract` (an id, or a root) is one of the roots it is made for."""
        root = spec(contract).exchange_root
        if root not in self.roots:
            raise InputError(
                f"{self.name} is made for {', '.join(self.roots)}, not for {root}; "
                f"add {root} to roots to trade it ({self.where})"
            )

    def start(self) -> RuleState:
        """Return a fresh evaluator that takes closed bars one by one."""
        from workbench.rules.evaluator import RuleState

        return RuleState(self)

    def normal(self) -> dict[str, Any]:
        """Return the content that the version stands for, in one form whatever the file looked like."""
        return {
            "semantics": SEMANTICS,
            "name": self.name,
            "roots": sorted(self.roots),
            "group": self.group,  # of the first root: it sets when the day session opens
            "timeframe": self.timeframe,
            "parameters": {
                p.name: [p.type, _show(p.default), _show(p.min), _show(p.max), _show(p.step)]
                for p in self.parameters.values()
            },
            "constraints": sorted(text(constraint) for constraint, _ in self.constraints),
            "rules": {name: text(rule) for name, rule in self.rules.items()},
            "stop": self.stop and self.stop.normal(),
            "target": self.target and self.target.normal(),
            "contracts": text(self.contracts),
            "cooldown": text(self.cooldown),
            "max_trades_per_day": self.max_trades_per_day and text(self.max_trades_per_day),
            "window": self.window and list(self.window),
            "flat_by": self.flat_by,
        }

    def _line(self, parameter: str) -> str:
        line = self.parameters[parameter].line
        return f"{self.where}, line {line}" if line else self.where

    def _check_constraint(self, constraint: Expression, where: str) -> None:
        if isinstance(constraint, Logic) and constraint.operator == "and":
            for item in constraint.items:
                self._check_constraint(item, where)
            return
        if not isinstance(constraint, Comparison):
            raise InputError(f"a constraint compares parameters and numbers ({where})")
        left, right = (fold(constraint.left, self.values), fold(constraint.right, self.values))
        holds = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
        if not (holds | {"==": left == right, "!=": left != right})[constraint.operator]:
            sides = _named(constraint.left, left), _named(constraint.right, right)
            raise InputError(f"{sides[0]} must be {constraint.operator} {sides[1]} ({where})")

    def __str__(self) -> str:
        values = ", ".join(f"{name}={_show(value)}" for name, value in self.values.items())
        return f"{self.name}@{self.version} on {'/'.join(self.roots)} {self.timeframe}({values})"


def _show(value: Value | None) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if value == int(value) else repr(float(value))


def _named(expression: Expression, value: float) -> str:
    written = text(expression)
    return written if written == _show(value) else f"{written}={_show(value)}"
