"""One open page of any kind: header with the stop, places to go, one frame in flight, the newest wins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly
from panel_material_ui.template.base import Meta

from workbench.apps import frame as shown
from workbench.apps.feed import DeskFeed
from workbench.apps.pages import PAGES
from workbench.apps.parts import Ack, Head, Nav
from workbench.domain.errors import WorkbenchError

LOST_ACK_S = 2.0  # an ack can get lost with a sleeping tab; then the next frame goes out all the same
AGAIN_S = 2.0  # after which a page that the desk refused is loaded again
BEAT_S = 1.0  # the header and the navigation are told that the server lives
THEME_COOKIE = "workbench_theme"
log = logging.getLogger(__name__)

PARTS = {
    "MuiAppBar": {
        "styleOverrides": {
            "root": {
                "backgroundColor": "#10151f !important",
                "backgroundImage": "none",
                "color": "#fff",
                "& .title": {"fontSize": "clamp(15px, 4vw, 22px)", "fontWeight": 700},
            }
        }
    },
    "MuiToggleButton": {"styleOverrides": {"root": {"textTransform": "none", "padding": "3px 12px", "height": "36px"}}},
    "MuiButton": {"styleOverrides": {"root": {"textTransform": "none", "height": "36px"}}},
    "MuiOutlinedInput": {"styleOverrides": {"root": {"height": "36px", "fontSize": "14px"}}},
    "MuiInputLabel": {
        "styleOverrides": {
            "root": {"fontSize": "14px", "&:not(.MuiInputLabel-shrink)": {"transform": "translate(14px, 8px)"}}
        }
    },
    "MuiTab": {"styleOverrides": {"root": {"textTransform": "none"}}},
}
LETTERS = {"fontFamily": "system-ui, sans-serif"}
THEME = {
    "dark": {
        "typography": LETTERS,
        "palette": {"primary": {"main": "#6aa6ff"}, "background": {"default": "#0d1118", "paper": "#141923"}},
        "components": PARTS,
    },
    "light": {
        "typography": LETTERS,
        "palette": {"primary": {"main": "#1f5fd0"}, "background": {"default": "#f4f6fa", "paper": "#ffffff"}},
        "components": PARTS,
    },
}


class Visit:
    """One visitor's page: it holds no trading state, only what its browser has already been shown.

    A page overrides `body` (its components), `push` (send one frame to them; called at most every `frame_s` seconds,
    and not before the last frame was painted) and, for what takes awaiting, `loaded`.

    Parameters
    ----------
    feed : DeskFeed
        The process's one connection to the desk.
    """

    name = ""  # of the page in `pages.PAGES`
    frame_s = 1.0

    def __init__(self, feed: DeskFeed) -> None:
        self.feed = feed
        self.head, self.ack = Head(), Ack(width=1, height=1)
        places = [{"title": p.title, "path": p.path, "here": p.name == self.name} for p in PAGES if p.is_there]
        self.nav = Nav(places=places, theme_cookie=THEME_COOKIE)
        self._seq = 0
        self._ack_came = asyncio.Event()
        self._sent_at = self._beat_at = 0.0
        self._top: dict[str, Any] = {}
        self._fault = ""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what a page is made of --------------------------------------------------------------------------------------

    def body(self) -> list[Any]:
        """Return the page's components, top to bottom."""
        raise NotImplementedError

    def push(self) -> None:
        """Send what is new to the components; called on the page's document."""

    async def loaded(self) -> None:
        """Fetch what the page begins with; when the desk refuses or is not there, it is called again."""

    def gone(self) -> None:
        """Let go of what the page held in the feed."""

    # --- the frame around it -----------------------------------------------------------------------------------------

    def view(self) -> Any:
        """Return the page for this visitor and begin to feed it."""
        self.ack.on_msg(self._painted)
        pn.state.onload(self._loaded)
        pn.state.on_session_destroyed(self._gone)
        self.head.param.update(sizing_mode="stretch_width", margin=0)
        self.nav.param.update(sizing_mode="stretch_width", margin=0)
        title = next(p.title for p in PAGES if p.name == self.name)
        made = pmui.Page(
            title="Workbench",
            header=[self.head],
            main=[pmui.Column(self.nav, *self.body(), self.ack, sizing_mode="stretch_width")],
            dark_theme=pn.state.cookies.get(THEME_COOKIE) != "light",
            theme_config=THEME,
            busy_indicator=None,
            meta=Meta(title=f"{title} · Workbench"),
        )
        # A page shows whether the process is busy, with every message of every visitor: two patches of the whole page
        # each, most of what a viewer would cost. There is no indicator here, so nobody is told.
        with edit_readonly(made):
            made.busy = False
        return made

    def start(self, work: Any) -> None:
        """Run a coroutine of this visitor; it ends with the page, and what it raises is shown and logged."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def tell(self, text: str, tone: str = "") -> None:
        """Say something to the person below the navigation; `tone` is ok, warn or alarm."""
        self.nav.show({"told": text, "tone": tone})

    # Every callback is async: sync ones run in a thread without a loop from Panel 1.10 on.

    async def _loaded(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.start(self._pump(pn.state.curdoc))
        self.start(self._keep_loaded())

    async def _keep_loaded(self) -> None:
        # A desk that is not there yet, or has been restarted, must not leave a page behind that shows nothing more.
        while True:
            try:
                return await self.loaded()
            except WorkbenchError as error:
                self.tell(str(error), "alarm")
            await asyncio.sleep(AGAIN_S)
            while self.feed.silent_s > shown.SILENT_S:
                await asyncio.sleep(AGAIN_S / 4)
            self.tell("")

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, WorkbenchError):
            self.tell(str(error), "alarm")
        elif error is not None:
            log.error("a page's task ended", exc_info=error)
            self.tell(f"this page has a fault: {type(error).__name__}: {error}", "alarm")

    def _gone(self, _: Any) -> None:
        self.gone()
        if self._loop is not None:  # Panel may call from another thread
            for task in tuple(self._tasks):
                self._loop.call_soon_threadsafe(task.cancel)

    async def _painted(self, event: Any) -> None:
        self._ack_came.set()

    async def _pump(self, document: Any) -> None:
        async def push() -> None:
            self._push()

        while True:
            self._ack_came.clear()
            document.add_next_tick_callback(push)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOST_ACK_S):
                    await self._ack_came.wait()
            await asyncio.sleep(self._sent_at + self.frame_s - time.monotonic())

    def _push(self) -> None:
        self._seq += 1
        self._sent_at = time.monotonic()
        snapshot = self.feed.snapshot or {}
        dead = self.feed.error if self.feed.snapshot is None or self.feed.silent_s > shown.SILENT_S else ""
        pid = str(snapshot.get("desk", {}).get("pid", ""))
        top = {"stop": shown.stop_state(snapshot.get("stop") or {}), "desk_pid": pid, "dead": dead}
        beat = self._sent_at - self._beat_at >= BEAT_S
        if beat or top != self._top:
            self._top, self._beat_at = top, self._sent_at
            self.head.show({"stop": top["stop"], "desk_pid": pid})
            self.nav.show({"dead": dead})
        try:
            self.push()
            fault = ""
        except Exception as error:  # the rest of the page would stand still and look fresh
            fault = f"this page has a fault, what it shows may be old: {type(error).__name__}: {error}"
            if fault != self._fault:
                log.exception("a page cannot show what it should")
        if fault != self._fault:
            self._fault = fault
            self.tell(fault, "alarm" if fault else "")
        self.ack.show({"seq": self._seq})
