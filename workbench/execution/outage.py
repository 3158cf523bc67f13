"""A hub that stays away: an alarm after ten seconds, then what each session's disconnect policy says.

Only market hours count: a hub that is away over the daily break, a weekend or a holiday costs nobody anything. Entries
are halted from the first moment on (`control.on_stream`).
"""

from __future__ import annotations

from workbench.domain.clock import SECOND
from workbench.domain.commands import Alert, AnyCommand
from workbench.domain.contract import ContractSpec
from workbench.domain.hours import trading_hours
from workbench.execution.flatten import start_flatten
from workbench.execution.state import AccountState, Session

POLICIES = ("keep", "pause", "flatten")
ALARM_NS = 10 * SECOND


def check_outage(state: AccountState) -> list[AnyCommand]:
    """Alarm, and run the disconnect policies that are due; call it while a hub is down."""
    out: list[AnyCommand] = []
    for hub, since in state.hub_down.items():
        if hub not in state.hub_told and (away := _away_ns(state, "index", since)) >= state.patience(ALARM_NS):
            state.hub_told.add(hub)
            text = f"the {hub} hub has been away for {away / SECOND:.0f} s of market time; entries are halted"
            out.append(Alert(account=state.account, contract="", level="critical", text=text))
        for session in state.sessions.values():
            out += _run_policy(state, session, hub, since)
    return out


def _run_policy(state: AccountState, session: Session, hub: str, since: int) -> list[AnyCommand]:
    policy, contract = session.disconnect_policy, session.contract
    if policy == "keep" or session.status == "ended" or session.disconnected_at == since:
        return []
    patience = state.patience(int(session.disconnect_after_s * SECOND))
    if _away_ns(state, state.book(contract).spec, since) < patience:
        return []
    session.disconnected_at = since
    reason = f"the {hub} hub was away for {session.disconnect_after_s:g} s (disconnect policy: {policy})"
    if session.status == "running":
        session.status, session.reason = "paused", reason
    text = f"session {session.session}: {reason}"
    out: list[AnyCommand] = [Alert(account=state.account, contract=contract, level="critical", text=text)]
    return out if policy == "pause" else [*out, *start_flatten(state, contract, reason)]


def _away_ns(state: AccountState, product: str | ContractSpec, since: int) -> int:
    # Time of open market since the hub went, counted from the last open: a break in between begins the count anew.
    hours = trading_hours(product)
    if not hours.is_open(state.now):
        return 0
    return state.now - max(since, hours.window_at(state.now).open)
