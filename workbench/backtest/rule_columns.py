"""A plan over the bars of a run as the compiled engine takes it: bits of its conditions, columns of its distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.backtest.prepared import distance_slots
from workbench.rules.arrays import ColumnCache, evaluate
from workbench.rules.operators import CROSS

if TYPE_CHECKING:
    from workbench.backtest.kernel_decide import Rules
    from workbench.backtest.prepared import Prepared
    from workbench.rules.plan import Plan

Float64Array = npt.NDArray[np.float64]
Columns = Mapping[str, Float64Array]
Values = dict[int, Float64Array | float]

_NOTHING = np.zeros(1)
_SIDES = 4096  # bars of a stretch that is looked at near the processor


def kernel_rules(prepared: Prepared, plan: Plan, cache: ColumnCache | None, given: Columns | None = None) -> Rules:
    """Return a plan as the kernel takes it.

    Parameters
    ----------
    prepared : Prepared
    plan : Plan
    cache : ColumnCache, optional
        Where sub-expressions that other plans share are found and left.
    given : mapping, optional
        Conditions by name to use instead of the plan's own.
    """
    from workbench.backtest.kernel_decide import Rules

    given = given or {}
    conditions = {name: slot for name, slot in plan.conditions.items() if name not in given}
    own = set(conditions.values())
    crosses = {node.slot: node.inputs for node in plan.graph.nodes if node.op is CROSS and node.slot in own}
    slots = distance_slots(plan)
    wanted = (own - crosses.keys()).union(slots, *crosses.values()) - {-1}
    found = evaluate(plan.graph, prepared.inputs, wanted, cache)
    signals, words = _signals(prepared, plan, found, conditions, crosses, given)
    distances = tuple(_NOTHING if slot < 0 else _column(found[slot]) for slot in slots)
    strides = [-1 if slot < 0 else int(len(column) > 1) for slot, column in zip(slots, distances, strict=True)]
    may = prepared.allowed(plan)
    return Rules(
        signals, words, distances, np.array(strides, dtype=np.int64), may, int(len(may) > 1), int(max(slots[4:8]) >= 0),
        plan.needed, plan.exit_after, plan.cooldown, plan.max_trades, plan.sizing, float(plan.amount), plan.most,
        float(plan.tick_value),
    )  # fmt: skip


def _signals(
    prepared: Prepared,
    plan: Plan,
    found: Values,
    conditions: Mapping[str, int],
    crosses: Mapping[int, tuple[int, ...]],
    given: Columns,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    from workbench.backtest import kernel_signals as k

    bits = {"entry.long": k.ENTER_LONG, "entry.short": k.ENTER_SHORT, "exit.long": k.EXIT_LONG}
    bits["exit.short"] = k.EXIT_SHORT
    count = len(prepared.series)
    words = np.zeros(-(-count // 8), dtype=np.uint64)
    signals = words.view(np.uint8)[:count]
    pairs: dict[tuple[int, int], list[int]] = {}  # bits of crosses above and below of the same two
    for name, slot in conditions.items():
        if slot in crosses:
            a, b = crosses[slot]
            pairs.setdefault((min(a, b), max(a, b)), [0, 0])[a > b] |= bits[name]
        else:
            _mark(signals, found[slot], bits[name])
    for name, column in given.items():
        if name in bits:
            _mark(signals, column, bits[name])
    for (a, b), (up, down) in pairs.items():
        x, y = (_whole(found[slot], count) for slot in (a, b))
        k.mark_crosses(signals, x, y, np.empty(_SIDES + 1, dtype=np.uint8), up, down)
    if {"entry.long", "entry.short"} <= conditions.keys() | given.keys():
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
