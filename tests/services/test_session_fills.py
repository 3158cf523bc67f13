"""Whose a fill is: by the order that made it, else by the position that it closed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.execution.fake_broker import ACCOUNT, MES
from workbench.domain import events as e
from workbench.domain.commands import PlaceOrder
from workbench.domain.order import Order, OrderType, Side
from workbench.domain.position import Fill
from workbench.services.session_fills import NOBODY, Told, share_out
from workbench.storage.journal import Record

pytestmark = pytest.mark.statement(49)
A_ENTRY, A_LEG, B_ENTRY, STRANGE, STRANGE_TOO = 1, 2, 3, 8, 9
SESSIONS = {A_ENTRY: "a", A_LEG: "a", B_ENTRY: "b"}


def fill(number: int, order: int, qty: int, fees: str = "0.37") -> Fill:
    return Fill(
        trade_id=number,
        order_id=order,
        account=ACCOUNT,
        contract=MES,
        qty=qty,
        ticks=100,
        at=number,
        fees=Decimal(fees),
    )


def shared(*fills: Fill) -> dict[str, list[tuple[int, int]]]:
    """Trade and contracts, by session."""
    return {name: [(f.trade_id, f.qty) for f in own] for name, own in share_out(fills, SESSIONS).items()}


def test_a_strange_order_that_closes_a_session_is_its_own_and_what_it_does_later_is_not() -> None:
    assert shared(fill(1, A_ENTRY, 1), fill(2, STRANGE, -1), fill(3, STRANGE, 1), fill(4, STRANGE, -1)) == {
        "a": [(1, 1), (2, -1)], NOBODY: [(3, 1), (4, -1)],
    }  # fmt: skip


def test_the_close_of_one_session_is_never_that_of_the_next() -> None:
    assert shared(fill(1, A_ENTRY, 1), fill(2, STRANGE, -1), fill(3, B_ENTRY, -2), fill(4, STRANGE_TOO, 2)) == {
        "a": [(1, 1), (2, -1)], "b": [(3, -2), (4, 2)],
    }  # fmt: skip


def test_a_fill_that_closes_for_two_is_shared_by_contracts_with_its_fees() -> None:
    # a holds 2, a person 1; the close of all three costs 0.90
    out = share_out([fill(1, A_ENTRY, 2), fill(2, STRANGE, 1), fill(3, STRANGE_TOO, -3, "0.90")], SESSIONS)
    assert [(f.qty, f.fees) for f in out["a"]] == [(2, Decimal("0.37")), (-2, Decimal("0.60"))]
    assert [(f.qty, f.fees) for f in out[NOBODY]] == [(1, Decimal("0.37")), (-1, Decimal("0.30"))]


def test_a_leg_closes_its_own_session_whatever_a_person_holds() -> None:
    assert shared(fill(1, A_ENTRY, 1), fill(2, STRANGE, 1), fill(3, A_LEG, -1), fill(4, STRANGE, -1)) == {
        "a": [(1, 1), (3, -1)], NOBODY: [(2, 1), (4, -1)],
    }  # fmt: skip


def test_what_was_closed_unseen_takes_nothing_from_who_enters_later() -> None:
    # the sale of the person's contract is on no record; the last fill closes the session's
    assert shared(fill(1, STRANGE, 1), fill(2, A_ENTRY, 1), fill(3, STRANGE_TOO, -1)) == {
        NOBODY: [(1, 1)], "a": [(2, 1), (3, -1)],
    }  # fmt: skip


def test_the_journal_tells_whose_an_order_and_its_legs_are_and_which_trades_were_taken_back() -> None:
    told = Told()
    sent = PlaceOrder(account=ACCOUNT, contract=MES, tag="t1", side=Side.BUY, type=OrderType.MARKET, qty=1, session="a")
    leg = Order(
        account=ACCOUNT,
        contract=MES,
        side=Side.SELL,
        type=OrderType.STOP,
        qty=1,
        order_id=2,
        parent_id=1,
        stop_ticks=90,
    )
    bar = e.BarClosed(
        at=1, contract=MES, timeframe="1m", start=0, end=1, open=1, high=1, low=1, close=1, volume=1
    )  # fmt: skip
    told.take(Record(bar, [sent]))
    told.take(Record(e.PlaceAnswered(at=2, tag="t1", outcome="accepted", order_id=1), []))
    told.take(Record(e.OrderReported(at=3, order=leg), []))
    told.take(Record(e.FillReported(at=4, fill=fill(1, 1, 1)), []))
    gone = Fill(trade_id=2, order_id=2, account=ACCOUNT, contract=MES, qty=-1, ticks=90, at=5, voided=True)
    for each in (fill(2, 2, -1), gone, fill(2, 2, -1)):
        told.take(Record(e.FillReported(at=5, fill=each), []))
    assert told.sessions() == {1: "a", 2: "a"} and list(told.fills) == [1]
