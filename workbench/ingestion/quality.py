"""How complete and how clean stored bars are: day by day against the calendar, as a table and as plain values.

A minute in which nobody traded has no bar, so a missing bar is not always a fault: `expected` counts what an open
market could have had. Only the stretch between the first and the last bar is judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.contract import Contract
from workbench.domain.timeframe import Timeframe
from workbench.ingestion.validate import check_bars

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from workbench.domain.hours import TradingHours

HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The quality of one contract in one timeframe.

    Attributes
    ----------
    contract, timeframe : str
    days : polars.DataFrame
        One row per trading date: ``trading_date, early_close, expected, present, missing, gaps, longest_gap, volume,
        outside_hours, off_tick, duplicates, quarantined`` (bars; `gaps` counts runs of missing bars).
    gaps : polars.DataFrame
        One row per run of missing bars: ``trading_date, start, end`` (UTC), ``bars``.
    reasons : dict
        Quarantined rows by reason.
    """

    contract: str
    timeframe: str
    days: pl.DataFrame
    gaps: pl.DataFrame
    reasons: dict[str, int]

    @property
    def totals(self) -> dict[str, int]:
        """Sums over all days; `longest_gap` is the longest one."""
        names = "expected present missing gaps outside_hours off_tick duplicates quarantined".split()
        sums = {name: int(self.days[name].sum()) for name in names}
        longest = 0 if self.days.is_empty() else int(self.days["longest_gap"].max())  # type: ignore[arg-type]
        return {"days": self.days.height, **sums, "longest_gap": longest}

    def to_dict(self, *, most_gaps: int = 100) -> dict[str, Any]:
        """Return plain values for JSON; only the `most_gaps` longest gaps are listed."""
        longest = self.gaps.sort("bars", descending=True).head(most_gaps).sort("start")
        return {
            "contract": self.contract,
            "timeframe": self.timeframe,
            "totals": self.totals,
            "quarantine": self.reasons,
            "days": [
                {**row, "trading_date": row["trading_date"].isoformat()} for row in self.days.iter_rows(named=True)
            ],
            "gaps": [
                {
                    "trading_date": row["trading_date"].isoformat(),
                    "start": row["start"].isoformat(),
                    "end": row["end"].isoformat(),
                    "bars": row["bars"],
                }
                for row in longest.iter_rows(named=True)
            ],
        }

    def _repr_html_(self) -> str:
        from workbench.domain.html_table import muted, table

        sums = self.totals
        share = f"{sums['present'] / sums['expected']:.2%}" if sums["expected"] else "–"
        first, last = (
            (None, None) if self.days.is_empty() else (self.days["trading_date"][0], self.days["trading_date"][-1])
        )
        title = escape(f"{self.contract} {self.timeframe}: {sums['present']:,} of {sums['expected']:,} bars ({share})")
        names = ("missing", "gaps", "longest_gap", "outside_hours", "off_tick", "duplicates", "quarantined")
        rows = [(name.replace("_", " "), f"{sums[name]:,}", "runs" if name == "gaps" else "bars") for name in names]
        rows += [(f"quarantined: {reason}", f"{count:,}", "bars") for reason, count in self.reasons.items()]
        lines = f"{first} … {last}, {sums['days']:,} trading dates" if first else "no bars are stored"
        return f"<p><b>{title}</b></p>{table(('what', 'number', 'unit'), rows, right=[1])}{muted(lines)}"


def quality(
    bars: pl.DataFrame,
    contract: Contract,
    timeframe: Timeframe,
    hours: TradingHours,
    quarantined: pl.DataFrame | None = None,
) -> Quality:
    """Compare bars with the calendar.

    Parameters
    ----------
    bars : polars.DataFrame
        In `bars_schema`, ascending.
    contract : Contract
    timeframe : Timeframe
    hours : TradingHours
    quarantined : polars.DataFrame, optional
        Rejected rows of this contract and timeframe (`Quarantine.read`), to be counted by day.

    Returns
    -------
    Quality
    """
    import polars as pl

    reasons = {} if quarantined is None else dict(sorted(quarantined["reason"].value_counts().iter_rows()))
    if bars.is_empty():
        return Quality(
            contract=contract.id, timeframe=timeframe.text, days=_NO_DAYS(), gaps=_NO_GAPS(), reasons=reasons
        )
    ts = bars["ts"].to_physical().to_numpy()
    expected = expected_starts(timeframe, hours, int(ts[0]), int(ts[-1]))
    absent = ~np.isin(expected, ts)
    gaps = _gaps(expected, absent, timeframe, hours)
    fails = check_bars(bars, contract, timeframe, hours).bad
    parts = [
        _count(expected, hours, "expected"),
        _count(ts, hours, "present"),
        _count(expected[absent], hours, "missing"),
        gaps.group_by("trading_date").agg(gaps=pl.len(), longest_gap=pl.col("bars").max()),
        bars.select(trading_date=_dates(ts, hours), volume=pl.col("volume"))
        .group_by("trading_date")
        .agg(pl.col("volume").sum()),
        _count(ts[~hours.is_open_array(ts)], hours, "outside_hours"),
        _count(_stamps(fails.filter(pl.col("reason") == "off_tick")), hours, "off_tick"),
        _count(_stamps(fails.filter(pl.col("reason").is_in(["duplicate", "conflict"]))), hours, "duplicates"),
        _count(_stamps(quarantined), hours, "quarantined"),
    ]
    days = parts[0].join(parts[1], on="trading_date", how="full", coalesce=True)
    for part in parts[2:]:
        days = days.join(part, on="trading_date", how="left")
    counted = [name for name in _NO_DAYS().columns if name not in ("trading_date", "early_close")]
    days = days.with_columns(pl.col(name).fill_null(0).cast(pl.Int64) for name in counted).sort("trading_date")
    early = [hours.window(day).early for day in days["trading_date"].to_list()]
    days = days.with_columns(early_close=pl.Series(early, dtype=pl.Boolean)).select(_NO_DAYS().columns)
    return Quality(contract=contract.id, timeframe=timeframe.text, days=days, gaps=gaps, reasons=reasons)


def expected_starts(timeframe: Timeframe, hours: TradingHours, first: int, last: int) -> NDArray[np.int64]:
    """Return the starts (UTC ns) of all bars from `first` to `last` during which the market was open at some time."""
    if timeframe.daily:
        sessions = hours.opens[(hours.opens >= first) & (hours.opens <= last)]
        return np.unique(np.append(timeframe.bar_starts(sessions, hours), first))
    if timeframe.anchored:  # session by session, in steps of an hour
        grid = np.arange(first - first % HOUR_NS, last + 1, HOUR_NS)
        grid = grid[hours.is_open_array(grid)]
        starts = np.unique(timeframe.bar_starts(grid, hours))
        return starts[(starts >= first) & (starts <= last)]
    starts = np.arange(first - first % timeframe.length, last + 1, timeframe.length)
    open_then = hours.is_open_array(starts) | hours.is_open_array(starts + timeframe.length - 1)
    return starts[open_then]


def _gaps(
    expected: NDArray[np.int64], absent: NDArray[np.bool_], timeframe: Timeframe, hours: TradingHours
) -> pl.DataFrame:
    import polars as pl

    if not absent.any():
        return _NO_GAPS()
    dates = hours.trading_dates_of(expected)
    breaks = np.concatenate([[True], dates[1:] != dates[:-1]])
    begins = absent & (np.concatenate([[True], ~absent[:-1]]) | breaks)
    run = np.cumsum(begins)[absent]
    starts = expected[begins]
    count = np.bincount(run)[1:]
    last = expected[absent][np.cumsum(count) - 1]
    return pl.DataFrame(
        {
            "trading_date": dates[begins],
            "start": starts,
            "end": timeframe.bar_ends(last, hours),
            "bars": count,
        }
    ).cast({"start": pl.Datetime("ns", "UTC"), "end": pl.Datetime("ns", "UTC"), "bars": pl.Int64})


def _count(ts: NDArray[np.int64], hours: TradingHours, name: str) -> pl.DataFrame:
    return _dates(ts, hours).to_frame().group_by("trading_date").len(name)


def _dates(ts: NDArray[np.int64], hours: TradingHours) -> pl.Series:
    import polars as pl

    inside = ts[(ts >= hours.opens[0]) & (ts < hours.opens[-1])]
    dates = hours.trading_dates_of(inside) if len(inside) else np.empty(0, "datetime64[D]")
    return pl.Series("trading_date", dates).cast(pl.Date)


def _stamps(rows: pl.DataFrame | None) -> NDArray[np.int64]:
    if rows is None:
        return np.empty(0, np.int64)
    stamps: NDArray[np.int64] = rows["ts"].drop_nulls().to_physical().to_numpy().astype(np.int64)
    return stamps


def _NO_DAYS() -> pl.DataFrame:  # noqa: N802 - a constant that may not load polars at import
    import polars as pl

    counts = "expected present missing gaps longest_gap volume outside_hours off_tick duplicates quarantined".split()
    return pl.DataFrame(
        schema={"trading_date": pl.Date(), "early_close": pl.Boolean(), **dict.fromkeys(counts, pl.Int64())}
    )


def _NO_GAPS() -> pl.DataFrame:  # noqa: N802 - as above
    import polars as pl

    stamp = pl.Datetime("ns", "UTC")
    return pl.DataFrame(schema={"trading_date": pl.Date(), "start": stamp, "end": stamp, "bars": pl.Int64()})
