"""The store of bars: one Delta table per contract and timeframe, in monthly parts, with a live buffer beside it.

Writing is idempotent: rows that are stored already change nothing, not even the table's version; rows with other values
replace and are counted. What fails validation goes to quarantine. Readers see the union of the table and the buffer,
and always a whole write or nothing of it, from any number of processes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.domain.bar import bars_schema
from workbench.domain.contract import Contract, parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import TIMEFRAMES, Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.validate import Checked, check_bars
from workbench.storage.buffer import RecordBuffer
from workbench.storage.cache import FrameCache, content_version
from workbench.storage.delta import DataFile, SeriesTable
from workbench.storage.quarantine import Quarantine

if TYPE_CHECKING:
    import polars as pl

FIRST, LAST = -(2**63), 2**63 - 1
MOST_FILES_A_PERIOD = 8
_COLUMNS = {"ts": "long", "open": "double", "high": "double", "low": "double", "close": "double", "volume": "long"}
_RECORD = [("ts", "i8"), ("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8"), ("volume", "i8")]
_VALUES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport:
    """What a write did.

    Attributes
    ----------
    written, unchanged, replaced : int
        Rows that are new, that were stored already with the same values, and that got other values.
    quarantined : int
        Rows that failed validation; `reasons` says how many for which reason.
    flagged, disordered : int
        Rows that were stored although they lie outside the hours, have no volume or come after expiry; rows out of
        order.
    version : int
        Version of the table afterwards; the same as before when nothing was written or replaced.
    """

    written: int = 0
    unchanged: int = 0
    replaced: int = 0
    quarantined: int = 0
    flagged: int = 0
    disordered: int = 0
    version: int = -1
    reasons: dict[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What the store holds of one contract and timeframe; `first` and `last` are bar starts in UTC ns."""

    contract: str
    timeframe: str
    rows: int
    first: int
    last: int
    files: int
    version: int


class BarStore:
    """Bars under one folder; any number of processes may use it at once.

    Parameters
    ----------
    root : Path
        The market folder of a home (`Home.market`).
    cache : FrameCache, optional
        Shared cache of frames; each store has its own by default.
    """

    def __init__(self, root: Path, *, cache: FrameCache | None = None) -> None:
        self.root = Path(root)
        self.cache = cache or FrameCache()
        self.quarantine = Quarantine(self.root)
        self._tables: dict[tuple[str, str], tuple[SeriesTable, RecordBuffer]] = {}

    # --- writing ---

    def write(
        self, contract: str | Contract, timeframe: str | Timeframe, frame: pl.DataFrame, *, source: str
    ) -> WriteReport:
        """Validate, then merge bars into the store.

        Parameters
        ----------
        contract : str or Contract
            Id or code with a two-digit year.
        timeframe : str or Timeframe
        frame : polars.DataFrame
            As `ingestion.validate.check_bars` wants it.
        source : str
            Where the rows come from; kept with the commit and with quarantined rows.

        Raises
        ------
        InputError
            When the frame has not the right columns, or the contract or timeframe is unknown.
        StorageError
            When the disk refuses; the table is then as it was.
        """
        product, wanted = _contract(contract), _timeframe(timeframe)
        checked = check_bars(frame, product, wanted, trading_hours(product.spec))
        return self.write_checked(product, wanted, checked, source=source)

    def write_checked(self, contract: Contract, timeframe: Timeframe, checked: Checked, *, source: str) -> WriteReport:
        """Merge what passed validation, and quarantine the rest."""
        quarantined = self.quarantine.add(contract.id, timeframe.text, checked.bad, source=source)
        table, _ = self._series(contract.id, timeframe.text)
        if checked.good.is_empty():
            written, unchanged, replaced, version = 0, 0, 0, table.version()
        else:
            self.settle(contract, timeframe)
            rows = _stored(checked.good)
            written, unchanged, replaced, version = table.attempt(lambda: _merge(table, rows, timeframe, source))
        return WriteReport(
            written=written,
            unchanged=unchanged,
            replaced=replaced,
            quarantined=quarantined,
            flagged=checked.flagged,
            disordered=checked.disordered,
            version=version,
            reasons=checked.reasons() if checked.bad.height else {},
        )

    def append_live(self, contract: str | Contract, timeframe: str | Timeframe, frame: pl.DataFrame) -> None:
        """Append freshly built bars (in `bars_schema`, valid by construction): visible at once, without a commit."""
        table, buffer = self._series(_contract(contract).id, _timeframe(timeframe).text)
        with table.writing():
            buffer.append(frame.select(list(bars_schema())))

    def settle(self, contract: str | Contract, timeframe: str | Timeframe) -> int:
        """Move the live buffer into the table; return the table's version. Safe to repeat and to be killed in."""
        product, wanted = _contract(contract), _timeframe(timeframe)
        table, buffer = self._series(product.id, wanted.text)
        if not buffer.size():
            return table.version()
        with table.writing():
            live = _buffered(buffer)
            if live is not None:
                table.attempt(lambda: _merge(table, live, wanted, "live"))
            buffer.clear()
        return table.version()

    def compact(self, contract: str | Contract, timeframe: str | Timeframe, *, kept_hours: int | None = None) -> int:
        """Settle, make one file of every period's, drop files older than `kept_hours`; return the table's version."""
        product, wanted = _contract(contract), _timeframe(timeframe)
        self.settle(product, wanted)
        table, _ = self._series(product.id, wanted.text)

        def rewrite() -> None:
            crowded = {p: files for p, files in _by_period(table.files()).items() if len(files) > 1}
            if crowded:
                removed = [file for files in crowded.values() for file in files]
                frames = {period: _joined(table, files) for period, files in crowded.items()}
                table.commit(frames, removed=removed, note={"source": "compaction"})

        table.attempt(rewrite)
        if kept_hours is not None:
            table.vacuum(kept_hours)
        return table.version()

    # --- reading ---

    def read(
        self, contract: str | Contract, timeframe: str | Timeframe, start: int | None = None, end: int | None = None
    ) -> pl.DataFrame:
        """Return bars with ``start <= ts < end`` (UTC ns), ascending; an empty frame when there are none.

        Frames come from the cache when the same slice of the same state was read before.
        """
        return self._slice(contract, timeframe, start, end)[1]

    def data_version(
        self, contract: str | Contract, timeframe: str | Timeframe, start: int | None = None, end: int | None = None
    ) -> str:
        """Return the content hash of the slice: equal bars give an equal hash, in whatever files they lie."""
        return self._slice(contract, timeframe, start, end)[0]

    def last_start(self, contract: str | Contract, timeframe: str | Timeframe) -> int | None:
        """Return the start (UTC ns) of the newest stored bar, or None."""
        entry = self._coverage(_contract(contract).id, _timeframe(timeframe).text)
        return entry.last if entry.rows else None

    def coverage(self) -> list[Coverage]:
        """Return what is stored, by contract and then by timeframe; reads no data files."""
        found = [(path.parent.name, path.name) for path in (self.root / "bars").glob("*/*") if path.name in TIMEFRAMES]
        found += [(path.parent.name, path.stem) for path in (self.root / "live").glob("*/*.bars")]
        order = {text: rank for rank, text in enumerate(TIMEFRAMES)}
        listing = (self._coverage(*key) for key in sorted(set(found), key=lambda key: (key[0], order[key[1]])))
        return [entry for entry in listing if entry.rows]

    # --- inside ---

    def _series(self, contract: str, timeframe: str) -> tuple[SeriesTable, RecordBuffer]:
        key = (contract, timeframe)
        if key not in self._tables:
            table = SeriesTable(self.root / "bars" / contract / timeframe, _COLUMNS)
            self._tables[key] = table, RecordBuffer(self.root / "live" / contract / f"{timeframe}.bars", _RECORD)
        return self._tables[key]

    def _slice(
        self, contract: str | Contract, timeframe: str | Timeframe, start: int | None, end: int | None
    ) -> tuple[str, pl.DataFrame]:
        name, text = _contract(contract).id, _timeframe(timeframe).text
        first, last = FIRST if start is None else start, LAST if end is None else end
        if first > last:
            raise InputError(f"the slice of {name} {text} ends at {end} before it starts at {start} (UTC ns)")
        table, buffer = self._series(name, text)
        size = buffer.size()  # the buffer first: what a settle takes from it is in the table by then
        live = _buffered(buffer) if size else None
        state = (str(self.root), name, text, first, last, table.version(), size)
        known = self.cache.find(state) if live is None else None
        if known is None:
            frame = _frame(_union(table.read(first, last), live, first, last))
            known = content_version(frame), frame
            if live is None:
                known = self.cache.keep(state, *known)
        return known

    def _coverage(self, contract: str, timeframe: str) -> Coverage:
        table, buffer = self._series(contract, timeframe)
        live, files = _buffered(buffer), table.files()
        rows = sum(file.rows for file in files)
        edges = [edge for file in files for edge in (file.first, file.last)]
        if live is not None:
            stored = table.read(int(live["ts"].min()), int(live["ts"].max()) + 1)  # type: ignore[arg-type]
            rows += live.height if stored is None else live.join(stored, on="ts", how="anti").height
            edges += [int(live["ts"].min()), int(live["ts"].max())]  # type: ignore[arg-type]
        return Coverage(
            contract=contract,
            timeframe=timeframe,
            rows=rows,
            first=min(edges, default=0),
            last=max(edges, default=0),
            files=len(files),
            version=table.version(),
        )


def period_of(timeframe: Timeframe) -> str:
    """Return how the start of a bar names its part of the table: a month, or a year for bars above one hour."""
    return "%Y" if timeframe.anchored else "%Y-%m"


def _merge(table: SeriesTable, rows: pl.DataFrame, timeframe: Timeframe, source: str) -> tuple[int, int, int, int]:
    """Merge ascending rows; return (written, unchanged, replaced, version). Runs under the table's lock."""
    import polars as pl

    stored = table.read(int(rows["ts"][0]), int(rows["ts"][-1]) + 1)
    if stored is None:
        fresh, changed = rows, rows.clear()
    else:
        fresh = rows.join(stored, on="ts", how="anti", maintain_order="left")
        both = rows.join(stored, on="ts", how="inner", suffix="_stored", maintain_order="left")
        differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_stored") for name in _VALUES)
        changed = both.filter(differs).select(rows.columns)
    unchanged = rows.height - fresh.height - changed.height
    if fresh.is_empty() and changed.is_empty():
        return 0, unchanged, 0, table.version()
    frames, removed = _parts(table, fresh, changed, period_of(timeframe))
    version = table.commit(frames, removed=removed, note={"source": source})
    return fresh.height, unchanged, changed.height, version


def _parts(
    table: SeriesTable, fresh: pl.DataFrame, changed: pl.DataFrame, period: str
) -> tuple[dict[str, pl.DataFrame], list[DataFile]]:
    """Return the new file of every touched period and the files it takes the place of.

    New bars behind the last stored one are a file of their own; anything else rewrites the period.
    """
    import polars as pl

    frames: dict[str, pl.DataFrame] = {}
    removed: list[DataFile] = []
    stored = _by_period(table.files())
    touched = pl.concat([fresh, changed]).with_columns(period=pl.from_epoch("ts", "ns").dt.strftime(period))
    for (name,), part in touched.group_by("period", maintain_order=True):
        rows, files = part.drop("period").sort("ts"), stored.get(str(name), [])
        behind = not files or int(rows["ts"][0]) > max(file.last for file in files)
        if files and (not behind or len(files) >= MOST_FILES_A_PERIOD):
            removed += files
            rows = pl.concat([rows, _joined(table, files).join(rows, on="ts", how="anti")]).sort("ts")
        frames[str(name)] = rows
    return frames, removed


def _by_period(files: list[DataFile]) -> dict[str, list[DataFile]]:
    periods: dict[str, list[DataFile]] = {}
    for file in files:
        periods.setdefault(file.period, []).append(file)
    return periods


def _joined(table: SeriesTable, files: list[DataFile]) -> pl.DataFrame:
    return table.load(files).unique("ts", keep="last", maintain_order=True).sort("ts")


def _buffered(buffer: RecordBuffer) -> pl.DataFrame | None:
    """Return the live rows ascending, the last one of each start, or None."""
    import polars as pl

    columns = buffer.read()
    return None if columns is None else pl.DataFrame(columns).unique("ts", keep="last", maintain_order=True).sort("ts")


def _union(stored: pl.DataFrame | None, live: pl.DataFrame | None, first: int, last: int) -> pl.DataFrame | None:
    import polars as pl

    if live is not None:
        live = live.filter(pl.col("ts").is_between(first, last, closed="left"))
        stored = live if stored is None else pl.concat([stored.join(live, on="ts", how="anti"), live])
    return stored


def _stored(frame: pl.DataFrame) -> pl.DataFrame:
    """Return bars as they are stored: the stamp as whole nanoseconds, no negative zeros."""
    import polars as pl

    return frame.select(pl.col("ts").to_physical(), *(pl.col(name) + 0.0 for name in _VALUES[:4]), "volume")


def _frame(rows: pl.DataFrame | None) -> pl.DataFrame:
    import polars as pl

    schema = bars_schema()
    if rows is None:
        return pl.DataFrame(schema=schema)
    rows = rows if rows["ts"].is_sorted() else rows.sort("ts")
    return rows.select(pl.col("ts").cast(schema["ts"]), *_VALUES).rechunk()


def _contract(contract: str | Contract) -> Contract:
    return contract if isinstance(contract, Contract) else parse_contract(contract)


def _timeframe(timeframe: str | Timeframe) -> Timeframe:
    return timeframe if isinstance(timeframe, Timeframe) else parse_timeframe(timeframe)
