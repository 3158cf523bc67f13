"""What an indicator is: a one-bar step over a flat state, a size, and a declared warm-up.

``step(state, *inputs, *constants) -> value`` reads and changes `state`, a flat sequence of floats that starts as
zeros, and returns the value at this bar, or NaN while there is none; a NaN input gives NaN and leaves the state as it
was. Only arithmetic on floats and indexing happens inside a step, so that the same source can be compiled. The array
form is the loop over the step and nothing else: streaming equals batch by construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

NAN = math.nan

# An indicator that remembers for ever (EMA, Wilder) counts as warm when its seed weighs no more than this.
SEED_WEIGHT = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A whole-number argument of an indicator, such as a length; a number or a parameter, fixed for a run."""

    name: str
    least: int = 1
    most: int = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One indicator.

    Parameters
    ----------
    inputs : tuple of str
        What a step takes: ``"x"`` is an expression given as argument, ``"high"`` … are taken from the bar itself.
    constants : tuple of Constant
        Arguments fixed for a run.
    size : callable
        Constants → number of floats in the state.
    step : callable
        One bar: ``step(state, *inputs, *constants) -> float``.
    first : callable
        Constants → the bar (1 = first) that gives the first value.
    warmup : callable
        Constants → bars after which older history changes the value by less than `SEED_WEIGHT` of the seed's error
        (exactly nothing for windows).
    source : str
        Where the definition comes from.
    """

    name: str
    inputs: tuple[str, ...]
    constants: tuple[Constant, ...]
    size: Callable[..., int]
    step: Callable[..., float]
    first: Callable[..., int]
    warmup: Callable[..., int]
    summary: str
    source: str


def over(indicator: Indicator, *inputs: Iterable[float], constants: Sequence[int] = ()) -> list[float]:
    """Return the indicator at each bar of `inputs`: the loop over its one-bar step.

    >>> from workbench.rules.indicators.averages import SMA
    >>> over(SMA, [1.0, 2.0, 6.0, 4.0], constants=(2,))
    [nan, 1.5, 4.0, 5.0]
    """
    state = [0.0] * indicator.size(*constants)
    step = indicator.step
    return [step(state, *bar, *constants) for bar in zip(*inputs, strict=True)]


def bars_to_forget(alpha: float) -> int:
    """Return after how many bars a seed weighs at most `SEED_WEIGHT` under exponential smoothing with `alpha`.

    >>> bars_to_forget(2 / 21)
    93
    """
    return 0 if alpha >= 1.0 else math.ceil(math.log(SEED_WEIGHT) / math.log(1.0 - alpha))
