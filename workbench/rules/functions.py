"""The functions a rule may call, each with the kinds of its arguments: the whole whitelist."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.rules.expression import Kind
from workbench.rules.indicators import INDICATORS

SERIES = ("open", "high", "low", "close", "volume", "time")
CONSTANT = "a whole number or parameter"  # an argument that is fixed for a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One callable name: `arguments` are (name, kind) pairs; the last `optional` of them may be left out."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    result: Kind
    summary: str
    optional: int = 0

    @property
    def usage(self) -> str:
        """How it is written, such as ``sma(x, length)``."""
        return f"{self.name}({', '.join(name for name, _ in self.arguments)})"


def _from_indicators() -> list[Function]:
    made = []
    for indicator in INDICATORS.values():
        arguments = [("x", str(Kind.NUMBER))] if "x" in indicator.inputs else []
        optional = 0
        for constant in indicator.constants:
            if constant.name == "open_s":
                arguments.append(("opens", str(Kind.TEXT)))
                optional = 1
            else:
                arguments.append((constant.name, CONSTANT))
        made.append(
            Function(
                name=indicator.name,
                arguments=tuple(arguments),
                result=Kind.NUMBER,
                summary=indicator.summary,
                optional=optional,
            )
        )
    return made


_PAIR = (("a", str(Kind.NUMBER)), ("b", str(Kind.NUMBER)))

FUNCTIONS: dict[str, Function] = {
    f.name: f
    for f in (
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
        Function(
            name="between",
            arguments=(("time", str(Kind.TIME)), ("from", str(Kind.TEXT)), ("to", str(Kind.TEXT))),
            result=Kind.CONDITION,
            summary="the bar closes at or after `from` and before `to`, Chicago time",
        ),
        *_from_indicators(),
    )
}
