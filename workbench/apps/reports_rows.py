"""What the reports page shows, worked out from the desk's answers: texts and tones, no widgets. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from workbench.apps.grid import Act, Row, columns
from workbench.domain.errors import InputError
from workbench.widgets.cards import CHICAGO

Json = dict[str, Any]
REPORT_HEADS = columns("Status", "~Report", "Created (Chicago)", "Asked by", "#Took")
SCHEDULE_HEADS = columns("Schedule", "Report", "When", "Next due (Chicago)", "~Last one")
STATUS = {
    "ok": ("✓ complete", "ok"),
    "failed": ("✖ failed", "alarm"),
    "error": ("✖ could not run", "alarm"),
    "running": ("◔ being made", "info"),
    "queued": ("○ waiting", "dim"),
    "waiting": ("▲ is tried again", "warn"),
}
UNDER_WAY = ("queued", "running")
PRESETS = (
    {"title": "After each close (10 min)", "due": "close + 10 min of MES", "slug": "close"},
    {"title": "After the last close of the week (1 h)", "due": "week close + 1 h of MES", "slug": "week"},
    {"title": "After the last close of the month (1 h)", "due": "month close + 1 h of MES", "slug": "month"},
    {"title": "Before each open (30 min)", "due": "open - 30 min of MES", "slug": "open"},
    {"title": "Cron: weekdays at 17:30", "due": "30 17 * * mon-fri", "slug": "weekdays"},
)
FIRST = "session"


def form(templates: Iterable[Json]) -> Json:
    """Return the form's templates; a default is shown as a person would type it."""
    shown = [
        {
            "name": t["name"],
            "title": t["title"],
            "parameters": [
                {"name": p["name"], "help": p["help"], "value": _typed(p["default"]),
                 "number": isinstance(_literal(p["default"]), int | float)}
                for p in t["parameters"]
            ],
        }
        for t in templates
    ]  # fmt: skip
    names = [t["name"] for t in shown]
    return {"templates": shown, "presets": list(PRESETS), "first": FIRST if FIRST in names else (names or [""])[0]}


def parameters(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return what was typed as values of the kind that the template's defaults have.

    Raises
    ------
    InputError
        A number was asked for and something else was typed.

    Examples
    --------
    >>> week = {"parameters": [{"name": "days", "default": "7"}, {"name": "until", "default": '""'}]}
    >>> parameters(week, {"days": "14", "until": "2026-11-27"})
    {'days': 14, 'until': '2026-11-27'}
    """
    kinds = {p["name"]: type(_literal(p["default"])) for p in template["parameters"]}
    out: dict[str, Any] = {}
    for name, text in values.items():
        kind = kinds.get(name, str)
        try:
            out[name] = text.strip().lower() == "true" if kind is bool else kind(text) if kind in (int, float) else text
        except ValueError:
            raise InputError(f"{name.replace('_', ' ')} must be a number, not {text!r}") from None
    return out


def report_rows(reports: Iterable[Json], jobs: Iterable[Json], now_ns: int) -> list[Row]:
    """Return what is being made first, then what was made, the newest first."""
    rows = []
    for job in jobs:
        if job["state"] in UNDER_WAY:
            asked, since = job["asked"], job["started_at"] or job["created_at"]
            took = f"{max(0, now_ns - since) / 1e9:.0f} s"
            act = Act(verb="cancel", label="Cancel", sure="Stop making it")
            who = asked.get("schedule") or job["by"]
            cells = [STATUS[job["state"]], str(asked["template"]), "now", who, took]
            rows.append(Row(id=f"job:{job['id']}", cells=cells, acts=(act,)))
    for report in reports:
        words = report["title"] or report["template"]
        words += f" · {report['about']}" if report["about"] else ""
        words += f" · {report['error']}" if report["error"] else ""
        status = STATUS.get(report["status"], (f"? {report['status']}", "warn"))
        cells = [
            status,
            words,
            created(report["started"]),
            report["schedule"] or "a person",
            f"{report['seconds']:.0f} s",
        ]
        rows.append(Row(id=report["name"], cells=cells, acts=(Act(verb="open", label="Open"),)))
    return rows


def schedule_rows(schedules: Iterable[Json]) -> list[Row]:
    """Return the schedules with their next due time and how the last one went."""
    rows = []
    for s in schedules:
        run = s["last"]
        due = ("no scheduler has seen it yet", "warn") if s["next_due"] is None else at(s["next_due"])
        last: Any = ("–", "dim")
        if run is not None:
            word, tone = STATUS.get(run["status"], (run["status"], ""))
            last = (f"{word} · {at(run['due'])}" + (f" · {run['error']}" if run["error"] else ""), tone)
        acts = [Act(verb="remove", label="Remove", sure="Remove this schedule")]
        if run is not None and run["report"]:
            acts.insert(0, Act(verb=f"open:{run['report']}", label="Open last"))
        rows.append(Row(id=s["name"], cells=[s["name"], s["template"], s["due"], due, last], acts=tuple(acts)))
    return rows


def at(ns: int) -> str:
    """Return an instant as Chicago time."""
    return f"{datetime.fromtimestamp(ns / 1e9, CHICAGO):%a %Y-%m-%d %H:%M}"


def created(text: str) -> str:
    """Return an ISO instant as Chicago time.

    >>> created("2026-11-23T15:00:00+00:00")
    '2026-11-23 09:00'
    """
    try:
        return f"{datetime.fromisoformat(text).astimezone(CHICAGO):%Y-%m-%d %H:%M}"
    except ValueError:
        return text or "–"


def _literal(default: str) -> Any:
    try:
        return ast.literal_eval(default)
    except (ValueError, SyntaxError):
        return default


def _typed(default: str) -> str:
    value = _literal(default)
    return value if isinstance(value, str) else default
