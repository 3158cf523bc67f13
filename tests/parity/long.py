"""A long parity run that can be stopped and goes on: ``python -m tests.parity.long --cases 20000``.

What is done stands in a file (default ``parity.json``), with the differences; the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

from tests.parity.cases import make_case
from tests.parity.cells import count
from tests.parity.pick import Seeded

FIRST_SEED = 1_000_000  # the suite's own cases are other ones
EVERY = 10  # each tenth case is asked at every bar, too
CHUNK = 50


def play(first: int) -> tuple[int, int, list[str], list[tuple[str, int]]]:
    """Play a chunk of cases; return first seed, cases with ten trades, differences, cells."""
    busy, differences = 0, []
    counts: Counter[tuple[str, ...]] = Counter()
    for seed in range(first, first + CHUNK):
        try:
            case = make_case(Seeded(seed))
            played, found = case.differs(("event", "every") if seed % EVERY == 0 else ("event",))
        except Exception as error:
            differences.append(f"seed {seed}: {type(error).__name__}: {error}")
            continue
        busy += len(played.fills) >= 20
        count(case, played, counts)
        if found:
            differences.append(f"seed {seed}: {found}")
    return first, busy, differences, [("/".join(cell), n) for cell, n in counts.items()]


def main() -> int:
    """Run, write down, go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--file", type=Path, default=Path("parity.json"))
    given = parser.parse_args()
    state = {"done": [], "busy": 0, "differences": [], "cells": {}, "seconds": 0.0}
    if given.file.exists():
        state = json.loads(given.file.read_text())
    done = set(state["done"])
    wanted = [s for s in range(FIRST_SEED, FIRST_SEED + given.cases, CHUNK) if s not in done]
    with get_context("spawn").Pool(given.workers) as pool:
        before = time.monotonic()
        for first, busy, differences, cells in pool.imap_unordered(play, wanted):
            state["done"].append(first)
            state["busy"] += busy
            state["differences"] += differences
            for cell, n in cells:
                state["cells"][cell] = state["cells"].get(cell, 0) + n
            state["seconds"] += time.monotonic() - before
            before = time.monotonic()
            given.file.write_text(json.dumps(state))
            played = len(state["done"]) * CHUNK
            line = f"{played:,} cases, {state['busy']:,} with ten trades, {len(state['differences'])} differences"
            sys.stdout.write(f"\r{line}, {played / state['seconds']:.1f} a second ")
            sys.stdout.flush()
    sys.stdout.write("\n" + "\n".join(state["differences"][:20]) + "\n")
    return 1 if state["differences"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
