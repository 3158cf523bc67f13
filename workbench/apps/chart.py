"""Live candles: lightweight-charts as a Panel component, its library read from an installed package."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import panel as pn
import param

from workbench.domain.errors import InputError

LIBRARY = ("lwcharts", "vendor/lightweight-charts.standalone.production.js")


def library() -> str:
    """Return the unmodified library (Apache-2.0, its notice at the top); it defines ``LightweightCharts``."""
    package, path = LIBRARY
    found = find_spec(package)  # not imported: that would load pandas for one text file
    if found is None or not found.submodule_search_locations:
        raise InputError(f"the package {package} is not installed: run `make venv`")
    return (Path(found.submodule_search_locations[0]) / path).read_text(encoding="utf-8")


def script(*names: str) -> str:
    """Return our own JavaScript files of the pages, one after the other."""
    folder = files("workbench.apps") / "js"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


class CandleChart(pn.custom.JSComponent):
    """Candles with volume, price lines and fill arrows.

    Messages: ``{"op": "all", bars, …}`` replaces everything, ``{"op": "tail", bars, …}`` brings the last two bars (two,
    so that the final value of a bar that closed between two frames is not lost).
    """

    height_px = param.Integer(default=430)

    _esm = library() + "\n" + script("theme.js", "chart.js")

    def show(self, message: dict[str, Any]) -> None:
        """Send one message to the browser."""
        self._send_msg(message)


class EquityChart(pn.custom.JSComponent):
    """The account's equity as a line, green above where it began and red below.

    Messages: ``{"op": "all" | "tail", "title", "points": [{"time", "value"}]}``, times as the candles have them.
    """

    height_px = param.Integer(default=150)

    _esm = library() + "\n" + script("theme.js", "equity.js")

    def show(self, message: dict[str, Any]) -> None:
        """Send one message to the browser."""
        self._send_msg(message)
