"""What the API asks of a desk, and the bodies that people and programs may post."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]
Verb = Literal["start", "pause", "resume", "flatten", "end"]
VERBS: tuple[Verb, ...] = ("start", "pause", "resume", "flatten", "end")


class Body(BaseModel):
    """Base of all posted bodies: an unknown key is an error, because a mistyped limit must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class StartSession(Body):
    """Start a strategy on an account. `strategy` is a path, a name or a version; without `contract` its front month."""

    strategy: str = Field(min_length=1)
    account: int
    contract: str | None = None
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)


class SessionCommand(Body):
    """Who gave a session command."""

    person: str = "api"


class ManualOrder(Body):
    """An order by a person. `request` is a key of the caller's: the same key twice is one order. Prices in points."""

    request: str = Field(min_length=1, max_length=64)
    account: int
    contract: str
    side: Literal["BUY", "SELL"]
    type: Literal["MARKET", "LIMIT", "STOP"] = "MARKET"
    qty: int = Field(gt=0)
    limit_price: float | None = Field(default=None, allow_inf_nan=False)
    stop_price: float | None = Field(default=None, allow_inf_nan=False)
    person: str = "api"


class StopRequest(BaseModel):
    """The emergency stop. Every field has a default and unknown keys are ignored: an empty body stops everything."""

    model_config = ConfigDict(extra="ignore")

    reason: str = "emergency stop"
    account: int | None = None
    person: str = "api"


class ClearStop(Body):
    """Clear the latch. Both a reason and a person are needed; nobody clears a stop by accident."""

    reason: str = Field(min_length=3)
    person: str = Field(min_length=1)
    account: int | None = None


class AllowOrigin(Body):
    """A page on this machine that may call the desk from a browser, such as a dashboard on a port it picked itself."""

    origin: str = Field(pattern=r"^http://(127\.0\.0\.1|localhost):\d{1,5}$")


class DeskService(Protocol):
    """The desk as the API sees it; `services.supervisor` is the real one, `tests.fakes.desk` the fake."""

    async def snapshot(self) -> Json:
        """Return the whole visible state; missing values are null, never 0."""
        ...

    async def bars(self, contract: str, timeframe: str, limit: int) -> list[Json]:
        """Return up to `limit` bars, ascending; `time` is the bar's start in unix seconds, the last may be partial."""
        ...

    async def orders(self, account: int | None) -> list[Json]: ...

    async def fills(self, account: int | None) -> list[Json]: ...

    async def start_session(self, request: StartSession) -> Json: ...

    async def command_session(self, session: str, verb: str, person: str) -> Json: ...

    async def manual_order(self, request: ManualOrder) -> Json: ...

    async def stop(self, reason: str, account: int | None, person: str) -> Json:
        """Latch, cancel, flatten, verify; return the result whether or not everything is flat."""
        ...

    async def clear_stop(self, reason: str, person: str, account: int | None) -> Json: ...
