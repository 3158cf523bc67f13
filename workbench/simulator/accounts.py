"""Accounts of the simulated firm: net positions, half-turns, balance, and the loss rules that act on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from workbench.domain.account import AccountProgramme, TrailBasis, programme_of
from workbench.domain.contract import Contract
from workbench.gateway.messages import AccountModel, PositionModel, TradeModel
from workbench.simulator.config import AccountSettings
from workbench.simulator.stamps import stamp

_CENT4 = Decimal("0.0001")


@dataclass(slots=True)
class SimPosition:
    """Net position in one contract: signed contracts and the exact average entry in ticks."""

    id: int
    contract: Contract
    qty: int = 0
    average: Fraction = Fraction(0)
    opened: int = 0
    opening_trade: SimTrade | None = None

    def open_usd(self, last: int) -> Fraction:
        """Open profit in USD at the price `last` (ticks)."""
        return (last - self.average) * self.qty * Fraction(self.contract.spec.tick_value)

    def model(self, account: int, digits: int = 6, *, was: int = 0) -> PositionModel:
        """Return the position as the gateway shows it; a closed one keeps the type it `was` (signed contracts)."""
        return PositionModel(
            id=self.id,
            account_id=account,
            contract_id=self.contract.id,
            contract_display_name=self.contract.name,
            creation_timestamp=stamp(self.opened, digits),
            type=1 if (self.qty or was) > 0 else 2,
            size=abs(self.qty),
            average_price=float(self.average * self.contract.spec.tick),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimTrade:
    """One half-turn. `pnl` None marks an opening one; money in USD for all its contracts."""

    id: int
    account: int
    contract: Contract
    at: int
    ticks: int
    pnl: Decimal | None
    fees: Decimal
    commissions: Decimal
    side: int
    size: int
    order: int

    def model(self, digits: int = 6) -> TradeModel:
        return TradeModel(
            id=self.id,
            account_id=self.account,
            contract_id=self.contract.id,
            creation_timestamp=stamp(self.at, digits),
            price=self.contract.spec.price(self.ticks),
            profit_and_loss=self.pnl,
            fees=self.fees,
            commissions=self.commissions,
            side=self.side,
            size=self.size,
            voided=False,
            order_id=self.order,
        )


@dataclass(slots=True)
class SimAccount:
    """One account's money and what it may do. `floor` is the maximum-loss level (equity at or below it is a breach)."""

    settings: AccountSettings
    programme: AccountProgramme
    balance: Decimal
    floor: Decimal
    day_start: Decimal
    can_trade: bool = True
    failed: bool = False
    blocked: str = ""  # a loss rule locked the day: why no order is taken until 17:00, "" = none
    paused: str = ""  # past the flat-by time: no order until 17:00, but the account is not locked
    positions: dict[str, SimPosition] = field(default_factory=dict)
    trades: list[SimTrade] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    cap_minis: Decimal = Decimal(0)

    @property
    def id(self) -> int:
        return self.settings.id

    def model(self) -> AccountModel:
        return AccountModel(
            id=self.id,
            name=self.settings.name,
            balance=self.balance,
            can_trade=self.can_trade and not self.blocked,
            is_visible=True,
            simulated=not self.settings.live,
        )

    def equity(self, last: Callable[[str], int | None]) -> Fraction:
        """Return balance + open profit (USD) with the newest price (ticks) of each contract."""
        total = Fraction(self.balance)
        for contract_id, position in self.positions.items():
            price = last(contract_id)
            if position.qty and price is not None:
                total += position.open_usd(price)
        return total

    def breach(self, equity: Fraction) -> str:
        """Return ``max_loss`` or ``daily_loss`` when `equity` breaks that rule, else an empty text."""
        if not self.settings.rules or self.failed:
            return ""
        if equity <= self.floor:
            return "max_loss"
        daily = self.programme.daily_loss if self.settings.daily_loss else None
        return (
            "daily_loss"
            if daily is not None and not self.blocked and equity <= Fraction(self.day_start - daily)
            else ""
        )

    def note_equity(self, equity: Fraction) -> None:
        """Let an intraday-trailing floor follow the equity; the other kinds move at the day's end only."""
        if self.programme.trail_basis is TrailBasis.INTRADAY:
            exact = Decimal(equity.numerator) / Decimal(equity.denominator)
            self.floor = self.programme.floor_after_day(self.floor, exact)

    def roll_day(self) -> None:
        """17:00 Chicago: the floor takes the closing balance, the daily loss starts anew, the cap is measured."""
        self.floor = self.programme.floor_after_day(self.floor, self.balance)
        self.day_start = self.balance
        self.blocked = self.paused = ""
        self.cap_minis = self.programme.minis_at(self.balance - self.programme.starting_balance)

    def exceeds_cap(self, contract: Contract, after: int) -> bool:
        """Tell whether holding `after` (signed) in `contract` would break the cap on minis or on the product."""
        if not self.settings.rules:
            return False
        cap = self.programme.product_cap(contract.spec.exchange_root)
        if cap is not None and abs(after) > cap:
            return True
        held = {p.contract.id: p.qty for p in self.positions.values()} | {contract.id: after}
        by_id = {p.contract.id: p.contract for p in self.positions.values()} | {contract.id: contract}
        total = sum((minis(by_id[key], qty, self.programme.micros_per_mini) for key, qty in held.items()), Decimal(0))
        return total > self.cap_minis


def minis(contract: Contract, qty: int, micros_per_mini: int = 10) -> Decimal:
    """Return `qty` contracts in mini-equivalents (unsigned)."""
    return Decimal(abs(qty)) / (micros_per_mini if contract.spec.micro_of else 1)


def open_account(settings: AccountSettings) -> SimAccount:
    """Return a fresh account of the programme its settings name; an express account starts at 0.

    Raises
    ------
    UnknownName
        No such programme.
    """
    programme = programme_of(settings.programme, settings.kind)
    balance = programme.starting_balance if settings.balance is None else settings.balance
    account = SimAccount(
        settings=settings,
        programme=programme,
        balance=balance,
        floor=programme.starting_balance - programme.max_loss,
        day_start=balance,
        can_trade=settings.can_trade,
    )
    account.cap_minis = programme.minis_at(balance - programme.starting_balance)
    return account


def half_turns(position: SimPosition, side_sign: int, qty: int) -> list[tuple[int, bool]]:
    """Split a fill into (contracts, closes) parts: what reduces first, what opens on the other side then.

    >>> from workbench.domain.contract import parse_contract
    >>> long2 = SimPosition(1, parse_contract("MESZ26"), qty=2)
    >>> half_turns(long2, -1, 5), half_turns(long2, 1, 3)
    ([(2, True), (3, False)], [(3, False)])
    """
    closing = min(qty, abs(position.qty)) if position.qty * side_sign < 0 else 0
    return [part for part in ((closing, True), (qty - closing, False)) if part[0]]


def closing_pnl(position: SimPosition, ticks: int, qty: int) -> Decimal:
    """Return the gross profit (USD, to a hundredth of a cent) of closing `qty` contracts at `ticks`."""
    sign = 1 if position.qty > 0 else -1
    gross = (ticks - position.average) * sign * qty * Fraction(position.contract.spec.tick_value)
    return (Decimal(gross.numerator) / Decimal(gross.denominator)).quantize(_CENT4).normalize() + Decimal("0.00")


def apply_part(position: SimPosition, side_sign: int, qty: int, ticks: int, *, closes: bool) -> None:
    """Move the position by one half-turn: adds average in, reductions leave the average as it was."""
    if closes:
        position.qty += side_sign * qty
        return
    held = abs(position.qty)
    position.average = (position.average * held + ticks * qty) / (held + qty) if held else Fraction(ticks)
    position.qty += side_sign * qty
