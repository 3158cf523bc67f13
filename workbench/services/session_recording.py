"""One session as the journal of its account has it: what happened from its start to its end, and what it dealt."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from workbench.backtest.decisions import Dealt
from workbench.domain import events as e
from workbench.domain.errors import UnknownName
from workbench.domain.position import Fill
from workbench.services.session_fills import Told, share_out
from workbench.storage.home import Home
from workbench.storage.journal import Record, read_history

BY_STOP = "ended by the stop"  # how the reason begins with which a runner ends what an emergency stop has stopped
CLOSED_BY_STOP = "closed by the emergency stop"
# What persons and the machine did: it was no answer of the broker and no decision, so it happens again.
OUTSIDE = (
    e.SessionPaused, e.SessionEnded, e.FlattenRequested, e.Halted, e.Released, e.StreamChanged, e.LimitsChanged,
    e.BaselineSet, e.BudgetLeased, e.NewsWindows, e.OperatorSeen, e.ClockJumped, e.DataStale, e.DataFresh,
)  # fmt: skip


def is_stopped(event: e.Event) -> bool:
    """Whether a session was ended by the emergency stop: the next runner says so, often hours later."""
    return isinstance(event, e.SessionEnded) and event.reason.startswith(BY_STOP)


@dataclass(slots=True, kw_only=True)
class Recording:
    """One session as its journal has it.

    Attributes
    ----------
    records : list of Record
        From its start to its end.
    ended_at : int or None
        When nothing was decided any more (UTC ns): after an emergency stop the last that its runner wrote, whatever the
        next one found hours later. None: it runs.
    closed_at : int or None
        When the emergency stop closed what it held.
    dealt : Dealt
        Its fills, the close that ended it included.
    """

    account: int
    begun: e.RunnerStarted
    started: e.SessionStarted
    records: list[Record]
    ended_at: int | None = None
    closed_at: int | None = None
    dealt: Dealt = field(default_factory=lambda: Dealt([], {}))

    @property
    def bars(self) -> list[e.BarClosed]:
        """The closed bars that it was given, each once, oldest first."""
        wanted = (self.started.contract, self.started.timeframe)
        told = (r.event for r in self.records if isinstance(r.event, e.BarClosed))
        made: dict[int, e.BarClosed] = {}
        for bar in told:
            if (bar.contract, bar.timeframe) == wanted:
                made.setdefault(bar.end, bar)
        return [made[end] for end in sorted(made)]

    @property
    def until(self) -> int | None:
        """When the last of it was filled, or it ended (UTC ns); None while it runs."""
        return None if self.ended_at is None else max([self.ended_at, *(fill.at for fill in self.dealt.fills)])

    def outside(self, delay_ns: int) -> list[e.Event]:
        """Return what persons and the machine did while it ran; its own start and that of the runner left out.

        The emergency stop closes at the time of its fill: the wish comes `delay_ns` for the cancels and as much for the
        close before that.
        """
        out: list[e.Event] = []
        for record in self.records[1:]:
            event = record.event
            is_resumed = isinstance(event, e.SessionStarted) and event.session == self.started.session
            of_another = getattr(event, "session", self.started.session) != self.started.session
            if is_stopped(event):
                continue
            if is_resumed or (isinstance(event, OUTSIDE) and not of_another):
                out.append(event)
        return sorted(out + self._stopped(delay_ns), key=lambda event: event.at)

    def _stopped(self, delay_ns: int) -> list[e.Event]:
        last = self.records[-1].event
        if self.ended_at is None or not isinstance(last, e.SessionEnded) or not is_stopped(last):
            return []
        ended = msgspec.structs.replace(last, at=self.ended_at, flatten=self.closed_at is None)
        if self.closed_at is None:
            return [ended]
        at = max(self.ended_at, self.closed_at - 2 * delay_ns)
        return [ended, e.FlattenRequested(at=at, contract=self.started.contract, reason=CLOSED_BY_STOP)]


def find_recording(home: Home, session: str) -> Recording:
    """Return a session from the journals of a home.

    Raises
    ------
    UnknownName
        No journal names it.
    """
    known: list[str] = []
    for account in home.accounts():
        found = _read(account, session, read_history(home.account(account)), known)
        if found is not None:
            return found
    raise UnknownName("session", session, dict.fromkeys(known), where=str(home.path / "accounts"))


def _read(account: int, session: str, records: Iterable[Record], known: list[str]) -> Recording | None:
    begun, told, found = e.RunnerStarted(at=0, epoch=0, uid="replay"), Told(), None
    before: set[int] = set()  # trades that were known when it ended
    for record in records:
        event = record.event
        told.take(record)
        if found is None and isinstance(event, e.RunnerStarted):
            begun = event
        if isinstance(event, e.SessionStarted):
            known.append(event.session)
            if found is None and event.session == session:
                found = Recording(account=account, begun=begun, started=event, records=[])
        if found is None or found.ended_at is not None:
            continue
        found.records.append(record)
        if isinstance(event, e.SessionEnded) and event.session == session:
            lived = found.records[:-1] if is_stopped(event) else found.records
            found.ended_at, before = max(r.event.at for r in lived), set(told.fills)
    if found is not None:
        _deal(found, told, before)
    return found


def _deal(found: Recording, told: Told, before: set[int]) -> None:
    sessions, last = told.sessions(), found.records[-1].event
    own = share_out((f for f in told.fills.values() if f.contract == found.started.contract), sessions)
    found.dealt = Dealt(own.get(found.started.session, []), told.tags)
    if is_stopped(last):
        unsent = (f for f in found.dealt.fills if f.order_id not in told.tags and not sessions.get(f.order_id))
        found.closed_at = max((f.at for f in unsent if is_of_stop(f, before, last.at)), default=None)


def is_of_stop(fill: Fill, known: Collection[int], ended_at: int) -> bool:
    """Whether the emergency stop made a fill that no order of ours explains.

    Parameters
    ----------
    fill : Fill
    known : collection of int
        Trades that the stopped runner has written.
    ended_at : int
        When the next runner ended the session (UTC ns).
    """
    return fill.trade_id not in known and fill.at <= ended_at
