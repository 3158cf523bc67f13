"""The gateway's REST side: reads are tried again, mutations are sent once and answer with an Outcome."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from workbench.domain import events as e
from workbench.domain.commands import Accepted, ModifyOrder, Outcome, Rejected, Unknown
from workbench.domain.errors import AuthenticationError, GatewayError, InputError, RemoteProtocolError
from workbench.domain.order import Order
from workbench.domain.position import Fill
from workbench.gateway import endpoints as ep
from workbench.gateway import translate as tr
from workbench.gateway import wire_rest as w
from workbench.gateway.budget import Budgets, Priority
from workbench.gateway.codes import OrderSortField, OrderStatus, SortDirection
from workbench.gateway.endpoints import Endpoint
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable, RateLimited
from workbench.gateway.history import Rows, bars_frame, pages
from workbench.gateway.times import format_timestamp
from workbench.gateway.tokens import TokenSource
from workbench.gateway.transport import LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import polars as pl

    from workbench.domain.timeframe import Timeframe
    from workbench.risk.gate import Approved

T = TypeVar("T")
M = TypeVar("M")
READ_TRIES = 5
URGENT_READ_TRIES = 2  # who is in a hurry asks again by itself, and wants to know soon that it must
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
ORDER_PAGE = 50
MAY_STILL_FILL = (OrderStatus.OPEN, OrderStatus.PENDING, OrderStatus.PENDING_CANCELLATION, OrderStatus.SUSPENDED)


class Rest:
    """All operations of the REST host, in domain terms.

    Parameters
    ----------
    base_url : str or Transport
        The host, or a transport that is shared with a `LoginTokens`.
    tokens : TokenSource
        Where the bearer token comes from.
    transport : httpx.AsyncBaseTransport, optional
        For tests.
    live : bool
        Feed tier: False for practice, combine and express accounts. The wrong tier gives empty lists, not errors.
    now : callable
        Market time (UTC ns) that stamps what is read.
    sleep, rng
        How to wait between tries, and the jitter; injected in tests.
    """

    def __init__(
        self,
        base_url: str | Transport,
        tokens: TokenSource,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        budgets: Budgets | None = None,
        live: bool = False,
        now: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.transport = (
            base_url if isinstance(base_url, Transport) else Transport(base_url, transport=transport, budgets=budgets)
        )
        self.tokens, self.live = tokens, live
        self._now, self._sleep, self._rng = now, sleep, rng or random.Random()

    def __repr__(self) -> str:
        return f"Rest({self.transport.base_url!r})"

    # --- session -----------------------------------------------------------------------------------------------------

    async def ping(self) -> str:
        """Return the gateway's ``pong``; needs no token."""
        reply: str = await self._retry(lambda: self.transport.exchange(ep.PING))
        return reply

    async def logout(self) -> None:
        """Void the token. Whether others of the same user die with it is not documented."""
        await self.transport.exchange(ep.LOGOUT, token=await self.tokens.get())

    async def aclose(self) -> None:
        """Close the connections; the token stays valid."""
        await self.transport.close()

    # --- accounts, contracts, history --------------------------------------------------------------------------------

    async def accounts(self, *, only_active: bool = True) -> list[e.AccountReported]:
        reply = await self._read(ep.ACCOUNT_SEARCH, w.AccountSearchRequest(only_active_accounts=only_active))
        return [tr.account_of(m, self._now()) for m in _listed(reply.accounts, "accounts")]

    async def contracts_available(self) -> list[tr.ListedContract]:
        """Return what the feed tier lists (about 51 contracts); empty when `live` is the wrong tier."""
        reply = await self._read(ep.CONTRACT_AVAILABLE, w.ContractAvailableRequest(live=self.live))
        return [tr.contract_of(m) for m in _listed(reply.contracts, "contracts")]

    async def contract_search(self, text: str) -> list[tr.ListedContract]:
        """Return up to 20 loose matches; the first is often the wrong product, so compare ids."""
        reply = await self._read(ep.CONTRACT_SEARCH, w.ContractSearchRequest(search_text=text, live=self.live))
        return [tr.contract_of(m) for m in _listed(reply.contracts, "contracts")]

    async def contract_by_id(self, contract_id: str) -> tr.ListedContract:
        """Return one contract, an expired one too; GatewayRefused (ContractNotFound) if there is none."""
        reply = await self._read(ep.CONTRACT_BY_ID, w.ContractByIdRequest(contract_id=contract_id))
        if reply.contract is None:
            raise GatewayRefused(ep.CONTRACT_BY_ID.path, 1, "ContractNotFound", f"no contract {contract_id}")
        return tr.contract_of(reply.contract)

    def bar_pages(
        self, contract_id: str, tf: Timeframe, start: int, end: int, *, include_partial: bool = False
    ) -> AsyncIterator[Rows]:
        """Iterate over the bars with start <= t < end (UTC ns) page by page, newest page first; for progress bars."""

        async def fetch(request: w.BarsRequest) -> w.BarsReply:
            reply: w.BarsReply = await self._read(ep.RETRIEVE_BARS, request)
            return reply

        return pages(fetch, contract_id, tf, start, end, live=self.live, include_partial=include_partial)

    async def bars(
        self, contract_id: str, tf: Timeframe, start: int, end: int, *, include_partial: bool = False
    ) -> pl.DataFrame:
        """Return all bars with start <= t < end (UTC ns), oldest first, however many pages it takes."""
        rows: Rows = {}
        async for page in self.bar_pages(contract_id, tf, start, end, include_partial=include_partial):
            rows |= page
        return bars_frame(rows)

    # --- orders, positions, trades -----------------------------------------------------------------------------------

    async def orders(
        self, account_id: int, since: int, until: int | None = None, *, priority: Priority = Priority.NORMAL
    ) -> list[Order]:
        """Return the orders created from `since` to `until` (UTC ns, None = now), of every status."""
        request = w.OrderSearchRequest(
            account_id=account_id,
            start_timestamp=format_timestamp(since),
            end_timestamp=None if until is None else format_timestamp(until),
        )
        reply = await self._read(ep.ORDER_SEARCH, request, priority)
        return [tr.order_of(m) for m in _listed(reply.orders, "orders")]

    async def open_orders(self, account_id: int, *, priority: Priority = Priority.NORMAL) -> list[Order]:
        """Return working orders WITHOUT suspended bracket legs; `working_orders` shows those too."""
        reply = await self._read(ep.ORDER_SEARCH_OPEN, w.AccountRequest(account_id=account_id), priority)
        return [tr.order_of(m) for m in _listed(reply.orders, "orders")]

    async def order_by_id(
        self, account_id: int, order_id: int, *, priority: Priority = Priority.NORMAL
    ) -> Order | None:
        """Return one order, None if the gateway says it has none (weak evidence: it may have it in a moment)."""
        try:
            reply = await self._read(
                ep.ORDER_BY_ID, w.OrderByIdRequest(account_id=account_id, order_id=order_id), priority
            )
        except GatewayRefused as refusal:
            if refusal.name == "OrderNotFound":
                return None
            raise
        return None if reply.order is None else tr.order_of(reply.order)

    async def working_orders(self, account_id: int, *, priority: Priority = Priority.NORMAL) -> list[Order]:
        """Return everything that may still fill: open, pending, being cancelled, and suspended bracket legs.

        The list may change while its pages are read, so it is read until a page brings nothing new.
        """
        found: dict[int, w.OrderModel] = {}
        offset = 0
        while True:
            request = w.OrderQueryRequest(
                filter=w.OrderFilter(account_id=account_id, statuses=[int(s) for s in MAY_STILL_FILL]),
                page_size=ORDER_PAGE,
                page_offset=offset,
                sort_by=int(OrderSortField.ID),
                sort_direction=int(SortDirection.ASC),
                include_total_count=True,
            )
            reply = await self._read(ep.ORDER_QUERY, request, priority)
            page = {m.id: m for m in _listed(reply.orders, "orders")}
            new = page.keys() - found.keys()
            found |= page
            if not new or (reply.total_count is not None and len(found) >= reply.total_count):
                return [tr.order_of(m) for m in found.values()]
            offset += len(page)

    async def positions(self, account_id: int, *, priority: Priority = Priority.NORMAL) -> list[e.PositionReported]:
        """Return the open positions; an empty list means flat, a failed reading raises."""
        reply = await self._read(ep.POSITION_SEARCH_OPEN, w.AccountRequest(account_id=account_id), priority)
        return [tr.position_of(m, self._now()) for m in _listed(reply.positions, "positions")]

    async def trades(
        self, account_id: int, since: int, until: int | None = None, *, priority: Priority = Priority.NORMAL
    ) -> list[Fill]:
        """Return the half-turns from `since` to `until` (UTC ns, None = now), oldest first, each id once."""
        request = w.TradeSearchRequest(
            account_id=account_id,
            start_timestamp=format_timestamp(since),
            end_timestamp=None if until is None else format_timestamp(until),
        )
        reply = await self._read(ep.TRADE_SEARCH, request, priority)
        fills = {m.id: tr.fill_of(m) for m in _listed(reply.trades, "trades")}
        return [fills[ident] for ident in sorted(fills)]

    # --- mutations: sent once ----------------------------------------------------------------------------------------

    async def place(self, approved: Approved) -> Outcome:
        """Send an order that passed the gate, once."""
        priority = Priority.URGENT if approved.reducing else Priority.NORMAL
        return await self._mutate(ep.PLACE_ORDER, lambda: tr.place_request(approved.command), priority)

    async def cancel(self, account_id: int, order_id: int) -> Outcome:
        """Cancel an order. A refusal may mean that it is filled or gone: read it again."""
        request = w.CancelOrderRequest(account_id=account_id, order_id=order_id)
        return await self._mutate(ep.CANCEL_ORDER, lambda: request)

    async def modify(self, command: ModifyOrder) -> Outcome:
        """Change a working order; what is None in `command` stays."""
        return await self._mutate(ep.MODIFY_ORDER, lambda: tr.modify_request(command))

    async def close(self, account_id: int, contract_id: str) -> Outcome:
        """Close the whole net position at the market. Bracket legs stay: cancel them first, sweep after."""
        request = w.ClosePositionRequest(account_id=account_id, contract_id=contract_id)
        return await self._mutate(ep.CLOSE_POSITION, lambda: request)

    async def partial_close(self, account_id: int, contract_id: str, qty: int) -> Outcome:
        """Close `qty` contracts of the position at the market."""
        request = w.PartialCloseRequest(account_id=account_id, contract_id=contract_id, size=qty)
        return await self._mutate(ep.PARTIAL_CLOSE, lambda: request)

    # --- the two ways of asking --------------------------------------------------------------------------------------

    async def _read(self, endpoint: Endpoint, request: Any, priority: Priority = Priority.NORMAL) -> Any:
        async def once() -> Any:
            token = await self.tokens.get()
            try:
                return await self.transport.exchange(endpoint, request, token=token, priority=priority)
            except AuthenticationError:
                token = await self.tokens.renew(token)
                return await self.transport.exchange(endpoint, request, token=token, priority=priority)

        return await self._retry(once, is_urgent=priority is Priority.URGENT)

    async def _retry(self, once: Callable[[], Awaitable[T]], *, is_urgent: bool = False) -> T:
        for attempt in range((URGENT_READ_TRIES if is_urgent else READ_TRIES) - 1):
            try:
                return await once()
            except RateLimited as limited:
                if not is_urgent:  # the budget holds urgent ones back, briefly
                    await self._sleep(self._pause(limited))
            except (GatewayUnavailable, RemoteProtocolError):
                await self._sleep(self._rng.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)))
        return await once()

    def _pause(self, limited: RateLimited) -> float:
        asked = limited.retry_after_s
        wait = SHORTEST_PAUSE_S if asked is None else min(asked, LONGEST_PAUSE_S)
        return wait + self._rng.uniform(0, 1)

    async def _mutate(
        self, endpoint: Endpoint, request: Callable[[], Any], priority: Priority = Priority.URGENT
    ) -> Outcome:
        """Send once. Whatever is not a clear yes or no is Unknown."""
        try:
            body = request()
        except InputError as error:
            return Rejected(code=0, name="NotSent", reason=str(error))
        token = None
        try:
            token = await self.tokens.get()
            reply = await self.transport.exchange(endpoint, body, token=token, priority=priority)
        except GatewayRefused as refusal:
            return _outcome(endpoint, refusal)
        except AuthenticationError as error:
            if token is not None:  # for the next command; this one is not sent again
                with contextlib.suppress(GatewayError):
                    await self.tokens.renew(token)
            return Unknown(reason=str(error), code=401)
        except GatewayError as error:
            return Unknown(reason=str(error), code=getattr(error, "status", 0))
        return Accepted(order_id=getattr(reply, "order_id", None))


def _listed(items: list[M] | None, what: str) -> list[M]:
    """A list that is missing is a failed reading, never an empty one: no positions would mean flat."""
    if items is None:
        raise RemoteProtocolError(f"the reply has no list of {what}; that is not taken as an empty one")
    return items


def _outcome(endpoint: Endpoint, refusal: GatewayRefused) -> Outcome:
    """A code that is ambiguous, new to us, or contradicts itself (refused with code 0) leaves the outcome open."""
    code = refusal.code
    is_clear = code == httpx.codes.BAD_REQUEST or (
        code != 0 and code in endpoint.codes.__members__.values() and code not in endpoint.ambiguous
    )
    if is_clear:
        return Rejected(code=code, name=refusal.name, reason=refusal.reason, order_id=refusal.order_id)
    return Unknown(reason=f"{refusal.name}: {refusal.reason}".rstrip(": "), code=code, order_id=refusal.order_id)
