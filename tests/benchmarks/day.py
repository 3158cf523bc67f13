"""A virtual trading day in accelerated time on the whole stack: memory stays flat, and nothing goes unhandled.

``python -m tests.benchmarks.day --hours 8 --rate 240 --file day.json`` starts simulator, desk, runner and ingest,
trades, takes the memory of each process every ten virtual minutes, and ends with 1 when one grows or a log holds a
traceback.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from tests.services.stack import ACCOUNT, Stack, stack

EVERY_S = 600.0  # virtual
WARM_SHARE = 0.25  # of the day, in which caches and histories fill
MOST_GROWTH_MB = 25.0  # from the end of the first quarter to the end of the day


def memory(made: Stack) -> dict[str, float]:
    """Resident memory of the children, MB."""
    children = {"runner": made.desk.runners[ACCOUNT].pid, "ingest": made.desk.ingest.pid}
    return {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in children.items() if pid}


def unhandled(home: Path) -> list[str]:
    """Log lines that tell of an error nobody expected."""
    found = []
    for path in sorted((home / "logs").rglob("*")):
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{path.name}: {line[:200]}" for line in lines if "Traceback" in line or "never awaited" in line]
    return found


async def day(hours: float, rate: float, folder: Path) -> dict[str, Any]:
    """Trade for `hours` of market time at `rate` market seconds a second; return what was seen."""
    samples: list[dict[str, float]] = []
    async with stack(folder, rate=rate) as made:
        await made.start(fast=3, slow=9)
        begun, real = made.simulator.clock.now(), time.monotonic()
        while (passed := (made.simulator.clock.now() - begun) / 1e9) < hours * 3600:
            samples.append({"hours": passed / 3600, **memory(made)})
            print({k: round(v, 2) for k, v in samples[-1].items()}, "orders", len(made.placed()), flush=True)
            await asyncio.sleep(EVERY_S / rate)
        orders, alerts = len(made.placed()), [a for a in made.desk.alerts if a["level"] == "critical"]
        equal = made.own_qty() == made.broker_qty()
        result = await made.desk.stop("end of the day", None, "bench")
    warm = [s for s in samples if s["hours"] > hours * WARM_SHARE]
    growth = {name: warm[-1][name] - warm[0][name] for name in warm[0] if name != "hours"}
    return {
        "hours": hours, "rate": rate, "real_s": round(time.monotonic() - real), "orders": orders, "growth_mb": growth,
        "critical": [a["text"] for a in alerts], "unhandled": unhandled(folder), "flat": result["result"],
        "position_equal": equal, "samples": samples,
    }  # fmt: skip


def main() -> int:
    """Run the day; print and keep what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--rate", type=float, default=240.0)
    parser.add_argument("--file", type=Path, default=None)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = asyncio.run(day(options.hours, options.rate, Path(folder)))
    if options.file is not None:
        options.file.write_text(json.dumps(seen, indent=1))
    print(json.dumps({k: v for k, v in seen.items() if k != "samples"}, indent=1))
    grows = [name for name, mb in seen["growth_mb"].items() if mb > MOST_GROWTH_MB]
    return int(bool(grows or seen["unhandled"] or seen["flat"] != "FLAT"))


if __name__ == "__main__":
    sys.exit(main())
