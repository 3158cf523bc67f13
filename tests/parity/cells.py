"""What a set of cases has exercised: each way an order can meet a bar, counted from what was played.

A cell is (order, how, where): the order that filled; how its bar met it; whether that bar begins or ends a trading
date. `gap`: the bar opens at or beyond the level. `touch`: the bar's extreme is exactly the level. `through`: the price
trades beyond it. `both`: the bar also reaches the other leg (or, for the firm, our own stop). Market orders have no
level: they fill at the open, alone or as the entry of a reversal at the open of the close before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.parity.cases import Case, make_case
from tests.parity.pick import Seeded
from workbench.backtest.played import MOVES, NO_LEVEL, STATUSES, Played

LEVELS = ("stop", "trail", "break_even")
WHERE = ("inside", "edge")
LEAST = 5

# What can happen at all. A target is only touched with `touch`, where a fill at the open is a touch or a gap.
CELLS = {
    *((order, "open", where) for order in ("entry", "reversal", "exit", "flat_by") for where in WHERE),
    *((order, how, where) for order in LEVELS for how in ("gap", "touch", "through") for where in WHERE),
    *((order, "both", where) for order in ("stop", "trail") for where in WHERE),
    *(("target", how, where) for how in ("gap", "touch", "through", "both") for where in WHERE),
    *(("firm", how, where) for how in ("gap", "inside", "clock") for where in WHERE),
}
REFUSALS = {
    "max_order_qty", "max_position", "max_open_orders", "max_orders_per_minute", "daily_loss_usd", "product",
    "cannot_trade", "Trading is currently", "Maximum position", "Not enough margin",
}  # fmt: skip


def count(case: Case, played: Played, into: Counter[tuple[str, ...]]) -> None:
    """Add what a run has exercised; runs with finer bars inside count for orders at the open only."""
    for _, text in played.alerts:
        for reason in REFUSALS:
            if f"({reason})" in text or f"gateway: {reason}" in text:
                into["refused", reason] += 1
    fills, orders, bars = played.fills, played.orders, case.prepared.series
    columns = [column.tolist() for column in bars.ticks]
    days, last = case.prepared.day_of_bar.tolist(), len(bars) - 1
    legs = _legs(played)
    for at, bar, order in zip(fills.at.tolist(), fills.bar.tolist(), fills.order.tolist(), strict=True):
        row = order - 1
        where = "edge" if bar in (0, last) or days[bar - 1] != days[bar] or days[bar + 1] != days[bar] else "inside"
        open_, high, low = (column[bar] for column in columns[:3])
        name, rule = _name(played, row), played.rules[orders.rule[row]]
        if name in ("entry", "exit", "flat_by", "reversal"):
            into[name, "open", where] += 1
            if name == "reversal":
                into["entry", "open", where] += 1
        elif name == "firm":
            how = "clock" if rule.endswith("flat_by") else "gap" if at == bars.starts[bar] else "inside"
            into["firm", how, where] += 1
        elif bars.inner is None:
            side = -int(orders.side[row])  # of the position
            level = int(orders.limit[row] if name == "target" else orders.stop[row])
            adverse, best = (low, high) if side > 0 else (high, low)
            how = _how(name, level, open_, adverse, best, side)
            into[name, how, where] += 1
            other = legs.get((int(orders.parent[row]), name == "target"))
            reached, way = (adverse, -side) if name == "target" else (best, side)
            if other is not None and (other - reached) * way <= 0:
                into[name, "both", where] += 1


def _name(played: Played, row: int) -> str:
    orders = played.orders
    if orders.parent[row] != NO_LEVEL:
        return "target" if orders.limit[row] != NO_LEVEL else MOVES[orders.moved[row]] or "stop"
    rule = played.rules[orders.rule[row]]
    if rule.startswith("firm"):
        return "firm"
    if rule == "flat_by":
        return rule
    if rule.startswith("entry"):
        before = row > 0 and orders.rule[row - 1] == orders.rule[row] and orders.side[row - 1] == orders.side[row]
        return "reversal" if before and orders.status[row - 1] == STATUSES.index("filled") else "entry"
    return "exit"


def _how(name: str, level: int, open_: int, adverse: int, best: int, side: int) -> str:
    if name == "target":
        if (open_ - level) * side >= 0:
            return "gap"
        return "touch" if best == level else "through"
    if (open_ - level) * side <= 0:
        return "gap"
    return "touch" if adverse == level else "through"


def _legs(played: Played) -> dict[tuple[int, bool], int]:
    # the level of the other leg, by parent and by whether one asks for a target
    orders, made = played.orders, {}
    for row in range(len(orders)):
        if orders.parent[row] != NO_LEVEL:
            is_target = bool(orders.limit[row] != NO_LEVEL)
            made[int(orders.parent[row]), not is_target] = int(orders.limit[row] if is_target else orders.stop[row])
    return made


def missing(counts: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """Return the cells that were hit less often than they should, with their counts."""
    wanted = CELLS | {("refused", reason) for reason in REFUSALS}
    return {cell: counts[cell] for cell in sorted(wanted) if counts[cell] < LEAST}


def is_busy(played: Played) -> bool:
    """Tell whether a case has ten trades or more."""
    return len(played.fills) >= 20


def is_one_too_many(played: Played, kept: int, quiet: int) -> bool:
    """Tell whether a case is quiet and of the `kept` ones enough are: nine of ten shall have ten trades."""
    return not is_busy(played) and quiet >= 0.09 * kept


def chosen(wanted: int, most: int = 15_000) -> Iterator[tuple[int, Case, Played, Counter[tuple[str, ...]]]]:
    """Yield seeded cases with what the kernel played: `wanted` of them, and then those that fill cells still short.

    Nine of ten have ten trades or more; of the others only so many are taken.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    kept = quiet = 0
    for seed in range(most):
        case = make_case(Seeded(seed))
        played = case.prepared.run(case.strategy, "kernel")
        found: Counter[tuple[str, ...]] = Counter()
        count(case, played, found)
        short = missing(counts)
        if kept >= wanted and not short:
            return
        if is_one_too_many(played, kept, quiet) or (kept >= wanted and not short.keys() & found.keys()):
            continue
        kept, quiet = kept + 1, quiet + (not is_busy(played))
        counts += found
        yield seed, case, played, counts
