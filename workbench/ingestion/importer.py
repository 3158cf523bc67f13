"""Foreign rows into our schema: which column is what, in which time zone, stamped at a bar's start or its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.bar import AGGRESSOR_BUY, AGGRESSOR_SELL, AGGRESSOR_UNKNOWN, bars_schema, ticks_schema
from workbench.domain.errors import InputError
from workbench.domain.timeframe import TIMEFRAMES, Timeframe
from workbench.domain.timeframe import timeframe as parse_timeframe
from workbench.ingestion.stamps import localised

if TYPE_CHECKING:
    import polars as pl

    from workbench.domain.hours import TradingHours

BARS, TICKS = "bars", "ticks"
STAMPS = ("start", "end")
NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts",
        "timestamp",
        "datetime",
        "date_time",
        "ts_event",
        "time_utc",
        "time",
        "date",
        "t",
        "gmt time",
        "local time",
    ),
    "open": ("open", "o", "open_price"),
    "high": ("high", "h", "high_price"),
    "low": ("low", "l", "low_price"),
    "close": ("close", "c", "last", "close_price"),
    "volume": ("volume", "vol", "v", "total_volume", "tick_volume"),
    "price": ("price", "last", "trade_price", "p"),
    "size": ("size", "volume", "qty", "quantity", "vol", "v", "last_size"),
    "side": ("side", "aggressor", "type"),
    "contract": ("contract", "contract_id", "contractid", "instrument", "symbol", "ticker"),
}
ROLES = {BARS: ("ts", "open", "high", "low", "close", "volume"), TICKS: ("ts", "price", "size")}
OPTIONAL = {BARS: ("contract",), TICKS: ("side", "contract")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What a person says about a file; what is None is guessed, and the guess is reported.

    Attributes
    ----------
    columns : mapping of role to column name
        Roles: ts, date and time, open, high, low, close, volume; or price, size, side; contract.
    zone : str or None
        Time zone of stamps that carry none, such as ``America/Chicago``.
    relabel : bool
        Read stamps as `zone` although they carry another zone (files whose local time is labelled UTC).
    stamp : str
        ``start`` or ``end`` of the bar.
    format : str or None
        How text stamps are written, such as ``%d.%m.%Y %H:%M``.
    ambiguous : str
        For stamps in the hour that DST repeats: ``raise``, ``earliest`` or ``latest``.
    timeframe : str or None
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    zone: str | None = None
    relabel: bool = False
    stamp: str = "start"
    format: str | None = None
    ambiguous: str = "raise"
    timeframe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Rows in our schema, not validated yet, and how they were read.

    Attributes
    ----------
    kind : str
        ``bars`` or ``ticks``.
    frame : polars.DataFrame
        `bars_schema` or `ticks_schema` columns (numbers as they were), and ``contract`` where the file has one.
    timeframe : Timeframe or None
    columns : dict
        Role to column.
    zone : str
        The zone the stamps were read in.
    """

    kind: str
    frame: pl.DataFrame
    timeframe: Timeframe | None
    columns: dict[str, str]
    zone: str


def read_rows(frame: pl.DataFrame, options: ImportOptions, *, hours: TradingHours, where: str = "the file") -> Imported:
    """Bring the rows of a foreign file into our schema.

    Parameters
    ----------
    frame : polars.DataFrame
        As `storage.files.read_file` returns it.
    options : ImportOptions
    hours : TradingHours
        Of the product; needed for stamps at the end of bars above one hour.
    where : str
        The file's name, for messages.

    Raises
    ------
    InputError
        When a column is missing, stamps cannot be read, or a zone, stamp or timeframe is unknown.
    """
    if options.stamp not in STAMPS:
        raise InputError(
            f"unknown stamp convention {options.stamp!r}; bars are stamped at their 'start' or their 'end'"
        )
    kind, columns = guess_columns(frame.columns, options.columns, where)
    numbers = [role for role in ROLES[kind] if role != "ts"]
    ts, zone = localised(frame, columns, options, where)
    rows = frame.select(
        ts,
        *(_number(frame[columns[role]], role, where) for role in numbers),
        *(_optional(frame[columns[role]], role) for role in OPTIONAL[kind] if role in columns),
    )
    if kind == TICKS:
        return Imported(kind=kind, frame=rows, timeframe=None, columns=columns, zone=zone)
    wanted = parse_timeframe(options.timeframe) if options.timeframe else infer_timeframe(rows["ts"], where)
    if wanted.text == "1d" and _are_dates(rows["ts"], zone):
        rows = rows.with_columns(_opens(rows["ts"], zone, hours))
    elif options.stamp == "end":
        rows = rows.with_columns(_starts(rows["ts"], wanted, hours))
    return Imported(kind=kind, frame=rows, timeframe=wanted, columns=columns, zone=zone)


def guess_columns(names: list[str], given: Mapping[str, str], where: str = "the file") -> tuple[str, dict[str, str]]:
    """Return (kind, role to column) for a file's column names; `given` roles come first.

    Raises
    ------
    InputError
        When a role has no column; the message names it, shows the columns, and says how to name one.

    Examples
    --------
    >>> guess_columns(["Time", "Open", "High", "Low", "Last", "Vol"], {})[1]["close"]
    'Last'
    """
    roles = {*NAMES, "date", "time"}
    for role, name in given.items():
        if role not in roles:
            raise InputError(f"unknown role {role!r} in the column mapping; roles are {', '.join(sorted(roles))}")
        if name not in names:
            raise InputError(f"{where} has no column {name!r} for {role}; its columns are {', '.join(names)}")
    lower = {name.lower().strip(): name for name in names}
    kind = BARS if {"open", "high", "low"} & set(given) or _find("open", lower) else TICKS
    found = dict(given)
    for role in (*ROLES[kind], *OPTIONAL[kind]):
        if role not in found and not (role == "ts" and {"date", "time"} <= set(given)):
            guess = _find(role, lower)
            if guess is not None:
                found[role] = guess
    if (
        "ts" in found
        and "date" not in found
        and found["ts"].lower() in ("date", "time")
        and {"date", "time"} <= set(lower)
    ):
        found |= {"date": lower["date"], "time": lower["time"]}
    missing = [
        role for role in ROLES[kind] if role not in found and not (role == "ts" and {"date", "time"} <= set(found))
    ]
    if missing:
        why = "; bars are not stored without volume" if "volume" in missing else ""
        if kind == TICKS and not {"price", "size"} & set(found):  # it may as well be bars with strange names
            why = "; bars need ts, open, high, low, close and volume, prints need ts, price and size"
        raise InputError(
            f"{where} has no column for {', '.join(missing)} (its columns: {', '.join(names)}); "
            f"name it with --column {missing[0]}=NAME{why}"
        )
    return kind, found


def infer_timeframe(ts: pl.Series, where: str = "the file") -> Timeframe:
    """Return the timeframe whose length is the usual distance between neighbouring stamps."""
    steps = np.diff(np.unique(ts.drop_nulls().to_physical().to_numpy()))
    if not len(steps):
        raise InputError(f"{where} has too few bars to tell their timeframe; say it with --timeframe")
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[np.argmax(counts)]) // 1_000_000_000
    for text in TIMEFRAMES:
        if parse_timeframe(text).seconds == usual:
            return parse_timeframe(text)
    raise InputError(f"{where}: bars are {usual} s apart, which is no timeframe; say it with --timeframe")


def schema_of(kind: str) -> list[str]:
    """Return the column names that rows of this kind have in the store."""
    return list(bars_schema() if kind == BARS else ticks_schema())


def _find(role: str, lower: Mapping[str, str]) -> str | None:
    return next((lower[name] for name in NAMES[role] if name in lower), None)


def _optional(series: pl.Series, role: str) -> pl.Series:
    """Return a contract as text, or an aggressor as 0 (buy), 1 (sell), -1 (anything else)."""
    import polars as pl

    if role == "contract":
        return series.cast(pl.String).alias(role)
    if series.dtype.is_numeric():
        side = series.cast(pl.Int64, strict=False)
    else:
        letter = series.cast(pl.String).str.strip_chars().str.to_lowercase().str.head(1)
        side = letter.replace_strict({"b": 0, "s": 1}, default=AGGRESSOR_UNKNOWN, return_dtype=pl.Int64)
    known = side.is_in([AGGRESSOR_BUY, AGGRESSOR_SELL])
    return pl.select(pl.when(known).then(side).otherwise(AGGRESSOR_UNKNOWN).alias(role)).to_series()


def _number(series: pl.Series, role: str, where: str) -> pl.Series:
    import polars as pl

    if series.dtype.is_numeric():
        return series.alias(role)
    if series.dtype == pl.String:
        numbers = series.str.strip_chars().cast(pl.Float64, strict=False)
        broken = series.filter(numbers.is_null() & series.is_not_null())
        if len(broken) <= len(series) // 100:  # the few go to quarantine as not finite
            return numbers.alias(role)
        raise InputError(f"{where}: column {series.name!r} for {role} holds no numbers, for example {broken[0]!r}")
    raise InputError(f"{where}: column {series.name!r} for {role} is {series.dtype}, not a number")


def _are_dates(stamps: pl.Series, zone: str) -> bool:
    """Return whether daily bars are stamped at midnight: then the stamp is the trading date, not an instant."""
    clock = stamps.drop_nulls().dt.convert_time_zone(zone).dt.time()
    return bool((clock == time(0)).all())


def _opens(stamps: pl.Series, zone: str, hours: TradingHours) -> pl.Series:
    """Return the session open of each trading date; what is no trading date stays, to be quarantined as misaligned."""
    import polars as pl

    opens = pl.DataFrame(
        {"day": hours.dates, "open": hours.opens}, schema_overrides={"day": pl.Date, "open": pl.Int64}
    ).with_columns(pl.col("open").cast(pl.Datetime("ns", "UTC")))
    days = stamps.dt.convert_time_zone(zone).dt.date().alias("day").to_frame().with_columns(stamps)
    return (
        days.join(opens, on="day", how="left", maintain_order="left")
        .select(pl.coalesce("open", "ts").alias("ts"))
        .to_series()
    )


def _starts(ends: pl.Series, wanted: Timeframe, hours: TradingHours) -> pl.Series:
    """Return the starts of bars that are stamped at their end."""
    import polars as pl

    stamps = ends.to_physical().fill_null(0).to_numpy()
    if not wanted.anchored:
        starts = stamps - wanted.length
    else:
        inside = np.clip(stamps - 1, hours.opens[0], hours.opens[-1] - 1)
        starts = wanted.bar_starts(inside, hours)
    found = pl.Series("ts", starts).cast(pl.Datetime("ns", "UTC"))
    return pl.select(pl.when(ends.is_not_null()).then(found).alias("ts")).to_series()
