"""What a strategy says beside its conditions: distances of its protective orders, its size, its own limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.rules.expression import Call, Expression, text
from workbench.rules.windows import Window

UNITS = ("ticks", "points", "percent", "atr", "price")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far from the fill price: `amount` ticks, points, percent of the close, average true ranges, or to a level.

    For the unit ``price`` the amount is the level itself; the distance is from the close to it.
    """

    unit: str
    amount: Expression
    range: Call | None = None  # atr(length), for the unit atr

    def normal(self) -> dict[str, str]:
        """Return the normal form that enters the version."""
        made = {self.unit: text(self.amount)}
        return made | {"range": text(self.range)} if self.range else made


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """A distance for each side of the position; None where that side has none."""

    long: Distance | None = None
    short: Distance | None = None

    def of(self, side: int) -> Distance | None:
        """Return the distance for a position of this sign."""
        return self.long if side > 0 else self.short

    def normal(self) -> dict[str, Any]:
        """Return the normal form: one distance where both sides have the same."""
        if self.long is not None and self.long == self.short:
            return self.long.normal()
        sides = {"long": self.long, "short": self.short}
        return {side: distance.normal() for side, distance in sides.items() if distance is not None}

    def expressions(self) -> Iterator[Expression]:
        """Yield what it is computed from."""
        for distance in dict.fromkeys((self.long, self.short)):
            if distance is not None:
                yield distance.amount
                if distance.range is not None:
                    yield distance.range


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """The stop moves to the entry price plus `plus` ticks once the position has gained `after`."""

    after: Protection
    plus: Expression

    def normal(self) -> dict[str, Any]:
        """Return the normal form that enters the version."""
        return {"after": self.after.normal(), "plus_ticks": text(self.plus)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """How many contracts: what risks `usd` at the stop, or moves by `usd` when the price moves by `of` points."""

    mode: str  # risk_usd, volatility_usd
    usd: Expression
    of: Expression | None = None
    most: Expression

    def normal(self) -> dict[str, str]:
        """Return the normal form that enters the version."""
        made = {self.mode: text(self.usd), "max_contracts": text(self.most)}
        return made | {"of": text(self.of)} if self.of is not None else made


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimits:
    """The strategy's own limits; the tighter of these and the account's holds."""

    daily_loss_usd: Expression | None = None
    max_position: Expression | None = None

    def normal(self) -> dict[str, str]:
        """Return the normal form that enters the version."""
        pairs = {"daily_loss_usd": self.daily_loss_usd, "max_position": self.max_position}
        return {name: text(limit) for name, limit in pairs.items() if limit is not None}


def window_text(window: Window) -> str:
    """Return a window as a person reads it.

    >>> window_text(Window((0, 1, 2, 3, 4), 34200, 57600, "America/New_York"))
    'Mon Tue Wed Thu Fri 09:30 to 16:00 America/New_York'
    """
    days = "every day" if len(window.days) == len(DAYS) else " ".join(DAYS[day] for day in window.days)
    return f"{days} {_clock(window.begins_s)} to {_clock(window.ends_s)} {window.zone}"


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}"
