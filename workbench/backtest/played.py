"""What a run did, as arrays: both engines give the same, results and statistics are read from it.

Prices are integer ticks, times UTC ns, money 1/10,000 USD, so that two runs are equal or not, without a tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Float64Array = npt.NDArray[np.float64]

NO_LEVEL = -(2**62)  # an order without a limit or stop price, a leg without a parent
E4 = 10_000  # one USD
STATUSES = ("working", "filled", "canceled", "rejected", "expired")
MOVES = ("", "trail", "break_even")  # what moved a stop last
WORKING, FILLED, CANCELED, REJECTED, EXPIRED = range(len(STATUSES))
# Rules that every run knows, by their number in `Orders.rule`; a run of a Python strategy appends its own texts.
RULES = (
    "",
    "entry.long",
    "entry.short",
    "exit.long",
    "exit.short",
    "exit.after",
    "flat_by",
    "trail",
    "break_even",
    "firm: max_loss",
    "firm: daily_loss",
    "firm: flat_by",
)


class _Rows:
    # equality and counting for the dataclasses of columns below

    def _columns(self) -> Iterator[tuple[str, Int64Array]]:
        for column in fields(self):  # type: ignore[arg-type]
            yield column.name, getattr(self, column.name)

    def __len__(self) -> int:
        return len(next(self._columns())[1])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and not self.difference(other)

    __hash__ = None  # type: ignore[assignment]

    def difference(self, other: _Rows) -> str:
        """Return the first row that differs, in words; empty when there is none."""
        shared = min(len(self), len(other))
        for row in range(shared):
            for (name, mine), (_, theirs) in zip(self._columns(), other._columns(), strict=True):
                if mine[row] != theirs[row]:
                    return f"{type(self).__name__.lower()} row {row}: {name} {mine[row]} against {theirs[row]}"
        return "" if len(self) == len(other) else f"{len(self)} {type(self).__name__.lower()} against {len(other)}"


@dataclass(frozen=True, slots=True, eq=False)
class Fills(_Rows):
    """Executions in order, all int64.

    Parameters
    ----------
    at : array
        UTC ns: the start of the bar for a fill at its open, else its last nanosecond.
    bar : array
        Index of the bar it happened in.
    order : array
        Id of the order.
    qty : array
        Signed contracts, + bought.
    ticks : array
        Price.
    fees_e4 : array
        Fees and commissions of the whole fill, 1/10,000 USD.
    """

    at: Int64Array
    bar: Int64Array
    order: Int64Array
    qty: Int64Array
    ticks: Int64Array
    fees_e4: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Orders(_Rows):
    """Orders by id (1, 2, 3 …), all int64.

    Parameters
    ----------
    id, at : array
        Number and UTC ns of creation.
    type : array
        As `domain.order.OrderType`.
    side : array
        +1 buy, -1 sell.
    qty : array
        Contracts, unsigned.
    limit, stop : array
        Levels in ticks, NO_LEVEL where there is none; the stop as it stood last.
    status : array
        Index into STATUSES at the end of the run.
    parent : array
        Id of the entry that a bracket leg belongs to, NO_LEVEL for others.
    rule : array
        Index into `Played.rules`; legs have 0.
    moved : array
        Index into MOVES: what moved this stop last.
    """

    id: Int64Array
    at: Int64Array
    type: Int64Array
    side: Int64Array
    qty: Int64Array
    limit: Int64Array
    stop: Int64Array
    status: Int64Array
    parent: Int64Array
    rule: Int64Array
    moved: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class AccountDays(_Rows):
    """The firm's account at each roll of its day (17:00 Chicago), all int64; money in 1/10,000 USD.

    Parameters
    ----------
    at : array
        UTC ns of the first bar or sub-bar of the new day.
    balance_e4, floor_e4 : array
        Balance and maximum-loss level with which the day begins.
    """

    at: Int64Array
    balance_e4: Int64Array
    floor_e4: Int64Array


@dataclass(frozen=True, slots=True)
class AccountPlayed:
    """What the account programme did.

    Parameters
    ----------
    programme : str
    days : AccountDays
    breaches : tuple of (int, str)
        UTC ns and rule (``max_loss``, ``daily_loss``) of each liquidation by a loss rule.
    balance_e4, floor_e4 : int
        At the end of the run.
    failed_at, passed_at : int or None
        When the maximum loss ended it; at which roll the target was reached.
    """

    programme: str
    days: AccountDays
    breaches: tuple[tuple[int, str], ...]
    balance_e4: int
    floor_e4: int
    failed_at: int | None = None
    passed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Everything a run did.

    Parameters
    ----------
    fills : Fills
    orders : Orders
    rules : tuple of str
        Texts of `orders.rule`.
    alerts : tuple of (int, str)
        UTC ns and text of what the operator would have been told, refusals of the gate among it.
    account : AccountPlayed or None
        Only with an account programme.
    """

    fills: Fills
    orders: Orders
    rules: tuple[str, ...] = RULES
    alerts: tuple[tuple[int, str], ...] = ()
    account: AccountPlayed | None = None

    def difference(self, other: Played) -> str:
        """Return the first thing that differs, in words; empty when the two runs are the same."""
        found = self.fills.difference(other.fills) or self.orders.difference(other.orders)
        if found:
            return found
        for mine, theirs in zip(self.alerts, other.alerts, strict=False):
            if mine != theirs:
                return f"alert {mine} against {theirs}"
        if len(self.alerts) != len(other.alerts):
            return f"{len(self.alerts)} alerts against {len(other.alerts)}"
        if self.rules != other.rules:
            return f"rules {self.rules} against {other.rules}"
        return "" if self.account == other.account else f"account {self.account} against {other.account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a sweep keeps of a run. Money in USD; the same numbers come out of the `Played` of the full run.

    Parameters
    ----------
    daily : array of float64, shape (days,)
        Net profit of each trading date with bars, the open position at its last close included.
    trades, wins : int
        Closed round trips from flat to flat, and those with net profit > 0.
    won_usd, lost_usd : float
        Sum of the net profits of winners (≥ 0) and of losers (≤ 0).
    net_usd, costs_usd : float
        Net profit with the open position at the last close, and fees and commissions of every fill.
    trade_sum_sq : float
        Sum of the squared net profits of closed trades.
    max_drawdown_usd : float
        Largest fall of equity from its highest point so far, at bar closes, beginning at 0.
    exposure_bars : int
        Bars at whose close a position was held.
    refused : int
        Orders that the gate refused.
    first, last : int
        Index of the bar of the first and last fill, -1 without fills.
    """

    daily: Float64Array
    trades: int
    wins: int
    won_usd: float
    lost_usd: float
    net_usd: float
    costs_usd: float
    trade_sum_sq: float
    max_drawdown_usd: float
    exposure_bars: int
    refused: int
    first: int
    last: int


def fills_of(rows: list[tuple[int, ...]]) -> Fills:
    """Return fills from rows in the order of the columns."""
    return Fills(*table_of(rows, 6))


def orders_of(rows: list[tuple[int, ...]]) -> Orders:
    """Return orders from rows in the order of the columns."""
    return Orders(*table_of(rows, 11))


def table_of(rows: Sequence[tuple[int, ...]], width: int) -> list[Int64Array]:
    """Return the columns of rows of whole numbers."""
    table = np.array(rows, dtype=np.int64).reshape(len(rows), width)
    return [np.ascontiguousarray(table[:, column]) for column in range(width)]
