"""Times that never come: windows in which nobody trades, a flat-by after the close, a between that leaves no bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.check import ERROR, WARNING, Finding, Found
from workbench.rules.daytime import day_second
from workbench.rules.expression import Call, Expression, Higher, Text, text, walk
from workbench.rules.grid import year_of_bars
from workbench.rules.logic import Clause, Reasoner
from workbench.rules.planning import all_windows
from workbench.rules.protection import window_text
from workbench.rules.windows import EVERY_DAY, Window, allowed, flat_at
from workbench.rules.zones import CHICAGO

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy

BoolArray = npt.NDArray[np.bool_]
# The gateway gives so many bars in one answer; more history takes patience.
MANY_BARS = 20_000


def times(strategy: Strategy) -> Found:
    """Yield what the calendar of a year says about the times of a strategy."""
    _, ends = year_of_bars(strategy.group, strategy.timeframe)
    in_time = _in_time(strategy)
    yield from _flat_by(strategy)
    yield from _windows(strategy, in_time)
    may = in_time & allowed(all_windows(strategy), ends)
    if may.any():
        yield from _betweens(strategy, may)
    yield from _history(strategy)


def entry_closes(strategy: Strategy) -> BoolArray:
    """Return for each close of the year whether windows and flat-by leave room for an entry."""
    made: BoolArray = _in_time(strategy) & allowed(
        all_windows(strategy), year_of_bars(strategy.group, strategy.timeframe)[1]
    )
    return made


def _in_time(strategy: Strategy) -> BoolArray:
    starts, ends = year_of_bars(strategy.group, strategy.timeframe)
    hours = trading_hours(strategy.group)
    latest = flat_at(hours, starts, day_second(strategy.flat_by) if strategy.flat_by else None)
    made: BoolArray = np.ones(len(ends), dtype=np.bool_) if latest is None else ends + (ends - starts) <= latest
    return made


def _windows(strategy: Strategy, in_time: BoolArray) -> Found:
    _, ends = year_of_bars(strategy.group, strategy.timeframe)
    windows = all_windows(strategy)
    dead = []
    for i, window in enumerate(windows):
        inside = window.holds(ends)
        if inside.any() and (inside & in_time).any():
            continue
        dead.append(window)
        short = strategy.window is not None
        path = "trading.window" if short else f"trading.windows.{i}"
        why = f"it comes after flat_by {strategy.flat_by}" if inside.any() else _closed(strategy)
        level = ERROR if len(windows) == 1 else WARNING
        said = f"no entry is possible in the window {window_text(window)}: {why}"
        yield Finding(level, "dead-window", said, strategy.line(path))
    if len(dead) == len(windows) > 1:
        yield Finding(ERROR, "dead-window", "no window leaves room for an entry", strategy.line("trading.windows"))
    if not windows and not in_time.any():
        said = f"flat_by {strategy.flat_by} leaves no room for an entry on {strategy.timeframe} bars"
        yield Finding(ERROR, "dead-window", said, strategy.line("trading.flat_by"))


def _closed(strategy: Strategy) -> str:
    return f"no {strategy.timeframe} bar of {strategy.roots[0]} closes then"


def _flat_by(strategy: Strategy) -> Found:
    if strategy.flat_by is None:
        return
    hours = trading_hours(strategy.group)
    starts, _ = year_of_bars(strategy.group, strategy.timeframe)
    latest = flat_at(hours, starts, day_second(strategy.flat_by))
    closes = hours.closes[hours.session_index(starts)]
    if latest is not None and not (latest < closes - 300 * 10**9).any():
        said = (
            f"flat_by {strategy.flat_by} is not before the close of {strategy.roots[0]}: only half days are left early"
        )
        yield Finding(WARNING, "flat-by-late", said, strategy.line("trading.flat_by"))


def _betweens(strategy: Strategy, may: BoolArray) -> Found:
    _, ends = year_of_bars(strategy.group, strategy.timeframe)
    for name, rule in strategy.rules.items():
        reason = Reasoner(strategy.values)
        clauses = reason.clauses([rule])
        if clauses is None or not any(isinstance(p, Call) and p.function == "between" for p in walk(rule)):
            continue
        room = may if name.startswith("entry") else np.ones(len(ends), dtype=np.bool_)
        alive = [clause for clause in clauses if not reason.refuted(clause)]
        if alive and not any((_times(clause, ends) & room).any() for clause in alive):
            where = " within the windows and before flat_by" if name.startswith("entry") else ""
            betweens = ", ".join(
                dict.fromkeys(text(p) for p in walk(rule) if isinstance(p, Call) and p.function == "between")
            )
            said = f"{name} can never be true: no {strategy.timeframe} bar closes{where} when {betweens} asks for it"
            yield Finding(ERROR, "never-true", said, strategy.line(name))


def _times(clause: Clause, ends: npt.NDArray[np.int64]) -> BoolArray:
    made = np.ones(len(ends), dtype=np.bool_)
    for literal in clause:
        window = _window(literal.of)
        if window is not None and not literal.at.back and not literal.at.frame:
            made &= window.holds(ends) == literal.holds
    return made


def _window(of: Expression) -> Window | None:
    match of:
        case Call("between", (_, Text(begins), Text(ends), *zone)):
            seconds = [(day_second(part) + 17 * 3600) % 86_400 for part in (begins, ends)]
            name = zone[0].value if zone and isinstance(zone[0], Text) else CHICAGO
            return Window(EVERY_DAY, seconds[0], seconds[1], name)
    return None


def _history(strategy: Strategy) -> Found:
    used = {part.timeframe for e in strategy.expressions for part in walk(e) if isinstance(part, Higher)}
    for i, frame in enumerate(strategy.secondary):
        if frame not in used:
            said = f"secondary {frame} is declared and no rule looks at it"
            yield Finding(WARNING, "secondary-unused", said, strategy.line(f"secondary.{i}", "secondary"))
    if strategy.warmup > MANY_BARS:
        days = strategy.warmup * timeframe(strategy.timeframe).seconds / 86_400
        longest = (
            f"; {strategy.secondary[-1]} bars are built from {strategy.timeframe} bars" if strategy.secondary else ""
        )
        said = (
            f"needs {strategy.warmup:,} bars of history (about {days:,.0f} trading dates) before the first entry"
            f"{longest}; a longer timeframe or shorter memory needs less"
        )
        yield Finding(WARNING, "long-warm-up", said, strategy.line("timeframe"))
