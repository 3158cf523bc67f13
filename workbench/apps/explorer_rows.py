"""What the explorer shows of a stored series: fields, indicators, quality. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from workbench.apps.frame import data_age, shifted, short
from workbench.apps.grid import Row, columns
from workbench.apps.lab_form import day, timeframes_of
from workbench.domain.errors import InputError
from workbench.domain.timeframe import timeframe
from workbench.widgets.cards import CHICAGO

Json = dict[str, Any]
Values = dict[str, str]

# field → label, its lines as rules write them ({n} is the length), tone, dash, pane, usual length
_BANDS = ("bollinger_upper(close, {n}, 2)", "bollinger_lower(close, {n}, 2)")
INDICATORS = {
    "sma": ("SMA", ("sma(close, {n})",), "warn", 0, 0, 20),
    "ema": ("EMA", ("ema(close, {n})",), "info", 0, 0, 50),
    "bollinger": ("Bollinger, 2 deviations", _BANDS, "dim", 2, 0, 20),
    "vwap": ("VWAP of the session", ("vwap()",), "fg", 1, 0, None),
    "rsi": ("RSI, below", ("rsi(close, {n})",), "info", 0, 1, 14),
}  # fmt: skip
LONGEST = 1_000
DAY_HEADS = columns(
    "Trading date", "#Expected", "#Present", "#Missing", "#Gaps", "#Longest", "#Volume", "#Flagged", "~Note"
)  # fmt: skip
FLAGS = ("outside_hours", "off_tick", "duplicates", "quarantined")
GAP_HEADS = columns("Trading date", "From CT", "To CT", "#Bars missing")
REJECTED_HEADS = columns("Time CT", "~Reason", "~Source", "~Values")


def contracts(stored: list[Json], snapshot: Json | None) -> list[Json]:
    """Return the contracts that are stored, those that are live first, each with its span and finest timeframe."""
    live = {row["contract"] for row in (snapshot or {}).get("data", [])}
    made: dict[str, Json] = {}
    for row in stored:
        held = made.setdefault(row["contract"], dict(row))
        held["first"], held["last"] = min(held["first"], row["first"]), max(held["last"], row["last"])
        if timeframe(row["timeframe"]).seconds < timeframe(held["timeframe"]).seconds:
            held["timeframe"], held["rows"] = row["timeframe"], row["rows"]
    ordered = sorted(made.values(), key=lambda row: (row["contract"] not in live, -row["last"]))
    return [{**row, "live": row["contract"] in live} for row in ordered]


def form(found: list[Json], values: Values) -> list[Json]:
    """Return the explorer's fields; `values` are those that were typed."""
    chosen = next((row for row in found if row["contract"] == values.get("contract")), found[0] if found else None)
    options = [[row["contract"], f"{short(row['contract'])}{' · live' if row['live'] else ''}"] for row in found]
    frames = timeframes_of(chosen)
    frame = values.get("timeframe", "")
    span = f"{day(chosen['first'])} … {day(chosen['last'])}" if chosen else ""
    series = [
        {"name": "contract", "label": "Contract", "kind": "select", "options": options,
         "value": chosen["contract"] if chosen else "",
         "hint": f"{chosen['rows']:,} bars of {chosen['timeframe']}" if chosen else "nothing is stored"},
        {"name": "timeframe", "label": "Timeframe", "kind": "select", "options": [[t, t] for t in frames],
         "value": frame if frame in frames else (frames[0] if frames else ""), "hint": ""},
        {"name": "at", "label": "Go to", "kind": "date", "value": values.get("at", ""), "hint": span},
    ]  # fmt: skip
    lines = []
    for name, (label, _, _, _, _, length) in INDICATORS.items():
        shown = {"name": name, "label": label, "kind": "checkbox", "value": values.get(name, "false"), "hint": ""}
        lines.append(shown)
        if length is not None and shown["value"] == "true":
            lines.append(
                {"name": f"{name}.n", "label": f"{label.split(',')[0]} length", "kind": "number", "whole": True,
                 "min": 2, "max": LONGEST, "step": 1, "value": values.get(f"{name}.n", str(length)), "hint": ""}
            )  # fmt: skip
    return [{"title": "Series", "fields": series}, {"title": "Indicators", "fields": lines}]


def wanted(values: Values) -> list[str]:
    """Return the indicators that are ticked, as rules write them.

    >>> wanted({"sma": "true", "sma.n": "10", "vwap": "true", "rsi": "false"})
    ['sma(close, 10)', 'vwap()']
    """
    return [text for text, *_ in _lines(values)]


def _lines(values: Values) -> list[tuple[str, str, int, int]]:
    made = []
    for name, (label, texts, tone, dash, pane, length) in INDICATORS.items():
        if values.get(name) != "true":
            continue
        n = values.get(f"{name}.n", str(length))
        if length is not None and not (n.isdecimal() and 2 <= int(n) <= LONGEST):
            raise InputError(f"{label}: the length {n!r} must be a whole number from 2 to {LONGEST:,}")
        made += [(text.format(n=n), tone, dash, pane) for text in texts]
    return made


def overlays(values: Values, told: Json) -> list[Json]:
    """Return the lines over the candles, where they have a value."""
    times = [shifted(bar["time"]) for bar in told["bars"]]
    made = []
    for text, tone, dash, pane in _lines(values):
        known = told["lines"].get(text)
        if known is None:
            continue
        points = [{"time": at, "value": value} for at, value in zip(times, known, strict=True) if value is not None]
        made.append({"name": text, "tone": tone, "dash": dash, "pane": pane, "points": points})
    return made


def where(told: Json) -> str:
    """Return which part of the series is shown."""
    if not told["bars"]:
        return "no bars"
    first, last = (_moment(told["bars"][i]["time"]) for i in (0, -1))
    begin = told["offset"] + 1
    return f"bars {begin:,} to {begin + len(told['bars']) - 1:,} of {told['total']:,}: {first} … {last} CT"


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone(CHICAGO):%Y-%m-%d %H:%M}"


def age(snapshot: Json | None, contract: str, last: int) -> tuple[str, str]:
    """Return how old the data of a contract is, in words, and a tone."""
    found = data_age(snapshot or {}, {"contract": contract})
    if found["age_s"] is None:
        return f"not live; the last stored bar begins {_moment(last)} CT", ""
    marks = {"live": ("● live", "ok"), "stale": ("▲ STALE", "warn"), "closed": ("○ market closed", "")}
    text, tone = marks.get(found["state"], (str(found["state"]), "warn"))
    return f"{text}, last price {found['age_s']:.0f} s ago", tone


# --- quality ---------------------------------------------------------------------------------------------------------


def sheet(report: Json, told: str) -> Json:
    """Return the sums of a quality report as tiles."""
    totals = report["totals"]
    share = totals["present"] / totals["expected"] if totals["expected"] else None
    bad = totals["off_tick"] + totals["duplicates"] + totals["outside_hours"]
    tiles = [
        {"label": "Complete", "value": "–" if share is None else f"{100 * min(1, share):.2f}", "unit": "%",
         "note": f"{totals['present']:,} of {totals['expected']:,} bars"},
        _count("Missing bars", totals["missing"], "an open market had none"),
        _count("Gaps", totals["gaps"], f"the longest: {totals['longest_gap']:,} bars"),
        _count("Flagged", bad, f"{totals['outside_hours']:,} outside hours, {totals['off_tick']:,} off tick"),
        _count("Rejected", totals["quarantined"], "; ".join(f"{n:,} {why}" for why, n in report["quarantine"].items())),
        {"label": "Trading dates", "value": f"{totals['days']:,}", "unit": "", "note": ""},
    ]  # fmt: skip
    title = f"{short(report['contract'])} · {report['timeframe']} against the exchange's calendar"
    return {"title": title, "sub": told, "alarms": [], "tiles": tiles}


def _count(label: str, value: int, note: str) -> Json:
    return {"label": label, "value": f"{value:,}", "unit": "", "note": note if value else "✓ none"}


def day_rows(report: Json) -> list[Row]:
    """Return a row for each trading date, the newest first."""
    rows = []
    for d in report["days"][::-1]:
        flagged = sum(d[name] for name in FLAGS)
        missing: Any = (f"▲ {d['missing']:,}", "warn") if d["missing"] else "0"
        notes = ["early close"] if d["early_close"] else []
        notes += [f"{d[name]:,} {name.replace('_', ' ')}" for name in FLAGS if d[name]]
        rows.append(
            Row(
                id=d["trading_date"],
                cells=[
                    f"{d['trading_date']} {date.fromisoformat(d['trading_date']):%a}", f"{d['expected']:,}",
                    f"{d['present']:,}", missing, f"{d['gaps']:,}", f"{d['longest_gap']:,}", f"{d['volume']:,}",
                    (f"▲ {flagged:,}", "warn") if flagged else "0", ", ".join(notes) or None,
                ],
            )
        )  # fmt: skip
    return rows


def gap_rows(report: Json) -> list[Row]:
    """Return the gaps, the longest first; picking one goes there."""
    longest = sorted(report["gaps"], key=lambda gap: -gap["bars"])
    return [
        Row(id=f"{gap['start']}", cells=[gap["trading_date"], _ct(gap["start"]), _ct(gap["end"]), f"{gap['bars']:,}"])
        for gap in longest
    ]


def _ct(iso: str) -> str:
    return f"{datetime.fromisoformat(iso[:19] + '+00:00').astimezone(CHICAGO):%Y-%m-%d %H:%M}"


def rejected_rows(report: Json) -> list[Row]:
    """Return the newest rows that failed validation."""
    return [
        Row(
            id=str(n),
            cells=[
                None if r["time"] is None else _moment(r["time"]), (f"✖ {r['reason']}", "alarm"), r["source"],
                r["values"],
            ],
        )
        for n, r in enumerate(report["rejected"])
    ]  # fmt: skip
