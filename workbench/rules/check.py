"""What makes no sense in a strategy that reads well: conflicts, dead conditions and windows, limits that never bind.

What is said with level ``error`` or ``warning`` follows from the text alone, for all bars there can be. A ``hint`` was
seen on made-up bars (a seeded random walk over trading hours), which shows that it can happen, not how often it does in
the market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.rules.strategy import Strategy

ERROR, WARNING, HINT = "error", "warning", "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Parameters
    ----------
    level : str
        ``error``: it cannot work as written; ``warning``: it does nothing or surprises; ``hint``: look at it.
    code : str
        A name for the kind of finding, such as ``never-true``.
    text : str
        What it is and what to do about it.
    line : int
        In the strategy's file; 0 where there is none.
    """

    level: str
    code: str
    text: str
    line: int = 0

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{self.level}: {place}{self.text} [{self.code}]"

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict, for JSON."""
        return asdict(self)


Found = Iterator[Finding]


def check(strategy: Strategy | PythonStrategy) -> list[Finding]:
    r"""Return what makes no sense in a strategy, errors first, then by line.

    Parameters
    ----------
    strategy : Strategy
        With the parameter values that are to be looked at; a strategy written in Python is checked for its parameters
        and for what makes its runs differ.

    Examples
    --------
    >>> from workbench.rules import parse_strategy
    >>> text = "name: a\nroots: [MES]\ntimeframe: 1h\nentry:\n  long: close > highest(high, 20)\n"
    >>> print(check(parse_strategy(text))[0])
    error: line 5: entry.long can never be true: (close > highest(high, 20)) [never-true]
    """
    from workbench.rules.check_conditions import conditions
    from workbench.rules.check_limits import limits
    from workbench.rules.check_parameters import parameters
    from workbench.rules.check_samples import samples
    from workbench.rules.check_times import times
    from workbench.rules.strategy import Strategy

    if not isinstance(strategy, Strategy):
        uncertain = [Finding(WARNING, "uncertain", f"{what} ({place})") for place, what in strategy.uncertain()]
        return [*uncertain, *parameters(strategy)]
    steps: tuple[Callable[[Strategy], Found], ...] = (conditions, times, limits, parameters)
    found = [finding for step in steps for finding in step(strategy)]
    if not any(finding.code in ("never-true", "both-sides") for finding in found):
        found += samples(strategy)
    order = {ERROR: 0, WARNING: 1, HINT: 2}
    return sorted(dict.fromkeys(found), key=lambda finding: (order[finding.level], finding.line))
