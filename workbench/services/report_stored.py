"""The stored data as its report shows it: how complete, how clean, how old, and which gaps a person should look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.domain.contract import parse_contract
from workbench.domain.errors import InputError
from workbench.domain.hours import CHICAGO, local, trading_hours
from workbench.ingestion.quality import Quality
from workbench.services.quality import quality_of
from workbench.services.report_day import Provenance, day_of, tail
from workbench.services.report_parts import AMBER, Part, Tile, bar_chart, table, tiles
from workbench.storage.bars import BarStore
from workbench.storage.home import Home

FULL, THIN = 0.999, 0.8  # of the bars that an open market could have had
LONG = 15  # bars: a longer hole is no want of trades


@dataclass(slots=True, kw_only=True)
class StoredSeries:
    """One contract in one timeframe."""

    contract: str
    timeframe: str
    first: int
    last: int
    version: str
    quality: Quality

    @property
    def share(self) -> float:
        """Present bars of those that an open market could have had."""
        totals = self.quality.totals
        return 1.0 if not totals["expected"] else 1 - totals["missing"] / totals["expected"]

    @property
    def faults(self) -> int:
        """Rows that cannot be right: off the tick, twice, in quarantine."""
        totals = self.quality.totals
        return totals["off_tick"] + totals["duplicates"] + totals["quarantined"]


@dataclass(slots=True, kw_only=True)
class StoredData:
    """All that is stored, or the part that was asked for."""

    series: list[StoredSeries] = field(default_factory=list)

    @property
    def headline(self) -> str:
        """The store in one sentence."""
        bars = sum(s.quality.totals["present"] for s in self.series)
        bad = sum(_verdict(s)[1] == "alarm" for s in self.series)
        word = "nothing to look at" if not bad else f"{bad} to look at"
        return f"{len(self.series)} series, {bars:,} bars: {word}."

    def tiles(self) -> Part:
        """Bars, share present, longest gap, faults."""
        totals = [s.quality.totals for s in self.series]
        expected, missing = sum(t["expected"] for t in totals), sum(t["missing"] for t in totals)
        worst = max(self.series, key=lambda s: s.quality.totals["longest_gap"])
        share = 1 - missing / expected if expected else 1.0
        faults = sum(s.faults for s in self.series)
        return tiles(
            [
                Tile("Bars", f"{sum(t['present'] for t in totals):,}", "", f"in {len(self.series)} series"),
                Tile("Present", f"{share:.2%}", "", f"{missing:,} of {expected:,} missing"),
                Tile("Longest gap", f"{worst.quality.totals['longest_gap']:,}", "bars",
                     f"{tail(worst.contract)} {worst.timeframe}"),
                Tile("Faulty rows", f"{faults:,}", "", "off tick, twice, or in quarantine", "down" if faults else ""),
            ]
        )  # fmt: skip

    def series_table(self) -> Part:
        """One row a series."""
        heads = ["~Contract", "~Of", "~Verdict", "~From", "~To (Chicago)", "Bars", "Present", "Gaps", "Longest",
                 "Outside hours", "Off tick", "Twice", "Quarantine"]  # fmt: skip
        rows: list[Sequence[Any]] = []
        for s in self.series:
            t = s.quality.totals
            rows.append([tail(s.contract), s.timeframe, _verdict(s), f"{local(s.first):%Y-%m-%d}",
                         f"{local(s.last):%Y-%m-%d %H:%M}", t["present"], f"{s.share:.1%}", t["gaps"], t["longest_gap"],
                         t["outside_hours"], t["off_tick"], t["duplicates"], t["quarantined"]])  # fmt: skip
        return table(heads, rows)

    def day_charts(self) -> Part:
        """Missing bars by trading date, for each series that misses any; the latest 40 dates."""
        charts = []
        for s in self.series:
            days = s.quality.days.tail(40)
            if int(days["missing"].sum()):
                names = [f"{day:%d %b}" for day in days["trading_date"].to_list()]
                title = f"{tail(s.contract)} {s.timeframe}: missing bars by trading date"
                charts.append(bar_chart(names, days["missing"].to_list(), title=title, unit="bars", colour=AMBER))
        return Part("".join(charts) or "<p class='dim'>No bar is missing.</p>")

    def gap_table(self, most: int = 25) -> Part:
        """The longest runs of missing bars."""
        gaps = [
            (row["bars"], tail(s.contract), s.timeframe, f"{row['trading_date']:%a %d %b %Y}", row["start"], row["end"])
            for s in self.series
            for row in s.quality.gaps.sort("bars", descending=True).head(most).iter_rows(named=True)
        ]
        gaps.sort(key=lambda gap: -gap[0])
        rows = [[contract, frame, day, f"{_chicago(start):%H:%M}", f"{_chicago(end):%H:%M}", bars]
                for bars, contract, frame, day, start, end in gaps[:most]]  # fmt: skip
        heads = ["~Contract", "~Bars of", "~Trading date", "~From", "~To (Chicago)", "Bars missing"]
        return table(heads, rows, empty="None: every bar of an open market is there.")

    def reason_table(self) -> Part:
        """What was put into quarantine, by reason."""
        rows = [[tail(s.contract), s.timeframe, reason, count]
                for s in self.series for reason, count in s.quality.reasons.items()]  # fmt: skip
        return table(["~Contract", "~Bars of", "~Reason", "Rows"], rows, empty="Nothing was put into quarantine.")

    def provenance(self) -> Provenance:
        """The version of each slice."""
        about = ", ".join(sorted({tail(s.contract) for s in self.series}))
        return Provenance(about=about, data={f"{s.contract} {s.timeframe}": s.version for s in self.series})


def stored_data(home: Home, contract: str = "", timeframe: str = "", start: str = "", end: str = "") -> StoredData:
    """Return the quality of what is stored.

    Parameters
    ----------
    home : Home
    contract : str
        Id, or its beginning or end such as ``MES`` or ``MES.Z26``; "" is all.
    timeframe : str
        "" is all.
    start, end : str
        Trading dates, the last one included; "" is open.

    Raises
    ------
    InputError
        Nothing is stored of it.
    """
    store, made = BarStore(home.market), []
    for entry in store.coverage():
        if contract and contract.upper() not in entry.contract.upper():
            continue
        if timeframe and entry.timeframe != timeframe:
            continue
        hours = trading_hours(parse_contract(entry.contract).spec)
        begin = hours.window(day_of(start)).open if start else entry.first
        until = hours.session_bounds(hours.window(day_of(end)).open)[1] if end else entry.last + 1
        found = quality_of(store, entry.contract, entry.timeframe, begin, until)
        if found.totals["present"]:
            version = store.data_version(entry.contract, entry.timeframe, begin, until)
            first, last = max(begin, entry.first), min(until - 1, entry.last)
            made.append(StoredSeries(contract=entry.contract, timeframe=entry.timeframe, first=first, last=last,
                                     version=version, quality=found))  # fmt: skip
    if not made:
        asked = " ".join(filter(None, (contract, timeframe, start and f"from {start}", end and f"to {end}")))
        raise InputError(f"no bars{f' of {asked}' if asked else ''} in {home.path}; fetch some: workbench data pull")
    return StoredData(series=made)


def _verdict(series: StoredSeries) -> tuple[str, str]:
    if series.faults:
        return "✕ faulty rows", "alarm"
    if series.share >= FULL:
        return "✓ whole", "ok"
    is_thin = series.share >= THIN and series.quality.totals["longest_gap"] <= LONG
    return ("○ thin trading", "warn") if is_thin else ("✕ gaps", "alarm")


def _chicago(at: Any) -> Any:
    return at.astimezone(CHICAGO)
