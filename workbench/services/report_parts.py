"""What reports are made of: big numbers, tables, lines and bars; HTML and SVG without scripts, texts escaped here."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.backtest.thin import turning_points
from workbench.domain.hours import CHICAGO, local

if TYPE_CHECKING:
    import pandas as pd

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 74, 12, 10, 24
MOST_POINTS, WIDEST = 900, 84
INK, DIM, LINE, UP, DOWN, BLUE, AMBER = (
    "#1b2330", "#5a6473", "#dfe4ea", "#0b7a4b", "#b3261e", "#1f5fd0", "#b7791f"
)  # fmt: skip


class Part(str):
    """HTML that a notebook and a report show as it is."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Tile:
    """A big number with its unit, what it is, and a word on it; `tone` is up or down."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    tone: str = ""


def tiles(given: Iterable[Tile]) -> Part:
    """Return big numbers side by side."""
    shown = "".join(
        f"<div class='tile'><span>{_text(t.label)}</span><b class='{t.tone}'>{_text(t.value)} <small>{_text(t.unit)}"
        f"</small></b><span>{_text(t.note)}</span></div>"
        for t in given
    )
    return Part(f"<div class='tiles'>{shown}</div>")


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "None.", most: int = 200) -> Part:
    """Return a table: a head that begins with ``~`` is text on the left, every other column numbers on the right.

    A cell is a text, a number (two decimals when it is a float), None, or (text, tone).
    """
    body, count = [], 0
    for row in rows:
        count += 1
        if count <= most:
            body.append(f"<tr>{''.join(_cell(h, c) for h, c in zip(heads, row, strict=True))}</tr>")
    if not count:
        return Part(f"<p class='dim'>{_text(empty)}</p>")
    head = "".join(f"<th{_side(h)}>{_text(h.lstrip('~'))}</th>" for h in heads)
    more = f"<p class='note'>The first {most:,} of {count:,}.</p>" if count > most else ""
    return Part(
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>{more}"
    )


def frame_table(frame: pd.DataFrame, *, most: int = 200, empty: str = "None.") -> Part:
    """Return a DataFrame as a table: instants in Chicago time, an index with a name as the first column."""
    shown = frame.reset_index() if frame.index.name else frame
    kinds = {name: shown[name].dtype.kind for name in shown.columns}
    heads = [
        f"{'' if kinds[name] in 'iuf' else '~'}{name}".replace("_", " ").replace(" usd", " USD")
        for name in shown.columns
    ]
    rows = [
        [_plain(value, name) for name, value in zip(kinds, row, strict=True)] for row in shown.itertuples(index=False)
    ]
    return table(heads, rows, most=most, empty=empty)


def _plain(value: Any, name: str) -> Any:
    if value is None or str(value) in ("<NA>", "NaT", "nan"):
        return None
    if hasattr(value, "tz_convert"):
        return f"{value.tz_convert(CHICAGO):%Y-%m-%d %H:%M}" if value.tzinfo is not None else f"{value:%Y-%m-%d}"
    if name == "year":
        return str(value)
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and "rate" in name:
        return f"{number:.0%}"
    return signed(number) if isinstance(number, float) and name.startswith(("net", "total")) else number


def signed(value: float | None, digits: int = 2) -> tuple[str, str]:
    """Return money as text with its sign, and its tone."""
    if value is None or not math.isfinite(value):
        return "–", ""
    rounded = round(float(value), digits) + 0.0  # no -0.00
    return (
        f"{rounded:+,.{digits}f}" if rounded else f"{0:.{digits}f}",
        "up" if rounded > 0 else "down" if rounded else "",
    )


def _cell(head: str, cell: Any) -> str:
    value, tone = cell if isinstance(cell, tuple) else (cell, "")
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        text = "–"
    elif isinstance(value, float):
        text = f"{value:,.2f}"
    else:
        text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    names = " ".join(filter(None, ("t" if head.startswith("~") else "", "w" if len(text) > 40 else "", tone)))
    return f"<td class='{names}'>{_text(text)}</td>" if names else f"<td>{_text(text)}</td>"


def _side(head: str) -> str:
    return " class='t'" if head.startswith("~") else ""


def line_chart(at: Sequence[int], values: Sequence[float], *, title: str, unit: str, height: int = 250) -> Part:
    """Return a line over time (UTC ns), shown in Chicago time, with the zero line and its extremes kept."""
    if len(values) < 2:
        return Part(f"<p class='dim'>{_text(title)}: not enough to draw.</p>")
    x, y = np.asarray(at, dtype=np.int64), np.asarray(values, dtype=float)
    kept = turning_points(y, MOST_POINTS)
    x, y = x[kept], y[kept]
    marks = _marks(float(y.min()), float(y.max()))
    first, span = int(x[0]), max(1, int(x[-1] - x[0]))
    across = [LEFT + (int(t) - first) / span * (WIDTH - LEFT - RIGHT) for t in x]
    down = [_at(v, marks, height) for v in y]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))
    zero = _at(min(max(0.0, marks[0]), marks[-1]), marks, height)
    area = f"{across[0]:.1f},{zero:.1f} {points} {across[-1]:.1f},{zero:.1f}"
    times = "".join(
        _label(LEFT + part * (WIDTH - LEFT - RIGHT), height - 6, _time(first + int(part * span), span), anchor)
        for part, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"), (0.75, "middle"), (1.0, "end"))
    )
    drawn = f"<polygon points='{area}' fill='{BLUE}' fill-opacity='.09'/>"
    drawn += f"<polyline points='{points}' fill='none' stroke='{BLUE}' stroke-width='1.6' stroke-linejoin='round'/>"
    return _figure(f"{title} ({unit}, Chicago time)", _grid(marks, height) + drawn + times, height)


def bar_chart(
    labels: Sequence[str],
    values: Sequence[float | None],
    *,
    title: str,
    unit: str,
    height: int = 220,
    colour: str = "",
) -> Part:
    """Return one bar for each label, with its number: green above the line, red below it, or all in one `colour`."""
    shown = [0.0 if v is None else float(v) for v in values]
    if not shown:
        return Part(f"<p class='dim'>{_text(title)}: nothing to draw.</p>")
    marks = _marks(min([0.0, *shown]) * 1.1, max([0.0, *shown]) * 1.1)  # room for the numbers at the bars
    room = (WIDTH - LEFT - RIGHT) / len(shown)
    zero, every = _at(0.0, marks, height), -(-len(shown) // 16)
    parts = []
    for n, (label, value) in enumerate(zip(labels, shown, strict=True)):
        middle, wide, top = LEFT + (n + 0.5) * room, min(room * 0.68, WIDEST), _at(value, marks, height)
        tall, fill = abs(top - zero), colour or (UP if value >= 0 else DOWN)
        parts.append(
            f"<rect x='{middle - wide / 2:.1f}' y='{min(top, zero):.1f}' width='{wide:.1f}' height='{tall:.1f}' "
            f"fill='{fill}'><title>{_text(label)}: {value:,.2f} {_text(unit)}</title></rect>"
        )
        if len(shown) <= 16 and value:
            inside = top - 5 if value > 0 else top + 12
            parts.append(_label(middle, inside, f"{value:,.0f}"))
        if n % every == 0:
            parts.append(_label(middle, height - 6, label))
    return _figure(f"{title} ({unit})", _grid(marks, height) + "".join(parts), height)


def _figure(title: str, inside: str, height: int) -> Part:
    # the caption is the picture's name for who cannot see it
    return Part(
        f"<figure><figcaption>{_text(title)}</figcaption><svg xmlns='http://www.w3.org/2000/svg' role='img' "
        f"aria-label='{_text(title)}' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"font-family='system-ui,sans-serif' font-size='11.5' fill='{DIM}'>{inside}</svg></figure>"
    )


def _marks(low: float, high: float) -> list[float]:
    # round numbers, about five, from at most the lowest to at least the highest
    spread = (high - low) or max(1.0, abs(high))
    raw = spread / 4
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _at(value: float, marks: Sequence[float], height: int) -> float:
    return height - BOTTOM - (value - marks[0]) / (marks[-1] - marks[0]) * (height - TOP - BOTTOM)


def _grid(marks: Sequence[float], height: int) -> str:
    digits = 0 if all(float(m).is_integer() for m in marks) else 2
    out = []
    for mark in marks:
        y, colour = _at(mark, marks, height), INK if mark == 0 else LINE
        out.append(f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.1f}' y2='{y:.1f}' stroke='{colour}'/>")
        out.append(_label(LEFT - 8, y + 4, f"{mark + 0.0:,.{digits}f}", "end"))
    return "".join(out)


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}'>{_text(text)}</text>"


def _time(at: int, span: int) -> str:
    return f"{local(at):%H:%M}" if span < 86_400_000_000_000 else f"{local(at):%a %d %b %H:%M}"


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)
