"""A process that writes bars or prints and can be made to die at a chosen point; the crash tests start it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import polars as pl

from tests.storage.market_frames import CONTRACT, bars, ticks
from workbench.storage.bars import BarStore
from workbench.storage.buffer import RecordBuffer
from workbench.storage.delta import SeriesTable
from workbench.storage.ticks import TickStore


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(stage: str) -> None:
    """Make this process die at `stage` of the next write."""
    if stage == "half a data file":
        write = SeriesTable._write

        def half(self: SeriesTable, path: Path, period: str, frame: pl.DataFrame) -> None:
            write(self, path, period, frame)
            os.truncate(path, path.stat().st_size // 2)
            die()

        SeriesTable._write = half  # type: ignore[assignment, method-assign]
    elif stage == "files written, nothing committed":
        SeriesTable._schema = die  # type: ignore[assignment, method-assign]
    elif stage == "committed, buffer not cleared":
        RecordBuffer.clear = die  # type: ignore[assignment, method-assign]


def main(command: str, root: str, argument: str) -> None:
    store = BarStore(Path(root))
    if command == "die":
        store.append_live(CONTRACT, "1m", bars(3000)[1000:1010])
        store._series(CONTRACT, "1m")[0].version()
        arm(argument)
        store.write(CONTRACT, "1m", bars(3000), source="child")
    elif command == "bars":
        start, step = (int(part) for part in argument.split(":"))
        for at in range(start, 3000, step):
            store.write(CONTRACT, "1m", bars(3000)[max(0, at - 20) : at + 100], source="child")
    elif command == "ticks":
        for at in range(0, 2000, 50):
            TickStore(Path(root)).append_live(CONTRACT, ticks(2000, seed=int(argument))[at : at + 50])
    sys.stdout.write("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
