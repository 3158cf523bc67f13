"""The gateway of `bench_stop`: the simulator in a process of its own, realistic delays, part fills, a flood of quotes.

Usage: ``python -m tests.benchmarks.stop_gateway QUOTES_A_SECOND``; the first line it prints is its URL.
"""

from __future__ import annotations

import asyncio
import sys

from workbench.services.pauses import spare_pauses
from workbench.simulator.config import Matching, settings
from workbench.simulator.server import serve

START = "2026-11-19T15:00:00Z"  # a Thursday, 09:00 in Chicago


async def main(quotes_a_second: float) -> None:
    config = settings(
        start=START, rate=1.0, seed=7, roots=("MES", "MNQ"), prints_per_day=200_000, matching=Matching(part_fills=True)
    )
    async with serve(config) as simulator:
        spare_pauses()
        print(simulator.url, flush=True)
        pause = 0.02
        while True:
            await asyncio.sleep(pause)
            for contract in simulator.market.live.values():
                for _ in range(max(1, int(quotes_a_second * pause / len(simulator.market.live)))):
                    simulator.hubs.quote(contract, beat=simulator.exchange.now)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
