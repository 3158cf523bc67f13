"""`workbench stop` with no desk: the whole of it, from the start of the process to its end.

Usage: ``python -m tests.benchmarks.bench_stop_cli --runs 10``. The gateway is that of `bench_stop`: a process of its
own with realistic delays and part fills; a position of 3 is open, 30 orders work. *flat* is the time until the gateway
itself shows neither order nor position, *total* until the command has proved it and ended; at least one second of the
difference is the time between the two clean readings that prove it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.bench_stop import ACCOUNT, CONTRACT, OPEN, QUOTES_A_SECOND, stamp
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.latch import clear_latch
from workbench.storage.links import save_link


class Gateway:
    """The gateway as another program of the user sees it."""

    def __init__(self, url: str) -> None:
        self.web = httpx.AsyncClient(base_url=url, timeout=30, trust_env=False)

    async def ask(self, path: str, token: str, **body: Any) -> Any:
        return (await self.web.post(path, json=body, headers={"authorization": f"Bearer {token}"})).json()

    async def truth(self) -> tuple[int, int]:
        """Working orders and open positions."""
        accounts = (await self.web.get("/simulator/truth")).json()["accounts"]
        mine = next(a for a in accounts if a["id"] == ACCOUNT)
        return sum(o["status"] in OPEN for o in mine["orders"]), len(mine["positions"])

    async def prepare(self) -> None:
        """A long position of 3 and 30 orders far away."""
        login = {"userName": "sim", "apiKey": "sim-key"}
        token = (await self.web.post("/api/Auth/loginKey", json=login)).json()["token"]
        now = (await self.web.get("/simulator/status")).json()["now"]
        times = {"startTime": stamp(now - 600 * 10**9), "endTime": stamp(now + 60 * 10**9)}
        bars = await self.ask(
            "/api/History/retrieveBars", token, contractId=CONTRACT, live=False, unit=2, unitNumber=1, limit=20,
            includePartialBar=True, **times,
        )  # fmt: skip
        price = float(bars["bars"][0]["c"])
        wish = {"accountId": ACCOUNT, "contractId": CONTRACT, "customTag": None}
        await self.ask("/api/Order/place", token, **wish, type=2, side=0, size=3)
        levels = [price - 20 - n for n in range(15)] + [price + 20 + n for n in range(15)]
        for at in levels:
            await self.ask("/api/Order/place", token, **wish, type=1, side=int(at > price), size=4, limitPrice=at)
        async with asyncio.timeout(20):
            while await self.truth() != (30, 1):
                await asyncio.sleep(0.05)


async def one(gateway: Gateway, url: str, home: Home) -> dict[str, Any]:
    """Prepare, run the command, and say what it took."""
    await gateway.prepare()
    environment = {**os.environ, "WORKBENCH_HOME": str(home.path), "WORKBENCH_SIMULATOR_URL": url}
    command = [sys.executable, "-m", "workbench.cli", "stop", "--reason", "bench", "--json"]
    begun = time.monotonic()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
    ending = asyncio.ensure_future(process.communicate())
    while await gateway.truth() != (0, 0):
        await asyncio.sleep(0.01)
    flat = time.monotonic() - begun
    out, err = await ending
    total = time.monotonic() - begun
    if process.returncode != 0:
        raise RuntimeError(f"the stop failed: {out.decode()} {err.decode()}")
    clear_latch(home, reason="next run", person="bench", account=None, at=time.time_ns())
    return {"total_s": total, "flat_s": flat, "own_s": json.loads(out)["ms"] / 1e3}


async def measure(runs: int) -> list[dict[str, Any]]:
    """So many stops, each of 30 orders and a position."""
    command = [sys.executable, "-m", "tests.benchmarks.stop_gateway", str(QUOTES_A_SECOND)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        with tempfile.TemporaryDirectory(prefix="bench-stop-") as folder:
            home, gateway = Home(Path(folder)), Gateway(url)
            save_link(home, make_link(account=ACCOUNT, name="PRAC-V2-10001-1", balance=Decimal(150_000), by="bench"))
            rows = [await one(gateway, url, home) for _ in range(runs)]
            await gateway.web.aclose()
            return rows
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    rows = asyncio.run(measure(parser.parse_args().runs))
    for name in ("total_s", "flat_s", "own_s"):
        values = [r[name] for r in rows]
        print(f"{name:8} median {statistics.median(values):.2f}  worst {max(values):.2f}")


if __name__ == "__main__":
    main()
