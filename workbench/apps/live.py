"""The live desk: one page, one frame in flight, the newest wins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from workbench.apps import frame as shown
from workbench.apps.chart import CandleChart
from workbench.apps.feed import DeskFeed
from workbench.apps.parts import Ack, Board, Head

FRAME_S = 0.2
LOST_ACK_S = 2.0  # an ack can get lost with a sleeping tab; then the next frame goes out all the same
TIMEFRAMES = ["1m", "5m", "15m", "1h"]
HEADER = {
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
    "MuiToggleButton": {"styleOverrides": {"root": {"textTransform": "none", "padding": "3px 12px"}}},
    "MuiButton": {"styleOverrides": {"root": {"textTransform": "none"}}},
}
THEME = {
    "dark": {
        "palette": {"primary": {"main": "#6aa6ff"}, "background": {"default": "#0d1118", "paper": "#141923"}},
        "components": HEADER,
    },
    "light": {
        "palette": {"primary": {"main": "#1f5fd0"}, "background": {"default": "#f4f6fa", "paper": "#ffffff"}},
        "components": HEADER,
    },
}


class LivePage:
    """One open page: it holds no trading state, only what its browser has already been shown."""

    def __init__(self, feed: DeskFeed) -> None:
        self._feed = feed
        self.head, self.board, self.chart, self.ack = Head(), Board(), CandleChart(), Ack(width=1, height=1)
        self.tables = Board(parts=["positions", "sessions", "orders"], titles=TITLES)
        self.timeframe = pmui.RadioButtonGroup(options=TIMEFRAMES, value="1m", size="small", margin=(0, 10, 6, 10))
        self._chart_key: tuple[str, str] | None = None
        self._chart_time = 0
        self._seq = self._flying = 0
        self._sent_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def view(self) -> Any:
        """Return the page for this visitor and begin to feed it."""
        self.ack.on_msg(self._painted)
        pn.state.onload(self._loaded)
        pn.state.on_session_destroyed(self._gone)
        for part in (self.board, self.chart, self.tables):
            part.param.update(sizing_mode="stretch_width", margin=(0, 10, 10, 10))
        self.head.param.update(sizing_mode="stretch_width", margin=0)
        return pmui.Page(
            title="Workbench",
            header=[self.head],
            main=[
                pmui.Column(self.board, self.timeframe, self.chart, self.tables, self.ack, sizing_mode="stretch_width")
            ],
            dark_theme=True,
            theme_config=THEME,
            busy_indicator=None,
        )

    # Every callback is async: sync ones run in a thread without a loop from Panel 1.10 on.

    async def _loaded(self) -> None:
        document = pn.state.curdoc
        self._task = asyncio.create_task(self._pump(document))

    def _gone(self, _: Any) -> None:
        self._feed.wanted.pop(self, None)
        if self._task is not None:  # Panel may call from another thread
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def _painted(self, event: Any) -> None:
        self._flying = 0

    async def _pump(self, document: Any) -> None:
        async def push() -> None:
            self._push()

        while True:
            lost = time.monotonic() - self._sent_at > LOST_ACK_S
            if not self._flying or lost:
                document.add_next_tick_callback(push)
            await asyncio.sleep(FRAME_S)

    def _push(self) -> None:
        self._seq += 1
        self._flying, self._sent_at = self._seq, time.monotonic()
        feed = self._feed
        silent_s = feed.silent_s if feed.snapshot is not None else 0.0
        content = shown.frame(feed.snapshot, silent_s=silent_s, error=feed.error, order_rows=feed.orders)
        self.board.show({key: value for key, value in content.items() if key not in (*TITLES, "stop")})
        self.tables.show({key: content.get(key) for key in ("dead", "silent_s", *TITLES)})
        pid = str((feed.snapshot or {}).get("desk", {}).get("pid", ""))
        self.head.show({"stop": content.get("stop") or {}, "desk_pid": pid})
        if feed.snapshot is not None:
            self._push_chart(feed.snapshot)
        self.ack.show({"seq": self._seq})

    def _push_chart(self, snapshot: dict[str, Any]) -> None:
        about = shown.subject(snapshot)
        contract = about.get("contract")
        if contract is None:
            return
        key = (contract, str(self.timeframe.value))
        self._feed.wanted[self] = key
        bars = self._feed.bars.get(key, [])
        tick, decimals = shown.tick_of(contract)
        message = {
            "title": f"{shown.short(contract)} · {key[1]}",
            "lines": shown.price_lines(snapshot, about),
            "markers": shown.markers(self._feed.fills, bars, contract),
            "tick": tick,
            "decimals": decimals,
            **self._bars_part(key, bars),
        }
        self.chart.show(message)

    def _bars_part(self, key: tuple[str, str], bars: list[dict[str, Any]]) -> dict[str, Any]:
        """All bars once, then from the last shown one on: a bar that closed in between keeps its final value."""
        if not bars:
            return {"op": "tail"}
        fresh = key != self._chart_key
        self._chart_key = key
        part = bars if fresh else [bar for bar in bars if bar["time"] >= self._chart_time]
        self._chart_time = bars[-1]["time"]
        return {"op": "all" if fresh else "tail", "bars": [{**bar, "time": shown.shifted(bar["time"])} for bar in part]}


TITLES = {"positions": "Positions", "sessions": "Sessions", "orders": "Orders today"}


def live_page(feed: DeskFeed) -> Callable[[], Any]:
    """Return the factory that Panel calls for each visitor."""
    return lambda: LivePage(feed).view()
