"""The process that reads stored bars for the desk: a JSON line in, a JSON line out, until its input ends."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from workbench.api import stored_reads
from workbench.domain.errors import WorkbenchError
from workbench.storage.plain import plain

NICE = 10  # what trades goes first
READS = {
    "stored": stored_reads.stored,
    "quality": stored_reads.quality,
    "chart": stored_reads.chart,
    "trades": stored_reads.trades,
    "runnable": stored_reads.runnable,
}


def main() -> None:
    """Answer questions until there are no more."""
    os.nice(NICE)
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            told = {"answer": READS[asked["read"]](asked)} if "read" in asked else bars(asked)
        except WorkbenchError as error:
            told = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the desk reads what it was; the next question gets its answer
            told = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(told) + "\n")
        out.flush()


def bars(asked: dict[str, Any]) -> dict[str, Any]:
    """Return rows as the API shows bars: `time` in unix seconds, prices in points."""
    from workbench import research

    frame = research.bars(asked["contract"], asked["timeframe"], asked["start"], asked["end"])
    part = frame.iloc[asked["offset"] : asked["offset"] + asked["limit"]]
    times = part.index.as_unit("s").asi8
    names = ["open", "high", "low", "close", "volume"]
    columns = zip(times, *(part[name] for name in names), strict=True)
    rows = [dict(zip(["time", *names], map(plain, row), strict=True)) for row in columns]
    return {"rows": rows, "total": len(frame)}


if __name__ == "__main__":
    main()
