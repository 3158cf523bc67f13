"""What the gate sees of the account for one order: plain values, None for what is not known."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

from workbench.domain.contract import ContractSpec
from workbench.domain.programme import FirmRules


@dataclass(frozen=True, slots=True)
class Exposure:
    """Signed contracts of one instrument, and what may still fill on each side of it."""

    spec: ContractSpec
    qty: int
    working_buy: int = 0
    working_sell: int = 0

    @property
    def worst(self) -> int:
        """Contracts held at most, long or short, if the working orders of one side fill."""
        return max(abs(self.qty + self.working_buy), abs(self.qty - self.working_sell))


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """The programme of the account on this trading date, money in USD.

    `floor_usd` is the maximum-loss level, `day_floor_usd` the level of the programme's daily loss (None: no such rule),
    `cap` the units of one micro that may be held.
    """

    rules: FirmRules
    floor_usd: Decimal | None
    day_floor_usd: Decimal | None
    cap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the gate looks at for one intent; None means "not known", which is never a pass.

    Parameters
    ----------
    working_buy, working_sell : int
        Contracts that may still fill on each side, an OCO pair counted once.
    day_pnl_usd, session_pnl_usd : Decimal or None
        Realised + open, net of fees, of this trading date: of the account, of the session that asks.
    drawdown_usd, session_drawdown_usd : Decimal or None
        How far the account, the session, stands below its best.
    equity_usd : Decimal or None
        Balance + open profit.
    price, reference : Decimal or None
        In ticks: the last price, the close of the last bar.
    price_age_s : float or None
        How old the last price is.
    tick_value : Decimal or None
        USD that one contract gains per tick.
    market_open : bool or None
        Whether the product trades now.
    flat_by_passed : bool
        The flat-by time of this trading date has come.
    days_to_expiry : int or None
        Calendar days from the trading date to the contract's last one; negative behind it.
    last_side, flips : int
        Sign of the session's last entry (0: none), and how often it turned in the window.
    sides_at_bar : tuple of int
        Signs of the entries that the session has made at this bar already.
    cool_down_s : float
        Seconds that the session still has to wait after its losses.
    locked_in : str
        Why the profit of the day is locked in; empty when it is not.
    earned_usd, target_usd : Decimal or None
        Profit on the days before this one, and what the programme asks for.
    news : str
        Name of the news window we are in; empty outside.
    unattended_s : float or None
        Since when nobody has shown themselves.
    breach : str
        Which limit of the session was broken on this trading date.
    at_risk_usd : Decimal or None
        What positions and working entries lose if every stop is hit; None when a price or a stop is missing.
    exposures : tuple of Exposure
        Of every other instrument of the account.
    firm : Firm or None
        The programme, where the account has one.
    lease_loss_usd, lease_micros : Decimal or None, int or None
        This account's share of the limits over all accounts.
    """

    root: str
    position: int | None
    working_buy: int
    working_sell: int
    open_orders: int
    day_pnl_usd: Decimal | None
    can_trade: bool | None
    halted: tuple[str, ...] = ()
    locked: str = ""
    unresolved: bool = False
    orders_last_minute: int = 0
    known_tags: AbstractSet[str] = frozenset()
    session_pnl_usd: Decimal | None = None
    drawdown_usd: Decimal | None = None
    session_drawdown_usd: Decimal | None = None
    equity_usd: Decimal | None = None
    price: Decimal | None = None
    reference: Decimal | None = None
    price_age_s: float | None = None
    tick_value: Decimal | None = None
    market_open: bool | None = None
    flat_by_passed: bool = False
    days_to_expiry: int | None = None
    last_side: int = 0
    flips: int = 0
    sides_at_bar: tuple[int, ...] = ()
    cool_down_s: float = 0.0
    locked_in: str = ""
    earned_usd: Decimal | None = None
    target_usd: Decimal | None = None
    news: str = ""
    unattended_s: float | None = None
    breach: str = ""
    at_risk_usd: Decimal | None = None
    exposures: tuple[Exposure, ...] = ()
    firm: Firm | None = None
    lease_loss_usd: Decimal | None = None
    lease_micros: int | None = None


def micros(spec: ContractSpec) -> int:
    """Return what one contract counts as: a micro one, everything else ten.

    >>> from workbench.domain.contract import spec
    >>> micros(spec("MES")), micros(spec("ES"))
    (1, 10)
    """
    return 1 if spec.micro_of else 10
