"""What a person may set about the simulator; unknown keys are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from workbench.backtest.costs import rate_of
from workbench.domain.account import AccountKind, kind_from_name
from workbench.domain.contract import ContractSpec
from workbench.domain.errors import RemoteProtocolError
from workbench.domain.hours import local
from workbench.gateway.times import parse_timestamp


class Settings(BaseModel):
    """Base of all settings: unknown keys are refused, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Fees(Settings):
    """USD per contract and side, in place of the table of `backtest.costs`."""

    fees: Decimal
    commissions: Decimal = Decimal(0)


class AccountSettings(Settings):
    """One account. `rules` off = loss rules and contract caps are not enforced (practice)."""

    id: int
    name: str
    user: str = "sim"
    programme: str = "topstep-50k"
    balance: Decimal | None = None
    rules: bool = True
    daily_loss: bool = False
    bracket_mode: Literal["auto_oco", "position"] = "auto_oco"
    follower: bool = False
    live: bool = False
    can_trade: bool = True

    @property
    def kind(self) -> AccountKind:
        return kind_from_name(self.name)


DEFAULT_ACCOUNTS = (
    AccountSettings(id=1001, name="PRAC-V2-10001-1", programme="topstep-150k", rules=False),
    AccountSettings(id=1002, name="50KTC-V2-10001-2", programme="topstep-50k", daily_loss=True),
    AccountSettings(id=1003, name="EXPRESS-V2-10001-3", programme="topstep-50k"),
)


class User(Settings):
    """Who may log in, with any of the keys. There are clients that take no key of less than ten characters."""

    name: str = "sim"
    api_key: str = "simulator-key"
    more_keys: tuple[str, ...] = ()
    password: str = "sim-password"  # noqa: S105 - the simulator's own, for the form login only


class Latency(Settings):
    """Milliseconds of market time: acceptance to activation of an order, and one request's round trip."""

    acceptance_ms: int = 150
    transport_ms: int = 40


class Matching(Settings):
    """How prints fill orders; see `workbench.backtest.matcher`."""

    touch: bool = False
    part_fills: bool = False
    slippage_ticks: int = 0
    market_on: Literal["quote", "print"] = "quote"


class SimulatorSettings(Settings):
    """The whole simulator.

    Parameters
    ----------
    start : int, ISO text, "now" or "end"
        Market time at the beginning. "now" is wall time; with a replay "start" (the default) is its first print and
        "end" the moment after its last.
    rate : float
        Market seconds per real second; ignored in lockstep.
    """

    seed: int = 7
    roots: tuple[str, ...] = ("MES", "MNQ", "EP", "ENQ", "MGC", "MCLE")
    start: int | str = "now"
    rate: float = Field(default=1.0, gt=0, le=100_000)
    lockstep: bool = False
    chunk_s: int = Field(default=60, gt=0)
    replay: Path | None = None
    home: Path | None = None
    replay_contract: str | None = None
    prints_per_bar: int = Field(default=24, ge=4, le=1000)
    tail_s: int = 3660
    prints_per_day: int = Field(default=20_000, ge=100, le=500_000)
    users: tuple[User, ...] = (User(more_keys=("sim-key",)),)
    accounts: tuple[AccountSettings, ...] = DEFAULT_ACCOUNTS
    fees: dict[str, Fees] = {}  # by exchange root; what is not here costs what it does in the backtest
    latency: Latency = Latency()
    matching: Matching = Matching()
    token_ttl_s: float = 86_400
    rate_limits: bool = True
    keep_alive_s: float = 15.0
    client_timeout_s: float = 0.0  # 0: a silent client is not dropped
    quote_interval_s: float = 15.0
    trades_per_event: int = Field(default=1000, ge=1)
    pump_s: float = Field(default=0.05, gt=0)
    step_s: float = Field(
        default=10.0, gt=0
    )  # most market time per step, so that a stall does not become one huge event
    scenario: Path | None = None

    @field_validator("start")
    @classmethod
    def _known_start(cls, start: int | str) -> int | str:
        if isinstance(start, str) and start not in ("now", "start", "end"):
            text = start if "T" in start or " " in start else f"{start}T00:00:00"
            try:
                return parse_timestamp(text)
            except RemoteProtocolError as error:
                raise ValueError("give an ISO-8601 time (UTC), 'now', 'start' or 'end'") from error
        return start

    @property
    def acceptance_ns(self) -> int:
        return self.latency.acceptance_ms * 1_000_000

    def fees_of(self, product: ContractSpec, at: int) -> Fees:
        """Return the cost per contract and side of a product at an instant (USD)."""
        given = self.fees.get(product.exchange_root)
        if given is not None:
            return given
        rate = rate_of(product, local(at).date())
        return Fees(fees=rate.fees, commissions=rate.commissions)


def wall_time() -> int:
    """Return the machine's time, UTC ns; the only place of this room where the market clock meets it."""
    return int(datetime.now(UTC).timestamp() * 1_000_000) * 1000


def settings(**values: Any) -> SimulatorSettings:
    """Return settings from keywords, those that are None left at their default."""
    return SimulatorSettings(**{name: value for name, value in values.items() if value is not None})
