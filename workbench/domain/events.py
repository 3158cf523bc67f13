"""What has happened, in the past tense: everything `step` may react to, and all that the decision journal holds.

Every event carries `at`, the market time in UTC nanoseconds at which it was taken in. Prices inside orders and fills
are integer ticks; bars keep the points they were built from.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from workbench.domain.order import Order
from workbench.domain.position import Fill


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of all events."""

    at: int


# --- market lane -----------------------------------------------------------------------------------------------------


class BarClosed(Event, frozen=True, kw_only=True, tag="bar_closed"):
    """A bar that will not change any more. `start` is the bar's first instant (ns), prices in points."""

    contract: str
    timeframe: str
    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: int


class PriceSeen(Event, frozen=True, kw_only=True, tag="price_seen"):
    """The newest price of a contract (points); conflated, for open profit only."""

    contract: str
    price: float


# --- account lane ----------------------------------------------------------------------------------------------------


class OrderReported(Event, frozen=True, kw_only=True, tag="order_reported"):
    """The broker's snapshot of one order."""

    order: Order


class FillReported(Event, frozen=True, kw_only=True, tag="fill_reported"):
    """A half-turn trade; the gateway repeats them, so the fold drops a `trade_id` it knows."""

    fill: Fill


class PositionReported(Event, frozen=True, kw_only=True, tag="position_reported"):
    """The broker's net position: signed `qty` (0 = flat), average price in points."""

    account: int
    contract: str
    qty: int
    average_price: float


class AccountReported(Event, frozen=True, kw_only=True, tag="account_reported"):
    """Balance (USD, realised) and the firm's permission to trade."""

    account: int
    name: str
    balance: Decimal
    can_trade: bool


class PlaceAnswered(Event, frozen=True, kw_only=True, tag="place_answered"):
    """What became of one placed order: `outcome` is ``accepted``, ``rejected`` or ``unknown``."""

    tag: str
    outcome: str
    order_id: int | None = None
    code: int = 0
    reason: str = ""


class CommandAnswered(Event, frozen=True, kw_only=True, tag="command_answered"):
    """What became of a cancel, modify or close: outcome as in `PlaceAnswered`."""

    command: str  # cancel, modify, close
    contract: str
    outcome: str
    order_id: int | None = None
    code: int = 0
    reason: str = ""


class BrokerRead(Event, frozen=True, kw_only=True, tag="broker_read"):
    """One consistent reading of the broker over REST: the input of reconcile.

    `orders` holds everything that may still fill (suspended bracket legs too) and what was asked for by tag;
    `since` (ns) is the creation time from which `orders` and `fills` are complete, `until` the market time at which the
    reading began: what was created later may be missing without meaning anything.
    """

    account: int
    since: int
    until: int
    balance: Decimal
    can_trade: bool
    orders: list[Order]
    fills: list[Fill]
    positions: list[PositionReported]


class StreamChanged(Event, frozen=True, kw_only=True, tag="stream_changed"):
    """A hub went up or down; while one is down nothing new is entered."""

    hub: str  # user, market
    up: bool
    reason: str = ""


class RunnerStarted(Event, frozen=True, kw_only=True, tag="runner_started"):
    """A runner took the account over: `epoch` rises at each start, `uid` is random; together they make tags unique.

    `pace` is market seconds per real second: patience with the broker is real time, written in market time.
    `limits` are those that hold from here on: a replay must judge each order by the limits of its day.
    `bracket_mode` is ``auto-oco`` (the gateway grows a stop from each entry) or ``position`` (it does not: protection
    is a separate order). `program` and `schema` say what decides from here on, and so name the program of each order.
    """

    epoch: int
    uid: str
    pace: float = 1.0
    limits: dict[str, Any] = {}
    bracket_mode: str = "auto-oco"
    program: str = ""
    schema: str = ""


class BaselineSet(Event, frozen=True, kw_only=True, tag="baseline_set"):
    """Where the account stood when it was linked, in USD: from then on floor and day's start are journalled.

    `floor_usd` is the level of the programme's maximum loss (None: it has none), `day_start_usd` the balance at 17:00
    Chicago of `trading_date`, `programme` the firm's rules as data.
    """

    balance: Decimal
    floor_usd: Decimal | None
    day_start_usd: Decimal
    trading_date: str
    programme: dict[str, Any] = {}


class LimitsChanged(Event, frozen=True, kw_only=True, tag="limits_changed"):
    """A named person changed the limits; while a session runs they may only become tighter."""

    limits: dict[str, Any]
    person: str = ""
    reason: str = ""


class BudgetLeased(Event, frozen=True, kw_only=True, tag="budget_leased"):
    """The desk's share of the limits over all accounts, good until market time `until` (ns); None: no such limit."""

    until: int
    daily_loss_usd: Decimal | None = None
    max_micros: int | None = None


class NewsWindows(Event, frozen=True, kw_only=True, tag="news_windows"):
    """Times without entries, from the list that a person keeps: (from ns, to ns, name)."""

    windows: list[tuple[int, int, str]] = []


class OperatorSeen(Event, frozen=True, kw_only=True, tag="operator_seen"):
    """A person has shown that they attend (heartbeat of the attended mode)."""

    person: str = ""


class ClockJumped(Event, frozen=True, kw_only=True, tag="clock_jumped"):
    """The wall clock and the monotonic clock disagree by `by_s` seconds since the last look: a jump, or a suspend."""

    by_s: float


class DataStale(Event, frozen=True, kw_only=True, tag="data_stale"):
    """Nothing was heard of a contract's market for `age_s` seconds while its session is open."""

    contract: str
    age_s: float


class DataFresh(Event, frozen=True, kw_only=True, tag="data_fresh"):
    """The market data of a contract flows again."""

    contract: str


# --- operator lane ---------------------------------------------------------------------------------------------------


class SessionStarted(Event, frozen=True, kw_only=True, tag="session_started"):
    """A person started (or resumed) a strategy version on a contract.

    `start_policy` says what is done about a position that is there already: ``adopt`` it, ``wait_flat`` (no entries
    until it is gone) or ``flatten``. `disconnect_policy` says what happens `disconnect_after_s` seconds after a hub was
    lost in trading hours: ``keep``, ``pause`` or ``flatten``. `warm_bars` closed bars must be there before an entry.
    """

    session: str
    strategy: str  # version hash
    contract: str
    timeframe: str
    parameters: dict[str, float | int | str | bool]
    person: str = ""
    start_policy: str = "adopt"
    disconnect_policy: str = "keep"
    disconnect_after_s: float = 60.0
    warm_bars: int = 0


class SessionPaused(Event, frozen=True, kw_only=True, tag="session_paused"):
    """No new entries for this session; exits and protection stay."""

    session: str
    reason: str


class SessionEnded(Event, frozen=True, kw_only=True, tag="session_ended"):
    """The session is over; its working entries are cancelled, its position is flattened when `flatten`."""

    session: str
    reason: str
    flatten: bool = False


class FlattenRequested(Event, frozen=True, kw_only=True, tag="flatten_requested"):
    """Cancel all of a contract's orders, then close its position."""

    contract: str
    reason: str
    person: str = ""


class StrategyAnswered(Event, frozen=True, kw_only=True, tag="strategy_answered"):
    """What the worker of a Python strategy wants at the close of the bar that ended at `bar_end` (ns).

    The other fields are those of `rules.signal.Signal`; the journal holds the answer, so a replay asks nobody.
    """

    session: str
    bar_end: int
    entry: int = 0
    exit: bool = False
    exit_side: int = 0
    rule: str = ""
    stop_ticks: int | None = None
    target_ticks: int | None = None
    qty: int = 0
    stop_to: int | None = None


class StrategyFailed(Event, frozen=True, kw_only=True, tag="strategy_failed"):
    """The worker of a Python strategy raised, died or was late: its session is paused, its protection stays."""

    session: str
    reason: str


class ManualOrderRequested(Event, frozen=True, kw_only=True, tag="manual_order_requested"):
    """An order by a person, through the same gate. `request` makes a repeated call harmless.

    `stop_loss_ticks` and `take_profit_ticks` are its brackets: signed ticks from its fill price.
    """

    request: str
    contract: str
    side: int
    type: int
    qty: int
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    person: str = ""
    stop_loss_ticks: int | None = None
    take_profit_ticks: int | None = None


class OrderActionRequested(Event, frozen=True, kw_only=True, tag="order_action_requested"):
    """A person's wish about what is there: `kind` is ``cancel``, ``modify``, ``close``, ``part_close`` or ``reverse``.

    `order_id` names the order of a cancel or modify; `qty` (contracts) and the prices (ticks) are what it should be
    afterwards; for a part_close `qty` is how many contracts to close, for a reverse how many to enter with (None: as
    many as were held) and the brackets are those of the entry. `seen_qty` is the position (+ long, − short) that the
    person was looking at: one that has turned since is not closed in part, one that has changed is not reversed.
    `request` makes a repeated call harmless.
    """

    request: str
    kind: str
    contract: str
    order_id: int | None = None
    qty: int | None = None
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    person: str = ""
    stop_loss_ticks: int | None = None
    take_profit_ticks: int | None = None
    seen_qty: int | None = None


class Halted(Event, frozen=True, kw_only=True, tag="halted"):
    """The gate is shut for entries (stop latch, journal failure, lost lease …) until `Released`."""

    reason: str


class Released(Event, frozen=True, kw_only=True, tag="released"):
    """The halt with this reason is over.

    With a `request` it is the wish of `person`, who says `why`: the decision ends what a person may release and refuses
    the rest; the same key twice is one wish.
    """

    reason: str = ""
    request: str = ""
    person: str = ""
    why: str = ""


# --- timers ----------------------------------------------------------------------------------------------------------


class TimerFired(Event, frozen=True, kw_only=True, tag="timer_fired"):
    """The market clock reached `at` with nothing else happening."""


AnyEvent = (
    BarClosed
    | PriceSeen
    | OrderReported
    | FillReported
    | PositionReported
    | AccountReported
    | PlaceAnswered
    | CommandAnswered
    | BrokerRead
    | RunnerStarted
    | StreamChanged
    | SessionStarted
    | SessionPaused
    | SessionEnded
    | FlattenRequested
    | StrategyAnswered
    | StrategyFailed
    | ManualOrderRequested
    | OrderActionRequested
    | BaselineSet
    | LimitsChanged
    | BudgetLeased
    | NewsWindows
    | OperatorSeen
    | ClockJumped
    | DataStale
    | DataFresh
    | Halted
    | Released
    | TimerFired
)
