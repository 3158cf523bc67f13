"""Many seeded runs, resumable: ``python tests/chaos/long.py --runs 2000 --file chaos.jsonl [--from-seed N]``.

Each finished run is one line of the file; a second call goes on behind the last seed. At the end: a table of crash
point by fate (runs in which both were met), and every failure with the seed that plays it again.
"""

# ruff: noqa: T201 - a program that prints its table

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.chaos.story import FATES, POINTS, run_seed

LEAST = 10


def done_in(file: Path) -> dict[int, dict[str, Any]]:
    """Finished runs by seed; a torn last line is played again."""
    found = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[row["seed"]] = row
    return found


def table(rows: Iterable[dict[str, Any]]) -> tuple[str, int]:
    """Return crash point by fate as text, and the smallest count of a cell."""
    met = Counter((r["point"], r["fate"]) for r in rows if r["reached"] and r["fated"])
    width = max(map(len, FATES)) + 2
    lines = ["point".ljust(8) + "".join(f.rjust(width) for f in FATES)]
    lines += [p.ljust(8) + "".join(str(met[p, f]).rjust(width) for f in FATES) for p in POINTS]
    return "\n".join(lines), min(met[p, f] for p in POINTS for f in FATES)


def main() -> int:
    """Play, print, and return 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--from-seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seeds = range(options.from_seed, options.from_seed + options.runs)
    known = done_in(options.file)
    began = time.monotonic()
    with options.file.open("a") as file:
        for seed in seeds:
            if seed in known:
                continue
            result = run_seed(seed)
            known[seed] = row = {
                "seed": seed, "point": result.point, "fate": result.fate, "reached": result.reached,
                "fated": result.fated, "problems": result.problems, "facts": result.facts,
            }  # fmt: skip
            file.write(json.dumps(row, default=str) + "\n")
            file.flush()
            if result.problems:
                print(f"seed {seed}: {'; '.join(result.problems)} {result.facts}", flush=True)
    rows = [known[seed] for seed in seeds]
    text, least = table(rows)
    bad = [r for r in rows if r["problems"]]
    print(text)
    orders, fills = (sum(r["facts"].get(what, 0) for r in rows) for what in ("orders", "fills"))
    deaths = sum(len(r["facts"].get("deaths", [])) for r in rows)
    print(
        f"{len(rows)} runs, {orders} orders, {fills} fills, {deaths} deaths, "
        f"longest without stops {max(r['facts'].get('bare_s', 0.0) for r in rows):.1f} s, "
        f"smallest cell {least} (aim {LEAST}), {len(bad)} failed, {time.monotonic() - began:.0f} s"
    )
    for row in bad:
        print(f"  seed {row['seed']} ({row['point']} x {row['fate']}): {'; '.join(row['problems'])}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
