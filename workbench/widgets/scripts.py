"""Our own JavaScript of the widgets, which pages of the dashboard use too."""

from __future__ import annotations

from importlib.resources import files


def script(*names: str) -> str:
    """Return our own JavaScript files, one after the other, as one module."""
    folder = files("workbench.widgets")
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
