"""Rows that failed validation, with reason and source: one Delta table, never deleted silently."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.storage.delta import SeriesTable

if TYPE_CHECKING:
    import polars as pl

_COLUMNS = {
    "ts": "long",
    "contract": "string",
    "timeframe": "string",
    "reason": "string",
    "source": "string",
    "row": "long",
    "values": "string",
    "id": "string",
}
_PERIOD = "all"


class Quarantine:
    """The table of rejected rows of one market folder.

    A row keeps its contract, timeframe (``ticks`` for prints), reason, source, number in the input and its values as
    JSON. The same row of the same source is kept once, however often it is offered.
    """

    def __init__(self, root: Path) -> None:
        self._table = SeriesTable(Path(root) / "quarantine", _COLUMNS)

    def add(self, contract: str, timeframe: str, bad: pl.DataFrame, *, source: str) -> int:
        """Keep the rows of `bad` (as `Checked.bad`); return how many rows there were, known ones included."""
        import polars as pl

        if bad.is_empty():
            return 0
        rows = pl.DataFrame(
            [_row(contract, timeframe, source, values) for values in bad.iter_rows(named=True)],
            schema={name: pl.Int64 if kind == "long" else pl.String for name, kind in _COLUMNS.items()},
        )
        self._table.attempt(lambda: self._add(rows))
        return bad.height

    def read(self, contract: str | None = None, timeframe: str | None = None) -> pl.DataFrame:
        """Return rejected rows with their stamp (null when it was missing), oldest stamp first."""
        import polars as pl

        files = self._table.files()
        if not files:
            rows = pl.DataFrame(
                schema={name: pl.Int64 if kind == "long" else pl.String for name, kind in _COLUMNS.items()}
            )
        else:
            rows = self._table.load(files)
        for name, wanted in (("contract", contract), ("timeframe", timeframe)):
            if wanted is not None:
                rows = rows.filter(pl.col(name) == wanted)
        known = pl.when(pl.col("ts") != 0).then(pl.col("ts"))
        return rows.sort("ts", "row").with_columns(known.cast(pl.Datetime("ns", "UTC")).alias("ts")).drop("id")

    def _add(self, rows: pl.DataFrame) -> None:
        files = self._table.files()
        fresh = rows if not files else rows.join(self._table.load(files).select("id"), on="id", how="anti")
        if fresh.height:
            crowded = files if len(files) >= 32 else []
            import polars as pl

            whole = pl.concat([self._table.load(crowded), fresh]) if crowded else fresh
            self._table.commit({_PERIOD: whole}, removed=crowded, note={"source": "quarantine"})


def _row(contract: str, timeframe: str, source: str, values: dict[str, Any]) -> dict[str, Any]:
    shown = {name: _plain(value) for name, value in values.items() if name not in ("row", "reason")}
    text = json.dumps(shown, sort_keys=True)
    identity = "\0".join((contract, timeframe, source, values["reason"], str(values["row"]), text))
    return {
        "ts": _ns(values.get("ts")),
        "contract": contract,
        "timeframe": timeframe,
        "reason": values["reason"],
        "source": source,
        "row": values["row"],
        "values": text,
        "id": hashlib.blake2b(identity.encode(), digest_size=16).hexdigest(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, int | float | str | None) else str(value)


def _ns(stamp: Any) -> int:
    # Zero stands for "no stamp"; the values keep what was there.
    return 0 if stamp is None else int(stamp.timestamp() * 1_000_000) * 1000
