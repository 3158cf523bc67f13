"""The answers of the live desk as types: what the OpenAPI file promises, and what the TypeScript types are made of.

Answers are built as plain values and are not run through these models; schemathesis holds the two together. A value
that is not known is null. Fields may be added; those named stay. `schema.MODULES` names the modules of the others.
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
    """One trading run of a strategy version; `reason` says why it does not trade, in its runner's words.

    `waits_for` says what else a living one waits for, and until when: the clock, the open, its warm-up.
    """

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
    waits_for: str | None = None
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


class Placed(BaseModel):
    """What became of an order or an action: accepted by the gate, or why not."""

    accepted: bool
    reason: str | None = None
    order: OrderRow | None = None


class Told(BaseModel):
    """An answer whose fields its own room defines."""

    model_config = {"extra": "allow"}
