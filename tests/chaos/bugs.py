"""Planted bugs: each is a mistake somebody could make in the code that keeps the money safe, as a patch of one seam."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest import mock

import msgspec

from workbench.domain import events as e
from workbench.domain.commands import Accepted, Rejected, Unknown
from workbench.execution import reconcile, step, submit
from workbench.execution.state import AccountState
from workbench.gateway import translate
from workbench.gateway.rest import Rest
from workbench.risk.gate import Approved
from workbench.services import decider, runner, sender, stop
from workbench.services.broker import RestBroker
from workbench.storage.journal import Journal

Patch = contextlib.AbstractContextManager[Any]


def resend_unknown() -> Patch:
    """A place without an answer is sent again."""
    once = Rest.place

    async def place(self: Rest, approved: Any) -> Any:
        outcome = await once(self, approved)
        return await once(self, approved) if isinstance(outcome, Unknown) else outcome

    return mock.patch.object(Rest, "place", place)


def forget_sync() -> Patch:
    """What was decided is sent before it is on the disk."""
    return mock.patch.object(Journal, "sync", return_value=None)


def drop_fills() -> Patch:
    """Reconcile reads orders and positions and leaves the fills out."""

    async def fills(self: RestBroker, account: int, since: int) -> list[Any]:
        return []

    return mock.patch.object(RestBroker, "fills", fills)


class _Forgetful(set[int]):
    def __contains__(self, number: object) -> bool:
        return False


def count_repeats() -> Patch:
    """A half-turn that comes twice counts twice."""
    made = AccountState.__init__

    def init(self: AccountState, *arguments: Any, **names: Any) -> None:
        made(self, *arguments, **names)
        self.trades = _Forgetful()

    return mock.patch.object(AccountState, "__init__", init)


def skip_protection() -> Patch:
    """The entry leaves without its brackets, and nobody looks."""
    whole = translate.place_request

    def bare(order: Any) -> Any:
        return whole(msgspec.structs.replace(order, stop_loss_ticks=None, take_profit_ticks=None))

    return _both(
        mock.patch.object(translate, "place_request", bare),
        mock.patch.object(step, "check_protection", return_value=[]),
    )


def _counted(*_: Any, **__: Any) -> None:
    return None


def reuse_tags() -> Patch:
    """Tags come from a counter of the process."""

    def next_tag(self: AccountState) -> str:
        self.seq += 1
        return f"wb-{self.account}-{self.seq}"

    seen = AccountState.view

    def view(self: AccountState, *arguments: Any, **names: Any) -> Any:
        return replace(seen(self, *arguments, **names), known_tags=frozenset())

    return _both(
        mock.patch.object(AccountState, "next_tag", next_tag),
        mock.patch.object(AccountState, "view", view),
        mock.patch.object(submit, "count_intent", side_effect=_counted),  # the counter of intents would notice, too
    )


def unknown_is_rejected() -> Patch:
    """No answer counts as a no."""
    answer = sender.place_answer

    def place_answer(at: int, tag: str, outcome: Any) -> Any:
        lost = isinstance(outcome, Unknown)
        return answer(at, tag, Rejected(code=0, name="Lost", reason="no answer") if lost else outcome)

    return mock.patch.object(sender, "place_answer", place_answer)


def believe_not_found() -> Patch:
    """What one reading does not show does not exist."""
    return _both(
        mock.patch.object(reconcile, "MISSES_TO_ABSENT", 1),
        mock.patch.object(reconcile, "BETWEEN_MISSES_NS", 0),
        mock.patch.object(reconcile, "LEAST_AGE_NS", 0),
    )


def enter_unread() -> Patch:
    """Entries pass before the broker has been read."""
    seen = AccountState.view

    def view(self: AccountState, *arguments: Any, **names: Any) -> Any:
        was, self.synced = self.synced, True
        try:
            return seen(self, *arguments, **names)
        finally:
            self.synced = was

    return mock.patch.object(AccountState, "view", view)


def keep_orphans() -> Patch:
    """Cancels are believed done and never sent, and nobody cleans up."""

    async def cancel(self: RestBroker, account_id: int, order_id: int) -> Any:
        return Accepted(order_id=order_id)

    return mock.patch.object(RestBroker, "cancel", cancel)


def forget_latch() -> Patch:
    """The stop is remembered in the process alone."""
    latched = stop.set_latch

    def set_latch(home: Any, **names: Any) -> Any:
        made = latched(home, **names)
        for path in home.path.rglob("stop.json"):
            path.unlink()
        return made

    return mock.patch.object(stop, "set_latch", set_latch)


def trade_on() -> Patch:
    """The runner does not look at the latch, and who should kill it does not."""
    return _both(
        mock.patch.object(runner.Runner, "latch", return_value=None),
        mock.patch.object(stop, "kill_process", return_value=True),
        mock.patch("tests.chaos.story.KILLS", False),
        mock.patch("workbench.storage.lock.AccountLock.acquire", return_value=None),
    )


def forget_fees() -> Patch:
    """Profit is counted before fees."""
    whole = translate.fill_of

    def fill_of(model: Any) -> Any:
        return msgspec.structs.replace(whole(model), fees=Decimal(0))

    return mock.patch.object(translate, "fill_of", fill_of)


def ignore_adopted_orders() -> Patch:
    """Orders that only the broker knows are not taken in."""
    whole = decider.step

    def deaf(state: AccountState, event: e.Event) -> Any:
        if isinstance(event, e.BrokerRead):
            known = [o for o in event.orders if o.order_id in state.key_of_id or o.tag in state.orders]
            event = msgspec.structs.replace(event, orders=known)
        if isinstance(event, e.OrderReported) and event.order.parent_id is not None:
            return []
        return whole(state, event)

    return mock.patch.object(decider, "step", deaf)


def send_while_journal_lags() -> Patch:
    """The record of a decision is written after it was sent: the crash in between forgets the order."""

    def decide(self: decider.Decider, event: e.Event) -> Any:
        commands = decider.step(self.state, event)
        if not any(isinstance(c, Approved) for c in commands):
            self.journal.append(event, [decider.journal_form(c) for c in commands])
        return commands

    return mock.patch.object(decider.Decider, "decide", decide)


@contextlib.contextmanager
def _both(*patches: Patch) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield


# bug -> (its patch, a word of the problem that must be found)
BUGS: dict[str, tuple[Callable[[], Patch], str]] = {
    "resend an order whose outcome is unknown": (resend_unknown, "was placed 2 times"),
    "send before the disk has it": (forget_sync, "is not in the journal"),
    "leave fills out of reconcile": (drop_fills, "fills are lost"),
    "count a repeated fill twice": (count_repeats, "the broker"),
    "skip protection": (skip_protection, "without its stops"),
    "use tags again": (reuse_tags, "times"),
    "take unknown for rejected": (unknown_is_rejected, ""),
    "believe one reading that does not find it": (believe_not_found, "was given up"),
    "enter before the broker was read": (enter_unread, "before the broker was read"),
    "keep orphaned exits": (keep_orphans, ""),
    "keep the latch in memory": (forget_latch, "latch"),
    "trade on after the stop": (trade_on, "after the stop"),
    "forget the fees": (forget_fees, "USD"),
    "ignore orders that only the broker knows": (ignore_adopted_orders, "working orders"),
    "journal after sending": (send_while_journal_lags, "journal"),
}
