"""When a session may enter: its warm-up is there, what it does not own is gone, data flows and the hubs are up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import FEE, MES, MORNING, START, FakeBroker, Ride, bar_closed, enter, leave
from tests.execution.scenes import in_position, manual
from workbench.domain import events as e
from workbench.domain.clock import HOUR, MINUTE, SECOND
from workbench.domain.commands import CancelOrder, ClosePosition
from workbench.domain.hours import at_local
from workbench.domain.order import OrderType, Side
from workbench.execution.fills import earned_by
from workbench.execution.readiness import missing, waiting_for
from workbench.risk.gate import Approved
from workbench.services.snapshot import account_dict, session_dicts

MNQ = "CON.F.US.MNQ.Z26"


def entered(ride: Ride) -> bool:
    return any(isinstance(c, Approved) for c in ride.outgoing)


def history(ride: Ride, ends: list[int]) -> None:
    """Closed bars of history, by minutes before now."""
    for minutes in ends:
        ride.feed(bar_closed(ride.now - minutes * MINUTE, 6000.0, at=ride.now))


# --- warm-up (statement 26) -------------------------------------------------------------------------------------------


@pytest.mark.statement(26)
@pytest.mark.parametrize(("bars", "may"), [(0, False), (8, False), (9, True), (12, True)])
def test_nothing_is_entered_before_the_needed_bars_are_there(bars: int, may: bool) -> None:
    ride = Ride().start(warm_bars=10)
    history(ride, list(range(bars - 1, -1, -1)))
    ride.bar(enter(1))  # one more
    assert entered(ride) is may
    (row,) = session_dicts(ride.state, {})
    expected = ("running", "") if may else ("warming", f"warming up: {bars + 1} of 10 bars")
    assert (row["state"], row["reason"]) == expected


@pytest.mark.statement(26)
@pytest.mark.parametrize(("gap", "may"), [(0, True), (1, True), (2, False), (9, False)])
def test_a_hole_where_history_and_stream_meet_makes_the_warm_up_begin_anew(gap: int, may: bool) -> None:
    ride = Ride().start(warm_bars=5)
    history(ride, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    ride.now = ride.broker.now = ride.now + gap * MINUTE
    ride.bar(enter(1))
    assert entered(ride) is may
    session = ride.state.sessions["s1"]
    if not may:
        assert f"1 of 5 bars, {gap} are missing before" in waiting_for(session)
        for _ in range(4):
            ride.bar()
        ride.bar(enter(1))
        assert entered(ride)  # five bars without a hole


@pytest.mark.statement(26)
def test_a_gap_no_wider_than_those_of_a_thin_history_is_none() -> None:
    ride = Ride().start(warm_bars=5)
    history(ride, [20, 19, 15, 14, 10, 9, 5, 3, 0])  # up to three minutes without a trade
    ride.now = ride.broker.now = ride.now + 3 * MINUTE
    ride.bar(enter(1))
    assert entered(ride)


@pytest.mark.statement(26)
def test_the_daily_break_and_the_weekend_are_no_hole() -> None:
    monday = at_local(date(2026, 11, 22), "17:01")  # Sunday evening
    friday = at_local(date(2026, 11, 20), "16:00")
    assert missing(bar_closed(monday, 6000.0), friday) == 0
    assert missing(bar_closed(monday + 2 * MINUTE, 6000.0), friday) == 2
    day = msgspec.structs.replace(bar_closed(monday, 6000.0), timeframe="1d")
    assert missing(day, friday - 30 * 24 * HOUR) == 0, "a day without a bar is a holiday, not a hole"


@pytest.mark.statement(26)
def test_a_bar_that_is_not_the_newest_one_is_not_traded() -> None:
    ride = Ride().start(warm_bars=1)
    ride.bar(enter(1), late=31 * SECOND)  # more than half of the next minute has gone
    assert not entered(ride)


@pytest.mark.statement(26)
def test_bars_that_a_restart_missed_must_be_there_before_the_next_entry() -> None:
    ride = Ride().start(warm_bars=3)
    history(ride, [3, 2, 1, 0])
    ride.bar()
    ride.restart(2)
    ride.settle()
    ride.now = ride.broker.now = ride.now + 20 * MINUTE  # history does not give what was missed
    ride.bar(enter(1))
    assert not entered(ride) and "20 are missing" in waiting_for(ride.state.sessions["s1"])


def test_exits_and_moves_do_not_wait_for_the_warm_up() -> None:
    ride = in_position()
    ride.state.sessions["s1"].warm_bars = 99
    ride.bar(leave())
    ride.settle()
    assert ride.broker.qty() == 0


# --- start policies ---------------------------------------------------------------------------------------------------


def held(policy: str) -> Ride:
    """A session that starts while somebody's two contracts are open."""
    ride = Ride()
    ride.broker.external(Side.BUY, 2)
    ride.broker.fill_markets()
    ride.broker.events.clear()
    return ride.start(start_policy=policy)


def test_a_session_that_adopts_owns_what_is_there() -> None:
    ride = held("adopt")
    assert earned_by(ride.state, MES, "s1").qty == 2 and earned_by(ride.state, MES).qty == 0
    ride.bar(leave())
    ride.settle()
    assert ride.broker.qty() == 0


def test_a_session_that_waits_neither_enters_nor_leaves_until_the_position_is_gone() -> None:
    ride = held("wait_flat")
    for signal in (enter(1), leave(), enter(-1)):
        ride.bar(signal)
    assert not ride.outgoing
    (row,) = session_dicts(ride.state, {})
    assert (row["state"], row["start_policy"], row["position"]) == ("waiting", "wait_flat", 0)
    assert row["reason"] == "waits until the position that was there before it is gone"
    ride.broker.external(Side.SELL, 2)
    ride.settle()
    ride.start_session("s1")  # that was somebody else's order: a person lets it go on
    ride.bar(enter(1))
    assert entered(ride)


def test_a_session_that_begins_flat_closes_what_is_there_first() -> None:
    ride = held("flatten")
    assert (ride.broker.qty(), ride.closes) == (0, 1)
    ride.settle()
    (row,) = session_dicts(ride.state, {})
    gone = "the position that was there before it is gone: it begins with the next bar"
    assert (row["state"], row["reason"]) == ("waiting", gone)
    ride.bar(enter(1))
    assert entered(ride)


@pytest.mark.parametrize("policy", ["wait_flat", "flatten"])
def test_with_nothing_there_every_policy_begins_at_once(policy: str) -> None:
    ride = Ride().start(start_policy=policy)
    assert waiting_for(ride.state.sessions["s1"]) == "" and ride.state.book(MES).flatten is None
    ride.bar(enter(1))
    assert entered(ride)


def test_an_answer_of_a_worker_does_not_pass_a_session_that_waits() -> None:
    ride = held("wait_flat")
    ride.bar()
    end = ride.state.sessions["s1"].last_bar_end
    ride.feed(e.StrategyAnswered(at=ride.now, session="s1", bar_end=end, exit=True, rule="exit"))
    assert not ride.outgoing


# --- a hub that stays away (the step side of statement 41) ------------------------------------------------------------


@pytest.mark.statement(41)
@pytest.mark.parametrize("hub", ["user", "market"])
def test_a_lost_hub_alarms_after_ten_seconds_and_once(hub: str) -> None:
    ride = Ride().start()
    ride.feed(e.StreamChanged(at=ride.now, hub=hub, up=False))
    ride.bar(enter(1))
    assert not entered(ride)
    ride.wait(1)
    assert ride.said(f"the {hub} hub has been away")
    for _ in range(5):
        ride.wait(5)
    assert sum("has been away" in a.text for a in ride.alerts) == 1


@pytest.mark.statement(41)
@pytest.mark.parametrize(
    ("policy", "status", "qty"), [("keep", "running", 2), ("pause", "paused", 2), ("flatten", "paused", 0)]
)
def test_after_its_time_the_policy_of_the_session_runs(policy: str, status: str, qty: int) -> None:
    ride = Ride().start(disconnect_policy=policy, disconnect_after_s=30)
    ride.bar(enter(1, 2))
    ride.settle()
    ride.feed(e.StreamChanged(at=ride.now, hub="market", up=False))
    ride.wait(29)
    assert ride.state.sessions["s1"].status == "running"
    ride.wait(1)
    ride.settle()
    ride.settle()
    assert (ride.state.sessions["s1"].status, ride.broker.qty()) == (status, qty)
    assert bool(ride.broker.working()) is bool(qty)  # what is kept keeps its stop


@pytest.mark.statement(41)
def test_the_daily_break_does_not_count_as_an_outage() -> None:
    ride = Ride(broker=FakeBroker(now=at_local(date(2026, 11, 23), "15:59"))).start(disconnect_policy="pause")
    ride.wait(55)
    ride.feed(e.StreamChanged(at=ride.now, hub="market", up=False))
    ride.wait(1800)  # in the break
    assert not ride.said("has been away")
    ride.wait(1800 + 9)  # nine seconds after 17:00
    assert ride.state.sessions["s1"].status == "running"
    ride.wait(60)
    assert ride.state.sessions["s1"].status == "paused"


def test_a_hub_that_comes_back_in_time_changes_nothing() -> None:
    ride = Ride().start(disconnect_policy="flatten", disconnect_after_s=30)
    for _ in range(3):
        ride.feed(e.StreamChanged(at=ride.now, hub="market", up=False))
        ride.wait(9)
        ride.feed(e.StreamChanged(at=ride.now, hub="market", up=True))
        ride.wait(60)
    ride.settle()
    assert ride.state.sessions["s1"].status == "running" and not ride.said("has been away")


# --- clock, data, leases ----------------------------------------------------------------------------------------------

BLOCKS = {
    "clock": lambda ride: ride.feed(e.ClockJumped(at=ride.now, by_s=-7200.0)),
    "suspend": lambda ride: ride.feed(e.ClockJumped(at=ride.now, by_s=7200.0)),
    "data": lambda ride: ride.feed(e.DataStale(at=ride.now, contract=MES, age_s=30.0)),
    "lease": lambda ride: ride.feed(e.BudgetLeased(at=ride.now, until=ride.now - 1)),
    "hub": lambda ride: ride.feed(e.StreamChanged(at=ride.now, hub="user", up=False)),
    "halt": lambda ride: ride.feed(e.Halted(at=ride.now, reason="stop latch")),
}


@pytest.mark.statement(53)
@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_what_blocks_entries_never_blocks_a_cancel_a_reduction_or_a_close(block: str) -> None:
    ride = in_position(3)
    ride.feed(
        e.ManualOrderRequested(
            at=ride.now, request="rest", contract=MES, side=0, type=OrderType.LIMIT, qty=1, limit_ticks=START - 99
        )
    )
    ride.settle()
    resting = next(o for o in ride.broker.working() if o.parent_id is None)
    BLOCKS[block](ride)
    ride.outgoing.clear()
    ride.feed(manual(ride, "more"))
    assert not ride.outgoing
    for number, (kind, fields) in enumerate(
        [("cancel", {"order_id": resting.order_id}), ("part_close", {"qty": 1}), ("close", {})]
    ):
        action = e.OrderActionRequested(at=ride.now, request=f"a{number}", kind=kind, contract=MES, **fields)
        assert ride.feed(action), kind
        ride.settle()
    assert ride.broker.qty() == 0 and not ride.broker.working()


@pytest.mark.statement(53)
def test_a_clock_jump_blocks_until_a_person_has_looked_and_a_small_correction_does_not() -> None:
    ride = Ride().start()
    ride.feed(e.ClockJumped(at=ride.now, by_s=4.9))
    ride.feed(manual(ride, "m1"))
    assert entered(ride)
    ride.outgoing.clear()
    ride.feed(e.ClockJumped(at=ride.now, by_s=7200.0))
    ride.feed(manual(ride, "m2"))
    assert not ride.outgoing and ride.said("the clock has jumped by +7200 s")
    ride.feed(e.Released(at=ride.now, reason="the clock has jumped"))
    ride.settle()
    ride.feed(manual(ride, "m3"))
    assert entered(ride)


def test_stale_data_blocks_its_own_contract_until_it_flows_again() -> None:
    ride = Ride().start()
    ride.feed(e.DataStale(at=ride.now, contract=MES, age_s=30.0))
    ride.feed(manual(ride, "m1"))
    assert not ride.outgoing
    ride.feed(e.ManualOrderRequested(at=ride.now, request="m2", contract=MNQ, side=0, type=OrderType.MARKET, qty=1))
    assert entered(ride)
    ride.outgoing.clear()
    ride.feed(e.DataFresh(at=ride.now, contract=MES))
    ride.feed(manual(ride, "m3"))
    assert entered(ride)


def test_a_lease_that_runs_out_shuts_entries_and_a_new_one_opens_them() -> None:
    ride = Ride().start()
    ride.feed(e.BudgetLeased(at=ride.now, until=ride.now + 10 * SECOND))
    ride.feed(manual(ride, "m1"))
    assert entered(ride)
    ride.settle()
    ride.wait(11)
    ride.feed(manual(ride, "m2"))
    assert not ride.outgoing
    ride.feed(e.BudgetLeased(at=ride.now, until=ride.now + 10 * SECOND))
    ride.feed(manual(ride, "m3"))
    assert entered(ride)


# --- what each has earned ---------------------------------------------------------------------------------------------


def test_profit_is_kept_apart_by_session_strategy_and_person_and_sums_to_the_accounts() -> None:
    ride = in_position(2)
    ride.broker.last[MES] = START + 4
    ride.feed(manual(ride, "m1", qty=1))  # a person's contract on top, at +4
    ride.settle()
    ride.feed(e.PriceSeen(at=ride.now, contract=MES, price=(START + 10) / 4))
    mine, others = earned_by(ride.state, MES, "s1"), earned_by(ride.state, MES)
    assert (mine.qty, mine.open, mine.fees) == (2, Decimal(20 * 125) / 100, 2 * FEE)  # 2 × 10 ticks × 1.25 USD
    assert (others.qty, others.open, others.fees) == (1, Decimal(6 * 125) / 100, FEE)
    assert (mine.net or 0) + (others.net or 0) == ride.state.total_usd()
    rows = account_dict(ride.state, {"v1": "sma"})["strategies"]
    assert [(r["strategy"], r["open_usd"], r["fees_usd"], r["pnl_usd"]) for r in rows] == [
        ("sma", 25.0, 0.74, 24.26),
        ("no strategy", 7.5, 0.37, 7.13),
    ]


def test_a_close_of_everything_settles_every_ledger() -> None:
    ride = in_position(2)
    ride.feed(manual(ride, "m1", qty=1))
    ride.settle()
    ride.broker.last[MES] = START + 8
    ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="by hand"))
    ride.settle()
    mine, others = earned_by(ride.state, MES, "s1"), earned_by(ride.state, MES)
    assert (mine.qty, others.qty) == (0, 0)
    assert mine.realized == 2 * 8 * Decimal("1.25") - 4 * FEE
    assert others.realized == 8 * Decimal("1.25") - 2 * FEE
    assert mine.realized + others.realized == ride.state.cash_usd() == ride.broker.balance - 50_000


def test_a_new_trading_date_begins_the_profit_of_a_session_at_nothing() -> None:
    ride = in_position(2)
    ride.bar(leave())
    ride.settle()
    (before,) = session_dicts(ride.state, {})
    assert before["day_usd"] == -1.48
    ride.wait((at_local(date(2026, 11, 23), "17:00") - MORNING) / SECOND)
    (after,) = session_dicts(ride.state, {})
    assert (after["day_usd"], after["pnl_usd"]) == (0.0, -1.48)


def test_what_is_sent_for_a_cancel_or_a_close_names_its_reason() -> None:
    ride = in_position()
    ride.feed(e.OrderActionRequested(at=ride.now, request="a", kind="close", contract=MES, person="ann"))
    ride.settle()
    reasons = {c.reason for _, out in ride.log for c in out if isinstance(c, CancelOrder | ClosePosition)}
    assert reasons == {"closed by ann"}


def test_silence_is_told_once_until_data_flows_again_and_is_nothing_for_a_product_nobody_knows() -> None:
    ride = Ride().start()
    for age in (60.0, 61.0, 62.0):
        ride.feed(e.DataStale(at=ride.now, contract=MES, age_s=age))
    assert [a.text.partition(":")[0] for a in ride.alerts] == [f"no market data of {MES} for 60 s"]
    assert ride.state.book(MES).stale_s == 62.0
    ride.feed(e.DataFresh(at=ride.now, contract=MES))
    ride.feed(e.DataStale(at=ride.now, contract=MES, age_s=60.0))
    assert len(ride.alerts) == 2
    assert ride.feed(e.DataStale(at=ride.now, contract="CON.F.US.XYZ.Z26", age_s=60.0)) == []
    assert set(ride.state.books) == {MES}
