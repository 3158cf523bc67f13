"""What the API answers about what guards the desk: stops, releases, tokens, who did what, who is there."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class StopResult(BaseModel):
    """FLAT as two clean readings of the broker say, or the list of what remains."""

    result: str = Field(examples=["FLAT"])
    latched: bool
    remaining: list[str]
    accounts: list[dict[str, Any]]
    ms: float


class SessionStopped(BaseModel):
    """What stopping one session came to; `escalated`: its whole account had to be stopped."""

    session: str
    account: int
    result: str = Field(examples=["FLAT"])
    escalated: bool
    remaining: list[str]
    ms: float


class StrategyStopped(BaseModel):
    """Which sessions of a strategy were ended, and which accounts had to be stopped whole."""

    strategy: str
    ended: list[str]
    escalated: list[int]
    results: list[SessionStopped]


class HaltsReleased(BaseModel):
    """What a release came to: which halts ended, which still hold, or why nothing was released."""

    account: int
    accepted: bool
    reason: str | None = None
    released: list[str]
    halted: list[str]


class StopToken(BaseModel):
    """A token that can do nothing but stop."""

    token: str
    expires_at: str
    expires_in_s: float


class TokenRow(BaseModel):
    """An issued token without its secret; times in UTC ns."""

    id: str
    name: str
    scopes: list[str]
    created_at: int
    expires_at: int
    revoked_at: int | None
    by: str


class TokenMade(TokenRow):
    """A new token, shown this once."""

    token: str


class AuditLine(BaseModel):
    """Who did what, when (UTC ns) and from where."""

    at: int | None
    who: str
    what: str
    source: str
    details: dict[str, Any]


class Attended(BaseModel):
    """Who gave the last sign of life, and when (UTC ns); null when nobody has."""

    person: str | None = Field(examples=["ann"])
    at: int | None = Field(examples=[1763647200000000000])


class Allowed(BaseModel):
    """An origin that may call from now on."""

    allowed: str
