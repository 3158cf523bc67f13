"""The gateway as a runner or an ingester sees it: REST, both hubs, and what they say as domain values.

Nothing runs by itself: `run_user` and `run_market` are one coroutine each, to be started as tasks by services/.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
import msgspec

from workbench.domain import events as e
from workbench.domain.errors import GatewayError, RemoteProtocolError
from workbench.gateway import wire_hub as wh
from workbench.gateway.budget import Budgets
from workbench.gateway.hubs import Hub, HubKind, HubStatus
from workbench.gateway.link import Timing, open_socket
from workbench.gateway.market_data import QuoteCache, QuoteSeen, TradeSeen, trades_seen
from workbench.gateway.refusals import Key
from workbench.gateway.rest import Rest
from workbench.gateway.tokens import TokenSource
from workbench.gateway.translate import model, user_event, user_items
from workbench.gateway.transport import Transport

log = logging.getLogger(__name__)


class GatewayUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where a gateway lives."""

    rest: str
    user_hub: str
    market_hub: str


TOPSTEPX: Final = GatewayUrls(
    rest="https://api.topstepx.com",
    user_hub="https://rtc.topstepx.com/hubs/user",
    market_hub="https://rtc.topstepx.com/hubs/market",
)


def urls_at(base: str) -> GatewayUrls:
    """Return the URLs of a gateway that has everything under one origin, as the simulator does.

    >>> urls_at("http://127.0.0.1:8430").market_hub
    'http://127.0.0.1:8430/hubs/market'
    """
    base = base.rstrip("/")
    return GatewayUrls(rest=base, user_hub=f"{base}/hubs/user", market_hub=f"{base}/hubs/market")


def _ignore(*_: Any) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """Who is told what: called in order of arrival inside a hub's coroutine, so they must not block.

    Parameters
    ----------
    on_event : callable
        Account-lane events: orders, fills, positions, accounts; StreamChanged when a hub becomes READY or leaves it.
    on_trades : callable
        Lists of `TradeSeen`, in the order of arrival.
    on_quote : callable
        Merged `QuoteSeen`.
    on_clock : callable
        The simulator's market clock; in lockstep answer each with `GatewayClient.acknowledge`.
    on_fault : callable
        A sentence about something that could not be understood and was left out. One from the user hub means that our
        picture of the account may have a hole: read the broker.
    on_refused : callable
        A contract that the market hub refuses, and a sentence about it; "" when it is served again, and its prints are
        complete from then on. Asking again is the hub's.
    """

    on_event: Callable[[e.Event], None] = _ignore
    on_trades: Callable[[list[TradeSeen]], None] = _ignore
    on_quote: Callable[[QuoteSeen], None] = _ignore
    on_clock: Callable[[wh.SimulatorClock], None] = _ignore
    on_fault: Callable[[str], None] = _ignore
    on_refused: Callable[[str, str], None] = _ignore


class ClockJoin:
    """The simulator's clock as heard on several hubs: an announcement counts when all of them have brought it.

    The simulator sends it after all events of a chunk, on every connection; so when it has come on both hubs, both have
    delivered everything up to it.
    """

    def __init__(self, kinds: tuple[HubKind, ...]) -> None:
        self._kinds = kinds
        self._heard: dict[HubKind, int] = {}
        self._last: wh.SimulatorClock | None = None
        self.acknowledged = -1

    def heard(self, kind: HubKind, clock: wh.SimulatorClock) -> bool:
        """Note `clock` on `kind`; return whether the owner is to be told now."""
        self._heard[kind] = clock.seq
        last = self._last
        if not clock.lockstep:
            due = last is None or (clock != last and clock.now >= last.now)
        elif last is None or not last.lockstep or clock.seq > last.seq:
            due = all(self._heard.get(k, -1) >= clock.seq for k in self._kinds)
        else:
            due = False
        if due:
            self._last = clock
        return due

    def lost(self, kind: HubKind) -> None:
        """Forget a hub that went down; when none is left, the next simulator may count from 0 again."""
        self._heard.pop(kind, None)
        if not self._heard:
            self._last, self.acknowledged = None, -1


class GatewayClient:
    """REST and both hubs of one user.

    Parameters
    ----------
    urls : GatewayUrls
    tokens : TokenSource
    handlers : Handlers
    is_market_open : callable
        Whether silence of the market hub means something now (False while a replay is paused or in lockstep).
    now : callable
        Market time (UTC ns): stamps what is taken in.
    live : bool
        Feed tier, see `Rest`.
    transport, budgets, timing, connect, rng
        For tests, and for sharing the budgets of one user.

    Attributes
    ----------
    rest : Rest
    user, market : Hub
    faults : int
        Messages or parts of them that could not be understood.
    """

    def __init__(
        self,
        urls: GatewayUrls,
        tokens: TokenSource,
        handlers: Handlers,
        *,
        is_market_open: Callable[[], bool] = lambda: True,
        now: Callable[[], int] = time.time_ns,
        live: bool = False,
        transport: Transport | httpx.AsyncBaseTransport | None = None,
        budgets: Budgets | None = None,
        timing: Timing | None = None,
        connect: Callable[[str], Awaitable[Any]] = open_socket,
        rng: random.Random | None = None,
    ) -> None:
        if not isinstance(transport, Transport):
            transport = Transport(urls.rest, transport=transport, budgets=budgets)
        self.rest = Rest(transport, tokens, live=live, now=now, rng=rng)
        self.faults = 0
        self._handlers, self._now = handlers, now
        self._quotes = QuoteCache()
        self._up: set[HubKind] = set()
        self._unserved: set[str] = set()
        self._clock = ClockJoin((HubKind.USER, HubKind.MARKET))
        options: dict[str, Any] = {"timing": timing, "connect": connect, "rng": rng}
        self.user, self.market = (
            Hub(
                kind,
                url,
                tokens,
                partial(self._take, kind),
                on_status=partial(self._status, kind),
                on_refused=self._refused,
                is_market_open=is_market_open,
                **options,
            )
            for kind, url in ((HubKind.USER, urls.user_hub), (HubKind.MARKET, urls.market_hub))
        )

    def __repr__(self) -> str:
        return f"GatewayClient({self.rest!r}, user {self.user.status.value}, market {self.market.status.value})"

    # --- running and watching ----------------------------------------------------------------------------------------

    async def run_user(self) -> None:
        """Keep the user hub connected until cancelled."""
        await self.user.run()

    async def run_market(self) -> None:
        """Keep the market hub connected until cancelled."""
        await self.market.run()

    async def aclose(self) -> None:
        """Close the REST connections; cancel the hubs' tasks for theirs."""
        await self.rest.aclose()

    async def watch_account(self, account_id: int) -> None:
        """Subscribe to the account list and to one account's orders, positions and trades.

        Raises
        ------
        GatewayRefused, GatewayUnavailable
            As `Hub.subscribe` does, when all have been asked for.
        """
        streams = [(f"Subscribe{what}", (account_id,)) for what in ("Orders", "Positions", "Trades")]
        await _subscribe_all(self.user, [("SubscribeAccounts", ()), *streams])

    async def watch_contract(self, contract_id: str, *, quotes: bool = True, trades: bool = True) -> None:
        """Subscribe to a contract's quotes and prints.

        Raises
        ------
        GatewayRefused, GatewayUnavailable
            As `Hub.subscribe` does, when all have been asked for.
        """
        chosen = [what for is_wanted, what in ((quotes, "Quotes"), (trades, "Trades")) if is_wanted]
        await _subscribe_all(self.market, [(f"SubscribeContract{what}", (contract_id,)) for what in chosen])

    async def unwatch_contract(self, contract_id: str) -> None:
        """Give the contract's subscriptions up."""
        for what in ("Quotes", "Trades"):
            await self.market.unsubscribe(f"SubscribeContract{what}", contract_id)
        self._unserved.discard(contract_id)

    async def follow_clock(self, participant: str, kinds: tuple[HubKind, ...] = (HubKind.USER, HubKind.MARKET)) -> None:
        """Ask the simulator for its market clock on the hubs that run.

        Call it after watching what is to be watched: in lockstep the market goes on as soon as all have acknowledged.
        """
        self._clock = ClockJoin(kinds)
        for kind in kinds:
            await self._hub(kind).subscribe(wh.SUBSCRIBE_CLOCK, participant)

    async def acknowledge(self, seq: int) -> None:
        """Tell the simulator that everything up to announcement `seq` has been dealt with."""
        self._clock.acknowledged = max(self._clock.acknowledged, seq)
        for hub in (self.user, self.market):
            if any(method == wh.SUBSCRIBE_CLOCK for method, _ in hub.desired):
                await hub.notify(wh.ACKNOWLEDGE_CLOCK, seq)

    # --- what the hubs bring -----------------------------------------------------------------------------------------

    def _hub(self, kind: HubKind) -> Hub:
        return self.user if kind is HubKind.USER else self.market

    def _take(self, kind: HubKind, target: str, arguments: Any) -> None:
        try:
            if target == wh.TARGET_TRADE:
                self._take_trades(arguments)
            elif target == wh.TARGET_QUOTE:
                if (quote := self._quotes.merge(arguments)) is not None:
                    self._handlers.on_quote(quote)
            elif target == wh.TARGET_CLOCK:
                if not isinstance(arguments, list | tuple) or not arguments:
                    raise RemoteProtocolError("an announcement of the clock without a time")
                self._take_clock(kind, arguments[0])
            elif target != wh.TARGET_DEPTH:
                self._take_user_event(target, arguments)
        except RemoteProtocolError as error:
            self._fault(f"{target[:60]}: {error}")

    def _take_trades(self, arguments: Any) -> None:
        seen, faults = trades_seen(arguments)
        if seen:
            self._handlers.on_trades(seen)
        for fault in faults:
            self._fault(f"{wh.TARGET_TRADE}: {fault}")

    def _take_user_event(self, target: str, arguments: Any) -> None:
        items = user_items(arguments)
        if not items:
            raise RemoteProtocolError("an event without a payload")
        for item in items:
            try:
                event = user_event(target, item, self._now())
            except RemoteProtocolError as error:
                self._fault(f"{target[:60]}: {error}")
            else:
                self._handlers.on_event(event)

    def _take_clock(self, kind: HubKind, payload: Any) -> None:
        clock = payload if isinstance(payload, wh.SimulatorClock) else model(wh.SimulatorClock, payload)
        if self._clock.heard(kind, clock):
            self._handlers.on_clock(clock)
        elif clock.lockstep and clock.seq <= self._clock.acknowledged:
            self._hub(kind).post(wh.ACKNOWLEDGE_CLOCK, clock.seq)  # this hub came back after we had answered

    def _status(self, kind: HubKind, status: HubStatus, reason: str) -> None:
        up, was_up = status is HubStatus.READY, kind in self._up
        if not up:
            self._clock.lost(kind)
        if status is HubStatus.CONNECTING and kind is HubKind.MARKET:
            self._quotes.clear()
        if up != was_up:
            (self._up.add if up else self._up.discard)(kind)
            self._handlers.on_event(e.StreamChanged(at=self._now(), hub=kind.value, up=up, reason=reason))

    def _refused(self, key: Key, reason: str) -> None:
        contract = str(key[1][0])
        still = any(arguments == key[1] for _, arguments in self.market.refused)
        if still and contract not in self._unserved:
            self._unserved.add(contract)
            text = f"the gateway does not serve {contract} ({key[0]}: {reason}); the other contracts go on without it"
            what_to_do = "choose the contract that trades now, or end what uses it; it is asked for again meanwhile"
            self._handlers.on_refused(contract, f"{text}; {what_to_do}")
        elif not still and contract in self._unserved:
            self._unserved.discard(contract)
            self._handlers.on_refused(contract, "")

    def _fault(self, text: str) -> None:
        self.faults += 1
        log.warning("left out: %s", text)
        self._handlers.on_fault(text)


async def _subscribe_all(hub: Hub, wanted: Sequence[tuple[str, tuple[Any, ...]]]) -> None:
    # One that fails must not keep the next from being desired: it would be missing on every later connection, too.
    failed: GatewayError | None = None
    for method, arguments in wanted:
        try:
            await hub.subscribe(method, *arguments)
        except GatewayError as error:
            failed = failed or error
    if failed is not None:
        raise failed
