"""The rule builder: conditions from lists, the file beside them, what is odd about it, and what a bar says to it."""

from __future__ import annotations

import asyncio
from typing import Any

import panel_material_ui as pmui
import param

from workbench.apps import rules_form as forms
from workbench.apps import rules_rows as rows
from workbench.apps.chart import library, script
from workbench.apps.feed import DeskFeed
from workbench.apps.frame import shifted, short, tick_of
from workbench.apps.grid import Grid
from workbench.apps.parts import Shown
from workbench.apps.rules_words import SERIES, words
from workbench.apps.visit import Visit
from workbench.domain.errors import InputError, WorkbenchError

NEW = "a new one"
FRAMES = ["5m", "15m", "30m", "1h", "4h", "1d"]
EXPLAIN_S = READ_S = 60.0
BARS, BARS_S = 600, 3.0
MARGIN = (0, 10, 10, 10)
Json = dict[str, Any]


class RuleEditor(Shown):
    """The form and the text. Sends ``{"act": "form", "form"}`` or ``{"act": "text", "text"}``, and the `turn`."""

    _esm = script("theme.js", "rules.js")


class BarPicker(Shown):
    """Candles of which one is chosen. Sends ``{"act": "bar", "time"}``, times as it was given them."""

    height_px = param.Integer(default=280)

    _esm = library() + "\n" + script("theme.js", "pick.js")


class RulesPage(Visit):
    """One visitor's strategy in the making."""

    name = "rules"

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        small: Json = {"size": "small", "margin": (0, 10, 8, 10)}
        self.editor, self.picker = RuleEditor(), BarPicker()
        self.told = Grid(title="What the chosen bar says")
        self.stored = pmui.Select(label="Begin with", options=[NEW], value=NEW, width=230, **small)
        self.contract = pmui.Select(label="Explain on", options=[], value=None, width=230, **small)
        self.person = pmui.TextInput(label="Who", placeholder="your name", width=150, **small)
        self.save = pmui.Button(label="Save as a version", color="primary", margin=(0, 10, 8, 10))
        self.form, self.text = forms.empty(), ""
        self._checked: Json = {}
        self._bars: list[Json] | None = None  # None: the chart is to be drawn
        self._shown = ("", "")  # contract and timeframe of those
        self._contracts: set[str] = set()  # that are stored
        self._bar: int | None = None  # the chosen one, as the chart knows its time
        self._asked = self._explained = 0

    def body(self) -> list[Any]:
        """Return the editor, the bars, and what the chosen one says."""
        for part in (self.editor, self.picker, self.told):
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        self.editor.on_msg(self._edited)
        self.picker.on_msg(self._picked)
        self.stored.param.watch(self._load, "value")
        self.save.on_click(self._save)
        wide: Json = {"sizing_mode": "stretch_width", "align_items": "center"}
        top = pmui.FlexBox(self.stored, self.person, self.save, **wide)
        return [top, self.editor, pmui.FlexBox(self.contract, **wide), self.picker, self.told]

    async def loaded(self) -> None:
        """Fetch what is stored, to begin with; then the bars of the text's timeframe, again and again."""
        self._nothing_chosen()
        stored, _ = await asyncio.gather(self.feed.ask("GET", "/api/data", timeout=READ_S), self._names())
        self._contracts = {row["contract"] for row in stored}
        while True:
            await self._fetch_bars()
            await asyncio.sleep(BARS_S)

    def push(self) -> None:
        """Offer the contracts that the desk has data of, live ones first; the rest changes when its person acts."""
        live = {row["contract"] for row in (self.feed.snapshot or {}).get("data", [])}
        found = [*sorted(live), *sorted(self._contracts - live)]
        if found and found != self.contract.options:
            kept = self.contract.value if self.contract.value in found else found[0]
            self.contract.param.update(options=found, value=kept)

    def _nothing_chosen(self) -> None:
        self._bar = None
        told = "choose a bar on the candles: every condition is shown as it was then"
        self.told.rows(rows.EXPLAIN_HEADS, [], empty=told)

    async def _fetch_bars(self) -> None:
        frame = self._checked.get("timeframe") if self._checked.get("ok") else None
        if frame is None or not self.contract.value:
            return
        key = (str(self.contract.value), str(frame))
        asked = {"contract": key[0], "timeframe": key[1], "limit": BARS}
        try:
            bars = (await self.feed.ask("GET", "/api/bars", params=asked))[:-1]  # nothing is decided on a forming bar
        except WorkbenchError as error:
            self._show_bars(f"no bars: {error}", [], key[0])
            self._bars = None
            return
        if key != self._shown:
            self._shown, self._bars = key, None
            self._nothing_chosen()
        if bars != self._bars:
            self._bars = bars
            title = f"{short(key[0])} · {key[1]}"
            self._show_bars(title if bars else f"{title} · no bars of the last days", bars, key[0])

    def _show_bars(self, title: str, bars: list[Json], contract: str) -> None:
        tick, decimals = tick_of(contract)
        drawn = [{**bar, "time": shifted(bar["time"])} for bar in bars]
        self.picker.show({"title": title, "bars": drawn, "tick": tick, "decimals": decimals})

    # --- the form and the text ---------------------------------------------------------------------------------------

    async def _edited(self, event: Any) -> None:
        message = event.data
        if message["act"] == "hello":
            self.editor.show({"words": list(words()), "series": list(SERIES), "frames": FRAMES})
            await self._take(self.text or forms.to_yaml(self.form))
        elif message["act"] == "form":
            self.form = message["form"]
            self.text = forms.to_yaml(self.form)
            self.editor.show({"text": self.text, "turn": message.get("turn")})
            await self._check()
        elif message["act"] == "text":
            await self._take(str(message["text"]), message.get("turn"))

    async def _take(self, text: str, turn: int | None = None) -> None:
        self.text = text
        try:
            self.form = forms.from_yaml(text)
            self.editor.show({"text": text, "form": self.form, "unread": "", "turn": turn})
        except InputError as error:
            self.editor.show({"text": text, "unread": str(error), "turn": turn})
        await self._check()

    async def _check(self) -> None:
        self._asked += 1
        mine = self._asked
        try:
            checked = await self.feed.ask("POST", "/api/strategies/check", json={"source": self.text or " "})
            shown = rows.findings(checked)
        except WorkbenchError as error:
            checked, shown = {"ok": False}, [(f"▲ not checked: {error}", "warn")]
        if mine == self._asked:  # a later change has asked again: its answer counts
            self._checked = checked
            self.editor.show({"findings": [list(one) for one in shown]})
            if checked["ok"] and self._bar is not None:  # what is said of the bar is said of this text
                await self._explain(self._bar)

    # --- stored versions ---------------------------------------------------------------------------------------------

    async def _names(self) -> None:
        versions = await self.feed.ask("GET", "/api/versions", params={"limit": 1000})
        names = sorted({row["name"] for row in versions if row["kind"] == "yaml"})
        self.stored.options = [NEW, *names]

    async def _load(self, event: Any) -> None:
        try:
            if self.stored.value == NEW:
                await self._take(forms.to_yaml(forms.empty()))
            else:
                await self._take((await self.feed.ask("GET", f"/api/strategies/{self.stored.value}"))["source"])
        except WorkbenchError as error:
            self.tell(str(error), "alarm")

    async def _save(self, event: Any) -> None:
        person = str(self.person.value or "").strip()
        if not person:
            self.tell("write who you are: the name is kept with the version", "alarm")
            return
        try:
            made = await self._stored({"source": self.text, "person": person})
            await self._names()
        except WorkbenchError as error:
            self.tell(str(error), "alarm")
            return
        self.tell(f"saved: {made['name']}@{made['version'][:8]} is a {made['state']}; its gates are on Promote", "ok")

    async def _stored(self, body: Json) -> Json:
        # Whose next version it is says this very text, not what was checked last, nor the list of some time ago.
        checked = await self.feed.ask("POST", "/api/strategies/check", json={"source": body["source"]})
        await self._names()
        name = checked.get("name")
        known = name in self.stored.options
        method, path = ("PUT", f"/api/strategies/{name}") if known else ("POST", "/api/strategies")
        made: Json = await self.feed.ask(method, path, json=body)
        return made

    # --- one bar -----------------------------------------------------------------------------------------------------

    async def _picked(self, event: Any) -> None:
        if event.data["act"] == "hello":
            self._bars = None
            return
        await self._explain(event.data["time"])

    async def _explain(self, at: int) -> None:
        bar = next((b for b in self._bars or [] if shifted(b["time"]) == at), None)
        if bar is None:
            return
        self._bar = at
        self._explained += 1
        mine = self._explained
        body = {"source": self.text, "contract": self.contract.value, "at": bar["time"]}
        try:
            told = await self.feed.ask("POST", "/api/strategies/explain", json=body, timeout=EXPLAIN_S)
        except WorkbenchError as error:
            self.tell(str(error), "alarm")
            return
        if mine == self._explained:
            self.told.rows(rows.EXPLAIN_HEADS, rows.explain_rows(told), note=f"at the close of {told['bar']} CT")


page = RulesPage
