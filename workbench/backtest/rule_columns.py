"""A plan over the bars of a run as the compiled engine takes it: bits of its conditions, columns of its distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.backtest.prepared import distance_slots
from workbench.rules.arrays import ColumnCache, evaluate
from workbench.rules.operators import CROSS
from workbench.rules.template import Shape

if TYPE_CHECKING:
    from workbench.backtest.kernel_decide import Rules
    from workbench.backtest.prepared import Prepared
    from workbench.rules.plan import Plan

Float64Array = npt.NDArray[np.float64]
Columns = Mapping[str, Float64Array]
Values = dict[int, Float64Array | float]

Words = npt.NDArray[np.uint64]

_NOTHING = np.zeros(1)
_SIDES = 1024  # bars of a stretch that is looked at near the processor; one with equal values in it is walked


def kernel_rules(
    prepared: Prepared, plan: Plan, cache: ColumnCache | None, given: Columns | None = None, words: Words | None = None
) -> Rules:
    """Return a plan as the kernel takes it.

    Parameters
    ----------
    prepared : Prepared
    plan : Plan
    cache : ColumnCache, optional
        Where sub-expressions that other plans share are found and left.
    given : mapping, optional
        Conditions by name to use instead of the plan's own.
    words : array of uint64, optional
        Eight bars to a word, to write the signals to: what was returned with it before holds no longer.
    """
    from workbench.backtest.kernel_decide import Rules

    reads = _reads_of(plan, given or {})
    found = evaluate(plan.graph, prepared.inputs, reads.wanted, cache)
    signals, words = _signals(prepared, plan, reads, found, given or {}, words)
    distances = tuple(_NOTHING if slot < 0 else _column(found[slot]) for slot in reads.slots)
    strides = [-1 if slot < 0 else int(len(column) > 1) for slot, column in zip(reads.slots, distances, strict=True)]
    may = prepared.allowed(plan)
    return Rules(
        signals, words, distances, np.array(strides, dtype=np.int64), may, int(len(may) > 1), reads.moves,
        plan.needed, plan.exit_after, plan.cooldown, plan.max_trades, plan.sizing, float(plan.amount), plan.most,
        float(plan.tick_value),
    )  # fmt: skip


class _Reads(NamedTuple):
    # which slots of a plan are read, and what for: the same for all plans of a template
    wanted: frozenset[int]
    slots: tuple[int, ...]  # of the distances
    marked: tuple[tuple[int, int], ...]  # slot and bit of each condition that is read from its column
    crossed: tuple[tuple[int, int, int, int], ...]  # two slots, and the bits of a cross above and below
    settles: bool
    moves: int


def _reads_of(plan: Plan, given: Columns) -> _Reads:
    if given or not isinstance(plan.graph, Shape):
        return _reads(plan, given)
    found: _Reads | None = plan.graph.family.get(__name__)
    if found is None:
        found = plan.graph.family[__name__] = _reads(plan, given)
    return found


def _reads(plan: Plan, given: Columns) -> _Reads:
    conditions = {name: slot for name, slot in plan.conditions.items() if name not in given}
    own = set(conditions.values())
    crosses = {node.slot: node.inputs for node in plan.graph.nodes if node.op is CROSS and node.slot in own}
    slots = distance_slots(plan)
    bits = _bits()
    marked = tuple((slot, bits[name]) for name, slot in conditions.items() if slot not in crosses)
    pairs: dict[tuple[int, int], list[int]] = {}  # bits of crosses above and below of the same two
    for name, slot in conditions.items():
        if slot in crosses:
            a, b = crosses[slot]
            pairs.setdefault((min(a, b), max(a, b)), [0, 0])[a > b] |= bits[name]
    return _Reads(
        wanted=frozenset((own - crosses.keys()).union(slots, *crosses.values()) - {-1}),
        slots=slots,
        marked=marked,
        crossed=tuple((a, b, up, down) for (a, b), (up, down) in pairs.items()),
        settles={"entry.long", "entry.short"} <= conditions.keys() | given.keys(),
        moves=int(max(slots[4:8]) >= 0),
    )


def _bits() -> dict[str, int]:
    from workbench.backtest import kernel_signals as k

    bits = {"entry.long": k.ENTER_LONG, "entry.short": k.ENTER_SHORT, "exit.long": k.EXIT_LONG}
    return bits | {"exit.short": k.EXIT_SHORT}


def _signals(
    prepared: Prepared, plan: Plan, reads: _Reads, found: Values, given: Columns, words: Words | None
) -> tuple[npt.NDArray[np.uint8], Words]:
    from workbench.backtest import kernel_signals as k

    count = len(prepared.series)
    if words is None:
        words = np.zeros(-(-count // 8), dtype=np.uint64)
    else:
        words.fill(0)
    signals = words.view(np.uint8)[:count]
    for slot, bit in reads.marked:
        _mark(signals, found[slot], bit)
    for name, bit in _bits().items() if given else ():
        if name in given:
            _mark(signals, given[name], bit)
    for a, b, up, down in reads.crossed:
        x, y = _whole(found[a], count), _whole(found[b], count)
        k.mark_crosses(signals, x, y, np.empty(_SIDES + 1, dtype=np.uint8), up, down)
    if reads.settles:
        k.settle(signals)
    if plan.flat_by_s is not None:
        k.mark_past(signals, prepared.past(plan))
    return signals, words


def _mark(signals: npt.NDArray[np.uint8], column: Float64Array | float, bit: int) -> None:
    from workbench.backtest.kernel_signals import mark

    if isinstance(column, np.ndarray):
        mark(signals, np.ascontiguousarray(column, dtype=np.float64), bit)
    elif column == 1.0:
        signals |= bit


def _whole(value: Float64Array | float, count: int) -> Float64Array:
    return value if isinstance(value, np.ndarray) else np.full(count, value)


def _column(value: Float64Array | float) -> Float64Array:
    if not isinstance(value, np.ndarray):
        return np.array([value], dtype=np.float64)
    return value if value.flags.writeable else value.copy()
