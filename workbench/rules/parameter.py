"""A declared parameter of a strategy: type, default and range, the same for backtests, sweeps, widgets and sessions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workbench.domain.errors import InputError
from workbench.rules.expression import Kind

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
            bounds = f"from {shown(low)} to {shown(high)}" if None not in (low, high) else "in range"
            if high is None:
                bounds = f"at least {shown(low)}"
            elif low is None:
                bounds = f"at most {shown(high)}"
            raise InputError(f"{self.name}={shown(made)} must be {bounds} ({where})")
        return made

    def _typed(self, value: object) -> Value | None:
        if self.type == "bool" or isinstance(value, bool):
            return value if self.type == "bool" and isinstance(value, bool) else None
        # numpy's numbers come from sweeps and notebooks: they are taken by what they are worth
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return None
        if isinstance(value, str) or math.isnan(number) or abs(number) > 1e15:
            return None
        if self.type == "int":
            return int(number) if number == int(number) else None
        return number

    def _words(self) -> str:
        return {"int": "a whole number", "float": "a number", "bool": "true or false"}[self.type]


def shown(value: Value | None) -> str:
    """Return a value as it is written in a strategy.

    >>> shown(20.0), shown(0.5), shown(True), shown(None)
    ('20', '0.5', 'true', 'none')
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if value == int(value) else repr(float(value))
