"""The account of a backtest: its money, and the firm's rules as they act on the prints of bars."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.backtest import margin
from workbench.backtest.played import E4, AccountDays, AccountPlayed, table_of
from workbench.domain import events as e
from workbench.domain.account import AccountProgramme
from workbench.domain.programme import INTRADAY, NONE, TOO_BIG, FirmAccount, loss_level, rules_of

if TYPE_CHECKING:
    from workbench.backtest.broker import BarBroker

START_E4 = 50_000 * E4  # the balance without a programme
PAUSED = "Trading is currently unavailable. The instrument is not in an active trading status."  # the gateway's words


class FirmOfBars:
    """Balance, order numbers and loss rules that the contracts of one account share.

    Parameters
    ----------
    account : int
    programme : AccountProgramme or None
        Without one there are no rules of a firm, and the account begins with 50,000 USD.
    feed : callable
        Takes the events that the firm causes, at once.
    """

    def __init__(self, account: int, programme: AccountProgramme | None, feed: Callable[[e.Event], None]) -> None:
        self.account, self.programme, self._feed = account, programme, feed
        self.rules = FirmAccount(rules_of(programme)) if programme is not None else None
        self.balance_e4 = START_E4 if self.rules is None else self.rules.rules.start
        self.brokers: list[BarBroker] = []
        self.last: dict[int, int] = {}  # newest print by the broker's place
        self.margins: dict[str, int] = {}  # of one contract at the bar that is played, 1/10,000 USD, by contract
        self.breaches: list[tuple[int, str]] = []
        self.days: list[tuple[int, int, int]] = []
        self.failed_at: int | None = None
        self.passed_at: int | None = None
        self._numbers = 0
        self._paid = self._traded = False
        self._told = True

    def next_id(self) -> int:
        """Return the next number of an order."""
        self._numbers += 1
        return self._numbers

    @property
    def balance(self) -> Decimal:
        """Closed profit net of costs on top of the first balance, USD."""
        return Decimal(self.balance_e4) / E4

    @property
    def can_trade(self) -> bool:
        """What the firm says of the account: False once a loss rule has locked it."""
        return self.rules is None or not (self.rules.failed or self.rules.blocked)

    @property
    def is_intraday(self) -> bool:
        """Whether the maximum-loss level follows the equity at every print."""
        return self.rules is not None and self.rules.rules.trail == INTRADAY

    def pay(self, amount_e4: int) -> None:
        """Book what a fill has earned and cost."""
        self.balance_e4 += amount_e4
        self._paid = self._traded = True

    def refuses(self, broker: BarBroker, after: int) -> str:
        """Return why the broker does not take an order that would leave `after` contracts; empty if it does."""
        if self.rules is not None and abs(after) > abs(broker.held):
            if not self.rules.is_open:
                return PAUSED
            held = [(b.contract.spec, after if b is broker else b.held) for b in self.brokers]
            if self.rules.exceeds_cap(held):
                return TOO_BIG
        need = self.margins.get(broker.contract.id, 0)
        if need and not margin.is_covered(self.balance_e4, need, broker.held, after):
            return margin.REFUSED
        return ""

    def watch(self, broker: BarBroker) -> None:
        """Look at every print of a contract, and keep its matcher's level where the next loss rule breaks."""
        place = len(self.brokers)
        self.brokers.append(broker)
        if self.rules is not None:
            broker.matcher.seen = lambda at, ticks: self._see(place, at, ticks)

    def roll(self, at: int) -> None:
        """17:00 Chicago, seen at the first bar after it."""
        if self.rules is None:
            return
        self.rules.roll(self.balance_e4, traded=self._traded)
        self._traded = False
        if self.rules.passed and self.passed_at is None:
            self.passed_at = at
        self.days.append((at, self.balance_e4, self.rules.floor))
        self._tell(at)
        self._level()

    def flat_by(self, at: int) -> None:
        """Take no order until 17:00 and close everything at the market; closes of ours that wait are left to fill."""
        if self.rules is None or self.rules.paused:
            return
        self.rules.pause()
        for broker in self.brokers:
            for told in broker.liquidate(at, "flat_by", spare_close=True):
                self._feed(told)

    def played(self) -> AccountPlayed | None:
        """Return what the programme did; None without one."""
        if self.rules is None or self.programme is None:
            return None
        return AccountPlayed(
            programme=self.programme.name,
            days=AccountDays(*table_of(self.days, 3)),
            breaches=tuple(self.breaches),
            balance_e4=self.balance_e4,
            floor_e4=self.rules.floor,
            failed_at=self.failed_at,
            passed_at=self.passed_at,
        )

    def _see(self, place: int, at: int, ticks: int) -> None:
        self.last[place] = ticks
        paid, self._paid = self._paid, False
        if self.rules is None or not (paid or self.brokers[place].held):
            return
        broken = self.rules.see(self._equity())
        if broken:
            self.breaches.append((at, broken))
            if self.rules.failed:
                self.failed_at = at
            for broker in self.brokers:
                for told in broker.liquidate(at, broken):
                    self._feed(told)
            self._tell(at)
        self._level()

    def _equity(self) -> int:
        return self.balance_e4 + sum(b.open_e4(self.last.get(i, 0)) for i, b in enumerate(self.brokers) if b.held)

    def _level(self) -> None:
        # With several contracts the others are taken to stand still.
        if self.rules is None:
            return
        for place, broker in enumerate(self.brokers):
            broker.matcher.level = None
            if broker.held and not self.rules.failed:
                broker.matcher.level = self._level_of(place, broker)

    def _level_of(self, place: int, broker: BarBroker) -> int | None:
        rules = self.rules
        if rules is None:
            return None
        limit = rules.floor
        if not rules.blocked and rules.rules.daily_loss != NONE:
            limit = max(limit, rules.day_start - rules.rules.daily_loss)
        others = sum(b.open_e4(self.last.get(i, 0)) for i, b in enumerate(self.brokers) if b.held and i != place)
        return loss_level(self.balance_e4 + others, broker.held, broker.cost, broker.tick_e4, limit)

    def _tell(self, at: int) -> None:
        if self.can_trade != self._told:
            self._told = self.can_trade
            name = self.programme.name if self.programme is not None else ""
            self._feed(
                e.AccountReported(
                    at=at, account=self.account, name=name, balance=self.balance, can_trade=self.can_trade
                )
            )
