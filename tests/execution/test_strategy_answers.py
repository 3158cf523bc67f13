"""Decisions of a Python strategy come back as events: what they do, when they are too late, what a fault leaves."""

from __future__ import annotations

from typing import Any

from tests.execution.fake_broker import MES, MORNING, START, Ride
from tests.rules.python_build import probe
from workbench.domain import events as e
from workbench.domain.clock import HOUR, MINUTE, SECOND
from workbench.domain.order import OrderType, Side
from workbench.execution.state import AccountState
from workbench.execution.step import step
from workbench.risk.limits import Limits
from workbench.rules.python.asked import AskedRule


class AskedRide(Ride):
    """A session whose strategy is a Python one; its worker is played by the test."""

    def fresh(self) -> AccountState:
        strategy = probe('flat_by = "15:05"')
        return AccountState(1001, Limits(), lambda *_: AskedRule(strategy))

    @property
    def session(self) -> Any:
        (session,) = self.state.sessions.values()
        return session

    def answer(self, late_s: int = 0, **wish: Any) -> list:
        """The worker's answer to the newest bar."""
        self.now += late_s * SECOND
        return self.feed(
            e.StrategyAnswered(at=self.now, session=self.session.session, bar_end=self.session.last_bar_end, **wish)
        )

    def enter(self, side: int = 1) -> None:
        self.bar()
        self.answer(entry=side, qty=1, rule="mine", stop_ticks=-side * 20, target_ticks=side * 40)
        self.settle()


def test_a_bar_is_asked_and_decides_nothing_by_itself() -> None:
    ride = AskedRide().start()
    assert ride.bar() == []
    (asked,) = ride.session.rule.asked
    assert (asked.bar.end, asked.position, asked.decide) == (ride.session.last_bar_end, 0, True)


def test_an_answer_becomes_an_order_with_its_bracket_and_rule() -> None:
    ride = AskedRide().start()
    ride.enter()
    (order,) = ride.placed
    assert (order.side, order.qty, order.rule, order.stop_loss_ticks) == (Side.BUY, 1, "mine", -20)
    ride.bar()
    assert ride.session.rule.asked[-1][1:] == (1, float(START), True)  # the next question knows the position


def test_an_answer_may_leave_move_the_stop_and_reverse() -> None:
    ride = AskedRide().start()
    ride.enter()
    ride.bar()
    ride.answer(stop_to=START - 5, rule="trail")
    ride.settle()
    assert ride.broker.leg(OrderType.STOP).stop_ticks == START - 5
    ride.bar()
    ride.answer(exit=True, exit_side=1, rule="enough")
    ride.settle()
    assert ride.broker.qty() == 0


def test_an_answer_that_comes_after_the_next_bar_or_half_a_bar_late_is_dropped() -> None:
    ride = AskedRide().start()
    ride.bar()
    before = ride.session.last_bar_end
    ride.bar()
    stale = e.StrategyAnswered(at=ride.now, session="s1", bar_end=before, entry=1, qty=1)
    assert ride.feed(stale) == []
    assert ride.answer(late_s=31, entry=1, qty=1) == []
    assert ride.feed(e.StrategyAnswered(at=ride.now, session="nobody", bar_end=before, entry=1, qty=1)) == []
    assert not ride.placed


def test_an_answer_to_a_paused_session_may_leave_and_not_enter() -> None:
    ride = AskedRide().start()
    ride.enter()
    ride.feed(e.SessionPaused(at=ride.now, session=ride.session.session, reason="lunch"))
    ride.bar()
    assert ride.answer(exit=True, exit_side=1, rule="enough")
    ride.settle()
    ride.bar()
    assert ride.answer(entry=1, qty=1) == []


def test_a_failed_strategy_pauses_its_session_loudly_and_leaves_its_protection() -> None:
    ride = AskedRide().start()
    ride.enter()
    ride.feed(
        e.StrategyFailed(at=ride.now, session=ride.session.session, reason="probe.py, line 14, in on_bar: KeyError")
    )
    ride.settle()
    assert (ride.session.status, ride.broker.qty()) == ("paused", 1)
    assert "probe.py, line 14, in on_bar: KeyError" in ride.session.reason
    assert ride.alerts[-1].level == "critical" and "line 14" in ride.alerts[-1].text
    assert {o.type for o in ride.broker.working()} == {OrderType.STOP, OrderType.LIMIT}
    ride.feed(e.StrategyFailed(at=ride.now, session="nobody", reason="?"))


def test_the_day_ends_at_flat_by_though_the_strategy_is_dead() -> None:
    ride = AskedRide().start()
    ride.enter()
    ride.feed(e.StrategyFailed(at=ride.now, session=ride.session.session, reason="dead"))
    ride.now = ride.broker.now = MORNING + 6 * HOUR + 4 * MINUTE  # the bar to come closes at 15:05
    ride.bar()
    ride.settle()
    assert ride.broker.qty() == 0 and ride.state.book(MES).qty == 0


def test_a_person_resumes_a_failed_session() -> None:
    ride = AskedRide().start()
    name = ride.session.session
    ride.feed(e.StrategyFailed(at=ride.now, session=name, reason="dead"))
    ride.feed(e.SessionStarted(at=ride.now, session=name, strategy="v1", contract=MES, timeframe="1m", parameters={}))
    assert (ride.session.status, ride.session.reason) == ("running", "")


def test_the_recorded_events_give_the_same_decisions_without_any_worker() -> None:
    ride = AskedRide().start()
    ride.enter()
    ride.bar()
    ride.answer(exit=True, exit_side=1, rule="enough")
    ride.settle()
    again = ride.fresh()
    assert [step(again, event) for event, _ in ride.log] == [out for _, out in ride.log]
    (session,) = again.sessions.values()
    assert session.rule.asked == ride.session.rule.asked  # a worker that starts now can be told everything
