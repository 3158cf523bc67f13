"""Laws of the fold: whatever is lost, repeated or turned round, the end is the broker's; reconciling is idempotent."""

from __future__ import annotations

import copy
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.fake_broker import ACCOUNT, MES, MORNING, START, FakeBroker, Ride, Script, enter
from tests.execution.scenes import in_position
from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.domain.position import Fill, Position, apply_fill
from workbench.execution.fills import earned_by
from workbench.execution.state import AccountState
from workbench.execution.step import step
from workbench.risk.limits import Limits

sizes = st.integers(1, 4)
trades = st.lists(st.tuples(st.sampled_from((1, -1)), sizes, st.integers(-40, 40)), min_size=1, max_size=12)


def half_turns(moves: list[tuple[int, int, int]]) -> list[Fill]:
    return [
        Fill(
            trade_id=100 + i, order_id=10 + i, account=ACCOUNT, contract=MES, qty=side * qty, ticks=START + ticks,
            at=MORNING + i * SECOND, fees=Decimal("0.37") * qty,
        )
        for i, (side, qty, ticks) in enumerate(moves)
    ]  # fmt: skip


def folded(fills: list[Fill]) -> Position:
    position = Position(account=ACCOUNT, contract=MES)
    for fill in fills:
        position = apply_fill(position, fill)
    return position


def reading(fills: list[Fill], told: list[Fill], now: int) -> e.BrokerRead:
    """What the broker shows when its trade list holds `told` of all `fills`; the position is always the true one."""
    truth = folded(fills)
    average = float(truth.average_ticks or 0) / 4
    position = e.PositionReported(at=now, account=ACCOUNT, contract=MES, qty=truth.qty, average_price=average)
    return e.BrokerRead(
        at=now, account=ACCOUNT, since=0, until=now, balance=Decimal(50_000), can_trade=True, orders=[], fills=told,
        positions=[position] if truth.qty else [],
    )  # fmt: skip


def fresh() -> AccountState:
    state = AccountState(ACCOUNT, Limits(), lambda *_: Script({}))
    step(state, e.RunnerStarted(at=MORNING, epoch=1, uid="abc"))
    return state


# --- 22: quantity equal, average within one tick ----------------------------------------------------------------------


@pytest.mark.statement(22)
@given(trades, st.integers(0, 12), st.booleans())
@settings(max_examples=150, deadline=None)
def test_after_any_lost_suffix_quantity_and_average_are_the_brokers(
    moves: list[tuple[int, int, int]], heard: int, listed: bool
) -> None:
    fills = half_turns(moves)
    state, now = fresh(), MORNING + 60 * SECOND
    step(state, reading([], [], MORNING))
    for fill in fills[:heard]:
        step(state, e.FillReported(at=fill.at, fill=fill))
    for number in range(3):  # the trade list has the rest, or never gets it: then two readings adopt the position
        at = now + number * 6 * SECOND
        step(state, reading(fills, fills if listed else fills[:heard], at))
    truth, book = folded(fills), state.book(MES)
    assert book.qty == truth.qty and not book.locked
    if truth.qty:
        assert abs((book.position.average_ticks or 0) - (truth.average_ticks or 0)) <= 1
    assert sum(held.qty for held in book.ledgers.values()) == book.qty


# --- 9: reconciling twice is reconciling once -------------------------------------------------------------------------


def digest(state: AccountState) -> dict[str, object]:
    """Everything that a decision may hang on, apart from the time of the last look."""
    kept = {name: value for name, value in vars(state).items() if name not in ("now", "rules", "limits", "risk")}
    return copy.deepcopy(kept)


@pytest.mark.statement(9)
@given(trades, st.integers(0, 12), st.booleans())
@settings(max_examples=100, deadline=None)
def test_reading_twice_changes_nothing_the_second_time(
    moves: list[tuple[int, int, int]], heard: int, listed: bool
) -> None:
    fills, state, now = half_turns(moves), fresh(), MORNING + 60 * SECOND
    for fill in fills[:heard]:
        step(state, e.FillReported(at=fill.at, fill=fill))
    event = reading(fills, fills if listed else fills[:heard], now)
    step(state, event)
    once = digest(state)
    assert step(state, event) == [] and digest(state) == once


@pytest.mark.statement(9)
@pytest.mark.parametrize("scene", ["flat", "position", "external", "separate"])
def test_a_second_start_gives_the_state_of_one(scene: str) -> None:
    if scene == "separate":
        ride = Ride(broker=FakeBroker(brackets=False)).start(bracket_mode="position")
        ride.bar(enter(1, 2))
        ride.settle()
    else:
        ride = in_position() if scene == "position" else Ride().start()
    if scene == "external":
        ride.broker.external(Side.BUY, 1)
        ride.settle()
    ends = []
    for epoch in (2, 3):
        ride.restart(epoch)
        ride.settle()
        state = digest(ride.state)
        for name in ("epoch", "uid", "seq", "sessions"):
            state.pop(name)
        ends.append(state)
    assert ends[0] == ends[1] and not ride.outgoing


# --- 18: any interleaving ends in the same state ----------------------------------------------------------------------


def life(qty: int, parts: list[int], end: str, change: int | None) -> tuple[list[e.Event], int]:
    """The reports of one order of ours from its acceptance on, and what it fills in all.

    A life is: pending, working, perhaps another price, part fills, and an end: filled, cancelled, or a cancel that a
    last fill crosses.
    """
    order = Order(
        account=ACCOUNT, contract=MES, side=Side.BUY, type=OrderType.LIMIT, qty=qty, order_id=7, tag="t1",
        limit_ticks=START, created_at=MORNING,
    )  # fmt: skip
    events: list[e.Event] = []
    stamp = MORNING

    def tell(**changes: object) -> None:
        nonlocal order, stamp
        stamp += SECOND
        order = msgspec.structs.replace(order, updated_at=stamp, **changes)
        events.append(e.OrderReported(at=MORNING, order=order))

    tell(status=Status.PENDING)
    tell(status=Status.WORKING)
    if change is not None:
        tell(limit_ticks=START + change)
    done = 0
    for number, part in enumerate(parts):
        take = min(part, qty - done)
        if not take or (end == "cancelled" and done + take == qty):
            break
        done += take
        fill = Fill(
            trade_id=50 + number, order_id=7, account=ACCOUNT, contract=MES, qty=take, ticks=START, at=stamp + 1
        )
        events.append(e.FillReported(at=MORNING, fill=fill))
        tell(filled=done, status=Status.FILLED if done == qty else Status.WORKING)
    if done < qty:
        tell(status=Status.CANCELED)
        if end == "crossed":
            fill = Fill(
                trade_id=90, order_id=7, account=ACCOUNT, contract=MES, qty=qty - done, ticks=START, at=stamp + 1
            )
            events.append(e.FillReported(at=MORNING, fill=fill))
            tell(filled=qty, status=Status.FILLED)
            done = qty
    return events, done


@pytest.mark.statement(18)
@pytest.mark.statement(5)
@given(data=st.data(), qty=sizes, parts=st.lists(sizes, max_size=4), end=st.sampled_from(("cancelled", "crossed")),
       change=st.none() | st.integers(-5, 5), lost=st.booleans())  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_order_and_number_of_reports_ends_in_the_same_state(
    data: st.DataObject, qty: int, parts: list[int], end: str, change: int | None, lost: bool
) -> None:
    events, done = life(qty, parts, end, change)
    outcome = "unknown" if lost else "accepted"
    answer = e.PlaceAnswered(at=MORNING, tag="t1", outcome=outcome, order_id=None if lost else 7)
    told = data.draw(st.permutations([answer, *events, *data.draw(st.lists(st.sampled_from(events), max_size=5))]))
    ends = []
    for order in ([answer, *events], told):
        state = fresh()
        step(state, reading([], [], MORNING))
        sent = Order(
            account=ACCOUNT, contract=MES, side=Side.BUY, type=OrderType.LIMIT, qty=qty, tag="t1", limit_ticks=START,
            created_at=MORNING, strategy="v1", rule="entry.long", session="s1",
        )  # fmt: skip
        state.orders["t1"] = sent
        for event in order:
            step(state, event)
        ours, book = state.orders["t1"], state.book(MES)
        assert list(state.orders) == ["t1"] and not book.locked
        ends.append((ours, book.position, book.uncounted, earned_by(state, MES, "s1")))
    assert ends[0] == ends[1]
    assert ends[0][1].qty == done == ends[0][0].filled
    assert ends[0][0].status is (Status.FILLED if done == qty else Status.CANCELED)


# --- exact money ------------------------------------------------------------------------------------------------------


@given(trades, st.integers(-100, 100))
@settings(max_examples=100, deadline=None)
def test_profit_is_the_cash_that_flowed_plus_what_is_open(moves: list[tuple[int, int, int]], last: int) -> None:
    fills, state = half_turns(moves), fresh()
    step(state, reading([], [], MORNING))
    for fill in fills:
        step(state, e.FillReported(at=fill.at, fill=fill))
    step(state, e.PriceSeen(at=MORNING + 60 * SECOND, contract=MES, price=(START + last) / 4))
    qty = sum(f.qty for f in fills)
    cash = -sum(f.qty * f.ticks for f in fills) * Decimal("1.25") - sum(f.fees for f in fills)
    expected = cash + qty * (START + last) * Decimal("1.25")
    total = state.total_usd()
    assert total is not None and abs(total - expected) < Decimal("1e-8")
    assert abs((earned_by(state, MES).net or 0) - expected) < Decimal("1e-8")


@given(trades, st.data())
@settings(max_examples=100, deadline=None)
def test_voiding_any_trades_leaves_what_a_count_without_them_gives(
    moves: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    fills, state = half_turns(moves), fresh()
    step(state, reading([], [], MORNING))
    for fill in fills:
        step(state, e.FillReported(at=fill.at, fill=fill))
    voided = data.draw(st.lists(st.sampled_from(fills), unique_by=lambda f: f.trade_id))
    for fill in voided:
        step(state, e.FillReported(at=MORNING + 60 * SECOND, fill=msgspec.structs.replace(fill, voided=True)))
    left = folded([f for f in fills if f not in voided])
    book = state.book(MES)
    step(state, e.PriceSeen(at=MORNING + 60 * SECOND, contract=MES, price=START / 4))
    assert (book.qty, book.position.fees) == (left.qty, left.fees)
    expected = (left.realized_ticks + left.open_ticks(START)) * Decimal("1.25") - left.fees
    assert abs((state.total_usd() or 0) - expected) < Decimal("1e-8")
    assert sum(held.qty for held in book.ledgers.values()) == book.qty
