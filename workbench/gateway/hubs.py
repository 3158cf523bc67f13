"""A hub that stays connected, subscribed to what is desired, and watched for silence.

One coroutine does it all (tasks start in services/ only): it connects, shakes hands, subscribes, reads, pings, and when
anything ends it starts over after a pause with full jitter. Transport time is monotonic and real; only the question
whether the market is open uses market time, and is asked through a callable.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from workbench.domain.errors import AuthenticationError, GatewayError
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable, scrub
from workbench.gateway.frames import Close, Completion, Event, HandshakeResponse, Invocation, Message
from workbench.gateway.link import SOCKET_ERRORS, Ended, Link, Timing, is_unauthorized, open_socket, socket_url
from workbench.gateway.refusals import Key, Refusals
from workbench.gateway.tokens import TokenSource, expiry_of
from workbench.gateway.wire_hub import TARGET_CLOCK, TARGET_LOGOUT

log = logging.getLogger(__name__)

Answers = dict[Key, asyncio.Future[Any]]


class HubKind(Enum):
    """Which of the two hubs."""

    USER = "user"
    MARKET = "market"


class HubStatus(Enum):
    """Where a hub stands; only READY may be relied on."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    SUBSCRIBING = "subscribing"
    READY = "ready"
    DOWN = "down"  # waiting to connect again


class Hub:
    """A hub that stays connected while `run` runs.

    Parameters
    ----------
    kind : HubKind
    url : str
        ``https://rtc.topstepx.com/hubs/user``; http and https become ws and wss.
    tokens : TokenSource
    on_message : callable
        Takes target and arguments of each event, in order, inside `run`; must not block. What it raises ends `run`.
    on_status : callable, optional
        Takes the new HubStatus and a reason. READY means: every desired subscription was accepted. Nothing is replayed,
        so that is the moment to reconcile over REST.
    on_refused : callable, optional
        Takes a contract's subscription (method, arguments) and why the gateway refuses it, once; and "" when it has
        accepted it after all. Such a one is not desired meanwhile, so that the other contracts become READY without
        it; it is asked for again after 5 s, doubling up to 5 min. Anything else that is refused ends the connection,
        and so does the refusal of all contracts: a market hub that serves none is not usable.
    is_market_open : callable, optional
        Market hub only: data silence counts while this is true. The user hub is quiet when nothing is traded.
    sleep, rng, monotonic, wall, connect
        Injected in tests; `wall` gives seconds since 1970, for the token's end.

    Attributes
    ----------
    status : HubStatus
    connections, broken : int
        Sockets that were opened, and those that were given up because of unreadable frames.
    """

    def __init__(
        self,
        kind: HubKind,
        url: str,
        tokens: TokenSource,
        on_message: Callable[[str, Any], None],
        *,
        on_status: Callable[[HubStatus, str], None] = lambda status, reason: None,
        on_refused: Callable[[Key, str], None] = lambda key, reason: None,
        is_market_open: Callable[[], bool] = lambda: True,
        timing: Timing | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        connect: Callable[[str], Awaitable[Any]] = open_socket,
    ) -> None:
        if not url.startswith(("http://", "https://", "ws://", "wss://")):
            raise ValueError(f"the {kind.value} hub needs an http(s) or ws(s) URL, not {scrub(url)!r}")
        self.kind, self.url, self.timing = kind, url, timing or Timing()
        self.status, self.connections, self.broken = HubStatus.STOPPED, 0, 0
        self._tokens, self._on_message, self._on_status, self._is_open = tokens, on_message, on_status, is_market_open
        self._sleep, self._rng, self._monotonic, self._connect = sleep, rng or random.Random(), monotonic, connect
        self._wall, self._refused = wall, Refusals(monotonic, on_refused)
        self._desired: dict[Key, None] = {}
        self._link: Link | None = None
        self._token = ""
        self._failures = self._login_failures = 0

    def __repr__(self) -> str:
        return f"Hub({self.kind.value}, {self.url!r}, {self.status.value}, {len(self._desired)} subscriptions)"

    # --- what a client asks for --------------------------------------------------------------------------------------

    @property
    def desired(self) -> list[Key]:
        """Subscriptions that are made on every connection, in order."""
        return list(self._desired)

    @property
    def refused(self) -> list[Key]:
        """Subscriptions to contracts that the gateway refuses, and that are asked for again from time to time."""
        return list(self._refused)

    async def subscribe(self, method: str, *arguments: Any) -> None:
        """Desire a subscription from now on; on an open connection it is made at once.

        Raises
        ------
        GatewayRefused
            The hub refused it (it is no longer desired), or has refused that contract before and is not asked yet.
        GatewayUnavailable
            No answer came; it stays desired and is made again with the next connection.
        """
        key = (method, arguments)
        if key in self._refused and key not in self._desired:
            raise self._refused.error(key)
        self._desired[key] = None
        if self.status not in (HubStatus.SUBSCRIBING, HubStatus.READY):
            return
        try:
            await self.invoke(method, *arguments)
        except GatewayRefused as refused:
            self._desired.pop(key, None)
            if self._is_contract(key):
                self._refused.note(key, refused)
            raise

    async def unsubscribe(self, method: str, *arguments: Any) -> None:
        """Desire it no longer; `method` is the Subscribe… method, its Unsubscribe… twin is called if connected."""
        self._desired.pop((method, arguments), None)
        self._refused.forget((method, arguments))
        await self.notify(f"Un{method[0].lower()}{method[1:]}", *arguments)

    async def invoke(self, method: str, *arguments: Any) -> Any:
        """Call a hub method and wait for its completion; `run` must be running, and this is not for callbacks."""
        if self._link is None:
            raise GatewayUnavailable(method, f"the {self.kind.value} hub is not connected")
        try:
            future = await self._link.call(method, arguments)
            async with asyncio.timeout(self.timing.answer_s):
                return await future
        except TimeoutError:
            raise GatewayUnavailable(method, f"no completion within {self.timing.answer_s:g} s") from None
        except Ended as ended:
            raise GatewayUnavailable(method, ended.reason) from None

    async def notify(self, method: str, *arguments: Any) -> None:
        """Call a hub method without asking for a completion; dropped when not connected."""
        self.post(method, *arguments)
        if self._link is not None:
            try:
                await self._link.flush()
            except Ended as ended:
                log.debug("%s hub: %s was not sent: %s", self.kind.value, method, ended.reason)

    def post(self, method: str, *arguments: Any) -> None:
        """As `notify`, for use inside `on_message`: it leaves when the callback has returned."""
        if self._link is not None:
            self._link.post(method, arguments)

    # --- the one coroutine -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stay connected until cancelled."""
        try:
            while True:
                self._set(HubStatus.CONNECTING)
                ended = await self._connection()
                self.broken += ended.broken
                self._set(HubStatus.DOWN, ended.reason)
                if ended.renew:
                    await self._renew(ended)
                elif not ended.at_once:
                    await self._sleep(self._pause())
        finally:
            self._set(HubStatus.STOPPED)

    async def _connection(self) -> Ended:
        """Live one connection; return why it ended. What a callback raises passes through."""
        try:
            self._link = await self._open()
            await self._live(self._link)
        except Ended as ended:
            return ended
        finally:
            link, self._link = self._link, None
            if link is not None:
                await link.close()
        return Ended("the connection ended")

    async def _open(self) -> Link:
        try:
            self._token = await self._tokens.get()
            socket = await self._connect(socket_url(self.url, self._token))
        except AuthenticationError as error:
            raise Ended(str(error), renew=True) from None
        except GatewayError as error:
            raise Ended(str(error)) from None
        except SOCKET_ERRORS as error:
            raise Ended(f"cannot connect: {error or type(error).__name__}", renew=is_unauthorized(error)) from None
        self.connections += 1
        return Link(socket, self.kind.value, self.timing, self._monotonic, lifetime_s=self._lifetime_s())

    def _lifetime_s(self) -> float:
        """Seconds until the connection must be rebuilt: when its token ends, the gateway drops or merely mutes it."""
        ends = expiry_of(self._token)
        left = float("inf") if ends is None else ends - self._wall() - self.timing.token_margin_s
        return min(self.timing.rebuild_s, max(60.0, left))

    async def _live(self, link: Link) -> None:
        await link.greet()
        answers: Answers | None = None
        while True:
            await self._pump_for_a_tick(link)
            await link.flush()
            if answers is None and link.is_open:
                self._set(HubStatus.SUBSCRIBING)
                answers = {key: await link.call(*key) for key in self.desired}
            if self.status is HubStatus.SUBSCRIBING and all(a.done() for a in (answers or {}).values()):
                self._ready(link, answers or {})
            await self._ask_again(link)
            await link.keep_alive()
            self._watch(link)

    async def _pump_for_a_tick(self, link: Link) -> None:
        try:
            async with asyncio.timeout(self.timing.tick_s) as tick:
                await self._pump(link)
        except TimeoutError:
            if not tick.expired():
                raise

    async def _pump(self, link: Link) -> None:
        """Read frames until the tick is over; before READY, or when something waits to be sent, only one."""
        while True:
            for message in await link.read():
                if isinstance(message, Event):
                    if message.target != TARGET_CLOCK:
                        link.data_at = link.frame_at
                    self._on_message(message.target, message.arguments)  # type: ignore[attr-defined]
                else:
                    self._take(link, message)
            if self.status is not HubStatus.READY or link.has_outgoing:
                return

    def _take(self, link: Link, message: Message) -> None:
        if isinstance(message, Invocation):
            if message.target == TARGET_LOGOUT:
                raise Ended("the gateway logged us out (GatewayLogout)", renew=True)
            link.data_at = link.frame_at
            self._on_message(message.target, message.arguments)
        elif isinstance(message, Completion):
            link.complete(message)
            for key in self._refused.heard():  # before the next message: prints count from the acceptance on
                self._accepted(key)
        elif isinstance(message, Close):
            raise Ended(f"the server closed: {message.error or 'no error given'}")
        elif isinstance(message, HandshakeResponse) and message.error is not None:
            raise Ended(f"the handshake was refused: {message.error}")

    def _ready(self, link: Link, answers: Answers) -> None:
        refused: dict[Key, GatewayRefused] = {}
        for key, answer in answers.items():
            if error := answer.exception():
                if not isinstance(error, GatewayRefused) or not self._is_contract(key):
                    raise Ended(f"a subscription failed: {error}")
                refused[key] = error
        self._give_up(refused, [key for key in answers if key not in refused])
        link.data_at = self._monotonic()
        without = f", without {len(refused)} that are refused" if refused else ""
        self._set(HubStatus.READY, f"{len(answers) - len(refused)} subscriptions{without}")

    # --- contracts that the gateway will not serve -------------------------------------------------------------------

    def _is_contract(self, key: Key) -> bool:
        return self.kind is HubKind.MARKET and key[0].startswith("SubscribeContract")

    def _give_up(self, refused: dict[Key, GatewayRefused], accepted: list[Key]) -> None:
        """Go on without the refused contracts; Ended when none is left, for a hub that serves none is not usable."""
        for key, error in refused.items():
            if key in self._desired:
                self._refused.note(key, error)
        for key in accepted:
            self._refused.accepted(key)
        if refused and not any(map(self._is_contract, accepted)):
            self._desired.update(dict.fromkeys(self._refused))
            raise Ended(f"every contract was refused: {next(iter(refused.values()))}")
        for key in refused:
            self._desired.pop(key, None)

    def _accepted(self, key: Key) -> None:
        self._desired[key] = None
        self._refused.accepted(key)

    async def _ask_again(self, link: Link) -> None:
        if self.status is HubStatus.READY and link.is_open:
            for key in self._refused.due():
                self._refused.asked(key, await link.call(*key))

    def _watch(self, link: Link) -> None:
        """Raise Ended for a slow start or a zombie; forget old failures of a connection that has lasted."""
        age = self._monotonic() - link.opened_at
        if self.status is not HubStatus.READY:
            if age > self.timing.answer_s:
                raise Ended(f"no answer to handshake and subscriptions within {self.timing.answer_s:g} s")
            return
        if age > self.timing.healthy_s:
            self._failures = self._login_failures = 0
        if self.kind is not HubKind.MARKET or not any(m.startswith("SubscribeContract") for m, _ in self._desired):
            return
        now = self._monotonic()
        if not self._is_open():
            link.data_at = now
        elif now - link.data_at > self.timing.data_silence_s:
            raise Ended(f"no market data for {self.timing.data_silence_s:g} s while the market is open")

    # --- between connections -----------------------------------------------------------------------------------------

    def _pause(self) -> float:
        """Full jitter: anything from 0 to a bound that doubles up to a minute."""
        bound = min(self.timing.longest_pause_s, self.timing.first_pause_s * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return self._rng.uniform(0.0, bound)

    async def _renew(self, ended: Ended) -> None:
        """Wait 5 to 60 s (doubling), then ask for another token than the one that was refused."""
        bound = min(self.timing.longest_pause_s, self.timing.login_pause_s * 2.0 ** min(self._login_failures, 16))
        self._login_failures += 1
        await self._sleep(bound * self._rng.uniform(0.8, 1.2))
        try:
            await self._tokens.renew(self._token)
        except GatewayError as error:
            log.warning("%s hub: no new token after %r: %s", self.kind.value, ended.reason, error)

    def _set(self, status: HubStatus, reason: str = "") -> None:
        if status is not self.status:
            self.status = status
            log.info("%s hub is %s%s", self.kind.value, status.value, f": {reason}" if reason else "")
            self._on_status(status, reason)
