"""Stamps of foreign files: text, whole numbers, dates, with a zone or without, into UTC nanoseconds."""

from __future__ import annotations

import difflib
import zoneinfo
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from workbench.ingestion.importer import ImportOptions

FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y%m%d %H:%M:%S%.f",
    "%Y%m%d%H%M%S",
    "%Y%m%d %H%M%S",
    "%Y%m%d %H%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%m/%d/%Y %H:%M:%S%.f",
    "%d/%m/%Y %H:%M:%S%.f",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
)
# An epoch number is in the unit in which it falls into the years 1990 to 2100.
_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000), (float("inf"), 1))


def localised(
    frame: pl.DataFrame, columns: Mapping[str, str], options: ImportOptions, where: str
) -> tuple[pl.Series, str]:
    """Return the stamps as ``ts`` in UTC ns (null where one cannot be read) and the zone they were read in.

    Raises
    ------
    InputError
        When stamps without a zone come without `options.zone`, the zone is unknown, or stamps fall into an hour that
        the zone repeats or leaves out.
    """
    import polars as pl

    raw = _joined(frame, columns)
    if raw.null_count() == len(raw):
        raise InputError(f"{where}: column {raw.name!r} holds no stamps")
    if raw.dtype.is_numeric():
        return _epoch(raw), "UTC"
    if raw.dtype == pl.String:
        raw = _parsed(raw, options.format, where)
    if raw.dtype == pl.Date:
        raw = raw.cast(pl.Datetime("ns"))
    if not isinstance(raw.dtype, pl.Datetime):
        raise InputError(
            f"{where}: column {raw.name!r} is {raw.dtype}, which is no stamp; name another with --column ts=NAME"
        )
    carried = raw.dtype.time_zone
    if carried is not None and not options.relabel:
        if options.zone and require_zone(options.zone) != require_zone(carried):
            raise InputError(
                f"{where}: the stamps carry the zone {carried}, but --zone says {options.zone}; "
                "leave --zone out, or add --relabel if the label in the file is wrong"
            )
        return raw.dt.convert_time_zone("UTC").dt.cast_time_unit("ns").alias("ts"), carried
    if options.zone is None:
        raise InputError(
            f"{where}: the stamps carry no time zone (the first is {raw.drop_nulls()[0]}); say which clock wrote them, "
            "with --zone UTC or --zone America/Chicago"
        )
    return _in_zone(raw.dt.replace_time_zone(None), options, where), require_zone(options.zone)


def require_zone(name: str) -> str:
    """Return the name of a time zone; raise InputError with the closest names when there is none."""
    try:
        return zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = zoneinfo.available_timezones()
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "write one like America/Chicago or UTC"
        raise InputError(f"unknown time zone {name!r}; {hint}") from error


def _joined(frame: pl.DataFrame, columns: Mapping[str, str]) -> pl.Series:
    import polars as pl

    if not {"date", "time"} <= set(columns):
        return frame[columns["ts"]]
    day, clock = frame[columns["date"]], frame[columns["time"]]
    if day.dtype == pl.Date and clock.dtype == pl.Time:
        return frame.select(
            pl.col(columns["date"]).dt.combine(pl.col(columns["time"])).alias("date and time")
        ).to_series()
    width = 6 if clock.dtype.is_integer() and clock.max() > 2400 else 4  # type: ignore[operator]
    text = clock.cast(pl.String).str.zfill(width) if clock.dtype.is_integer() else clock.cast(pl.String)
    return (day.cast(pl.String) + " " + text).alias("date and time")


def _epoch(raw: pl.Series) -> pl.Series:
    import polars as pl

    middle = abs(float(raw.median()))  # type: ignore[arg-type]
    factor = next(factor for most, factor in _UNITS if middle < most)
    whole = raw if raw.dtype.is_integer() else (raw * min(factor, 1_000_000)).round(0)
    left = factor if raw.dtype.is_integer() else factor // min(factor, 1_000_000)
    return (whole.cast(pl.Int64, strict=False) * left).cast(pl.Datetime("ns", "UTC")).alias("ts")


def _parsed(raw: pl.Series, given: str | None, where: str) -> pl.Series:
    """Return text stamps as date-times, with a zone where the text has one."""
    text = raw.str.strip_chars()
    offset = text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$")
    if offset.sum() >= (len(text) - text.null_count()) * 0.99:
        plain = text.str.replace(r"Z$", "+00:00").str.replace(r"([+-]\d\d)(\d\d)$", "${1}:${2}")
        formats = [given] if given else [f"{form}%:z" for form in FORMATS[:2]]
        return _best(plain, formats, where, time_zone="UTC")
    return _best(text, [given] if given else [*FORMATS, "%Y-%m-%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y"], where)


def _best(text: pl.Series, formats: list[str], where: str, **options: Any) -> pl.Series:
    read = {form: text.str.to_datetime(form, strict=False, time_unit="ns", **options) for form in formats}
    lost = {form: stamps.null_count() - text.null_count() for form, stamps in read.items()}
    best = min(lost, key=lambda form: lost[form])
    sample = text.drop_nulls()[0]
    if lost[best] > len(text) // 100:
        raise InputError(
            f"{where}: stamps such as {sample!r} are in no known format; say it with --format, as in '%d.%m.%Y %H:%M'"
        )
    rivals = [form for form in formats if lost[form] == lost[best] and not read[form].equals(read[best])]
    if rivals:
        raise InputError(f"{where}: {sample!r} could be {best} or {rivals[0]}; say which with --format")
    return read[best]


def _in_zone(raw: pl.Series, options: ImportOptions, where: str) -> pl.Series:
    zone = require_zone(str(options.zone))
    if options.ambiguous not in ("raise", "earliest", "latest"):
        raise InputError(f"unknown rule {options.ambiguous!r} for repeated hours; choose raise, earliest or latest")
    rule: Any = "null" if options.ambiguous == "raise" else options.ambiguous
    placed = raw.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    skipped = raw.filter(placed.is_null() & raw.is_not_null())
    if len(skipped):
        raise InputError(
            f"{where}: {len(skipped)} stamps do not exist in {zone}, the first is {skipped[0]} (the clock jumps "
            "over it); the zone is probably wrong"
        )
    placed = raw.dt.replace_time_zone(zone, ambiguous=rule, non_existent="null")
    twice = raw.filter(placed.is_null() & raw.is_not_null())
    if len(twice):
        raise InputError(
            f"{where}: {len(twice)} stamps occur twice in {zone}, the first is {twice[0]} (the clock is set back); the "
            "zone may be wrong (most markets are closed then), or say --ambiguous earliest or latest"
        )
    return placed.dt.convert_time_zone("UTC").dt.cast_time_unit("ns").alias("ts")
