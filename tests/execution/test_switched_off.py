"""Mutation check: each piece of safety is switched off in turn, and a named scene must then break.

A scene that passes with its piece switched off proves nothing, and a piece without a scene protects nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.execution import scenes, test_leaving, test_step, test_truth
from tests.execution.fake_broker import ACCOUNT, MES, MORNING, START, Ride, bar_closed, enter
from tests.services import test_decider
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.domain.commands import PlaceOrder
from workbench.domain.order import OrderType, Side, Status
from workbench.execution import flatten, orders, reconcile, sessions, state, submit
from workbench.execution import step as stepping
from workbench.risk import gate
from workbench.risk.gate import Approved, Code, Refused
from workbench.risk.limits import Limits
from workbench.services import decider

Patch = pytest.MonkeyPatch


class Forgetful(set):
    """A set that takes everything and knows nothing."""

    def __contains__(self, item: object) -> bool:
        return False


class Uncounted(dict):
    """A count that stays at nothing."""

    def __contains__(self, key: object) -> bool:
        return False

    def get(self, key: object, default: object = None) -> object:
        return default


def without(code: Code) -> Callable[[Patch], None]:
    """Let through what the gate refuses for `code`."""
    real = gate.check

    def check(command: PlaceOrder, view: gate.View, limits: Limits) -> Approved | Refused:
        verdict = real(command, view, limits)
        if isinstance(verdict, Refused) and verdict.code is code:
            return Approved(command, False, gate._SEAL)
        return verdict

    return lambda patch: patch.setattr(submit, "check", check)


def setting(owner: object, name: str, value: object) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


# --- one scene for each row of the gate: something is wrong, and nothing may leave -----------------------------------


def nothing_leaves(ride: Ride, **order: object) -> None:
    asked = e.ManualOrderRequested(
        at=ride.now, request="r", contract=MES, side=Side.BUY, type=OrderType.MARKET, qty=1, person="ann"
    )
    ride.outgoing.clear()
    ride.feed(msgspec.structs.replace(asked, **order))
    assert not ride.outgoing


def started(**limits: object) -> Ride:
    return Ride(Limits(**limits)).start()  # type: ignore[arg-type]


def halted() -> None:
    ride = started()
    ride.feed(e.Halted(at=ride.now, reason="stop latch"))
    nothing_leaves(ride)


def position_never_read() -> None:
    ride = Ride()
    ride.feed(e.RunnerStarted(at=ride.now, epoch=1, uid="abc"))
    nothing_leaves(ride)


def instrument_locked() -> None:
    ride = started()
    ride.feed(msgspec.structs.replace(ride.broker.position(), qty=0))
    orders.lock(ride.state, MES, "a person must look")
    nothing_leaves(ride)


def outcome_unknown() -> None:
    ride = started()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    nothing_leaves(ride)


def equity_unknown() -> None:
    ride = scenes.in_position()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=float("nan")))
    nothing_leaves(ride)


def account_locked_by_the_firm() -> None:
    ride = started()
    ride.feed(e.AccountReported(at=ride.now, account=ACCOUNT, name="x", balance=Decimal(1), can_trade=False))
    nothing_leaves(ride)


def day_is_lost() -> None:
    ride = scenes.in_position()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=5000.0))  # 2 × −4,000 × 1.25 = −10,000
    nothing_leaves(ride)


def too_many_orders_work() -> None:
    ride = started(max_open_orders=2, max_position=50)
    for _ in range(2):
        ride.broker._new(MES, Side.SELL, OrderType.LIMIT, 1, Status.WORKING, limit_ticks=START + 400)
    ride.hear()
    nothing_leaves(ride)


def too_many_orders_a_minute() -> None:
    ride = started(max_orders_per_minute=2, max_position=50)
    for number in range(2):
        ride.feed(scenes.manual(ride, f"m{number}"))
    nothing_leaves(ride)


def a_tag_comes_again() -> None:
    ride = started(max_position=50)
    ride.feed(scenes.manual(ride, "m1"))
    ride.settle()
    ride.state.seq = 0
    ride.feed(scenes.manual(ride, "m2"))
    ride.settle()  # the broker asserts that no tag comes twice
    assert ride.said("duplicate_tag")  # the counter of the intent would have held it, too


GATE: dict[Code, Callable[[], None]] = {
    Code.HALTED: halted,
    Code.UNKNOWN_POSITION: position_never_read,
    Code.INSTRUMENT_LOCKED: instrument_locked,
    Code.UNRESOLVED_ORDER: outcome_unknown,
    Code.BAD_QUANTITY: lambda: nothing_leaves(started(), qty=0),
    Code.BAD_PRICE: lambda: nothing_leaves(started(), type=OrderType.LIMIT),
    Code.PRODUCT: lambda: nothing_leaves(started(products=("EP",))),
    Code.ORDER_SIZE: lambda: nothing_leaves(started(max_order_qty=2), qty=3),
    Code.POSITION: lambda: nothing_leaves(started(max_position=2), qty=3),
    Code.OPEN_ORDERS: too_many_orders_work,
    Code.ORDER_RATE: too_many_orders_a_minute,
    Code.DAILY_LOSS: day_is_lost,
    Code.UNKNOWN_EQUITY: equity_unknown,
    Code.CANNOT_TRADE: account_locked_by_the_firm,
    Code.DUPLICATE_TAG: a_tag_comes_again,
}


def test_every_row_of_the_gate_has_a_scene() -> None:
    assert set(GATE) <= set(Code)


@pytest.mark.parametrize("code", list(GATE))
def test_a_row_of_the_gate_that_is_switched_off_breaks_its_scene(code: Code, monkeypatch: Patch) -> None:
    GATE[code]()
    without(code)(monkeypatch)
    with pytest.raises(AssertionError):
        GATE[code]()


# --- the other pieces ------------------------------------------------------------------------------------------------


def a_warm_up_bar_trades_nothing() -> None:
    ride = started()
    end = MORNING - 60 * MINUTE
    ride.signals[end] = msgspec.structs.replace(enter(1), at=end)
    ride.state.sessions["s1"].started_at = 0  # the bar is old, not only older than the session
    ride.feed(bar_closed(end, 6000.0, at=ride.now))
    assert not ride.outgoing


def a_foreign_order_with_our_tag_is_not_ours() -> None:
    ride = started()
    ride.bar(enter(1))
    (tag,) = ride.state.orders
    ride.broker._new(MES, Side.SELL, OrderType.LIMIT, 3, Status.WORKING, tag=tag, limit_ticks=START)
    ride.hear()
    assert ride.state.orders[tag].status is Status.SENT


def cancel_is_skipped(state: object, book: state.Book, way: object) -> list:
    return flatten._close(state, book, way)  # type: ignore[arg-type]


def repeats_are_counted(patch: Patch) -> None:
    real = state.AccountState.__init__

    def forgetful(self: state.AccountState, *args: object) -> None:
        real(self, *args)  # type: ignore[arg-type]
        self.trades, self.requests, self.intents = Forgetful(), Forgetful(), Uncounted()

    patch.setattr(state.AccountState, "__init__", forgetful)


def a_close_is_repeated_on_any_reading(patch: Patch) -> None:
    patch.setattr(reconcile, "SETTLES_NS", -(10**18))
    patch.setattr(reconcile, "market_works", lambda *_: False)


PIECES: dict[str, tuple[Callable[[Patch], None], Callable[[], None]]] = {
    "a stale bar is not traded": (setting(sessions, "_is_fresh", lambda *_: True), a_warm_up_bar_trades_nothing),
    "a trade counts once": (repeats_are_counted, test_truth.test_a_fill_repeated_by_stream_and_reading_counts_once),
    "a request counts once": (repeats_are_counted, test_step.test_a_double_click_is_one_order),
    "a position is protected": (
        setting(stepping, "check_protection", lambda *_: []),
        test_leaving.test_a_position_whose_stop_never_works_is_flattened_in_time,
    ),
    "cancel comes before close": (
        setting(flatten, "_cancel", cancel_is_skipped),
        test_leaving.test_flatten_cancels_waits_and_only_then_closes,
    ),
    "nobody closes twice": (
        a_close_is_repeated_on_any_reading,
        test_leaving.test_a_reading_from_before_the_close_does_not_close_twice,
    ),
    "a guessed position is not traded on": (
        setting(state.Book, "is_sure", True),
        test_step.test_no_second_entry_while_the_trade_of_the_first_is_missing,
    ),
    "one entry at a time": (
        setting(sessions, "_order_works", lambda *_: False),
        test_step.test_no_second_entry_while_the_first_is_under_way,
    ),
    "orphans are cancelled": (
        setting(stepping, "cancel_orphans", lambda *_: []),
        test_leaving.test_an_orphaned_exit_is_cancelled_and_blocks_entries_until_then,
    ),
    "a lasting difference locks": (
        setting(stepping, "check_difference", lambda *_: []),
        test_truth.test_a_difference_locks_after_it_had_time_to_settle_and_unlocks_when_equal,
    ),
    "absent needs time": (
        setting(reconcile, "BETWEEN_MISSES_NS", 0),
        test_truth.test_absent_needs_three_readings_some_time_apart,
    ),
    "an unanswered order is asked for": (
        setting(stepping, "mark_unanswered", lambda order: order),
        lambda: test_truth.test_an_order_whose_answer_died_with_the_runner_ends_as_the_broker_has_it("never"),
    ),
    "a lost hub blocks entries": (
        lambda patch: patch.setitem(stepping.HANDLERS, e.StreamChanged, lambda *_: []),
        test_truth.test_while_the_user_hub_is_down_and_until_the_broker_was_read_nothing_is_entered,
    ),
    "a tag alone does not make an order ours": (
        setting(orders, "find_key", lambda state, report: report.tag if report.tag in state.orders else None),
        a_foreign_order_with_our_tag_is_not_ours,
    ),
    "the balance tells of lost fills": (
        setting(reconcile, "_explain_balance", lambda *_: None),
        test_truth.test_an_adopted_position_does_not_hide_the_loss_that_its_lost_fills_made,
    ),
}


@pytest.mark.parametrize("piece", sorted(PIECES))
def test_a_piece_that_is_switched_off_breaks_its_scene(piece: str, monkeypatch: Patch) -> None:
    switch, scene = PIECES[piece]
    scene()
    switch(monkeypatch)
    with pytest.raises((AssertionError, ValueError)):
        scene()


def test_sending_before_the_disk_has_it_is_noticed(tmp_path: Path, monkeypatch: Patch) -> None:
    def scene(folder: Path) -> None:
        desk = test_decider.Desk(folder)
        desk.start()
        test_decider.test_an_order_is_on_the_disk_before_anybody_can_send_it(desk)

    scene(tmp_path / "on")
    monkeypatch.setattr(decider, "SENDS", ())
    with pytest.raises(AssertionError):
        scene(tmp_path / "off")


def test_sending_after_the_journal_failed_is_noticed(tmp_path: Path, monkeypatch: Patch) -> None:
    def scene(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            desk = test_decider.Desk(folder)
            desk.start()
            test_decider.test_an_order_whose_record_did_not_reach_the_disk_was_never_sent(desk, patch)

    scene(tmp_path / "on")
    monkeypatch.setattr(decider.Decider, "_without_entries", lambda self, at, commands, error: commands)
    with pytest.raises(AssertionError):
        scene(tmp_path / "off")
