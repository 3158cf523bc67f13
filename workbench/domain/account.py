"""Accounts and the firms' account programmes, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


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

    Sources: rule constants of client programs checked against the firm's pages in October 2026; rules change, so each
    programme carries the date from which it holds.
    """

    name: str
    valid_from: date
    starting_balance: Decimal
    max_loss: Decimal
    trail_basis: TrailBasis
    lock_at: Decimal  # the floor rises no further than this balance
    daily_loss: Decimal | None
    max_minis: Decimal
    profit_target: Decimal | None
    flat_by: str = "15:10"  # Chicago; the firm starts about 15:08
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
        return max(floor, min(closing_balance - self.max_loss, self.lock_at))


def _topstep(size: int, loss: int, daily: int, minis: int, target: int) -> AccountProgramme:
    start = Decimal(size * 1000)
    return AccountProgramme(
        name=f"topstep-{size}k",
        valid_from=date(2026, 10, 1),
        starting_balance=start,
        max_loss=Decimal(loss),
        trail_basis=TrailBasis.END_OF_DAY,
        lock_at=start,
        daily_loss=Decimal(daily),
        max_minis=Decimal(minis),
        profit_target=Decimal(target),
    )


PROGRAMMES = {
    p.name: p
    for p in (
        _topstep(50, 2000, 1000, 5, 3000),
        _topstep(100, 3000, 2000, 10, 6000),
        _topstep(150, 4500, 3000, 15, 9000),
    )
}
