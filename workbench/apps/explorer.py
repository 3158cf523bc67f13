"""The explorer: what is stored and live, as candles with the rules' own indicators, and how good the data is."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import Any

from workbench.apps import explorer_rows as rows
from workbench.apps import frame as shown
from workbench.apps.chart import CandleChart
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid
from workbench.apps.lab_form import held
from workbench.apps.lab_parts import Form, Sheet
from workbench.apps.visit import Visit
from workbench.domain.errors import WorkbenchError

Json = dict[str, Any]
MARGIN = (0, 10, 10, 10)
BARS, STEP, SEEN = 600, 400, 200  # bars of one chart, how far one press goes, and how many are seen at first
LIVE_S = 2.0
AGAIN_S = 4.0  # after which is asked again what the desk refused, or whether anything is stored by now


class ExplorerPage(Visit):
    """The explorer of one visitor."""

    name = "explorer"
    frame_s = 0.4

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        tell: dict[str, Any] = {"tell": self.tell}
        self.form = Form(title="What to look at", on_act=self._asked, **tell)
        self.chart = CandleChart()
        self.sheet = Sheet(title="Quality")
        self.days, self.rejected = Grid(title="By trading date"), Grid(title="Rejected rows", searchable=True)
        self.gaps = Grid(title="Gaps: choose one to go there", selectable=True, on_act=self._on_gap, **tell)
        self.stored: list[Json] | None = None
        self.values: dict[str, str] = {"sma": "true", "vwap": "true"}
        self.offset: int | None = None  # None: the newest
        self.told: Json | None = None
        self.report: Json | None = None
        self.stamp = 0
        self._of: tuple[Any, ...] = ()
        self._drawn: Json | None = None
        self._wake, self._asking, self._refused = asyncio.Event(), False, ""

    def body(self) -> list[Any]:
        """Return the form, the candles, and the quality of what is shown."""
        parts: list[Any] = [self.form, self.chart, self.sheet, self.gaps, self.days, self.rejected]
        for part in parts:
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        return parts

    async def loaded(self) -> None:
        """Fetch what is stored, then what is asked for; a live series that is shown to its end goes on growing."""
        self.stored = await self.feed.ask("GET", "/api/data", timeout=60)
        while True:
            self._wake.clear()
            try:
                if not self.stored:
                    self.stored = await self.feed.ask("GET", "/api/data", timeout=60)
                await self._fetch()
                self._say("")
            except WorkbenchError as error:
                self._say(str(error))
            again = AGAIN_S if self._refused or not self.stored else LIVE_S if self._is_live() else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self._wake.wait()

    def _say(self, refused: str) -> None:
        # Told once, and taken back when the next question was answered.
        if refused != self._refused:
            self._refused = refused
            self.tell(refused, "alarm" if refused else "")

    def _held(self) -> tuple[list[Json], dict[str, str]]:
        groups = rows.form(rows.contracts(self.stored or [], self.feed.snapshot), self.values)
        return groups, held(groups)

    def _is_live(self) -> bool:
        contract = self._held()[1].get("contract")
        live = {row["contract"] for row in (self.feed.snapshot or {}).get("data", [])}
        return self.offset is None and not self.values.get("at") and contract in live

    async def _fetch(self) -> None:
        _, values = self._held()
        if not values.get("contract"):
            return
        series = {"contract": values["contract"], "timeframe": values["timeframe"]}
        params: Json = {**series, "limit": BARS, "line": rows.wanted(values)}
        if self.offset is not None:
            params["offset"] = self.offset
        elif values["at"]:
            params["at"] = values["at"]
        self._asking = True
        try:
            self.told = await self.feed.ask("GET", "/api/data/chart", params=params, timeout=60)
            if self.report is None or (self.report["contract"], self.report["timeframe"]) != tuple(series.values()):
                self.report = await self.feed.ask("GET", "/api/data/quality", params=series, timeout=60)
        finally:
            self._asking = False

    # --- what is shown -----------------------------------------------------------------------------------------------

    def push(self) -> None:
        """Send what has changed."""
        if self.stored is None:
            self.sheet.say({"empty": "Reading what is stored…"})
            return
        groups, values = self._held()
        text, tone = self._words(values)
        newest = [["older", "‹ Earlier", False], ["newer", "Later ›", False], ["newest", "Newest", False]]
        self.form.say(
            {"groups": groups, "buttons": newest, "stamp": self.stamp, "words": text, "tone": tone, "going": None}
        )  # fmt: skip
        if self.told is not None and self.told is not self._drawn:
            self._push_chart(self.told, values)
        if self.report is not None:
            self._push_quality(self.report)
        elif not self.stored:
            self.sheet.say({"empty": "Nothing is stored yet: workbench data pull and data import bring bars; a desk "
                                     "records what its sessions trade."})  # fmt: skip

    def _words(self, values: dict[str, str]) -> tuple[str, str]:
        if self.told is None:
            return ("reading…" if self._asking else ""), ""
        last = max((row["last"] for row in self.stored or [] if row["contract"] == self.told["contract"]), default=0)
        age, tone = rows.age(self.feed.snapshot, self.told["contract"], last)
        return f"{rows.where(self.told)} · {age}", "warn" if tone == "warn" else ""

    def _push_chart(self, told: Json, values: dict[str, str]) -> None:
        self._drawn = told
        tick, decimals = shown.tick_of(told["contract"])
        of = (told["contract"], told["timeframe"], told["offset"])
        count = len(told["bars"])
        message: Json = {
            "op": "all",
            "title": f"{shown.short(told['contract'])} · {told['timeframe']}",
            "bars": [{**bar, "time": shown.shifted(bar["time"])} for bar in told["bars"]],
            "lines": [],
            "markers": [],
            "tick": tick,
            "decimals": decimals,
            "overlays": rows.overlays(values, told),
        }
        if of != self._of and not (self._is_live() and of[:2] == self._of[:2]):  # a person's place is kept
            at = bool(values.get("at")) and self.offset is None
            message["fit"] = (
                {"from": 0, "to": min(count, 200)} if at else {"from": max(0, count - 200), "to": count + 4}
            )
        self._of = of
        self.chart.show(message)

    def _push_quality(self, report: Json) -> None:
        told = "A bar is expected whenever the exchange was open; in a quiet minute nobody may have traded."
        self.sheet.say(rows.sheet(report, told))
        self.gaps.rows(rows.GAP_HEADS, rows.gap_rows(report), empty="✓ no gaps")
        self.days.rows(rows.DAY_HEADS, rows.day_rows(report), empty="no trading dates")
        self.rejected.rows(rows.REJECTED_HEADS, rows.rejected_rows(report), empty="✓ nothing was rejected")

    # --- what a person asks for --------------------------------------------------------------------------------------

    async def _asked(self, act: str, row: str, values: dict[str, str]) -> None:
        if {"contract", "timeframe", "at"} & set(values):
            self.offset = None
        self.values |= values
        if act in ("older", "newer") and self.told is not None:
            end = max(0, self.told["total"] - BARS)
            self.offset = max(0, min(end, self.told["offset"] + (STEP if act == "newer" else -STEP)))
        elif act == "newest":
            self.offset = None
            self.values["at"] = ""
            self.stamp += 1
        self._wake.set()

    async def _on_gap(self, act: str, row: str, values: dict[str, str]) -> None:
        if act == "pick":
            self.offset = None
            at = datetime.fromisoformat(row[:19] + "+00:00").astimezone(rows.CHICAGO)
            self.values["at"] = f"{at:%Y-%m-%d}"
            self.stamp += 1  # the form shows the date
            self._wake.set()


page = ExplorerPage
