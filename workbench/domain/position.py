"""A position as a fold over fills: integer ticks inside, dollars at the rim."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as the gateway reports it (a half-turn). Price in integer ticks, qty signed (+ bought)."""

    trade_id: int
    order_id: int
    account: int
    contract: str
    qty: int
    ticks: int
    at: int
    fees: Decimal = Decimal(0)  # USD, all contracts of this fill, commissions included
    gross_pnl: Decimal | None = None  # the gateway's own figure on a closing half-turn, None on an opening one
    voided: bool = False


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Net position of one account in one contract.

    `cost_ticks` is the average price × signed quantity of what is open; a reduction takes out the average. Decimals
    carry 28 digits: an average such as 1/3 is off by less than 1e-20 ticks; dollars are rounded to 1e-9 at the rim.
    """

    account: int
    contract: str
    qty: int = 0  # signed contracts
    cost_ticks: Decimal = Decimal(0)  # average price in ticks × qty (signed)
    realized_ticks: Decimal = Decimal(0)  # gross, in ticks × contracts
    fees: Decimal = Decimal(0)  # USD
    opened_at: int = 0

    @property
    def average_ticks(self) -> Decimal | None:
        """Average entry price in ticks, None when flat."""
        return self.cost_ticks / self.qty if self.qty else None

    def open_ticks(self, last_ticks: int) -> Decimal:
        """Open profit in ticks × contracts at the price `last_ticks`."""
        return last_ticks * self.qty - self.cost_ticks


def apply_fill(position: Position, fill: Fill) -> Position:
    """Return the position after `fill`: adds average in, reductions leave the average, a cross closes then opens."""
    qty, change = position.qty, fill.qty
    fees = position.fees + fill.fees
    if qty == 0 or qty * change > 0:
        return msgspec.structs.replace(
            position,
            qty=qty + change,
            cost_ticks=position.cost_ticks + fill.ticks * change,
            fees=fees,
            opened_at=min(position.opened_at, fill.at) if qty else fill.at,  # trades may come in any order
        )
    closed = max(-abs(qty), -abs(change)) if qty > 0 else min(abs(qty), abs(change))  # signed change that closes
    average = position.cost_ticks / qty
    realized = position.realized_ticks + (average - fill.ticks) * closed
    opened = change - closed
    left = qty + closed
    return msgspec.structs.replace(
        position,
        qty=left + opened,
        cost_ticks=average * left + Decimal(fill.ticks * opened),
        realized_ticks=realized,
        fees=fees,
        opened_at=fill.at if opened else position.opened_at,
    )
