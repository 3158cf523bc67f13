"""The live desk fed 20 updates a second: what is painted, how late, and what a viewer costs the server.

The desk is an invented one in this process, whose market second is 50 ms; the dashboard is a process of its own, as a
person runs it; the viewer is a headless Chromium that draws in software. *Price to screen* is the time from the
begin of a market second at the desk until the page has painted the clock of that second.
``WORKBENCH_SOAK_S=600`` watches the server's memory for ten minutes instead of one.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.benchmarks.harness import Row
from tests.browser.harness import TOKEN, chromium, installed_browser
from tests.fakes.desk import HISTORY_S, OPEN_AT, FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app

RATE = 20.0
WATCH_S, SETTLE_S = 20.0, 6.0
PAGE_TOKEN = "the-token-of-the-page"
OBSERVE = """() => {
  window.painted = []; window.frames = 0;
  const find = (root) => {
    if (root.querySelector('.wb-clock')) return root;
    for (const el of root.querySelectorAll('*')) {
      const inner = el.shadowRoot && find(el.shadowRoot);
      if (inner) return inner;
    }
  };
  const clock = find(document);
  let last = '';
  const look = () => { window.frames++;
    const text = clock.querySelector('.wb-clock')?.textContent || '';
    if (text !== last) { last = text; window.painted.push([text, Date.now()]); }
    requestAnimationFrame(look); };
  window.began = performance.now(); requestAnimationFrame(look); }"""


@contextmanager
def dashboard(desk_url: str, home: Path) -> Iterator[tuple[str, psutil.Process, float]]:
    """Run `workbench dashboard` beside the desk; give its link, its process and the seconds until it served a page."""
    environment = {
        **os.environ, "WORKBENCH_HOME": str(home), "WORKBENCH_DESK_URL": desk_url, "WORKBENCH_API_TOKEN": TOKEN,
        "WORKBENCH_DASHBOARD_TOKEN": PAGE_TOKEN,
    }  # fmt: skip
    command = [sys.executable, "-m", "workbench.cli", "dashboard", "--port", "0", "--json"]
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        link = json.loads(process.stdout.readline())["link"]
        headers = {"authorization": f"Bearer {PAGE_TOKEN}"}
        while True:
            try:
                if httpx.get(link.split("?")[0], headers=headers, timeout=5, trust_env=False).is_success:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.02)
        yield link, psutil.Process(process.pid), time.monotonic() - begun
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def watch(page: Any, server: psutil.Process, desk: FakeDesk) -> dict[str, float]:
    """Let the page run and return what was painted, how late, and what it cost."""
    time.sleep(SETTLE_S)
    page.evaluate(OBSERVE)
    used = sum(server.cpu_times()[:2])
    began = time.monotonic()
    page.wait_for_timeout(1e3 * WATCH_S)
    took_s = time.monotonic() - began
    cpu = (sum(server.cpu_times()[:2]) - used) / took_s
    painted, frames = page.evaluate("[window.painted, window.frames]")
    offset = time.time() - time.monotonic()
    late = []
    for text, at_ms in painted[1:]:
        second = _market_second(text)
        made = desk._began + (second - HISTORY_S) / RATE + offset
        late.append(at_ms / 1e3 - made)
    return {
        "painted": (len(painted) - 1) / took_s,
        "p50": statistics.median(late),
        "p95": statistics.quantiles(late, n=20)[-1],
        "fps": frames / took_s,
        "cpu": cpu,
    }


def _market_second(text: str) -> int:
    # "market 09:35:12 CT", six hours behind UTC; the invented day begins at 06:00 Chicago.
    hours, minutes, seconds = (int(part) for part in text.split()[1].split(":"))
    return hours * 3600 + minutes * 60 + seconds - (OPEN_AT % 86_400 - 6 * 3600)


def soak(page: Any, server: psutil.Process) -> float:
    """Return the megabytes that the server grew by while it was watched."""
    before = server.memory_info().rss
    page.wait_for_timeout(1e3 * float(os.environ.get("WORKBENCH_SOAK_S", "60")))
    return (server.memory_info().rss - before) / 2**20


def rows() -> list[Row]:
    """Measure one viewer of the live desk."""
    if installed_browser() is None:
        return [Row(name="live desk (no Chromium here)", ours=float("nan"), aim="measured with Chromium", met=False)]
    desk = FakeDesk(rate=RATE)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(build_app(desk, token=TOKEN)) as url,
        dashboard(url, Path(folder)) as (link, server, cold_s),
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(link)
        page.wait_for_selector("text=Day P&L", timeout=30_000)
        seen = watch(page, server, desk)
        grown = soak(page, server)
    return [
        _row("dashboard: updates painted of 20 a second", seen["painted"], 12.0, "updates/s", more=True),
        _row("dashboard: price to screen, median", seen["p50"], 0.15, "s"),
        _row("dashboard: price to screen, p95", seen["p95"], 0.3, "s"),
        _row("dashboard: frames a second in Chromium", seen["fps"], 30.0, "frames/s", more=True),
        _row("dashboard: server CPU per viewer", 100 * seen["cpu"], 15.0, "% of a core"),
        _row("dashboard: server memory grown while watched", max(grown, 0.01), 10.0, "MB"),
        _row("dashboard: cold start until a page is served", cold_s, 4.0, "s"),
    ]


def _row(name: str, ours: float, limit: float, unit: str, *, more: bool = False) -> Row:
    met = ours >= limit if more else ours <= limit
    aim = f"{'≥' if more else '≤'} {limit:g} {unit}"
    ratio = ours / limit if more else limit / ours
    return Row(name=name, ours=ours, other=limit, ratio=ratio, aim=aim, met=met, unit=unit)
