"""What the firm does by itself: end of session, flat-by time, the 17:00 roll, liquidation when a loss rule breaks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from workbench.domain.contract import Contract
from workbench.domain.hours import trading_hours
from workbench.domain.order import OrderType, Side
from workbench.domain.programme import DAY_GROUP, flat_time
from workbench.gateway.codes import OrderStatus, UserAction
from workbench.simulator import orders as words
from workbench.simulator.accounts import SimAccount
from workbench.simulator.fills import resting
from workbench.simulator.orders import LIVE, SimOrder

if TYPE_CHECKING:
    from workbench.simulator.exchange import Exchange


class Firm:
    """The firm's own acts on an `Exchange`."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.closing: set[tuple[int, str]] = set()  # positions that wait for a price to be closed at

    # -- the day --

    def schedule(self, now: int) -> None:
        """Put the rest of the current trading day on the agenda."""
        self._schedule_flat(now)
        self.exchange.at(trading_hours(DAY_GROUP).session_bounds(now)[1], self._roll)
        for group in dict.fromkeys(c.spec.group for c in self.exchange.market.live.values()):
            self._schedule_group(group, now)

    def _schedule_flat(self, now: int) -> None:
        window = trading_hours(DAY_GROUP).window_at(now)
        for flat_by in dict.fromkeys(a.programme.flat_by for a in self.exchange.accounts.values() if a.settings.rules):
            when = flat_time(flat_by, window)
            if flat_by is not None and when > now:
                self.exchange.at(when, partial(self._flat_by, flat_by))

    def _schedule_group(self, group: str, now: int) -> None:
        hours = trading_hours(group)
        close = hours.window_at(now).close
        if close > now:
            self.exchange.at(close, partial(self._session_end, group))
        self.exchange.at(hours.session_bounds(now)[1], partial(self._session_open, group))

    def _session_end(self, group: str, at: int) -> None:
        for order in list(self.exchange.orders.values()):
            if order.status in LIVE and order.contract.spec.group == group:
                self.exchange.fills.cancel(order, at, OrderStatus.EXPIRED)

    def _session_open(self, group: str, at: int) -> None:
        market = self.exchange.market
        held = {p.contract.id for a in self.exchange.accounts.values() for p in a.positions.values() if p.qty}
        working = {order.contract.id for order in self.exchange.orders.values() if order.status in LIVE}
        for contract in list(market.live.values()):
            if contract.spec.group == group:
                market.boards[contract.id].new_session()
        market.relist(at, tuple(held | working))
        self._schedule_group(group, at)

    def _roll(self, at: int) -> None:
        for account in self.exchange.accounts.values():
            account.roll_day()
            self.exchange.tell_account(account)
        self._schedule_flat(at)
        self.exchange.at(trading_hours(DAY_GROUP).session_bounds(at)[1], self._roll)

    def _flat_by(self, flat_by: str, at: int) -> None:
        for account in self.exchange.accounts.values():
            if account.settings.rules and account.programme.flat_by == flat_by and not account.failed:
                account.paused = words.CLOSED
                self.liquidate(account, at)

    # -- losses --

    def check_losses(self, contract: Contract, at: int, before: Callable[[], None]) -> None:
        """Liquidate each account whose equity breaks a rule at the newest prices; `before` shows the print first."""
        for account in self.exchange.accounts.values():
            position = account.positions.get(contract.id)
            if position is None or not account.settings.rules:
                continue
            if (account.id, contract.id) in self.closing:
                self._close(account, contract.id, at)
            equity = account.equity(self.exchange.last)
            account.note_equity(equity)
            rule = account.breach(equity)
            if rule:
                before()
                self._breach(account, rule, at)

    def _breach(self, account: SimAccount, rule: str, at: int) -> None:
        if rule == "max_loss":
            account.failed, account.can_trade = True, False
        account.blocked = words.VIOLATION
        self.liquidate(account, at)
        self.exchange.tell_account(account)

    def liquidate(self, account: SimAccount, at: int) -> None:
        """Cancel every order of the account, then close its positions at the market."""
        for order in list(self.exchange.orders.values()):
            if order.account == account.id and order.status in LIVE:
                self.exchange.fills.cancel(order, at)
        for contract_id, position in list(account.positions.items()):
            if position.qty:
                self._close(account, contract_id, at)

    def _close(self, account: SimAccount, contract_id: str, at: int) -> None:
        position = account.positions[contract_id]
        key = (account.id, contract_id)
        self.closing.discard(key)
        if not position.qty:
            return
        if not self.exchange.market.is_open(position.contract, at):
            self.closing.add(key)
            return
        self.market_order(account, position.contract, -position.qty, at)

    def market_order(self, account: SimAccount, contract: Contract, signed: int, at: int) -> SimOrder:
        """Send a market order of the firm's own; it works at once, without the usual delay."""
        order = SimOrder(
            id=self.exchange.next_id("order"), account=account.id, contract=contract, type=int(OrderType.MARKET),
            side=int(Side.BUY if signed > 0 else Side.SELL), size=abs(signed), created=at, updated=at,
        )  # fmt: skip
        self.exchange.orders[order.id] = order
        self.exchange.sink.user("GatewayUserOrder", account.id, UserAction.CREATE, order.model(7))
        self.exchange.on_fills(self.exchange.book(contract).submit(resting(order), at))
        return order
