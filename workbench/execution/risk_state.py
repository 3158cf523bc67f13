"""What the limits remember: all of it made from events, so that a restart remembers the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from workbench.domain.programme import E4, FirmAccount

ACCOUNT = "account"


def session_scope(session: str) -> str:
    """The key under which what happens to a session is kept."""
    return f"session:{session}"


@dataclass(slots=True, kw_only=True)
class Breach:
    """A limit that was broken. `until` is the end of the trading date (ns), 0: for good."""

    code: str
    text: str
    at: int
    until: int


@dataclass(slots=True, kw_only=True)
class Standing:
    """How a session has traded lately.

    `side` is the sign of its last entry, `turned_at` when it turned (ns), `bar_end` and `sides` what it has entered at
    its newest bar, `losses` its losing trades in a row, `cool_until` (ns) when it may enter again, `best_usd` the most
    it ever had earned, `trade_usd` what it had realised when the open trade began.
    """

    side: int = 0
    turned_at: list[int] = field(default_factory=list)
    bar_end: int = 0
    sides: list[int] = field(default_factory=list)
    losses: int = 0
    cool_until: int = 0
    best_usd: Decimal = Decimal(0)
    readings: list[Decimal] = field(default_factory=list)
    qty: int = 0
    trade_usd: Decimal = Decimal(0)


@dataclass(slots=True, kw_only=True)
class RiskState:
    """The memory of the limits of one account.

    Parameters
    ----------
    armed : bool
        Whether there is anything to watch; a backtest with plain limits has nothing.
    firm : FirmAccount or None
        The programme's own fold: floor, day's start, contracts.
    cash_e4 : int or None
        Balance less our own cash when both were known to agree, 1/10,000 USD: added to our cash it is the balance.
    best_usd : Decimal
        The most that the account ever had earned, open profit included.
    readings : list of Decimal
        The newest readings of what it has earned: a best, too, needs several.
    ticks_at_stake : dict
        Tag → ticks from an entry to its stop; contract → those of its newest entry.
    """

    armed: bool = False
    firm: FirmAccount | None = None
    target_usd: Decimal | None = None
    cash_e4: int | None = None
    firm_date: str = ""  # the trading date that the firm's day belongs to
    difference_e4: int = 0  # of the platform's balance to ours, at the last reading
    breaches: dict[str, Breach] = field(default_factory=dict)
    votes: dict[str, int] = field(default_factory=dict)
    best_usd: Decimal = Decimal(0)
    readings: list[Decimal] = field(default_factory=list)
    locked_in: str = ""
    standings: dict[str, Standing] = field(default_factory=dict)
    priced_at: dict[str, int] = field(default_factory=dict)
    bar_close: dict[str, float] = field(default_factory=dict)
    blind: dict[str, int] = field(default_factory=dict)
    ticks_at_stake: dict[str, int] = field(default_factory=dict)
    flat_at: int = 0  # when everything is closed on this trading date, 0: never
    flat_told: bool = False
    news_done: int = 0  # start of the newest window that has closed everything
    warned: dict[str, str] = field(default_factory=dict)  # session -> trading date of its last roll warning
    seen_trades: int = 0
    judged_at: int = 0  # when the money was looked at last, ns
    markets: dict[str, dict[str, object]] = field(default_factory=dict)  # root -> limits that are tighter there
    strategies: dict[str, dict[str, object]] = field(default_factory=dict)  # strategy -> its own, tighter limits

    def sides_at(self, session: str, bar_end: int) -> tuple[int, ...]:
        """Signs of the entries that a session has made at the bar that ended at `bar_end`."""
        known = self.standings.get(session)
        return () if known is None or known.bar_end != bar_end else tuple(known.sides)

    def standing(self, session: str) -> Standing:
        """The standing of a session, made when first asked for."""
        if session not in self.standings:
            self.standings[session] = Standing()
        return self.standings[session]


def to_e4(usd: Decimal) -> int:
    """Return an amount in 1/10,000 USD, rounded down: what is not there cannot be lost.

    >>> to_e4(Decimal("-0.00005")), to_e4(Decimal("1.25"))
    (-1, 12500)
    """
    return int((round(usd, 9) * E4).to_integral_value(rounding="ROUND_FLOOR"))  # 1/3 is not exact in decimals
