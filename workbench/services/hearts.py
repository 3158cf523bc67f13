"""Whose heart has stopped: the desk says when a child that should run is silent, once, and when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from workbench.services.children import SILENT_AFTER_S, Child

LOOK_S = 0.5
MAY_START_WITHIN_S = 30.0


class Hearts:
    """Watches the children of a desk.

    Parameters
    ----------
    children : callable
        All of them.
    tell : callable
        Takes (level, text).
    """

    def __init__(self, children: Callable[[], Iterable[Child]], tell: Callable[[str, str], None]) -> None:
        self._children, self._tell = children, tell
        self._silent_since: dict[str, float] = {}
        self._told: set[str] = set()

    def look(self) -> None:
        """Look at every child once."""
        now = time.monotonic()
        for child in self._children():
            if not child.is_silent:
                self._silent_since.pop(child.name, None)
                if child.name in self._told:
                    self._told.discard(child.name)
                    self._tell("info", f"{child.name} is heard again")
            elif child.wanted:
                since = self._silent_since.setdefault(child.name, now)
                patience = SILENT_AFTER_S if child.heard_at else MAY_START_WITHIN_S
                if now - max(since, child.heard_at) > patience and child.name not in self._told:
                    self._told.add(child.name)
                    text = f"{child.name} has said nothing for more than {patience:g} s ({child.state})"
                    self._tell("critical", f"{text}: nobody trades there, what is open keeps its stops at the broker")
            else:
                self._silent_since.pop(child.name, None)
                self._told.discard(child.name)

    async def follow(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()
