"""The store of prints: one Delta table per contract in daily parts, with a live buffer beside it.

Order of arrival is kept by a sequence number that rises by one per print. Prints carry no id, so there is nothing to
merge: what makes appending idempotent is a batch name, committed together with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.domain.bar import ticks_schema
from workbench.domain.contract import Contract, parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.ingestion.validate import Checked, check_ticks
from workbench.storage.bars import FIRST, LAST, WriteReport
from workbench.storage.buffer import RecordBuffer
from workbench.storage.cache import content_version
from workbench.storage.delta import DataFile, SeriesTable
from workbench.storage.quarantine import Quarantine

if TYPE_CHECKING:
    import polars as pl

TICKS = "ticks"
SETTLE_ROWS = 200_000
_COLUMNS = {"seq": "long", "ts": "long", "price": "double", "size": "long", "side": "byte", "watermark": "long"}
_RECORD = [("seq", "i8"), ("ts", "i8"), ("price", "f8"), ("size", "i8"), ("side", "i8"), ("watermark", "i8")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TickCoverage:
    """What the store holds of one contract; `first` and `last` are stamps in UTC ns."""

    contract: str
    rows: int
    first: int
    last: int
    version: int


class TickStore:
    """Prints under one folder; any number of processes may use it at once.

    Parameters
    ----------
    root : Path
        The market folder of a home (`Home.market`).
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.quarantine = Quarantine(self.root)
        self._tables: dict[str, tuple[SeriesTable, RecordBuffer]] = {}

    def append(
        self, contract: str | Contract, frame: pl.DataFrame, *, source: str = "live", batch: str | None = None
    ) -> WriteReport:
        """Validate, then append prints in their order of arrival, and commit.

        Parameters
        ----------
        contract : str or Contract
        frame : polars.DataFrame
            As `ingestion.validate.check_ticks` wants it.
        source : str
            Where the rows come from.
        batch : str, optional
            Name of these rows. A batch that was committed before is not appended again.

        Raises
        ------
        InputError, StorageError
            As `BarStore.write`; the table is then as it was.
        """
        product = _contract(contract)
        checked = check_ticks(frame, product, trading_hours(product.spec))
        return self.append_checked(product, checked, source=source, batch=batch)

    def append_checked(
        self, contract: Contract, checked: Checked, *, source: str, batch: str | None = None
    ) -> WriteReport:
        """Append what passed validation, and quarantine the rest."""
        table, _ = self._series(contract.id)
        quarantined = self.quarantine.add(contract.id, TICKS, checked.bad, source=source)
        written = 0
        with table.writing():
            if checked.good.height and not (batch is not None and table.seen(batch)):
                self._settle(contract.id)
                written = table.attempt(lambda: self._commit(table, checked.good, source, batch))
        return WriteReport(
            written=written,
            unchanged=checked.good.height - written,
            quarantined=quarantined,
            flagged=checked.flagged,
            disordered=checked.disordered,
            version=table.version(),
            reasons=checked.reasons() if checked.bad.height else {},
        )

    def append_live(self, contract: str | Contract, frame: pl.DataFrame) -> None:
        """Append prints (in `ticks_schema`, validated by the caller) to the live buffer; settle it when it is long."""
        name = _contract(contract).id
        table, buffer = self._series(name)
        with table.writing():
            buffer.append(self._numbered(name, frame.select(list(ticks_schema()))))
            if buffer.rows() >= SETTLE_ROWS:
                self._settle(name)

    def settle(self, contract: str | Contract) -> int:
        """Move the live buffer into the table; return the table's version. Safe to repeat and to be killed in."""
        name = _contract(contract).id
        table, _ = self._series(name)
        with table.writing():
            self._settle(name)
        return table.version()

    def compact(self, contract: str | Contract, *, kept_hours: int | None = None) -> int:
        """Settle, make one file of every day's, and drop files older than `kept_hours`; return the table's version."""
        name = _contract(contract).id
        self.settle(name)
        table, _ = self._series(name)

        def rewrite() -> None:
            days: dict[str, list[DataFile]] = {}
            for file in table.files():
                days.setdefault(file.period, []).append(file)
            crowded = {day: files for day, files in days.items() if len(files) > 1}
            if crowded:
                frames = {day: table.load(files).sort("seq") for day, files in crowded.items()}
                removed = [file for files in crowded.values() for file in files]
                table.commit(frames, removed=removed, note={"source": "compaction"})

        table.attempt(rewrite)
        if kept_hours is not None:
            table.vacuum(kept_hours)
        return table.version()

    def read(self, contract: str | Contract, start: int | None = None, end: int | None = None) -> pl.DataFrame:
        """Return prints with ``start <= ts < end`` (UTC ns) in order of arrival, in `ticks_schema`."""
        import polars as pl

        name = _contract(contract).id
        first, last = FIRST if start is None else start, LAST if end is None else end
        if first > last:
            raise InputError(f"the slice of {name} ticks ends at {end} before it starts at {start} (UTC ns)")
        table, buffer = self._series(name)
        live = _buffered(buffer)  # the buffer first: what a settle takes from it is in the table by then
        rows = table.read(first, last)
        if live is not None:
            live = live.filter(pl.col("ts").is_between(first, last, closed="left"))
            rows = live if rows is None else pl.concat([rows, live.join(rows, on="seq", how="anti")])
        schema = ticks_schema()
        if rows is None:
            return pl.DataFrame(schema=schema)
        return rows.sort("seq").select(pl.col(name).cast(kind) for name, kind in schema.items()).rechunk()

    def data_version(self, contract: str | Contract, start: int | None = None, end: int | None = None) -> str:
        """Return the content hash of the slice."""
        return content_version(self.read(contract, start, end))

    def coverage(self) -> list[TickCoverage]:
        """Return what is stored, by contract."""
        names = {path.name for path in (self.root / TICKS).glob("*") if path.is_dir()}
        names |= {path.name.removesuffix(".ticks") for path in (self.root / "live").glob("*.ticks")}
        return [entry for entry in map(self._coverage, sorted(names)) if entry.rows]

    # --- inside ---

    def _series(self, contract: str) -> tuple[SeriesTable, RecordBuffer]:
        if contract not in self._tables:
            table = SeriesTable(self.root / TICKS / contract, _COLUMNS)
            self._tables[contract] = table, RecordBuffer(self.root / "live" / f"{contract}.ticks", _RECORD)
        return self._tables[contract]

    def _commit(self, table: SeriesTable, frame: pl.DataFrame, source: str, batch: str | None) -> int:
        rows = self._numbered(table.root.name, frame)
        table.commit(_by_day(rows), note={"source": source}, transaction=batch)
        return rows.height

    def _settle(self, contract: str) -> None:
        import polars as pl

        table, buffer = self._series(contract)
        live = _buffered(buffer)
        if live is not None:
            # What a killed settle committed before it could clear the buffer is there already.
            live = live.filter(pl.col("seq") > _last_seq(table))
            if live.height:
                table.attempt(lambda: table.commit(_by_day(live), note={"source": "live"}))
        buffer.clear()

    def _numbered(self, contract: str, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        table, buffer = self._series(contract)
        tail = buffer.tail()
        last = _last_seq(table) if tail is None else int(tail["seq"][-1])
        return frame.select(
            pl.int_range(last + 1, last + 1 + pl.len(), dtype=pl.Int64).alias("seq"),
            pl.col("ts").to_physical(),
            *("price", "size", "side", "watermark"),
        )

    def _coverage(self, contract: str) -> TickCoverage:
        import polars as pl

        table, buffer = self._series(contract)
        files, live = table.files(), _buffered(buffer)
        edges = [edge for file in files for edge in (file.first, file.last)]
        rows = sum(file.rows for file in files)
        if live is not None:
            rows += live.filter(pl.col("seq") > _last_seq(table)).height
            edges += [int(live["ts"].min()), int(live["ts"].max())]  # type: ignore[arg-type]
        return TickCoverage(
            contract=contract,
            rows=rows,
            first=min(edges, default=0),
            last=max(edges, default=0),
            version=table.version(),
        )


def _by_day(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    import polars as pl

    days = rows.with_columns(day=pl.from_epoch("ts", "ns").dt.strftime("%Y-%m-%d"))
    return {str(day): part.drop("day") for (day,), part in days.group_by("day", maintain_order=True)}


def _last_seq(table: SeriesTable) -> int:
    """Return the highest sequence number in the table: a count, for rows are never removed; -1 when it is empty."""
    return sum(file.rows for file in table.files()) - 1


def _buffered(buffer: RecordBuffer) -> pl.DataFrame | None:
    import polars as pl

    columns = buffer.read()
    return None if columns is None else pl.DataFrame(columns).cast({"side": pl.Int8})


def _contract(contract: str | Contract) -> Contract:
    return contract if isinstance(contract, Contract) else parse_contract(contract)
