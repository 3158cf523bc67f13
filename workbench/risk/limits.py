"""The limits of an account, as data that a person writes and the gate evaluates."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from workbench.domain.errors import InputError


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one account.

    Parameters
    ----------
    max_order_qty : int
        Contracts in one order.
    max_position : int
        Contracts of one instrument, long or short, counted as if every working order on that side filled.
    max_open_orders : int
        Orders of one instrument that may still fill, bracket legs included.
    daily_loss_usd : Decimal
        Loss of the trading date (realised + open, net of fees) at which entries end.
    max_orders_per_minute : int
        New orders in any 60 s; refused ones count, cancels and reductions are never held back.
    protect_within_s : float
        Seconds of market time in which a bracketed position must show a working stop; after that it is flattened.
    products : tuple of str
        Gateway roots that may be traded; empty means every known one.
    """

    max_order_qty: int = 5
    max_position: int = 5
    max_open_orders: int = 12
    daily_loss_usd: Decimal = Decimal(1000)
    max_orders_per_minute: int = 20
    protect_within_s: float = 30.0
    products: tuple[str, ...] = ()

    def tighter(self, daily_loss_usd: float, max_position: int) -> Limits:
        """Return these limits, or where they are tighter, a strategy's own (inf and a huge number: none).

        >>> Limits().tighter(300.0, 1 << 60).daily_loss_usd, Limits().tighter(float("inf"), 2).max_position
        (Decimal('300.0'), 2)
        """
        if daily_loss_usd >= self.daily_loss_usd and max_position >= self.max_position:
            return self
        return msgspec.structs.replace(
            self,
            daily_loss_usd=min(self.daily_loss_usd, Decimal(repr(min(daily_loss_usd, 1e15)))),
            max_position=min(self.max_position, max_position),
        )

    def __post_init__(self) -> None:
        for name in ("max_order_qty", "max_position", "max_open_orders", "max_orders_per_minute"):
            if not getattr(self, name) >= 1:  # NaN is not at least 1
                raise InputError(f"limit {name} must be at least 1, not {getattr(self, name)}")
        if not self.daily_loss_usd.is_finite() or self.daily_loss_usd <= 0:
            raise InputError(f"limit daily_loss_usd must be a positive amount in dollars, not {self.daily_loss_usd}")
        if not 0 < self.protect_within_s < float("inf"):
            raise InputError(
                f"limit protect_within_s must be a positive number of seconds, not {self.protect_within_s}"
            )
