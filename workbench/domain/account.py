"""Accounts and the firms' account programmes, as data.

Shipped: ``topstep-50k``, ``-100k``, ``-150k`` (the combine) and ``topstep-50k-express`` … (the funded stage after it).
Your own, or one of these with changes, comes from `workbench.domain.account_file.account`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from workbench.domain.errors import UnknownName


class AccountKind(StrEnum):
    """Stage of an account; UNKNOWN until a person says."""

    PRACTICE = "practice"
    COMBINE = "combine"
    EXPRESS = "express"
    UNKNOWN = "unknown"


def kind_from_name(name: str) -> AccountKind:
    """Read the stage from the account's name; a person confirms it when the account is linked.

    >>> kind_from_name("PRAC-V2-10021-48815537"), kind_from_name("50KTC-V2-1"), kind_from_name("EXPRESS-V2-7")
    (<AccountKind.PRACTICE: 'practice'>, <AccountKind.COMBINE: 'combine'>, <AccountKind.EXPRESS: 'express'>)
    """
    head = name.upper().split("-", 1)[0]
    if head.startswith("PRAC"):
        return AccountKind.PRACTICE
    if head.startswith("EXPRESS"):
        return AccountKind.EXPRESS
    if head.endswith("TC"):
        return AccountKind.COMBINE
    return AccountKind.UNKNOWN


class TrailBasis(StrEnum):
    """What the maximum-loss floor follows."""

    END_OF_DAY = "end_of_day_balance"
    INTRADAY = "intraday_equity"
    STATIC = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProgramme:
    """The rules of one plan. USD; contract caps in mini-equivalents (a micro counts a tenth).

    Parameters
    ----------
    name : str
    valid_from : date
        From when on the rules were found to be these.
    starting_balance, max_loss : Decimal
        The maximum-loss floor begins at their difference; equity at or below it ends the account.
    trail_basis : TrailBasis
        What the floor follows, upwards only.
    lock_at : Decimal or None
        The floor rises no further than this balance; None: it never stops.
    daily_loss : Decimal or None
        Loss of a trading date (closed and open, net of costs) that ends the day; None: no such rule.
    max_minis : Decimal
        Most contracts held at once, over all instruments.
    scaling : tuple of (profit, minis)
        Ascending; from which profit (closing balance − starting balance) on how many may be held, measured when the
        trading date begins. Below the first row the first one holds. Empty: `max_minis` always.
    product_caps : tuple of (exchange root, contracts)
        Tighter caps on single products; 0 may not be traded.
    profit_target : Decimal or None
        Profit at a day's end with which the programme is passed.
    consistency : Decimal or None
        Most that the best day may be of the profit that is needed: a better day raises it to best day / consistency.
    least_days : int
        Days with a trade before it can be passed.
    flat_by : str or None
        Time of day (Chicago) at which the firm closes everything and takes no orders until 17:00; ten minutes before
        the close on half days, if that is earlier.
    micros_per_mini : int

    Notes
    -----
    Sources: rule constants of client programs checked against the firm's pages in October 2026; rules change, so each
    programme carries the date from which it holds. How they act is in `workbench.domain.programme`.
    """

    name: str
    valid_from: date
    starting_balance: Decimal
    max_loss: Decimal
    trail_basis: TrailBasis
    lock_at: Decimal | None
    daily_loss: Decimal | None
    max_minis: Decimal
    scaling: tuple[tuple[Decimal, Decimal], ...] = ()
    product_caps: tuple[tuple[str, int], ...] = ()
    profit_target: Decimal | None
    consistency: Decimal | None = None
    least_days: int = 0
    flat_by: str | None = "15:10"  # Chicago; the firm starts about 15:08
    micros_per_mini: int = 10

    def floor_after_day(self, floor: Decimal, closing_balance: Decimal) -> Decimal:
        """Return the maximum-loss floor after a trading day that closed at `closing_balance`; it never falls.

        >>> p = PROGRAMMES["topstep-50k"]
        >>> f = p.starting_balance - p.max_loss
        >>> for close in (51200, 50700, 52400):
        ...     f = p.floor_after_day(f, Decimal(close))
        ...     print(f)
        49200
        49200
        50000
        """
        if self.trail_basis is TrailBasis.STATIC:
            return floor
        level = closing_balance - self.max_loss
        return max(floor, level if self.lock_at is None else min(level, self.lock_at))

    def minis_at(self, profit: Decimal) -> Decimal:
        """Return the mini-equivalents that may be held on a day that begins with this profit (USD).

        >>> [int(PROGRAMMES["topstep-150k-express"].minis_at(Decimal(p))) for p in (-500, 0, 1500, 2999, 4500)]
        [3, 3, 4, 5, 15]
        """
        reached = [minis for least, minis in self.scaling if profit >= least]
        if reached:
            return reached[-1]
        return self.scaling[0][1] if self.scaling else self.max_minis

    def product_cap(self, exchange_root: str) -> int | None:
        """Return the cap on a single product in contracts, None where there is none."""
        return dict(self.product_caps).get(exchange_root)


_PLANS = (50, 100, 150)
_CONSISTENCY_COMBINE = Decimal("0.55")  # of the target, in October 2026; 0.50 of the profit in sources of early 2026
_CONSISTENCY_EXPRESS = Decimal("0.40")  # of the profit, on the way to a payout
# Profit from which an express account may hold so many minis, by plan; the rows of a plan that change nothing left out.
_EXPRESS_SCALING = {
    50: ((0, 2), (1500, 3), (2000, 5)),
    100: ((0, 3), (1500, 4), (2000, 5), (3000, 10)),
    150: ((0, 3), (1500, 4), (2000, 5), (3000, 10), (4500, 15)),
}
# Contracts of single products by plan, called temporary by the firm.
_PRODUCT_CAPS = {
    "GC": (3, 6, 9),
    "MGC": (30, 60, 90),
    "CL": (3, 6, 9),
    "MCL": (30, 60, 90),
    "SI": (0, 0, 0),
    "HG": (0, 0, 0),
    "PL": (0, 0, 0),
}


def _topstep(size: int, loss: int, daily: int, minis: int, target: int) -> AccountProgramme:
    start = Decimal(size * 1000)
    plan = _PLANS.index(size)
    return AccountProgramme(
        name=f"topstep-{size}k",
        valid_from=date(2026, 10, 1),
        starting_balance=start,
        max_loss=Decimal(loss),
        trail_basis=TrailBasis.END_OF_DAY,
        lock_at=start,
        daily_loss=Decimal(daily),
        max_minis=Decimal(minis),
        product_caps=tuple((root, caps[plan]) for root, caps in _PRODUCT_CAPS.items()),
        profit_target=Decimal(target),
        consistency=_CONSISTENCY_COMBINE,
        least_days=2,
    )


def _express(combine: AccountProgramme) -> AccountProgramme:
    # the funded stage: starts at nothing, its floor locks there, and the contracts grow with the profit
    size = int(combine.starting_balance / 1000)
    return replace(
        combine,
        name=f"{combine.name}-express",
        starting_balance=Decimal(0),
        lock_at=Decimal(0),
        scaling=tuple((Decimal(profit), Decimal(minis)) for profit, minis in _EXPRESS_SCALING[size]),
        profit_target=None,
        consistency=_CONSISTENCY_EXPRESS,
        least_days=3,
    )


_COMBINES = (
    _topstep(50, 2000, 1000, 5, 3000),
    _topstep(100, 3000, 2000, 10, 6000),
    _topstep(150, 4500, 3000, 15, 9000),
)
PROGRAMMES = {p.name: p for p in (*_COMBINES, *map(_express, _COMBINES))}


def programme_of(name: str, kind: AccountKind) -> AccountProgramme:
    """Return the shipped programme of an account: the express stage of a plan, if the account is in it.

    Raises
    ------
    UnknownName
        No such programme, with the closest known ones.

    Examples
    --------
    >>> programme_of("topstep-50k", AccountKind.EXPRESS).name
    'topstep-50k-express'
    """
    express = f"{name}-express"
    if kind is AccountKind.EXPRESS and express in PROGRAMMES:
        return PROGRAMMES[express]
    if name not in PROGRAMMES:
        raise UnknownName("account programme", name, PROGRAMMES)
    return PROGRAMMES[name]
