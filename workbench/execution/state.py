"""Everything the decision needs to remember about one account. It has one owner and changes in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal

from workbench.domain.contract import spec
from workbench.domain.errors import UnknownContract
from workbench.domain.events import BaselineSet, BudgetLeased
from workbench.domain.hours import trading_hours
from workbench.domain.order import Order, Status
from workbench.domain.position import Position
from workbench.execution.book import Book, Flatten, Guard, Orders, Rule, RuleFactory, Session, Trim, exact_ticks
from workbench.execution.pruning import Memory
from workbench.execution.risk_state import RiskState
from workbench.execution.stray import Stray
from workbench.risk.gate import View
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal

__all__ = [
    "AccountState",
    "Book",
    "Flatten",
    "Guard",
    "Orders",
    "Rule",
    "RuleFactory",
    "Session",
    "Trim",
    "exact_ticks",
    "working_by_side",
]

MINUTE_NS = 60_000_000_000
READ_FIRST = "the user hub is back, the broker has not been read since"


Listener = Callable[[str, Signal], None]
"""Is told (session, signal) of every signal; decides nothing."""


def nobody_listens(session: str, signal: Signal) -> None:
    """Hear nothing."""


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
        self.on_signal: Listener = nobody_listens
        self.now = 0
        self.epoch, self.uid, self.seq = 0, "", 0
        self.pace = 1.0
        self.bracket_mode = "auto-oco"  # position: the gateway grows no stops, protection is a separate order
        self.program, self.schema = "", ""
        self.baseline: BaselineSet | None = None
        self.lease: BudgetLeased | None = None
        self.news: list[tuple[int, int, str]] = []  # times without entries: from ns, to ns, name
        self.operator_seen_at = 0
        self.started_at = 0  # when the runner did, market time in ns
        self.synced = False  # the broker has been read since the runner started
        self.balance: Decimal | None = None
        self.can_trade: bool | None = None
        self.name = ""
        self.halted: dict[str, int] = {}
        self.read_halts: set[str] = set()  # those after whose begin the broker has been read
        self.hub_down: dict[str, int] = {}  # hub -> since when
        self.hub_told: set[str] = set()  # hubs whose absence was alarmed
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
        self.voided: set[int] = set()  # trades that the gateway has taken back
        self.requests: set[str] = set()
        self.refused: dict[str, str] = {}  # a person's request -> why nothing came of it
        self.intents: dict[str, int] = {}  # intent, and tag -> contracts sent for it
        self.sent_at: deque[int] = deque(maxlen=4096)
        self.trading_date = ""
        self.day_start = 0
        self.day_end = 0
        self.day_baseline = Decimal(0)
        self.day_baseline_known = True
        self.risk = RiskState()
        self.strays: dict[str, Stray] = {}  # contracts that our table of products lacks
        self.memory = Memory()

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

    def roll_day(self, at: int) -> bool:
        """Start a new trading date when `at` has reached its open (17:00 Chicago); every daily counter hangs on it.

        Returns
        -------
        bool
            Whether one has begun.
        """
        if at < self.day_end:
            return False
        hours = trading_hours("index")
        total = self.total_usd()
        if self.trading_date:
            self.day_baseline = total if total is not None else Decimal(0)
            self.day_baseline_known = total is not None
            for book in self.books.values():
                book.roll_price = book.last_price
        self.trading_date = hours.trading_date(at).isoformat()
        # The open of the next session, never the end of a break inside this one.
        self.day_start, self.day_end = hours.session_bounds(at)
        return True

    def next_tag(self) -> str:
        """A tag that never repeats: account, random uid of this start, epoch, sequence."""
        self.seq += 1
        return f"wb-{self.account}-{self.uid}-{self.epoch}-{self.seq}"

    def _halts(self, book: Book) -> tuple[str, ...]:
        stale = () if book.stale_s is None else (f"market data of {book.position.contract} is stale",)
        return (*self.halted, *stale)

    def view(self, contract: str, session: str = "") -> View:
        """What the gate sees for one more order in `contract`, by a session or by nobody's."""
        book = self.book(contract)
        buy, sell = working_by_side(self.open_orders(contract))
        while self.sent_at and self.sent_at[0] <= self.now - MINUTE_NS:
            self.sent_at.popleft()
        view = View(
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
            sides_at_bar=self.risk.sides_at(session, self.sessions[session].last_bar_end)
            if session in self.sessions
            else (),
        )
        if not self.risk.armed:
            return view
        from workbench.execution.risk_view import widened  # it reads the whole state

        return widened(self, view, contract, session)


def working_by_side(orders: Iterable[Order]) -> tuple[int, int]:
    """Contracts that may still fill on the buy and the sell side; of an OCO pair only the larger leg counts.

    A suspended leg waits for a parent that counts already, so it is left out.
    """
    sides = {1: 0, -1: 0}
    pairs: dict[tuple[int, int | str], int] = {}
    for order in orders:
        if order.status is Status.SUSPENDED:
            continue
        sign = order.side.sign
        family = order.family
        if family is None:
            sides[sign] += order.remaining
        else:
            key = (sign, family)
            pairs[key] = max(pairs.get(key, 0), order.remaining)
    for (sign, _), qty in pairs.items():
        sides[sign] += qty
    return sides[1], sides[-1]
