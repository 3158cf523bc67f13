"""The simulated exchange and firm as one deterministic machine without I/O: requests and time in, events out.

Time moves only through `advance`, which matches the prints of the market up to an instant and runs what was due before
it. Nothing here waits, reads a clock or draws a random number, so the same requests at the same market times give the
same events, byte for byte.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from workbench.backtest.matcher import Fill, FillRules, Matcher
from workbench.domain.contract import Contract
from workbench.domain.errors import InputError
from workbench.gateway.codes import OrderStatus, UserAction
from workbench.simulator.accounts import SimAccount, open_account
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.fills import FillBook
from workbench.simulator.firm import Firm
from workbench.simulator.market import Market, Prints, spread
from workbench.simulator.orders import LIVE, SimOrder
from workbench.simulator.refusals import Switches

FIRST_ORDER, FIRST_TRADE, FIRST_POSITION = 240_000_001, 81_000_001, 5_500_001


class Sink(Protocol):
    """Where events go, in the order in which they happen."""

    def user(self, target: str, account: int, action: int, model: Any) -> None: ...

    def market(self, contract: Contract, prints: Prints) -> None: ...


class Exchange:
    """Accounts, orders and books. `orders` and the accounts' lists hold everything since the start."""

    def __init__(self, config: SimulatorSettings, market: Market, sink: Sink, now: int) -> None:
        self.config, self.market, self.sink, self.now = config, market, sink, now
        self.switches: Callable[[], Switches] = Switches
        self.accounts: dict[int, SimAccount] = {each.id: open_account(each) for each in config.accounts}
        self.orders: dict[int, SimOrder] = {}
        self.books: dict[str, Matcher] = {}
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._sequence = 0
        self._next_ids = {"order": FIRST_ORDER, "trade": FIRST_TRADE, "position": FIRST_POSITION}
        self.rules = FillRules(
            touch=config.matching.touch,
            part_fills=config.matching.part_fills,
            slippage_ticks=config.matching.slippage_ticks,
        )
        self.repeat_opening_trade = False
        self.fills = FillBook(self)
        self.firm = Firm(self)
        self.firm.schedule(now)

    # -- small tools for the parts --

    def next_id(self, kind: str) -> int:
        number = self._next_ids[kind]
        self._next_ids[kind] = number + 1
        return number

    def at(self, when: int, do: Callable[[int], None]) -> None:
        """Run `do` when the market clock reaches `when` (ns), before the prints of that instant."""
        self._sequence += 1
        heapq.heappush(self._agenda, (when, self._sequence, do))

    def book(self, contract: Contract) -> Matcher:
        """Return the matcher of a contract, with the board's quote in it."""
        book = self.books.get(contract.id)
        if book is None:
            book = self.books[contract.id] = Matcher(self.rules)
            board = self.market.board(contract, self.now)
            book.last = board.last
            if self.config.matching.market_on == "quote":
                book.bid, book.ask = board.bid, board.ask
        return book

    def set_rules(self, rules: FillRules) -> None:
        """Change the fill rules of all books."""
        self.rules = rules
        for book in self.books.values():
            book.rules = rules

    def last(self, contract_id: str) -> int | None:
        """Return the newest price of a contract in ticks."""
        board = self.market.boards.get(contract_id)
        return None if board is None else board.last

    def set_status(self, order: SimOrder, status: OrderStatus, at: int) -> None:
        """Move an order and tell its account's subscribers."""
        order.status, order.updated = status, at
        self.sink.user("GatewayUserOrder", order.account, UserAction.UPDATE, order.model(7))

    def tell_account(self, account: SimAccount) -> None:
        self.sink.user("GatewayUserAccount", account.id, UserAction.UPDATE, account.model())

    # -- time --

    def advance(self, to: int) -> None:
        """Match everything printed before `to` (ns) and run what is due until then, in order of time."""
        while self.now < to or (self._agenda and self._agenda[0][0] <= to):
            stop = min(to, self._agenda[0][0]) if self._agenda else to
            if stop > self.now:
                self._trade_until(stop)
                self.now = stop
            while self._agenda and self._agenda[0][0] <= self.now:
                at, _, do = heapq.heappop(self._agenda)
                do(max(at, self.now))

    def next_due(self) -> int | None:
        """Return when the next scheduled thing happens (ns)."""
        return self._agenda[0][0] if self._agenda else None

    def _trade_until(self, stop: int) -> None:
        tapes = [
            (contract, prints)
            for contract in self.market.live.values()
            if len((prints := self.market.feed.prints(contract, self.now, stop)).ts)
        ]
        busy = [(contract, prints) for contract, prints in tapes if self.is_busy(contract)]
        for contract, prints in tapes:
            if not self.is_busy(contract):
                self._pass(contract, prints)
        if busy:
            self._match(busy)

    def is_busy(self, contract: Contract) -> bool:
        """Tell whether a print of this contract can change anything of ours."""
        book = self.books.get(contract.id)
        if book is not None and book.orders:
            return True
        return any((p := a.positions.get(contract.id)) is not None and p.qty for a in self.accounts.values())

    def _pass(self, contract: Contract, prints: Prints) -> None:
        board = self.market.boards[contract.id]
        board.take(prints)
        book = self.books.get(contract.id)
        if book is not None:
            self._quote(book, board.last, board.bid, board.ask)
        self.sink.market(contract, prints)

    def _quote(self, book: Matcher, last: int | None, bid: int | None, ask: int | None) -> None:
        book.last = last
        if self.config.matching.market_on == "quote":
            book.bid, book.ask = bid, ask

    def _match(self, tapes: list[tuple[Contract, Prints]]) -> None:
        """Feed the prints of busy contracts in order of time; publish each stretch before the fills it made."""
        shown = [0] * len(tapes)
        checked: list[int | None] = [None] * len(tapes)
        columns = [tuple(column.tolist() for column in prints) for _, prints in tapes]
        for which, n in _merged(tapes):
            contract, prints = tapes[which]
            ts, ticks, size, side = columns[which]
            book = self.book(contract)
            fills = book.on_print(ts[n], ticks[n], size[n]) if book.orders else []
            self._quote(book, ticks[n], *spread(ticks[n], side[n]))
            board = self.market.boards[contract.id]
            board.last = ticks[n]
            self.now = ts[n]
            if fills:
                self._show(contract, prints.cut(shown[which], n + 1))
                shown[which] = n + 1
                self.on_fills(fills)
            elif checked[which] != ticks[n]:
                checked[which] = ticks[n]
                self.firm.check_losses(contract, ts[n], partial(self._flush, tapes, shown, which, n))
        for which, (contract, prints) in enumerate(tapes):
            self._show(contract, prints.cut(shown[which], len(prints.ts)))

    def _flush(self, tapes: list[tuple[Contract, Prints]], shown: list[int], which: int, n: int) -> None:
        contract, prints = tapes[which]
        self._show(contract, prints.cut(shown[which], n + 1))
        shown[which] = n + 1

    def _show(self, contract: Contract, prints: Prints) -> None:
        if len(prints.ts):
            self.market.boards[contract.id].take(prints)
            self.sink.market(contract, prints)

    def on_fills(self, fills: list[Fill]) -> None:
        """Book executions of the matcher: positions, money, events, brackets, loss rules."""
        for fill in fills:
            order = self.orders[fill.key]
            if order.status in LIVE:
                self.fills.take(order, fill)
        for contract_id in dict.fromkeys(self.orders[fill.key].contract.id for fill in fills):
            self.firm.check_losses(self.market.boards[contract_id].contract, fills[0].at, _nothing)

    def account(self, account_id: int) -> SimAccount | None:
        return self.accounts.get(account_id)

    def contract(self, contract_id: str) -> Contract | None:
        """Return the contract behind an id, None when no feed knows it."""
        from workbench.domain.contract import parse_contract

        if not contract_id.startswith("CON."):
            return None
        try:
            contract = parse_contract(contract_id)
        except InputError:
            return None
        return contract if self.market.feed.knows(contract) else None


def _nothing() -> None:
    pass


def _merged(tapes: list[tuple[Contract, Prints]]) -> list[tuple[int, int]]:
    """Return (tape, index) of every print in order of time; at equal stamps the earlier tape goes first."""
    if len(tapes) == 1:
        return [(0, n) for n in range(len(tapes[0][1].ts))]
    stamps = np.concatenate([prints.ts for _, prints in tapes])
    which = np.concatenate([np.full(len(prints.ts), n) for n, (_, prints) in enumerate(tapes)])
    index = np.concatenate([np.arange(len(prints.ts)) for _, prints in tapes])
    order = np.argsort(stamps, kind="stable")
    return list(zip(which[order].tolist(), index[order].tolist(), strict=True))
