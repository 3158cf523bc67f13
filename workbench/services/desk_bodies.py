"""The bodies that people and programs may post to the desk; each is checked before anything sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Verb = Literal["start", "pause", "resume", "flatten", "end"]
VERBS: tuple[Verb, ...] = ("start", "pause", "resume", "flatten", "end")

LARGEST = 2**53 - 1  # the largest whole number that a browser holds exactly
Account = Annotated[int, Field(ge=0, le=LARGEST, description="Gateway account id.", examples=[1001])]
Person = Annotated[str, Field(max_length=64, description="Who does it; goes to the audit log.", examples=["ann"])]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="A key of the caller's: the same key twice is one act.",
        examples=["7f0c1f7a-click-1"],
    ),
]
Contract = Annotated[
    str, Field(min_length=1, max_length=64, description="Id, code or root.", examples=["CON.F.US.MES.Z26"])
]
Qty = Annotated[int, Field(gt=0, le=100_000, description="Contracts.", examples=[1])]
SeenQty = Annotated[
    int,
    Field(ge=-100_000, le=100_000, description="The position the wish is about: + long, − short.", examples=[2]),
]
Price = Annotated[FiniteFloat | None, Field(default=None, description="Points, on the tick.", examples=[6842.25])]
Value = float | int | str | bool
Parameters = Annotated[dict[str, Value], Field(default_factory=dict, examples=[{"fast": 10, "slow": 30}])]
Source = Annotated[str, Field(min_length=1, max_length=200_000, description="The text of a strategy file (YAML).")]
StartPolicy = Annotated[
    Literal["adopt", "wait_flat", "flatten"],
    Field(description="A position that is there already is adopted, waited out without an entry, or closed first."),
]
DisconnectPolicy = Annotated[
    Literal["keep", "pause", "flatten"],
    Field(
        description="A session whose stream is lost goes on once it is back, pauses, or closes its position and pauses."
    ),
]
When = Annotated[
    str | None,
    Field(default=None, max_length=40, description="A trading date or Chicago time.", examples=["2025-03-17"]),
]


class Body(BaseModel):
    """Base of all posted bodies: an unknown key is an error, because a mistyped limit must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class Policies(Body):
    """What a session does about a position that is there when it begins, and about a stream that is lost."""

    start_policy: StartPolicy = "adopt"
    disconnect_policy: DisconnectPolicy = "keep"
    disconnect_after_s: FiniteFloat = Field(
        default=60.0,
        ge=1.0,
        le=3_600.0,
        description="Seconds of open market that a stream is away before the disconnect policy acts.",
    )


class StartSession(Policies):
    """Start a strategy on an account. `strategy` is a path, a name or a version; without `contract` its front month."""

    strategy: str = Field(min_length=1, max_length=1_000, examples=["sma_cross"])
    account: Account
    contract: Contract | None = None
    parameters: Parameters


class SessionCommand(Body):
    """Who gave a session command."""

    person: Person = "api"


class ManualOrder(Body):
    """An order by a person. `request` is a key of the caller's: the same key twice is one order. Prices in points."""

    request: Key
    account: Account
    contract: Contract
    side: Literal["BUY", "SELL"]
    type: Literal["MARKET", "LIMIT", "STOP"] = "MARKET"
    qty: Qty
    limit_price: Price
    stop_price: Price
    person: Person = "api"


class CancelOrder(Body):
    """Cancel one working order."""

    request: Key
    account: Account
    person: Person = "api"


class ModifyOrder(Body):
    """Change one working order; what is left out stays as it is. Prices in points."""

    request: Key
    account: Account
    qty: Qty | None = None
    limit_price: Price
    stop_price: Price
    person: Person = "api"


class ClosePosition(Body):
    """Close a whole position at the market."""

    request: Key
    person: Person = "api"


class ReversePosition(Body):
    """Turn a position at the market; with `seen_qty` only as long as it is still that."""

    request: Key
    person: Person = "api"
    seen_qty: SeenQty | None = None


class PartClosePosition(Body):
    """Close part of a position at the market; more than is open is refused.

    With `seen_qty` nothing is done once the position has turned or gone.
    """

    request: Key
    qty: Qty
    person: Person = "api"
    seen_qty: SeenQty | None = None


class ActivateStrategy(Policies):
    """Start a stored version of a strategy as a session."""

    account: Account
    contract: Contract | None = None
    parameters: Parameters


class DeactivateStrategy(Body):
    """End every session of a strategy: its orders are cancelled, its positions closed."""

    account: Account | None = None
    person: Person = "api"


class StopSession(Body):
    """Stop one session at once; without a sign of its runner the whole account is stopped."""

    reason: str = Field(default="emergency stop of a session", max_length=500)
    person: Person = "api"


class StopStrategy(Body):
    """Stop one strategy at once; without a sign of its runner the whole account is stopped."""

    account: Account | None = None
    reason: str = Field(default="emergency stop of a strategy", max_length=500)
    person: Person = "api"


class NewStrategy(Body):
    """A strategy as text; it is stored as a version under the hash of its content."""

    source: Source
    person: Person = "api"


class StrategySource(Body):
    """A strategy as text, to be checked; nothing is stored."""

    source: Source


class BacktestRequest(Body):
    """A backtest on stored bars, as `workbench.backtest` takes it."""

    strategy: str = Field(min_length=1, max_length=200, description="A name or a version.", examples=["sma_cross"])
    contract: Contract | None = None
    timeframe: str | None = Field(default=None, max_length=8, examples=["5m"])
    start: When
    end: When
    parameters: Parameters
    slippage_ticks: int = Field(default=1, ge=0, le=1_000)
    programme: str | None = Field(default=None, max_length=64, description="Firm rules.", examples=["topstep-50k"])
    engine: Literal["auto", "kernel", "event", "every"] = "auto"


class SweepRequest(Body):
    """A sweep on stored bars; `values` says what each parameter is tried with: a list, or ``low:high:step``."""

    strategy: str = Field(min_length=1, max_length=200, examples=["sma_cross"])
    contract: Contract | None = None
    timeframe: str | None = Field(default=None, max_length=8)
    start: When
    end: When
    values: dict[str, list[Value] | Value] = Field(min_length=1, examples=[{"fast": [5, 10], "slow": "20:60:20"}])
    method: Literal["grid", "random", "tpe"] = "grid"
    trials: int | None = Field(default=None, gt=0, le=1_000_000)
    metric: str = Field(default="sharpe_daily", max_length=40)
    seed: int = Field(default=0, ge=0, le=2**31)
    slippage_ticks: int = Field(default=1, ge=0, le=1_000)
    programme: str | None = Field(default=None, max_length=64)


class WalkForwardRequest(SweepRequest):
    """A walk-forward on stored bars: choose on `train` trading dates, trade the next `test`, move on."""

    method: Literal["grid", "random"] = "grid"
    train: int = Field(ge=2, le=10_000, examples=[60])
    test: int = Field(ge=1, le=10_000, examples=[20])
    anchored: bool = False


class ReportRequest(Body):
    """A report to be run from a shipped template."""

    template: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$", examples=["session"])
    parameters: Parameters


class ChangeLimits(Body):
    """New values for limits of one level; unset ones stay. Loosening needs that no session runs."""

    level: Literal["global", "accounts", "markets", "strategies"] = "global"
    name: str = Field(default="", max_length=128, description="Account, root or strategy of the level.")
    values: dict[str, Any] = Field(min_length=1, examples=[{"daily_loss_usd": 500}])
    reason: str = Field(min_length=3, max_length=500)
    person: str = Field(min_length=1, max_length=64)


class StopRequest(BaseModel):
    """The emergency stop. Every field has a default and unknown keys are ignored: an empty body stops everything."""

    model_config = ConfigDict(extra="ignore")

    reason: str = "emergency stop"
    account: int | None = None
    person: str = "api"


class ClearStop(Body):
    """Clear the latch. Both a reason and a person are needed; nobody clears a stop by accident."""

    reason: str = Field(min_length=3, max_length=500)
    person: str = Field(min_length=1, max_length=64)
    account: Account | None = None


class ReleaseHalts(Body):
    """Release what halts an account until a person has looked, such as a clock jump; never a stop or a limit."""

    request: Key
    reason: str = Field(min_length=3, max_length=500, examples=["the laptop slept; prices and clock are right"])
    person: str = Field(min_length=1, max_length=64, examples=["ann"])


class Here(Body):
    """A sign of life. A person gives it, never a timer: what it holds open is closed when nobody looks."""

    person: str = Field(min_length=1, max_length=64, description="Who attends.", examples=["ann"])


class AllowOrigin(Body):
    """A page on this machine that may call the desk from a browser, such as a dashboard on a port it picked itself."""

    origin: str = Field(pattern=r"^http://(127\.0\.0\.1|localhost):\d{1,5}$", examples=["http://127.0.0.1:8421"])


class NewToken(Body):
    """A token for another program; it is shown once."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$", examples=["dashboard"])
    scopes: list[Literal["read", "trade", "stop"]] = Field(min_length=1, max_length=3, examples=[["read"]])
    days: float = Field(default=30, gt=0, le=366)
    person: Person = "api"
