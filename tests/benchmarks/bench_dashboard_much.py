"""A dashboard with much to show: 100,000 trades, a heat map of 5,000 cells, ten sessions, fifty strategies.

Results are made by the desk's own jobs from a seeded market, and opened on the real pages by a headless Chromium that
draws in software. *Opens* is the time in the browser from the click (or from the begin of the navigation, with nothing
of the page loaded) until numbers, chart and table of this result have been painted; the median of several.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.bench_dashboard import RATE, _row, dashboard, watch
from tests.benchmarks.harness import Row
from tests.benchmarks.walk import minute_bars
from tests.browser.harness import TOKEN, chromium, installed_browser
from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.domain.contract import parse_contract
from workbench.rules.load import parse_strategy
from workbench.services.strategies import shipped_folder
from workbench.storage.bars import BarStore
from workbench.storage.registry import Registry

CONTRACT = parse_contract("MESH22").id
BARS, SWEPT_UNTIL = 510_000, "2022-01-14"
TRADES, CELLS, SESSIONS, STRATEGIES, ORDERS = 100_000, 5_000, 10, 50, 600
FAST = {"fast": 2, "slow": 5}  # turns about every fifth bar
TIMES, FRESH = 6, 3
SWEEP = 2  # its place among the runs, the newest first
PATIENCE_MS = 90_000

# Every node, in shadow roots, too; then `after(begun, done)`: milliseconds until done() holds and has been painted.
TOOLS = """
window.nodes = (css, root = document) => [...root.querySelectorAll(css),
  ...[...root.querySelectorAll('*')].flatMap(n => n.shadowRoot ? nodes(css, n.shadowRoot) : [])];
window.after = (begun, done) => new Promise(tell => {
  const look = () => { if (!done()) return requestAnimationFrame(look);
    requestAnimationFrame(() => { const c = new MessageChannel();
      c.port1.onmessage = () => tell(performance.now() - begun()); c.port2.postMessage(0); }); };
  look(); });
window.grid = title => nodes('.wb-grid').find(n => n.getAttribute('aria-label') === title);
window.shown = n => n && n.checkVisibility() && n.getClientRects().length;
window.traded = text => {
  const trades = grid('Trades'), sheet = nodes('.wb-sheet h2')[0], curve = nodes('.wb-curve')[0];
  return sheet && sheet.textContent.includes(text) && shown(curve) && Number(curve.dataset.points) > 100
    && shown(trades) && trades.querySelectorAll('tbody tr').length === 25
    && /of 1\\d\\d,\\d\\d\\d/.test(trades.innerText); };
window.mapped = cells => {
  const heat = nodes('.wb-heat')[0];
  return shown(heat) && heat.dataset.drawn === String(cells); };
window.clicked = () => { window.t0 = null;
  document.addEventListener('click', () => { window.t0 = performance.now(); }, { capture: true, once: true }); };
"""


class BusyDesk(FakeDesk):
    """Ten sessions on five accounts, and a day with many orders and fills."""

    async def snapshot(self) -> dict[str, Any]:
        """Return the one session and the one account of the invented desk many times."""
        told = await super().snapshot()
        account, session = told["accounts"][0], told["sessions"][0]
        told["accounts"] = [{**account, "account": 1001 + n} for n in range(SESSIONS // 2)]
        told["sessions"] = [
            {**session, "session": f"sma-cross-{n + 1}", "account": 1001 + n // 2} for n in range(SESSIONS)
        ]
        return told

    async def orders(self, account: int | None) -> list[dict[str, Any]]:
        """Return what works, and what was filled before."""
        entry, *working = await super().orders(account)
        return [*({**entry, "order_id": 8_000 + n, "at": entry["at"] - n} for n in range(ORDERS)), *working]

    async def fills(self, account: int | None) -> list[dict[str, Any]]:
        """Return a fill for each filled order."""
        (fill,) = await super().fills(account)
        return [{**fill, "trade_id": n, "order_id": 8_000 + n, "at": fill["at"] - n * 10**10} for n in range(ORDERS)]


def fill_home(desk: FakeDesk) -> None:
    """Put bars and fifty strategies into the desk's home."""
    BarStore(desk.home.market).write(CONTRACT, "1m", minute_bars(BARS), source="benchmark")
    registry, text = Registry(desk.home), (shipped_folder() / "sma_cross.yaml").read_text()
    for n in range(STRATEGIES):
        registry.register(parse_strategy(text.replace("sma_cross", f"sma_cross_{n}"), where="benchmark"), at=n + 1)


def run_jobs(url: str) -> list[int]:
    """Run two backtests and a sweep; return the numbers of trades and of combinations."""
    asked = {"strategy": "sma_cross", "contract": CONTRACT, "timeframe": "1m"}
    ranges = {"fast": "2:51:1", "slow": "52:151:1"}
    bodies = [
        ("/api/sweeps", {**asked, "end": SWEPT_UNTIL, "values": ranges}),
        *(("/api/backtests", {**asked, "parameters": {**FAST, "target": far}}) for far in (8.0, 6.0)),
    ]
    found = []
    with httpx.Client(base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=60) as desk:
        for path, body in bodies:
            job = desk.post(path, json=body).raise_for_status().json()
            while job["state"] in ("queued", "running"):
                time.sleep(0.2)
                job = desk.get(f"/api/jobs/{job['id']}").json()
            if job["state"] != "done":
                raise RuntimeError(f"{path} ended as {job['state']}: {job['error']}")
            found.append(job["result"].get("trades_in_all") or job["result"]["combinations"])
    return found


@contextmanager
def opened(browser: Any, link: str, name: str) -> Iterator[Any]:
    """Open a page of the dashboard in a browser that has nothing of it yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(TOOLS)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(link.replace("/live", "/health", 1))
    page.wait_for_url("**/health")  # the token of the link has become a cookie
    page.goto(f"{link.partition('/live')[0]}/{name}", wait_until="commit")
    yield page
    context.close()


def show(page: Any, run: int, done: str) -> float:
    """Press Show of a run, counted from the newest, and return the seconds until it was painted."""
    row = page.get_by_role("region", name="Runs").locator("tbody tr").nth(run)
    button = row.get_by_role("button", name="Show")
    button.wait_for()
    page.evaluate("""nodes('.wb-heat, .wb-curve').forEach(n => { delete n.dataset.drawn; delete n.dataset.points; });
                     nodes('.wb-sheet h2').forEach(n => { n.textContent = ''; }); clicked()""")
    button.click()
    return float(page.evaluate(f"after(() => t0, () => t0 && {done})")) / 1e3


def lab(browser: Any, link: str) -> dict[str, float]:
    """Return how long the lab takes to open results, and a page of trades."""
    begun, heats, pages = [], [], []
    for _ in range(FRESH):
        with opened(browser, link, "lab") as page:
            begun.append(float(page.evaluate("after(() => 0, () => traded('fast 2'))")) / 1e3)
            heats.append(show(page, SWEEP, f"mapped({CELLS})"))
    with opened(browser, link, "lab") as page:
        page.evaluate("after(() => 0, () => traded('fast 2'))")
        # In turn: what is shown already would not be drawn anew.
        trades = [show(page, (n + 1) % 2, "traded('fast 2')") for n in range(TIMES)]
        for _ in range(TIMES):
            where = page.evaluate("grid('Trades').querySelector('.wb-pages span').textContent")
            page.evaluate("clicked()")
            page.get_by_role("region", name="Trades").get_by_role("button", name="older ›").click()
            moved = f"grid('Trades').querySelector('.wb-pages span').textContent !== {where!r}"
            pages.append(float(page.evaluate(f"after(() => t0, () => t0 && {moved})")) / 1e3)
    seen = {"navigated": begun, "trades": trades, "heat": heats, "page": pages}
    return {name: statistics.median(values) for name, values in seen.items()}


def live(browser: Any, link: str, server: Any, desk: FakeDesk) -> dict[str, float]:
    """Return what a viewer of the busy live desk sees, and costs."""
    with opened(browser, link, "live") as page:
        page.wait_for_selector("text=Day P&L")
        return watch(page, server, desk)


def rows() -> list[Row]:
    """Measure opening much, and watching much."""
    if installed_browser() is None:
        return [Row(name="much on the dashboard (no Chromium here)", ours=float("nan"), aim="Chromium", met=False)]
    desk = BusyDesk(rate=RATE)
    fill_home(desk)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(build_app(desk, token=TOKEN)) as url,
        dashboard(url, Path(folder)) as (link, server, _),
        chromium() as browser,
    ):
        cells, trades, _ = run_jobs(url)
        if trades < TRADES or cells != CELLS:
            raise RuntimeError(f"the benchmark is about {TRADES} trades and {CELLS} cells, not {trades} and {cells}")
        found = lab(browser, link)
        seen = live(browser, link, server, desk)
    many = f"{SESSIONS} sessions, {ORDERS} orders"
    return [
        _row(f"lab: {trades:,} trades open after a click", found["trades"], 2.0, "s"),
        _row(f"lab: {trades:,} trades open with the page, nothing cached", found["navigated"], 4.0, "s"),
        _row("lab: the next page of these trades", found["page"], 0.3, "s"),
        _row(f"lab: heat map of {cells:,} cells", found["heat"], 1.0, "s"),
        _row(f"live desk with {many}: updates painted of 20 a second", seen["painted"], 12.0, "updates/s", more=True),
        _row(f"live desk with {many}: price to screen, p95", seen["p95"], 0.3, "s"),
        _row(f"live desk with {many}: frames a second", seen["fps"], 30.0, "frames/s", more=True),
        _row(f"live desk with {many}: server CPU per viewer", 100 * seen["cpu"], 15.0, "% of a core"),
    ]
