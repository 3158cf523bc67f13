"""The 21 REST operations: a typed request in, a typed reply out. No HTTP here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import Contract
from workbench.domain.errors import RemoteProtocolError
from workbench.gateway import messages as m
from workbench.gateway.times import parse_timestamp
from workbench.simulator import orders as words
from workbench.simulator import requests
from workbench.simulator.history import gateway_timeframe
from workbench.simulator.orders import SimOrder
from workbench.simulator.stamps import stamp

if TYPE_CHECKING:
    from workbench.simulator.server import Simulator

MOST_BARS = 20_000
MOST_FOUND = 20
MOST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the user's name and the token it came with."""

    user: str
    token: str


class BadRequest(Exception):
    """The request cannot be carried out at all: HTTP 400 with the reason."""


def _time(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        return parse_timestamp(text)
    except RemoteProtocolError as error:
        raise BadRequest(str(error)) from error


class Operations:
    """The operations over a `Simulator`; `table` maps a path to its method."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.table: dict[str, Callable[[Any, Caller], Any]] = {
            m.LOGIN_KEY.path: self.login_key,
            m.LOGIN_APP.path: self.login_app,
            m.VALIDATE.path: self.validate,
            m.LOGOUT.path: self.logout,
            m.ACCOUNT_SEARCH.path: self.accounts,
            m.CONTRACT_SEARCH.path: self.contract_search,
            m.CONTRACT_BY_ID.path: self.contract_by_id,
            m.CONTRACT_AVAILABLE.path: self.contracts_available,
            m.RETRIEVE_BARS.path: self.bars,
            m.PLACE_ORDER.path: self.place,
            m.MODIFY_ORDER.path: self.modify,
            m.CANCEL_ORDER.path: self.cancel,
            m.ORDER_SEARCH.path: self.order_search,
            m.ORDER_SEARCH_OPEN.path: self.order_search_open,
            m.ORDER_BY_ID.path: self.order_by_id,
            m.ORDER_QUERY.path: self.order_query,
            m.POSITION_SEARCH_OPEN.path: self.positions,
            m.CLOSE_POSITION.path: self.close,
            m.PARTIAL_CLOSE.path: self.partial_close,
            m.TRADE_SEARCH.path: self.trades,
            m.PING.path: self.ping,
        }

    # -- login --

    def login_key(self, request: m.LoginKeyRequest, caller: Caller) -> m.LoginReply:
        token = self.simulator.tokens.login(request.user_name, request.api_key)
        if token is None:
            return m.LoginReply(success=False, error_code=m.LoginError.InvalidCredentials)
        return m.LoginReply(token=token)

    def login_app(self, request: m.LoginAppRequest, caller: Caller) -> m.LoginReply:
        return m.LoginReply(success=False, error_code=m.LoginError.AppNotFound)

    def validate(self, request: Any, caller: Caller) -> m.ValidateReply:
        return m.ValidateReply(new_token=self.simulator.tokens.issue(caller.user))

    def logout(self, request: Any, caller: Caller) -> m.Reply:
        self.simulator.tokens.void(caller.token)
        return m.Reply()

    def ping(self, request: Any, caller: Caller) -> str:
        return "pong"

    # -- accounts and contracts --

    def _own(self, account_id: int, caller: Caller) -> Any:
        account = self.simulator.exchange.account(account_id)
        return account if account is not None and account.settings.user.lower() == caller.user.lower() else None

    def accounts(self, request: m.AccountSearchRequest, caller: Caller) -> m.AccountsReply:
        own = [a for a in self.simulator.exchange.accounts.values() if self._own(a.id, caller)]
        if request.only_active_accounts:
            own = [a for a in own if not a.failed]
        return m.AccountsReply(accounts=[a.model() for a in own])

    def _contract(self, contract: Contract) -> m.ContractModel:
        spec = contract.spec
        tick = Decimal(spec.tick.numerator) / Decimal(spec.tick.denominator)
        return m.ContractModel(
            id=contract.id,
            name=contract.name,
            description=contract.description,
            tick_size=tick,
            tick_value=spec.tick_value,
            active_contract=contract.id in self.simulator.market.live,
            symbol_id=contract.symbol_id,
        )

    def _listed(self, *, live: bool) -> list[Contract]:
        if live and self.simulator.faults.on("empty_live_tier") is not None:
            return []
        return list(self.simulator.market.live.values())

    def contract_search(self, request: m.ContractSearchRequest, caller: Caller) -> m.ContractsReply:
        text = request.search_text.strip().lower()
        found = [c for c in self._listed(live=request.live) if text in f"{c.name} {c.id} {c.description}".lower()]
        found.sort(key=lambda c: _rank(c, text))
        return m.ContractsReply(contracts=[self._contract(c) for c in found[:MOST_FOUND]])

    def contracts_available(self, request: m.ContractAvailableRequest, caller: Caller) -> m.ContractsReply:
        return m.ContractsReply(contracts=[self._contract(c) for c in self._listed(live=request.live)])

    def contract_by_id(self, request: m.ContractByIdRequest, caller: Caller) -> m.ContractReply:
        contract = self.simulator.exchange.contract(request.contract_id)
        if contract is None:
            return m.ContractReply(success=False, error_code=m.ContractError.ContractNotFound)
        return m.ContractReply(contract=self._contract(contract))

    # -- history --

    def bars(self, request: m.BarsRequest, caller: Caller) -> m.BarsReply:
        code = m.BarsError
        simulator = self.simulator
        contract = simulator.exchange.contract(request.contract_id)
        if contract is None:
            return m.BarsReply(success=False, error_code=code.ContractNotFound)
        if request.unit not in range(1, 7):
            return m.BarsReply(success=False, error_code=code.UnitInvalid)
        frame = gateway_timeframe(request.unit, request.unit_number)
        if frame is None:
            return m.BarsReply(success=False, error_code=code.UnitNumberInvalid)
        if not 0 < request.limit <= MOST_BARS:
            return m.BarsReply(success=False, error_code=code.LimitInvalid)
        start, end = _time(request.start_time, 0), _time(request.end_time, 0)
        if request.live and simulator.faults.on("empty_live_tier") is not None:
            return m.BarsReply(bars=[])
        cap = simulator.faults.on("bars_cap")
        limit = min(request.limit, int(cap["cap"])) if cap else request.limit
        found = simulator.history.bars(
            contract, frame, start, end, now=simulator.exchange.now, limit=limit, partial=request.include_partial_bar
        )
        price = contract.spec.price
        rows = zip(*(column.tolist() for column in found), strict=True)
        bars = [
            m.BarModel(t=stamp(t, 0), o=price(o), h=price(h), l=price(low), c=price(c), v=v)
            for t, o, h, low, c, v in rows
        ]
        return m.BarsReply(bars=bars[::-1])

    # -- orders --

    def place(self, request: m.PlaceOrderRequest, caller: Caller) -> m.PlaceOrderReply:
        if self._own(request.account_id, caller) is None:
            return m.PlaceOrderReply(success=False, error_code=m.PlaceOrderError.AccountNotFound)
        answer = requests.place(self.simulator.exchange, request)
        return m.PlaceOrderReply(
            order_id=answer.order_id, success=not answer.code, error_code=int(answer.code), error_message=answer.text
        )

    def _changed(self, answer: requests.Answer) -> m.Reply:
        return m.Reply(success=not answer.code, error_code=int(answer.code), error_message=answer.text)

    def modify(self, request: m.ModifyOrderRequest, caller: Caller) -> m.Reply:
        if self._own(request.account_id, caller) is None:
            return m.Reply(success=False, error_code=m.ModifyOrderError.AccountNotFound)
        return self._changed(requests.modify(self.simulator.exchange, request))

    def cancel(self, request: m.CancelOrderRequest, caller: Caller) -> m.Reply:
        if self._own(request.account_id, caller) is None:
            return m.Reply(success=False, error_code=m.CancelOrderError.AccountNotFound)
        if self._keeps(request.order_id):
            return m.Reply(success=False, error_code=m.CancelOrderError.Rejected, error_message=words.CLOSED)
        return self._changed(requests.cancel(self.simulator.exchange, request.account_id, request.order_id))

    def _keeps(self, order_id: int) -> bool:
        """Tell whether the fault switch keeps this order from being cancelled now."""
        exchange, fault = self.simulator.exchange, self.simulator.faults.on("refuse_cancel")
        order = exchange.orders.get(order_id)
        if (
            fault is None
            or order is None
            or (fault["closed_only"] and exchange.market.is_open(order.contract, exchange.now))
        ):
            return False
        return self.simulator.faults.take("refuse_cancel") is not None

    def _orders(self, account_id: int) -> list[SimOrder]:
        return [order for order in self.simulator.exchange.orders.values() if order.account == account_id]

    def order_search(self, request: m.OrderSearchRequest, caller: Caller) -> m.OrdersReply:
        if self._own(request.account_id, caller) is None:
            return m.OrdersReply(success=False, error_code=m.AccountError.AccountNotFound)
        start = _time(request.start_timestamp, 0)
        end = _time(request.end_timestamp, self.simulator.exchange.now)
        found = [o for o in self._orders(request.account_id) if start <= _whole_micros(o.created) <= end]
        return m.OrdersReply(orders=[o.model() for o in found])

    def order_search_open(self, request: m.AccountRequest, caller: Caller) -> m.OrdersReply:
        if self._own(request.account_id, caller) is None:
            return m.OrdersReply(success=False, error_code=m.AccountError.AccountNotFound)
        found = [o for o in self._orders(request.account_id) if o.status is m.OrderStatus.OPEN]
        return m.OrdersReply(orders=[o.model() for o in found])

    def order_by_id(self, request: m.OrderByIdRequest, caller: Caller) -> m.OrderReply:
        order = self.simulator.exchange.orders.get(request.order_id)
        own = order is not None and order.account == request.account_id and self._own(request.account_id, caller)
        if order is None or not own:
            return m.OrderReply(success=False, error_code=m.OrderByIdError.OrderNotFound)
        return m.OrderReply(order=order.model())

    def order_query(self, request: m.OrderQueryRequest, caller: Caller) -> m.OrderQueryReply:
        wanted = request.filter
        size = 50 if request.page_size is None else request.page_size
        offset = request.page_offset or 0
        if not 0 < size <= MOST_PAGE or offset < 0:
            raise BadRequest(f"pageSize must be 1 to {MOST_PAGE} and pageOffset at least 0")
        if request.sort_by not in (None, 0, 1) or request.sort_direction not in (None, 0, 1):
            raise BadRequest("sortBy and sortDirection must be 0 or 1")
        after, before = _time(wanted.created_after, 0), _time(wanted.created_before, 1 << 62)
        if self._own(wanted.account_id, caller) is None:
            return m.OrderQueryReply(success=False, error_code=m.AccountError.AccountNotFound)
        found = [
            o
            for o in self._orders(wanted.account_id)
            if (wanted.statuses is None or int(o.status) in wanted.statuses)
            and wanted.contract_id in (None, o.contract.id)
            and after <= _whole_micros(o.created) <= before
        ]
        found.sort(key=(lambda o: o.id) if request.sort_by == 1 else (lambda o: (o.created, o.id)))
        if request.sort_direction == 1:
            found.reverse()
        page = found[offset : offset + size]
        total = len(found) if request.include_total_count else None
        return m.OrderQueryReply(orders=[o.model() for o in page], total_count=total)

    # -- positions and trades --

    def positions(self, request: m.AccountRequest, caller: Caller) -> m.PositionsReply:
        account = self._own(request.account_id, caller)
        if account is None:
            return m.PositionsReply(success=False, error_code=m.AccountError.AccountNotFound)
        return m.PositionsReply(positions=[p.model(account.id) for p in account.positions.values() if p.qty])

    def close(self, request: m.ClosePositionRequest, caller: Caller) -> m.Reply:
        if self._own(request.account_id, caller) is None:
            return m.Reply(success=False, error_code=m.ClosePositionError.AccountNotFound)
        return self._changed(requests.close(self.simulator.exchange, request.account_id, request.contract_id))

    def partial_close(self, request: m.PartialCloseRequest, caller: Caller) -> m.Reply:
        if self._own(request.account_id, caller) is None:
            return m.Reply(success=False, error_code=m.PartialCloseError.AccountNotFound)
        exchange = self.simulator.exchange
        return self._changed(requests.close(exchange, request.account_id, request.contract_id, request.size))

    def trades(self, request: m.TradeSearchRequest, caller: Caller) -> m.TradesReply:
        account = self._own(request.account_id, caller)
        if account is None:
            return m.TradesReply(success=False, error_code=m.AccountError.AccountNotFound)
        start = _time(request.start_timestamp, 0)
        end = _time(request.end_timestamp, self.simulator.exchange.now)
        found = [t for t in account.trades if start <= _whole_micros(t.at) <= end]
        return m.TradesReply(trades=[t.model() for t in reversed(found)])


def _whole_micros(at: int) -> int:
    """REST shows microseconds, so a client that asks from a stamp it was shown finds the same row again."""
    return at - at % 1000


def _rank(contract: Contract, text: str) -> tuple[int, str]:
    """Put the exact name first, then the exact root, then names that begin so, then the rest."""
    name, roots = contract.name.lower(), (contract.spec.exchange_root.lower(), contract.spec.root.lower())
    exact = text in (name, contract.id.lower(), contract.code.lower())
    return (0 if exact else 1 if text in roots else 2 if name.startswith(text) else 3), name
