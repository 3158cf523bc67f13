"""One case: a market, a strategy, costs, limits and an account, and what the engines must agree on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import msgspec

from tests.parity.market import make_market
from tests.parity.pick import Pick
from tests.parity.rules import make_strategy
from workbench.backtest.costs import Costs
from workbench.backtest.played import Played
from workbench.backtest.prepared import Prepared
from workbench.backtest.switches import Without
from workbench.domain.account import AccountProgramme, TrailBasis
from workbench.risk.limits import Limits
from workbench.rules import Strategy
from workbench.rules.load import parse_strategy

ENGINES = ("event", "every")


@dataclass(frozen=True, slots=True)
class Case:
    """A strategy and everything it runs on."""

    prepared: Prepared
    strategy: Strategy

    def differs(self, engines: tuple[str, ...] = ENGINES) -> tuple[Played, str]:
        """Return what the kernel played, and the first difference of another engine to it (empty: none)."""
        played = self.prepared.run(self.strategy, "kernel")
        for engine in engines:
            found = played.difference(self.prepared.run(self.strategy, engine))
            if found:
                return played, f"kernel and {engine}: {found}"
        return played, ""

    def without(self, rule: Without) -> Case:
        """Return the case with a rule of the engines left out."""
        return replace(self, prepared=again(self.prepared, without=rule))

    def told(self) -> str:
        """Return the case in words, enough to make it again by hand."""
        p = self.prepared
        bars = f"{p.series.contract} {p.series.timeframe} {len(p.series)} bars"
        return f"{bars}, {p.costs}, {p.limits}, {p.programme}\n{self.strategy.source}"


def again(prepared: Prepared, **changes: object) -> Prepared:
    """Return the same bars with other costs, limits, programme or rules."""
    names = ("series", "costs", "limits", "programme", "touch", "without")
    return Prepared(**({name: getattr(prepared, name) for name in names} | changes))  # type: ignore[arg-type]


def make_case(pick: Pick) -> Case:
    """Return one case."""
    series = make_market(pick)
    product = series.contract.spec
    usd = float(product.tick_value)
    strategy = make_strategy(pick, product.exchange_root, series.timeframe.text, product.tick_size, usd)
    prepared = Prepared(
        series=series,
        costs=make_costs(pick),
        limits=make_limits(pick, usd, product.root),
        programme=make_programme(pick, usd, product.micro_of is not None) if pick.chance(45) else None,
        touch=pick.chance(25),
    )
    if prepared.programme is not None and pick.chance(8):
        caps = ((product.exchange_root, pick.whole(1, 2)),)
        prepared.programme = replace(prepared.programme, product_caps=caps)
    return Case(prepared, strategy)


def make_held(pick: Pick) -> Case:
    """Return a case that enters early and holds, some to a far target: long stretches in which nothing but closes."""
    series, side = make_market(pick), pick.one(("long", "short"))
    root, frame = series.contract.spec.exchange_root, series.timeframe.text
    rules = f"entry: {{{side}: close > -1}}\nexit: {{{side}: close < -1}}\n"
    target = f"target: {{ticks: {pick.whole(10, 300)}}}\n" if pick.chance(50) else ""
    text = f"name: held\nroots: [{root}]\ntimeframe: {frame}\n{rules}{target}"
    limits = Limits(daily_loss_usd=Decimal(10**9), max_position=50)
    return Case(Prepared(series=series, costs=Costs(slippage_ticks=0), limits=limits), parse_strategy(text))


def make_costs(pick: Pick) -> Costs:
    """Return costs: none, usual, or with all that moves slippage."""
    kind = pick.one(("free", "usual", "usual", "heavy", "range"))
    if kind == "free":
        return Costs(slippage_ticks=0, fees_usd=0, commissions_usd=0)
    margin = Decimal(pick.one((9_000, 15_000, 20_000))) if pick.chance(6) else None
    if kind == "usual":
        return Costs(slippage_ticks=pick.whole(0, 3), margin_usd=margin)
    if kind == "heavy":
        return Costs(slippage_ticks=pick.whole(3, 8), fees_usd="1.2345", commissions_usd="0.01", margin_usd=margin)
    return Costs(
        slippage_ticks=1, range_fraction=0.15, by_hour={9: 2, 15: 1}, latency_s=pick.one((0.0, 0.5)), margin_usd=margin
    )


def make_limits(pick: Pick, tick_usd: float, root: str) -> Limits:
    """Return limits, mostly wide ones."""
    wide = Limits(
        max_order_qty=50, max_position=50, max_open_orders=50, max_orders_per_minute=1000,
        daily_loss_usd=Decimal(str(round(tick_usd * 100_000, 2))), products=(root, "XXX") if pick.chance(20) else (),
    )  # fmt: skip
    tight = {
        "max_order_qty": pick.whole(3, 4),
        "max_position": pick.whole(3, 4),
        "max_open_orders": 2,
        "max_orders_per_minute": 1,
        "daily_loss_usd": Decimal(str(round(tick_usd * pick.whole(100, 400), 2))),
        "products": ("XXX",),
    }
    often = ("max_order_qty", "max_position", "max_orders_per_minute", "daily_loss_usd")
    chosen = pick.one(often) if pick.chance(22) else pick.one(("none",) * 40 + ("max_open_orders", "products"))
    return wide if chosen == "none" else msgspec.structs.replace(wide, **{chosen: tight[chosen]})


def make_programme(pick: Pick, tick_usd: float, is_micro: bool) -> AccountProgramme:
    """Return a firm's programme whose rules act within a few trades, or hardly ever."""
    start = Decimal(50_000)

    def ticks(least: int, most: int) -> Decimal:
        return Decimal(str(round(tick_usd * pick.whole(least, most), 4)))

    few = Decimal("0.2") if is_micro else Decimal(2)  # two contracts until so much is earned
    scaling = ((Decimal(0), few), (ticks(20, 100), Decimal(50))) if pick.chance(30) else ()
    max_loss = ticks(400, 2500) if pick.chance(35) else ticks(5_000, 90_000)
    return AccountProgramme(
        name="made-up",
        valid_from=date(2025, 1, 1),
        starting_balance=start,
        max_loss=max_loss,
        trail_basis=pick.one(tuple(TrailBasis)),
        lock_at=pick.one((None, start, start - max_loss + ticks(20, 100))),
        daily_loss=ticks(60, 500) if pick.chance(50) else None,
        max_minis=pick.one((Decimal(50), Decimal(50), Decimal(50), few * 3 / 2)),
        scaling=scaling,
        profit_target=pick.one((None, Decimal(100), Decimal(3000))),
        consistency=pick.one((None, Decimal("0.5"))),
        least_days=pick.one((0, 2)),
        flat_by=pick.one((None, "15:10", "15:10", "11:03")),
    )
