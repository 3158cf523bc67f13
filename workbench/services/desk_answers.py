"""The answers of the desk as types: what the OpenAPI file promises, and what the TypeScript types are made of.

Answers are built as plain values and are not run through these models; schemathesis holds the two together. A value
that is not known is null. Fields may be added; those named here stay.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Refusal(BaseModel):
    """Why nothing was done. `kind` is the name of the error."""

    error: str = Field(examples=["refused by the gate: 12 contracts, limit 5"])
    kind: str = Field(examples=["InputError"])


class Health(BaseModel):
    """The desk answers."""

    status: Literal["ok"]
    service: str
    version: str
    schema_: str = Field(alias="schema")


class OrderRow(BaseModel):
    """One order; prices in points, `at` in UTC ns, `filled` of `qty` contracts."""

    order_id: int | None
    tag: str | None = None
    account: int
    contract: str
    side: str
    type: str
    qty: int
    filled: int
    limit_price: float | None = None
    stop_price: float | None = None
    status: str
    strategy: str | None = None
    rule: str | None = None
    reason: str | None = None
    at: int


class FillRow(BaseModel):
    """One fill; `qty` signed (+ bought), `gross_pnl_usd` null when it opened a position."""

    trade_id: int
    order_id: int | None
    account: int
    contract: str
    qty: int
    price: float | None
    fees_usd: float | None
    gross_pnl_usd: float | None
    at: int


class PositionRow(BaseModel):
    """One position; `qty` signed, prices in points."""

    account: int | None = None
    contract: str
    qty: int
    average_price: float | None
    last_price: float | None
    open_usd: float | None


class Performance(BaseModel):
    """What one contract of one account has earned on this trading date, USD; `net_usd` = realised + open - fees."""

    account: int
    contract: str
    qty: int
    fills: int
    contracts_traded: int
    realized_usd: float
    fees_usd: float
    open_usd: float | None
    net_usd: float | None
    wins: int
    losses: int


class Headroom(BaseModel):
    """How much of one limit is used."""

    limit: str
    used_usd: float | None = None
    limit_usd: float | None = None


class RunnerRow(BaseModel):
    """The process that trades an account."""

    state: str
    pid: int | None = None
    epoch: int | None = None
    since: int | None = None
    restarts: int = 0
    reason: str | None = None
    age_s: float | None = None  # of what it told last


class AccountRow(BaseModel):
    """One account, USD."""

    account: int
    name: str
    kind: str
    can_trade: bool | None
    linked: bool
    balance_usd: float | None
    equity_usd: float | None
    day_pnl_usd: float | None
    realized_usd: float | None
    open_usd: float | None
    fees_usd: float | None
    headroom: list[Headroom]
    positions: list[PositionRow]
    working: list[OrderRow]
    halted: list[str]
    runner: RunnerRow


class SessionRow(BaseModel):
    """One trading run of a strategy version; `reason` says what it waits for, or why it is paused or over."""

    session: str
    strategy: str
    version: str
    account: int
    contract: str
    timeframe: str
    state: str
    position: int | None = None
    pnl_usd: float | None = None
    trades: int | None = None
    last_bar_end: int | None = None
    last_signal: str | None = None
    last_signal_at: int | None = None  # end of the bar that gave it, UTC ns
    last_pnl_usd: float | None = None  # while `pnl_usd` is not known after a stop: what it was before
    parameters: dict[str, Any] = Field(default_factory=dict)
    reason: str | None = None
    start_policy: str | None = None
    disconnect_policy: str | None = None
    disconnect_after_s: float | None = None
    bars: int | None = None
    warm_bars: int | None = None


class SignalRow(BaseModel):
    """What a session's rule said; `at` is the end of the bar that gave it, UTC ns."""

    session: str
    account: int
    at: int
    rule: str


class AlertRow(BaseModel):
    """Something a person should read; `at` is wall time, `market_at` the market's where it was known, UTC ns."""

    at: int
    market_at: int | None = None
    level: str
    text: str
    account: int | None = None


class StopState(BaseModel):
    """Whether anything is stopped, since when (UTC ns) and why."""

    latched: bool
    reason: str | None
    by: str | None
    at: int | None
    account: int | None = None  # the one that is stopped; null: everything
    accounts: list[int]
    last_result: dict[str, Any] | None = None


class State(BaseModel):
    """Everything that can be seen at one instant."""

    at: int
    desk: dict[str, Any]
    gateway: dict[str, Any]
    stop: StopState
    accounts: list[AccountRow]
    sessions: list[SessionRow]
    data: list[dict[str, Any]]
    streams: list[dict[str, Any]]
    alerts: list[AlertRow]
    signals: list[SignalRow] = Field(default_factory=list)


class Bar(BaseModel):
    """One bar; `time` is its start in unix seconds, prices in points."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class StoredSeries(BaseModel):
    """What the store holds of a contract in a timeframe; `first` and `last` are bar starts in unix seconds."""

    contract: str
    timeframe: str
    rows: int
    first: int
    last: int


class RejectedRow(BaseModel):
    """A row that failed validation, with its values as JSON; `time` in unix seconds, null where it had none."""

    time: int | None
    reason: str
    source: str
    values: str


class QualityReport(BaseModel):
    """Stored bars against the exchange's calendar: sums, one row per trading date, the longest gaps, rejected rows."""

    contract: str
    timeframe: str
    totals: dict[str, int]
    quarantine: dict[str, int]
    days: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    rejected: list[RejectedRow]


class Chart(BaseModel):
    """Part of a stored series, from `offset` of `total` bars on; `lines` holds an indicator's value at each bar."""

    contract: str
    timeframe: str
    total: int
    offset: int
    bars: list[Bar]
    lines: dict[str, list[float | None]]


class Placed(BaseModel):
    """What became of an order or an action: accepted by the gate, or why not."""

    accepted: bool
    reason: str | None = None
    order: OrderRow | None = None


class HaltsReleased(BaseModel):
    """What a release came to: which halts ended, which still hold, or why nothing was released."""

    account: int
    accepted: bool
    reason: str | None = None
    released: list[str]
    halted: list[str]


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


class StrategyRow(BaseModel):
    """One stored version of a strategy."""

    version: str
    name: str
    state: str
    description: str
    timeframe: str
    roots: list[str]
    parent: str | None
    kind: str
    at: int
    live_in: list[str]


class StrategyText(StrategyRow):
    """One stored version with its text."""

    source: str
    parameters: dict[str, Any]
    versions: list[str]


class DeclaredParameter(BaseModel):
    """A parameter that a strategy declares; a bound that is null is none."""

    name: str
    type: str = Field(examples=["int"])
    default: float | bool
    min: float | None
    max: float | None
    step: float | None
    description: str


class Runnable(BaseModel):
    """What a backtest can run; `strategy` is what it is asked for with."""

    strategy: str
    name: str
    version: str
    stored: bool
    description: str
    timeframe: str
    roots: list[str]
    parameters: list[DeclaredParameter]
    constraints: list[str]


class StrategyFinding(BaseModel):
    """One thing that is odd about a text; `line` 0 where there is none."""

    level: Literal["error", "warning", "hint"]
    code: str
    text: str
    line: int


class Checked(BaseModel):
    """Whether a text is a strategy, the version it would be, and what is odd about it."""

    ok: bool
    error: str | None
    findings: list[StrategyFinding]
    name: str | None
    version: str | None
    timeframe: str | None
    roots: list[str]
    warmup: int | None
    parameters: dict[str, Any]


class Job(BaseModel):
    """A backtest, sweep, walk-forward or report, run beside the desk. Times are UTC ns, `progress` from 0 to 1."""

    id: str
    kind: Literal["backtest", "sweep", "walk_forward", "report"]
    state: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    phase: str
    progress: float | None
    asked: dict[str, Any]
    by: str
    created_at: int
    started_at: int | None
    ended_at: int | None
    error: str | None
    result: dict[str, Any] | None = None


class TradeRow(BaseModel):
    """One round trip of a backtest; prices in points, money in USD, times UTC ns. An open trade has no exit."""

    entry_at: int
    exit_at: int | None
    side: str
    qty: int
    entry_price: float
    exit_price: float | None
    gross_usd: float
    costs_usd: float
    net_usd: float
    rule: str | None
    exit_rule: str | None
    mae_usd: float | None
    mfe_usd: float | None
    bars: int


class ReportRow(BaseModel):
    """One report that was run: ok, failed (a cell raised) or error (it could not run at all)."""

    name: str
    template: str
    title: str
    about: str
    schedule: str
    status: str
    error: str
    started: str
    seconds: float


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


class Told(BaseModel):
    """An answer whose fields its own room defines."""

    model_config = {"extra": "allow"}
