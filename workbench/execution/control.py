"""What shuts entries and opens them again: halts, hubs, clock, stale data, leases and the attended mode.

Nothing here holds back a cancel or a reduction: the gate looks at halts and blocks for increases only.
"""

from __future__ import annotations

from workbench.domain import events as e
from workbench.domain.commands import Alert, AnyCommand, ReadBroker
from workbench.execution.limits_fold import LEASE_OVER, NO_LEASE, arm
from workbench.execution.release import CLOCK_JUMPED, command_for, release
from workbench.execution.state import READ_FIRST, AccountState

JUMP_S = 5.0  # below this the system clock is only being disciplined


def on_halted(state: AccountState, event: e.Halted) -> list[AnyCommand]:
    """Shut the gate for entries, for this reason."""
    state.halted[event.reason] = event.at
    return []


def on_released(state: AccountState, event: e.Released) -> list[AnyCommand]:
    """End the halt with this reason; what a person wishes is judged first."""
    if event.request:
        return release(state, event)
    state.halted.pop(event.reason, None)
    return []


def on_stream(state: AccountState, event: e.StreamChanged) -> list[AnyCommand]:
    """Halt entries while a hub is down; after the user hub's return the broker is read before the first one."""
    reason = f"{event.hub} hub is down"
    if event.up:
        was = state.halted.pop(reason, None)
        state.hub_down.pop(event.hub, None)
        state.hub_told.discard(event.hub)
        if was is not None and event.hub == "user":
            state.halted[READ_FIRST] = event.at
        return [ReadBroker(account=state.account, contract="", reason=f"{event.hub} hub is back")]
    state.halted[reason] = event.at
    state.hub_down.setdefault(event.hub, event.at)
    return []


def on_clock_jumped(state: AccountState, event: e.ClockJumped) -> list[AnyCommand]:
    """Halt entries until a person has looked: bars, news windows and the trading date hang on the clock."""
    if abs(event.by_s) < JUMP_S or CLOCK_JUMPED in state.halted:
        return []
    state.halted[CLOCK_JUMPED] = event.at
    state.read_halts.discard(CLOCK_JUMPED)
    text = (
        f"{CLOCK_JUMPED} by {event.by_s:+.0f} s (or the computer slept): no entries until a person has looked and "
        f"released the halt ({command_for(state.account)}); stops stay at the broker"
    )
    return [
        Alert(account=state.account, contract="", level="critical", text=text),
        ReadBroker(account=state.account, contract="", reason=CLOCK_JUMPED),
    ]


def on_data_stale(state: AccountState, event: e.DataStale) -> list[AnyCommand]:
    """Block entries of one contract whose market has gone silent."""
    if not state.covers(event.contract):
        return []
    book = state.book(event.contract)
    was, book.stale_s = book.stale_s, event.age_s
    if was is not None:
        return []
    text = f"no market data of {event.contract} for {event.age_s:.0f} s: no entries there until it flows again"
    return [Alert(account=state.account, contract=event.contract, level="warning", text=text)]


def on_data_fresh(state: AccountState, event: e.DataFresh) -> list[AnyCommand]:
    """End the block of a contract whose market data flows again."""
    if event.contract in state.books:
        state.books[event.contract].stale_s = None
    return []


def on_operator_seen(state: AccountState, event: e.OperatorSeen) -> list[AnyCommand]:
    """Note that a person attends."""
    state.operator_seen_at = event.at
    return []


def on_budget_leased(state: AccountState, event: e.BudgetLeased) -> list[AnyCommand]:
    """Take the newest lease of the global limits; `check_lease` halts entries when it has expired."""
    state.lease = event
    state.halted.pop(NO_LEASE, None)
    arm(state)
    if event.until >= state.now:
        state.halted.pop(LEASE_OVER, None)
    return []


def check_lease(state: AccountState) -> None:
    """Halt entries once market time has passed the end of the lease."""
    if state.lease is not None and state.now > state.lease.until:
        state.halted.setdefault(LEASE_OVER, state.now)


def on_news_windows(state: AccountState, event: e.NewsWindows) -> list[AnyCommand]:
    """Take the list of times without entries."""
    state.news = list(event.windows)
    arm(state)
    return []
