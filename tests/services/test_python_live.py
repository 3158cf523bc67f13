"""A Python strategy live, through real processes and sockets: it trades what its backtest trades, and fails alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.stack import ACCOUNT, CONTRACT, Stack, stack
from workbench.domain.events import BarClosed, StrategyAnswered, StrategyFailed
from workbench.research import backtest
from workbench.services.ingest import bars_of
from workbench.storage.home import Home
from workbench.storage.journal import read_journal

pytestmark = pytest.mark.slow
SECOND = 1_000_000_000
MINUTE_NS = 60 * SECOND

CROSS = '''
import workbench as wb


class Cross(wb.Strategy):
    """Follow the crossing of two averages, one bar after another."""

    name, roots, timeframe = "python_cross", ("MES",), "1m"
    fast = wb.Strategy.parameter(3, min=2, max=20)
    slow = wb.Strategy.parameter(8, min=3, max=60)

    def start(self):
        self.up = self.expression("cross_above(sma(close, fast), sma(close, slow))")
        self.down = self.expression("cross_below(sma(close, fast), sma(close, slow))")
        self.count = 0

    def on_bar(self, bar):
        self.count += 1
        FAIL
        if self.up:
            self.enter_long(stop=4.0, target=8.0)
        elif self.down:
            self.enter_short(stop=4.0, target=8.0)
'''


async def run(made: Stack, path: Path, minutes: int) -> int:
    """Trade `path` in lockstep for so many minutes; return when it ended."""
    made.simulator.clock.pause(True)
    begin = made.simulator.exchange.now
    await made.start(str(path))
    made.simulator.clock.pause(False)
    made.simulator.pump.wake()
    end = begin + minutes * MINUTE_NS
    await made.until(f"{minutes} minutes of market", lambda: made.simulator.exchange.now >= end, 110)
    return end


async def test_it_enters_when_and_where_its_backtest_on_the_same_bars_does(tmp_path: Path) -> None:
    path = tmp_path / "cross.py"
    path.write_text(CROSS.replace("FAIL", "pass"))
    async with stack(tmp_path / "home", lockstep=True) as made:
        end = await run(made, path, 90)
        orders = [o for o in made.simulator.exchange.orders.values() if o.account == ACCOUNT and o.created < end]
    entries = [(o.created - o.created % MINUTE_NS, o.side) for o in orders if o.tag]
    events = [r.event for r in read_journal(Home(tmp_path / "home").account(ACCOUNT) / "journal.wbj")]
    bars = [b for b in events if isinstance(b, BarClosed)]
    tested = backtest(path, bars_of(bars), contract=CONTRACT).trades
    expected = [
        (int(t.timestamp()) * SECOND, 0 if side == "long" else 1)
        for t, side in zip(tested.entry_at, tested.side, strict=True)
    ]
    first, last = entries[0][0], min(entries[-1][0], bars[-1].start)
    assert [e for e in entries if e[0] <= last] == [e for e in expected if first <= e[0] <= last]
    assert len(entries) >= 6
    assert sum(isinstance(event, StrategyAnswered) for event in events) >= len(entries)


async def test_one_that_hangs_is_paused_with_its_line_and_the_rest_of_the_stack_lives(tmp_path: Path) -> None:
    path = tmp_path / "hangs.py"
    path.write_text(CROSS.replace("FAIL", "while self.count > 40: pass"))
    async with stack(tmp_path / "home", lockstep=True) as made:
        await run(made, path, 60)
        await made.until("it is told", lambda: any("endless loop" in text for text in made.alerts()), 20)
        (session,) = made.desk.runners[ACCOUNT].last["snapshot"]["sessions"]
        assert session["state"] == "paused" and "hangs.py, line" in session["reason"]
        assert "while self.count > 40: pass" in session["reason"]
    events = [r.event for r in read_journal(Home(tmp_path / "home").account(ACCOUNT) / "journal.wbj")]
    (failed,) = [event for event in events if isinstance(event, StrategyFailed)]
    later = [b for b in events if isinstance(b, BarClosed) and b.end > failed.at]
    assert later, "bars went on being decided"


async def test_one_that_cannot_start_is_refused_before_any_session_begins(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(CROSS.replace("self.count = 0", "self.count = 1 / 0"))
    async with stack(tmp_path / "home") as made:
        with pytest.raises(Exception, match=r"line 1\d, in start: ZeroDivisionError"):
            await made.start(str(path))
        assert not made.runner_view().get("sessions")
