"""A uvicorn server that leaves signals to its owner, and connections that may not dawdle over their headers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

log = logging.getLogger(__name__)
HEADER_S = 10.0
MOST_WAITING = 128  # connections without a whole request; the oldest of more is closed, so that a stop gets through


class Server(uvicorn.Server):
    """uvicorn takes SIGINT and SIGTERM for itself; here the process that embeds it decides what they mean."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def patient_http(
    header_s: float = HEADER_S, most_waiting: int = MOST_WAITING, tell: Callable[[str, str], None] | None = None
) -> type[H11Protocol]:
    """Return the HTTP protocol of a server that closes connections whose headers do not arrive.

    Parameters
    ----------
    header_s : float
        Seconds from the connection, or from the first byte of a later request, to the end of its headers.
    most_waiting : int
        Connections that may wait for their headers at once.
    tell : callable, optional
        Is told of each one that was closed: client address and reason.
    """
    waiting: dict[_Patient, None] = {}

    def closed(connection: _Patient, why: str) -> None:
        client = connection.client or ("?", 0)
        log.warning("connection of %s:%s closed: %s", client[0], client[1], why)
        if tell is not None:
            tell(f"{client[0]}:{client[1]}", why)

    class Patient(_Patient):
        pass

    Patient.header_s, Patient.most_waiting = header_s, most_waiting
    Patient.waiting, Patient.closed = waiting, staticmethod(closed)
    return Patient


class _Patient(H11Protocol):
    header_s: float
    most_waiting: int
    waiting: dict[_Patient, None]
    closed: Callable[[_Patient, str], None]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._arm()
        else:
            self._disarm()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._disarm()
        super().handle_websocket_upgrade(event)

    def _arm(self) -> None:
        if self._timer is not None:
            return
        self._timer = self.loop.call_later(self.header_s, self._too_late)
        self.waiting[self] = None
        if len(self.waiting) > self.most_waiting:
            oldest = next(iter(self.waiting))
            oldest._close("too many connections without a request")

    def _disarm(self) -> None:
        self.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._close(f"its headers did not arrive within {self.header_s:g} s")

    def _close(self, why: str) -> None:
        self._disarm()
        type(self).closed(self, why)
        self.transport.abort()
