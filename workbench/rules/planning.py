"""From a strategy with its parameter values to a plan on a contract: every distance in ticks, every rule a slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.domain.contract import Contract, spec
from workbench.rules.daytime import day_second
from workbench.rules.expression import Arithmetic, Expression, Number
from workbench.rules.plan import NEVER, NONE, Plan, Sides
from workbench.rules.windows import EVERY_DAY, Window

if TYPE_CHECKING:
    from workbench.rules.strategy import Distance, Strategy


def make_plan(strategy: Strategy, contract: Contract | str) -> Plan:
    """Return the plan of a strategy on a contract (or an id or root), with a fresh graph."""
    name = contract.id if isinstance(contract, Contract) else contract
    strategy.require_contract(name)
    product = spec(name)
    graph = strategy.bind()
    tick = product.tick_size

    def sides(distance: Distance | None) -> Sides:
        if distance is None:
            return NONE
        slot = graph.add(_in_ticks(distance, tick))
        return Sides(slot, slot)

    most = strategy.max_trades_per_day
    return Plan(
        graph=graph,
        conditions={name: graph.add(rule) for name, rule in strategy.rules.items()},
        stop=sides(strategy.stop),
        target=sides(strategy.target),
        amount=float(strategy.constant(strategy.contracts)),
        cooldown=strategy.constant(strategy.cooldown),
        max_trades=strategy.constant(most) if most is not None else NEVER,
        windows=_windows(strategy.window),
        flat_by_s=day_second(strategy.flat_by) if strategy.flat_by else None,
        needed=graph.warmup,
        tick=tick,
        tick_value=float(product.tick_value),
    )


def _in_ticks(distance: Distance, tick: float) -> Expression:
    made = distance.amount
    if distance.range is not None:
        made = Arithmetic("*", made, distance.range)
    return made if distance.unit == "ticks" else Arithmetic("/", made, Number(tick))


def _windows(window: tuple[str, str] | None) -> tuple[Window, ...]:
    if window is None:
        return ()
    begins, ends = ((day_second(part) + 17 * 3600) % 86_400 for part in window)
    return (Window(EVERY_DAY, begins, ends),)
