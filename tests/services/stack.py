"""A whole workbench for tests: the simulator and the desk in this process, runner and ingest as real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil

from workbench.api.app import build_app
from workbench.domain.order import Status
from workbench.services.desk_main import serve_desk
from workbench.services.desk_service import StartSession
from workbench.services.linking import make_link
from workbench.services.settings import load_profile
from workbench.services.supervisor import Desk
from workbench.simulator.config import settings
from workbench.simulator.server import Simulator, serve
from workbench.storage.home import Home
from workbench.storage.links import save_link

ACCOUNT = 1001
CONTRACT = "CON.F.US.MES.Z26"
START = "2026-11-19T14:25:00Z"


@dataclass
class Stack:
    simulator: Simulator
    desk: Desk
    home: Home

    async def start(self, strategy: str = "sma_cross", **parameters: Any) -> dict[str, Any]:
        wish = StartSession(strategy=strategy, account=ACCOUNT, parameters=parameters)
        return await self.desk.start_session(wish)

    async def until(self, what: str, done: Callable[[], bool], within_s: float = 60.0) -> None:
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}; {self.alerts()}"
            await asyncio.sleep(0.01)

    def alerts(self) -> list[str]:
        return [a["text"] for a in self.desk.alerts]

    def placed(self) -> list[dict[str, Any]]:
        """Every place request that reached the gateway, oldest first."""
        return [r for r in self.simulator.requests.entries if r["path"] == "/api/Order/place"]

    def tags(self) -> list[str]:
        orders = self.simulator.exchange.orders.values()
        return [o.tag for o in orders if o.account == ACCOUNT and o.tag]

    def broker_qty(self) -> int:
        return sum(p.qty for p in self.simulator.exchange.accounts[ACCOUNT].positions.values())

    def runner_view(self) -> dict[str, Any]:
        return self.desk.runners[ACCOUNT].last.get("snapshot", {})

    def own_qty(self) -> int:
        return sum(p["qty"] for p in self.runner_view().get("account", {}).get("positions", []))

    def kill_runner(self) -> int:
        pid = self.desk.runners[ACCOUNT].pid
        os.kill(pid, 9)
        return pid


def open_orders(stack: Stack) -> list[Any]:
    return [o for o in stack.simulator.exchange.orders.values() if o.account == ACCOUNT and o.status in (1, 6, 8)]


@asynccontextmanager
async def stack(folder: Path, **config: Any) -> AsyncIterator[Stack]:
    """Serve simulator and desk; the practice account is linked."""
    options = {"start": START, "rate": 60.0, "seed": 7, "roots": ("MES",), **config}
    async with serve(settings(**options), port=0) as simulator:
        home = Home(folder)
        link = make_link(account=ACCOUNT, name="PRAC-V2-10001-1", balance=Decimal(150_000), by="test")
        save_link(home, link)
        profile = load_profile("sim", simulator_url=simulator.url)
        try:
            async with serve_desk(home, profile, build_app, port=0) as desk:
                made = Stack(simulator, desk, home)
                await made.until("the gateway is read", lambda: bool(desk.accounts))
                yield made
        finally:
            kill_children(folder)


def children_of(folder: Path) -> list[psutil.Process]:
    """Runner and ingest processes of the home in `folder`, whoever started them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if "workbench.services." in " ".join(process.info["cmdline"] or []):
            with contextlib.suppress(psutil.Error):
                if process.environ().get("WORKBENCH_HOME") == str(folder):
                    found.append(process)
    return found


def kill_children(folder: Path) -> None:
    """A runner outlives its desk by design: what a test has left behind ends here, however the test ended."""
    left = children_of(folder)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5.0)


FINAL = {Status.FILLED, Status.CANCELED, Status.REJECTED, Status.ABSENT, Status.EXPIRED}
