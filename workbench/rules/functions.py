"""The functions a rule may call, each with the kinds of its arguments: the whole whitelist."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.rules.expression import Kind
from workbench.rules.indicators import INDICATORS, Indicator

SERIES = ("open", "high", "low", "close", "volume", "time")
CONSTANT = "a whole number or parameter"  # an argument that is fixed for a run
FRACTION = "a number or parameter"  # the same, whole or not
ZONE = "a time zone"
TF = "tf"  # tf("4h").close, tf("4h").sma(close, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One callable name: `arguments` are (name, kind) pairs; the last `optional` of them may be left out.

    `defaults` are what stands for those, as far as it is a number. With `variadic`, the last argument may be given any
    number of times.
    """

    name: str
    arguments: tuple[tuple[str, str], ...]
    result: Kind
    summary: str
    optional: int = 0
    variadic: bool = False
    defaults: tuple[float | None, ...] = ()

    @property
    def usage(self) -> str:
        """How it is written, such as ``sma(x, length)``."""
        names = [name for name, _ in self.arguments]
        return f"{self.name}({', '.join(names)}{', …' if self.variadic else ''})"


def _from_indicator(indicator: Indicator) -> Function:
    arguments: list[tuple[str, str]] = [(name, str(Kind.NUMBER)) for name in ("x", "y") if name in indicator.inputs]
    optional = 0
    for constant in indicator.constants:
        if constant.clock:
            arguments.append(("opens" if constant.name == "open_s" else constant.name, str(Kind.TEXT)))
        else:
            arguments.append((constant.name, CONSTANT if constant.whole else FRACTION))
        optional = optional + 1 if constant.clock or constant.default is not None else 0
    return Function(
        name=indicator.name,
        arguments=tuple(arguments),
        result=Kind.NUMBER,
        summary=indicator.summary,
        optional=optional,
        defaults=tuple(constant.default for constant in indicator.constants[len(indicator.constants) - optional :]),
    )


_NUMBER, _CONDITION, _TEXT = str(Kind.NUMBER), str(Kind.CONDITION), str(Kind.TEXT)
_PAIR = (("a", _NUMBER), ("b", _NUMBER))
_LAST = (("condition", _CONDITION), ("bars", CONSTANT))

_OPERATORS = (
    Function(
        name="cross_above",
        arguments=_PAIR,
        result=Kind.CONDITION,
        summary="`a` was below `b` and is above now; bars on which they were exactly equal do not break the cross",
    ),
    Function(
        name="cross_below",
        arguments=_PAIR,
        result=Kind.CONDITION,
        summary="`a` was above `b` and is below now; bars on which they were exactly equal do not break the cross",
    ),
    Function(name="crosses", arguments=_PAIR, result=Kind.CONDITION, summary="cross_above or cross_below"),
    Function(
        name="between",
        arguments=(("time", str(Kind.TIME)), ("from", _TEXT), ("to", _TEXT), ("zone", ZONE)),
        result=Kind.CONDITION,
        summary="the bar closes at or after `from` and before `to`, Chicago time or that of a zone",
        optional=1,
    ),
    Function(
        name="any",
        arguments=_LAST,
        result=Kind.CONDITION,
        summary="it held on one of the last `bars`; or of several conditions, any(a, b, c): one holds now",
    ),
    Function(
        name="all",
        arguments=_LAST,
        result=Kind.CONDITION,
        summary="it held on each of the last `bars`; or of several conditions, all(a, b, c): each holds now",
    ),
    Function(name="count", arguments=_LAST, result=Kind.NUMBER, summary="on how many of the last `bars` it held"),
    Function(
        name="bars_since",
        arguments=(("condition", _CONDITION),),
        result=Kind.NUMBER,
        summary="bars since it held last, 0 on such a bar",
    ),
    Function(name="abs", arguments=(("x", _NUMBER),), result=Kind.NUMBER, summary="without its sign"),
    Function(name="min", arguments=_PAIR, result=Kind.NUMBER, summary="the smallest", variadic=True),
    Function(name="max", arguments=_PAIR, result=Kind.NUMBER, summary="the largest", variadic=True),
)

FUNCTIONS: dict[str, Function] = {f.name: f for f in (*_OPERATORS, *map(_from_indicator, INDICATORS.values()))}


def known(name: str) -> Function | None:
    """Return a function of the whitelist; indicators that a user has added count."""
    if name not in FUNCTIONS and name in INDICATORS:
        FUNCTIONS[name] = _from_indicator(INDICATORS[name])
    return FUNCTIONS.get(name)
