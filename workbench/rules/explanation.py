"""Why a strategy did or did not want something at the close of a bar: a tree of conditions with values and truth."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

_MARKS = {True: "✓", False: "✗", None: "?"}
_COLOURS = {True: "#2a9d5c", False: "#c2453c", None: "#8a8a8a"}


@dataclass(frozen=True, slots=True)
class Part:
    """One expression at one bar.

    Parameters
    ----------
    text : str
        As the rule writes it, parameters by name.
    value : float or None
        Of a number; None for conditions, and where it cannot be known yet.
    holds : bool or None
        Of a condition; None where it cannot be known yet, and for numbers.
    is_condition : bool
    note : str
        What helps to see it, such as the local time of the close.
    parts : tuple of Part
        What it is made of.
    """

    text: str
    value: float | None = None
    holds: bool | None = None
    is_condition: bool = False
    note: str = ""
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    @property
    def head(self) -> str:
        """The part itself, in one line."""
        note = f"  ({self.note})" if self.note else ""
        if self.is_condition:
            return f"{_MARKS[self.holds]} {self.text}{note}"
        return f"{self.text} = {_number(self.value)}{note}"

    def lines(self, before: str = "") -> Iterator[str]:
        """Yield the tree, one part a line."""
        yield self.head
        for i, part in enumerate(self.parts):
            last = i == len(self.parts) - 1
            inner = part.lines(before + ("   " if last else "│  "))
            yield before + ("└─ " if last else "├─ ") + next(inner)
            yield from inner

    def failing(self) -> Iterator[Part]:
        """Yield the smallest parts that keep a condition from holding."""
        if not self.is_condition or self.holds is True:
            return
        inner = [part for part in self.parts if part.is_condition and part.holds is not True]
        if not inner or self.text.startswith("(not "):
            yield self
        for part in inner if not self.text.startswith("(not ") else ():
            yield from part.failing()


@dataclass(frozen=True, slots=True)
class Hurdle:
    """Something besides its condition that an entry has to pass.

    Parameters
    ----------
    name : str
        history, flat_by, window, max_trades_per_day, cooldown, position, both sides, stop, target, size.
    passes : bool or None
        None where the bars alone do not tell.
    text : str
        What was found.
    """

    name: str
    passes: bool | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a strategy saw at the close of one bar.

    Parameters
    ----------
    strategy : str
        Name, version and parameter values.
    bar : str
        The bar in Chicago time.
    row : int
        Its place in the bars, from 0.
    end : int
        Its close (UTC ns).
    rules : dict of str to Part
        Each condition as a tree.
    hurdles : dict of str to tuple of Hurdle
        By entry, what else it has to pass.
    verdicts : dict of str to str
        By rule, one sentence.
    """

    strategy: str
    bar: str
    row: int
    end: int
    rules: dict[str, Part]
    hurdles: dict[str, tuple[Hurdle, ...]]
    verdicts: dict[str, str]

    def __repr__(self) -> str:
        lines = [f"{self.strategy} at the close of {self.bar}"]
        for name, part in self.rules.items():
            lines += ["", f"{name}: {self.verdicts[name]}", *(f"  {line}" for line in part.lines())]
            lines += [f"  {_MARKS[h.passes]} {h.name}: {h.text}" for h in self.hurdles.get(name, ())]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = []
        for name, part in self.rules.items():
            hurdles = "".join(_item(h.passes, f"{h.name}: {h.text}") for h in self.hurdles.get(name, ()))
            rows.append(
                f"<details open><summary><b>{html.escape(name)}</b>: {html.escape(self.verdicts[name])}</summary>"
                f"<ul style='list-style:none;padding-left:1em'>{_tree(part)}{hurdles}</ul></details>"
            )
        title = html.escape(f"{self.strategy} at the close of {self.bar}")
        return f"<div style='font-family:monospace'><p>{title}</p>{''.join(rows)}</div>"


def _tree(part: Part) -> str:
    inner = "".join(map(_tree, part.parts))
    inside = f"<ul style='list-style:none;padding-left:1.5em'>{inner}</ul>" if inner else ""
    head = part.head[2:] if part.is_condition else part.head
    return _item(part.holds, head, inside) if part.is_condition else f"<li>{html.escape(head)}{inside}</li>"


def _item(holds: bool | None, text: str, inside: str = "") -> str:
    mark = f"<span style='color:{_COLOURS[holds]}'>{_MARKS[holds]}</span>"
    return f"<li>{mark} {html.escape(text)}{inside}</li>"


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "unknown"
    return f"{value:.10g}"
