"""Everything that can be switched off, listed from the code, and what must show when it is.

The list is the flags of `Without` and the fields of `Limits`, `Costs` and `AccountProgramme`: a new one without a scene
and a neutral value, or a reason why it cannot act, makes `switches` raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import cache
from inspect import getsource
from typing import Any

import msgspec

import workbench.execution.sessions as live
from tests.parity import scenes
from tests.parity.cases import Case, again, make_case
from tests.parity.pick import Seeded
from tests.parity.scenes import Outcome, Scene, outcome
from workbench.backtest.costs import Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.switches import Without
from workbench.domain.account import AccountProgramme, TrailBasis
from workbench.execution import trailing
from workbench.risk.limits import Limits

ENGINES = ("kernel", "event", "every")
MOST = 1500  # cases in which a mistake in one engine must have shown
OFF: dict[str, dict[str, Any]] = {
    "limit": {
        "max_order_qty": 10**6, "max_position": 10**6, "max_open_orders": 10**6, "max_orders_per_minute": 10**6,
        "daily_loss_usd": Decimal(10**9), "products": (), "protect_within_s": 1e9,
    },
    "cost": {
        "slippage_ticks": 0, "range_fraction": 0.0, "by_hour": (), "latency_s": 0.0, "fees_usd": 0,
        "commissions_usd": 0, "margin_usd": None,
    },
    "firm": {
        "starting_balance": Decimal(10**6), "max_loss": Decimal(10**8), "daily_loss": None, "lock_at": None,
        "trail_basis": TrailBasis.STATIC, "max_minis": Decimal(10**4), "scaling": (), "product_caps": (),
        "profit_target": None, "consistency": None, "least_days": 0, "flat_by": None, "micros_per_mini": 1000,
        "name": "another", "valid_from": None,
    },
}  # fmt: skip
CANNOT_ACT = {
    "protect_within_s": "guards against a broker that loses stops; that of a backtest works them in the fill's event",
    "name": "a label: it names the programme in the result",
    "valid_from": "a label: since when the programme's rules were found to be these",
}
# The later limits look back and act by themselves, which needs every bar and the live step: bars that are compiled or
# passed over know nothing of them: such a run takes the reference engine (tests/backtest/test_live_limits.py).
for _limit in msgspec.structs.fields(Limits):
    if _limit.name not in OFF["limit"]:
        OFF["limit"][_limit.name] = _limit.default
        CANNOT_ACT[_limit.name] = "acts in the live step alone; the compiled engines refuse a run with it"
FIELD = {"limit": "limits", "cost": "costs", "firm": "programme"}


@dataclass(frozen=True, slots=True)
class Switch:
    """One rule, limit or cost that can be left out."""

    group: str
    name: str
    scene: Scene | None  # None: it cannot act in a backtest, `reason` tells why
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.group}-{self.name}"

    def off(self, prepared: Prepared) -> Prepared | None:
        """Return the same bars with this left out; None where there is no firm that could have the rule."""
        if self.group == "fill":
            return again(prepared, without=Without[self.name])
        field = FIELD[self.group]
        whole = getattr(prepared, field)
        if whole is None:
            return None
        change = msgspec.structs.replace if self.group == "limit" else replace
        return again(prepared, **{field: change(whole, **{self.name: OFF[self.group][self.name]})})


def switches() -> list[Switch]:
    """Return every switch; raise KeyError for one that has neither scene nor reason."""
    given = {
        "fill": (tuple(flag.name or "" for flag in Without if flag), {f.name: s for f, s in scenes.FILL_RULES.items()}),
        "limit": (Limits.__struct_fields__, scenes.LIMITS),
        "cost": (tuple(f.name for f in fields(Costs)), scenes.COSTS),
        "firm": (tuple(f.name for f in fields(AccountProgramme)), scenes.FIRM),
    }
    made = []
    for group, (names, known) in given.items():
        for name in names:
            if group != "fill" and name not in OFF[group]:
                raise KeyError(f"{group} {name} has no value that switches it off: add one to OFF")
            if name not in known and name not in CANNOT_ACT:
                raise KeyError(f"{group} {name} has no scene: add one, or a reason to CANNOT_ACT")
            made.append(Switch(group, name, known.get(name), CANNOT_ACT.get(name, "")))
    return made


@contextmanager
def left_out(switch: Switch) -> Iterator[None]:
    """Leave out of the live step, too, what only it does: it moves a stop in both directions."""
    if switch.name != "TIGHTEN":
        yield
        return
    right = "(level - order.stop_ticks) * side <= 0"
    source = getsource(trailing.move_stop)
    assert right in source, "move_stop is written in another way now"
    loose: dict[str, Any] = dict(vars(trailing))
    exec(source.replace(right, "level == order.stop_ticks"), loose)
    kept = live.move_stop
    live.move_stop = loose["move_stop"]
    try:
        yield
    finally:
        live.move_stop = kept


def with_it(switch: Switch, engine: str) -> Outcome:
    """Return what an engine makes of the switch's scene."""
    scene = switch.scene
    assert scene is not None
    return outcome(scene.prepared().run(scene.strategy, engine))


def without_it(switch: Switch, engine: str) -> Outcome:
    """Return what an engine makes of the scene with the switch off."""
    scene = switch.scene
    assert scene is not None
    prepared = switch.off(scene.prepared())
    assert prepared is not None
    with left_out(switch):
        return outcome(prepared.run(scene.strategy, engine))


@cache
def case_of(seed: int) -> Case:
    """A case of the suite; the first ones are asked for by every switch."""
    return make_case(Seeded(seed))


def shows(switch: Switch, most: int = MOST) -> tuple[int, str] | None:
    """Return the first case, and what differs, in which the engines differ when one of them leaves the rule out.

    Where it matters to an engine, the other one must see it: first the kernel leaves it out, then the event engine.
    """
    for seed in range(most):
        case = case_of(seed)
        off = switch.off(case.prepared)
        if off is None:
            continue
        with_rule, kernel = case.prepared.run(case.strategy, "kernel"), off.run(case.strategy, "kernel")
        if not with_rule.difference(kernel):
            continue
        told = kernel.difference(case.prepared.run(case.strategy, "event"))
        with left_out(switch):
            other = with_rule.difference(off.run(case.strategy, "event"))
        assert told and other, f"{switch}, seed {seed}: left out in one engine, and nothing shows"
        return seed, told
    return None
