"""Report templates as they are declared: where they lie, what they ask, which parameters they take. Nothing is run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.domain.errors import InputError, UnknownName

TEMPLATES = Path("notebooks") / "reports"
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)
Json = dict[str, Any]


def find_template(template: str | Path) -> Path:
    """Return the notebook behind a path or a name of ``notebooks/reports``; raise UnknownName with what there is."""
    path = Path(template)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    for folder in _folders():
        if (folder / f"{path.stem}.ipynb").is_file() and path.parent == Path():
            return folder / f"{path.stem}.ipynb"
    names = {p.stem for folder in _folders() if folder.is_dir() for p in folder.glob("*.ipynb")}
    raise UnknownName("report template", str(template), names, where="notebooks/reports")


def require_template(template: str | Path, parameters: Mapping[str, Any]) -> Path:
    """Return the notebook behind a template that has these parameters.

    Raises
    ------
    UnknownName, InputError
        No such template, no such parameter, or no notebook.
    """
    source = find_template(template)
    known = [told["name"] for told in template_parameters(source)]
    for name in parameters:
        if name not in known:
            raise UnknownName("parameter", name, known, where=str(source))
    return source


def shipped_templates() -> list[Json]:
    """Return the templates of ``notebooks/reports``: ``name, title, parameters`` (each ``name, default, help``)."""
    found = {p.stem: p for folder in _folders()[::-1] if folder.is_dir() for p in folder.glob("*.ipynb")}
    return [
        {"name": name, "title": _title(path) or name, "parameters": template_parameters(path)}
        for name, path in sorted(found.items())
    ]


def template_parameters(source: Path) -> list[dict[str, str]]:
    """Return the assignments of the cell tagged ``parameters``: ``name``, ``default`` as written, ``help`` behind it.

    Raises
    ------
    InputError
        The file is no notebook, or that cell is no Python.
    """
    cells = [c for c in _cells(source) if "parameters" in c.get("metadata", {}).get("tags", [])]
    text = "".join(cells[0].get("source", "")) if cells else ""
    try:
        lines, body = text.splitlines(), ast.parse(text).body
    except SyntaxError as error:
        raise InputError(f"the parameters of {source} are not Python ({error.msg}, line {error.lineno})") from error
    out = []
    for statement in body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        value = getattr(statement, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            behind = lines[(value.end_lineno or 1) - 1].encode()[value.end_col_offset or 0 :].decode()
            default = ast.get_source_segment(text, value) or ""
            out.append({"name": target.id, "default": default, "help": behind.strip().removeprefix("#").strip()})
    return out


def _folders() -> list[Path]:
    return [TEMPLATES, Path(__file__).resolve().parents[2] / TEMPLATES]


def _title(source: Path) -> str:
    texts = ("".join(c.get("source", "")) for c in _cells(source) if c.get("cell_type") == "markdown")
    return next((found[1].strip() for text in texts if (found := _HEADING.search(text))), "")


def _cells(source: Path) -> list[Json]:
    try:
        cells: list[Json] = json.loads(source.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{source} is not a notebook: {error}") from error
    return cells
