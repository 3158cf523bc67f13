"""What a person may release: halts that nothing else ends, and only after a clean reading of the broker.

A release opens the gate again and no more: latches, breaches, limits and every other halt stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.domain.commands import Alert, AnyCommand
from workbench.execution import stray

if TYPE_CHECKING:
    from workbench.domain.events import BrokerRead, Released
    from workbench.execution.state import AccountState

CLOCK_JUMPED = "the clock has jumped"
SHORTEST_REASON = 3  # letters; as for a cleared stop


def command_for(account: int) -> str:
    """Return what a person types to release an account's halts."""
    return f'workbench account release {account} --reason "…"'


def is_for_person(halt: str) -> bool:
    """Say whether a person ends this halt; every other one ends with its cause, or not at all."""
    return halt == CLOCK_JUMPED or bool(stray.halted_contract(halt))


def note_reading(state: AccountState, event: BrokerRead, first: bool) -> None:
    """Remember which halts the broker has been read after; the first reading of a runner is after all before it."""
    state.read_halts = {
        halt for halt, since in state.halted.items() if first or halt in state.read_halts or event.until >= since
    }


def release(state: AccountState, event: Released) -> list[AnyCommand]:
    """Release what a person may release, once for each request key; what is refused says why."""
    if event.request in state.requests:
        return []
    state.requests.add(event.request)
    against = {halt: _against(state, halt) for halt in state.halted if is_for_person(halt)}
    free = [halt for halt, why in against.items() if not why]
    refused = _refused(state, event) or ("" if free else "; ".join(against.values()) or _nothing_to_release(state))
    if refused:
        state.refused[event.request] = refused
        return [_alert(state, f"nothing was released: {refused}")]
    for halt in free:
        del state.halted[halt]
        state.read_halts.discard(halt)
    return [_alert(state, f"released by {event.person} ({event.why}): {'; '.join(free)}")]


def _refused(state: AccountState, event: Released) -> str:
    if not event.person.strip():
        return "a release needs the name of the person who has looked"
    if len(event.why.strip()) < SHORTEST_REASON:
        return f"a release needs a reason of at least {SHORTEST_REASON} letters"
    if not state.synced:
        return "the broker has not been read since the runner started; ask again when it was"
    unsure = sorted(contract for contract, book in state.books.items() if book.locked or not book.is_sure)
    if unsure:
        return f"the position in {', '.join(unsure)} is not known for sure; ask again when a reading agrees with it"
    return ""


def _against(state: AccountState, halt: str) -> str:
    contract = stray.halted_contract(halt)
    if contract and not stray.is_gone(state, contract):
        return f"no reading shows yet that nothing of {contract} is held or works; close it, then ask again"
    if halt not in state.read_halts:
        return f"the broker has not been read since this began: {halt}; ask again in a moment"
    return ""


def _nothing_to_release(state: AccountState) -> str:
    if not state.halted:
        return f"account {state.account} is not halted"
    return f"a person cannot release this, it ends with its cause: {'; '.join(state.halted)}"


def _alert(state: AccountState, text: str) -> Alert:
    return Alert(account=state.account, contract="", level="warning", text=text)
