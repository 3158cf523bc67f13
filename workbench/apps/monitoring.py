"""Monitoring: processes, streams, money and headroom across accounts, alerts, the latch and the audit log."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from workbench.apps import monitoring_rows as rows
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid
from workbench.apps.live_rows import LIMIT_HEADS, limit_rows
from workbench.apps.parts import Board
from workbench.apps.visit import Visit
from workbench.domain.errors import WorkbenchError

ASK_S = 3.0
LATE_S = 5.0  # a sum that comes later is not of now
AUDIT_LINES = 1_000
RATE_S = 10.0
MARGIN = (0, 10, 10, 10)


class MonitoringPage(Visit):
    """The whole desk at one glance."""

    name = "monitoring"

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        self.nav.quiet = True  # the board counts how old its numbers are
        self.board = Board()
        self.processes = Grid(title="Processes")
        self.lines = Grid(title="Streams and market data")
        self.accounts = Grid(title="Exposure across accounts")
        self.limits = Grid(title="Headroom to every limit")
        self.alerts = Grid(title="Alerts", by_time=True, searchable=True)
        self.audit = Grid(title="Audit log", by_time=True, searchable=True, on_act=self._audit, tell=self.tell)
        self._monitored: dict[str, Any] = {}
        self._asked_ms: float | None = None
        self._log: list[dict[str, Any]] = []
        self._page, self._words = 0, ""
        self._heard: deque[tuple[float, float]] = deque()  # when this page looked, and when the feed had heard last

    def body(self) -> list[Any]:
        """Return the lights and numbers, then the tables, what is wrong most urgently first."""
        parts: list[Any] = [self.board, self.processes, self.lines, self.accounts]
        parts += [self.limits, self.alerts, self.audit]
        for part in parts:
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        return parts

    def push(self) -> None:
        """Send one frame; grids send nothing where nothing has changed."""
        feed, snapshot = self.feed, self.feed.snapshot
        silent_s = feed.silent_s if snapshot is not None else 0.0
        self.board.show(
            rows.board(
                snapshot, silent_s=silent_s, error=feed.error, monitored=self._monitored,
                rate=self._rate(), asked_ms=self._asked_ms,
            )
        )  # fmt: skip
        if snapshot is None:
            return
        self.processes.rows(rows.PROCESS_HEADS, rows.process_rows(snapshot, silent_s))
        self.lines.rows(rows.LINE_HEADS, rows.line_rows(snapshot), empty="no stream and no market data")
        self.accounts.rows(rows.ACCOUNT_HEADS, rows.account_rows(snapshot, self._monitored), empty="no account")
        self.limits.rows(LIMIT_HEADS, limit_rows(snapshot), empty="no limit has been reported yet")
        self.alerts.rows(rows.ALERT_HEADS, rows.alert_rows(snapshot), empty="no alert: all is quiet")
        self._show_log()

    async def loaded(self) -> None:
        """Ask again and again for what the snapshot does not hold; a refusal is told once."""
        told = ""
        while True:
            try:
                await self._ask()
                told = ""
            except WorkbenchError as error:
                self._asked_ms, self._monitored = None, {}  # sums of a minute ago are no sums
                if str(error) != told:
                    told = str(error)
                    self.tell(told, "alarm")
            await asyncio.sleep(ASK_S)

    async def _ask(self) -> None:
        begun = time.monotonic()
        self._monitored = await self.feed.ask("GET", "/api/monitor", timeout=LATE_S)
        self._asked_ms = 1000 * (time.monotonic() - begun)
        self._log = await self.feed.ask("GET", "/api/audit", params={"limit": AUDIT_LINES})

    def _rate(self) -> float | None:
        now = time.monotonic()
        self._heard.append((now, float(self.feed.version)))
        while now - self._heard[0][0] > RATE_S:
            self._heard.popleft()
        (begun, before), (_, after) = self._heard[0], self._heard[-1]
        return None if now - begun < RATE_S / 4 else (after - before) / (now - begun)

    def _show_log(self) -> None:
        found = rows.audit_rows(self._log, self._words)
        last = max(0, (len(found) - 1) // rows.PAGE_SIZE)
        self._page = min(self._page, last)
        begin = self._page * rows.PAGE_SIZE
        note = f"the newest {AUDIT_LINES:,} lines" if len(self._log) == AUDIT_LINES else ""
        self.audit.rows(
            rows.AUDIT_HEADS, found[begin : begin + rows.PAGE_SIZE], note=note, page=self._page,
            page_size=rows.PAGE_SIZE, total=len(found), empty="nobody has done anything that is kept",
        )  # fmt: skip

    async def _audit(self, verb: str, row: str, values: dict[str, str]) -> None:
        if verb == "page":
            self._page = max(0, int(row)) if row.lstrip("-").isdigit() else 0
        elif verb == "find":
            self._page, self._words = 0, row
        self._show_log()


page = MonitoringPage
