"""A Python strategy as a value, with the surface of the declarative one; `load` reads it, `start` sets it in motion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.timeframe import timeframe
from workbench.rules.expression import Comparison, Expression, Logic, text
from workbench.rules.graph import fold
from workbench.rules.python.authoring import Strategy
from workbench.rules.python.bundle import Bundle, unpack
from workbench.rules.python.closure import uncertain
from workbench.rules.python.describe import Description, describe
from workbench.rules.python.normal import normal
from workbench.rules.strategy import SEMANTICS, Parameter, Value

if TYPE_CHECKING:
    from workbench.rules.check import Finding
    from workbench.rules.python.running import PythonRule

# Raised when the same source would decide something else than before: it is part of every version.
PYTHON_SEMANTICS = 1


@dataclass(frozen=True, kw_only=True)
class PythonStrategy:
    """One strategy written in Python. Make one with `load_strategy`; nothing of it has run yet.

    Attributes
    ----------
    bundle : Bundle
        Its source closure: what the registry stores and what runs.
    declared : Description
        What its class says.
    values : mapping
        Parameter values of this object.
    where : str
        Its file, for messages.
    """

    bundle: Bundle = field(repr=False)
    declared: Description = field(repr=False)
    values: Mapping[str, Value]
    where: str = ""

    @property
    def name(self) -> str:
        return self.declared.name

    @property
    def description(self) -> str:
        return self.declared.description

    @property
    def roots(self) -> tuple[str, ...]:
        return self.declared.roots

    @property
    def timeframe(self) -> str:
        return self.declared.timeframe

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return self.declared.parameters

    @property
    def constraints(self) -> tuple[tuple[Expression, int], ...]:
        """Conditions between parameters, each with its line."""
        return self.declared.constraints

    @property
    def window(self) -> tuple[str, str] | None:
        return self.declared.window

    @property
    def flat_by(self) -> str | None:
        return self.declared.flat_by

    @property
    def class_name(self) -> str:
        return self.declared.strategy

    @property
    def group(self) -> str:
        """Product group of the first root."""
        return spec(self.roots[0]).group

    @cached_property
    def source(self) -> str:
        """The packed closure: one text that `load_strategy` reads back."""
        return self.bundle.pack()

    @cached_property
    def version(self) -> str:
        """Hash of the source closure in normal form, 16 hex digits; formatting, comments, docstrings do not count."""
        packed = json.dumps(self.normal(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(packed.encode()).hexdigest()[:16]

    @cached_property
    def warmup(self) -> int:
        """Closed bars to load before the first live decision; runs the class's `start` in this process."""
        return self.start().warmup

    def normal(self) -> dict[str, Any]:
        """Return the content that the version stands for."""
        main = self.bundle.main
        return {
            "python": PYTHON_SEMANTICS,
            "semantics": SEMANTICS,
            "class": self.class_name,
            "timeframe": self.timeframe,
            "group": self.group,
            # a file may be renamed; what it imports by name may not
            "files": {("" if name == main else name): normal(body) for name, body in self.bundle.files.items()}
            | ({"(imports)": normal(self.bundle.prelude)} if self.bundle.prelude else {}),
        }

    def with_parameters(self, **values: object) -> PythonStrategy:
        """Return the same strategy (and version) with other parameter values.

        Raises
        ------
        UnknownName
            A parameter it does not declare.
        InputError
            Wrong type, or out of range.
        """
        for name in values:
            if name not in self.parameters:
                raise UnknownName("parameter", name, self.parameters, where=self.where)
        given = {name: self.parameters[name].require(value, self._line(name)) for name, value in values.items()}
        return replace(self, values={**self.values, **given})._kept()

    def findings(self) -> list[Finding]:
        """Return what makes no sense in its parameters, and what would make its runs differ."""
        from workbench.rules.check import check

        return check(self)

    def with_timeframe(self, written: str) -> PythonStrategy:
        """Return the same class on another timeframe: another strategy, with a version of its own."""
        wanted = timeframe(written).text
        if wanted == self.timeframe:
            return self
        bundle = self.bundle.on(wanted)
        return replace(self, bundle=bundle, declared=replace(self.declared, timeframe=wanted))

    def checked(self) -> PythonStrategy:
        """Return this strategy after its `start` has run once; raise StrategyFault if it fails."""
        self.start()
        return self

    def require_contract(self, contract: str) -> None:
        """Raise InputError unless `contract` (an id, or a root) is one of the roots it is made for."""
        root = spec(contract).exchange_root
        if root not in self.roots:
            raise InputError(
                f"{self.name} is made for {', '.join(self.roots)}, not for {root}; "
                f"add {root} to roots to trade it ({self.where})"
            )

    def start(self) -> PythonRule:
        """Run the stored source in this process and return a fresh evaluator.

        Backtests and sessions start it in a process of its own instead: `services.strategy_worker`.
        """
        from workbench.rules.python.running import PythonRule

        return PythonRule(self)

    def uncertain(self) -> list[tuple[str, str]]:
        """Return (place, what) of all that can make one run differ from the next: clocks, random numbers, files."""
        made = [("another cell", what) for _, what in uncertain(self.bundle.prelude, self.where)]
        for file, body in self.bundle.files.items():
            shown = self.where if file == self.bundle.main else file
            made += [(f"{shown}, line {line}", what) for line, what in uncertain(body, shown)]
        return made

    def _kept(self) -> PythonStrategy:
        for constraint, line in self.constraints:
            require_constraint(constraint, self.values, f"{self.where}, line {line}")
        return self

    def _line(self, parameter: str) -> str:
        line = self.parameters[parameter].line
        return f"{self.where}, line {line}" if line else self.where

    def __repr__(self) -> str:
        return f"<PythonStrategy {self}>"

    def _repr_html_(self) -> str:
        from workbench.rules.card import strategy_card

        return strategy_card(self)

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value:g}" for name, value in self.values.items())
        return f"{self.name}@{self.version} on {'/'.join(self.roots)} {self.timeframe}({values})"


def read_python(text: str, where: str = "strategy") -> PythonStrategy:
    """Return the strategy in Python source, or in a packed bundle; `where` names it in messages."""
    bundle = unpack(text, where)
    shown = where if where.endswith(".py") else bundle.main
    return of_bundle(bundle, shown)


def of_bundle(bundle: Bundle, where: str) -> PythonStrategy:
    """Return the strategy that a bundle holds; raise InputError with the line of what is wrong."""
    found = describe(bundle, where)
    values = {name: parameter.default for name, parameter in found.parameters.items()}
    return PythonStrategy(bundle=bundle, declared=found, values=values, where=where)._kept()


def require_constraint(constraint: Expression, values: Mapping[str, Value], where: str) -> None:
    """Raise InputError unless a constraint between parameters holds."""
    if isinstance(constraint, Logic):
        for item in constraint.items:
            require_constraint(item, values, where)
    elif isinstance(constraint, Comparison):
        left, right = fold(constraint.left, values), fold(constraint.right, values)
        holds = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
        if not (holds | {"==": left == right, "!=": left != right})[constraint.operator]:
            given = ", ".join(f"{name}={value:g}" for name, value in values.items())
            raise InputError(f"{text(constraint)} does not hold for {given} ({where})")


Strategy.register(PythonStrategy)
