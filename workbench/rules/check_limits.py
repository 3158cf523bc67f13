"""Sizes, distances and limits that contradict each other, or that nothing can ever reach."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.domain.contract import spec
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules.check import ERROR, HINT, WARNING, Finding, Found
from workbench.rules.check_times import entry_closes
from workbench.rules.grid import year_of_bars
from workbench.rules.plan import FIXED, MIN_TICKS, NEVER, RISK, Plan, whole_ticks

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy

_SIDES = (("long", 1), ("short", -1))


def limits(strategy: Strategy) -> Found:
    """Yield what follows from the numbers that are fixed for a run, on the contract of the first root."""
    plan = strategy.plan(strategy.roots[0])
    yield from _ways_out(strategy, plan)
    yield from _distances(strategy, plan)
    yield from _size(strategy, plan)
    yield from _counts(strategy, plan)


def _fixed(plan: Plan, slot: int) -> float | None:
    return plan.graph.constants.get(slot) if slot >= 0 else None


def _ways_out(strategy: Strategy, plan: Plan) -> Found:
    for name, side in _SIDES:
        if f"entry.{name}" not in plan.conditions:
            continue
        other = "short" if side > 0 else "long"
        rules = f"exit.{name}" in plan.conditions or f"entry.{other}" in plan.conditions
        times = plan.exit_after or plan.flat_by_s is not None
        if not rules and not times and plan.stop.of(side) < 0 and plan.target.of(side) < 0:
            said = f"nothing ends a {name} position: write an exit, a stop, a target, exit.after_bars or flat_by"
            yield Finding(WARNING, "no-way-out", said, strategy.line(f"entry.{name}"))
        elif plan.stop.of(side) < 0:
            said = f"a {name} position has no stop: between two closes only the account's limits bound its loss"
            yield Finding(HINT, "no-stop", said, strategy.line(f"entry.{name}"))


def _distances(strategy: Strategy, plan: Plan) -> Found:
    for name, side in _SIDES:
        if f"entry.{name}" not in plan.conditions:
            continue
        for section, slots in (("stop", plan.stop), ("target", plan.target), ("trail", plan.trail)):
            ticks = _fixed(plan, slots.of(side))
            if ticks is not None and not 0 <= ticks < 1e6:
                said = f"{section} of {name} is {ticks:g} ticks: no entry is ever possible"
                yield Finding(ERROR, "no-distance", said, strategy.line(section, "trail"))
            elif ticks is not None and ticks < MIN_TICKS - 0.5 and getattr(strategy, section) is not None:
                least = f"the gateway takes none below {MIN_TICKS}: it becomes {MIN_TICKS}"
                said = f"{section} of {name} is {ticks:g} ticks; {least}"
                yield Finding(WARNING, "widened", said, strategy.line(section))
        after, target = _fixed(plan, plan.break_even.of(side)), _fixed(plan, plan.target.of(side))
        if after is not None and target is not None and after >= target:
            said = f"break_even of {name} waits for {after:g} ticks, the target comes at {target:g}: it never acts"
            yield Finding(WARNING, "never-binds", said, strategy.line("break_even"))


def _size(strategy: Strategy, plan: Plan) -> Found:
    for name, side in _SIDES:
        if f"entry.{name}" not in plan.conditions or plan.sizing != RISK:
            continue
        stop = _fixed(plan, plan.stop.of(side))
        loss = (MIN_TICKS if stop is None else whole_ticks(stop)) * plan.tick_value
        if plan.amount < loss:
            smallest = "even the smallest stop" if stop is None else f"the stop of {whole_ticks(stop)} ticks"
            said = (
                f"sizing.risk_usd {plan.amount:g} is less than {smallest} costs on one {strategy.roots[0]} ({loss:g}): "
                f"no entry of {name} is ever possible"
            )
            yield Finding(ERROR, "no-size", said, strategy.line("sizing.risk_usd"))
    least, most = (int(plan.amount),) * 2 if plan.sizing == FIXED else (1, plan.most)
    if plan.max_position < least:
        said = f"limits.max_position {plan.max_position} is below the {least} contracts of an entry: none ever passes"
        yield Finding(ERROR, "no-size", said, strategy.line("limits.max_position"))
    elif plan.max_position != NEVER and plan.max_position >= most:
        said = f"limits.max_position {plan.max_position} never binds: an entry has {most} contracts at most"
        yield Finding(WARNING, "never-binds", said, strategy.line("limits.max_position"))


def _counts(strategy: Strategy, plan: Plan) -> Found:
    bars, entries = _per_date(strategy)
    # the bar after an entry counts as busy, so a cool-down spaces entries by one bar more
    possible = math.ceil(entries / (plan.cooldown + 1)) if plan.cooldown else entries
    if plan.max_trades != NEVER and plan.max_trades >= possible > 0:
        said = (
            f"max_trades_per_day {plan.max_trades} never binds: windows, flat_by, {strategy.timeframe} bars "
            f"and cool-down leave room for {possible} a date"
        )
        yield Finding(WARNING, "never-binds", said, strategy.line("trading.max_trades_per_day"))
    if plan.exit_after and plan.flat_by_s is not None and plan.exit_after >= bars:
        bars_shown = f"{bars} {strategy.timeframe} bars"
        said = f"exit.after_bars {plan.exit_after} never acts: flat_by comes after {bars_shown} at most"
        yield Finding(WARNING, "never-binds", said, strategy.line("exit.after_bars"))
    worst = _worst_loss(plan)
    trades = min(plan.max_trades, possible)
    if math.isfinite(plan.daily_loss_usd) and worst is not None and trades * worst <= plan.daily_loss_usd:
        said = (
            f"limits.daily_loss_usd {plan.daily_loss_usd:g} hardly ever binds: {trades} trades a date lose "
            f"{trades * worst:g} at their stops, before slippage and gaps"
        )
        yield Finding(WARNING, "never-binds", said, strategy.line("limits.daily_loss_usd"))


def _worst_loss(plan: Plan) -> float | None:
    # USD of one trade at its stop, where that is fixed
    if plan.sizing == RISK:
        return plan.amount
    stops = [_fixed(plan, plan.stop.of(side)) for name, side in _SIDES if f"entry.{name}" in plan.conditions]
    if plan.sizing != FIXED or any(stop is None for stop in stops):
        return None
    return max(whole_ticks(stop) for stop in stops if stop is not None) * plan.tick_value * int(plan.amount)


def _per_date(strategy: Strategy) -> tuple[int, int]:
    """Return the most bars, and the most closes that allow an entry, of one trading date."""
    starts, _ = year_of_bars(strategy.group, strategy.timeframe)
    rows = trading_hours(spec(strategy.roots[0])).session_index(starts)
    may = rows[entry_closes(strategy)]
    scale = max(1, 60 // timeframe(strategy.timeframe).seconds)  # the year has no bars below a minute
    return int(np.bincount(rows).max()) * scale, int(np.bincount(may).max()) * scale if may.size else 0
