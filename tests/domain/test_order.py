"""The life of an order: every cell of its table, and every interleaving of what a broker says."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import IllegalTransition
from workbench.domain.order import OPEN, STALE, TRANSITIONS, Order, OrderType, Side, Status, merge_report, move

MES = "CON.F.US.MES.Z26"


def order(status: Status = Status.SENT, **changes: object) -> Order:
    made = Order(account=1, contract=MES, side=Side.BUY, type=OrderType.LIMIT, qty=3, tag="t1", status=status)
    return msgspec.structs.replace(made, **changes)


# From a status to the reports that move it, written out by hand from the life of an order at the gateway.
MOVES = {
    "sent": "unknown absent pending working suspended filled canceled expired rejected",
    "unknown": "absent pending working suspended filled canceled expired rejected",
    "pending": "working suspended filled canceled expired rejected",
    "suspended": "working filled canceled expired rejected",
    "working": "filled canceled expired rejected",
    "canceled": "filled",
    "expired": "filled",
    "absent": "pending working suspended filled canceled expired rejected",
    "filled": "",
    "rejected": "",
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Status, Status)))
def test_every_cell_moves_stays_or_is_impossible(old: Status, new: Status) -> None:
    before = order(old)
    if str(new) in MOVES[old].split():
        assert move(before, new).status is new
    elif new is old or new in STALE[old]:
        assert move(before, new) is before
    else:
        with pytest.raises(IllegalTransition, match="locked and reconciled"):
            move(before, new)


def test_no_cell_is_both_a_move_and_stale() -> None:
    for status in Status:
        assert not TRANSITIONS[status] & STALE[status]


def test_done_orders_have_nothing_left_to_fill() -> None:
    for status in Status:
        assert order(status, filled=1).remaining == (2 if status in OPEN else 0)


def test_remaining_is_signed_by_side() -> None:
    assert order(side=Side.SELL, filled=1).signed_remaining == -2
    assert order(side=Side.BUY).signed_remaining == 3


def test_a_fill_that_crosses_our_cancel_still_counts() -> None:
    canceled = merge_report(order(Status.WORKING), order(Status.CANCELED, updated_at=10))
    filled = merge_report(canceled, order(Status.FILLED, filled=3, updated_at=9))
    assert (filled.status, filled.filled) == (Status.FILLED, 3)


def test_a_part_fill_known_late_counts_on_a_canceled_order() -> None:
    canceled = merge_report(order(Status.WORKING), order(Status.CANCELED, updated_at=10))
    late = merge_report(canceled, order(Status.WORKING, filled=1, updated_at=8))
    assert (late.status, late.filled, late.remaining) == (Status.CANCELED, 1, 0)


def test_filled_quantity_never_falls() -> None:
    part = merge_report(order(Status.WORKING), order(Status.WORKING, filled=2, updated_at=5))
    assert merge_report(part, order(Status.WORKING, filled=1, updated_at=6)).filled == 2


def test_older_news_does_not_bring_an_old_price_back() -> None:
    moved = merge_report(order(Status.PENDING), order(Status.PENDING, limit_ticks=105, updated_at=20))
    late = merge_report(moved, order(Status.WORKING, limit_ticks=100, updated_at=10))
    assert (late.status, late.limit_ticks, late.updated_at) == (Status.WORKING, 105, 20)


def test_what_is_ours_stays_ours_when_the_broker_reports_without_it() -> None:
    ours = order(Status.SENT, strategy="v1", rule="entry.long")
    report = order(Status.WORKING, order_id=9, tag=None, updated_at=3)
    merged = merge_report(ours, report)
    assert (merged.tag, merged.strategy, merged.rule, merged.order_id) == ("t1", "v1", "entry.long", 9)


def test_a_working_order_after_a_refusal_is_impossible_and_not_ignored() -> None:
    refused = order(Status.REJECTED, updated_at=5)
    assert merge_report(refused, order(Status.WORKING, updated_at=4)).status is Status.REJECTED  # late news
    with pytest.raises(IllegalTransition):
        merge_report(refused, order(Status.WORKING, updated_at=6))


# --- statement 18: any interleaving ends in the same state ------------------------------------------------------------

LIVES = {
    "filled": [(Status.PENDING, 0, 100), (Status.WORKING, 0, 101), (Status.WORKING, 1, 101), (Status.FILLED, 3, 101)],
    "canceled": [(Status.PENDING, 0, 100), (Status.WORKING, 1, 100), (Status.WORKING, 1, 99), (Status.CANCELED, 1, 99)],
    "crossed": [(Status.WORKING, 0, 100), (Status.CANCELED, 0, 100), (Status.FILLED, 3, 100)],
    "refused": [(Status.PENDING, 0, 100), (Status.REJECTED, 0, 100)],
    "expired": [(Status.WORKING, 0, 100), (Status.WORKING, 2, 100), (Status.EXPIRED, 2, 100)],
    "leg": [(Status.SUSPENDED, 0, 100), (Status.WORKING, 0, 100), (Status.CANCELED, 0, 100)],
}


@given(life=st.sampled_from(sorted(LIVES)), data=st.data())
def test_any_interleaving_of_reports_with_repeats_ends_in_the_same_order(life: str, data: st.DataObject) -> None:
    reports = [
        order(status, order_id=9, filled=filled, limit_ticks=limit, updated_at=10 + n, created_at=10)
        for n, (status, filled, limit) in enumerate(LIVES[life])
    ]
    expected = order(reports[-1].status, order_id=9, filled=reports[-1].filled, limit_ticks=reports[-1].limit_ticks)
    expected = msgspec.structs.replace(expected, updated_at=reports[-1].updated_at, created_at=10)
    repeats = data.draw(st.lists(st.sampled_from(reports), max_size=5))
    told = data.draw(st.permutations(reports + repeats))
    now = order(Status.SENT)
    for report in told:
        now = merge_report(now, report)
    assert now == expected
