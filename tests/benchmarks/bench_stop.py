"""The emergency stop under load: what it costs beyond the gateway's own delays, and what it may never do.

Usage: ``python -m tests.benchmarks.bench_stop --runs 200 --file stop_runs.jsonl`` (goes on where the file ends).

Each run: the simulator (a process of its own; 150 ms from acceptance to fill, 40 ms a round trip, part fills, 500
quotes a second), the desk, a real runner with a session. 30 orders work, a position is open, five manual entries are on
their way; then ``POST /api/stop``. What is measured:

- *total*: from the moment the POST is sent to the first clean reading of the broker, both ways of the POST included.
- *gateway*: the time within it in which the gateway had something of ours in its hands on the critical path: the union
  of the spans of all requests up to the fill of the close (as the gateway saw them, arrival to answer), of the 150 ms
  from its acceptance of the close to the fill, and of the one reading that showed it; readings that were asked in vain
  count as ours once the close has filled.
- *overhead*: total - gateway. All of it is ours: latch on disk, taking the account over, encoding, scheduling, waiting
  between readings, and the loopback.

Between runs the request budgets are emptied, as if a minute had gone by.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.benchmarks.harness import Row
from workbench.api.app import build_app
from workbench.services.desk_main import serve_desk
from workbench.services.desk_service import ManualOrder, StartSession
from workbench.services.linking import make_link
from workbench.services.pauses import spare_pauses
from workbench.services.settings import load_profile
from workbench.services.supervisor import Desk
from workbench.storage.home import Home
from workbench.storage.links import save_link

ACCOUNT, CONTRACT = 1001, "CON.F.US.MES.Z26"
ORDERS = 30
FILL_S = 0.150
QUOTES_A_SECOND = 500
OPEN = (1, 6, 8)


class Bench:
    """One gateway and one desk for many runs."""

    def __init__(self, desk: Desk, gateway: str, token: str) -> None:
        self.desk, self.gateway = desk, gateway
        self.web = httpx.AsyncClient(timeout=60, trust_env=False, headers={"Authorization": f"Bearer {token}"})
        # The gateway closes a connection that was idle for 5 s, which may cross a request on it.
        short = httpx.Limits(keepalive_expiry=2)
        self.other = httpx.AsyncClient(base_url=gateway, timeout=30, trust_env=False, limits=short)

    async def control(self, what: str, body: Any = None) -> Any:
        """Ask the simulator's control plane."""
        reply = await (
            self.other.get(f"/simulator/{what}") if body is None else self.other.post(f"/simulator/{what}", json=body)
        )
        return reply.json()

    async def truth(self) -> dict[str, Any]:
        accounts = (await self.control("truth"))["accounts"]
        return dict(next(a for a in accounts if a["id"] == ACCOUNT))

    async def rest(self, path: str, token: str, **body: Any) -> Any:
        """Ask the gateway as another program of the user would: with a login, and a budget, of its own."""
        return (await self.other.post(path, json=body, headers={"authorization": f"Bearer {token}"})).json()

    async def login(self) -> str:
        reply = await self.other.post("/api/Auth/loginKey", json={"userName": "sim", "apiKey": "sim-key"})
        return str(reply.json()["token"])

    async def prepare(self, run: int) -> None:
        """A session, a long position of 3, 30 working orders: most far away, some that fill in parts at the touch."""
        await self.until(lambda: bool(self.desk.accounts))
        self.desk.tokens._token = ""  # a new login: the gateway counts requests by token
        await self.desk.start_session(StartSession(strategy="sma_cross", account=ACCOUNT, contract="MES"))
        token = await self.login()
        price = await self.price(token)
        wish = {"accountId": ACCOUNT, "contractId": CONTRACT, "customTag": None}
        await self.rest("/api/Order/place", token, **wish, type=2, side=0, size=3)
        levels = [price - 20 - n for n in range(14)] + [price + 20 + n for n in range(14)] + [price - 0.25, price]
        placing = [
            self.rest("/api/Order/place", token, **wish, type=1, side=int(p > price), size=4, limitPrice=p)
            for p in levels
        ]
        await asyncio.gather(*placing)
        async with asyncio.timeout(20):
            while True:
                truth = await self.truth()
                working = sum(o["status"] in OPEN for o in truth["orders"])
                if truth["positions"] and working >= 28 and self.runner_is_up():
                    return
                await asyncio.sleep(0.1)

    async def price(self, token: str) -> float:
        """A price at the touch, from the bar that is forming."""
        status = await self.control("status")
        body = {"startTime": stamp(status["now"] - 600 * 10**9), "endTime": stamp(status["now"] + 60 * 10**9)}
        reply = await self.rest(
            "/api/History/retrieveBars", token, contractId=CONTRACT, live=False, unit=2, unitNumber=1, limit=20,
            includePartialBar=True, **body,
        )  # fmt: skip
        return float(reply["bars"][0]["c"])

    def runner_is_up(self) -> bool:
        runner = self.desk.runners.get(ACCOUNT)
        account = runner.last.get("snapshot", {}).get("account", {}) if runner else {}
        return bool(account.get("synced")) and len(account.get("working", [])) >= 28

    async def until(self, done: Any, within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not done():
                await asyncio.sleep(0.02)

    async def one(self, run: int, mode: str) -> dict[str, Any]:
        """Prepare, press, and say what it took."""
        await self.prepare(run)
        before = await self.truth()
        pid = self.desk.runners[ACCOUNT].pid
        entries = [asyncio.ensure_future(self.enter(run, n)) for n in range(5)]
        await asyncio.sleep(0.03)
        for budget in (self.desk.rest.transport.budgets.other, self.desk.rest.transport.budgets.history):
            budget._sent.clear()
        if mode == "hung":
            os.kill(pid, signal.SIGSTOP)
        pressed = time.monotonic()
        answers = await asyncio.gather(*(self.press(mode) for _ in range(2 if mode == "two" else 1)))
        answered = time.monotonic()
        await asyncio.gather(*entries, return_exceptions=True)
        if mode == "hung":
            _resume(pid)
            await asyncio.sleep(0.2)
        answer = answers[0]
        stop = answer["accounts"][0]
        clean = answered - (answer["ms"] - (stop["clean_ms"] or answer["ms"])) / 1e3
        row = judge(await self.control("requests"), before, await self.truth(), pressed, clean)
        row |= {"run": run, "mode": mode, "result": answer["result"], "proved_ms": round((answered - pressed) * 1e3, 1)}
        with contextlib.suppress(TimeoutError):  # it closes its sockets and sees to it that the account became flat
            await self.until(lambda: not _lives(pid), 5)
        row["runner_gone"] = not _lives(pid)
        cleared = await self.web.post(f"{self.desk.url}/api/stop/clear", json={"reason": "next run", "person": "bench"})
        if cleared.is_error:
            raise RuntimeError(f"run {run} ({mode}) cannot be cleared: {cleared.text}; {row}")
        return row

    async def press(self, mode: str) -> dict[str, Any]:
        reply = await self.web.post(f"{self.desk.url}/api/stop", json={"reason": f"bench {mode}", "person": "bench"})
        return dict(reply.raise_for_status().json())

    async def enter(self, run: int, number: int) -> None:
        wish = ManualOrder(
            request=f"{run}-{number}-{time.monotonic_ns()}", account=ACCOUNT, contract="MES", side="BUY", qty=1
        )
        await self.desk.manual_order(wish)


def judge(log: Any, before: Any, after: Any, pressed: float, clean: float) -> dict[str, Any]:
    """What one stop took and did, from the gateway's own log."""
    ours = [{"ended": clean, "acted": 0.0, **r} for r in log["requests"] if pressed <= r["began"] <= clean + 0.02]
    closes = [r for r in ours if "closeContract" in r["path"]]
    filled = closes[-1]["acted"] + FILL_S if closes else pressed
    spans = [(r["began"], min(r["ended"], filled) if closes else r["ended"]) for r in ours if r["began"] < filled]
    spans += [(r["acted"], r["acted"] + FILL_S) for r in closes]
    for path in ("/api/Order/v2/query", "/api/Position/searchOpen"):
        proof = min(
            (r for r in ours if r["path"].startswith(path) and r["acted"] >= filled),
            key=lambda r: r["ended"],
            default=None,
        )
        if proof is not None:
            spans.append((max(proof["began"], filled), proof["ended"]))
    gateway = union(spans, pressed, clean)
    cancels = [r["began"] for r in ours if "/cancel" in r["path"]]
    placed = [r["began"] for r in log["requests"] if r["path"].endswith("Order/place") and r["began"] >= pressed]
    first_cancel = min(cancels, default=clean)
    return {
        "total_ms": round((clean - pressed) * 1e3, 1),
        "gateway_ms": round(gateway * 1e3, 1),
        "overhead_ms": round((clean - pressed - gateway) * 1e3, 1),
        "first_cancel_ms": round((first_cancel - pressed) * 1e3, 1),
        "requests": len([r for r in log["requests"] if r["began"] >= pressed]),
        "cancels": len(cancels),
        "limited": sum(r["status"] == 429 for r in log["requests"] if r["began"] >= pressed),
        "last_entry_ms": round((max(placed) - pressed) * 1e3, 1) if placed else None,
        "entries_after_block": sum(p > first_cancel for p in placed),
        "closes": len(closes),
        "turned": turned(before, after),
        "left": len([o for o in after["orders"] if o["status"] in OPEN]) + len(after["positions"]),
    }


def union(spans: list[tuple[float, float]], low: float, high: float) -> float:
    """Length of the union of spans, cut to [low, high]."""
    covered, reach = 0.0, low
    for begin, end in sorted(spans):
        begin, end = max(begin, reach), min(end, high)
        if end > begin:
            covered += end - begin
            reach = end
    return covered


def turned(before: Any, after: Any) -> bool:
    """Whether the position was ever on the other side of zero from where it was when the button was pressed."""
    known = {t["id"] for t in before["trades"]}
    held = sum(p["size"] * (1 if p["type"] == 1 else -1) for p in before["positions"])
    sign = 1 if held >= 0 else -1
    for trade in sorted((t for t in after["trades"] if t["id"] not in known), key=lambda t: t["id"]):
        held += trade["size"] * (1 if trade["side"] == 0 else -1)
        if held * sign < 0:
            return True
    return False


def stamp(ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns / 1e9))


def _resume(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _lives(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    """Gateway, desk and account, ready for runs."""
    command = [sys.executable, "-m", "tests.benchmarks.stop_gateway", str(QUOTES_A_SECOND)]
    gateway = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert gateway.stdout is not None
    try:
        url = (await asyncio.wait_for(gateway.stdout.readline(), 60)).decode().strip()
        home = Home(folder)
        link = make_link(account=ACCOUNT, name="PRAC-V2-10001-1", balance=Decimal(150_000), by="bench")
        limits = msgspec.structs.replace(link.limits, max_position=500, max_order_qty=50, max_open_orders=100)
        save_link(home, msgspec.structs.replace(link, limits=limits))
        async with serve_desk(home, load_profile("sim", simulator_url=url), build_app, port=0) as desk:
            made = Bench(desk, url, desk._token)
            spare_pauses()  # as the desk's own process does
            try:
                yield made
            finally:
                await made.web.aclose()
                await made.other.aclose()
    finally:
        gateway.terminate()
        await gateway.wait()


async def measure(runs: int, file: Path, modes: list[str]) -> list[dict[str, Any]]:
    """Do what is missing of `runs` runs a mode; each row is in `file` as soon as it is known."""
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    missing = [m for m in modes for _ in range(runs - sum(r["mode"] == m for r in rows))]
    while missing:
        with tempfile.TemporaryDirectory(prefix="bench-stop-") as folder:
            async with bench(Path(folder)) as made:
                for mode in missing[:25]:  # a new gateway now and then: its log and its books grow
                    row = await made.one(len(rows), mode)
                    rows.append(row)
                    with file.open("a") as out:
                        out.write(json.dumps(row) + "\n")
        missing = missing[25:]
    return rows


def summary(rows: list[dict[str, Any]], mode: str) -> str:
    """The figures of one mode in a few lines."""
    mine = [r for r in rows if r["mode"] == mode]
    if not mine:
        return f"{mode}: no runs"
    lines = [f"{mode}: {len(mine)} runs"]
    for name in ("overhead_ms", "gateway_ms", "total_ms", "proved_ms", "first_cancel_ms"):
        values = [r[name] for r in mine]
        lines.append(
            f"  {name:16} p50 {quantile(values, 0.5):7.1f}  p99 {quantile(values, 0.99):7.1f}  max {max(values):7.1f}"
        )
    counts = {
        "requests at most": max(r["requests"] for r in mine),
        "refused for the budget": sum(r["limited"] for r in mine),
        "not flat": sum(r["result"] != "FLAT" or r["left"] > 0 for r in mine),
        "turned": sum(r["turned"] for r in mine),
        "entries after the block": sum(r["entries_after_block"] for r in mine),
        "runs with entries on their way": sum(r["last_entry_ms"] is not None for r in mine),
        "closes at most": max(r["closes"] for r in mine),
        "runner alive afterwards": sum(not r["runner_gone"] for r in mine),
    }
    lines.append("  " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return "\n".join(lines)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def rows() -> list[Row]:
    """Ten stops for the table of ``make bench``; the long run is this module's own command."""
    with tempfile.TemporaryDirectory() as folder:
        done = asyncio.run(measure(10, Path(folder) / "runs.jsonl", ["plain"]))
    overhead = [r["overhead_ms"] for r in done]
    p50, worst = statistics.median(overhead), max(overhead)
    return [
        Row(
            name="emergency stop, 30 orders: our overhead to the first clean read, p50",
            ours=p50,
            aim="< 60 ms",
            met=p50 < 60,
            unit="ms",
        ),
        Row(
            name="emergency stop, 30 orders: our overhead to the first clean read, worst of 10",
            ours=worst,
            aim="< 150 ms",
            met=worst < 150,
            unit="ms",
        ),
        Row(
            name="emergency stop, 30 orders: total",
            ours=statistics.median(r["total_ms"] for r in done),
            aim="printed",
            met=True,
            unit="ms",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--file", type=Path, default=Path("stop_runs.jsonl"))
    parser.add_argument("--mode", action="append", choices=["plain", "hung", "two"])
    options = parser.parse_args()
    modes = options.mode or ["plain"]
    done = asyncio.run(measure(options.runs, options.file, modes))
    for mode in modes:
        print(summary(done, mode))


if __name__ == "__main__":
    main()
