"""An order whose fate is unknown: asked for by tag, by id, by trades and by position, and never guessed."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, FEE, MES, START, FakeBroker, Ride, enter
from tests.execution.scenes import in_position
from workbench.domain import events as e
from workbench.domain.commands import Alert, ReadBroker
from workbench.domain.order import Order, OrderType, Side, Status
from workbench.domain.position import Fill
from workbench.execution.fills import earned_by
from workbench.risk.gate import Approved
from workbench.risk.limits import Limits

pytestmark = pytest.mark.statement(17)


def lost() -> tuple[Ride, str]:
    """A session's entry whose answer was lost and which never arrived."""
    ride = Ride().start()
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    ride.send()
    ride.reads = 0
    (tag,) = ride.state.orders
    return ride, tag


def read_after(ride: Ride, seconds: float, **changes: object) -> None:
    ride.wait(seconds)
    ride.reads = 0
    ride.feed(msgspec.structs.replace(ride.broker.read(), **changes))


@pytest.mark.statement(15)
def test_an_order_that_was_accepted_without_an_id_is_unknown_and_may_turn_out_never_to_have_been() -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    (tag,) = ride.state.orders
    ride.outgoing.clear()
    ride.feed(e.PlaceAnswered(at=ride.now, tag=tag, outcome="accepted"))
    assert ride.state.orders[tag].status is Status.UNKNOWN and ride.reads
    for _ in range(4):
        read_after(ride, 6.0)
    assert ride.state.orders[tag].status is Status.ABSENT
    assert ride.said("without an order id")


@pytest.mark.statement(15)
@pytest.mark.parametrize("words", ["time-out", "connection reset", "HTTP 502", "unreadable body", "code 7"])
def test_whatever_was_lost_the_order_is_unknown_and_nothing_is_entered(words: str) -> None:
    ride = Ride().start()
    ride.bar(enter(1))
    (approved,) = ride.outgoing
    ride.outgoing.clear()
    tag = approved.command.tag  # type: ignore[union-attr]
    ride.feed(e.PlaceAnswered(at=ride.now, tag=tag, outcome="unknown", reason=words))
    assert ride.state.orders[tag].status is Status.UNKNOWN
    ride.feed(e.ManualOrderRequested(at=ride.now, request="m", contract=MES, side=0, type=OrderType.MARKET, qty=1))
    assert not ride.outgoing and ride.said("unresolved_order")


def test_three_readings_of_a_young_order_are_not_enough() -> None:
    ride, tag = lost()
    ride.state.pace = 1.0
    ride.state.orders[tag] = msgspec.structs.replace(ride.state.orders[tag], created_at=ride.now + 8 * 10**9)
    for _ in range(3):
        read_after(ride, 5.1)
    assert ride.state.orders[tag].status is Status.UNKNOWN
    for _ in range(3):
        read_after(ride, 5.1)
    assert ride.state.orders[tag].status is Status.ABSENT


def test_a_trade_that_belongs_to_no_order_shown_keeps_it_unknown_and_locks() -> None:
    ride, tag = lost()
    strange = Fill(trade_id=900, order_id=901, account=ACCOUNT, contract=MES, qty=1, ticks=START, at=ride.now + 1)
    position = e.PositionReported(at=ride.now, account=ACCOUNT, contract=MES, qty=1, average_price=START / 4)
    for _ in range(8):
        read_after(ride, 6, fills=[strange], positions=[position])
    assert ride.state.orders[tag].status is Status.UNKNOWN
    assert "trade 900 (+1) belongs to no order" in ride.state.book(MES).locked
    assert ride.state.book(MES).qty == 1  # the trade counts all the same


def test_a_position_that_changed_without_a_trade_keeps_it_unknown() -> None:
    ride, tag = lost()
    read_after(ride, 6)
    read_after(ride, 6)
    position = e.PositionReported(at=ride.now, account=ACCOUNT, contract=MES, qty=1, average_price=START / 4)
    read_after(ride, 6, positions=[position])
    assert ride.state.orders[tag].status is Status.UNKNOWN
    assert "the broker's position is +1 and ours +0" in ride.state.book(MES).locked


def test_an_order_with_an_id_that_is_not_shown_while_the_position_differs_is_not_called_cancelled() -> None:
    ride = Ride().start()
    ride.feed(
        e.ManualOrderRequested(
            at=ride.now, request="m", contract=MES, side=0, type=OrderType.LIMIT, qty=1, limit_ticks=START - 9
        )
    )
    ride.settle()
    (order,) = ride.state.open_orders(MES)
    position = e.PositionReported(at=ride.now, account=ACCOUNT, contract=MES, qty=2, average_price=START / 4)
    for _ in range(3):
        read_after(ride, 6, orders=[], positions=[position], fills=[])
        position = msgspec.structs.replace(position, qty=position.qty + 1)  # never twice the same: nothing is adopted
    assert ride.state.orders[order.tag or ""].is_open and "no longer" not in " ".join(a.text for a in ride.alerts)


def test_a_failed_reading_is_never_taken_as_flat() -> None:
    ride = in_position()
    ride.feed(e.RunnerStarted(at=ride.now, epoch=2, uid="b"))
    for _ in range(5):  # the reading fails again and again: no event comes of it
        ride.wait(6)
    assert ride.state.book(MES).qty == 2 and not ride.state.synced


@pytest.mark.statement(21)
def test_until_orders_fills_and_positions_were_read_only_the_operator_can_close() -> None:
    ride = Ride()
    ride.feed(e.RunnerStarted(at=ride.now, epoch=1, uid="abc"))
    ride.start_session()
    ride.reads = 0
    ride.state.synced = False
    ride.bar(enter(1))
    ride.feed(e.ManualOrderRequested(at=ride.now, request="m", contract=MES, side=0, type=OrderType.MARKET, qty=1))
    assert not ride.outgoing and ride.said("unknown_position")
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="by hand"))
    assert [type(c).__name__ for c in ride.outgoing] == ["ClosePosition"]


@pytest.mark.statement(25)
@pytest.mark.parametrize("what", ["order", "fill", "position", "account", "reading"])
def test_a_report_of_another_account_changes_nothing(what: str) -> None:
    ride = in_position()
    other = ACCOUNT + 1
    order = msgspec.structs.replace(ride.broker.leg(OrderType.STOP), account=other, status=Status.CANCELED)
    fill = Fill(trade_id=900, order_id=1, account=other, contract=MES, qty=-2, ticks=START, at=ride.now)
    event = {
        "order": e.OrderReported(at=ride.now, order=order),
        "fill": e.FillReported(at=ride.now, fill=fill),
        "position": msgspec.structs.replace(ride.broker.position(), account=other, qty=9),
        "account": e.AccountReported(at=ride.now, account=other, name="x", balance=Decimal(1), can_trade=False),
        "reading": msgspec.structs.replace(ride.broker.read(), account=other, positions=[], balance=Decimal(1)),
    }[what]
    before = (ride.state.book(MES).position, dict(ride.state.orders), ride.state.balance, ride.state.can_trade)
    assert ride.feed(event) == []
    assert before == (ride.state.book(MES).position, dict(ride.state.orders), ride.state.balance, ride.state.can_trade)


# --- trades that the gateway takes back -------------------------------------------------------------------------------


def test_a_voided_entry_is_taken_out_again_with_its_fee_and_a_person_is_told() -> None:
    ride = in_position(2)
    (fill,) = ride.broker.fills
    ride.broker.void(fill)
    ride.hear()
    book = ride.state.book(MES)
    assert (book.qty, book.position.fees, ride.state.cash_usd()) == (0, 0, 0)
    assert ride.said("has voided trade") and earned_by(ride.state, MES, "s1").qty == 0
    assert [type(c).__name__ for c in ride.outgoing] == []
    ride.settle()
    assert not book.locked and book.differs_since is None


def test_a_voided_exit_opens_the_position_again_and_it_is_closed_when_no_stop_shows() -> None:
    ride = in_position(2)
    ride.broker.fill(ride.broker.leg(OrderType.LIMIT).order_id or 0)
    ride.settle()
    assert ride.broker.qty() == 0
    ride.broker.void(ride.broker.fills[-1])
    ride.settle()
    book = ride.state.book(MES)
    assert book.qty == ride.broker.qty() == 2 == earned_by(ride.state, MES, "s1").qty
    assert book.position.average_ticks == START
    ride.wait(31)
    ride.settle()
    ride.settle()
    assert ride.broker.qty() == ride.state.book(MES).qty == 0


def test_a_void_between_two_entries_leaves_the_average_that_a_fresh_count_gives() -> None:
    ride = Ride().start()
    for number, ticks in enumerate((START, START + 3, START + 11)):
        ride.broker.last[MES] = ticks
        ride.feed(
            e.ManualOrderRequested(
                at=ride.now, request=f"m{number}", contract=MES, side=0, type=OrderType.MARKET, qty=1
            )
        )
        ride.settle()
    ride.broker.void(ride.broker.fills[1])
    ride.settle()
    assert ride.state.book(MES).position.average_ticks == START + Decimal("5.5")
    assert ride.state.book(MES).position.fees == 2 * FEE


@pytest.mark.parametrize("again", [1, 3])
def test_a_void_counts_once_and_its_trade_never_again(again: int) -> None:
    ride = in_position(2)
    (fill,) = ride.broker.fills
    ride.broker.void(fill)
    events = list(ride.broker.events)
    for _ in range(again):
        for event in events:
            ride.feed(event)
        ride.feed(e.FillReported(at=ride.now, fill=fill))
        ride.feed(ride.broker.read())
    assert ride.state.book(MES).qty == 0 and sum("has voided" in a.text for a in ride.alerts) == 1


def test_a_trade_that_comes_as_void_first_never_counts() -> None:
    ride = Ride().start()
    fill = Fill(trade_id=5, order_id=6, account=ACCOUNT, contract=MES, qty=1, ticks=START, at=ride.now, voided=True)
    ride.feed(e.FillReported(at=ride.now, fill=fill))
    ride.feed(e.FillReported(at=ride.now, fill=msgspec.structs.replace(fill, voided=False)))
    assert ride.state.book(MES).qty == 0 and not ride.said("has voided")


def test_a_void_of_a_trade_from_before_the_position_was_flat_leaves_the_brokers_money() -> None:
    ride = in_position(1)
    ride.trade(START - 20)  # the stop
    ride.feed(e.ManualOrderRequested(at=ride.now, request="m", contract=MES, side=0, type=2, qty=1))
    ride.settle()
    for _ in range(2):  # first the person's trade, then the stop's: the entry is open again
        ride.broker.void([f for f in ride.broker.fills if not f.voided][-1])
        ride.settle()
    for _ in range(3):
        ride.wait(6)
        ride.feed(ride.broker.read())
    book = ride.state.book(MES)
    assert (book.qty, book.position.average_ticks) == (ride.broker.qty(), ride.broker.book[MES].average_ticks)
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="end"))
    ride.settle()
    assert ride.state.cash_usd() == ride.broker.balance - 50_000


def test_readings_one_behind_the_other_count_once_however_old_the_order_is() -> None:
    ride, tag = lost()
    read_after(ride, 20.0)
    for _ in range(5):
        read_after(ride, 0.9)  # 4.5 s behind the first
    assert ride.state.orders[tag].status is Status.UNKNOWN and ride.state.misses[tag] == 1
    read_after(ride, 0.5)  # 5 s: the second that counts
    assert ride.state.orders[tag].status is Status.UNKNOWN
    read_after(ride, 5.0)
    assert ride.state.orders[tag].status is Status.ABSENT


def test_a_reading_that_ended_before_the_order_was_made_says_nothing_about_it() -> None:
    ride, tag = lost()
    made = ride.state.orders[tag].created_at
    for seconds in (20.0, 6.0, 6.0, 6.0):
        read_after(ride, seconds, until=made)
    assert ride.state.orders[tag].status is Status.UNKNOWN and tag not in ride.state.misses


# --- what names no order ----------------------------------------------------------------------------------------------


def nameless(**changes: object) -> Order:
    plain = Order(
        account=ACCOUNT, contract=MES, side=Side.BUY, type=OrderType.MARKET, qty=1, status=Status.WORKING, tag="theirs"
    )
    return msgspec.structs.replace(plain, **changes)


def test_a_report_without_an_id_or_a_tag_of_ours_is_nobodys() -> None:
    ride = Ride().start()
    assert ride.feed(e.OrderReported(at=ride.now, order=nameless())) == []
    assert len(ride.state.orders) == 0 and "theirs" not in ride.state.known_tags


def test_what_a_report_without_an_id_says_was_filled_is_counted_by_nobody() -> None:
    ride = Ride().start()
    ride.bar(enter(1, 1))
    (sent,) = (c.command for c in ride.outgoing if isinstance(c, Approved))
    ride.feed(e.OrderReported(at=ride.now, order=nameless(tag=sent.tag, filled=1)))
    assert ride.state.orders[sent.tag].filled == 1 and ride.state.book(MES).uncounted == {}


def test_an_answer_to_an_order_that_nobody_sent_changes_nothing() -> None:
    ride = Ride().start()
    for outcome in ("accepted", "rejected", "unknown"):
        answer = e.PlaceAnswered(at=ride.now, tag="nobody", outcome=outcome, order_id=5, reason="")
        assert ride.feed(answer) == []
    assert len(ride.state.orders) == 0 and 5 not in ride.state.key_of_id


# --- answers that come late -------------------------------------------------------------------------------------------


def on_its_way() -> tuple[Ride, Order]:
    """An entry of a session that is sent, and what the hub says of it."""
    ride = Ride().start()
    ride.bar(enter(1, 1))
    (sent,) = (c.command for c in ride.outgoing if isinstance(c, Approved))
    ride.outgoing.clear()
    return ride, nameless(tag=sent.tag, order_id=77)


def answered(ride: Ride, tag: str | None, outcome: str, reason: str = "no reason") -> None:
    ride.feed(e.PlaceAnswered(at=ride.now, tag=tag or "", outcome=outcome, order_id=None, reason=reason))


def test_an_answer_that_is_lost_after_the_hub_has_told_of_the_order_changes_nothing() -> None:
    ride, order = on_its_way()
    ride.feed(e.OrderReported(at=ride.now, order=order))
    ride.alerts.clear()
    answered(ride, order.tag, "unknown")
    assert ride.state.orders[order.tag or ""].status is Status.WORKING and ride.alerts == []


def test_a_refusal_of_an_order_that_works_is_not_believed_and_locks_the_instrument() -> None:
    ride, order = on_its_way()
    ride.feed(e.OrderReported(at=ride.now, order=order))
    answered(ride, order.tag, "rejected")
    assert ride.state.orders[order.tag or ""].status is Status.WORKING
    assert "was refused after it was" in ride.state.book(MES).locked


@pytest.mark.parametrize(
    ("reason", "mode"),
    [("Brackets cannot be used with Position Brackets.", "position"), ("Insufficient funds", "auto-oco")],
)
def test_only_the_gateways_own_words_on_brackets_change_how_exits_are_made(reason: str, mode: str) -> None:
    ride, order = on_its_way()
    answered(ride, order.tag, "rejected", reason)
    assert ride.state.bracket_mode == mode


@pytest.mark.parametrize("command", ["cancel", "close", "modify"])
def test_a_yes_is_read_after_only_while_a_close_cannot_be_heard(command: str) -> None:
    ride = in_position()
    yes = e.CommandAnswered(at=ride.now, command=command, contract=MES, outcome="accepted")
    assert ride.feed(yes) == []
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    assert ride.feed(yes) == []
    ride.feed(e.StreamChanged(at=ride.now, hub="user", up=False))
    (asked,) = ride.feed(yes)
    assert isinstance(asked, ReadBroker) and "only a reading tells" in asked.reason


def test_no_yes_is_read_after_and_a_close_that_was_not_confirmed_alarms() -> None:
    ride = in_position()
    no = e.CommandAnswered(at=ride.now, command="cancel", contract=MES, outcome="unknown", reason="time-out")
    assert [c.reason for c in ride.feed(no)] == ["cancel was not confirmed: unknown time-out"]
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="enough"))
    told = ride.feed(msgspec.structs.replace(no, command="close"))
    assert [type(c) for c in told] == [Alert, ReadBroker]


def test_readings_that_miss_an_order_count_anew_once_it_was_seen_again() -> None:
    ride = Ride().start()
    rests = e.ManualOrderRequested(
        at=ride.now, request="r1", contract=MES, side=Side.BUY, type=OrderType.LIMIT, qty=1, limit_ticks=START - 100,
        person="ann",
    )  # fmt: skip
    ride.feed(rests)
    ride.settle()
    (order,) = ride.broker.working()

    def read(*, shows: bool) -> bool:
        ride.wait(6)
        seen = ride.broker.read()
        ride.feed(seen if shows else msgspec.structs.replace(seen, orders=[]))
        return ride.state.orders[order.tag or ""].is_open

    assert [read(shows=shows) for shows in (False, False, True, False, False)] == [True] * 5
    assert not read(shows=False), "three in a row"


def half(order: Order, trade: int, **changes: object) -> Fill:
    number = order.order_id or 0
    plain = Fill(trade_id=trade, order_id=number, account=ACCOUNT, contract=MES, qty=1, ticks=START, at=START, fees=FEE)
    return msgspec.structs.replace(plain, **changes)


def test_a_fill_that_comes_before_its_order_is_known_is_the_sessions_that_sent_it() -> None:
    ride, order = on_its_way()
    ride.feed(e.FillReported(at=ride.now, fill=half(order, 1, at=ride.now)))
    assert earned_by(ride.state, MES).qty == 1, "nobody's, for now"
    ride.feed(e.OrderReported(at=ride.now, order=msgspec.structs.replace(order, status=Status.FILLED, filled=1)))
    assert (earned_by(ride.state, MES, "s1").qty, earned_by(ride.state, MES).qty) == (1, 0)


def test_a_trade_that_was_taken_back_counts_again_only_when_it_is_made_again() -> None:
    ride, order = on_its_way()
    works = msgspec.structs.replace(order, qty=1, filled=0)
    ride.feed(e.OrderReported(at=ride.now, order=works))
    ride.feed(e.FillReported(at=ride.now, fill=half(order, 1, at=ride.now)))
    ride.feed(e.FillReported(at=ride.now, fill=half(order, 1, at=ride.now, voided=True)))
    book, known = ride.state.book(MES), ride.state.orders[order.tag or ""]
    assert (book.qty, known.filled, ride.state.counted[order.order_id or 0]) == (0, 0, 0)
    ride.feed(e.OrderReported(at=ride.now, order=msgspec.structs.replace(order, status=Status.FILLED, filled=1)))
    assert book.uncounted == {order.order_id: 1} and not book.is_sure, "its new trade has not come yet"
    ride.feed(e.FillReported(at=ride.now, fill=half(order, 2, at=ride.now)))
    assert (book.qty, book.uncounted) == (1, {})


@pytest.mark.statement(42)
@pytest.mark.parametrize("brackets", [True, False])
def test_an_entry_that_is_executed_after_it_was_given_up_is_not_left_without_a_stop(brackets: bool) -> None:
    ride = Ride(Limits(), FakeBroker(brackets=brackets)).start(bracket_mode="auto-oco" if brackets else "position")
    ride.answers = lambda command: "lost"
    ride.bar(enter(1))
    (approved,) = ride.outgoing
    ride.settle(reads=False)
    for _ in range(8):
        read_after(ride, 6.0)
    (tag,) = ride.state.orders
    assert ride.state.orders[tag].status is Status.ABSENT
    ride.answers = lambda command: "accepted"
    ride.broker.place(approved.command)  # type: ignore[union-attr]
    ride.settle()
    assert ride.state.book(MES).qty == 1 and ride.said("reached the exchange after it was given up")
    for _ in range(8):
        ride.wait(5)
        ride.settle()
    assert ride.broker.qty() == (1 if brackets else 0), "with brackets the broker's own stop works for it"
    if brackets:
        ride.broker.cancel(ride.broker.exit(OrderType.STOP).order_id or 0)
        ride.settle()
        for _ in range(8):
            ride.wait(5)
            ride.settle()
        assert ride.broker.qty() == 0, "and when that has gone it is missed"
