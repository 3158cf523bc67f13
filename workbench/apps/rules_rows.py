"""What the rule builder shows of a check and of one explained bar. Pure."""

from __future__ import annotations

from typing import Any

from workbench.apps.grid import Row, columns
from workbench.apps.rules_form import RULES

Json = dict[str, Any]
EXPLAIN_HEADS = columns("Truth", "~Condition", "#Value", "~Note")
LEVELS = {"error": ("✖ error", "alarm"), "warning": ("▲ warning", "warn"), "hint": ("■ hint", "info")}
TRUTH: dict[bool | None, tuple[str, str]] = {
    True: ("✓ true", "ok"), False: ("✖ false", "alarm"), None: ("? unknown", "dim"),
}  # fmt: skip
NAMES = {
    "entry.long": "enter long",
    "entry.short": "enter short",
    "exit.long": "leave long",
    "exit.short": "leave short",
}


def findings(checked: Json) -> list[tuple[str, str]]:
    """Return what a check found, each with its tone; nothing found is said, too.

    >>> findings({"ok": True, "version": "0123456789ab", "warmup": 30, "findings": []})
    [('✓ a strategy: version 01234567, needs 30 bars of history', 'ok')]
    """
    shown = []
    for one in checked["findings"]:
        word, tone = LEVELS.get(one["level"], (one["level"], ""))
        place = f" line {one['line']}" if one["line"] else ""
        shown.append((f"{word}{place}: {one['text']}", tone))
    if checked["ok"] and not any(one["level"] == "error" for one in checked["findings"]):
        history = f", needs {checked['warmup']} bars of history" if checked.get("warmup") else ""
        shown.append((f"✓ a strategy: version {checked['version'][:8]}{history}", "ok"))
    return shown


def explain_rows(told: Json) -> list[Row]:
    """Return every condition of every rule with its value or truth, in depth, and what else an entry needs."""
    rows: list[Row] = []
    for name in (*RULES, *(other for other in told["rules"] if other not in RULES)):
        part = told["rules"].get(name)
        if part is None:
            continue
        verdict = told["verdicts"].get(name, "")
        rows.append(Row(id=name, cells=[TRUTH[part["holds"]], f"{NAMES.get(name, name)}: {verdict}", "", ""]))
        rows += _parts(part, f"{name}/", 1)
        for hurdle in told["hurdles"].get(name, []):
            text = f"· {hurdle['name'].replace('_', ' ')}"
            rows.append(Row(id=f"{name}!{hurdle['name']}", cells=[TRUTH[hurdle["passes"]], text, "", hurdle["text"]]))
    return rows


def _parts(part: Json, path: str, depth: int) -> list[Row]:
    value = "" if part["value"] is None else f"{part['value']:,.10g}"
    truth = TRUTH[part["holds"]] if part["is_condition"] else ("", "")
    text = f"{'┊  ' * depth}{part['text']}"
    rows = [Row(id=path, cells=[truth, text, value, part["note"]])]
    for n, inner in enumerate(part["parts"]):
        rows += _parts(inner, f"{path}{n}/", depth + 1)
    return rows
