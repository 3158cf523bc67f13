"""Run every benchmark in this folder, print the table, write bench.json.

Usage: ``python tests/benchmarks/run.py [word …]``: only the modules whose name holds one of the words.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.harness import Row  # noqa: E402  # the repository's root comes first

KEYS = ("name", "ours", "other", "ratio", "aim", "met")


def modules(words: list[str]) -> list[str]:
    """Return the names of the benchmark modules to run, sorted."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))
    return [name for name in names if not words or any(word in name for word in words)]


def number(value: float | None) -> str:
    """Return a number short enough for a table."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(rows: list[Row]) -> str:
    """Return the rows as a text table."""
    head = ("what", "ours", "peer or limit", "ratio", "aim", "met")
    lines = [head] + [
        (
            row.name,
            f"{number(row.ours)} {row.unit}",
            f"{number(row.other)} {row.unit}" if row.other is not None else "–",
            number(row.ratio),
            row.aim,
            "yes" if row.met else "NO",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


def main(words: list[str]) -> int:
    """Run the benchmarks; return 1 when a module failed. An aim that is missed is told, not an error."""
    rows: list[Row] = []
    failed: list[str] = []
    for name in modules(words):
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"tests.benchmarks.{name}").rows()
        except Exception as error:  # one broken benchmark must not hide the others
            failed.append(f"{name}: {type(error).__name__}: {error}")
    print(table(rows))
    entries = [{key: getattr(row, key) for key in KEYS} for row in rows]
    (ROOT / "bench.json").write_text(json.dumps({"rows": entries}, indent=1) + "\n")
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
