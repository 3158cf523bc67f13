"""The components of the lab and the explorer: a form, a sheet of numbers, a curve, a heat map."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import param

from workbench.apps.chart import library, script
from workbench.apps.parts import Shown
from workbench.domain.errors import WorkbenchError

Json = dict[str, Any]
Heard = Callable[[str, str, dict[str, str]], Awaitable[None]]  # what, of which, values


class Kept(Shown):
    """Shows its last message again to a browser that comes late, and sends nothing twice."""

    __abstract = True

    title = param.String(default="")

    def __init__(
        self, *, on_act: Heard | None = None, tell: Callable[[str, str], None] | None = None, **params: Any
    ) -> None:
        super().__init__(**params)
        self._act, self._tell = on_act, tell
        self.last: Json = {}
        self.on_msg(self._heard)

    def say(self, message: Json) -> None:
        """Show this, unless it is shown."""
        if message != self.last:
            self.last = message
            self.show(message)

    async def _heard(self, event: Any) -> None:
        message = event.data
        act = str(message.get("act", ""))
        if act == "hello":
            if self.last:
                self.show(self.last)
            return
        if self._act is None:
            return
        values = {str(k): str(v) for k, v in dict(message.get("values") or {}).items()}
        try:
            await self._act(act, str(message.get("id", "")), values)
        except WorkbenchError as error:
            if self._tell is None:
                raise
            self._tell(str(error), "alarm")


class Form(Kept):
    """Fields in groups with their limits, what the form would do in words, and the progress of what runs."""

    _esm = script("theme.js", "form.js")

    def say(self, message: Json) -> None:
        """Show what has changed; the fields are drawn anew only when they are others."""
        changed = {key: value for key, value in message.items() if self.last.get(key) != value}
        if "tone" in changed or "words" in changed:
            changed |= {key: message[key] for key in ("words", "tone") if key in message}
        if {"groups", "subject", "mode", "about", "stamp"} & set(changed):
            changed = message
        self.last = message
        if changed:
            self.show(changed)


class Sheet(Kept):
    """What a run came to."""

    _esm = script("theme.js", "sheet.js")


class Curve(Kept):
    """Equity and drawdown."""

    height_px = param.Integer(default=330)

    _esm = library() + "\n" + script("theme.js", "curve.js")


class Heat(Kept):
    """A heat map of a sweep."""

    _esm = script("theme.js", "heat.js")
