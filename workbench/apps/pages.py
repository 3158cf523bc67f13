"""The pages of the dashboard: one table, from which the server takes its routes and every page its navigation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from workbench.apps.feed import DeskFeed


@dataclass(frozen=True, slots=True)
class Place:
    """A page: its short name (that of its module), what people call it, and where it is served."""

    name: str
    title: str

    @property
    def path(self) -> str:
        """Path of the page, from the root of the dashboard."""
        return f"/{self.name}"

    @property
    def is_there(self) -> bool:
        """Whether the page's module exists."""
        return find_spec(f"workbench.apps.{self.name}") is not None

    def factory(self, feed: DeskFeed) -> Callable[[], Any]:
        """Return what Panel calls for each visitor; the page's module is loaded with the first one."""
        return lambda: import_module(f"workbench.apps.{self.name}").page(feed).view()


PAGES = (
    Place("live", "Live desk"),
    Place("explorer", "Explorer"),
    Place("lab", "Lab"),
    Place("promote", "Promote"),
    Place("rules", "Rule builder"),
    Place("reports", "Reports"),
    Place("monitoring", "Monitoring"),
)
