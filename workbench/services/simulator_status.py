"""The desk's market clock in front of a simulator: its status is asked once a second."""

from __future__ import annotations

import asyncio
import contextlib

import httpx

from workbench.services.clock import MarketClock


async def follow_simulator(url: str, clock: MarketClock) -> None:
    """Announce the simulator's market time to `clock` for ever; while it is away the clock runs on."""
    async with httpx.AsyncClient(base_url=url, timeout=2.0, trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError, KeyError, ValueError, TypeError):
                status = (await client.get("/simulator/status")).json()
                stands = bool(status["paused"] or status["lockstep"])
                rate = 0.0 if stands else float(status["rate"])
                clock.announce(int(status["now"]), rate, int(status["seq"]), bool(status["lockstep"]))
            await asyncio.sleep(1.0)
