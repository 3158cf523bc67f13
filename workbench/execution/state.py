"""Everything the decision needs to remember about one account. It has one owner and changes in place."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from workbench.domain.contract import ContractSpec, spec
from workbench.domain.errors import UnknownContract
from workbench.domain.events import BarClosed, BaselineSet, BudgetLeased
from workbench.domain.hours import trading_hours
from workbench.domain.order import Order, OrderType, Status
from workbench.domain.position import Position
from workbench.risk.gate import View
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal

MINUTE_NS = 60_000_000_000
READ_FIRST = "the user hub is back, the broker has not been read since"


class Rule(Protocol):
    """A strategy in motion: fed every closed bar once, it may answer with a signal.

    One that has limits of its own shows them as `own_limits`: loss of a day in USD, and contracts. `warm` gives it a
    bar on which nothing is decided: history, or one that came late, with what is held then.
    """

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> object: ...

    def on_bar(self, bar: BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None: ...


RuleFactory = Callable[[str, str, dict[str, float | int | str | bool]], Rule]
"""(strategy version, contract id, parameters) -> a fresh rule; content-addressed, so always the same."""


@dataclass(slots=True, kw_only=True)
class Session:
    """One strategy version trading one contract."""

    session: str
    strategy: str
    contract: str
    timeframe: str
    rule: Rule
    started_at: int
    parameters: dict[str, float | int | str | bool] = field(default_factory=dict)
    status: str = "running"  # running, paused, ended
    reason: str = ""
    last_bar_end: int = 0
    last_signal: str = ""
    entries: int = 0

    def limits(self, account: Limits) -> Limits:
        """Return the limits that hold for this session's orders: its own may only be tighter than the account's."""
        own: tuple[float, int] | None = getattr(self.rule, "own_limits", None)
        return account if own is None else account.tighter(*own)


@dataclass(slots=True, kw_only=True)
class Flatten:
    """A close under way: cancel what works, then close what is open, then (for a reversal) enter."""

    reason: str
    asked: dict[int, int] = field(default_factory=dict)  # order id -> when its cancel was sent
    close_sent_at: int | None = None
    close_answered_at: int | None = None  # while it is queued or on the wire there is no second close
    read_asked_at: int = 0
    then: tuple[str, Signal] | None = None  # session and entry that follow a reversal
    started_at: int = 0


@dataclass(slots=True, kw_only=True)
class Book:
    """One contract of the account."""

    spec: ContractSpec
    position: Position
    broker_qty: int | None = None
    differs_since: int | None = None
    adopt_votes: int = 0
    voted_for: tuple[int, int] = (0, 0)  # own and broker quantity of the last vote
    adopted_until: int = 0  # fills up to here are inside an adopted position
    filled_at: int = 0  # when we last heard of a fill, by its trade or by its order
    uncounted: dict[int, int] = field(default_factory=dict)  # order id -> contracts reported filled without their trade
    last_price: float | None = None
    stale_s: float | None = None  # age of the newest market data, when it is too old
    locked: str = ""
    flatten: Flatten | None = None
    protect_by: int | None = None
    bracketed: int = 0  # contracts that our newest bracketed entry asked for
    moving: dict[int, int] = field(default_factory=dict)  # stop order id -> level (ticks) that it was asked to move to

    @property
    def qty(self) -> int:
        return self.position.qty

    @property
    def is_sure(self) -> bool:
        """Say whether own fold and broker agree as far as we have heard: only then is the position known."""
        return not self.uncounted and self.broker_qty in (None, self.qty)

    def realized_usd(self) -> Decimal:
        """Realised profit net of fees, USD."""
        return self.position.realized_ticks * self.spec.tick_value - self.position.fees

    def open_usd(self) -> Decimal | None:
        """Open profit in USD at the last price; None when there is a position but no price."""
        if not self.position.qty:
            return Decimal(0)
        if self.last_price is None or not math.isfinite(self.last_price):
            return None
        return (
            exact_ticks(self.spec, self.last_price) * self.position.qty - self.position.cost_ticks
        ) * self.spec.tick_value


def exact_ticks(contract_spec: ContractSpec, price: float) -> Decimal:
    """A price in points as a decimal number of ticks; an average price may lie between two of them."""
    return Decimal(repr(price)) * contract_spec.tick.denominator / contract_spec.tick.numerator


class Orders(dict[str, Order]):
    """Orders by key, with an index of those that may still fill: a step costs the same after a thousand trades."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[str, dict[str, Order]] = {}

    def __setitem__(self, key: str, order: Order) -> None:
        super().__setitem__(key, order)
        still = self._open.setdefault(order.contract, {})
        if order.is_open:
            still[key] = order
        else:
            still.pop(key, None)

    def __delitem__(self, key: str) -> None:
        self._open[self[key].contract].pop(key, None)
        super().__delitem__(key)

    def open_of(self, contract: str) -> list[Order]:
        """Orders of `contract` that may still fill, oldest first."""
        return list(self._open.get(contract, {}).values())

    def open_items(self) -> list[tuple[str, Order]]:
        """Key and order of all that may still fill."""
        return [item for still in self._open.values() for item in still.items()]


class AccountState:
    """State of one account; `step` is the only writer.

    Parameters
    ----------
    account : int
        Gateway account id.
    limits : Limits
        What the gate evaluates.
    rules : RuleFactory
        Makes the rule of a strategy version.
    """

    def __init__(self, account: int, limits: Limits, rules: RuleFactory) -> None:
        self.account, self.limits, self.rules = account, limits, rules
        self.now = 0
        self.epoch, self.uid, self.seq = 0, "", 0
        self.pace = 1.0
        self.bracket_mode = "auto-oco"  # position: the gateway grows no stops, protection is a separate order
        self.program, self.schema = "", ""
        self.baseline: BaselineSet | None = None
        self.lease: BudgetLeased | None = None
        self.news: list[tuple[int, int, str]] = []  # times without entries: from ns, to ns, name
        self.operator_seen_at = 0
        self.synced = False  # the broker has been read since the runner started
        self.balance: Decimal | None = None
        self.can_trade: bool | None = None
        self.name = ""
        self.halted: dict[str, int] = {}
        self.sessions: dict[str, Session] = {}
        self.books: dict[str, Book] = {}
        self.orders = Orders()
        self.key_of_id: dict[int, str] = {}
        self.misses: dict[str, int] = {}
        self.missed_at: dict[str, int] = {}
        self.read_again_at = 0  # 0: nothing waits for another reading
        self.counted: dict[int, int] = {}  # order id -> contracts whose trades are in a position
        self.balance_gap: Decimal | None = None  # balance minus our own cash, when both were known to agree
        self.unexplained_usd = Decimal(0)  # realised by fills that never reached us
        self.orphans: dict[int, int] = {}
        self.known_tags: set[str] = set()
        self.trades: set[int] = set()
        self.requests: set[str] = set()
        self.sent_at: deque[int] = deque(maxlen=4096)
        self.trading_date = ""
        self.day_start = 0
        self.day_end = 0
        self.day_baseline = Decimal(0)
        self.day_baseline_known = True

    def patience(self, ns: int) -> int:
        """Market time that `ns` of waiting for the broker takes: an accelerated market must not shorten it."""
        return int(ns * max(1.0, self.pace))

    def book(self, contract: str) -> Book:
        """The book of `contract`, made when first asked for."""
        if contract not in self.books:
            position = Position(account=self.account, contract=contract)
            self.books[contract] = Book(spec=spec(contract), position=position)
        return self.books[contract]

    def covers(self, contract: str) -> bool:
        """Say whether we know the product; a person may trade one that our table lacks, and that must not end us."""
        try:
            spec(contract)
        except UnknownContract:
            return False
        return True

    def open_orders(self, contract: str) -> Iterable[Order]:
        """Orders of `contract` that may still fill, suspended bracket legs included."""
        return self.orders.open_of(contract)

    def total_usd(self) -> Decimal | None:
        """Realised and open profit net of fees since the first fill we know, USD; None when a price is missing."""
        total = self.cash_usd()
        for book in self.books.values():
            open_usd = book.open_usd()
            if open_usd is None:
                return None
            total += open_usd
        return round(total, 9)  # an average such as 1/3 must not decide at the edge of a limit

    def cash_usd(self) -> Decimal:
        """Realised profit net of fees, USD: of the fills we know, and of those that only the balance told of."""
        return self.unexplained_usd + sum((b.realized_usd() for b in self.books.values()), Decimal(0))

    def day_pnl_usd(self) -> Decimal | None:
        """Profit of the trading date (realised + open, net of fees), USD; None when it cannot be known."""
        total = self.total_usd()
        return None if total is None or not self.day_baseline_known else total - self.day_baseline

    def roll_day(self, at: int) -> None:
        """Start a new trading date when `at` has reached its open (17:00 Chicago); every daily counter hangs on it."""
        if at < self.day_end:
            return
        hours = trading_hours("index")
        total = self.total_usd()
        if self.trading_date:
            self.day_baseline = total if total is not None else Decimal(0)
            self.day_baseline_known = total is not None
        self.trading_date = hours.trading_date(at).isoformat()
        # The open of the next session, never the end of a break inside this one.
        self.day_start, self.day_end = hours.session_bounds(at)

    def next_tag(self) -> str:
        """A tag that never repeats: account, random uid of this start, epoch, sequence."""
        self.seq += 1
        return f"wb-{self.account}-{self.uid}-{self.epoch}-{self.seq}"

    def _halts(self, book: Book) -> tuple[str, ...]:
        stale = () if book.stale_s is None else (f"market data of {book.position.contract} is stale",)
        return (*self.halted, *stale)

    def view(self, contract: str) -> View:
        """What the gate sees for one more order in `contract`."""
        book = self.book(contract)
        buy, sell = working_by_side(self.open_orders(contract))
        while self.sent_at and self.sent_at[0] <= self.now - MINUTE_NS:
            self.sent_at.popleft()
        return View(
            root=book.spec.root,
            # A close under way is an order that we cannot size: until it is done nothing else is placed.
            position=book.qty if self.synced and book.is_sure and book.flatten is None else None,
            working_buy=buy,
            working_sell=sell,
            open_orders=sum(1 for _ in self.open_orders(contract)),
            day_pnl_usd=self.day_pnl_usd(),
            can_trade=self.can_trade,
            halted=self._halts(book),
            locked=book.locked,
            unresolved=any(o.status is Status.UNKNOWN for o in self.open_orders(contract)),
            orders_last_minute=len(self.sent_at),
            known_tags=self.known_tags,
        )


def working_by_side(orders: Iterable[Order]) -> tuple[int, int]:
    """Contracts that may still fill on the buy and the sell side; of an OCO pair only the larger leg counts.

    A suspended leg waits for a parent that counts already, so it is left out.
    """
    sides = {1: 0, -1: 0}
    pairs: dict[tuple[int, int], int] = {}
    for order in orders:
        if order.status is Status.SUSPENDED:
            continue
        sign = order.side.sign
        if order.parent_id is None:
            sides[sign] += order.remaining
        else:
            key = (sign, order.parent_id)
            pairs[key] = max(pairs.get(key, 0), order.remaining)
    for (sign, _), qty in pairs.items():
        sides[sign] += qty
    return sides[1], sides[-1]


def is_protected(state: AccountState, book: Book) -> bool:
    """Say whether working stops on the other side cover what our bracketed entry has opened."""
    covered = sum(
        o.remaining
        for o in state.open_orders(book.position.contract)
        if o.type in (OrderType.STOP, OrderType.TRAILING_STOP, OrderType.STOP_LIMIT)
        and o.status is Status.WORKING
        and o.side.sign * book.qty < 0
    )
    return covered >= min(abs(book.qty), book.bracketed)
