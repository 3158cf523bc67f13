"""From a strategy and its bars to an explanation of one bar: every condition's parts, and what kept an entry back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.domain.contract import Contract
from workbench.domain.errors import InputError
from workbench.domain.hours import CHICAGO, local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.arrays import ColumnCache, evaluate
from workbench.rules.daytime import DayClock
from workbench.rules.explanation import Explanation, Part
from workbench.rules.expression import (
    Arithmetic,
    Back,
    Call,
    Comparison,
    Expression,
    Higher,
    Kind,
    Logic,
    Negative,
    Not,
    Number,
    Series,
    Text,
    is_constant,
    text,
)
from workbench.rules.hurdles import Moment, hurdles, verdict
from workbench.rules.inputs import PRICES, Inputs
from workbench.rules.zones import CHICAGO as CHICAGO_NAME
from workbench.rules.zones import local_second

if TYPE_CHECKING:
    from workbench.rules.graph import Graph
    from workbench.rules.strategy import Strategy

_STREAMED = 30_000  # up to so many bars the stream is quicker than loading compiled code
_CROSSES = ("cross_above", "cross_below", "crosses")


def explain(
    strategy: Strategy, bars: Any, at: Any = -1, *, contract: Contract | str | None = None, trades: Any = None
) -> Explanation:
    """Return what the strategy saw at the close of one bar, and what kept it from entering.

    Parameters
    ----------
    strategy : Strategy
    bars : DataFrame (pandas, polars) or Inputs
        Closed bars of the strategy's timeframe, from the one on which the run began: conditions that remember depend on
        it. Columns open, high, low, close, volume, and the START as the index or a column ``ts``.
    at : datetime, str or int
        The bar that holds this instant (a time without a zone is Chicago time; UTC ns), or its row: 0 is the first, -1
        the last.
    contract : str, optional
        For ticks and dollars; the first root when left out.
    trades : DataFrame, optional
        ``result.trades``: the position, the trades of the day and the cool-down are known with it only.

    Raises
    ------
    InputError
        No such bar, or a frame without the columns.
    """
    inputs = as_inputs(bars, strategy)
    row = _row(inputs, at)
    plan = strategy.plan(contract if contract is not None else strategy.roots[0])
    tree = _Tree(strategy, plan.graph.add)
    for rule in strategy.rules.values():
        tree.collect(rule)
    values = _values(plan.graph, inputs, row)
    tree.values, tree.moment = values, (int(inputs.starts[row]), int(inputs.ends[row]))
    tree.higher = {frame: _closed(inputs, frame, row) for frame in plan.graph.higher}
    rules = {name: tree.part(rule) for name, rule in strategy.rules.items()}
    moment = Moment.of(inputs, row, trades)
    passed = {
        name: tuple(hurdles(strategy, plan, values, moment, name, rules)) for name in rules if name[:5] == "entry"
    }
    return Explanation(
        strategy=str(strategy),
        bar=f"{_clock(moment.start)} – {_clock(moment.end)[-5:]}",
        row=row,
        end=moment.end,
        rules=rules,
        hurdles=passed,
        verdicts={
            name: verdict(strategy, plan, values, name, part, passed.get(name, ())) for name, part in rules.items()
        },
    )


def as_inputs(bars: Any, strategy: Strategy) -> Inputs:
    """Return bars of any kind as inputs; raise InputError if columns are missing or there are no bars."""
    if isinstance(bars, Inputs):
        made = bars
    elif hasattr(bars, "points"):  # the checked bars of a backtest
        prices = dict(zip(PRICES, (*bars.points, bars.volume), strict=True))
        columns = {name: np.asarray(column, dtype=np.float64) for name, column in prices.items()}
        made = Inputs(starts=bars.starts, ends=bars.ends, hours=bars.hours, **columns)
    else:
        given = list(bars.columns)
        missing = [name for name in PRICES if name not in given]
        if missing:
            raise InputError(f"the bars have no column {', '.join(missing)}; they have {', '.join(map(str, given))}")
        stamps = bars["ts"] if "ts" in given else bars.index
        starts = _ns(stamps)
        hours = trading_hours(strategy.group)
        _require_distance(starts, strategy)
        made = Inputs(
            starts=starts,
            ends=timeframe(strategy.timeframe).bar_ends(starts, hours),
            hours=hours,
            **{name: np.asarray(bars[name], dtype=np.float64) for name in PRICES},
        )
    if not len(made):
        raise InputError("there are no bars to explain")
    return made


def _require_distance(starts: np.ndarray[Any, np.dtype[np.int64]], strategy: Strategy) -> None:
    # 5m bars taken for 1h bars would be explained, and wrongly
    wanted = timeframe(strategy.timeframe).seconds
    usual = float(np.median(np.diff(starts))) / 1e9 if len(starts) > 1 else wanted
    if usual < wanted:
        raise InputError(
            f"these bars are {usual:g} s apart, {strategy.name} decides on {strategy.timeframe} bars; give those, or "
            "ask the result of a backtest, which builds them up: wb.backtest(strategy, bars).explain(at)"
        )


def _ns(stamps: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    pandas = getattr(stamps, "dt", stamps)  # of a column or an index; polars gives UTC by itself
    if getattr(pandas, "tz", None) is not None:
        stamps = pandas.tz_convert(None)
    made = np.asarray(stamps)
    if made.dtype.kind != "M":
        raise InputError("the bars need their start as a time index, or as a column ts")
    return made.astype("datetime64[ns]").astype(np.int64)


def _row(inputs: Inputs, at: Any) -> int:
    if isinstance(at, int | np.integer) and abs(int(at)) < 10**12:
        row = int(at) + (len(inputs) if at < 0 else 0)
        if not 0 <= row < len(inputs):
            raise InputError(f"there is no row {at}; the bars have {len(inputs)}")
        return row
    instant = _instant(at)
    row = int(np.searchsorted(inputs.starts, instant, side="right")) - 1
    if row < 0 or instant >= inputs.ends[row]:
        first, last = _clock(int(inputs.starts[0])), _clock(int(inputs.ends[-1]))
        raise InputError(f"no bar holds {_clock(instant)}; the bars are from {first} to {last}")
    return row


def _instant(at: Any) -> int:
    if isinstance(at, int | np.integer):
        return int(at)
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            raise InputError(f"{at!r} is not a time; write it as 2025-09-02 09:30") from None
    if not isinstance(at, datetime):
        raise InputError(f"{at!r} is not a time, a row or UTC nanoseconds")
    moment = at if at.tzinfo is not None else at.replace(tzinfo=CHICAGO)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def _clock(at: int) -> str:
    return f"{local(at):%a %Y-%m-%d %H:%M}"


def _values(graph: Graph, inputs: Inputs, row: int) -> Mapping[int, float]:
    # Every slot at the row, after all bars before it.
    if row < _STREAMED:
        day = DayClock(inputs.hours)
        rows = slice(0, row + 1)
        columns = (inputs.starts, inputs.ends, *(inputs.column(name) for name in PRICES))
        for start, end, o, h, lo, c, v in zip(*(column[rows].tolist() for column in columns), strict=True):
            day.enter(start)
            graph.step(o, h, lo, c, v, day.day, day.second(start), day.second(end), start, end)
        return dict(enumerate(graph.values))
    cache, made = ColumnCache(), {}
    for slot in range(len(graph.values)):
        column = evaluate(graph, inputs, [slot], cache)[slot]
        made[slot] = float(column[row]) if isinstance(column, np.ndarray) else column
    return made


def _closed(inputs: Inputs, frame: str, row: int) -> str:
    bars, newest = inputs.higher(frame)
    at = int(newest[row])
    return f"{frame} bar that closed {_clock(int(bars.ends[at]))}" if at >= 0 else f"no {frame} bar is closed yet"


class _Tree:
    def __init__(self, strategy: Strategy, add: Callable[[Expression], int]) -> None:
        self.strategy, self.add = strategy, add
        self.values: Mapping[int, float] = {}
        self.moment = (0, 0)
        self.higher: dict[str, str] = {}

    def collect(self, of: Expression) -> None:
        # Every part needs its slot before the bars run.
        self.add(of)
        for part in self.inside(of):
            self.collect(part)

    def inside(self, of: Expression) -> list[Expression]:
        match of:
            case Logic(_, items):
                return list(items)
            case Not(inner) | Negative(inner):
                return [inner]
            case Comparison(_, left, right) | Arithmetic(_, left, right):
                return [part for part in (left, right) if not isinstance(part, Number)]
            case Call(name, (a, b)) if name in _CROSSES:
                pairs = [part for part in (a, b) if not is_constant(part)]
                return [*pairs, *(Back(part, Number(1.0)) for part in pairs)]
            case Call("any" | "all" | "count" | "bars_since", (inner, *_)):
                return [inner]
            case Call("min" | "max" | "abs", arguments):
                return [part for part in arguments if not isinstance(part, Number)]
            case Call(_, arguments):
                return [part for part in arguments if not is_constant(part) and not isinstance(part, Series | Text)]
        return []

    def part(self, of: Expression) -> Part:
        value = self.values[self.add(of)]
        condition = of.kind is Kind.CONDITION
        return Part(
            text=text(of),
            value=None if condition or math.isnan(value) else value,
            holds=None if not condition or math.isnan(value) else value == 1.0,
            is_condition=condition,
            note=self.note(of),
            parts=tuple(self.part(part) for part in self.inside(of)),
        )

    def note(self, of: Expression) -> str:
        match of:
            case Call("between", arguments):
                zone = next((a.value for a in arguments[3:] if isinstance(a, Text)), CHICAGO_NAME)
                second = int(local_second(zone, self.moment[1]))
                return f"the bar closes at {second // 3600:02d}:{second // 60 % 60:02d} {zone}"
            case Higher(frame, _):
                return self.higher.get(frame, "")
            case Comparison(operator, left, right):
                values = [self.values[self.add(side)] for side in (left, right)]
                return f" {operator} ".join("unknown" if math.isnan(v) else f"{v:.10g}" for v in values)
        return ""
