"""What an instance of `wb.Strategy` speaks to: its indicators, its position, and the wish of this bar."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.expression import Kind
from workbench.rules.functions import FUNCTIONS
from workbench.rules.graph import Graph
from workbench.rules.parser import parse
from workbench.rules.python.authoring import KEEP, Past, Reading, is_number
from workbench.rules.python.bar import Bar

if TYPE_CHECKING:
    from workbench.rules.python.strategy import PythonStrategy


class Host:
    """What an instance of `wb.Strategy` speaks to: its indicators, its position, and the wish of this bar."""

    def __init__(self, strategy: PythonStrategy, contracts: int) -> None:
        self.where = strategy.where
        self.parameters = strategy.parameters
        self.graph = Graph(strategy.values, group=strategy.group, where=strategy.where, timeframe=strategy.timeframe)
        self.contracts = contracts
        self.starting = True
        self.position, self.entry_price = 0, None
        self.bars_in_position = self.trades_today = 0
        self.tick = math.nan
        self.ring: deque[Bar] = deque(maxlen=KEEP)
        self.past = Past(self.ring)
        self._kept: dict[int, deque[float]] = {}
        self.forget()

    position: int
    entry_price: float | None

    def forget(self) -> None:
        """Drop the wish of the bar before."""
        self.side = 0
        self.stop: float | None = None
        self.target: float | None = None
        self.qty, self.tag = 0, ""
        self.exits, self.exit_tag = False, ""
        self.stop_price: float | None = None

    def take(self, bar: Bar) -> None:
        """Keep a bar and the readings at it; the graph has stepped already."""
        self.ring.append(bar)
        values = self.graph.values
        for slot, kept in self._kept.items():
            kept.append(values[slot])

    # --- readings ---

    def indicator(self, name: str, arguments: tuple[float | str, ...]) -> Reading:
        function = FUNCTIONS.get(name)
        if function is None:
            raise UnknownName("indicator", name, FUNCTIONS)
        given = list(arguments)
        wants = [kind for _, kind in function.arguments]
        if wants and wants[0] == str(Kind.NUMBER) and not (given and isinstance(given[0], str)):
            given.insert(0, "close")
        kinds = [*wants, *[""] * len(given)]
        written = [f'"{g}"' if kind == str(Kind.TEXT) else _written(g) for g, kind in zip(given, kinds, strict=False)]
        return self.expression(f"{name}({', '.join(written)})")

    def expression(self, text: str) -> Reading:
        if not self.starting:
            raise InputError(f"declare `{text}` in start(self), not later: it must see every bar")
        if not isinstance(text, str):
            raise TypeError(f"an expression is a text, not {text!r}")
        made = parse(text, {name: parameter.kind for name, parameter in self.parameters.items()})
        if made.kind not in (Kind.NUMBER, Kind.CONDITION):
            raise InputError(f"`{text}` gives {made.kind}; wanted a number or a condition")
        slot = self.graph.add(made)
        self._kept.setdefault(slot, deque(maxlen=KEEP))
        return Reading(self, slot, text, made.kind is Kind.CONDITION)

    def read(self, slot: int, bars: int) -> float:
        if not 0 <= bars < KEEP:
            raise IndexError(f"look-back {bars}: {KEEP - 1} bars are kept; longer ones go into the expression")
        kept = self._kept[slot]
        return kept[-1 - bars] if bars < len(kept) else math.nan

    def newest(self) -> Iterator[float]:
        """Yield every reading at the newest bar."""
        values = self.graph.values
        return (values[slot] for slot in self._kept)

    def reading_names(self) -> list[str]:
        """Return what each of `newest` reads."""
        return [self.graph.keys[slot] for slot in self._kept]

    # --- wishes ---

    def enter(self, side: int, stop: object, target: object, contracts: object, tag: str) -> None:
        self._in_on_bar("enter")
        if self.side == -side:
            raise ValueError("asked for a long and a short entry at the same bar")
        qty = self.contracts if contracts is None else contracts
        if not isinstance(qty, int) or isinstance(qty, bool) or qty < 1:
            raise ValueError(f"contracts={qty!r} must be a whole number, at least 1")
        self.stop, self.target = _distance("stop", stop), _distance("target", target)
        self.side, self.qty, self.tag = side, qty, str(tag)

    def leave(self, tag: str) -> None:
        self._in_on_bar("exit")
        self.exits, self.exit_tag = True, str(tag)

    def move_stop(self, price: float) -> None:
        self._in_on_bar("move_stop")
        if not is_number(price) or not math.isfinite(price):
            raise ValueError(f"move_stop({price!r}): wanted a price in points")
        self.stop_price = float(price)

    def _in_on_bar(self, what: str) -> None:
        if self.starting:
            raise InputError(f"{what} belongs into on_bar(self, bar): nothing is decided in start(self)")


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Reading):
        return value.text
    return f"{value:g}" if isinstance(value, float) and value == int(value) else repr(value)


def _distance(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, Reading):
        value = value.value
    try:
        points = float(value)  # type: ignore[arg-type]  # numpy's numbers too
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} must be a distance in points") from None
    if points <= 0 or math.isinf(points):
        raise ValueError(f"{name}={points:g} must be a distance in points from the fill price, > 0 on both sides")
    return points
