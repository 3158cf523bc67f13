"""A strategy as a value: what it trades, its rules, its declared parameters, and the version that names just this."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.rules.expression import Call, Comparison, Expression, Logic, text, walk
from workbench.rules.fixed import fold
from workbench.rules.graph import Graph
from workbench.rules.indicators import INDICATORS
from workbench.rules.parameter import Parameter, Value, shown
from workbench.rules.protection import BreakEven, Distance, OwnLimits, Protection, Sizing, window_text
from workbench.rules.windows import Window

if TYPE_CHECKING:
    from workbench.domain.contract import Contract
    from workbench.rules.check import Finding
    from workbench.rules.evaluator import RuleState
    from workbench.rules.explanation import Explanation
    from workbench.rules.plan import Plan

__all__ = ["SEMANTICS", "Distance", "Parameter", "Protection", "Strategy", "Value"]

# Raised when the same file would mean something else than before: it is part of every version.
SEMANTICS = 2


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
    secondary : tuple of str
        Higher timeframes that the rules look at.
    rules : mapping
        Conditions by name: entry.long, entry.short, exit.long, exit.short.
    stop, target, trail : Protection or None
        Distances by side. A side with a trail and no stop begins with the trail's distance as its stop.
    contracts : Expression
        Contracts per entry, when `sizing` is None.
    window : (str, str) or None
        Entries only when the bar closes in it, Chicago time, every day.
    windows : tuple of Window
        The same by weekday and zone; one of them is enough.
    flat_by : str or None
        Chicago time by which the position must be gone.
    source : str
        The text it was read from: what the registry stores and the runner executes.
    lines : mapping
        Line of each section in the file, by its path: ``entry.long``, ``stop``, ``parameters.fast`` …
    """

    name: str
    description: str
    roots: tuple[str, ...]
    timeframe: str
    parameters: Mapping[str, Parameter]
    rules: Mapping[str, Expression]
    constraints: tuple[tuple[Expression, int], ...] = ()
    secondary: tuple[str, ...] = ()
    stop: Protection | None = None
    target: Protection | None = None
    trail: Protection | None = None
    break_even: BreakEven | None = None
    exit_after: Expression | None = None
    contracts: Expression
    sizing: Sizing | None = None
    max_trades_per_day: Expression | None = None
    cooldown: Expression
    window: tuple[str, str] | None = None
    windows: tuple[Window, ...] = ()
    flat_by: str | None = None
    limits: OwnLimits = field(default_factory=OwnLimits)
    source: str = field(default="", repr=False)
    where: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def version(self) -> str:
        """Hash of the normalised content, 16 hex digits; formatting, comments, descriptions, `values` do not count."""
        packed = json.dumps(self.normal(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(packed.encode()).hexdigest()[:16]

    @cached_property
    def warmup(self) -> int:
        """Closed bars to load before the first live decision, so that older history would not change it."""
        graph = self.bind()
        return max(graph.warmup, graph.days * -(-86_400 // timeframe(self.timeframe).seconds))

    @property
    def expressions(self) -> list[Expression]:
        """Every expression that changes from bar to bar, or may."""
        made = list(self.rules.values())
        protections = [self.stop, self.target, self.trail]
        if self.break_even is not None:
            made.append(self.break_even.plus)
            protections.append(self.break_even.after)
        for protection in protections:
            made += protection.expressions() if protection is not None else ()
        if self.sizing is not None and self.sizing.of is not None:
            made.append(self.sizing.of)
        return made

    @property
    def settings(self) -> dict[str, tuple[Expression, float, float, bool]]:
        """What is fixed for a run, by its path: the expression, the least and most it may be, and if it is whole."""
        most, limits, sizing = 1e9, self.limits, self.sizing
        written: dict[str, tuple[Expression | None, float, float, bool]] = {
            "sizing.contracts": (self.contracts, 1, most, True),
            "sizing.max_contracts": (sizing.most if sizing else None, 1, most, True),
            f"sizing.{sizing.mode if sizing else ''}": (sizing.usd if sizing else None, 0.01, most, False),
            "exit.after_bars": (self.exit_after, 1, most, True),
            "trading.cooldown": (self.cooldown, 0, most, True),
            "trading.max_trades_per_day": (self.max_trades_per_day, 1, most, True),
            "limits.daily_loss_usd": (limits.daily_loss_usd, 0.01, most, False),
            "limits.max_position": (limits.max_position, 1, most, True),
        }
        return {path: (e, low, high, whole) for path, (e, low, high, whole) in written.items() if e is not None}

    @property
    def group(self) -> str:
        """Product group of the first root."""
        return spec(self.roots[0]).group

    def bind(self) -> Graph:
        """Return a fresh graph of all expressions with this object's parameter values."""
        made: Graph | None = self.__dict__.pop("_checked_graph", None)  # nobody has seen the one that `checked` made
        if made is not None:
            return made
        graph = self._graph(self.where)
        for expression in self.expressions:
            graph.add(expression)
        return graph

    def _graph(self, where: str) -> Graph:
        return Graph(self.values, group=self.group, where=where, timeframe=self.timeframe)

    def plan(self, contract: Contract | str) -> Plan:
        """Return all that a decision needs on a contract (or an id or root): slots of a fresh graph, and numbers."""
        from workbench.rules.planning import make_plan

        return make_plan(self, contract)

    def explain(self, bars: Any, at: Any = -1, *, contract: str | None = None, trades: Any = None) -> Explanation:
        """Return each condition's values and truth at the close of one bar, and what kept an entry back.

        `bars` is a frame of this timeframe, `at` a time or a row (see `workbench.rules.explain.explain`).
        """
        from workbench.rules.explain import explain

        return explain(self, bars, at, contract=contract, trades=trades)

    def findings(self) -> list[Finding]:
        """Return what reads well and makes no sense, errors first; see `workbench.rules.check`."""
        from workbench.rules.check import check

        return check(self)

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

    def unchecked(self, values: Mapping[str, Value]) -> Strategy:
        """Return the same strategy with values that were checked before: a sweep makes thousands."""
        made = object.__new__(Strategy)
        made.__dict__.update(self.__dict__)
        for name in ("warmup", "_checked_graph"):  # of the values; the version is not
            made.__dict__.pop(name, None)
        made.__dict__["values"] = {**self.values, **values}
        return made

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
        try:
            self.__dict__["_checked_graph"] = self.bind()
        except InputError:
            for path, rule in self.rules.items():  # the same, with its line
                self._graph(f"{path}, {self.place(path)}").add(rule)
            raise
        for path, (expression, least, most, whole) in self.settings.items():
            value = fold(expression, self.values)
            if not least <= value <= most or (whole and value != int(value)):
                kind = f"a whole number, at least {least:g}" if whole else "a number above 0"
                raise InputError(f"{path} = {value:g} must be {kind} ({self.place(path)})")
        return self

    def place(self, path: str) -> str:
        """Return ``file, line n`` of a section by its path, such as ``entry.long``; the nearest one above it."""
        line = self.line(path)
        return f"{self.where}, line {line}" if line else self.where

    def line(self, *paths: str) -> int:
        """Return the line of the first of these sections that is written, or of the one above it; 0 if none is."""
        for path in paths:
            parts = path.split(".")
            for end in range(len(parts), 0, -1):
                line = self.lines.get(".".join(parts[:end]))
                if line is not None:
                    return line
        return 0

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
        added = {
            "secondary": list(self.secondary),
            "trail": self.trail and self.trail.normal(),
            "break_even": self.break_even and self.break_even.normal(),
            "exit_after": self.exit_after and text(self.exit_after),
            "sizing": self.sizing and self.sizing.normal(),
            "windows": sorted(map(window_text, self.windows)),
            "limits": self.limits.normal(),
            "indicators": self._own_indicators(),
        }
        return {name: value for name, value in added.items() if value} | {
            "semantics": SEMANTICS,
            "name": self.name,
            "roots": sorted(self.roots),
            "group": self.group,  # of the first root: it sets when the day session opens
            "timeframe": self.timeframe,
            "parameters": {
                p.name: [p.type, shown(p.default), shown(p.min), shown(p.max), shown(p.step)]
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

    def _own_indicators(self) -> dict[str, str]:
        # What a person wrote in Python belongs to the version by its source.
        parts = (part for expression in self.expressions for part in walk(expression))
        names = {part.function for part in parts if isinstance(part, Call)}
        found = {name: INDICATORS[name].source_hash for name in sorted(names) if name in INDICATORS}
        return {name: source for name, source in found.items() if source}

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

    def __repr__(self) -> str:
        return f"<Strategy {self}>"

    def _repr_html_(self) -> str:
        from workbench.rules.card import strategy_card

        return strategy_card(self)

    def __str__(self) -> str:
        values = ", ".join(f"{name}={shown(value)}" for name, value in self.values.items())
        return f"{self.name}@{self.version} on {'/'.join(self.roots)} {self.timeframe}({values})"


def _named(expression: Expression, value: float) -> str:
    written = text(expression)
    return written if written == shown(value) else f"{written}={shown(value)}"
