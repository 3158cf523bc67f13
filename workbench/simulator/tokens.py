"""Tokens of the simulated login: three base64url parts with an `exp`, as clients decode them; older ones stay good."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from workbench.simulator.config import User


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(slots=True)
class Session:
    """One login: whose, until when (seconds since 1970), still good."""

    user: str
    expires: float
    alive: bool = True


class Tokens:
    """Issues and checks tokens. `wall` gives seconds since 1970."""

    def __init__(self, users: tuple[User, ...], ttl_s: float, wall: Callable[[], float]) -> None:
        self.users = {user.name.lower(): user for user in users}
        self.ttl_s, self._wall = ttl_s, wall
        self.sessions: dict[str, Session] = {}
        self._issued = 0

    def login(self, name: str, key: str) -> str | None:
        """Return a token for the right user and key (the name's case does not matter), else None."""
        user = self.users.get(name.lower())
        return self.issue(user.name) if user is not None and key in (user.api_key, *user.more_keys) else None

    def issue(self, user: str) -> str:
        """Return a fresh token."""
        self._issued += 1
        expires = self._wall() + self.ttl_s
        claims = {"sub": user, "jti": self._issued, "exp": int(expires), "iat": int(self._wall()), "role": "api"}
        head = _part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        body = _part(json.dumps(claims).encode())
        token = f"{head}.{body}.{_part(hmac.new(b'simulator', f'{head}.{body}'.encode(), hashlib.sha256).digest())}"
        self.sessions[token] = Session(user, expires)
        return token

    def user(self, token: str | None) -> str | None:
        """Return whose valid token this is, None for a missing, unknown, expired or voided one."""
        session = self.sessions.get(token or "")
        if session is None or not session.alive or self._wall() >= session.expires:
            return None
        return session.user

    def void(self, token: str | None = None) -> None:
        """Make one token (or all) worthless at once."""
        for known, session in self.sessions.items():
            if token is None or known == token:
                session.alive = False

    def expire_in(self, seconds: float) -> None:
        """Let every token expire within `seconds`; later ones live as long."""
        self.ttl_s = seconds
        for session in self.sessions.values():
            session.expires = min(session.expires, self._wall() + seconds)


def bearer(header: str | None) -> str | None:
    """Return the token in an Authorization header."""
    if header is None or not header.lower().startswith("bearer "):
        return None
    return header[7:].strip() or None
