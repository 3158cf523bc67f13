"""From a strategy with its parameter values to a plan on a contract: every distance in ticks, every rule a slot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.domain.contract import Contract, spec
from workbench.rules.daytime import day_second
from workbench.rules.expression import Arithmetic, Expression, Number, Series
from workbench.rules.plan import FIXED, NEVER, NONE, RISK, VOLATILITY, Plan, Sides
from workbench.rules.windows import EVERY_DAY, Window

if TYPE_CHECKING:
    from workbench.rules.protection import Distance, Protection
    from workbench.rules.strategy import Strategy

_CLOSE = Series("close")
_MODES = {"risk_usd": RISK, "volatility_usd": VOLATILITY}


def make_plan(strategy: Strategy, contract: Contract | str) -> Plan:
    """Return the plan of a strategy on a contract (or an id or root), with a fresh graph."""
    name = contract.id if isinstance(contract, Contract) else contract
    strategy.require_contract(name)
    product = spec(name)
    graph = strategy.bind()
    tick = product.tick_size
    protected = _Protected(graph.add, tick)
    even, sizing, limits = strategy.break_even, strategy.sizing, strategy.limits
    trail = protected.sides(strategy.trail, gains=False)
    stop = protected.sides(strategy.stop, gains=False)
    plus = graph.add(even.plus) if even is not None else -1
    ranged = _per_tick(sizing.of, tick) if sizing is not None and sizing.of is not None else None

    def fixed(expression: Expression | None, otherwise: float) -> float:
        return otherwise if expression is None else graph.constant(expression)

    return Plan(
        graph=graph,
        conditions={name: graph.add(rule) for name, rule in strategy.rules.items()},
        stop=Sides(
            *(own if own >= 0 else other for own, other in ((stop.long, trail.long), (stop.short, trail.short)))
        ),
        target=protected.sides(strategy.target, gains=True),
        trail=trail,
        break_even=protected.sides(even.after, gains=True) if even is not None else NONE,
        break_even_plus=Sides(plus, plus),
        exit_after=int(fixed(strategy.exit_after, 0)),
        sizing=_MODES[sizing.mode] if sizing is not None else FIXED,
        amount=graph.constant(sizing.usd if sizing is not None else strategy.contracts),
        volatility=graph.add(ranged) if ranged is not None else -1,
        most=int(fixed(sizing.most if sizing is not None else None, NEVER)),
        cooldown=int(graph.constant(strategy.cooldown)),
        max_trades=int(fixed(strategy.max_trades_per_day, NEVER)),
        windows=all_windows(strategy),
        flat_by_s=day_second(strategy.flat_by) if strategy.flat_by else None,
        needed=graph.warmup,
        tick=tick,
        tick_value=float(product.tick_value),
        daily_loss_usd=fixed(limits.daily_loss_usd, math.inf),
        max_position=int(fixed(limits.max_position, NEVER)),
    )


def all_windows(strategy: Strategy) -> tuple[Window, ...]:
    """Return the windows of a strategy; the one of every day in Chicago time is one of them."""
    if strategy.window is None:
        return strategy.windows
    begins, ends = ((day_second(part) + 17 * 3600) % 86_400 for part in strategy.window)
    return (Window(EVERY_DAY, begins, ends), *strategy.windows)


class _Protected:
    # distances as expressions in ticks, so that bar by bar and columns come from one graph

    def __init__(self, add: Callable[[Expression], int], tick: float) -> None:
        self.add, self.tick = add, tick

    def sides(self, protection: Protection | None, *, gains: bool) -> Sides:
        # `gains`: measured in the direction in which the position wins (a target), else against it (a stop)
        if protection is None:
            return NONE
        slots = []
        for side, distance in ((1, protection.long), (-1, protection.short)):
            slots.append(-1 if distance is None else self.add(self.in_ticks(distance, above=(side > 0) is gains)))
        return Sides(*slots)

    def in_ticks(self, distance: Distance, *, above: bool) -> Expression:
        amount = distance.amount
        match distance.unit:
            case "ticks":
                return amount
            case "percent":
                amount = Arithmetic("/", Arithmetic("*", _CLOSE, amount), Number(100.0))
            case "price":
                amount = Arithmetic("-", amount, _CLOSE) if above else Arithmetic("-", _CLOSE, amount)
        if distance.range is not None:
            amount = Arithmetic("*", amount, distance.range)
        return _per_tick(amount, self.tick)


def _per_tick(points: Expression, tick: float) -> Expression:
    return Arithmetic("/", points, Number(tick))
