"""State and journal together: an event is decided, written, synced if something will be sent, and only then visible."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import structs

from workbench.domain import events as e
from workbench.domain.commands import Alert, AnyCommand, CancelOrder, ClosePosition, ModifyOrder, PlaceOrder
from workbench.domain.errors import StorageError
from workbench.domain.position import Fill
from workbench.execution.state import AccountState
from workbench.execution.step import Out, journal_form, remember, step
from workbench.risk.gate import Approved
from workbench.services.lanes import OPERATOR
from workbench.services.version import program_version
from workbench.storage.journal import Journal, Record, Snapshot
from workbench.storage.lease import Lease
from workbench.storage.rotation import LARGE, name_before, rotate
from workbench.storage.snapshot import SnapshotUnknown, dump, load

log = logging.getLogger(__name__)
MOST_FILLS = 500  # that a snapshot keeps, for people: those that decide are in the state
SENDS = (Approved, CancelOrder, ClosePosition, ModifyOrder)
JOURNAL_BROKEN = "the decision journal cannot be written"


def fills_of(journal: Journal, account: int) -> dict[int, Fill]:
    """Return the fills that a journal tells of, by trade id; of those before its snapshot only the newest."""
    known = list(journal.snapshot.fills) if journal.snapshot is not None else []
    for record in journal.records:
        if isinstance(record.event, e.FillReported):
            known.append(record.event.fill)
        elif isinstance(record.event, e.BrokerRead):
            known += record.event.fills
    made: dict[int, Fill] = {}
    for fill in known:
        if fill.account == account and not fill.voided:
            made.setdefault(fill.trade_id, fill)
    return made


def known_until(records: Sequence[Record], snapshot: Snapshot | None = None) -> int:
    """Market time (ns) up to which a journal is sure to hold all that the broker did; 0 for none.

    That is the last reading: of what the stream told after it, a power cut may have taken some.
    """
    reads = (r.event.until for r in reversed(records) if isinstance(r.event, e.BrokerRead))
    before = snapshot.read_until if snapshot is not None else 0
    return next(reads, before or (records[0].event.at if records else 0))


class Decider:
    """The one owner of an account's state.

    Parameters
    ----------
    state : AccountState
        Changed in place by every event.
    journal : Journal
        Its records are replayed first: the same events give the same state, whatever killed the last runner.
    """

    def __init__(self, state: AccountState, journal: Journal) -> None:
        self.state, self.journal = state, journal
        self.known_until = known_until(journal.records, journal.snapshot)
        self.damage = self._replayed()
        if journal.damaged:
            self.damage = journal.damaged
            _block(self.state, journal.damaged)
        elif journal.broken:
            self.state.halted[JOURNAL_BROKEN] = self.state.now

    def _replayed(self) -> str:
        journal = self.journal
        if journal.snapshot is not None:
            try:
                load(journal.snapshot.state, self.state)
            except SnapshotUnknown as error:
                what = f"{journal.path} cannot be gone on with: {error}"
                journal.give_up(f"{what}; use the program that wrote it, or begin anew: workbench account link")
                self.state = AccountState(self.state.account, self.state.limits, self.state.rules)
                return ""
        return replay(self.state, journal)

    def rotate(self, epoch: int, fills: Iterable[Fill] = ()) -> Path:
        """Begin a new journal file with the state as it is now; return where the earlier one lies.

        Raises
        ------
        StorageError
            It could not be done; the journal is as it was.
        """
        state = self.state
        newest = sorted(fills, key=lambda fill: fill.trade_id)[-MOST_FILLS:]
        snapshot = Snapshot(
            at=state.now,
            epoch=epoch,
            program=program_version(),
            before=name_before(self.journal.path, epoch),
            state=dump(state),
            fills=newest,
            read_until=self.known_until,
        )
        return rotate(self.journal, snapshot, AccountState(state.account, state.limits, state.rules))

    def opened(self, lease: Lease) -> dict[int, Fill]:
        """Take up the journal with this start's lease; return the fills that it tells of, by trade id."""
        journal = self.journal
        if lease.broken:  # the next runner could use the same epoch: no tag may leave with it
            journal.give_up(lease.broken)
            self.state.halted.setdefault(JOURNAL_BROKEN, self.state.now)
        fills = fills_of(journal, self.state.account)
        journal.forget()
        if journal.size > LARGE and not (journal.broken or self.damage):
            try:
                self.rotate(lease.epoch, fills.values())
            except StorageError as error:  # the next start takes longer, that is all
                log.warning("the journal of account %s stays large: %s", self.state.account, error)
        return fills

    @property
    def notes(self) -> list[str]:
        """What a person must know about the opening."""
        broken, out = self.journal.broken, list[str]()
        if broken:
            out.append(f"{broken}; nothing is entered, the account is read and can be cancelled and flattened")
        return [*out, self.damage] if self.damage not in ("", broken) else out

    def decide(self, event: e.Event) -> Out:
        """Fold `event`, make the decision durable, and return what may be sent now.

        When the journal cannot be written no new order leaves; cancels and closes still do.
        """
        commands = step(self.state, event)
        if isinstance(event, e.BrokerRead):
            self.known_until = event.until
        try:
            self.journal.append(event, [journal_form(c) for c in commands])  # type: ignore[arg-type]
            if isinstance(event, OPERATOR) or any(isinstance(c, SENDS) for c in commands):
                self.journal.sync()
        except StorageError as error:
            return self._without_entries(event.at, commands, error)
        return commands

    def _without_entries(self, at: int, commands: Out, error: StorageError) -> Out:
        out: Out = [c for c in commands if not isinstance(c, Approved)]
        if JOURNAL_BROKEN not in self.state.halted:
            out += step(self.state, e.Halted(at=at, reason=JOURNAL_BROKEN))
            text = f"{error}; nothing is entered any more, cancels and closes still leave. Free the disk and restart"
            out.append(Alert(account=self.state.account, contract="", level="critical", text=text))
        for command in commands:
            if isinstance(command, Approved):
                answer = e.PlaceAnswered(
                    at=at, tag=command.command.tag, outcome="rejected", reason=f"not sent: {error}"
                )
                out += step(self.state, answer)
        return [c for c in out if not isinstance(c, Approved)]


def replay(state: AccountState, journal: Journal) -> str:
    """Run the journal's events through `step` again; return where the decisions differ ("" when they do not).

    A difference means that the program has changed under an open journal. The orders that were really sent are then
    taken from the journal, and the account is halted until a person has looked. Other words in an alarm or in a reason
    decide nothing; an alarm more or less does: what it tells of may be a limit that was reached.
    """
    damage = ""
    for number, record in enumerate(journal.records):
        again: list[AnyCommand] = [journal_form(c) for c in step(state, record.event)]
        if again == record.commands or list(map(_wordless, again)) == list(map(_wordless, record.commands)):
            continue
        if not damage:
            damage = (
                f"record {number} of {journal.path} decides differently now than when it was written (another program "
                "version?): no entries; link the account anew to begin a new journal: workbench account link"
            )
            state.halted[damage] = record.event.at
        believe(state, again, record.commands)
    return damage


def _wordless(command: AnyCommand) -> AnyCommand:
    if isinstance(command, Alert):
        return structs.replace(command, text="")
    return command if isinstance(command, PlaceOrder) else structs.replace(command, reason="")


def _block(state: AccountState, damage: str) -> None:
    # What stands behind the damage is not known: the broker tells what exists, and a person decides. Sessions keep
    # their exits (a position must be gone by the end of the day) and enter nothing.
    state.halted[damage] = state.now
    for session in state.sessions.values():
        if session.status == "running":
            session.status, session.reason = "paused", "the journal is damaged"
    for book in state.books.values():
        book.flatten = None  # it may have ended behind the damage: nobody closes on a memory


def believe(state: AccountState, again: list[AnyCommand], written: list[AnyCommand]) -> None:
    """Take over what was written in the place of what is decided now: that was sent, and this was not."""
    for command in again:
        if isinstance(command, PlaceOrder) and command not in written and command.tag in state.orders:
            del state.orders[command.tag]
    for command in written:
        if isinstance(command, PlaceOrder) and command.tag not in state.orders:
            remember(state, command)
            number = command.tag.rpartition("-")[2]
            state.seq = max(state.seq, int(number) if number.isdigit() else 0)
