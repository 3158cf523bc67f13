"""Promote: the versions of each strategy, what they do differently, the gates with their evidence, and the approval."""

from __future__ import annotations

import asyncio
from typing import Any

import panel_material_ui as pmui

from workbench.apps import promote_rows as rows
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid
from workbench.apps.visit import Visit
from workbench.domain.errors import InputError, WorkbenchError

ALL = "every strategy"
GATES_S = 600.0  # that the desk may take to run a version through its gates
LOOK_S = 4.0  # between two looks at what others did
MARGIN = (0, 10, 10, 10)
Json = dict[str, Any]


class PromotePage(Visit):
    """One visitor's look at the versions."""

    name = "promote"

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        tell = {"tell": self.tell}
        self.versions = Grid(
            title="Versions", by_time=True, searchable=True, selectable=True, on_act=self._version, **tell
        )
        self.changes = Grid(title="What it does differently")
        self.gates = Grid(title="Gates on the way")
        self.evidence = Grid(title="Evidence")
        self.attempts = Grid(title="What was asked of this version", by_time=True)
        self.seats = Grid(title="Live versions by session", on_act=self._seat, **tell)
        small: Json = {"size": "small", "margin": (0, 10, 8, 10)}
        self.only = pmui.Select(label="Strategy", options=[ALL], value=ALL, width=220, **small)
        self.way = pmui.RadioButtonGroup(options=[], value=None, size="small", margin=(0, 10, 8, 10))
        self.person = pmui.TextInput(label="Who", placeholder="your name", width=150, **small)
        self.reason = pmui.TextInput(label="Why", placeholder="kept with the promotion for good", width=330, **small)
        self.ask = pmui.Button(label="Ask the gates", variant="outlined", margin=(0, 10, 8, 10))
        self.promote = pmui.Button(label="Promote", color="primary", margin=(0, 10, 8, 10))
        self.about = pmui.Typography("Choose a version.", margin=(0, 10, 6, 12))
        self._rows: list[Json] = []
        self._details: Json = {}
        self._difference: Json = {}
        self._verdicts: dict[str, list[Json]] = {}
        self._base = ""
        self._seats: list[Json] = []
        self._busy, self._asked = "", 0

    def body(self) -> list[Any]:
        """Return the versions, the comparison, and the approval."""
        grids: list[Any] = [self.versions, self.changes, self.gates, self.evidence, self.attempts, self.seats]
        for part in grids:
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        self.only.param.watch(self._filtered, "value")
        self.way.param.watch(self._chosen_way, "value")
        self.ask.on_click(self._judge)
        self.promote.on_click(self._promote)
        wide: Json = {"sizing_mode": "stretch_width", "align_items": "center"}
        top = pmui.FlexBox(self.only, **wide)
        approval = pmui.FlexBox(self.way, self.ask, self.person, self.reason, self.promote, **wide)
        return [top, self.versions, self.about, self.changes, self.gates, approval, *grids[3:]]

    async def loaded(self) -> None:
        """Fetch the versions and begin with the newest; what others store or promote comes by itself."""
        while True:
            await self._look()
            await asyncio.sleep(LOOK_S)

    def push(self) -> None:
        """Send nothing: this page changes when a person or a promotion changes something."""

    # --- what the desk says ------------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        self._rows = await self.feed.ask("GET", "/api/versions", params={"limit": 1000})
        self._seats = await self.feed.ask("GET", "/api/seats")
        names = [ALL, *sorted({row["name"] for row in self._rows})]
        if names != self.only.options:
            self.only.options = names

    async def _look(self) -> None:
        before, asked = (self._rows, self._seats, bool(self._details)), self._asked
        await self._refresh()
        if asked != self._asked or self._busy or (self._rows, self._seats, True) == before:
            return  # what a person chose meanwhile counts
        if self._details:
            await self._choose(self._details["version"], self._base)
        elif self._rows:
            await self._choose(self._rows[0]["version"])
        self._show()

    async def _choose(self, version: str, base: str = "") -> None:
        self._asked += 1
        mine = self._asked
        details = await self.feed.ask("GET", f"/api/versions/{version}")
        line = details["lineage"]
        base = base or (line[-2]["version"] if len(line) > 1 else "")
        difference: Json = {}
        if base and base != version:
            difference = await self.feed.ask("GET", f"/api/versions/{version}/difference/{base}")
        if mine != self._asked:  # another one was chosen meanwhile
            return
        # What a person chose of the same version while its details were fetched is kept.
        way = self.way.value if details["version"] == self._details.get("version") else None
        if details["version"] != self._details.get("version") or details["state"] != self._details.get("state"):
            self._verdicts = {}
        self._details, self._base, self._difference = details, base, difference
        ways = list(details["ways"])
        self.way.param.update(options=ways, value=way if way in ways else ways[0] if ways else None)

    # --- what a person does ------------------------------------------------------------------------------------------

    async def _version(self, verb: str, row: str, values: dict[str, str]) -> None:
        if verb == "pick":
            await self._choose(row)
        elif verb == "base" and self._details:
            await self._choose(self._details["version"], row)
        self._show()

    async def _seat(self, verb: str, row: str, values: dict[str, str]) -> None:
        body = rows.words_of(str(self.person.value or ""), str(self.reason.value or ""))
        body["to"] = values.get("seen_before")
        await self._done(await self.feed.ask("POST", f"/api/seats/{row}/rollback", json=body))

    async def _filtered(self, event: Any) -> None:
        shown = self._chosen()
        if shown and self._details.get("version") not in {row["version"] for row in shown}:
            try:
                await self._choose(shown[0]["version"])
            except WorkbenchError as error:
                self.tell(str(error), "alarm")
        self._show()

    async def _chosen_way(self, event: Any) -> None:
        self._show()

    async def _judge(self, event: Any) -> None:
        await self._carefully("the gates are asked: backtests run, this can take a while", self._ask_gates)

    async def _promote(self, event: Any) -> None:
        await self._carefully("the gates are asked, then it is promoted", self._ask_promotion)

    async def _carefully(self, text: str, act: Any) -> None:
        # A second press while the first one runs is not a second promotion. The buttons are not disabled meanwhile:
        # a browser that is still drawing them so sends that back, and they would stay it.
        if self._busy:
            self.tell(f"{self._busy}; the answer is shown here", "warn")
            return
        self._busy = text
        try:
            await act()
        except WorkbenchError as error:
            self.tell(str(error), "alarm")
        finally:
            self._busy = ""

    async def _ask_gates(self) -> None:
        version, to = self._aim()
        name = f"{self._details['name']}@{rows.short(version)}"
        self.tell(self._busy)
        found = await self.feed.ask("POST", f"/api/versions/{version}/judge", json={"to": to}, timeout=GATES_S)
        failed = sum(not v["passed"] for v in found)
        self.tell(f"{name}: {len(found) - failed} of {len(found)} gates to {to} pass", "warn" if failed else "ok")
        if version == self._details["version"]:  # another one may have been chosen meanwhile
            self._details = await self.feed.ask("GET", f"/api/versions/{version}")
            self._verdicts[to] = found
            self._show()

    async def _ask_promotion(self) -> None:
        version, to = self._aim()
        body = {"to": to, **rows.words_of(str(self.person.value or ""), str(self.reason.value or ""))}
        self.tell(self._busy)
        told = await self.feed.ask("POST", f"/api/versions/{version}/promote", json=body, timeout=GATES_S)
        await self._done(told, to)

    def _aim(self) -> tuple[str, str]:
        if not self._details:
            raise InputError("no version is chosen: choose one in the list above")
        if not self.way.value:
            raise InputError(f"{rows.label(self._details)} can go nowhere from here: a retired one stays retired")
        return self._details["version"], str(self.way.value)

    async def _done(self, told: Json, to: str = "") -> None:
        await self._refresh()
        await self._choose(self._details.get("version") or told["version"], self._base)
        if told["passed"]:
            self.reason.value = ""
        elif told["version"] == self._details["version"]:
            self._verdicts[to] = told["verdicts"]
        self.tell(*rows.outcome(told))
        self._show()

    def _chosen(self) -> list[Json]:
        return [row for row in self._rows if self.only.value in (ALL, row["name"])]

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        details, to = self._details, str(self.way.value or "")
        self.versions.rows(
            rows.VERSION_HEADS, rows.version_rows(self._chosen()), picked=details.get("version"),
            empty="no version is stored yet: build one in the Rule builder, or workbench strategy register FILE",
        )  # fmt: skip
        self.seats.rows(rows.SEAT_HEADS, rows.seat_rows(self._seats), empty="no version is live in any session")
        if not details:
            return
        self.about.object = f"**{rows.label(details)}** · {rows.lineage_text(details)}"
        note = f"against {rows.short(self._base)}" if self._base else ""
        nothing = (
            "nothing: they mean the same" if self._difference else "it is the first of its line: nothing before it"
        )
        self.changes.rows(rows.CHANGE_HEADS, rows.change_rows(self._difference), note=note, empty=nothing)
        verdicts = self._verdicts.get(to) or rows.last_verdicts(details, to)
        self.gates.rows(
            rows.GATE_HEADS, rows.gate_rows(details, to, verdicts), note=f"to {to}" if to else "",
            empty="no gate is asked on this way",
        )  # fmt: skip
        self.evidence.rows(rows.EVIDENCE_HEADS, rows.evidence_rows(details), empty="no result is attached yet")
        self.attempts.rows(rows.ATTEMPT_HEADS, rows.attempt_rows(details), empty="nothing was asked yet")


page = PromotePage
