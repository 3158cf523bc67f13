"""A long parity run that can be stopped and goes on: ``python -m tests.parity.long --cases 20000``.

Counts and chooses as the suite does: of the cases with fewer than ten trades only so many are taken that nine of ten
have them. What is done stands in a file (default ``parity.json``), with the differences; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.parity.cases import make_case
from tests.parity.cells import count, is_busy, is_one_too_many, missing
from tests.parity.pick import Seeded

FIRST_SEED = 1_000_000  # the suite's own cases are other ones
EVERY = 10  # each tenth seed is asked at every bar, too
CHUNK = 200  # the share of quiet cases is held in each
EMPTY = {"done": [], "cases": 0, "busy": 0, "passed_over": 0, "differences": [], "cells": {}, "seconds": 0.0}


def play(first: int) -> dict[str, Any]:
    """Play a chunk of seeds; return what it adds to the state."""
    made: dict[str, Any] = {"first": first, "cases": 0, "busy": 0, "passed_over": 0, "differences": []}
    counts: Counter[tuple[str, ...]] = Counter()
    for seed in range(first, first + CHUNK):
        try:
            case = make_case(Seeded(seed))
            played = case.prepared.run(case.strategy, "kernel")
            if is_one_too_many(played, made["cases"], made["cases"] - made["busy"]):
                made["passed_over"] += 1
                continue
            made["cases"] += 1
            made["busy"] += is_busy(played)
            count(case, played, counts)
            for engine in ("event", "every") if seed % EVERY == 0 else ("event",):
                found = played.difference(case.prepared.run(case.strategy, engine))
                if found:
                    made["differences"].append(f"seed {seed}: kernel and {engine}: {found}")
        except Exception as error:
            made["differences"].append(f"seed {seed}: {type(error).__name__}: {error}")
    return made | {"cells": {"/".join(cell): n for cell, n in counts.items()}}


def add(state: dict[str, Any], made: dict[str, Any]) -> None:
    """Add what a chunk has found to the state."""
    state["done"].append(made["first"])
    for name in ("cases", "busy", "passed_over", "differences"):
        state[name] += made[name]
    for cell, n in made["cells"].items():
        state["cells"][cell] = state["cells"].get(cell, 0) + n


def next_seeds(state: dict[str, Any], wanted: int) -> list[int]:
    """Return the first seeds of the chunks to play next: as many as would do if no case were passed over."""
    done, chunks = set(state["done"]), -(-(wanted - state["cases"]) // CHUNK)
    free = (s for s in range(FIRST_SEED, sys.maxsize, CHUNK) if s not in done)
    return [next(free) for _ in range(max(0, chunks))]


def told(state: dict[str, Any]) -> str:
    """Return a line on where the run stands."""
    speed = state["cases"] / max(state["seconds"], 1e-9)
    share = 100 * state["busy"] / max(state["cases"], 1)
    return (
        f"{state['cases']:,} cases, {share:.1f} % with ten trades, {len(state['differences'])} differences, "
        f"{state['passed_over']:,} quiet ones passed over, {speed:.1f} a second"
    )


def main() -> int:
    """Run, write down, go on; 1 for a difference, a cell hit too seldom, or too many quiet cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--file", type=Path, default=Path("parity.json"))
    given = parser.parse_args()
    state = json.loads(given.file.read_text()) if given.file.exists() else json.loads(json.dumps(EMPTY))
    if state.keys() != EMPTY.keys():
        parser.error(f"{given.file} is of another version of this program: name another file")
    with get_context("spawn").Pool(given.workers) as pool:
        before = time.monotonic()
        while seeds := next_seeds(state, given.cases):
            for made in pool.imap_unordered(play, seeds):
                add(state, made)
                now = time.monotonic()
                state["seconds"], before = state["seconds"] + now - before, now
                given.file.write_text(json.dumps(state))
                sys.stdout.write(f"\r{told(state)} ")
                sys.stdout.flush()
    short = missing(Counter({tuple(cell.split("/")): n for cell, n in state["cells"].items()}))
    sys.stdout.write("\n" + "\n".join(state["differences"][:20]) + f"\ncells hit too seldom: {short or 'none'}\n")
    return 1 if state["differences"] or short or state["busy"] < 0.9 * state["cases"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
