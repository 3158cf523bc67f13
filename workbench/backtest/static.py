"""The picture of a result without scripts: one SVG that a report, a mail or GitHub can show.

Bars stand side by side, so nights and weekends take no room; the labels below are Chicago time.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.backtest.plot import DOWN, LINE, SHORT, UP, Stretch, stretch
from workbench.backtest.thin import candles, turning_points

if TYPE_CHECKING:
    import pandas as pd

    from workbench.backtest.result import Result

Float64Array = npt.NDArray[np.float64]

WIDTH, HEIGHT = 1000, 640
LEFT, RIGHT = 78, 14
MOST_TRADES = 150
_PANELS = ((52, 330), (366, 500), (536, 606))  # top and bottom of price, net profit, drawdown

_FONT = 'font-family="system-ui,sans-serif" font-size="11" fill="#444" role="img"'


class Picture(str):
    """SVG as text that a notebook shows as a picture; `Path("x.svg").write_text(picture)` keeps it."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels, top and bottom of a panel."""

    low: float
    high: float
    top: int
    bottom: int

    def at(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def draw(result: Result, start: Any = None, end: Any = None) -> Picture:
    """Return price with entries and exits, net profit and drawdown as SVG; `start` and `end` cut a stretch out."""
    shown = stretch(result, start, end, MOST_TRADES)
    title = html.escape(f"{result.strategy.name}@{result.strategy.version[:8]}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" {_FONT}>',
        f'<title>{title}</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14" fill="#222">{title}</text>',
    ]
    if len(shown.bars):
        parts += [_price(shown), _curve(shown.equity["equity_usd"], 1, "net profit, USD", LINE, floor=shown.floor)]
        parts += [_curve(shown.equity["drawdown_usd"], 2, "drawdown, USD", DOWN), _dates(shown.bars.index)]
    return Picture("".join([*parts, "</svg>"]))


def _x(place: Float64Array | float, count: int) -> Any:
    # bars side by side, each in the middle of its place
    return LEFT + (place + 0.5) / max(count, 1) * (WIDTH - LEFT - RIGHT)


def _scale(low: float, high: float, panel: int) -> _Scale:
    room = (high - low) * 0.04 or max(abs(high), 1.0) * 0.01
    top, bottom = _PANELS[panel]
    return _Scale(low - room, high + room, top, bottom)


def _frame(scale: _Scale, title: str, count: int) -> str:
    lines = [f'<text x="{LEFT}" y="{scale.top - 7}" fill="#666">{html.escape(title)}</text>']
    for value in steps(scale.low, scale.high, count):
        y = scale.at(value)
        colour = "#bbb" if value == 0 else "#e8e8e8"
        lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{colour}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>')
    return "".join(lines)


def steps(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round values between two numbers.

    >>> steps(-3.0, 112.0, 4)
    [0.0, 50.0, 100.0]
    """
    rough = (high - low) / max(count, 1)
    if not rough > 0:
        return []
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    first = math.ceil(low / step)
    return [round((first + i) * step, 12) + 0.0 for i in range(int((high - first * step) / step) + 1)]


def _number(value: float) -> str:
    return f"{value:,.10g}"


def _price(shown: Stretch) -> str:
    bars, n = shown.bars, len(shown.bars)
    made = candles([bars[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close")], 900)
    scale = _scale(float(made.low.min()), float(made.high.max()), 0)
    said = "price"
    if len(shown.trades) < shown.all_trades:
        said = f"price; the {len(shown.trades)} largest of {shown.all_trades:,} trades"
    every = n / len(made.first)
    x = _x((made.first + (every - 1) / 2).astype(np.float64), n)
    wicks = "".join(
        f"M{a:.1f} {scale.at(h):.1f}V{scale.at(b):.1f}" for a, h, b in zip(x, made.high, made.low, strict=True)
    )
    parts = [_frame(scale, said, 5), f'<path d="{wicks}" stroke="#9db0bb" fill="none"/>']
    wide = (WIDTH - LEFT - RIGHT) / len(made.first) * 0.6
    if wide > 1.5:  # enough room for bodies
        for up, fill in ((True, "#e6edf0"), (False, "#9db0bb")):
            bodies = "".join(
                f"M{a - wide / 2:.1f} {scale.at(o):.1f}h{wide:.1f}V{scale.at(c):.1f}h{-wide:.1f}z"
                for a, o, c in zip(x, made.open, made.close, strict=True)
                if (c >= o) == up
            )
            parts.append(f'<path d="{bodies}" fill="{fill}" stroke="#9db0bb"/>')
    return "".join([*parts, *_marks(shown, scale)])


def _marks(shown: Stretch, scale: _Scale) -> list[str]:
    index, n, trades = shown.bars.index, len(shown.bars), shown.trades
    parts = []
    for side, colour, point in (("long", UP, 1), ("short", SHORT, -1)):
        part = trades[trades["side"] == side]
        shapes = [
            f"M{x:.1f} {y:.1f}l-3.6 {6.5 * point}h7.2z"
            for x, y in _places(index, n, part["entry_at"], part["entry_price"], scale)
        ]
        parts.append(f'<path d="{"".join(shapes)}" fill="{colour}" stroke="#fff" stroke-width=".5"/>')
    out = trades.dropna(subset=["exit_at"])
    for won, colour in ((True, UP), (False, DOWN)):
        part = out[(out["net_usd"] > 0) == won]
        shapes = [
            f"M{x - 3:.1f} {y - 3:.1f}l6 6m0-6l-6 6"
            for x, y in _places(index, n, part["exit_at"], part["exit_price"], scale)
        ]
        parts.append(f'<path d="{"".join(shapes)}" stroke="{colour}" stroke-width="1.6" fill="none"/>')
    return parts


def _places(
    index: pd.Index[Any], n: int, at: pd.Series[Any], price: pd.Series[float], scale: _Scale
) -> list[tuple[float, float]]:
    inside = at.notna()
    rows = index.searchsorted(at[inside], side="right") - 1
    return [(_x(float(row), n), scale.at(p)) for row, p in zip(rows, price[inside], strict=True) if row >= 0]


def _curve(values: pd.Series[float], panel: int, title: str, colour: str, floor: pd.Series[float] | None = None) -> str:
    made, n = values.to_numpy(dtype=np.float64), len(values)
    points = turning_points(made, 1600)
    lowest = min(float(made.min()), 0.0 if floor is None else float(floor.min()))
    scale = _scale(min(lowest, 0.0), max(float(made.max()), 0.0), panel)
    x = _x(points.astype(np.float64), n)
    line = "L".join(f"{a:.1f} {scale.at(b):.1f}" for a, b in zip(x, made[points], strict=True))
    area = ""
    if panel == 2:
        zero = scale.at(0.0)
        area = f'<path d="M{x[0]:.1f} {zero:.1f}L{line}L{x[-1]:.1f} {zero:.1f}z" fill="{colour}" fill-opacity=".18"/>'
    frame = _frame(scale, title, 4 if panel == 1 else 2)
    if floor is not None:
        places = _x(values.index.get_indexer(floor.index).astype(np.float64), n)
        steps_ = "".join(f"H{a:.1f}V{scale.at(b):.1f}" for a, b in zip(places, floor, strict=True))
        level = f"M{places[0]:.1f} {scale.at(float(floor.iloc[0])):.1f}{steps_}"
        frame += f'<path d="{level}" stroke="{DOWN}" stroke-dasharray="2 3" fill="none"/>'
    return f'{frame}{area}<path d="M{line}" stroke="{colour}" stroke-width="1.4" fill="none" stroke-linejoin="round"/>'


def _dates(times: pd.Index[Any]) -> str:
    import pandas as pd

    index = pd.DatetimeIndex(times)
    n, bottom = len(index), _PANELS[2][1]
    rows = np.unique(np.linspace(0, n - 1, 9).astype(np.int64)[1:-1])
    shown = index[rows].tz_convert("America/Chicago")
    form = "%Y-%m-%d" if n > 1 and (index[-1] - index[0]).days > 5 else "%m-%d %H:%M"
    return "".join(
        f'<path d="M{x:.1f} {_PANELS[0][0]}V{bottom}" stroke="#f0f0f0"/>'
        f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{at.strftime(form)}</text>'
        for x, at in zip(_x(rows.astype(np.float64), n), shown, strict=True)
    )
