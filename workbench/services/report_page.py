"""An executed notebook as one page for people: no code, no scripts of its own, nothing from the network, prints well.

A report that failed is no half report: its page says so first, shows the cell and the error, and folds what had come
before away.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

Json = dict[str, Any]
HIDDEN_TAGS = {"hide", "parameters", "injected-parameters"}
PROVENANCE = "application/vnd.workbench.provenance+json"
_OUTSIDE = re.compile(r"<script[^>]+src=[\"']https?://[^>]*>\s*</script>|<link[^>]+href=[\"']https?://[^>]*>")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FOR_AUTHORS = re.compile(r"^\*Reads\*.*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)
_LONGEST_TRACE = 40
# Ways to show an output, the best first; what has none of them is not for a page.
_SHOWN = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/plain")

# Whatever an output holds: opened from a disk, too, the page runs nothing and asks nobody for anything.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def style() -> str:
    """Return the style sheet of reports and of their index."""
    return (files("workbench.services") / "report.css").read_text(encoding="utf-8")


def title_of(notebook: Any) -> str:
    """Return the first heading of a notebook, "" when there is none."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return next((found[1].strip() for text in texts if (found := _HEADING.search(text))), "")


def told_provenance(notebook: Any) -> Json:
    """Return what the notebook's own provenance cells say, the later ones over the earlier."""
    told: Json = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            given = output.get("data", {}).get(PROVENANCE)
            told |= (json.loads(given) if isinstance(given, str) else given) or {}
    return told


def page(notebook: Any, facts: Mapping[str, Any]) -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode or None
        None when nothing was executed at all.
    facts : mapping
        ``title``, ``about`` (its subject), ``error`` ("" when all went well), ``cell`` (index of the cell that failed,
        or None) and ``provenance`` (name → value).
    """
    title, error, about = str(facts["title"]), str(facts["error"]), str(facts.get("about", ""))
    named = f"{title} {about}".strip()
    body = "" if notebook is None else "".join(_cells(notebook, facts.get("cell")))
    if error:
        before = f"<details><summary>What had come before</summary>{body}</details>" if body.strip() else ""
        body = f"{_failure(notebook, error, facts.get('cell'))}{before}"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width,initial-scale=1'><link rel='icon' href='data:,'>"
        f"<title>{html.escape(named)}</title><style>{style()}</style></head><body>"
        f"<header><p class='brand'>Workbench report</p><h1>{html.escape(title)}</h1>"
        f"<p class='dim'>{html.escape(about)}</p></header>"
        f"<main>{body}</main>{_provenance(facts['provenance'])}</body></html>"
    )


def _cells(notebook: Any, failed: int | None) -> Iterator[str]:
    is_first = True
    for number, cell in enumerate(notebook.cells):
        if failed is not None and number >= failed:
            return
        tags = set(cell.get("metadata", {}).get("tags", []))
        if cell.cell_type == "markdown":
            text = cell.source
            if is_first:  # the title stands in the header, and what is read and written is for who edits the template
                text, is_first = _HEADING.sub("", _FOR_AUTHORS.sub("", text), count=1), False
            yield _markdown(text)
        elif cell.cell_type == "code" and not tags & HIDDEN_TAGS:
            shown = "".join(map(_output, cell.outputs))
            yield f"<section>{shown}</section>" if shown else ""


def _output(output: Any) -> str:
    if output.output_type == "stream":
        return f"<pre>{html.escape(_ANSI.sub('', output.text))}</pre>" if output.name == "stdout" else ""
    if output.output_type not in ("display_data", "execute_result"):
        return ""
    data = output.data
    kind = next((kind for kind in _SHOWN if kind in data), None)
    if kind is None or PROVENANCE in data:
        return ""
    value = "".join(data[kind])
    if kind in ("text/html", "image/svg+xml"):
        return f"<div class='wide'>{_OUTSIDE.sub('', value)}</div>"
    if kind.startswith("image/"):
        return f"<img alt='' src='data:{kind};base64,{value.strip()}'>"
    return _markdown(value) if kind == "text/markdown" else f"<pre>{html.escape(value)}</pre>"


def _markdown(text: str) -> str:
    import mistune

    made: str = mistune.create_markdown(plugins=["table"])(text)  # type: ignore[assignment]
    return made


def _failure(notebook: Any, error: str, cell: int | None) -> str:
    shown = ""
    if notebook is not None and cell is not None and cell < len(notebook.cells):
        broken = notebook.cells[cell]
        trace = [_ANSI.sub("", "\n".join(o.traceback)) for o in broken.outputs if o.output_type == "error"]
        lines = "\n".join(trace).splitlines()[-_LONGEST_TRACE:]
        shown = f"<h2>The cell</h2><pre>{html.escape(broken.source)}</pre>"
        shown += f"<h2>What it said</h2><pre>{html.escape(chr(10).join(lines))}</pre>" if lines else ""
    return f"<div class='failed' role='alert'><b>✕ This report failed:</b> {html.escape(error)}</div>{shown}"


def _provenance(values: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th scope='row'>{html.escape(k)}</th><td>{_value(v)}</td></tr>" for k, v in values.items())
    return f"<footer><h2>Where it comes from</h2><table class='provenance'>{rows}</table></footer>"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<br>".join(f"{html.escape(str(k))} = {_value(v)}" for k, v in value.items() if v is not None) or "none"
    if isinstance(value, list | tuple):
        return "<br>".join(map(_value, value)) or "none"
    return html.escape(str(value)) if value not in ("", None) else "–"
