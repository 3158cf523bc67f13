"""State and journal together: an event is decided, written, synced if something will be sent, and only then visible."""

from __future__ import annotations

from workbench.domain import events as e
from workbench.domain.commands import AnyCommand, CancelOrder, ClosePosition, ModifyOrder, PlaceOrder
from workbench.domain.errors import StorageError
from workbench.execution.state import AccountState
from workbench.execution.step import Out, journal_form, remember, step
from workbench.risk.gate import Approved
from workbench.services.lanes import OPERATOR
from workbench.storage.journal import Journal

SENDS = (Approved, CancelOrder, ClosePosition, ModifyOrder)
JOURNAL_BROKEN = "the decision journal cannot be written"


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
        self.damage = replay(state, journal)

    def decide(self, event: e.Event) -> Out:
        """Fold `event`, make the decision durable, and return what may be sent now.

        When the journal cannot be written no new order leaves; cancels and closes still do.
        """
        commands = step(self.state, event)
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
    taken from the journal, and the account is halted until a person has looked.
    """
    damage = ""
    for number, record in enumerate(journal.records):
        again: list[AnyCommand] = [journal_form(c) for c in step(state, record.event)]
        if again == list(record.commands):
            continue
        if not damage:
            damage = (
                f"record {number} of {journal.path} decides differently now than when it was written (another program "
                "version?): no entries; link the account anew to begin a new journal: workbench account link"
            )
            state.halted[damage] = record.event.at
        _believe(state, again, record.commands)
    return damage


def _believe(state: AccountState, again: list[AnyCommand], written: list[AnyCommand]) -> None:
    # What was written was sent; what is decided only now was not.
    for command in again:
        if isinstance(command, PlaceOrder) and command not in written:
            del state.orders[command.tag]
    for command in written:
        if isinstance(command, PlaceOrder) and command.tag not in state.orders:
            remember(state, command)
