"""What an entry has to pass besides its condition: history, times, the other side, its protection, what was traded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.rules.explanation import Hurdle, Part
from workbench.rules.inputs import Inputs
from workbench.rules.plan import NEVER, RISK, VOLATILITY, Plan, contracts, whole_ticks
from workbench.rules.protection import window_text
from workbench.rules.windows import flat_at, is_allowed

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy


_OTHER = "the other side is held"


@dataclass(frozen=True, slots=True)
class Moment:
    """A close, and what had been traded by then; None where that is not known.

    Parameters
    ----------
    start, end : int
        Of the bar, UTC ns.
    row : int
        Of the bar.
    inputs : Inputs
    position : int or None
        Sign of what is held.
    today, since : int or None
        Entries of this trading date so far, and closed bars without a position.
    """

    start: int
    end: int
    row: int
    inputs: Inputs
    position: int | None = None
    today: int | None = None
    since: int | None = None

    @staticmethod
    def of(inputs: Inputs, row: int, trades: Any) -> Moment:
        """Return the close of a row; `trades` is the frame of a result, or None."""
        start, end = int(inputs.starts[row]), int(inputs.ends[row])
        if trades is None:
            return Moment(start, end, row, inputs)
        entries, exits = (_instants(trades[name]) for name in ("entry_at", "exit_at"))
        before = entries < end
        open_ = before & ((exits >= end) | (exits < 0))
        sides = np.where(np.asarray(trades["side"]) == "long", 1, -1)
        position = int(sides[open_][-1]) if open_.any() else 0
        date = inputs.hours.trading_date(start)
        today = sum(inputs.hours.trading_date(at) == date for at in entries[before].tolist())
        since = NEVER
        if before.any():
            last = int(exits[before].max())
            since = 0 if position else int((inputs.ends[: row + 1] > last).sum()) - 1
        return Moment(start, end, row, inputs, position, today, max(since, 0))


def _instants(column: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    # a missing time (an open trade has no exit) becomes the smallest number there is
    stamps = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dt, "tz", None) else column
    return np.asarray(stamps).astype("datetime64[ns]").astype(np.int64)


def hurdles(
    strategy: Strategy, plan: Plan, values: Mapping[int, float], moment: Moment, name: str, rules: Mapping[str, Part]
) -> Iterator[Hurdle]:
    """Yield what the entry `name` has to pass at this close, in the order in which it is asked."""
    side = 1 if name == "entry.long" else -1
    yield Hurdle("history", moment.row + 1 >= plan.needed, f"{moment.row + 1:,} bars, {plan.needed:,} needed")
    yield from _times(strategy, plan, moment)
    yield from _traded(plan, moment, side)
    other = rules.get("entry.short" if side > 0 else "entry.long")
    if other is not None and rules[name].holds and other.holds:
        yield Hurdle("both sides", False, "the entry of the other side is true, too: neither is taken")
    yield from _protection(strategy, plan, values, side)


def _times(strategy: Strategy, plan: Plan, moment: Moment) -> Iterator[Hurdle]:
    latest = flat_at(moment.inputs.hours, np.array([moment.start]), plan.flat_by_s)
    if latest is not None:
        late = moment.end + (moment.end - moment.start) > int(latest[0])
        said = "the next close would come after it" if late else "there is time for another bar before it"
        yield Hurdle("flat_by", not late, f"{strategy.flat_by}: {said}")
    if plan.windows:
        inside = is_allowed(plan.windows, moment.end)
        shown = "; ".join(map(window_text, plan.windows))
        yield Hurdle("window", inside, f"the close is {'in' if inside else 'outside of'} {shown}")


def _traded(plan: Plan, moment: Moment, side: int) -> Iterator[Hurdle]:
    unknown = "the bars do not tell; pass trades=result.trades"
    if moment.position is not None:
        same = moment.position == side
        said = "this side is held already" if same else "flat" if not moment.position else _OTHER
        yield Hurdle("position", not same, said)
    if plan.max_trades != NEVER:
        passes = None if moment.today is None else moment.today < plan.max_trades
        yield Hurdle(
            "max_trades_per_day",
            passes,
            unknown if moment.today is None else f"{moment.today} of {plan.max_trades} trades of the date are made",
        )
    if plan.cooldown:
        passes = None if moment.since is None else moment.since >= plan.cooldown
        said = (
            unknown
            if moment.since is None
            else f"{min(moment.since, 99_999)} of {plan.cooldown} bars without a position"
        )
        yield Hurdle("cooldown", passes, said)


def _protection(strategy: Strategy, plan: Plan, values: Mapping[int, float], side: int) -> Iterator[Hurdle]:
    for name, slots in (("stop", plan.stop), ("target", plan.target)):
        slot = slots.of(side)
        if slot >= 0:
            ticks = values[slot]
            known = whole_ticks(ticks) > 0
            yield Hurdle(name, known, f"{whole_ticks(ticks)} ticks" if known else f"{ticks:g} ticks is no distance")
    if strategy.sizing is not None:
        qty = size(plan, values, side)
        yield Hurdle("size", qty > 0, f"{qty} contracts")


def size(plan: Plan, values: Mapping[int, float], side: int) -> int:
    """Return the contracts of an entry at these values."""
    slot = plan.stop.of(side)
    stop = whole_ticks(values[slot]) if slot >= 0 else 0
    if plan.sizing == RISK and not stop:
        return 0
    ranged = values[plan.volatility] if plan.sizing == VOLATILITY else math.nan
    return contracts(plan.sizing, plan.amount, stop, ranged, plan.tick_value, plan.most)


def verdict(
    strategy: Strategy, plan: Plan, values: Mapping[int, float], name: str, part: Part, passed: Sequence[Hurdle]
) -> str:
    """Return one sentence on a rule."""
    if part.holds is not True:
        word = "not known yet" if part.holds is None else "false"
        because = "; ".join(f"{p.text}{f' ({p.note})' if p.note else ''}" for p in part.failing())
        return f"{word}: {because}"
    if not name.startswith("entry"):
        return "true: a position of that side is left"
    stopped = [h for h in passed if h.passes is False]
    if stopped:
        leaves = "; what is held on the other side is left" if any(h.text == _OTHER for h in passed) else ""
        return "true, but kept back by " + "; ".join(f"{h.name} ({h.text})" for h in stopped) + leaves
    side = 1 if name == "entry.long" else -1
    asked = [h.name for h in passed if h.passes is None]
    unless = f", unless {' or '.join(asked)} keeps it back" if asked else ""
    return f"true: enters {size(plan, values, side)} contract(s) at the next open{unless}"
