"""The live desk: one page, one frame in flight, the newest wins."""

from __future__ import annotations

import secrets
import time
from typing import Any

import panel_material_ui as pmui

from workbench.apps import frame as shown
from workbench.apps import live_rows as rows
from workbench.apps.chart import CandleChart, EquityChart
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid, Row
from workbench.apps.parts import Board
from workbench.apps.visit import Visit
from workbench.widgets.cards import living_first

FRAME_S = 0.05
TABLES_S = 0.25
LISTS_S = 0.5  # orders, limits, signals: what is long
EQUITY_S = 1.0
LATE_S = 5.0  # orders are read twice a second
ACT_S = 50.0  # as long as the desk may take: a new runner, then its answer
TIMEFRAMES = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}  # seconds
FIRST = "the first live session"
MARGIN = (0, 10, 10, 10)


class LivePage(Visit):
    """The live desk of one visitor."""

    name = "live"
    frame_s = FRAME_S

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        self.nav.quiet = True  # the board counts how old its numbers are
        self.board, self.chart, self.equity = Board(), CandleChart(), EquityChart()
        self.subject = pmui.Select(options=[FIRST], value=FIRST, size="small", width=300, margin=(0, 10, 6, 10))
        self.timeframe = pmui.RadioButtonGroup(
            options=list(TIMEFRAMES), value="1m", size="small", margin=(0, 10, 6, 10)
        )
        tell = {"tell": self.tell}
        self.sessions = Grid(title="Sessions", on_act=self._session, **tell)
        self.positions = Grid(title="Positions", on_act=self._position, **tell)
        self.orders = Grid(title="Orders of the day", by_time=True, searchable=True, on_act=self._order, **tell)
        self.limits = Grid(title="Headroom to every limit")
        self.signals = Grid(title="Signals and alerts", by_time=True, searchable=True)
        self._chart_key: tuple[str, str] | None = None
        self._chart_time = 0
        self._tables_at = self._lists_at = self._equity_at = float("-inf")
        self._equity_key: int | None = None
        self._orders: tuple[Any, list[Row]] = (None, [])
        self._marked: tuple[Any, list[dict[str, Any]]] = (None, [])
        self._equity_time = 0

    def body(self) -> list[Any]:
        """Return lights and numbers, the charts, and the tables."""
        parts: list[Any] = [self.board, self.chart, self.equity]
        parts += [self.sessions, self.positions, self.orders, self.limits, self.signals]
        for part in parts:
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        choice = pmui.FlexBox(self.subject, self.timeframe, sizing_mode="stretch_width", align_items="center")
        top, charts = parts[:1], parts[1:3]
        return [*top, choice, *charts, self.positions, self.sessions, self.orders, self.limits, self.signals]

    def gone(self) -> None:
        """Look at no bars any more."""
        self.feed.wanted.pop(self, None)

    def push(self) -> None:
        """Send one frame: numbers, tables and the newest bars."""
        feed, snapshot = self.feed, self.feed.snapshot
        silent_s = feed.silent_s if snapshot is not None else 0.0
        about = None if snapshot is None else self._about(snapshot)
        self.board.show(shown.frame(snapshot, silent_s=silent_s, error=feed.error, about=about))
        if snapshot is None or about is None:
            return
        self._push_chart(snapshot, about)
        now = time.monotonic()
        if now - self._tables_at >= TABLES_S:
            self._tables_at = now
            self._push_tables(snapshot)
        if now - self._equity_at >= EQUITY_S or shown.account_of(snapshot, about).get("account") != self._equity_key:
            self._equity_at = now
            self._push_equity(snapshot, about)

    def _about(self, snapshot: dict[str, Any]) -> dict[str, Any]:
        # What the page is about: what the person chose, as long as it is there.
        found = {shown.subject_name(s): dict(s) for s in living_first(snapshot.get("sessions", []))}
        options = [FIRST, *found]
        if options != self.subject.options:
            self.subject.options = options
            if self.subject.value not in options:
                self.subject.value = FIRST
        return found.get(str(self.subject.value)) or shown.subject(snapshot)

    def _push_tables(self, snapshot: dict[str, Any]) -> None:
        self.sessions.rows(rows.SESSION_HEADS, rows.session_rows(snapshot), empty="no session")
        self.positions.rows(rows.POSITION_HEADS, rows.position_rows(snapshot), empty="flat")
        now = time.monotonic()
        if now - self._lists_at >= LISTS_S:
            self._lists_at = now
            self._push_lists(snapshot)

    def _push_lists(self, snapshot: dict[str, Any]) -> None:
        old = self.feed.listed_s
        note = f"▲ not read for {old:.0f} s: this list is old" if LATE_S < old < float("inf") else ""
        self.orders.rows(
            rows.ORDER_HEADS, self._order_rows(), note=note,
            empty="no orders today" if old < float("inf") else "the orders have not been read yet",
        )  # fmt: skip
        self.limits.rows(rows.LIMIT_HEADS, rows.limit_rows(snapshot), empty="no limit has been reported yet")
        self.signals.rows(rows.SIGNAL_HEADS, rows.signal_rows(snapshot), empty="nothing has been said")

    # A long day is worked out when it has changed, not at every frame.

    def _order_rows(self) -> list[Row]:
        known = (self.feed.orders, self.feed.fills)
        if known != self._orders[0]:
            self._orders = (known, rows.order_rows(*known))
        return self._orders[1]

    def _markers(self, bars: list[dict[str, Any]], contract: str) -> list[dict[str, Any]]:
        key = (self.feed.fills, contract, [bar["time"] for bar in bars])
        if key != self._marked[0]:
            self._marked = (key, shown.markers(self.feed.fills, bars, contract))
        return self._marked[1]

    # --- what a person asks for --------------------------------------------------------------------------------------

    async def _session(self, verb: str, row: str, values: dict[str, str]) -> None:
        told = await self._ask(rows.session_request(verb, row))
        self.tell(f"{verb} {row}: now {told.get('state', 'done')}", "ok")

    async def _position(self, verb: str, row: str, values: dict[str, str]) -> None:
        self._say(verb, row, await self._ask(rows.position_request(verb, row, values, _key())))

    async def _order(self, verb: str, row: str, values: dict[str, str]) -> None:
        self._say(verb, row, await self._ask(rows.order_request(verb, row, values, self.feed.orders, _key())))

    async def _ask(self, request: rows.Request) -> Any:
        method, path, body = request
        return await self.feed.ask(method, path, json=body, timeout=ACT_S)

    def _say(self, verb: str, row: str, answer: dict[str, Any]) -> None:
        if answer.get("accepted"):
            self.tell(f"{verb} {row}: on its way to the exchange", "ok")
        else:
            self.tell(f"{verb} {row}: refused: {answer.get('reason') or 'no reason given'}", "alarm")

    # --- charts ------------------------------------------------------------------------------------------------------

    def _push_chart(self, snapshot: dict[str, Any], about: dict[str, Any]) -> None:
        contract = about.get("contract")
        if contract is None:
            return
        key = (contract, str(self.timeframe.value))
        self.feed.wanted[self] = key
        bars = shown.moved(self.feed.bars.get(key, []), shown.data_row(snapshot, contract), TIMEFRAMES[key[1]])
        tick, decimals = shown.tick_of(contract)
        message = {
            "title": f"{shown.short(contract)} · {key[1]}",
            "lines": shown.price_lines(snapshot, about),
            "markers": self._markers(bars, contract),
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

    def _push_equity(self, snapshot: dict[str, Any], about: dict[str, Any]) -> None:
        account = shown.account_of(snapshot, about)
        number = account.get("account")
        points = self.feed.equity.get(number, []) if number is not None else []
        if not points:
            return
        fresh = number != self._equity_key or points[-1][0] < self._equity_time
        part = points if fresh else [p for p in points if p[0] >= self._equity_time]
        self._equity_key, self._equity_time = number, points[-1][0]
        known = account.get("equity_usd") is not None
        old = "" if known else f", last known at {rows.moment(points[-1][0] * 10**9, snapshot.get('at'))}"
        self.equity.show(
            {
                "short": "Equity" if known else "Equity, old",
                "op": "all" if fresh else "tail",
                "title": f"Equity of {account.get('name') or number}{old}",
                "points": [{"time": shown.shifted(at), "value": usd} for at, usd in part],
            }
        )


def _key() -> str:
    return f"dashboard-{secrets.token_hex(8)}"


page = LivePage
