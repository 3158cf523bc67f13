"""One connection to a hub, from the handshake to its end: records in, records out, completions, signs of life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect

from workbench.domain.errors import RemoteProtocolError
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable, scrub
from workbench.gateway.frames import Completion, HandshakeRequest, Invocation, Message, Ping
from workbench.gateway.protocol import HubConnection, State
from workbench.gateway.wire_hub import ARGUMENT_TYPES

MAX_FRAME: Final = 8 * 1024 * 1024
SOCKET_ERRORS: Final = (OSError, websockets.WebSocketException)  # a socket's TimeoutError is an OSError

# websockets logs the request line at DEBUG, and the token is in it: its records never leave this logger below WARNING.
_quiet = logging.getLogger(f"{__name__}.websocket")
_quiet.setLevel(logging.WARNING)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of the transport clock."""

    ping_s: float = 12.0  # we say something at least this often; the server drops a client that is silent for 30
    silence_s: float = 30.0  # no frame of any kind for this long: the socket is dead
    data_silence_s: float = 90.0  # market hub, market open: no market data for this long: the socket is a zombie
    answer_s: float = 10.0  # a completion; handshake and subscriptions together
    rebuild_s: float = 22 * 3600.0  # no connection gets older, nor nearer than the next to its token's end
    token_margin_s: float = 1800.0
    healthy_s: float = 30.0  # READY for this long: the next pause is a first one again
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    login_pause_s: float = 5.0
    tick_s: float = 1.0  # how often the timers above are looked at


class Ended(Exception):
    """A connection is over. `renew` asks for another token, `at_once` for no pause before the next one."""

    def __init__(self, reason: str, *, renew: bool = False, at_once: bool = False, broken: bool = False) -> None:
        self.reason, self.renew, self.at_once, self.broken = scrub(reason), renew, at_once, broken
        super().__init__(self.reason)


async def open_socket(url: str) -> ClientConnection:
    """Open the websocket; frames up to 8 MiB are taken, the environment's proxies are not."""
    return await websocket_connect(
        url, max_size=MAX_FRAME, ping_interval=10, close_timeout=2, open_timeout=10, logger=_quiet, proxy=None
    )


def socket_url(url: str, token: str) -> str:
    """Return the websocket URL with the token in its query.

    >>> socket_url("https://rtc.example.com/hubs/user", "a+b")
    'wss://rtc.example.com/hubs/user?access_token=a%2Bb'
    """
    head = url.replace("https://", "wss://", 1).replace("http://", "ws://", 1)
    return f"{head}{'&' if '?' in head else '?'}access_token={quote(token, safe='')}"


def is_unauthorized(error: Exception) -> bool:
    """Say whether the upgrade was refused for the token's sake."""
    return isinstance(error, websockets.InvalidStatus) and error.response.status_code in (401, 403)


class Link:
    """One open socket with its protocol state.

    Parameters
    ----------
    socket : websockets ClientConnection, or a fake with recv, send and close
    name : str
        Of the hub, for errors.
    monotonic : callable
        Seconds.
    lifetime_s : float
        After so long it is rebuilt.

    Attributes
    ----------
    opened_at, frame_at, data_at, sent_at : float
        When it was opened, and when the last frame, the last event and our last record travelled.
    """

    def __init__(
        self, socket: Any, name: str, timing: Timing, monotonic: Callable[[], float], *, lifetime_s: float
    ) -> None:
        self._socket, self._name, self._timing, self._monotonic = socket, name, timing, monotonic
        self._protocol = HubConnection(server=False, argument_types=ARGUMENT_TYPES)
        self._lifetime_s = lifetime_s
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._outbox: list[str] = []
        self._sequence = 0
        self._closed = False
        self.opened_at = self.frame_at = self.data_at = self.sent_at = monotonic()

    @property
    def is_open(self) -> bool:
        """Whether hands are shaken and nobody has closed."""
        return self._protocol.state is State.OPEN and not self._closed

    @property
    def has_outgoing(self) -> bool:
        """Whether something waits for `flush`."""
        return bool(self._outbox)

    async def greet(self) -> None:
        """Send the handshake; the answer comes as a message of `read`."""
        self._outbox.append(self._protocol.send(HandshakeRequest()))
        await self.flush()

    async def read(self) -> list[Message]:
        """Wait for one frame and return its messages; Ended when there will be none.

        A frame that breaks the protocol first gives what was readable of it, and Ended at the next call.
        """
        if self._protocol.state is State.BROKEN:
            raise Ended("the server broke the protocol", broken=True)
        try:
            data = await self._socket.recv(decode=False)
        except SOCKET_ERRORS as error:
            raise Ended(f"the socket ended: {error or type(error).__name__}") from None
        self.frame_at = self._monotonic()
        try:
            messages, _ = self._protocol.receive_data(data)
        except RemoteProtocolError as error:
            messages = getattr(error, "messages", [])
            if not messages:
                raise Ended(f"the server broke the protocol: {error}", broken=True) from None
        return messages

    async def call(self, method: str, arguments: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Send an invocation and return the future of its completion."""
        if not self.is_open:
            raise GatewayUnavailable(method, f"the {self._name} hub is not connected")
        self._sequence += 1
        ident = str(self._sequence)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[ident] = future
        self._outbox.append(self._protocol.send(Invocation(method, list(arguments), ident)))
        await self.flush()
        return future

    def post(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Queue an invocation without completion; `flush` sends it. Dropped when the connection is not open."""
        if self.is_open:
            self._outbox.append(self._protocol.send(Invocation(method, list(arguments))))

    async def flush(self) -> None:
        """Send what waits, in order, one record a frame."""
        while self._outbox and not self._closed:
            self.sent_at = self._monotonic()
            try:
                await self._socket.send(self._outbox.pop(0))
            except SOCKET_ERRORS as error:
                raise Ended(f"the socket ended: {error or type(error).__name__}") from None

    def complete(self, message: Completion) -> None:
        """Give a completion to whoever waits for it."""
        future = self._pending.pop(message.invocation_id, None)
        if future is None or future.done():
            return
        if message.error is None:
            future.set_result(None if message.result is msgspec.UNSET else message.result)
        else:
            _fail(future, GatewayRefused(f"{self._name} hub", 0, "HubError", message.error))

    async def keep_alive(self) -> None:
        """Raise Ended when nothing came for too long or the connection is too old; say something when it is time to."""
        now, timing = self._monotonic(), self._timing
        if now - self.frame_at > timing.silence_s:
            raise Ended(f"no frame for {timing.silence_s:g} s")
        if now - self.opened_at > self._lifetime_s:
            raise Ended("rebuilt with a fresh token", at_once=True)
        if now - self.sent_at > timing.ping_s and self.is_open:
            self._outbox.append(self._protocol.send(Ping()))
            await self.flush()

    async def close(self) -> None:
        """Let go: whoever waits for a completion learns that none will come."""
        self._closed = True
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                _fail(future, GatewayUnavailable(f"{self._name} hub", "the connection ended"))
        await self._socket.close()


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # marks it as seen: nobody may be waiting any more
