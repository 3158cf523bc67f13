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
from enum import StrEnum
from functools import cache

from workbench.domain.errors import InputError

NAN = math.nan

# An indicator that remembers for ever (EMA, Wilder) counts as warm when its seed weighs no more than this.
SEED_WEIGHT = 1e-4

# A price that moves by less than this part of itself has moved by its rounding only.
ROUNDING = 1e-12


class Memory(StrEnum):
    """How an indicator forgets, which says what its warm-up promises."""

    WINDOW = "window"  # a fixed number of bars: exact after the warm-up
    DECAY = "decay"  # exponential: after the warm-up the seed weighs at most SEED_WEIGHT
    SESSION = "session"  # since the trading date began: exact as soon as there is a value
    PRIOR_DAY = "prior_day"  # the trading date before: exact as soon as one was seen whole
    PATH = "path"  # depends on the first bar for as long as the market likes; only the anchor makes it repeatable


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """An argument that is fixed for a run, such as a length: a number or a parameter.

    Parameters
    ----------
    least, most : float
        The range, both included.
    whole : bool
        Whether it is a whole number; the step then gets an int, else a float.
    default : float or None
        What it is when left out; only trailing arguments may be.
    clock : bool
        A time of day, written "HH:MM" (Chicago time) and given to the step in seconds from 17:00; left out, the
        opening of the contract's day session.
    """

    name: str
    least: float = 1
    most: float = 5000
    whole: bool = True
    default: float | None = None
    clock: bool = False

    def checked(self, value: float, owner: str) -> float:
        """Return `value` as an int or a float, as the step takes it; raise InputError if it may not be that."""
        if not self.least <= value <= self.most or (self.whole and value != int(value)):
            kind = "a whole number" if self.whole else "a number"
            raise InputError(f"{owner}: {self.name} {value:g} must be {kind} from {self.least:g} to {self.most:g}")
        return int(value) if self.whole else float(value)


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
        Where the definition comes from, and where it differs from TA-Lib on purpose.
    memory : Memory
        What the warm-up promises.
    source_hash : str
        Of a person's own indicator: the hash of its source, which belongs to a strategy's version. Empty for shipped
        ones: the version of the engine's semantics covers those.
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
    memory: Memory = Memory.WINDOW
    source_hash: str = ""

    def typed(self, constants: Sequence[float]) -> tuple[float, ...]:
        """Return the constants as the step takes them: whole ones as int, others as float; defaults filled in.

        Raises
        ------
        InputError
            If one is missing, too many, not whole or out of range.
        """
        given = [*constants, *(c.default for c in self.constants[len(constants) :])]
        if len(given) > len(self.constants) or None in given:
            names = ", ".join(c.name for c in self.constants) or "none"
            raise InputError(f"{self.name} takes the constants ({names}), got {len(constants)}")
        return tuple(
            c.checked(value, self.name) for c, value in zip(self.constants, given, strict=True) if value is not None
        )


def over(indicator: Indicator, *inputs: Iterable[float], constants: Sequence[float] = ()) -> list[float]:
    """Return the indicator at each bar of `inputs`: the loop over its one-bar step.

    >>> from workbench.rules.indicators.averages import SMA
    >>> over(SMA, [1.0, 2.0, 6.0, 4.0], constants=(2,))
    [nan, 1.5, 4.0, 5.0]
    """
    typed = indicator.typed(constants)
    state = [0.0] * indicator.size(*typed)
    step = indicator.step
    return [step(state, *bar, *typed) for bar in zip(*inputs, strict=True)]


@cache
def bars_to_forget(alpha: float, weights: tuple[float, ...] = (1.0,)) -> int:
    """Return after how many bars the seeds weigh at most `SEED_WEIGHT` under exponential smoothing with `alpha`.

    Parameters
    ----------
    alpha : float
        Weight of the newest value; the smallest one when stages differ.
    weights : tuple of float
        Part of each stage in the result: (1,) for an ema, (2, 1) for 2 · ema − ema of the ema.

    Notes
    -----
    An error of 1 in every seed leaves ``(1 − α)^t Σ_{j<k} C(t + j − 1, j) α^j`` in the k-th of cascaded means after t
    bars: the tail of a negative binomial distribution.

    >>> bars_to_forget(2 / 21), bars_to_forget(2 / 21, (2.0, 1.0)), bars_to_forget(1.0)
    (93, 119, 0)
    """
    if alpha >= 1.0:
        return 0
    low, high = 0, 1
    while _left(alpha, weights, high) > SEED_WEIGHT:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _left(alpha, weights, middle) > SEED_WEIGHT else (low, middle)
    return high


def _left(alpha: float, weights: tuple[float, ...], bars: int) -> float:
    term = math.exp(bars * math.log1p(-alpha))
    stage = total = 0.0
    for j, weight in enumerate(weights):
        stage += term
        total += abs(weight) * stage
        term *= alpha * (bars + j) / (j + 1.0)
    return total
