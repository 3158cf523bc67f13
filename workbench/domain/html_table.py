"""A small HTML table for a notebook: no script, no style sheet, the colours of the notebook's own theme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "padding:3px 10px;font-variant-numeric:tabular-nums"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> str:
    """Return an HTML table; cells are escaped, None is a dash, columns in `right` are right-aligned.

    >>> "&lt;b&gt;" in table(["name", "USD"], [["<b>", None]], right=[1])
    True
    """
    numbers = set(right)

    def cell(tag: str, column: int, text: object) -> str:
        align = "right" if column in numbers else "left"
        return f'<{tag} style="text-align:{align};{_CELL}">{escape("–" if text is None else str(text))}</{tag}>'

    lines = ["".join(cell("td", i, text) for i, text in enumerate(row)) for row in rows]
    if not lines:
        lines = [f'<td colspan="{len(head)}" style="text-align:left;{_CELL};opacity:.7">none</td>']
    top = "".join(cell("th", i, text) for i, text in enumerate(head))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<table style="border-collapse:collapse"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def muted(text: str) -> str:
    """Return a small line under a table, such as where its numbers come from."""
    return f'<p style="opacity:.75;font-size:.9em;margin:.3em 0">{escape(text)}</p>'
