"""Promote: the versions of each strategy, what they do differently, the gates with their evidence, and the approval."""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from workbench.apps import promote_rows as rows
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid
from workbench.apps.visit import Visit
from workbench.domain.errors import InputError, WorkbenchError

ALL = "every strategy"
GATES_S = 600.0  # that the desk may take to run a version through its gates
MARGIN = (0, 10, 10, 10)
Json = dict[str, Any]


class PromotePage(Visit):
    """One visitor's look at the versions."""

    name = "promote"

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        tell = {"tell": self.tell}
        self.versions = Grid(title="Versions", searchable=True, selectable=True, on_act=self._version, **tell)
        self.changes = Grid(title="What it does differently")
        self.gates = Grid(title="Gates on the way")
        self.evidence = Grid(title="Evidence")
        self.attempts = Grid(title="What was asked of this version")
        self.seats = Grid(title="Live versions by session", on_act=self._seat, **tell)
        small: Json = {"size": "small", "margin": (0, 10, 8, 10)}
        self.only = pmui.Select(label="Strategy", options=[ALL], value=ALL, width=220, **small)
        self.way = pmui.RadioButtonGroup(options=[], value=None, size="small", margin=(4, 10, 8, 10))
        self.person = pmui.TextInput(label="Who", placeholder="your name", width=150, **small)
        self.reason = pmui.TextInput(label="Why", placeholder="kept with the promotion for good", width=330, **small)
        self.ask = pmui.Button(label="Ask the gates", variant="outlined", margin=(4, 10, 8, 10))
        self.promote = pmui.Button(label="Promote", color="primary", margin=(4, 10, 8, 10))
        self.about = pmui.Typography("Choose a version.", margin=(0, 10, 6, 12))
        self._rows: list[Json] = []
        self._details: Json = {}
        self._difference: Json = {}
        self._verdicts: dict[str, list[Json]] = {}
        self._base = ""
        self._seats: list[Json] = []

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
        """Fetch the versions and begin with the newest."""
        await self._refresh()
        if self._rows:
            await self._choose(self._rows[0]["version"])
        self._show()

    def push(self) -> None:
        """Send nothing: this page changes when its person or a promotion changes something."""

    # --- what the desk says ------------------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        self._rows = await self.feed.ask("GET", "/api/versions", params={"limit": 1000})
        self._seats = await self.feed.ask("GET", "/api/seats")
        names = [ALL, *sorted({row["name"] for row in self._rows})]
        if names != self.only.options:
            self.only.options = names

    async def _choose(self, version: str, base: str = "") -> None:
        self._details = await self.feed.ask("GET", f"/api/versions/{version}")
        self._verdicts = {}
        line = self._details["lineage"]
        self._base = base or (line[-2]["version"] if len(line) > 1 else "")
        self._difference = {}
        if self._base and self._base != version:
            self._difference = await self.feed.ask("GET", f"/api/versions/{version}/difference/{self._base}")
        ways = list(self._details["ways"])
        self.way.param.update(options=ways, value=ways[0] if ways else None)

    # --- what a person does ------------------------------------------------------------------------------------------

    async def _version(self, verb: str, row: str, values: dict[str, str]) -> None:
        if verb == "pick":
            await self._choose(row)
        elif verb == "base" and self._details:
            await self._choose(self._details["version"], row)
        self._show()

    async def _seat(self, verb: str, row: str, values: dict[str, str]) -> None:
        body = rows.words_of(str(self.person.value or ""), str(self.reason.value or ""))
        await self._done(await self.feed.ask("POST", f"/api/seats/{row}/rollback", json=body))

    async def _filtered(self, event: Any) -> None:
        self._show()

    async def _chosen_way(self, event: Any) -> None:
        self._show()

    async def _judge(self, event: Any) -> None:
        await self._carefully(self.ask, "the gates are asked: backtests run, this can take a while", self._ask_gates)

    async def _promote(self, event: Any) -> None:
        await self._carefully(self.promote, "the gates are asked, then it is promoted", self._ask_promotion)

    async def _carefully(self, button: Any, text: str, act: Any) -> None:
        # A second press while the first one runs is not a second promotion.
        if button.disabled:
            return
        self.ask.disabled = self.promote.disabled = True
        try:
            self.tell(text)
            await act()
        except WorkbenchError as error:
            self.tell(str(error), "alarm")
        finally:
            self.ask.disabled = self.promote.disabled = False

    async def _ask_gates(self) -> None:
        version, to = self._aim()
        found = await self.feed.ask("POST", f"/api/versions/{version}/judge", json={"to": to}, timeout=GATES_S)
        self._details = await self.feed.ask("GET", f"/api/versions/{version}")
        self._verdicts[to] = found
        failed = sum(not v["passed"] for v in found)
        self.tell(f"{len(found) - failed} of {len(found)} gates to {to} pass", "warn" if failed else "ok")
        self._show()

    async def _ask_promotion(self) -> None:
        version, to = self._aim()
        body = {"to": to, **rows.words_of(str(self.person.value or ""), str(self.reason.value or ""))}
        told = await self.feed.ask("POST", f"/api/versions/{version}/promote", json=body, timeout=GATES_S)
        await self._done(told)
        if not told["passed"]:
            self._verdicts[to] = told["verdicts"]
            self.way.value = to
            self._show()

    def _aim(self) -> tuple[str, str]:
        if not self._details or not self.way.value:
            raise InputError("choose a version that can go somewhere: a retired one stays retired")
        return self._details["version"], str(self.way.value)

    async def _done(self, told: Json) -> None:
        await self._refresh()
        await self._choose(self._details.get("version") or told["version"], self._base)
        if told["passed"]:
            self.reason.value = ""
        self.tell(*rows.outcome(told))
        self._show()

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _show(self) -> None:
        details, to = self._details, str(self.way.value or "")
        chosen = [row for row in self._rows if self.only.value in (ALL, row["name"])]
        self.versions.rows(
            rows.VERSION_HEADS, rows.version_rows(chosen), picked=details.get("version"),
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
