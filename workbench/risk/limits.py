"""The limits of an account, as data that a person writes and the gate evaluates."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from workbench.domain.errors import InputError, UnknownName

ON_BREACH = ("refuse", "session", "account")  # from the weakest answer to the strongest
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one account. None switches a limit off; all money in USD, net of fees, of this account alone.

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
    on_breach : str
        What a broken loss or profit limit does: ``refuse`` entries only; stop the ``session`` whose limit it is (one of
        the account's always stops the account); or stop the ``account`` in every case. To stop is: cancel, flatten,
        alert, no entries until the trading date is over.
    equity_readings : int
        Consecutive readings of open profit beyond a limit before it counts as broken; without open profit one will do.
    session_daily_loss_usd, session_drawdown_usd : Decimal or None
        Of one session (a strategy on a contract): loss of the trading date, fall from its best.
    max_drawdown_usd : Decimal or None
        Fall of the account from its best, open profit included.
    daily_profit_usd : Decimal or None
        Profit of the trading date that is locked in: it counts as broken above, and stays so when profit falls again.
    best_day_share : float or None
        Most that this trading date may earn, as a share of all profit (of the programme's target, if that is more).
    floor_buffer_usd : Decimal
        How far above the programme's own loss levels we act.
    capital_at_risk_usd : Decimal or None
        What positions, working entries and the new order lose together if every stop is hit.
    unstopped_ticks : int or None
        What a contract without a stop is taken to risk, in ticks; None: unknown, which `capital_at_risk_usd` and the
        loss levels of an account programme refuse.
    max_micros : int or None
        Contracts of one product group (index, energy …) as micros, a mini is ten; longs and shorts are added.
    price_collar_ticks, price_collar_percent : int, float or None
        Farthest that a limit or stop price may be from the last price, and the last price from the last closed bar.
    stale_after_s : float or None
        Age of the last price of the contract beyond which nothing is entered.
    max_flips, flips_minutes : int or None, float
        A session that turns from long to short or back more often within these minutes is paused.
    consecutive_losses, cool_down_s : int or None, float
        After so many losing trades in a row a session enters nothing for so long.
    market_hours : bool
        Enter only while the product trades.
    flat_by : str or None
        Time of day in Chicago (``15:05``) from which nothing is entered and everything is closed, until the next
        trading date; ten minutes before an early close.
    expiry_days : int or None
        Days before a contract's last trading day on which nothing is entered any more; 0: only behind it.
    roll_warn_days : int or None
        Days before the roll from which a session on the old contract is warned of; it stays on its contract.
    news_flat : bool
        Close everything at the start of a news window; entries are refused in one in any case.
    blind_after_s, blind_flatten_s : float or None
        Without a price for an open position for so long entries are blocked; for so long, everything is closed.
    unattended_after_s : float or None
        Enter only while a person has shown themselves within this time.
    """

    max_order_qty: int = 5
    max_position: int = 5
    max_open_orders: int = 12
    daily_loss_usd: Decimal = Decimal(1000)
    max_orders_per_minute: int = 20
    protect_within_s: float = 30.0
    products: tuple[str, ...] = ()
    on_breach: str = "refuse"
    equity_readings: int = 3
    session_daily_loss_usd: Decimal | None = None
    session_drawdown_usd: Decimal | None = None
    max_drawdown_usd: Decimal | None = None
    daily_profit_usd: Decimal | None = None
    best_day_share: float | None = None
    floor_buffer_usd: Decimal = Decimal(0)
    capital_at_risk_usd: Decimal | None = None
    unstopped_ticks: int | None = None
    max_micros: int | None = None
    price_collar_ticks: int | None = None
    price_collar_percent: float | None = None
    stale_after_s: float | None = None
    max_flips: int | None = None
    flips_minutes: float = 10.0
    consecutive_losses: int | None = None
    cool_down_s: float = 1800.0
    market_hours: bool = False
    flat_by: str | None = None
    expiry_days: int | None = None
    roll_warn_days: int | None = None
    news_flat: bool = False
    blind_after_s: float | None = None
    blind_flatten_s: float | None = None
    unattended_after_s: float | None = None

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

    @property
    def needs_watch(self) -> bool:
        """Say whether something here acts by itself or looks back: more than the first seven limits, as in a backtest.

        >>> Limits(max_position=2).needs_watch, Limits(flat_by="15:05").needs_watch
        (False, True)
        """
        return any(getattr(self, name) != default for name, default in _LATER)

    @property
    def needs_prices(self) -> bool:
        """Say whether an order is measured by a price that must be known and young, also with nothing held."""
        return (self.stale_after_s, self.price_collar_ticks, self.price_collar_percent) != (None, None, None)

    def __post_init__(self) -> None:
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_OFF:
                continue
            if isinstance(value, float) or not value >= least:  # NaN is not at least 1
                raise InputError(f"limit {name} must be a whole number of at least {least}, not {value}")
        for name in _AMOUNTS:
            amount = getattr(self, name)
            if amount is not None and not (amount.is_finite() and amount > 0):
                raise InputError(f"limit {name} must be a positive amount in dollars, not {amount}")
        if not (self.floor_buffer_usd.is_finite() and self.floor_buffer_usd >= 0):
            raise InputError(f"limit floor_buffer_usd must be an amount in dollars, not {self.floor_buffer_usd}")
        for name, unit in _POSITIVE.items():
            number = getattr(self, name)
            if number is not None and not 0 < number < float("inf"):
                raise InputError(f"limit {name} must be a positive number of {unit}, not {number}")
        if self.best_day_share is not None and not 0 < self.best_day_share <= 1:
            raise InputError(f"limit best_day_share must be above 0 and at most 1, not {self.best_day_share}")
        if self.on_breach not in ON_BREACH:
            raise UnknownName("answer", self.on_breach, ON_BREACH, where="limit on_breach")
        if self.flat_by is not None and not _CLOCK.fullmatch(self.flat_by):
            raise InputError(f'limit flat_by must be a time of day in Chicago such as "15:05", not {self.flat_by!r}')


_WHOLE = {
    "max_order_qty": 1,
    "max_position": 1,
    "max_open_orders": 1,
    "max_orders_per_minute": 1,
    "equity_readings": 1,
    "unstopped_ticks": 1,
    "max_micros": 1,
    "price_collar_ticks": 1,
    "max_flips": 0,
    "consecutive_losses": 1,
    "expiry_days": 0,
    "roll_warn_days": 0,
}
_MAY_BE_OFF = {field.name for field in msgspec.structs.fields(Limits) if field.default is None}
_AMOUNTS = (
    *("daily_loss_usd", "session_daily_loss_usd", "session_drawdown_usd", "max_drawdown_usd", "daily_profit_usd"),
    "capital_at_risk_usd",
)
_POSITIVE = {
    "protect_within_s": "seconds",
    "price_collar_percent": "percent",
    "stale_after_s": "seconds",
    "flips_minutes": "minutes",
    "cool_down_s": "seconds",
    "blind_after_s": "seconds",
    "blind_flatten_s": "seconds",
    "unattended_after_s": "seconds",
}
_LATER = tuple((field.name, field.default) for field in msgspec.structs.fields(Limits)[7:])
