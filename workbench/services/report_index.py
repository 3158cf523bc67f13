"""The list of reports: read from each report's own `meta.json`, so that it cannot drift from what is there."""

from __future__ import annotations

import html
import shutil
from pathlib import Path
from typing import Any

from workbench.domain.errors import StorageError, UnknownName
from workbench.services.report_page import style
from workbench.storage.home import read_json, write_durably

Json = dict[str, Any]
SIGNS = {"ok": ("✓ complete", "ok"), "failed": ("✕ failed", "alarm"), "error": ("✕ could not run", "alarm")}


def list_reports(folder: Path, limit: int | None = None) -> list[Json]:
    """Return the reports in a folder, the newest first; one whose meta.json cannot be read says so.

    A row has ``name, template, title, about, status, error, started, seconds, schedule, parameters``.
    """
    if not folder.is_dir():
        return []
    names = sorted((p.parent for p in folder.glob("*/meta.json") if not p.parent.name.startswith(".")), reverse=True)
    return [_row(path) for path in names[:limit]]


def _row(folder: Path) -> Json:
    row: Json = {
        "name": folder.name,
        "template": "",
        "title": "",
        "about": "",
        "status": "error",
        "error": "",
        "started": "",
    }
    row |= {"seconds": 0.0, "schedule": "", "parameters": {}}
    try:
        meta = read_json(folder / "meta.json") or {}
    except StorageError as error:
        return {**row, "error": str(error)}
    row |= {name: meta[name] for name in row if name in meta and name != "name"}
    return {**row, "template": Path(str(row["template"])).stem}


def remove_report(folder: Path, name: str) -> None:
    """Remove one report; UnknownName when there is none of that name.

    Raises
    ------
    UnknownName
    """
    known = [row["name"] for row in list_reports(folder)]
    if name not in known:
        raise UnknownName("report", name, known, where=str(folder))
    shutil.rmtree(folder / name)


def rebuild_index(folder: Path) -> Path:
    """Write `index.html` of a folder of reports anew and return its path."""
    rows = "".join(map(_line, list_reports(folder)))
    head = "".join(
        f"<th class='t'>{name}</th>" for name in ("Report", "Status", "Created (UTC)", "Template", "Asked by")
    )
    table = f"<table><thead><tr>{head}<th>Took</th></tr></thead><tbody>{rows}</tbody></table>"
    body = f"<div class='wide'>{table}</div>" if rows else "<p>No report has been run yet.</p>"
    text = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'><link rel='icon' href='data:,'>"
        f"<title>Reports</title><style>{style()}</style></head><body><header><p class='brand'>Workbench</p>"
        f"<h1>Reports</h1></header><main>{body}</main></body></html>"
    )
    write_durably(folder / "index.html", text.encode("utf-8"))
    return folder / "index.html"


def _line(row: Json) -> str:
    words, tone = SIGNS.get(str(row["status"]), (f"? {row['status']}", "warn"))
    link = html.escape(f"{row['name']}/report.html", quote=True)
    title = html.escape(str(row["title"] or row["template"] or row["name"]))
    about = f"<div class='note'>{html.escape(str(row['about']))}</div>" if row["about"] else ""
    said = f"<div class='note'>{html.escape(str(row['error']))}</div>" if row["error"] else ""
    created = html.escape(str(row["started"])[:16].replace("T", " "))
    cells = (f"<a href='{link}'>{title}</a>{about}{said}", f"<span class='{tone}'>{words}</span>", created)
    rest = (html.escape(str(row["template"])), html.escape(str(row["schedule"] or "a person")))
    named = "".join(f"<td class='t w'>{cell}</td>" if not n else f"<td class='t'>{cell}</td>"
                    for n, cell in enumerate((*cells, *rest)))  # fmt: skip
    return f"<tr>{named}<td>{float(row['seconds'] or 0):.0f} s</td></tr>"
