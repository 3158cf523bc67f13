"""Bars made ready for many runs: what does not depend on the strategy is worked out once.

Two engines give the same `Played`: the compiled kernel for declarative strategies, and the event engine for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.backtest.account import START_E4
from workbench.backtest.costs import Costs, fees_e4, slippage_ticks
from workbench.backtest.curve import trading_dates
from workbench.backtest.margin import margins_e4
from workbench.backtest.played import E4, Played, Summary
from workbench.backtest.series import Series
from workbench.backtest.summary import summary_of
from workbench.backtest.switches import Without
from workbench.domain.account import AccountProgramme
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.domain.programme import firm_dates, flat_times, rules_of
from workbench.risk.limits import Limits
from workbench.rules.arrays import ColumnCache, evaluate
from workbench.rules.inputs import Inputs
from workbench.rules.plan import NEVER, Plan
from workbench.rules.python import PythonStrategy
from workbench.rules.strategy import Strategy
from workbench.rules.windows import allowed, flat_on

if TYPE_CHECKING:
    from workbench.backtest.kernel_firm import Firm
    from workbench.backtest.kernel_state import Gate, Market

View = memoryview
Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]
Columns = Mapping[str, Float64Array]

_CLOSED, _OPEN = np.zeros(1, dtype=np.uint8), np.ones(1, dtype=np.uint8)
NEEDS_EVERY_BAR = (
    "these limits act by themselves or look back, which needs every bar (engine auto or every, no sweep): leave out "
    "all but max_order_qty, max_position, max_open_orders, max_orders_per_minute, daily_loss_usd and products"
)


class Lists(NamedTuple):
    """Columns whose items are plain numbers; prices in points, those of sub-bars and `highs`, `lows` in ticks."""

    starts: View
    ends: View
    opens: View
    highs_points: View
    lows_points: View
    closes: View
    volume: View
    highs: View
    lows: View
    days: View
    fees: View
    offsets: View
    sub_starts: View
    sub_ends: View
    sub_opens: View
    sub_highs: View
    sub_lows: View
    sub_closes: View
    slips: View
    flat_times: View
    margins: View | None


@dataclass(kw_only=True)
class Prepared:
    """One series with its costs, limits and account.

    Parameters
    ----------
    series : Series
    costs : Costs
    limits : Limits
        The gate's limits, as they would be live.
    programme : AccountProgramme, optional
        The firm's rules for the account; without one it begins with 50,000 USD.
    touch : bool
        Whether limit orders fill when only touched.
    without : Without
        Rules to leave out: for tests.

    Attributes
    ----------
    days : array of int64
        Row of `series.hours.dates` of each trading date with bars: what the rows of `Summary.daily` stand for.
    day_of_bar : array of int64
        Index into `days` of each bar.
    """

    series: Series
    costs: Costs = field(default_factory=Costs)
    limits: Limits = field(default_factory=Limits)
    programme: AccountProgramme | None = None
    touch: bool = False
    without: Without = Without.NONE
    _masks: dict[Any, Any] = field(default_factory=dict, repr=False)
    _gates: dict[tuple[float, int], Gate] = field(default_factory=dict, init=False, repr=False)

    def run(
        self,
        strategy: Strategy | PythonStrategy,
        engine: str = "auto",
        cache: ColumnCache | None = None,
        *,
        columns: Columns | None = None,
        first: int = 0,
        last: int | None = None,
    ) -> Played:
        """Return everything that a run of the strategy does.

        Parameters
        ----------
        strategy : Strategy
        engine : str
            ``kernel``, ``event`` (wakes the decision where something can happen), ``every`` (each bar, streaming:
            the reference), or ``auto``: the kernel where it can.
        cache : ColumnCache, optional
            Of these bars; shares sub-expressions between runs.
        columns : mapping, optional
            Conditions by name (``entry.long`` …) to use instead of the strategy's own.
        first, last : int
            Trading starts flat at the close of bar `first`, and bar `last` is the first that is left out.
        """
        end = len(self.series) if last is None else last
        if engine == "auto":
            engine = "kernel" if hasattr(strategy, "plan") and not self.limits.needs_watch else "every"
        if engine == "event" and self.limits.needs_watch:
            raise InputError(NEEDS_EVERY_BAR)
        if engine == "kernel":
            from workbench.backtest.kernel_runs import run

            return run(self, self.plan(strategy), cache, columns, first, end)
        if engine in ("event", "every"):
            from workbench.backtest.replay import Replay

            return Replay(
                self, strategy, every=engine == "every", cache=cache, columns=columns, first=first, last=end
            ).run()
        raise InputError(f"engine {engine!r} is none of auto, kernel, event, every")

    def summarise(
        self,
        strategy: Strategy | PythonStrategy | Plan,
        cache: ColumnCache | None = None,
        *,
        columns: Columns | None = None,
        first: int = 0,
        last: int | None = None,
    ) -> Summary:
        """Return what a sweep keeps of a run; runs without the interpreter's lock, safe in several threads.

        `daily` has a row for every trading date of the series, zeros outside `first` … `last`.
        """
        from workbench.backtest.kernel_runs import summarise

        end = len(self.series) if last is None else last
        if isinstance(strategy, PythonStrategy):
            return summary_of(self.run(strategy, "every", first=first, last=end), self, first, end)
        plan = strategy if isinstance(strategy, Plan) else self.plan(strategy)
        return summarise(self, plan, cache, columns, first, end)

    def plan(self, strategy: Strategy | PythonStrategy) -> Plan:
        """Return a strategy's plan on the contract of these bars; raise InputError where there can be none."""
        if isinstance(strategy, PythonStrategy):
            raise InputError(f"{strategy.name} is written in Python: it has no plan of rules to compute this from")
        return strategy.plan(self.series.contract)

    @cached_property
    def inputs(self) -> Inputs:
        """The columns that rules read."""
        bars = self.series
        prices = [np.ascontiguousarray(column, dtype=np.float64) for column in bars.points]
        return Inputs(
            starts=bars.starts, ends=bars.ends, open=prices[0], high=prices[1], low=prices[2], close=prices[3],
            volume=bars.volume, hours=bars.hours,
        )  # fmt: skip

    @cached_property
    def _dates(self) -> tuple[Int64Array, Int64Array]:
        edges, rows = trading_dates(self.series)
        return rows, np.repeat(np.arange(len(rows), dtype=np.int64), np.diff(edges))

    @property
    def days(self) -> Int64Array:
        """Row of `series.hours.dates` of each trading date with bars."""
        return self._dates[0]

    @property
    def day_of_bar(self) -> Int64Array:
        """Index into `days` of each bar."""
        return self._dates[1]

    @cached_property
    def fees(self) -> Int64Array:
        """Fees and commissions of one contract on one side by bar, 1/10,000 USD; one value where they never change."""
        if self.without & Without.FEES:
            return np.zeros(1, dtype=np.int64)
        return fees_e4(self.costs, self.series.contract.spec, self.series.starts, single=True)

    @cached_property
    def slips(self) -> Int64Array:
        """Slippage in ticks by sub-bar; one value where it is the same everywhere."""
        if self.without & Without.SLIPPAGE:
            return np.zeros(1, dtype=np.int64)
        return slippage_ticks(self.series, self.costs, single=True)

    @cached_property
    def tick_value(self) -> int:
        """USD of one tick of one contract, times 10,000."""
        return whole_e4(self.series.contract.spec.tick_value)

    @cached_property
    def market(self) -> Market:
        """The bars as the kernel takes them."""
        from workbench.backtest.kernel_state import Market

        bars, inner = self.series, self.series.inner
        starts, ends = _seen(bars.starts), _seen(bars.ends)
        ticks = [_seen(column) for column in bars.ticks]
        sub = (starts, ends, *ticks)
        offsets = np.arange(len(bars) + 1, dtype=np.int64)
        if inner is not None:
            sub = tuple(map(_seen, (inner.starts, inner.ends, *inner.ticks)))
            offsets = inner.offsets
        return Market._make((
            starts, ends, *ticks[1:], _seen(self.day_of_bar), _seen(self.fees), int(len(self.fees) > 1), _seen(offsets),
            *sub, _seen(self.slips), int(len(self.slips) > 1), _seen(self.edges), self.tick_value, int(self.touch),
            int(self.without),
        ))  # fmt: skip

    @cached_property
    def lists(self) -> Lists:
        """The bars as the event engine reads them, number by number."""
        m, given = self.market, self.inputs
        fees, slips = np.broadcast_to(m.fees, len(m.starts)), np.broadcast_to(m.slips, len(m.sub_starts))
        margins = None if self.costs.margin_usd is None else _view(self.margins)
        return Lists._make((
            *map(_view, (
                m.starts, m.ends, given.open, given.high, given.low, given.close, given.column("volume"),
                m.highs, m.lows, m.days, fees, m.offsets, m.sub_starts, m.sub_ends, m.sub_opens, m.sub_highs,
                m.sub_lows, m.sub_closes, slips, self.flat_times,
            )),
            margins,
        ))  # fmt: skip

    @cached_property
    def margins(self) -> Int64Array:
        """Margin of one contract by bar, 1/10,000 USD; 0 where none is checked."""
        return _own(margins_e4(self.costs, self.series.contract.spec, self.series.starts))

    @cached_property
    def flat_times(self) -> Int64Array:
        """When the firm closes everything on the trading date of each sub-bar (UTC ns)."""
        starts = self.market.sub_starts
        return _own(flat_times(None if self.programme is None else self.programme.flat_by, starts))

    @cached_property
    def firm_days(self) -> Int64Array:
        """Sub-bars with which a trading date of the firm begins; the first one of all is none."""
        return firm_dates(self.market.sub_starts)[1:-1]

    @cached_property
    def firm_bars(self) -> Int64Array:
        """Bars in which the firm's day begins or its flat-by comes."""
        m = self.market
        edges = firm_dates(m.sub_starts)
        # of each date the first sub-bar that ends after its flat-by; the first of the date itself is one of them anyway
        late = np.searchsorted(m.sub_ends, self.flat_times[edges[:-1]], side="right")
        comes = np.maximum(late, edges[:-1])[late < edges[1:]]
        rows = np.unique(np.concatenate([edges[1:-1], comes]))
        return np.unique(np.searchsorted(m.offsets, rows, side="right") - 1)

    @cached_property
    def account_days(self) -> Int64Array:
        """Bars at whose close, or before, a trading date of the account begins."""
        rows = np.searchsorted(self.edges, self.series.ends, side="right")
        return np.flatnonzero(rows[1:] != rows[:-1]) + 1

    @cached_property
    def edges(self) -> Int64Array:
        """When the account's trading dates begin (UTC ns)."""
        hours = trading_hours("index")
        rows = np.arange(len(hours.opens), dtype=np.int64)
        return np.concatenate([hours.opens, hours.next_opens(rows[-1:])])

    @cached_property
    def firm(self) -> Firm:
        """The account programme as the kernel takes it."""
        from workbench.backtest.kernel_firm import Firm

        margins = self.margins if self.costs.margin_usd is not None else np.zeros(1, dtype=np.int64)
        ends = (margins, int(len(margins) > 1))
        none = np.zeros(1, dtype=np.int64)
        if self.programme is None:
            return Firm(0, START_E4, 0, 0, 0, 0, 1, 0, none, none, none, none, none, *ends)
        rules, product = rules_of(self.programme), self.series.contract.spec
        most = dict(rules.product_caps).get(product.exchange_root, NEVER)
        profits, caps = (np.array(column, dtype=np.int64) for column in zip(*rules.scaling, strict=True))
        return Firm(
            1, rules.start, rules.max_loss, rules.trail, rules.lock, rules.daily_loss, rules.units(product), most,
            profits, caps, self.flat_times, _own(self.firm_days), _own(self.firm_bars), *ends,
        )  # fmt: skip

    def gate(self, plan: Plan) -> Gate:
        """Return the limits that hold for a plan's orders, as the kernel takes them."""
        from workbench.backtest.kernel_state import Gate

        key = plan.daily_loss_usd, plan.max_position
        if key not in self._gates:
            if self.limits.needs_watch:
                raise InputError(NEEDS_EVERY_BAR)
            limits = self.limits.tighter(plan.daily_loss_usd, plan.max_position)
            product = not limits.products or self.series.contract.spec.root in limits.products
            self._gates[key] = Gate(
                int(product), limits.max_order_qty, limits.max_position, limits.max_open_orders,
                limits.max_orders_per_minute, _floor(-limits.daily_loss_usd * E4),
            )  # fmt: skip
        return self._gates[key]

    def past(self, plan: Plan) -> npt.NDArray[np.uint8]:
        """Return whether the flat-by has come at each close; one value when there is none."""
        by, bars = plan.flat_by_s, self.series
        if by is None:
            return _CLOSED
        if ("past", by) not in self._masks:
            from workbench.backtest.kernel_passes import mark_past

            edges, rows = trading_dates(bars)
            made = np.empty(len(bars), dtype=np.uint8)
            mark_past(bars.starts, bars.ends, edges, flat_on(bars.hours, rows, by), made)
            self._masks["past", by] = made
        found: npt.NDArray[np.uint8] = self._masks["past", by]
        return found

    def allowed(self, plan: Plan) -> npt.NDArray[np.uint8]:
        """Return whether the windows allow an entry at each close; one value when there are none."""
        if not plan.windows:
            return _OPEN
        if plan.windows not in self._masks:
            self._masks[plan.windows] = allowed(plan.windows, self.series.ends).astype(np.uint8)
        made: npt.NDArray[np.uint8] = self._masks[plan.windows]
        return made

    def columns(
        self, plan: Plan, cache: ColumnCache | None, given: Columns | None = None
    ) -> dict[int | str, Float64Array]:
        """Return the values of a plan's slots at every close, by slot (conditions by name); one value if fixed."""
        given = given or {}
        wanted = {name: slot for name, slot in plan.conditions.items() if name not in given}
        slots = set(wanted.values()) | set(distance_slots(plan)) - {-1}
        found = evaluate(plan.graph, self.inputs, slots, cache)
        made: dict[int | str, Float64Array] = {slot: _column(value) for slot, value in found.items()}
        made.update({name: made[slot] for name, slot in wanted.items()})
        made.update({name: _column(np.ascontiguousarray(column)) for name, column in given.items()})
        return made


def distance_slots(plan: Plan) -> tuple[int, ...]:
    """Return the slots of a plan's distances: stop, target, trail, break-even, plus, range; long and short of each."""
    pairs = (plan.stop, plan.target, plan.trail, plan.break_even, plan.break_even_plus)
    return (*(slot for pair in pairs for slot in (pair.long, pair.short)), plan.volatility, plan.volatility)


def whole_e4(usd: Decimal) -> int:
    """Return an amount in 1/10,000 USD; raise InputError if it is finer than that."""
    made = usd * E4
    if made != int(made):
        raise InputError(f"{usd} USD is finer than 1/10,000 USD, in which backtests count money")
    return int(made)


def _view(column: Any) -> memoryview:
    return memoryview(column)


def _floor(value: Decimal) -> int:
    return int(max(value, Decimal(-(1 << 61))).to_integral_value("ROUND_FLOOR"))


def _own(column: Int64Array) -> Int64Array:
    # the kernel has one signature: contiguous and writable, or numba compiles another one
    made = np.ascontiguousarray(column, dtype=np.int64)
    return made if made.flags.writeable else made.copy()


def _seen(column: Int64Array) -> Int64Array:
    # the same for columns that the kernel only reads: none of them may be written to, so none need be copied
    made = np.ascontiguousarray(column, dtype=np.int64).view()
    made.flags.writeable = False
    return made


def _column(value: Float64Array | float) -> Float64Array:
    if not isinstance(value, np.ndarray):
        return np.array([value], dtype=np.float64)
    return value if value.flags.writeable else value.copy()
