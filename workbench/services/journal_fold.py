"""A journal read by somebody who does not trade: the state that it leads to, without the strategies.

What the rules decided is written in the journal, so no rule need run: the events go through the same `step`, and the
orders that were written as sent are taken over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.commands import CancelOrder, ClosePosition, ModifyOrder, PlaceOrder
from workbench.domain.errors import StorageError
from workbench.domain.events import BarClosed
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.execution.pruning import is_past_order
from workbench.execution.state import AccountState
from workbench.execution.step import journal_form, step
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal
from workbench.services.decider import believe
from workbench.storage.journal import Record
from workbench.storage.snapshot import dump, load

Row = dict[str, Any]
SENT = (PlaceOrder, CancelOrder, ClosePosition, ModifyOrder)


class Silent:
    """A rule that says nothing: what it said is in the journal."""

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> None:
        """Take nothing in."""

    def on_bar(self, bar: BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None:
        """Say nothing."""
        return None

    def save(self) -> None:
        """Remember nothing."""

    def restore(self, saved: object) -> None:
        """Forget what another one remembered."""


def silent_state(account: int) -> AccountState:
    """A state in which no strategy runs."""
    return AccountState(account, Limits(), lambda *_: Silent())


@dataclass(slots=True)
class Day:
    """What one trading date came to. Money in USD."""

    events: int = 0
    decisions: int = 0  # events after which something was sent
    orders: int = 0
    fills: int = 0
    contracts: int = 0
    realized_usd: Decimal = Decimal(0)  # gross, of what was closed
    fees_usd: Decimal = Decimal(0)
    balance_usd: Decimal | None = None


@dataclass(slots=True)
class JournalFold:
    """State of one account as its journal tells it, and what has changed since somebody last looked.

    Attributes
    ----------
    numbers : dict
        Each order's number, in the order in which they were first heard of.
    """

    state: AccountState
    numbers: dict[str, int] = field(default_factory=dict)
    last_number: int = 0
    days: dict[str, Day] = field(default_factory=dict)
    session_of: dict[str, str] = field(default_factory=dict)  # order key -> session
    people: dict[str, str] = field(default_factory=dict)  # session -> who started it
    session_numbers: dict[str, int] = field(default_factory=dict)
    fills: list[tuple[str, Fill]] = field(default_factory=list)  # new ones, with their trading date
    changed_days: set[str] = field(default_factory=set)
    _seen: dict[str, Order] = field(default_factory=dict)
    _told: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Fold one record."""
        state, event = self.state, record.event
        gross, fees = self._money() if isinstance(event, _MONEY) else (Decimal(0), Decimal(0))
        known = _new_fills(state, event)
        again = [journal_form(c) for c in step(state, event)]
        if again != record.commands:
            believe(state, again, record.commands)
        if isinstance(event, e.SessionStarted):
            self.people.setdefault(event.session, event.person)
        for command in record.commands:
            if isinstance(command, PlaceOrder):
                self.session_of[command.tag] = command.session
        self._count(record, known, gross, fees)

    def begin(self, state: AccountState) -> None:
        """Go on from another state; what was told of the one before stays told."""
        self.state, self._seen, self._told = state, {}, {}
        self.numbers = {key: number for key, number in self.numbers.items() if key in state.orders}

    def _count(self, record: Record, fills: list[Fill], gross: Decimal, fees: Decimal) -> None:
        date = self.state.trading_date
        day = self.days.setdefault(date, Day())
        self.changed_days.add(date)
        day.events += 1
        day.decisions += any(isinstance(c, SENT) for c in record.commands)
        day.orders += sum(isinstance(c, PlaceOrder) for c in record.commands)
        counted = [fill for fill in fills if fill.trade_id in self.state.trades]
        day.fills += len(counted)
        day.contracts += sum(abs(fill.qty) for fill in counted)
        self.fills += [(date, fill) for fill in counted]
        if isinstance(record.event, _MONEY):
            after, paid = self._money()
            day.realized_usd += after - gross
            day.fees_usd += paid - fees
        if self.state.balance is not None:
            day.balance_usd = self.state.balance

    def _money(self) -> tuple[Decimal, Decimal]:
        fees = sum((b.position.fees for b in self.state.books.values()), Decimal(0))
        return self.state.cash_usd() + fees, fees

    def changed_orders(self) -> list[tuple[int, str, Order]]:
        """Number, key and order of what is new or different since the last call."""
        out = []
        for key, order in self.state.orders.items():
            if self._seen.get(key) is not order:
                self._seen[key] = order
                if key not in self.numbers:
                    self.last_number += 1
                    self.numbers[key] = self.last_number
                out.append((self.numbers[key], key, order))
        return out

    def gone_orders(self) -> list[int]:
        """Numbers of orders that were known by another key than they turned out to have, since the last call."""
        gone = [key for key in self._seen if key not in self.state.orders]
        numbers = {key: self.numbers.pop(key) for key in gone if key in self.numbers}
        past = {key for key in gone if is_past_order(self.state, self._seen.pop(key))}  # let go of, not gone: it stays
        return [number for key, number in numbers.items() if key not in past]

    def changed_sessions(self) -> list[tuple[int, Row]]:
        """Number and row of each session that is new or different since the last call."""
        out = []
        for session in self.state.sessions.values():
            number = self.session_numbers.setdefault(session.session, len(self.session_numbers) + 1)
            told = (session.status, session.reason, session.last_bar_end)
            if self._told.get(session.session) != told:
                self._told[session.session] = told
                row = {
                    "session": session.session,
                    "strategy": session.strategy,
                    "contract": session.contract,
                    "timeframe": session.timeframe,
                    "parameters": dict(session.parameters),
                    "status": session.status,
                    "reason": session.reason,
                    "started_at": session.started_at,
                    "last_bar_end": session.last_bar_end,
                    "person": self.people.get(session.session, ""),
                }
                out.append((number, row))
        return out

    def save(self) -> bytes:
        """Return all of it as bytes; what has changed and was not asked for yet counts as told."""
        kept = (dump(self.state), self.numbers, self.last_number, self.days, self.session_of)
        return _encoder.encode(_Kept(*kept, self.people, self.session_numbers))

    @classmethod
    def restored(cls, account: int, data: bytes) -> JournalFold:
        """Return what `save` gave, as if nothing had changed since.

        Raises
        ------
        StorageError
            Another program saved it.
        """
        state = silent_state(account)
        try:
            kept = _decoder.decode(data)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise StorageError(f"what was read of the journal of account {account} was kept otherwise") from error
        load(kept.state, state)
        rest = (kept.days, kept.session_of, kept.people, kept.session_numbers)
        made = cls(state, kept.numbers, kept.last_number, *rest)
        made._seen = dict(state.orders)
        return made


class _Kept(msgspec.Struct, array_like=True):
    state: bytes
    numbers: dict[str, int]
    last_number: int
    days: dict[str, Day]
    session_of: dict[str, str]
    people: dict[str, str]
    session_numbers: dict[str, int]


_encoder = msgspec.msgpack.Encoder(decimal_format="string")
_decoder = msgspec.msgpack.Decoder(_Kept)
_MONEY = (e.FillReported, e.BrokerRead)


def _new_fills(state: AccountState, event: e.AnyEvent) -> list[Fill]:
    fills = [event.fill] if isinstance(event, e.FillReported) else []
    fills += event.fills if isinstance(event, e.BrokerRead) else []
    new = {f.trade_id: f for f in fills if f.account == state.account and f.trade_id not in state.trades}
    return [fill for fill in new.values() if not fill.voided]
