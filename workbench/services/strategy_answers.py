"""What the API answers about strategies and what is run with them: versions, checks, jobs, trades, reports."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


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
