"""The building blocks of a page: header with the stop, board of numbers, tables, and the ack of painted frames."""

from __future__ import annotations

from typing import Any

import panel as pn
import param
from panel.io.state import set_curdoc

from workbench.apps.chart import script
from workbench.widgets.scripts import script as widget_script


class Shown(pn.custom.JSComponent):
    """A component that is fed by messages, never by synced values: what was missed while away is not needed."""

    __abstract = True

    def show(self, message: dict[str, Any]) -> None:
        """Send one message to the browser."""
        self._send_msg(message)


class Head(Shown):
    """The emergency stop, always in the header. Needs the page server's ``GET /access``."""

    _esm = widget_script("stop.js") + "\n" + script("theme.js", "head.js")


class Nav(Shown):
    """Where one can go, a dead desk shown as dead, and a line for what the last action brought."""

    places = param.List(default=[], item_type=dict)
    theme_cookie = param.String(default="")
    quiet = param.Boolean(default=False)  # the page itself says how old it is

    _esm = script("theme.js", "nav.js")


class Board(Shown):
    """Lights and big numbers."""

    _esm = script("theme.js", "board.js")


class Ack(Shown):
    """Answers each frame after it has been painted."""

    _esm = script("ack.js")

    def _process_bokeh_event(self, doc: Any, event: Any) -> None:
        # Panel notes around every message that the process is busy, which costs more than the answer itself; no page
        # shows it. A Panel that names this otherwise only brings the cost back.
        with set_curdoc(doc):
            self._process_event(event)
