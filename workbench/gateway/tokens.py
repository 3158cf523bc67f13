"""The token of one user: got once, refreshed before it expires, renewed once however many ask.

A second login of the same user elsewhere may log the first one out, so one process logs in and hands the token on
(design idea 12); what takes it only needs a `TokenSource`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import math
import time
from collections.abc import Callable
from typing import Protocol

from workbench.domain.errors import AuthenticationError, GatewayError
from workbench.gateway import endpoints as ep
from workbench.gateway.budget import Priority
from workbench.gateway.faults import GatewayRefused
from workbench.gateway.transport import Transport
from workbench.gateway.wire_rest import LoginKeyRequest

LIFETIME_S = 24 * 3600.0
REFRESH_BEFORE_S = 2 * 3600.0
RETRY_REFRESH_S = 300.0
WAIT_FOR_OTHERS_S = 1.0  # for a token that somebody else is getting, while there is one that has not ended
URGENT = Priority.URGENT  # rare, and a cancel may wait for it


class TokenSource(Protocol):
    """Where a client gets its token."""

    async def get(self) -> str:
        """Return a token that is good now, refreshed when its end is near."""
        ...

    async def renew(self, bad: str) -> str:
        """Return another token than `bad`, which the gateway did not accept or has voided."""
        ...


class FixedToken:
    """One token that somebody else keeps alive; it cannot be renewed here."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __repr__(self) -> str:
        return "FixedToken(<hidden>)"

    async def get(self) -> str:
        return self._token

    async def renew(self, bad: str) -> str:
        if bad != self._token:
            return self._token
        raise AuthenticationError("the gateway does not accept the token that was handed to us; log in again")


def expiry_of(token: str) -> float | None:
    """Return when the JWT `token` ends (seconds since 1970, its `exp`), None when it does not tell.

    >>> expiry_of("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTU0MjE0MDB9.c2ln")
    1795421400.0
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        ends = float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError, OverflowError):
        return None
    return ends if math.isfinite(ends) else None


class LoginTokens:
    """A token by user name and API key.

    Parameters
    ----------
    transport : Transport
        To the REST host.
    username, api_key : str
        Never shown, never logged; the lengths are, because swapping the two is a common slip.
    wall : callable
        Seconds since 1970.
    """

    def __init__(
        self, transport: Transport, username: str, api_key: str, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._transport, self._username, self._api_key, self._wall = transport, username, api_key, wall
        self._token = ""
        self._ends = 0.0
        self._refresh_at = 0.0
        self._lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"LoginTokens(<user name of {len(self._username)} characters>, <key of {len(self._api_key)} characters>)"

    async def get(self) -> str:
        """Return a good token; within two hours of its end it is validated into a new one, else a login makes one."""
        if self._lock.locked() and self._wall() < self._ends:  # a login that hangs must not hold up a stop
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_FOR_OTHERS_S), self._lock:
                    return self._token
            return self._token
        async with self._lock:
            if not self._token or self._wall() >= self._ends:
                await self._login()
            elif self._wall() >= self._refresh_at:
                await self._refresh()
            return self._token

    async def renew(self, bad: str) -> str:
        """Log in again, unless somebody already has since `bad` was handed out."""
        async with self._lock:
            if not self._token or self._token == bad:
                await self._login()
            return self._token

    async def _login(self) -> None:
        request = LoginKeyRequest(user_name=self._username, api_key=self._api_key)
        try:
            reply = await self._transport.exchange(ep.LOGIN_KEY, request, priority=URGENT)
        except GatewayRefused as refusal:
            raise AuthenticationError(self._explain(refusal)) from None
        if not reply.token:
            raise AuthenticationError("the login succeeded but brought no token; try again")
        self._keep(reply.token)

    async def _refresh(self) -> None:
        """Exchange the token for a younger one; while that fails the old one serves until its end."""
        self._refresh_at = self._wall() + RETRY_REFRESH_S
        try:
            reply = await self._transport.exchange(ep.VALIDATE, token=self._token, priority=URGENT)
        except (AuthenticationError, GatewayRefused):
            await self._login()
        except GatewayError:
            return
        else:
            if reply.new_token:
                self._keep(reply.new_token)

    def _keep(self, token: str) -> None:
        now = self._wall()
        ends = expiry_of(token)
        self._token, self._ends = token, now + LIFETIME_S if ends is None else ends
        self._refresh_at = self._ends - min(REFRESH_BEFORE_S, (self._ends - now) / 2)

    def _explain(self, refusal: GatewayRefused) -> str:
        return (
            f"the gateway refused the login: {refusal.name} ({refusal.code}) {refusal.reason}; check the user name "
            f"({len(self._username)} characters) and the API key ({len(self._api_key)} characters)"
        )
