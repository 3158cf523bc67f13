"""The firm's rules as a fold over whole numbers: what an account programme does to an account, in 1/10,000 USD.

What the simulated firm does to a simulated account (`workbench.simulator`), this does to the account of a backtest;
tests drive both with the same prints. The rules, in the order in which they act:

1. On each print (and after each fill) with the equity at that price, balance + open profit: an intraday floor first
   follows the equity up. Equity at or below the floor breaks ``max_loss``: everything is closed at the market and the
   account has failed, for good. Else equity at or below the day's first balance less the daily loss breaks
   ``daily_loss``: everything is closed at the market, and no order is taken until 17:00.
2. At the flat-by time (`flat_time`) everything is closed at the market, and no order is taken until 17:00.
3. At 17:00 Chicago (the trading date of index products) the day is over: the floor follows the balance, unless it is
   static; it never falls, and rises no further than where it locks. The target is looked at, the daily loss starts
   anew, and the contracts that may be held are measured.
4. An order that would make the position larger than may be held is refused as a whole.

Inside a bar the loss rules act like a stop at the price that `FirmAccount.level` gives: passed, it is the print at
which the firm acts; opened beyond, the open is. The firm's own market order pays slippage like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from workbench.domain.account import AccountProgramme, TrailBasis
from workbench.domain.contract import ContractSpec
from workbench.domain.errors import InputError
from workbench.domain.hours import TradingWindow, at_local, trading_hours

Int64Array = npt.NDArray[np.int64]

E4 = 10_000
NONE = -(1 << 62)  # no level, no limit
DAY_GROUP = "index"  # the group whose session is the firm's trading day
BEFORE_EARLY_CLOSE = 10 * 60 * 1_000_000_000
END_OF_DAY, INTRADAY, STATIC = 0, 1, 2
_TRAILS = {TrailBasis.END_OF_DAY: END_OF_DAY, TrailBasis.INTRADAY: INTRADAY, TrailBasis.STATIC: STATIC}
TOO_BIG = "Maximum position size exceeded."  # the gateway's words
MAX_LOSS, DAILY_LOSS = "max_loss", "daily_loss"


def e4(usd: Decimal | int) -> int:
    """Return an amount in 1/10,000 USD.

    >>> e4(Decimal("1.25")), e4(-3)
    (12500, -30000)
    """
    scaled = Decimal(usd) * E4
    if scaled % 1:
        raise InputError(f"{usd} USD is finer than 1/10,000 USD, which is what money is counted in")
    return int(scaled)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmRules:
    """A programme as whole numbers: 1/10,000 USD, and units of one micro contract.

    `daily_loss`, `target` and `lock` are NONE where there is no such rule; `consistency` is in 1/10,000 of the profit,
    0 where there is none. `scaling` holds (profit, units), ascending; its first row holds below itself, too.
    """

    start: int
    max_loss: int
    trail: int
    lock: int
    daily_loss: int
    target: int
    consistency: int
    least_days: int
    scaling: tuple[tuple[int, int], ...]
    units_per_mini: int
    product_caps: tuple[tuple[str, int], ...]
    flat_by: str | None

    def units(self, product: ContractSpec) -> int:
        """Return what one contract counts towards the cap."""
        return 1 if product.micro_of else self.units_per_mini

    def most(self, product: ContractSpec, profit: int) -> int:
        """Return the contracts of one product that may be held, alone, on a day that begins with this profit."""
        units = _reached(self.scaling, profit) // self.units(product)
        return min(units, dict(self.product_caps).get(product.exchange_root, units))


def rules_of(programme: AccountProgramme) -> FirmRules:
    """Return a programme as whole numbers."""
    p = programme
    scaling = p.scaling or ((Decimal(0), p.max_minis),)
    return FirmRules(
        start=e4(p.starting_balance),
        max_loss=e4(p.max_loss),
        trail=_TRAILS[p.trail_basis],
        lock=NONE if p.lock_at is None else e4(p.lock_at),
        daily_loss=NONE if p.daily_loss is None else e4(p.daily_loss),
        target=NONE if p.profit_target is None else e4(p.profit_target),
        consistency=0 if p.consistency is None else int(p.consistency * E4),
        least_days=p.least_days,
        scaling=tuple((e4(profit), int(minis * p.micros_per_mini)) for profit, minis in scaling),
        units_per_mini=p.micros_per_mini,
        product_caps=p.product_caps,
        flat_by=p.flat_by,
    )


@dataclass(slots=True)
class FirmAccount:
    """The loss rules of one account over time; the balance and the position are kept by whoever asks.

    Attributes
    ----------
    floor, day_start : int
        The maximum-loss level, and the balance with which the trading date began.
    cap : int
        Units that may be held on this trading date.
    failed, blocked, paused : bool
        Ended for good; locked by the daily loss, or past the flat-by time, until 17:00.
    passed : bool
        Whether the target was reached at some day's end.
    """

    rules: FirmRules
    floor: int = 0
    day_start: int = 0
    cap: int = 0
    failed: bool = False
    blocked: bool = False
    paused: bool = False
    passed: bool = False
    best_day: int = 0
    days: int = 0  # with a trade

    def __post_init__(self) -> None:
        self.floor = self.rules.start - self.rules.max_loss
        self.day_start = self.rules.start
        self.cap = _reached(self.rules.scaling, 0)

    @property
    def is_open(self) -> bool:
        """Whether the firm takes orders now."""
        return not (self.failed or self.blocked or self.paused)

    def see(self, equity: int) -> str:
        """Take the equity at a print; return the rule that it breaks, ``max_loss`` or ``daily_loss``, or nothing.

        A broken rule is remembered: the caller closes everything at the market, and asks `is_open` before an order.
        """
        if self.failed:
            return ""
        self.follow(equity)
        if equity <= self.floor:
            self.failed = self.blocked = True
            return MAX_LOSS
        if not self.blocked and self.rules.daily_loss != NONE and equity <= self.day_start - self.rules.daily_loss:
            self.blocked = True
            return DAILY_LOSS
        return ""

    def follow(self, equity: int) -> None:
        """Let an intraday floor follow the equity at a print upwards."""
        if self.rules.trail == INTRADAY:
            self.floor = _raised(self.rules, self.floor, equity)

    def level(self, balance: int, qty: int, entry_ticks: int | Fraction, tick_value: int) -> int:
        """Return the price (ticks) at which the first loss rule breaks, NONE where none can.

        Parameters
        ----------
        balance, tick_value : int
            1/10,000 USD; the value of one tick of one contract.
        qty : int
            Signed contracts, entered at `entry_ticks` on average.
        """
        if self.failed or not qty:
            return NONE
        limit = self.floor
        if not self.blocked and self.rules.daily_loss != NONE:
            limit = max(limit, self.day_start - self.rules.daily_loss)
        return loss_level(balance, qty, entry_ticks * qty, tick_value, limit)

    def pause(self) -> None:
        """Take no orders until 17:00: the flat-by time."""
        self.paused = True

    def roll(self, balance: int, *, traded: bool = True) -> None:
        """End the trading date with this closing balance; `traded` counts it towards the least days of a pass."""
        rules = self.rules
        self.best_day = max(self.best_day, balance - self.day_start)
        self.days += traded
        self.passed = self.passed or self._reaches(balance)
        if rules.trail != STATIC:
            self.floor = _raised(rules, self.floor, balance)
        self.day_start = balance
        self.blocked = self.paused = False
        self.cap = _reached(rules.scaling, balance - rules.start)

    def exceeds_cap(self, held: list[tuple[ContractSpec, int]]) -> bool:
        """Tell whether these holdings (product, signed contracts) are more than may be held."""
        caps = dict(self.rules.product_caps)
        if any(abs(qty) > caps.get(product.exchange_root, abs(qty)) for product, qty in held):
            return True
        return sum(self.rules.units(product) * abs(qty) for product, qty in held) > self.cap

    def needed(self) -> int:
        """Return the profit to pass with: the target, or more if one day is too much of it; NONE without a target."""
        rules = self.rules
        if rules.target == NONE or not rules.consistency:
            return rules.target
        return max(rules.target, -(-self.best_day * E4 // rules.consistency))

    def is_consistent(self, balance: int) -> bool:
        """Tell whether the best day is within its share of the profit so far (or of the target, if that is more)."""
        base = max(balance - self.rules.start, self.rules.target)
        return not self.rules.consistency or self.best_day * E4 <= self.rules.consistency * base

    def _reaches(self, balance: int) -> bool:
        if self.failed or self.rules.target == NONE or self.days < self.rules.least_days:
            return False
        return balance - self.rules.start >= self.needed()


def loss_level(balance: int, qty: int, cost: int | Fraction, tick_value: int, limit: int) -> int:
    """Return the price (ticks) nearest to profit at which balance + open profit is at or below `limit`.

    `cost` is the sum of qty × price over what is held, in ticks; signed like `qty`. Compiles as it is.

    >>> loss_level(50_000 * E4, 2, 2 * 4000, 12_500, 49_000 * E4)  # 2 MES: 2.50 a tick, 400 ticks down
    3600
    >>> loss_level(50_000 * E4, -3, -3 * 4000, 12_500, 49_000 * E4)  # 3.75 a tick: 266.67 up, the first whole one
    4267
    """
    room = limit - balance + cost * tick_value  # (price × qty × tick value) at the limit
    if qty > 0:
        return room // (qty * tick_value)
    return -(room // (-qty * tick_value))


def flat_time(flat_by: str | None, window: TradingWindow) -> int:
    """Return when the firm closes everything on the trading date of `window`, UTC ns; -NONE if it never does."""
    if flat_by is None:
        return -NONE
    return min(at_local(window.trading_date, flat_by), window.close - BEFORE_EARLY_CLOSE)


def flat_times(flat_by: str | None, starts: Int64Array) -> Int64Array:
    """Return `flat_time` of the firm's trading date of each instant (UTC ns, ascending); -NONE where there is none.

    Examples
    --------
    >>> from datetime import date
    >>> from workbench.domain.hours import local
    >>> starts = np.array([at_local(date(2025, 11, day), "09:00") for day in (26, 28)])  # Thanksgiving is between them
    >>> [f"{local(at):%H:%M}" for at in flat_times("15:10", starts).tolist()]
    ['15:10', '12:05']
    """
    stamps = np.asarray(starts, dtype=np.int64)
    if flat_by is None or not len(stamps):
        return np.full(len(stamps), -NONE, dtype=np.int64)
    hours = trading_hours(DAY_GROUP)
    edges, rows = hours.dated(stamps)
    wanted = np.array([at_local(day, flat_by) for day in hours.dates[rows].tolist()], dtype=np.int64)
    chosen: Int64Array = np.repeat(np.minimum(wanted, hours.closes[rows] - BEFORE_EARLY_CLOSE), np.diff(edges))
    return chosen


def firm_dates(starts: Int64Array) -> Int64Array:
    """Return where the firm's trading dates begin among ascending instants (UTC ns), and their number behind it."""
    return trading_hours(DAY_GROUP).dated(np.asarray(starts, dtype=np.int64))[0]


def _raised(rules: FirmRules, floor: int, to: int) -> int:
    level = to - rules.max_loss
    return max(floor, level if rules.lock == NONE else min(level, rules.lock))


def _reached(scaling: tuple[tuple[int, int], ...], profit: int) -> int:
    units = scaling[0][1]
    for least, more in scaling:
        if profit >= least:
            units = more
    return units
