"""Tables of a page: rows with actions, one page of them in the browser at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import param

from workbench.apps.chart import script
from workbench.apps.parts import Shown
from workbench.domain.errors import WorkbenchError

Cell = str | Sequence[str | None] | None  # text, or text and tone (up, down, ok, warn, alarm, info, dim)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: numbers are right-aligned, `wrap` lets long text break."""

    title: str
    number: bool = False
    wrap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A number that the person types before an action, such as the new price of an order."""

    name: str
    label: str
    value: float | int | None = None
    step: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """A button in a row. `sure` asks first, in these words; with `why_not` it is there and cannot be pressed.

    What `seen` holds comes back with what was typed: the numbers that the question was about, which may have changed.
    """

    verb: str
    label: str
    sure: str = ""
    inputs: tuple[Field, ...] = ()
    why_not: str = ""
    seen: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row: an id that stays, one cell for each column, and what can be done with it."""

    id: str
    cells: Sequence[Cell]
    acts: tuple[Act, ...] = field(default=())


Acting = Callable[[str, str, dict[str, str]], Awaitable[None]]  # verb, row id, what was typed


def columns(*titles: str) -> tuple[Column, ...]:
    """Return columns by their titles: ``#`` before a title means numbers, ``~`` text that may break.

    >>> [c.number for c in columns("Contract", "#Qty")]
    [False, True]
    """
    return tuple(Column(title=t.lstrip("#~"), number=t.startswith("#"), wrap=t.startswith("~")) for t in titles)


class Grid(Shown):
    """A table fed by `rows`. Actions, picks and pages come to `on_act`; what it raises goes to `tell`."""

    title = param.String(default="")
    searchable = param.Boolean(default=False)
    selectable = param.Boolean(default=False)
    by_time = param.Boolean(default=False, doc="The newest row stands first: its pages are newer and older ones.")

    _esm = script("theme.js", "grid.js")

    def __init__(
        self, *, on_act: Acting | None = None, tell: Callable[[str, str], None] | None = None, **params: Any
    ) -> None:
        super().__init__(**params)
        self._act, self._tell = on_act, tell
        self._last: Json | None = None
        self.on_msg(self._heard)

    def rows(
        self,
        heads: Sequence[Column],
        rows: Sequence[Row],
        *,
        empty: str = "",
        note: str = "",
        picked: str | None = None,
        page: int = 0,
        page_size: int = 25,
        total: int | None = None,
    ) -> None:
        """Show these rows; with `total` they are one page of so many, and others come through `on_act` ("page").

        Nothing is sent when nothing has changed.
        """
        shown: Json = {
            "columns": [{"title": c.title, "number": c.number, "wrap": c.wrap} for c in heads],
            "rows": [_row(row) for row in rows],
            "empty": empty,
            "note": note,
            "picked": picked,
            "page": page,
            "page_size": page_size,
            "total": total,
        }
        if shown != self._last:
            self._last = shown
            self.show(shown)

    async def _heard(self, event: Any) -> None:
        message = event.data
        verb = str(message.get("act", ""))
        if verb == "hello":
            if self._last is not None:
                self.show(self._last)
            return
        if self._act is None:
            return
        values = {str(k): str(v) for k, v in dict(message.get("values") or {}).items()}
        row = str(message.get("id", ""))
        try:
            await self._act(verb, row, values)
        except WorkbenchError as error:
            if self._tell is None:
                raise
            self._tell(str(error), "alarm")
        finally:
            self.show({"done": row})


def _row(row: Row) -> Json:
    shown: Json = {"id": row.id, "cells": [list(c) if isinstance(c, tuple | list) else c for c in row.cells]}
    if row.acts:
        shown["acts"] = [_act(act) for act in row.acts]
    return shown


def _act(act: Act) -> Json:
    shown: Json = {"verb": act.verb, "label": act.label}
    if act.sure:
        shown["sure"] = act.sure
    if act.why_not:
        shown["why_not"] = act.why_not
    if act.seen:
        shown["seen"] = act.seen
    if act.inputs:
        shown["inputs"] = [{"name": i.name, "label": i.label, "value": i.value, "step": i.step} for i in act.inputs]
    return shown
