"""What one parameter of a sweep is tried with.

==================  ===================================================================================================
``[5, 10, 20]``     these values; a tuple, a range and an array do as well
``"5:50:5"``        from 5 to 50 in steps of 5, both ends included
``"0.5:2"``         by the declared step; any number between them where none is declared (random and TPE only)
``...``             all that is declared: from its least to its most by its step; both values of a bool
``20``              held fixed
==================  ===================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.domain.errors import InputError
from workbench.rules.strategy import Parameter, Value

_MOST_VALUES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What one parameter is tried with: `values` in the order they were written, or any number from `low` to `high`."""

    name: str
    type: str
    values: tuple[float, ...] = ()
    low: float = math.nan
    high: float = math.nan

    def typed(self, value: float) -> Value:
        """Return a number as the parameter's type."""
        return {"int": int, "float": float, "bool": bool}[self.type](value)  # type: ignore[no-any-return]


def axis(parameter: Parameter, tried: object) -> Axis:
    """Return what `tried` says about a parameter.

    Raises
    ------
    InputError
        Nothing to try, a range that leads nowhere or against the declared step, a value that is not allowed.

    >>> fast = Parameter(name="fast", type="int", default=5, min=2, max=100, step=1)
    >>> axis(fast, "5:20:5").values, axis(fast, [3, 8]).values, axis(fast, 7).values
    ((5.0, 10.0, 15.0, 20.0), (3.0, 8.0), (7.0,))
    """
    made = Axis(name=parameter.name, type=parameter.type)
    if parameter.type == "bool" and (tried is ... or tried == "..."):
        return replace(made, values=(0.0, 1.0))
    if tried is ... or tried == "...":
        return _declared(parameter, made)
    if isinstance(tried, str):
        return _range(parameter, made, tried)
    several = tried if isinstance(tried, Sequence | np.ndarray) else [tried]
    values = [parameter.require(_plain(value), "given") for value in several]
    if not values:
        raise InputError(f"{parameter.name}: an empty list leaves nothing to try")
    return replace(made, values=tuple(dict.fromkeys(float(value) for value in values)))


def _plain(value: object) -> object:
    return bool(value) if isinstance(value, np.bool_) else value


def _declared(parameter: Parameter, axis: Axis) -> Axis:
    low, high, step = parameter.min, parameter.max, parameter.step
    if low is None or high is None:
        raise InputError(f"{parameter.name} declares no min and max; write {parameter.name}=[…] or low:high:step")
    if step is None and parameter.type == "float":
        return replace(axis, low=float(low), high=float(high))
    return replace(axis, values=_steps(parameter, float(low), float(high), float(step or 1)))


def _range(parameter: Parameter, axis: Axis, written: str) -> Axis:
    parts = written.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(map(math.isfinite, numbers)):
        raise InputError(f"{parameter.name}={written!r} is no range; write low:high:step such as 5:50:5, or one number")
    if len(numbers) == 1:
        return replace(axis, values=(float(parameter.require(numbers[0], "given")),))
    low, high = (float(parameter.require(number, "given")) for number in numbers[:2])
    if len(numbers) == 2 and parameter.step is None and parameter.type == "float":
        if low >= high:
            raise InputError(f"{parameter.name}={written!r} is empty: {low:g} is not below {high:g}")
        return replace(axis, low=low, high=high)
    step = numbers[2] if len(numbers) == 3 else float(parameter.step or 1)
    if step == 0 or (high - low) * step < 0:
        raise InputError(
            f"{parameter.name}={written!r} is empty: steps of {step:g} never lead from {low:g} to {high:g}; "
            f"write {min(low, high):g}:{max(low, high):g}:{abs(step) or 1:g}"
        )
    declared = parameter.step
    if declared and abs(step / declared - round(step / declared)) > 1e-9:
        raise InputError(
            f"{parameter.name}={written!r} goes against its declared step of {declared:g}: take a multiple of it, or "
            f"give the values as a list"
        )
    return replace(axis, values=_steps(parameter, low, high, step))


def _steps(parameter: Parameter, low: float, high: float, step: float) -> tuple[float, ...]:
    count = math.floor((high - low) / step + 1e-9) + 1
    if count > _MOST_VALUES:
        raise InputError(f"{parameter.name}: {count:,} values are too many; take a larger step than {step:g}")
    # rounding takes the dust of binary fractions away: 0.1 + 2 × 0.1 is 0.3
    return tuple(float(parameter.require(round(low + i * step, 10), "given")) for i in range(count))
