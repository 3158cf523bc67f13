"""`workbench data pull | import | list | check`: market data into the store, and what is in it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.output import show, table
from workbench.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.domain.contract import Contract
    from workbench.services.backfill import BackfillReport
    from workbench.storage.home import Home as HomeFolder

app = typer.Typer(help="Pull, import, list and check market data.", no_args_is_help=True)
Home = Annotated[str | None, typer.Option("--home", help="Folder of state and data (WORKBENCH_HOME).")]
Profile = Annotated[str | None, typer.Option("--profile", help="sim or topstepx (WORKBENCH_PROFILE).")]
Json = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]
DAY_NS = 86_400_000_000_000
SHORT = {
    "present": "bars",
    "longest_gap": "longest",
    "outside_hours": "outside",
    "duplicates": "twice",
    "quarantined": "bad",
}
CHECKED = ["bars", "missing", "gaps", "outside", "off_tick", "twice", "bad"]  # 80 columns hold no more


@app.command("pull")
def pull(
    contracts: Annotated[list[str], typer.Argument(help="Contracts such as MESM25, or roots (MES: the front month).")],
    timeframe: Annotated[list[str], typer.Option("--timeframe", "-t", help="Such as 5m; may be repeated.")] = ["1m"],  # noqa: B006
    days: Annotated[int, typer.Option(help="How many days back, when --start is not given.", min=1)] = 30,
    start: Annotated[str | None, typer.Option(help="Day or time, UTC unless it has an offset.")] = None,
    end: Annotated[str | None, typer.Option(help="Day or time; now by default.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Fetch what was fetched before, too.")] = False,
    home: Home = None,
    profile: Profile = None,
    json_: Json = False,
) -> None:
    """Fetch history from the gateway. A pull that was stopped goes on where it was."""
    from workbench.domain.timeframe import timeframe as parse_timeframe
    from workbench.storage.home import home as home_of

    frames = [parse_timeframe(text).text for text in timeframe]
    window = None if start is None else moment(start, "--start"), None if end is None else moment(end, "--end")
    if None not in window and window[0] >= window[1]:  # type: ignore[operator]
        raise InputError(f"--start {start} is not before --end {end}; nothing lies between them")
    reports = asyncio.run(_pulled(home_of(home), profile, contracts, frames, window, days, again=again, quiet=json_))
    rows = [asdict(report) for report in reports]
    if json_:
        show(rows, as_json=True)
    else:
        columns = ["contract", "timeframe", "received", "written", "unchanged", "replaced", "bad"]
        table(_short(rows), columns, empty="nothing to fetch")


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="CSV or Parquet files of bars or prints.")],
    contract: Annotated[str | None, typer.Option(help="Whose rows they are, where the file does not say.")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", "-t", help="Of bars; guessed by default.")] = None,
    column: Annotated[list[str], typer.Option("--column", help="ROLE=NAME, such as volume=Vol; repeatable.")] = [],  # noqa: B006
    zone: Annotated[str | None, typer.Option(help="Time zone of stamps without one, such as America/Chicago.")] = None,
    relabel: Annotated[
        bool, typer.Option("--relabel", help="The zone written in the file is wrong; use --zone.")
    ] = False,
    stamp: Annotated[str, typer.Option(help="start or end: which end of a bar its stamp is.")] = "start",
    format_: Annotated[str | None, typer.Option("--format", help="How stamps are written: '%d.%m.%Y %H:%M'.")] = None,
    ambiguous: Annotated[str, typer.Option(help="Stamps in a repeated hour: raise, earliest or latest.")] = "raise",
    accept: Annotated[bool, typer.Option("--accept", help="Store although the stamps look suspicious.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Import files of bars or prints. A file is stored as a whole or not at all."""
    from workbench.ingestion.importer import ImportOptions
    from workbench.services.importing import import_file
    from workbench.storage.bars import BarStore
    from workbench.storage.home import home as home_of
    from workbench.storage.ticks import TickStore

    options = ImportOptions(
        columns=dict(_assignment(each) for each in column),
        zone=zone,
        relabel=relabel,
        stamp=stamp,
        format=format_,
        ambiguous=ambiguous,
        timeframe=timeframe,
    )
    market = home_of(home).market
    store, ticks = BarStore(market), TickStore(market)
    rows: list[dict[str, Any]] = []
    for path in files:
        report = import_file(path, store, ticks, options, contract=contract, accept=accept)
        for name, written in report.written.items():
            about = {"file": str(path), "contract": name, "timeframe": report.timeframe or report.kind}
            rows.append(about | asdict(written) | {"findings": [finding.text for finding in report.findings]})
        if not json_:
            read_as = ", ".join(f"{role}={name}" for role, name in report.columns.items())
            typer.echo(
                f"{path.name}: {report.timeframe or 'ticks'}, zone {report.zone}, stamps {report.stamp}, {read_as}",
                err=True,
            )
            for finding in report.findings:
                typer.echo(f"{path.name}: accepted although {finding.text}", err=True)
    if json_:
        show(rows, as_json=True)
    else:
        columns = ["contract", "timeframe", "written", "unchanged", "replaced", "bad", "flagged"]
        table(_short(rows), columns, empty="nothing imported")


@app.command("list")
def list_(home: Home = None, json_: Json = False) -> None:
    """List what is stored."""
    from workbench.storage.bars import BarStore
    from workbench.storage.home import home as home_of
    from workbench.storage.ticks import TickStore

    market = home_of(home).market
    rows = [asdict(entry) for entry in BarStore(market).coverage()]
    rows += [asdict(entry) | {"timeframe": "ticks"} for entry in TickStore(market).coverage()]
    for row in rows:
        row["first"], row["last"] = _shown(row["first"]), _shown(row["last"])
    if json_:
        show(rows, as_json=True)
    else:
        table(_short(rows), ["contract", "timeframe", "rows", "first", "last"], empty="nothing is stored yet")


@app.command("check")
def check(
    contract: Annotated[str | None, typer.Argument(help="Only this contract.")] = None,
    timeframe: Annotated[str | None, typer.Option("--timeframe", "-t", help="Only this timeframe.")] = None,
    days: Annotated[bool, typer.Option("--days", help="Show each trading date.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Report gaps against the calendar, counts, off-tick prices, duplicates and quarantined rows."""
    from workbench.domain.contract import parse_contract
    from workbench.domain.timeframe import timeframe as parse_timeframe
    from workbench.services.quality import quality_of
    from workbench.storage.bars import BarStore
    from workbench.storage.home import home as home_of

    store = BarStore(home_of(home).market)
    wanted = None if contract is None else parse_contract(contract).id
    frame = None if timeframe is None else parse_timeframe(timeframe).text
    found = [e for e in store.coverage() if wanted in (None, e.contract) and frame in (None, e.timeframe)]
    if contract is not None and not found:
        raise InputError(f"nothing is stored of {wanted}{f' in {frame}' if frame else ''}; see `workbench data list`")
    reports = [quality_of(store, entry.contract, entry.timeframe) for entry in found]
    if json_:
        show([report.to_dict() for report in reports], as_json=True)
        return
    totals = [{"series": _series(report.contract, report.timeframe), **report.totals} for report in reports]
    table(_short(totals), ["series", "days", *CHECKED], empty="nothing is stored yet")
    for report in reports if days else []:
        typer.echo(f"\n{_series(report.contract, report.timeframe)}")
        table(
            _short(list(report.days.iter_rows(named=True))),
            ["trading_date", "volume", "bars", "missing", "gaps", "longest", "outside", "bad"],
            empty="",
        )


def _series(contract: str, timeframe: str) -> str:
    from workbench.domain.contract import parse_contract

    return f"{parse_contract(contract).code} {timeframe}"


def _short(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows for the screen: contract codes instead of ids, short names."""
    from workbench.domain.contract import parse_contract

    shown = [{SHORT.get(name, name): value for name, value in row.items()} for row in rows]
    return [row | ({"contract": parse_contract(row["contract"]).code} if "contract" in row else {}) for row in shown]


def moment(text: str, option: str) -> int:
    """Return a day or a time as UTC ns; UTC where it has no offset."""
    from datetime import UTC, datetime

    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text!r} is no day or time; write 2025-03-16 or 2025-03-16T22:00Z") from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp()) * 1_000_000_000


async def _pulled(
    place: HomeFolder,
    profile: str | None,
    contracts: list[str],
    frames: list[str],
    window: tuple[int | None, int | None],
    days: int,
    *,
    again: bool,
    quiet: bool,
) -> list[BackfillReport]:
    from workbench.gateway.rest import Rest
    from workbench.gateway.transport import Transport
    from workbench.services.backfill import backfill
    from workbench.services.client_tokens import client_tokens
    from workbench.services.market_time import market_now
    from workbench.services.settings import load_profile
    from workbench.storage.bars import BarStore

    chosen, store = load_profile(profile), BarStore(place.market)
    now = await market_now(chosen.rest_url if chosen.is_simulator else None)
    products = [_product(text, now) for text in contracts]
    end = window[1] or now
    start = window[0] or end - days * DAY_NS
    transport = Transport(chosen.rest_url)
    rest, reports = Rest(transport, await client_tokens(place, profile, transport=transport)), []
    try:
        with _bars(quiet=quiet) as bar:
            for product in products:
                for text in frames:
                    told = bar(f"{product.code} {text}")
                    reports.append(
                        await backfill(rest, store, product.id, text, start, end, told, now=now, again=again)
                    )
    finally:
        await rest.aclose()
    return reports


def _product(text: str, now: int) -> Contract:
    """Return the contract that a text names; for a product its front month at `now`."""
    from workbench.domain.contract import front_month, parse_contract, spec
    from workbench.domain.hours import local

    day = local(now).date()
    try:
        return parse_contract(text, near=day)
    except InputError:
        product = spec(text)
        if text.upper() not in (product.root, product.exchange_root, product.symbol_id):
            raise
        return front_month(product, day)


class _bars:  # noqa: N801 - used as a function
    """Progress bars on the error stream, none when `quiet`; calling it starts one and returns its progress callback."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]} bars"),
        )
        self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet)

    def __enter__(self) -> Callable[[str], Callable[[BackfillReport], None]]:
        self._progress.start()
        return self._start

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _start(self, name: str) -> Callable[[BackfillReport], None]:
        task = self._progress.add_task(name, rows=0)

        def told(report: BackfillReport) -> None:
            done = report.done_ns if report.total_ns else 1
            self._progress.update(task, total=report.total_ns or 1, completed=done, rows=report.received)

        return told


def _assignment(text: str) -> tuple[str, str]:
    role, equals, name = text.partition("=")
    if not equals or not role or not name:
        raise InputError(f"--column {text!r} must be ROLE=NAME, such as volume=Vol")
    return role, name


def _shown(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1e9, UTC).isoformat(timespec="seconds")
