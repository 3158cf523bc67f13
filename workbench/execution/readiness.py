"""May a session enter yet? Its warm-up must be there without a hole, and what it does not own must be gone."""

from __future__ import annotations

from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.domain.commands import Alert
from workbench.domain.contract import spec
from workbench.domain.hours import local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.execution.covered import require_stops, stopped
from workbench.execution.fills import take_over
from workbench.execution.flatten import start_flatten
from workbench.execution.state import AccountState, Book, Session
from workbench.execution.submit import Out

POLICIES = ("adopt", "wait_flat", "flatten")
LEAST_GAP = 1  # missing bars at the seam that are always forgiven: a minute without a trade has none


def note_bar(session: Session, bar: e.BarClosed) -> None:
    """Count a closed bar of a session's warm-up; a hole where history and stream meet makes the count begin anew.

    A thin market has minutes without a bar, so at the seam a gap is a hole only when it is wider than any in the
    history. Call it before the bar becomes the session's last one.
    """
    if not session.warm_bars:
        return
    live = bar.end > session.started_at
    if session.last_bar_end and session.last_bar_end < bar.start and (session.at_seam or not live):
        gap = missing(bar, session.last_bar_end)
        if not live:
            session.widest = max(session.widest, gap)
        elif gap > max(session.widest, LEAST_GAP):
            session.bars = 0
            session.hole = f", {gap} are missing before {local(bar.start):%H:%M} Chicago"
    if live:
        session.at_seam = False
    session.bars += 1


def missing(bar: e.BarClosed, since: int) -> int:
    """Return how many bars of open market lie between `since` (ns) and the start of `bar`."""
    frame = timeframe(bar.timeframe)
    if frame.daily:
        return 0
    hours, at, open_ns = trading_hours(spec(bar.contract)), since, 0
    while at < bar.start:
        if hours.is_open(at):
            until = min(hours.next_close(at), bar.start)
            open_ns += until - at
        else:
            until = hours.next_open(at)
        at = until
    return int(open_ns // (frame.seconds * SECOND))


def begin(state: AccountState, session: Session) -> Out:
    """Do what a session's start policy says about a position, or orders, that are there already."""
    book, contract = state.book(session.contract), session.contract
    if session.start_policy == "adopt":
        take_over(state, book, session.session)
        return demand_stop(state, book, session)
    if state.synced and _is_flat(state, book):
        return []
    session.waits_flat = True
    if session.start_policy != "flatten":
        return []
    return list(start_flatten(state, contract, f"session {session.session} begins flat"))


def demand_stop(state: AccountState, book: Book, session: Session) -> Out:
    """Ask for a working stop of a position that a session adopts, unless its strategy declares that it has none.

    A person, or the platform, has the protection's patience to place one; then the position is closed
    (`flatten.check_protection`). Until it is gone the session enters nothing.
    """
    if stopped(state, book) >= abs(book.qty) or not getattr(session.rule, "has_stop", True):
        return []
    require_stops(book)
    book.protect_by = None  # a time that ran before this session began is not what the person is told
    text = (
        f"session {session.session} adopts {book.qty:+d} {session.contract} without a working stop for all of it: it "
        f"enters nothing, and the position is closed unless one works within {state.limits.protect_within_s:g} s; "
        "place a stop now"
    )
    return [Alert(account=state.account, contract=session.contract, level="critical", text=text)]


def is_waiting(state: AccountState, session: Session) -> bool:
    """Say whether a session waits for a position that it does not own; it goes on by itself once that is gone."""
    if session.waits_flat and has_gone(state, session):
        session.waits_flat = False
    return session.waits_flat


def has_gone(state: AccountState, session: Session) -> bool:
    """Say whether nothing is held of a session's contract, and no order of it is open."""
    return state.synced and _is_flat(state, state.book(session.contract))


def may_enter(session: Session) -> bool:
    """Say whether a session is running, warm and without a position to wait for."""
    return session.status == "running" and not session.waits_flat and session.bars >= session.warm_bars


def _is_flat(state: AccountState, book: Book) -> bool:
    busy = book.qty or book.flatten is not None or not book.is_sure
    return not busy and state.orders.none_open(book.position.contract)


def waiting_for(session: Session, *, is_gone: bool = False) -> str:
    """Why a running session enters nothing; empty when it may. `is_gone` is what `has_gone` says."""
    if session.waits_flat and is_gone:
        return "the position that was there before it is gone: it begins with the next bar"
    if session.waits_flat:
        return "waits until the position that was there before it is gone"
    return f"warming up: {session.warming}" if session.warming else ""
