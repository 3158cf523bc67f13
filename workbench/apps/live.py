"""The live desk: one page, one frame in flight, the newest wins."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from workbench.apps import frame as shown
from workbench.apps.chart import CandleChart
from workbench.apps.feed import DeskFeed
from workbench.apps.parts import Board
from workbench.apps.visit import Visit

FRAME_S = 0.2
TIMEFRAMES = ["1m", "5m", "15m", "1h"]


class LivePage(Visit):
    """The live desk of one visitor."""

    name = "live"
    frame_s = FRAME_S

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        self.nav.quiet = True  # the board counts how old its numbers are
        self.board, self.chart = Board(), CandleChart()
        self.tables = Board(parts=["positions", "sessions", "orders"], titles=TITLES)
        self.timeframe = pmui.RadioButtonGroup(options=TIMEFRAMES, value="1m", size="small", margin=(0, 10, 6, 10))
        self._chart_key: tuple[str, str] | None = None
        self._chart_time = 0

    def body(self) -> list[Any]:
        """Return lights and numbers, the chart, and the tables."""
        for part in (self.board, self.chart, self.tables):
            part.param.update(sizing_mode="stretch_width", margin=(0, 10, 10, 10))
        return [self.board, self.timeframe, self.chart, self.tables]

    def gone(self) -> None:
        """Look at no bars any more."""
        self.feed.wanted.pop(self, None)

    def push(self) -> None:
        """Send one frame: numbers, tables and the newest bars."""
        feed = self.feed
        silent_s = feed.silent_s if feed.snapshot is not None else 0.0
        content = shown.frame(feed.snapshot, silent_s=silent_s, error=feed.error, order_rows=feed.orders)
        self.board.show({key: value for key, value in content.items() if key not in (*TITLES, "stop")})
        self.tables.show({key: content.get(key) for key in ("dead", "silent_s", *TITLES)})
        if feed.snapshot is not None:
            self._push_chart(feed.snapshot)

    def _push_chart(self, snapshot: dict[str, Any]) -> None:
        about = shown.subject(snapshot)
        contract = about.get("contract")
        if contract is None:
            return
        key = (contract, str(self.timeframe.value))
        self.feed.wanted[self] = key
        bars = self.feed.bars.get(key, [])
        tick, decimals = shown.tick_of(contract)
        message = {
            "title": f"{shown.short(contract)} · {key[1]}",
            "lines": shown.price_lines(snapshot, about),
            "markers": shown.markers(self.feed.fills, bars, contract),
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


page = LivePage
