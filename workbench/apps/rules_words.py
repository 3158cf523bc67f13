"""The words that the rule builder offers, from the list of the language itself."""

from __future__ import annotations

from functools import cache
from typing import Any

SERIES = ("close", "open", "high", "low", "volume")
OFFERED = ("a number", "a whole number or parameter", "a number or parameter", "a text")
LENGTH = "20"


def is_function(name: str) -> bool:
    """Whether a name is called with brackets even without arguments.

    >>> is_function("vwap"), is_function("close")
    (True, False)
    """
    return name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(each["name"] for each in words())


@cache
def words() -> tuple[dict[str, Any], ...]:
    """Return the indicators as the form offers them: name, what it is, and the arguments with what is usual."""
    from workbench.rules.functions import FUNCTIONS

    made = []
    for name, function in sorted(FUNCTIONS.items()):
        kinds = [kind for _, kind in function.arguments]
        if str(function.result) != "a number" or function.variadic or not set(kinds) <= set(OFFERED):
            continue
        usual = ["" if d is None else f"{d:g}" for d in function.defaults]
        usual = [""] * (len(kinds) - len(usual)) + usual
        pairs = zip(function.arguments, usual, strict=True)
        arguments = [{"name": argument, "usual": _usual(kind, value)} for (argument, kind), value in pairs]
        made.append({"name": name, "about": function.summary, "arguments": arguments})
    return tuple(made)


def _usual(kind: str, value: str) -> str:
    return "close" if kind == "a number" else value if value or kind == "a text" else LENGTH
