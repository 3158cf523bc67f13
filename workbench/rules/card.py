"""A strategy as a notebook shows it: name and version, its parameters, and its rules in words."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from workbench.domain.html_table import muted, table
from workbench.rules.difference import words
from workbench.rules.parameter import shown

if TYPE_CHECKING:
    from workbench.rules.python.strategy import PythonStrategy
    from workbench.rules.strategy import Strategy

_HIDDEN = {"semantics", "python", "name", "roots", "group", "timeframe", "parameters", "indicators", "files", "class"}
_NAMES = {
    "entry.long": "buy when",
    "entry.short": "sell short when",
    "exit.long": "leave a long when",
    "exit.short": "leave a short when",
    "constraints": "always",
    "flat_by": "flat by (Chicago)",
    "window": "entries (Chicago)",
    "windows": "entries",
    "exit_after": "leave after bars",
}


def strategy_card(strategy: Strategy | PythonStrategy) -> str:
    """Return the HTML of a strategy; every text in it is escaped."""
    title = f"{strategy.name}@{strategy.version[:8]}"
    about = " · ".join(filter(None, ["/".join(strategy.roots), f"{strategy.timeframe} bars", strategy.description]))
    parameters = [
        (p.name, _value(strategy.values[p.name]), _value(p.default), _value(p.min), _value(p.max), _value(p.step))
        for p in strategy.parameters.values()
    ]
    parts = [f"<p><b>{html.escape(title)}</b><br>{html.escape(about)}</p>"]
    if parameters:
        parts.append(table(("parameter", "value", "default", "from", "to", "step"), parameters, right=range(1, 6)))
    rules = list(_rules(strategy.normal()))
    parts.append(table(("rule", "in words"), rules) if rules else muted("its rules are Python code; see its file"))
    return f"<div>{''.join(parts)}</div>"


def _value(value: Any) -> str | None:
    return None if value is None else shown(value)


def _rules(normal: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, rule in normal.get("rules", {}).items():
        yield _NAMES.get(name, name), _bare(str(rule))
    for name, value in normal.items():
        if name in _HIDDEN or name == "rules" or value in (None, [], {}):
            continue
        if name == "cooldown" and value == "0":
            continue
        yield _NAMES.get(name, name.replace("_", " ")), words(value)


def _bare(rule: str) -> str:
    """Return a rule without the brackets around the whole of it.

    >>> _bare("((a > b) and (c))"), _bare("(a) or (b)")
    ('(a > b) and (c)', '(a) or (b)')
    """
    depth = 0
    for at, sign in enumerate(rule):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0 and at < len(rule) - 1:
            return rule
    return rule[1:-1] if rule.startswith("(") else rule
