"""Every rule, limit and cost matters: left out in one engine the engines differ, in both the written fills change.

The list is made from the code: the flags of `Without`, the fields of `Limits`, `Costs` and `AccountProgramme`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import msgspec
import pytest

from tests.backtest.play import MES, QUIET, Bar, enter, frame
from tests.parity.cases import Case, again, make_case
from tests.parity.pick import Seeded
from tests.rules.build import strategy_text
from workbench.backtest.costs import FREE, Costs
from workbench.backtest.prepared import Prepared
from workbench.backtest.series import series
from workbench.backtest.switches import Without
from workbench.domain.account import PROGRAMMES, AccountProgramme
from workbench.domain.timeframe import timeframe
from workbench.risk.limits import Limits
from workbench.rules import Strategy, parse_strategy

UP, DOWN = (1000, 1001, 1000, 1001), (1000, 1000, 999, 999)
RULES = [rule for rule in Without if rule is not Without.NONE]
LOOSE = {
    "max_order_qty": 10**6, "max_position": 10**6, "max_open_orders": 10**6, "max_orders_per_minute": 10**6,
    "daily_loss_usd": Decimal(10**9), "products": (),
}  # fmt: skip
NO_COST = {
    "slippage_ticks": 0, "range_fraction": 0.0, "by_hour": (), "latency_s": 0.0, "fees_usd": 0, "commissions_usd": 0,
    "margin_usd": None,
}  # fmt: skip
FIRM = replace(PROGRAMMES["topstep-50k"], name="tight", max_loss=Decimal(40), daily_loss=Decimal(20), flat_by=None)


def prepared(bars: list[Bar], **more: object) -> Prepared:
    given = {"costs": FREE, "limits": Limits(), **more}
    return Prepared(series=series(frame(bars), MES, timeframe("1m")), **given)  # type: ignore[arg-type]


def rule(**sections: str) -> Strategy:
    return parse_strategy(strategy_text(entry="{long: 'close > 1000'}", **sections))


# Name: strategy, bars, what else, and the prices (points) of its fills, worked out by hand.
SCENES: dict[str, tuple[Strategy, list[Bar], dict[str, object], list[float]]] = {
    # in at 1002, stop 1000: the third bar opens at 990
    "gap": (enter(stop="{ticks: 8}"), [UP, (1002, 1002, 1002, 1002), (990, 996, 988, 991)], {}, [1002, 990]),
    # both 1000 and 1004 are in the bar: the stop
    "both": (
        enter(stop="{ticks: 8}", target="{ticks: 8}"),
        [UP, (1002, 1002, 1002, 1002), (1002, 1006, 998, 1005)], {}, [1002, 1000],
    ),
    # a tick of slippage has no room above the high of the entry's bar
    "inside": (enter(), [UP, (1002, 1002, 1001, 1001), QUIET],
        {"costs": Costs(slippage_ticks=1, fees_usd=0, commissions_usd=0)}, [1002]),
    # the target at 1004 is touched, then passed
    "touch": (
        enter(target="{ticks: 8}"), [UP, (1002, 1004, 1002, 1003), (1003, 1003, 1003, 1003), (1003, 1003, 1002, 1002)],
        {}, [1002],
    ),
    # in at 1002.50 with two ticks of slippage: the stop of 8 ticks is at 1000.50, filled two ticks lower
    "slippage": (
        enter(stop="{ticks: 8}"), [UP, (1002, 1003, 1002, 1003), (1002, 1002, 999, 999)],
        {"costs": Costs(slippage_ticks=2, fees_usd=0, commissions_usd=0)}, [1002.5, 1000],
    ),
    # the trail of 8 ticks follows to 1003 under a high of 1005; a quieter bar must not loosen it
    "tighten": (
        enter(stop="{ticks: 20}", trail="{points: (high - low) + 1}"),
        [UP, (1002, 1002, 1002, 1002), (1004, 1005, 1004, 1005), (1005, 1005, 1003.5, 1005), (1004, 1004, 1000, 1000)],
        {}, [1002, 1003],
    ),
}  # fmt: skip


def prices(made: Prepared, strategy: Strategy, engine: str) -> list[float]:
    return [ticks * 0.25 for ticks in made.run(strategy, engine).fills.ticks.tolist()]


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("engine", ["kernel", "event", "every"])
def test_the_written_fills_come_out(name: str, engine: str) -> None:
    strategy, bars, more, expected = SCENES[name]
    assert prices(prepared(bars, **more), strategy, engine) == expected


@pytest.mark.parametrize("left_out", [rule for rule in RULES if rule is not Without.FEES], ids=lambda r: r.name)
def test_without_a_rule_in_both_engines_the_written_fills_change(left_out: Without) -> None:
    # the live step, which the event engine runs, has no switch for what only ever tightens
    engines = ("kernel",) if left_out is Without.TIGHTEN else ("kernel", "event")

    def changes(name: str) -> bool:
        strategy, bars, more, expected = SCENES[name]
        return all(prices(prepared(bars, **more, without=left_out), strategy, e) != expected for e in engines)

    assert any(map(changes, SCENES))


def test_without_fees_in_both_engines_the_money_changes() -> None:
    for engine in ("kernel", "event"):
        paid, free = (
            prepared([UP, (1002, 1002, 1002, 1002), QUIET], costs=Costs(), without=left_out).run(enter(), engine).fills
            for left_out in (Without.NONE, Without.FEES)
        )
        assert paid.fees_e4.tolist() == [6200] and free.fees_e4.tolist() == [0]


def found(change: object, cases: int = 250) -> int | None:
    """Return the first case in which the kernel with a change differs from the event engine without it."""
    for seed in range(cases):
        case = make_case(Seeded(seed))
        changed: Case | None = change(case)  # type: ignore[operator]
        if changed is None:
            continue
        kernel = changed.prepared.run(changed.strategy, "kernel")
        if case.prepared.run(case.strategy, "kernel").difference(kernel):  # it matters here, so the twin must see it
            assert kernel.difference(case.prepared.run(case.strategy, "event")), f"seed {seed}"
            return seed
    return None


@pytest.mark.parametrize("left_out", RULES, ids=lambda r: r.name)
def test_without_a_rule_in_one_engine_the_engines_differ(left_out: Without) -> None:
    if left_out is Without.TIGHTEN:
        assert found(lambda case: case.without(left_out), 600) is not None
    else:
        assert found(lambda case: case.without(left_out)) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", [f for f in Limits.__struct_fields__ if f != "protect_within_s"])
def test_without_a_limit_in_one_engine_the_engines_differ(name: str) -> None:
    # protect_within_s guards against a broker that loses stops, which that of a backtest does not
    def change(case: Case) -> Case:
        loose = msgspec.structs.replace(case.prepared.limits, **{name: LOOSE[name]})
        return replace(case, prepared=again(case.prepared, limits=loose))

    assert found(change, 1500) is not None


@pytest.mark.parametrize("name", [f.name for f in fields(Costs)])
def test_without_a_cost_in_one_engine_the_engines_differ(name: str) -> None:
    def change(case: Case) -> Case:
        return replace(case, prepared=again(case.prepared, costs=replace(case.prepared.costs, **{name: NO_COST[name]})))

    assert found(change) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["max_loss", "daily_loss", "trail_basis", "lock_at", "max_minis", "scaling", "flat_by"]
)
def test_without_a_rule_of_the_firm_in_one_engine_the_engines_differ(name: str) -> None:
    static = next(basis for basis in type(FIRM.trail_basis) if basis.name == "STATIC")
    off = {
        "max_loss": Decimal(10**8), "daily_loss": None, "trail_basis": static, "lock_at": None,
        "max_minis": Decimal(10**4), "scaling": (), "flat_by": None,
    }  # fmt: skip

    def change(case: Case) -> Case | None:
        programme: AccountProgramme | None = case.prepared.programme
        if programme is None:
            return None
        return replace(case, prepared=again(case.prepared, programme=replace(programme, **{name: off[name]})))

    assert found(change, 600) is not None
