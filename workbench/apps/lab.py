"""The lab: choose a strategy, change its parameters, run it on stored bars, and judge what came of it."""

from __future__ import annotations

import asyncio
from typing import Any

from workbench.apps import lab_form as form
from workbench.apps import lab_heat as heat
from workbench.apps import lab_rows as rows
from workbench.apps.feed import DeskFeed
from workbench.apps.grid import Grid
from workbench.apps.lab_parts import Curve, Form, Heat, Sheet
from workbench.apps.visit import Visit

Json = dict[str, Any]
MARGIN = (0, 10, 10, 10)
READ_S = 60.0  # a desk whose cores compute a sweep answers late
LOOK_S, IDLE_S = 0.4, 3.0  # between two looks at the jobs, while one runs and while none does
MODE_OF = {"backtest": "backtest", "sweep": "sweep", "walk_forward": "walk"}
RUN = {"backtest": "Run the backtest", "sweep": "Run the sweep", "walk": "Run the walk-forward"}


class LabPage(Visit):
    """The lab of one visitor; what it runs are jobs of the desk, which go on when the page is closed."""

    name = "lab"
    frame_s = 0.4

    def __init__(self, feed: DeskFeed) -> None:
        super().__init__(feed)
        tell: dict[str, Any] = {"tell": self.tell}
        self.form = Form(title="What to run", on_act=self._asked, **tell)
        self.sheet, self.curve = Sheet(title="Result"), Curve(title="Equity")
        self.heat = Heat(title="Heat map", on_act=self._on_heat, **tell)
        self.best = Grid(title="Best combinations", on_act=self._on_best, **tell)
        self.windows = Grid(title="Windows")
        self.versus = Grid(title="Side by side: A is shown, B is compared with")
        self.trades = Grid(title="Trades", by_time=True, on_act=self._on_trades, **tell)
        self.runs = Grid(title="Runs", by_time=True, searchable=True, on_act=self._on_run, **tell)
        self.strategies: list[Json] = []
        self.stored: list[Json] = []
        self.jobs: list[Json] = []
        self.values: dict[str, str] = {}
        self.mode, self.subject, self.stamp = "backtest", "", 0
        self.shown: Json | None = None  # a job with its result
        self.beside: Json | None = None
        self.axes: dict[str, str] = {}
        self.page = 0
        self.page_rows: list[Json] = []
        self._pushed: tuple[Any, ...] | None = None  # what of the result has been sent
        self._awaited: str | None = None
        self._starting = False
        self._look = asyncio.Event()

    def body(self) -> list[Any]:
        """Return the form, the result, and the runs."""
        parts: list[Any] = [
            self.form, self.sheet, self.heat, self.curve, self.versus, self.best, self.windows, self.trades, self.runs,
        ]  # fmt: skip
        for part in parts:
            part.param.update(sizing_mode="stretch_width", margin=MARGIN)
        for part in (self.heat, self.versus, self.best, self.windows, self.trades, self.curve):
            part.visible = False
        return parts

    async def loaded(self) -> None:
        """Fetch what can be run, what is stored, and the newest result; then follow the runs."""
        asked = (self.feed.ask("GET", path, timeout=60) for path in ("/api/runnable", "/api/data"))
        strategies, self.stored, _ = await asyncio.gather(*asked, self._newest())
        names = [row["strategy"] for row in strategies]
        if self.subject not in names:  # what a person chose stays when the desk was away
            self.subject = "sma_cross" if "sma_cross" in names else (names[0] if names else "")
        self.strategies = strategies
        await self._follow()

    async def _newest(self) -> None:
        self.jobs = await self.feed.ask("GET", "/api/jobs")
        last = next((job for job in self.jobs if job["kind"] == "backtest" and job["state"] == "done"), None)
        if last is not None and self.shown is None:
            await self._show(last["id"])

    async def _follow(self) -> None:
        while True:
            self._look.clear()
            self.jobs = await self.feed.ask("GET", "/api/jobs", timeout=READ_S)
            awaited = next((job for job in self.jobs if job["id"] == self._awaited), None)
            if awaited is not None and awaited["state"] in rows.OVER:
                self._awaited = None
                if awaited["state"] == "done":
                    await self._show(awaited["id"])
                elif awaited["state"] == "failed":
                    self.tell(f"the {rows.KINDS[awaited['kind']].lower()} failed: {awaited['error']}", "alarm")
            pause = IDLE_S if rows.going(self.jobs) is None else LOOK_S
            try:
                async with asyncio.timeout(pause):
                    await self._look.wait()
            except TimeoutError:
                continue

    # --- what is shown -----------------------------------------------------------------------------------------------

    def push(self) -> None:
        """Send what has changed."""
        names = {row["strategy"]: row["name"] for row in self.strategies}
        if self.strategies:
            self._push_form()
        elif self.shown is None:
            self.sheet.say({"empty": "Reading strategies and what is stored…"})
            return
        shown, beside = (None if job is None else job["id"] for job in (self.shown, self.beside))
        self.runs.rows(rows.RUN_HEADS, rows.run_rows(self.jobs, names, shown, beside), empty="no runs yet")
        result = (self.shown, self.beside, dict(self.axes), self.page, self.page_rows, names)
        if result != self._pushed:  # a large result is worked out once, not at every frame
            self._pushed = result
            self._push_result(names)

    def _push_result(self, names: dict[str, str]) -> None:
        kind = None if self.shown is None else self.shown["kind"]
        self.curve.visible = kind in ("backtest", "walk_forward")
        self.trades.visible, self.windows.visible = kind == "backtest", kind == "walk_forward"
        self.heat.visible = self.best.visible = kind == "sweep"
        self.versus.visible = kind == "backtest" and self.beside is not None
        if self.shown is None or kind == "backtest":
            self._push_backtest(names)
        elif kind == "sweep":
            self._push_sweep(self.shown["result"])
        else:
            self._push_walk(self.shown["result"])

    def _strategy(self) -> Json:
        return next((row for row in self.strategies if row["strategy"] == self.subject), self.strategies[0])

    def _held(self) -> tuple[Json, list[Json], dict[str, str]]:
        strategy = self._strategy()
        groups = form.groups(strategy, self.stored, self.values, self.mode)
        return strategy, groups, form.held(groups)

    def _push_form(self) -> None:
        strategy, groups, values = self._held()
        words, tone = form.estimate(strategy, values, self.mode)
        options = [[row["strategy"], form.strategy_label(row)] for row in self.strategies]
        self.form.say(
            {
                "mode": self.mode,
                "modes": [list(pair) for pair in form.MODES.items()],
                "subject": {"label": "Strategy", "value": strategy["strategy"], "options": options},
                "about": f"{strategy['description']} Made for {', '.join(strategy['roots'])}.",
                "stamp": self.stamp,
                "groups": groups,
                "buttons": [["run", RUN[self.mode], True], ["reset", "Values as declared", False]],
                "words": words,
                "tone": tone,
                "going": rows.going(self.jobs),
            }
        )

    def _push_backtest(self, names: dict[str, str]) -> None:
        self.sheet.say(rows.sheet(self.shown, self.beside, names))
        self.curve.say(rows.curve(self.shown, self.beside))
        if self.shown is None:
            return
        total, contract = self.shown["result"]["trades_in_all"], self.shown["asked"].get("contract")
        self.trades.rows(
            rows.TRADE_HEADS, rows.trade_rows(self.page_rows, contract, self.page * rows.TRADES_A_PAGE),
            empty="no trades", page=self.page, page_size=rows.TRADES_A_PAGE, total=total,
        )  # fmt: skip
        if self.beside is not None:
            self.versus.rows(rows.COMPARE_HEADS, rows.comparison(self.shown, self.beside))

    def _push_sweep(self, result: Json) -> None:
        self.sheet.say(heat.verdict(result))
        self.heat.say(heat.heat(result, **self.axes))
        self.best.rows(heat.top_heads(result), heat.top_rows(result), empty="no combination has a value")

    def _push_walk(self, result: Json) -> None:
        self.sheet.say(heat.walk_sheet(result))
        self.curve.say(rows.curve({"result": result}, None))
        self.windows.rows(heat.window_heads(result), heat.window_rows(result))

    # --- what a person asks for --------------------------------------------------------------------------------------

    async def _asked(self, act: str, job: str, values: dict[str, str]) -> None:
        if act == "cancel":
            await self._on_run("cancel", job, {})
            return
        if act == "reset":
            keep = {"contract", "timeframe", "start", "end", "slippage_ticks", "programme"}
            self.values = {name: value for name, value in self.values.items() if name in keep}
            self.stamp += 1
            self._push_form()
            return
        self.mode = values.pop("mode", self.mode)
        chosen = values.pop("subject", self.subject)
        if chosen != self.subject:
            self.subject, self.values = chosen, {}
            self.stamp += 1
        self.values |= values
        self._push_form()
        if act == "run":
            await self._run()

    async def _run(self) -> None:
        strategy, _, values = self._held()
        method, path, body = form.request(strategy, values, self.mode)
        if self._starting:  # a double click
            return
        self._starting = True
        try:
            job = await self.feed.ask(method, path, json=body)
        finally:
            self._starting = False
        self.jobs = [job, *self.jobs]
        self._awaited = job["id"]
        self._look.set()
        self.tell("")

    async def _show(self, job: str) -> None:
        found = await self.feed.ask("GET", f"/api/jobs/{job}", timeout=60)
        self.axes, self.page = {}, 0
        if found["kind"] == "backtest":
            self.page_rows = await self._trades(found, 0)
        else:
            self.beside = None
        if self.beside is not None and self.beside["id"] == job:
            self.beside = None
        self.shown = found

    async def _trades(self, job: Json, page: int) -> list[Json]:
        if not job["result"]["trades_in_all"]:
            return []
        params = {"limit": rows.TRADES_A_PAGE, "offset": page * rows.TRADES_A_PAGE, "order": "newest"}
        found: list[Json] = await self.feed.ask("GET", f"/api/jobs/{job['id']}/trades", params=params, timeout=60)
        return found

    async def _on_trades(self, act: str, row: str, values: dict[str, str]) -> None:
        if act == "page" and self.shown is not None:
            page, shown = max(0, int(row)), self.shown
            found = await self._trades(shown, page)
            if shown is self.shown:  # another run may have been opened meanwhile
                self.page_rows, self.page = found, page
                self.push()

    async def _on_run(self, act: str, job: str, values: dict[str, str]) -> None:
        if act == "cancel":
            await self.feed.ask("POST", f"/api/jobs/{job}/cancel")
            self.tell("the run was ended", "ok")
            self._look.set()
        elif act == "show":
            await self._show(job)
        elif act == "beside":
            self.beside = await self.feed.ask("GET", f"/api/jobs/{job}", timeout=60)
        elif act == "apart":
            self.beside = None

    async def _on_heat(self, act: str, cell: str, values: dict[str, str]) -> None:
        if act == "axes":
            self.axes |= values
            if self.axes.get("x") == self.axes.get("y"):
                self.axes.pop("y", None)
            self.push()
        elif act == "cell":
            self._take(values)
            self._push_form()
            self.tell(", ".join(f"{k} {v}" for k, v in values.items()) + ": in the form, ready to be run alone", "ok")

    async def _on_best(self, act: str, row: str, values: dict[str, str]) -> None:
        if self.shown is None or act != "run":
            return
        found, names = self.shown["result"]["top"][int(row)], [p["name"] for p in self._strategy()["parameters"]]
        self._take({name: form.shown(found[name]) for name in names if name in found})
        await self._run()

    def _take(self, values: dict[str, str]) -> None:
        # All else stays what it was when the sweep was asked: the same bars, the same costs.
        asked = (self.shown or {"asked": {}})["asked"]
        fixed = {n: form.shown(v) for n, v in asked.get("values", {}).items() if not isinstance(v, list)}
        known = {row["strategy"] for row in self.strategies}
        if asked.get("strategy") in known and asked["strategy"] != self.subject:
            self.subject, self.values = asked["strategy"], {}
        self.values |= {**form.setting(asked), **fixed, **values}
        self.mode = "backtest"
        self.stamp += 1


page = LabPage
