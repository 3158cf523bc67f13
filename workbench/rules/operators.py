"""What a rule does besides indicators, each as a step of the same shape: arithmetic, comparison, logic, crosses.

Conditions are 1.0 and 0.0; NaN means "cannot be known yet" and follows Kleene's logic: `not` of it stays unknown, `and`
with something false is false. Only 1.0 passes as true. As with indicators, the Python function is the only definition:
live evaluation calls it, arrays are the loop over it.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from math import isnan

from workbench.rules.indicators.base import NAN, Constant, Indicator

State = MutableSequence[float]
MAX_BACK = 5000


def add_step(state: State, x: float, y: float) -> float:
    """Return x + y."""
    return x + y


def subtract_step(state: State, x: float, y: float) -> float:
    """Return x − y."""
    return x - y


def multiply_step(state: State, x: float, y: float) -> float:
    """Return x · y."""
    return x * y


def divide_step(state: State, x: float, y: float) -> float:
    """Return x / y; unknown where y is zero."""
    return NAN if y == 0.0 else x / y


def negative_step(state: State, x: float) -> float:
    """Return −x."""
    return -x


def absolute_step(state: State, x: float) -> float:
    """Return |x|."""
    return -x if x < 0.0 else x


def least_step(state: State, x: float, y: float) -> float:
    """Return the smaller of two values; unknown if one is."""
    if isnan(x) or isnan(y):
        return NAN
    return y if y < x else x


def most_step(state: State, x: float, y: float) -> float:
    """Return the larger of two values; unknown if one is."""
    if isnan(x) or isnan(y):
        return NAN
    return y if y > x else x


def less_step(state: State, x: float, y: float) -> float:
    """Return whether x < y."""
    return NAN if isnan(x) or isnan(y) else 1.0 if x < y else 0.0


def less_equal_step(state: State, x: float, y: float) -> float:
    """Return whether x <= y."""
    return NAN if isnan(x) or isnan(y) else 1.0 if x <= y else 0.0


def greater_step(state: State, x: float, y: float) -> float:
    """Return whether x > y."""
    return NAN if isnan(x) or isnan(y) else 1.0 if x > y else 0.0


def greater_equal_step(state: State, x: float, y: float) -> float:
    """Return whether x >= y."""
    return NAN if isnan(x) or isnan(y) else 1.0 if x >= y else 0.0


def equal_step(state: State, x: float, y: float) -> float:
    """Return whether x == y."""
    return NAN if isnan(x) or isnan(y) else 1.0 if x == y else 0.0


def unequal_step(state: State, x: float, y: float) -> float:
    """Return whether x != y."""
    return NAN if isnan(x) or isnan(y) else 1.0 if x != y else 0.0


def not_step(state: State, x: float) -> float:
    """Return the opposite; unknown stays unknown."""
    return 1.0 - x


def and_step(state: State, x: float, y: float) -> float:
    """Return whether both hold: one that is false decides."""
    if x == 0.0 or y == 0.0:
        return 0.0
    return NAN if isnan(x) or isnan(y) else 1.0


def or_step(state: State, x: float, y: float) -> float:
    """Return whether one holds: one that is true decides."""
    if x == 1.0 or y == 1.0:
        return 1.0
    return NAN if isnan(x) or isnan(y) else 0.0


def back_step(state: State, x: float, bars: int) -> float:
    """Return the value of so many bars ago, known or not."""
    # state: [0] bars seen (up to `bars`), [1] place in the ring, [2:] ring
    if bars == 0:
        return x
    head = int(state[1])
    before = state[2 + head]
    state[2 + head] = x
    state[1] = 0.0 if head + 1 == bars else head + 1.0
    if state[0] < bars:
        state[0] += 1.0
        return NAN
    return before


def crossed_step(state: State, x: float, y: float) -> float:
    """Return 1 when x was below y and is above now, -1 the other way; equality leaves the side, NaN forgets it."""
    # state: [0] the last side on which x really stood; written only when it changes, so that no bar waits for the last
    before = state[0]
    if x > y:
        if before == 1.0:
            return 0.0
        state[0] = 1.0
        return NAN if before == 0.0 else 1.0
    if x < y:
        if before == -1.0:
            return 0.0
        state[0] = -1.0
        return NAN if before == 0.0 else -1.0
    if x == y:
        return NAN if before == 0.0 else 0.0
    state[0] = 0.0
    return NAN


def cross_step(state: State, x: float, y: float) -> float:
    """Return whether x was below y and is above now."""
    side = crossed_step(state, x, y)
    return 0.0 if side < 0.0 else side


def between_step(state: State, second: float, begins: int, ends: int) -> float:
    """Return whether a second of the day lies in [begins, ends); a window may span the day's end."""
    if begins <= ends:
        return 1.0 if begins <= second and second < ends else 0.0
    return 1.0 if second >= begins or second < ends else 0.0


def _count(state: State, x: float, bars: int) -> None:
    # state: [0] place in the ring, [1] true and [2] false ones of the last `bars`, [3:] ring (0, 1 true, 2 false)
    head = 3 + int(state[0])
    before = state[head]
    if before > 0.0:
        state[int(before)] -= 1.0
    now = 1 if x == 1.0 else 2 if x == 0.0 else 0
    if now > 0:
        state[now] += 1.0
    state[head] = float(now)
    state[0] = 0.0 if state[0] + 1.0 == bars else state[0] + 1.0


def any_step(state: State, x: float, bars: int) -> float:
    """Return whether a condition held on one of the last `bars`; bars before the first are unknown."""
    _count(state, x, bars)
    return 1.0 if state[1] > 0.0 else 0.0 if state[2] == bars else NAN


def all_step(state: State, x: float, bars: int) -> float:
    """Return whether a condition held on each of the last `bars`; bars before the first are unknown."""
    _count(state, x, bars)
    return 0.0 if state[2] > 0.0 else 1.0 if state[1] == bars else NAN


def count_step(state: State, x: float, bars: int) -> float:
    """Return on how many of the last `bars` a condition held; unknown while one of them is."""
    _count(state, x, bars)
    return state[1] if state[1] + state[2] == bars else NAN


def since_step(state: State, x: float) -> float:
    """Return the bars since a condition held last, 0 on such a bar; unknown before the first, or after an unknown."""
    # state: [0] whether a true bar was seen, [1] bars since
    if isnan(x):
        state[0] = 0.0
        return NAN
    if x == 1.0:
        state[0], state[1] = 1.0, 0.0
        return 0.0
    state[1] += 1.0
    return state[1] if state[0] == 1.0 else NAN


def hold_step(state: State, x: float) -> float:
    """Return x: what the newest closed bar of a higher timeframe gave."""
    return x


def _nothing(*constants: float) -> int:
    return 0


def _one(*constants: float) -> int:
    return 1


def _bars(bars: int) -> int:
    return bars


def _op(
    name: str,
    step: Callable[..., float],
    summary: str,
    *,
    inputs: tuple[str, ...] = ("x", "y"),
    constants: tuple[Constant, ...] = (),
    size: Callable[..., int] = _nothing,
    warmup: Callable[..., int] = _one,
) -> Indicator:
    return Indicator(
        name=name,
        inputs=inputs,
        constants=constants,
        size=size,
        step=step,
        first=warmup,
        warmup=warmup,
        summary=summary,
        source="rule language",
    )


_X = ("x",)
_BARS = (Constant(name="bars", most=MAX_BACK),)
_DAY = (Constant(name="from", least=0, most=86_400), Constant(name="to", least=0, most=86_400))

NEGATIVE = _op("negative", negative_step, "−x", inputs=_X)
ABSOLUTE = _op("abs", absolute_step, "|x|", inputs=_X)
LEAST = _op("min", least_step, "the smaller one")
MOST = _op("max", most_step, "the larger one")
NOT = _op("not", not_step, "the opposite", inputs=_X)
AND = _op("and", and_step, "both hold")
OR = _op("or", or_step, "one holds")
BACK = _op(
    "back",
    back_step,
    "so many bars ago",
    inputs=_X,
    constants=(Constant(name="look-back", least=0, most=MAX_BACK),),
    size=lambda bars: 2 + bars,
    warmup=lambda bars: bars + 1,
)
CROSS = _op("cross", cross_step, "x was below y and is above now", size=_one, warmup=lambda: 2)
BETWEEN = _op("between", between_step, "the bar closes in a window of the day", inputs=_X, constants=_DAY)
HOLD = _op("tf", hold_step, "of the newest closed bar of a higher timeframe", inputs=_X)
SINCE = _op("bars_since", since_step, "bars since it held", inputs=_X, size=lambda: 2)
ANY, ALL, COUNT = (
    _op(name, step, summary, inputs=_X, constants=_BARS, size=lambda bars: 3 + bars, warmup=_bars)
    for name, step, summary in (
        ("any", any_step, "it held on one of the last `bars`"),
        ("all", all_step, "it held on each of the last `bars`"),
        ("count", count_step, "on how many of the last `bars` it held"),
    )
)

ARITHMETIC = {
    "+": _op("+", add_step, "sum"),
    "-": _op("-", subtract_step, "difference"),
    "*": _op("*", multiply_step, "product"),
    "/": _op("/", divide_step, "quotient, unknown where it divides by zero"),
}
COMPARISONS = {
    "<": _op("<", less_step, "less"),
    "<=": _op("<=", less_equal_step, "less or equal"),
    ">": _op(">", greater_step, "greater"),
    ">=": _op(">=", greater_equal_step, "greater or equal"),
    "==": _op("==", equal_step, "equal"),
    "!=": _op("!=", unequal_step, "unequal"),
}

OPERATORS = {
    op.name: op
    for op in (
        *ARITHMETIC.values(),
        *COMPARISONS.values(),
        *(NEGATIVE, ABSOLUTE, LEAST, MOST, NOT, AND, OR, BACK, CROSS, BETWEEN, HOLD, SINCE, ANY, ALL, COUNT),
    )
}
