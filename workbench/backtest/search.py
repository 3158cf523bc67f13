"""Which combinations of parameters to try: a grid, random points, or points that learn (TPE).

What a parameter is tried with stands in `workbench.backtest.axes`. Combinations against the strategy's constraints are
dropped and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.axes import Axis, axis
from workbench.domain.errors import InputError, UnknownName
from workbench.rules.expression import Arithmetic, Comparison, Expression, Logic, Negative, Number
from workbench.rules.expression import Parameter as Named
from workbench.rules.strategy import Strategy, Value

if TYPE_CHECKING:
    import optuna

Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

METHODS = ("grid", "random", "tpe")
MOST_POINTS = 2_000_000  # of a grid, before constraints
_PATIENCE = 200  # suggestions in a row that break a constraint


@dataclass(frozen=True, kw_only=True)
class Space:
    """All combinations that may be tried.

    Parameters
    ----------
    strategy : Strategy
        With the fixed values already in it.
    axes : tuple of Axis
    """

    strategy: Strategy
    axes: tuple[Axis, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @cached_property
    def size(self) -> int | None:
        """Points of the grid before constraints; None when a parameter may take any number."""
        return math.prod(len(axis.values) for axis in self.axes) if all(axis.values for axis in self.axes) else None

    def values(self, row: Iterable[float]) -> dict[str, Value]:
        """Return one combination as parameter values."""
        return {axis.name: axis.typed(value) for axis, value in zip(self.axes, row, strict=True)}

    def feasible(self, table: Float64Array) -> BoolArray:
        """Return which rows keep the constraints of the strategy."""
        columns: dict[str, Any] = {name: float(value) for name, value in self.strategy.values.items()}
        columns |= {name: table[:, i] for i, name in enumerate(self.names)}
        holds = np.ones(len(table), dtype=np.bool_)
        for constraint, _ in self.strategy.constraints:
            holds &= _holds(constraint, columns)
        return holds

    def described(self) -> dict[str, Any]:
        """Return the space in a form that can be written down and hashed."""
        return {a.name: list(a.values) if a.values else {"low": a.low, "high": a.high} for a in self.axes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Combinations to run: `table` has a row for each and a column for each axis; `dropped` broke a constraint."""

    table: Float64Array
    dropped: int


def space(strategy: Strategy, given: Mapping[str, object]) -> Space:
    """Return the combinations that `given` speaks of.

    Parameters
    ----------
    strategy : Strategy
    given : mapping
        By parameter: what to try it with (see `workbench.backtest.axes`). Empty: every parameter that declares its
        least, its most and its step.

    Raises
    ------
    InputError
        Nothing to vary, an empty or wrong range, a value out of the declared range.
    UnknownName
        A parameter the strategy does not declare.
    """
    for name in given:
        if name not in strategy.parameters:
            raise UnknownName("parameter", name, strategy.parameters, where=strategy.where)
    if not given:
        given = {
            p.name: ... for p in strategy.parameters.values() if p.type == "bool" or None not in (p.min, p.max, p.step)
        }
    axes, fixed = [], {}
    for name, tried in given.items():
        made = axis(strategy.parameters[name], tried)
        if len(made.values) == 1 and not isinstance(tried, list | tuple | range | np.ndarray):
            fixed[name] = made.typed(made.values[0])
        else:
            axes.append(made)
    if not axes:
        raise InputError(
            f"nothing to vary in {strategy.name}: give a parameter several values, such as "
            f"{next(iter(strategy.parameters), 'length')}=[5, 10, 20]; "
            f"declared: {', '.join(strategy.parameters) or 'none'}"
        )
    # fixed values are put in without the constraints: they may hold only together with what is varied
    return Space(strategy=replace(strategy, values={**strategy.values, **fixed}), axes=tuple(axes))


def grid(of: Space) -> Points:
    """Return every combination, the last parameter changing fastest.

    Raises
    ------
    InputError
        Too many; a parameter that may be any number; no combination keeps the constraints.
    """
    if of.size is None:
        loose = ", ".join(axis.name for axis in of.axes if not axis.values)
        raise InputError(f"a grid needs a step for {loose}; write low:high:step, a list, or method='random'")
    if of.size > MOST_POINTS:
        sizes = " × ".join(f"{len(axis.values)} {axis.name}" for axis in of.axes)
        raise InputError(
            f"{of.size:,} combinations ({sizes}) are too many, {MOST_POINTS:,} are the most; take larger steps, fewer "
            f"parameters, or method='random' or 'tpe' with trials="
        )
    columns = np.meshgrid(*(np.array(axis.values) for axis in of.axes), indexing="ij")
    table = np.stack([column.ravel() for column in columns], axis=1)
    return _kept(of, table)


def random_points(of: Space, trials: int, seed: int) -> Points:
    """Return `trials` different combinations drawn at random, fewer when there are no more.

    A grid that can be written out is drawn from without repetition; otherwise each parameter is drawn evenly.
    """
    _require_trials(trials)
    random = np.random.default_rng(seed)
    if of.size is not None and of.size <= MOST_POINTS:
        every = grid(of)
        chosen = random.permutation(len(every.table))[:trials]
        return Points(table=every.table[chosen], dropped=every.dropped)
    kept: list[Float64Array] = []
    found = dropped = 0
    for _ in range(_PATIENCE):
        drawn = np.stack([_draw(axis, random, 4 * trials) for axis in of.axes], axis=1)
        holds = of.feasible(drawn)
        part = drawn[holds][: trials - found]
        kept.append(part)
        found += len(part)
        dropped += int(np.count_nonzero(~holds))
        if found >= trials:
            return Points(table=_unique(np.concatenate(kept)), dropped=dropped)
    raise InputError(f"of {dropped:,} random combinations {found} keep the constraints ({_constraints(of)})")


class Tpe:
    """Points from Optuna's tree-structured Parzen estimator, asked for in batches of a fixed size.

    The batch does not depend on how many are run at once, so that the same seed gives the same points anywhere.
    """

    BATCH = 16

    def __init__(self, of: Space, seed: int, *, maximise: bool = True) -> None:
        import optuna

        self.space, self.dropped = of, 0
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize" if maximise else "minimize", sampler=sampler)
        self._asked: list[optuna.trial.Trial] = []

    def ask(self, count: int) -> Float64Array:
        """Return up to `count` new combinations that keep the constraints; none when it finds no more."""
        import optuna

        rows: list[list[float]] = []
        missed = 0
        while len(rows) < count and missed < _PATIENCE:
            trial = self._study.ask()
            row = [self._suggest(trial, axis) for axis in self.space.axes]
            if self.space.feasible(np.array([row]))[0]:
                rows.append(row)
                self._asked.append(trial)
                continue
            missed += 1
            self.dropped += 1
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        if not rows and not self._study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
            raise InputError(
                f"none of {missed} suggested combinations keeps the constraints ({_constraints(self.space)})"
            )
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self.space.axes))

    def tell(self, values: Iterable[float]) -> None:
        """Say what the combinations asked for last came to; NaN for no answer."""
        import optuna

        for trial, value in zip(self._asked, values, strict=True):
            if math.isfinite(value):
                self._study.tell(trial, value)
            else:
                self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        self._asked = []

    def _suggest(self, trial: optuna.trial.Trial, axis: Axis) -> float:
        if not axis.values:
            return trial.suggest_float(axis.name, axis.low, axis.high)
        # the place in the list: equal steps for the estimator, whatever the values are
        return axis.values[trial.suggest_int(axis.name, 0, len(axis.values) - 1)]


# --- inside ---


def _draw(axis: Axis, random: np.random.Generator, count: int) -> Float64Array:
    if axis.values:
        return random.choice(np.array(axis.values), size=count)
    return random.uniform(axis.low, axis.high, size=count)


def _kept(of: Space, table: Float64Array) -> Points:
    holds = of.feasible(table)
    if not holds.any():
        raise InputError(f"none of the {len(table):,} combinations keeps the constraints ({_constraints(of)})")
    return Points(table=np.ascontiguousarray(table[holds]), dropped=int(np.count_nonzero(~holds)))


def _unique(table: Float64Array) -> Float64Array:
    _, first = np.unique(table, axis=0, return_index=True)
    return np.ascontiguousarray(table[np.sort(first)])


def _constraints(of: Space) -> str:
    from workbench.rules.expression import text

    return ", ".join(text(constraint).strip("()") for constraint, _ in of.strategy.constraints) or "there are none"


def _require_trials(trials: int) -> None:
    if isinstance(trials, bool) or trials != int(trials) or trials < 1:
        raise InputError(f"trials={trials!r} must be a whole number of combinations, at least 1")


def _holds(constraint: Expression, columns: Mapping[str, Any]) -> Any:
    if isinstance(constraint, Logic):
        parts = [_holds(item, columns) for item in constraint.items]
        return np.logical_and.reduce(parts) if constraint.operator == "and" else np.logical_or.reduce(parts)
    if not isinstance(constraint, Comparison):
        return True
    left, right = _value(constraint.left, columns), _value(constraint.right, columns)
    return _COMPARED[constraint.operator](left, right)


def _value(expression: Expression, columns: Mapping[str, Any]) -> Any:
    match expression:
        case Number(value):
            return value
        case Named(name):
            return columns[name]
        case Negative(of):
            return -_value(of, columns)
        case Arithmetic(operator, left, right):
            with np.errstate(divide="ignore", invalid="ignore"):
                return _COMPUTED[operator](np.asarray(_value(left, columns)), np.asarray(_value(right, columns)))
    return math.nan


_COMPARED = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_COMPUTED = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
