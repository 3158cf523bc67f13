"""From a hub message to the order request, durable journal included; and a flood of market messages.

The clock starts at the raw bytes of a market frame that closes a bar and stops where the order request is handed to the
socket: decode, bar, rules, gate, journal, sync, sender, HTTP client. The journal lies on the disk of this folder, never
on a memory file system; the same bytes are appended and synced bare, beside it, in the same run.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import psutil

from tests.benchmarks.harness import Row, against_limit
from tests.benchmarks.live_stand import BEGIN, MINUTE, Stand, standing

ORDERS, FIRST = 400, 20
FLOOD_PER_S = 20_000
FLOOD_S = float(os.environ.get("WORKBENCH_FLOOD_S", "10"))
HERE = Path(__file__).resolve().parent


def folder() -> tempfile.TemporaryDirectory[str]:
    """A folder on the disk of the project; a sync on a memory file system would measure nothing."""
    made = tempfile.TemporaryDirectory(prefix=".bench-", dir=HERE)
    holding = [p for p in psutil.disk_partitions(all=True) if made.name.startswith(p.mountpoint)]
    place = max(holding, key=lambda p: len(p.mountpoint))
    if place.fstype in ("tmpfs", "ramfs"):
        raise RuntimeError(f"{made.name} lies on {place.fstype}; the journal must be measured on a disk")
    return made


async def latencies(place: Path, count: int, orders: int = ORDERS) -> list[float]:
    """Milliseconds from frame to request of each order, the strategies taking turns."""
    async with standing(place, count) as stand:
        taken: list[float] = []
        at, turn = BEGIN + MINUTE, 0
        prices = dict.fromkeys(stand.contracts, 100.0)
        while len(taken) < orders + FIRST:
            rises = turn % 2 == 0
            for contract in stand.contracts:
                price = prices[contract]
                stand.take(stand.frame(contract, at + 1_000_000, price))
                prices[contract] = price + (1.0 if rises else -1.0)
                stand.take(stand.frame(contract, at + 30_000_000_000, prices[contract]))
            at, turn = at + MINUTE, turn + 1
            stand.set_time(at + 500_000)
            await stand.settle()
            for contract in stand.contracts:
                placed = len(stand.wire.placed_at)
                frame = stand.frame(contract, at + 500_000, prices[contract])
                begun = time.perf_counter_ns()
                stand.take(frame)
                await stand.settle()
                if rises and len(stand.wire.placed_at) > placed:
                    taken.append((stand.wire.placed_at[placed] - begun) / 1e6)
            if turn > 40 * orders:
                raise RuntimeError(f"the strategies place no orders: {list(stand.runner.alerts)[-3:]}")
        return taken[FIRST : FIRST + orders]


def bare(place: Path, size: int, runs: int = ORDERS) -> list[float]:
    """Milliseconds of appending `size` bytes to a file and syncing it."""
    handle = os.open(place / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    body, taken = os.urandom(size), []
    for _ in range(runs + FIRST):
        begun = time.perf_counter_ns()
        os.write(handle, body)
        os.fdatasync(handle) if hasattr(os, "fdatasync") else os.fsync(handle)
        taken.append((time.perf_counter_ns() - begun) / 1e6)
    os.close(handle)
    return taken[FIRST:]


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


async def flood(place: Path, seconds: float) -> tuple[float, int, int, float]:
    """Feed prints at a steady rate; return messages a second, bars made, bars due, and growth of memory in MB."""
    async with standing(place, 5) as stand:
        frames = _flood_frames(stand, int(FLOOD_PER_S * seconds))
        process = psutil.Process()
        await stand.settle()
        made, begun = stand.bars, time.perf_counter()
        grown_from = 0
        for number, (at, batch) in enumerate(frames):
            stand.set_time(max(stand.now, at))
            for frame in batch:
                stand.take(frame)
            await asyncio.sleep(max(0.0, begun + (number + 1) * 0.01 - time.perf_counter()))
            if number == len(frames) // 4:
                gc.collect()
                grown_from = process.memory_info().rss
        taken = time.perf_counter() - begun
        await stand.settle()
        gc.collect()
        grown = (process.memory_info().rss - grown_from) / 1e6
        due = 5 * ((frames[-1][0] - frames[0][0]) // MINUTE)
        return sum(len(batch) for _, batch in frames) / taken, stand.bars - made, due, grown


def _flood_frames(stand: Stand, count: int) -> list[tuple[int, list[bytes]]]:
    # Batches of 10 ms of real time; a second of the flood is a minute of the market.
    per, out = FLOOD_PER_S // 100, []
    for number in range(count // per):
        at = BEGIN + MINUTE + number * (MINUTE // 100)
        steps = [at + i * (MINUTE // 100 // per) for i in range(per)]
        batch = [stand.frame(stand.contracts[i % 5], stamp, 100.0 + (i % 7) * 0.25) for i, stamp in enumerate(steps)]
        out.append((at, batch))
    return out


def rows() -> list[Row]:
    """Latency with 1, 5 and 20 strategies, against a bare append and without the disk; then the flood."""
    made: list[Row] = []
    with folder() as name:
        place = Path(name)
        aims = {1: (None, None), 5: (1.5, 5.0), 20: (None, None)}
        for count, (p50_aim, p99_aim) in aims.items():
            taken = asyncio.run(latencies(place / f"with-{count}", count))
            p50, p99 = statistics.median(taken), percentile(taken, 0.99)
            what = f"hub message → order request, journal synced, strategies: {count}"
            made.append(against_limit(f"{what}, p50", p50, at_most=p50_aim or 1.5, unit="ms"))
            made.append(against_limit(f"{what}, p99", p99, at_most=p99_aim or 5.0, unit="ms"))
            if count == 5:
                size = _record_size(place / f"with-{count}")
                plain = bare(place, size)
                shown = f"… against a bare append + sync of {size} bytes"
                for label, ours, other in (
                    ("p50", p50, statistics.median(plain)), ("p99", p99, percentile(plain, 0.99)),
                ):  # fmt: skip
                    made.append(
                        Row(
                            name=f"{shown}, {label}",
                            ours=ours,
                            other=other,
                            ratio=other / ours,
                            aim="shown",
                            met=True,
                            unit="ms",
                        )
                    )
        with mock.patch("os.fdatasync", return_value=None), mock.patch("os.fsync", return_value=None):
            taken = asyncio.run(latencies(place / "no-disk", 5))
        made.append(
            against_limit("… without the disk, 5 strategies, p99", percentile(taken, 0.99), at_most=1.0, unit="ms")
        )
        rate, bars, due, grown = asyncio.run(flood(place / "flood", FLOOD_S))
        made.append(
            against_limit(f"market messages for {FLOOD_S:g} s", rate, at_least=FLOOD_PER_S * 0.99, unit="messages/s")
        )
        made.append(against_limit("… bars made, of those due", bars / due, at_least=1.0, unit="of 1"))
        made.append(
            against_limit("… growth of memory after the first quarter", max(grown, 0.1), at_most=20.0, unit="MB")
        )
    return made


def _record_size(home: Path) -> int:
    journal = next(home.rglob("journal.wbj"))
    from workbench.storage.journal import read_journal

    return journal.stat().st_size // max(1, len(read_journal(journal)))
