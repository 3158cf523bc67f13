"""A session that the emergency stop ended, and another one on its contract after it: to each what is its own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, MORNING, Ride
from tests.rules.build import strategy_text
from workbench.domain import events as e
from workbench.domain.bar import ticks_schema
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.contract import parse_contract
from workbench.domain.order import Side
from workbench.execution.step import journal_form
from workbench.ingestion.aggregate import bars_from_ticks
from workbench.rules import parse_strategy
from workbench.rules.signal import Signal
from workbench.services.live_difference import difference
from workbench.services.report_day import SessionDay, session_day
from workbench.services.report_trades import NOT_OURS, read_sessions
from workbench.services.session_recording import CLOSED_BY_STOP, find_recording
from workbench.services.session_replay import BARS, PRINTS, replay_session
from workbench.storage.bars import BarStore
from workbench.storage.home import Home
from workbench.storage.journal import Journal
from workbench.storage.registry import Registry
from workbench.storage.ticks import TickStore

pytestmark = pytest.mark.statement(49)
STRATEGY = parse_strategy(
    strategy_text(entry="{long: 'close > 6005'}", exit="{long: 'close < 6000'}", stop="{ticks: 80}")
)
# The price of each minute from 09:00, in points: the rules enter above 6005 and leave below 6000.
PRICES = [
    *(6000, 6000, 6000, 6006, 6006, 6008, 5999, 5999, 6006, 6006),  # first trade: in 09:04, out 09:07; second: in 09:09
    *(6007, 6007, 5999, 6003, 6010, 6010, 5990, 6000, 6000, 6000),  # stopped 09:10:20, the rules would have gone on
    *(6000, 6006, 6006, 5999, 5999, 6000, 6000, 6002, 6004, 6000),  # the next session: in 09:22, out 09:24
]
ENTER = Signal(at=0, entry=1, exit=False, rule="entry.long", stop_ticks=-80, qty=1)
LEAVE = Signal(at=0, exit=True, rule="exit.long")
STOPPED = MORNING + 10 * MINUTE + 20 * SECOND  # the last that the first runner wrote
ROUND = Decimal("0.74")  # two fills at 0.37
DEARER = Decimal("0.50")  # the replay's fills cost 0.62: in everything else it is the same
FIRST_TRADE = (23_996 - 24_024) * Decimal("1.25") - ROUND  # 6006 to 5999: -35.74


def prints() -> pl.DataFrame:
    """Ten prints of one contract in each minute, all at its price."""
    rows = [
        (MORNING + n * MINUTE + (3 + 6 * k) * SECOND, float(price), 1, 0, 0)
        for n, price in enumerate(PRICES)
        for k in range(10)
    ]
    schema = ticks_schema()
    return pl.DataFrame(rows, schema={**schema, "ts": pl.Int64}, orient="row").cast({"ts": schema["ts"]})


class Desk(Ride):
    """A ride over the prices above."""

    def minutes(self, until: int, said: dict[int, Signal]) -> None:
        """Close the bars up to that minute; `said` is what the rules say at the end of one."""
        while (minute := (self.now - MORNING) // MINUTE) < until:
            self.bar(said.get(minute), close=PRICES[minute] * 4)
            self.settle()

    def stop(self, at: int) -> None:
        """Let the runner die, and its account be closed by somebody else, at that time."""
        self.outgoing.clear()
        self.now = self.broker.now = at
        self.broker.last[MES] = PRICES[(at - MORNING) // MINUTE] * 4
        for order in self.broker.working():
            self.broker.cancel(order.order_id or 0)
        if self.broker.close():
            self.broker.fill_markets()

    def begin_again(self, at: int, reason: str) -> None:
        """Start the next runner: it ends what was stopped, then reads the broker."""
        self.now = self.broker.now = at
        self.feed(e.SessionEnded(at=at, session="s1", reason=f"ended by the stop: {reason}"))
        self.restart(2)
        self.settle()


def write(home: Home, ride: Ride) -> Home:
    Registry(home).register(STRATEGY, at=1)
    frame = prints()
    TickStore(home.market).append(parse_contract(MES), frame)
    columns = (frame[name].to_numpy() for name in ("price", "size"))
    bars = bars_from_ticks(frame["ts"].cast(pl.Int64).to_numpy(), *columns, "1m", None)
    BarStore(home.market).write(parse_contract(MES), "1m", bars, source="test")
    journal = Journal(home.account(ACCOUNT) / "journal.wbj")
    for event, out in ride.log:
        journal.append(event, [journal_form(c) for c in out])
    journal.close()
    return home


def first_session(*, closed_at: int = STOPPED + 10 * SECOND, until: int = 20) -> Desk:
    """Two trades, the second one closed by the stop at `closed_at`; the next runner begins at 09:20."""
    ride = Desk()
    ride.start(strategy=STRATEGY.version)
    ride.minutes(10, {3: ENTER, 6: LEAVE, 8: ENTER})
    ride.wait(20)
    ride.stop(closed_at)
    ride.begin_again(MORNING + until * MINUTE, "I had enough")
    return ride


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two sessions of one contract after each other, a stop between, and a hand trade after the second has left."""
    ride = first_session()
    ride.start_session("s2", strategy=STRATEGY.version)
    ride.minutes(26, {21: ENTER, 23: LEAVE})
    for side, minute in ((Side.BUY, 26), (Side.SELL, 27)):
        ride.minutes(minute + 1, {})
        ride.broker.external(side, 1)
        ride.settle()
    ride.minutes(30, {})
    return write(Home(tmp_path_factory.mktemp("both")), ride)


@pytest.fixture(scope="module")
def day(both: Home) -> SessionDay:
    return session_day(both, "s1")


def test_a_stopped_session_is_compared_by_its_own_trades_to_its_own_end(both: Home) -> None:
    done = replay_session(both, "s1", source=PRINTS)
    # 6006 to 6007 is 4 ticks: 5.00 - 0.74; the next session and the hand trade are none of it
    assert done.live.net_usd == FIRST_TRADE + Decimal("4.26") == Decimal("-31.48")
    assert [(t.entry_ticks, t.exit_ticks) for t in done.live.trips] == [(24_024, 23_996), (24_024, 24_028)]
    assert [(t.entry_ticks, t.exit_ticks) for t in done.again.trips] == [(24_024, 23_996), (24_024, 24_028)]
    assert [d.kind for d in done.live.decisions] == ["entry", "exit", "entry"] and done.is_same
    assert (done.bars, done.live.orders, done.late, done.unlike) == (10, 2, 0, ())
    assert done.by_cause() == {"fee": 2 * DEARER} and done.again.net_usd == done.live.net_usd - 2 * DEARER


def test_the_next_session_has_neither_the_trades_before_it_nor_those_of_a_hand_after_it(both: Home) -> None:
    done = replay_session(both, "s2", source=PRINTS)
    assert [(t.entry_ticks, t.exit_ticks) for t in done.live.trips] == [(24_024, 23_996)]
    assert done.live.net_usd == FIRST_TRADE and done.by_cause() == {"fee": DEARER}
    assert done.is_same and done.live.orders == 1
    facts = read_sessions(both)
    assert [t.net_usd for t in facts["s2"].trades] == [FIRST_TRADE]
    assert {fill.order_id for name in facts for fill in facts[name].fills}.isdisjoint(hand_orders(both))


def hand_orders(home: Home) -> set[int]:
    """The orders of the hand trade: bought at 6000 and sold at 6002."""
    from workbench.storage.journal import read_history

    told = (r.event.fill for r in read_history(home.account(ACCOUNT)) if isinstance(r.event, e.FillReported))
    found = {fill.order_id for fill in told if fill.at >= MORNING + 26 * MINUTE}
    assert len(found) == 2
    return found


def test_header_table_and_comparison_of_the_report_say_the_same(day: SessionDay) -> None:
    assert "2 trades, -31.48 USD net" in day.headline and "ended by the stop: I had enough" in day.headline
    assert not isinstance(day.compared, str)
    assert (day.compared.live_trades, day.compared.live_usd) == (2, Decimal("-31.48"))
    assert (day.compared.replay_trades, day.compared.usd, day.compared.decided) == (2, 2 * DEARER, ())
    assert "live -31.48 USD in 2 trades, replay -32.48 USD in 2" in day.cause_table()
    assert {d.cause for d in day.compared.rows} == {"fee"} and "by hand" not in day.difference_table()


def test_the_curve_ends_at_the_close_with_the_money_of_the_header(day: SessionDay) -> None:
    # at the last bar, 09:10, the second trade stood where it went in: its entry fee is all it had cost
    assert day.equity[-2:] == [
        (MORNING + 10 * MINUTE, pytest.approx(float(FIRST_TRADE - ROUND / 2))), (STOPPED + 10 * SECOND, -31.48),
    ]  # fmt: skip


def test_the_report_says_that_the_stop_closed_the_trade(day: SessionDay) -> None:
    assert [t.exit_rule for t in day.trades] == ["exit.long", CLOSED_BY_STOP]
    assert day.trade_table().count(CLOSED_BY_STOP) == 1 and day.trade_table().count("exit.long") == 1


def test_from_stored_bars_it_ends_where_it_ended_too(both: Home) -> None:
    done = replay_session(both, "s1", source=BARS)
    assert done.is_same and len(done.again.trips) == len(done.live.trips) == 2
    assert done.again.trips[-1].exit_ticks is not None


def test_between_the_end_of_the_runner_and_a_late_close_the_replay_decides_nothing(tmp_path: Path) -> None:
    # the stop could close only at 09:13:30, at 6003; at 09:12 the price was one at which the rules would have left
    home = write(Home(tmp_path), first_session(closed_at=MORNING + 13 * MINUTE + 30 * SECOND))
    done = replay_session(home, "s1")
    late = (24_012 - 24_024) * Decimal("1.25") - ROUND
    assert done.live.net_usd == FIRST_TRADE + late == Decimal("-51.48")
    assert done.is_same and done.by_cause() == {"fee": 2 * DEARER}
    found = find_recording(home, "s1")
    assert (found.ended_at, found.closed_at) == (STOPPED, MORNING + 13 * MINUTE + 30 * SECOND)


def test_what_was_flat_when_it_was_stopped_ends_flat(tmp_path: Path) -> None:
    ride = Desk()
    ride.start(strategy=STRATEGY.version)
    ride.minutes(8, {3: ENTER, 6: LEAVE})
    ride.wait(20)
    ride.stop(ride.now + 10 * SECOND)
    ride.begin_again(MORNING + 20 * MINUTE, "enough")
    home = write(Home(tmp_path), ride)
    done = replay_session(home, "s1")
    assert done.is_same and done.live.net_usd == FIRST_TRADE and done.by_cause() == {"fee": DEARER}
    assert (len(done.again.trips), find_recording(home, "s1").closed_at) == (1, None)


def closed_by(name: str) -> Callable[[Desk], None]:
    def outside(ride: Desk) -> None:
        ride.broker.external(Side.SELL, 1)
        ride.settle()

    def asked(ride: Desk) -> None:
        ride.feed(e.FlattenRequested(at=ride.now, contract=MES, reason="flattened by ann", person="ann"))
        ride.settle()

    return {"outside": outside, "asked": asked}[name]


@pytest.mark.parametrize(("how", "said"), [("outside", NOT_OURS), ("asked", "flattened by ann")])
def test_a_close_that_was_asked_for_in_another_trade_is_never_the_reason(tmp_path: Path, how: str, said: str) -> None:
    ride = Desk()
    ride.start(strategy=STRATEGY.version)
    ride.minutes(10, {3: ENTER, 6: LEAVE, 8: ENTER})
    closed_by(how)(ride)
    ride.minutes(11, {})
    home = write(Home(tmp_path), ride)
    trades = read_sessions(home)["s1"].trades
    assert [t.exit_rule for t in trades] == ["exit.long", said]
    done = difference(replay_session(home, "s1"))
    assert done.live_usd == sum((t.net_usd for t in trades), Decimal(0)) and done.live_trades == 2


def test_an_ended_session_takes_its_closing_fill_with_it(tmp_path: Path) -> None:
    ride = Desk()
    ride.start(strategy=STRATEGY.version)
    ride.minutes(10, {3: ENTER, 6: LEAVE, 8: ENTER})
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="ended by ann", flatten=True))
    ride.settle()
    ride.minutes(15, {})
    home = write(Home(tmp_path), ride)
    done = replay_session(home, "s1")
    # at 09:10 the broker's last price is still that of 09:09: 6006, where it went in; the replay sees the next, 6007
    assert done.live.net_usd == FIRST_TRADE - ROUND
    assert done.again.net_usd == FIRST_TRADE + Decimal("4.26") - 2 * DEARER
    assert done.is_same and done.bars == 10
    assert [t.exit_rule for t in read_sessions(home)["s1"].trades] == ["exit.long", "ended by ann"]
