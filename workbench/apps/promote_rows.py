"""The tables of the promote page: versions, what two of them do differently, gates with evidence, attempts. Pure."""

from __future__ import annotations

from typing import Any

from workbench.apps.grid import Act, Row, columns
from workbench.apps.monitoring_rows import stamp
from workbench.domain.errors import InputError

Json = dict[str, Any]

VERSION_HEADS = columns("Strategy", "Version", "State", "Live in", "Parent", "Stored CT", "By")
CHANGE_HEADS = columns("Change", "~What", "~Before", "~After")
GATE_HEADS = columns("Verdict", "Into", "Gate", "#Wanted", "#Found", "~Why")
ATTEMPT_HEADS = columns("When CT", "Asked", "Outcome", "By", "~Reason", "~Refused because")
EVIDENCE_HEADS = columns("Evidence", "Made CT", "#Trades", "#Net USD", "#Costs USD", "#Largest fall USD", "Data")
SEAT_HEADS = columns("Session", "Live version", "Before it")

STATES = {
    "draft": ("○ draft", "dim"), "tested": ("◔ tested", "info"), "paper": ("◑ paper", "warn"),
    "live": ("● live", "ok"), "retired": ("✕ retired", "dim"),
}  # fmt: skip
CHANGES = {"added": ("+ added", "up"), "removed": ("− removed", "down"), "changed": ("± changed", "warn")}


def short(version: str | None) -> str:
    """Return the head of a version's hash."""
    return (version or "")[:8]


def label(row: Json) -> str:
    """Return what a version is called where one is chosen.

    >>> label({"name": "sma_cross", "version": "15b32ecea1b3d7f1", "state": "draft"})
    'sma_cross@15b32ece · draft'
    """
    return f"{row['name']}@{short(row['version'])} · {row['state']}"


def version_rows(versions: list[Json]) -> list[Row]:
    """Return a row for each version, in their order."""
    return [
        Row(
            id=v["version"],
            cells=[
                v["name"], short(v["version"]), STATES.get(v["state"], v["state"]), ", ".join(v["live_in"]),
                short(v["parent"]) or None, stamp(v["at"]), v["person"],
            ],
            acts=(Act(verb="base", label="Compare from"),),
        )
        for v in versions
    ]  # fmt: skip


def lineage_text(details: Json) -> str:
    """Return a version's ancestors, the oldest first.

    >>> line = [{"name": "a", "version": "12345678ab", "state": s} for s in ("live", "draft")]
    >>> lineage_text({"lineage": line})
    '12345678 (live) → 12345678 (draft)'
    """
    return " → ".join(f"{short(v['version'])} ({v['state']})" for v in details.get("lineage", []))


def change_rows(difference: Json) -> list[Row]:
    """Return what the newer version does differently, with words and signs."""
    rows = []
    for n, change in enumerate(difference.get("changes", [])):
        before = "–" if change["kind"] == "added" else change["before"]
        after = "–" if change["kind"] == "removed" else change["after"]
        rows.append(Row(id=f"{n}-{change['what']}", cells=[CHANGES[change["kind"]], change["what"], before, after]))
    return rows


def gate_rows(details: Json, to: str, verdicts: list[Json] | None) -> list[Row]:
    """Return the gates on the way into `to`: as judged, else as they would be asked."""
    if verdicts is not None:
        return [
            Row(
                id=f"{n}-{v['gate']}",
                cells=[
                    ("✓ passed", "ok") if v["passed"] else ("✖ not passed", "alarm"),
                    v["into"], v["gate"], number(v["bound"]), number(v["value"]), v["text"],
                ],
            )
            for n, v in enumerate(verdicts)
        ]  # fmt: skip
    into = steps(details.get("state", ""), to)
    return [
        Row(
            id=f"{g['into']}-{g['gate']}",
            cells=[("? not judged", "dim"), g["into"], g["gate"], g["wanted"], None, "press Ask the gates"],
        )
        for g in details.get("gates", [])
        if g["into"] in into
    ]


def steps(state: str, to: str) -> list[str]:
    """Return the states whose gates are passed on the way.

    >>> steps("draft", "paper"), steps("live", "paper"), steps("live", "live"), steps("paper", "retired")
    (['tested', 'paper'], [], ['live'], [])
    """
    order = ["draft", "tested", "paper", "live"]
    if to not in order or state not in order:
        return []
    return ["live"] if state == to == "live" else order[order.index(state) + 1 : order.index(to) + 1]


def last_verdicts(details: Json, to: str) -> list[Json] | None:
    """Return what the gates said to the newest attempt to go there; None when nobody has asked."""
    for attempt in details.get("attempts", []):
        if attempt["wanted"] == to and not attempt["accepted"]:
            return list(attempt["verdicts"])
    return None


def attempt_rows(details: Json) -> list[Row]:
    """Return what was asked for this version, the newest first."""
    rows = []
    for attempt in details.get("attempts", []):
        why = "; ".join(dict.fromkeys(v["text"] for v in attempt["verdicts"] if not v["passed"]))
        outcome = ("✓ carried out", "ok") if attempt["accepted"] else ("✖ refused", "alarm")
        asked = f"{attempt['wanted']} in {attempt['session']}" if attempt["session"] else attempt["wanted"]
        cells = [stamp(attempt["at"]), asked, outcome, attempt["person"], attempt["reason"] or None, why or None]
        rows.append(Row(id=str(attempt["at"]), cells=cells))
    return rows


def evidence_rows(details: Json) -> list[Row]:
    """Return the newest result of each kind that is attached to the version."""
    rows = []
    for one in details.get("evidence", []):
        stats = one["stats"]
        fall = stats.get("max_drawdown_usd")
        cells = [
            one["kind"].replace("_", " "), stamp(one["at"]), number(stats.get("trades")), number(stats.get("net_usd")),
            number(stats.get("costs_usd")), number(fall), one["data_version"][:12] or None,
        ]  # fmt: skip
        rows.append(Row(id=one["kind"], cells=cells))
    return rows


def seat_rows(seats: list[Json]) -> list[Row]:
    """Return the sessions that versions hold, with the way back."""
    rows = []
    for seat in seats:
        before = seat["before"][-1] if seat["before"] else None
        sure = f"Make {short(before)} live again?" if before else ""
        why, seen = ("", {"seen_before": before}) if before else ("nothing was live before", {})
        back = Act(verb="rollback", label="Roll back", sure=sure, why_not=why, seen=seen)
        cells = [seat["session"], short(seat["version"]) or None, ", ".join(map(short, seat["before"][::-1])) or None]
        rows.append(Row(id=seat["session"], cells=cells, acts=(back,)))
    return rows


def words_of(person: str, reason: str) -> Json:
    """Return who and why, as the desk keeps them.

    Raises
    ------
    InputError
        One of them is missing.
    """
    if not person.strip():
        raise InputError("write who you are: the name is kept with the promotion for good")
    if len(reason.strip()) < 3:
        raise InputError("write why: the reason is kept with the promotion for good")
    return {"person": person.strip(), "reason": reason.strip()}


def outcome(told: Json) -> tuple[str, str]:
    """Return what became of a promotion in a sentence, and its tone."""
    who = f"{told['name']}@{short(told['version'])}"
    if not told["passed"]:
        return f"{who} stays {told['was']}; {told['wanted']} is refused: {'; '.join(told['reasons'])}", "alarm"
    where = f" in session {told['session']}" if told["session"] else ""
    gave = f"; {short(told['replaced'])} gave way" if told["replaced"] else ""
    return f"{who} is {told['now']}{where}{gave}", "ok"


def number(value: Any) -> str | None:
    """Return a figure as people read it; a word stays as it is.

    >>> number(1234.5), number(30), number("> 0"), number(None)
    ('1,234.50', '30', '> 0', None)
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}".replace("-", "−")
    return f"{value:,.2f}".replace("-", "−")
