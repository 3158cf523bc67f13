"""A file into the store: read, understood, judged, and only then written; all of it or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import Contract, parse_contract
from workbench.domain.errors import InputError, UnknownContract
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import Timeframe
from workbench.ingestion.importer import BARS, ImportOptions, guess_columns, infer_timeframe, read_rows
from workbench.ingestion.stamps import localised
from workbench.ingestion.suspicion import Finding, findings
from workbench.ingestion.validate import Checked, check_bars, check_ticks
from workbench.storage.files import fingerprint, read_file

if TYPE_CHECKING:
    import polars as pl

    from workbench.storage.bars import BarStore, WriteReport
    from workbench.storage.ticks import TickStore

# More bad rows than this share keep a file out; a contract with fewer rows than that is not judged by itself.
MOST_BAD, JUDGED_ROWS = 0.5, 20
# Columns of these names may hold a product instead of a contract; then they do not say which contract a row is.
PRODUCT_COLUMNS = {"symbol", "ticker", "instrument"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    path : Path
    kind : str
        ``bars`` or ``ticks``.
    timeframe : str
        Empty for ticks.
    columns : dict
        Role to column, as it was read.
    zone, stamp : str
    written : dict
        Contract id to `WriteReport`.
    findings : list of Finding
        What looked suspicious and was accepted.
    """

    path: Path
    kind: str
    timeframe: str
    columns: dict[str, str]
    zone: str
    stamp: str
    written: dict[str, WriteReport]
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class _Part:
    contract: Contract
    kind: str
    timeframe: Timeframe | None
    columns: dict[str, str]
    zone: str
    checked: Checked
    findings: list[Finding]


def import_file(
    path: Path,
    store: BarStore,
    ticks: TickStore,
    options: ImportOptions,
    *,
    contract: str | None = None,
    accept: bool = False,
) -> ImportReport:
    """Import a CSV or Parquet file of bars or prints.

    Parameters
    ----------
    path : Path
    store : BarStore
    ticks : TickStore
    options : ImportOptions
    contract : str, optional
        Whose rows they are; needed where the file has no contract column. Rows of other contracts go to quarantine.
    accept : bool
        Store although the stamps look suspicious.

    Raises
    ------
    InputError
        When the file cannot be read or understood, looks suspicious, or most of its rows fail: nothing was stored.
    StorageError
        When the disk refuses.
    """
    path = Path(path)
    frame, where = read_file(path), path.name
    kind, columns = guess_columns(frame.columns, options.columns, where)
    stamps, _ = localised(frame, columns, options, where)
    near = _middle(stamps, where)
    groups = _by_contract(frame, columns, contract, near, where)
    options = replace(options, columns=columns)
    if kind == BARS and options.timeframe is None:
        _, largest = max(groups, key=lambda group: group[1].height)
        guessed = infer_timeframe(localised(largest, columns, options, where)[0], where)
        options = replace(options, timeframe=guessed.text)
    parts = [_part(rows, product, options, where) for product, rows in groups]
    _require_sound(parts, where, accept=accept)
    source = f"file:{path.name}:{fingerprint(path)[:12]}"
    written = {part.contract.id: _write(part, store, ticks, source) for part in parts}
    first = parts[0]
    return ImportReport(
        path=path,
        kind=kind,
        timeframe=first.timeframe.text if first.timeframe else "",
        columns=first.columns,
        zone=first.zone,
        stamp=options.stamp,
        written=written,
        findings=_suspicion(parts),
    )


def _middle(stamps: pl.Series, where: str) -> date:
    known = stamps.drop_nulls()
    if known.is_empty():
        raise InputError(f"{where}: no stamp could be read; say how they are written with --format")
    middle: Any = known.sort()[len(known) // 2]
    if not 1990 <= middle.year <= 2100:
        raise InputError(f"{where}: the stamps read as {middle:%Y-%m-%d}; check --column ts=NAME and --format")
    found: date = middle.date()
    return found


def _by_contract(
    frame: pl.DataFrame, columns: dict[str, str], contract: str | None, near: date, where: str
) -> list[tuple[Contract, pl.DataFrame]]:
    """Return each contract with its rows; the whole file under `contract` when that is given."""
    import polars as pl

    column = columns.get("contract")
    named = _contracts_in(frame[column], near, where) if column else {}
    if column and not named:
        del columns["contract"]
    if contract is not None:
        product = parse_contract(contract, near=near)
        if named and product not in named.values():
            raise InputError(
                f"{where} has no row of {product.code}; its column {column!r} names {_listed(list(named))}"
            )
        return [(product, frame)]
    if not named:
        raise InputError(
            f"{where} does not say which contract it is; say it with --contract, such as --contract MESM25"
        )
    products = list(dict.fromkeys(named.values()))
    return [
        (product, frame.filter(pl.col(str(column)).is_in([name for name, each in named.items() if each == product])))
        for product in products
    ]


def _contracts_in(series: pl.Series, near: date, where: str) -> dict[str, Contract]:
    """Return the contract that each name in the column stands for; empty when the column names products."""
    if series.null_count():
        raise InputError(
            f"{where}: column {series.name!r} is empty in {series.null_count()} rows; fill it or use --contract"
        )
    named: dict[str, Contract] = {}
    for name in series.unique(maintain_order=True).to_list():
        try:
            named[name] = parse_contract(str(name), near=near)
        except InputError as error:
            if series.name.lower() in PRODUCT_COLUMNS:
                return {}
            place = f"{where}, column {series.name!r}"
            if isinstance(error, UnknownContract):
                raise UnknownContract(error.kind, error.name, error.known, where=place) from error
            raise InputError(f"{place}: {error}") from error
    return named


def _part(frame: pl.DataFrame, contract: Contract, options: ImportOptions, where: str) -> _Part:
    hours = trading_hours(contract.spec)
    read = read_rows(frame, options, hours=hours, where=where)
    if read.timeframe is None:
        checked, found = check_ticks(read.frame, contract, hours), []
    else:
        found = findings(read.frame, read.timeframe, hours, zone=read.zone, stamp=options.stamp)
        checked = check_bars(read.frame, contract, read.timeframe, hours)
    return _Part(contract, read.kind, read.timeframe, read.columns, read.zone, checked, found)


def _require_sound(parts: Sequence[_Part], where: str, *, accept: bool) -> None:
    found = _suspicion(parts)
    if found and not accept:
        sentences = "; ".join(finding.text for finding in found)
        raise InputError(f"{where} looks wrong: {sentences}. Nothing was stored; with --accept it is stored as it is")
    groups = [[part] for part in parts if part.checked.good.height + part.checked.bad.height >= JUDGED_ROWS]
    for group in [*groups, list(parts)]:
        rows = sum(part.checked.good.height + part.checked.bad.height for part in group)
        bad = sum(part.checked.bad.height for part in group)
        if bad > MOST_BAD * rows:
            reasons = Counter[str]()
            for part in group:
                reasons.update(part.checked.reasons())
            named = group[0].contract.code if len(group) == 1 else "the file"
            raise InputError(
                f"{where}: {bad} of {rows} rows of {named} fail "
                f"({', '.join(f'{reason} {count}' for reason, count in reasons.items())}), so nothing was stored; "
                "check the columns, the contract, the timeframe and the time zone"
            )


def _write(part: _Part, store: BarStore, ticks: TickStore, source: str) -> WriteReport:
    if part.kind == BARS and part.timeframe is not None:
        return store.write_checked(part.contract, part.timeframe, part.checked, source=source)
    return ticks.append_checked(part.contract, part.checked, source=source, batch=f"{source}:{part.contract.id}")


def _suspicion(parts: Sequence[_Part]) -> list[Finding]:
    """Return what is suspicious about the largest part: thin back months have no profile, the clock is the file's."""
    return max(parts, key=lambda part: part.checked.good.height + part.checked.bad.height).findings


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
