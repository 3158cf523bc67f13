"""A stop that follows, through real processes and sockets: moved at the gateway, only tightened, as in the backtest."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.services.stack import ACCOUNT, CONTRACT, Stack, stack
from workbench.backtest.costs import FREE
from workbench.backtest.prepared import Prepared
from workbench.backtest.series import series
from workbench.domain.commands import ModifyOrder
from workbench.domain.contract import parse_contract
from workbench.domain.events import BarClosed, CommandAnswered, SessionStarted
from workbench.domain.timeframe import timeframe
from workbench.gateway.codes import ModifyOrderError
from workbench.rules import parse_strategy
from workbench.services.ingest import bars_of
from workbench.simulator import requests
from workbench.storage.home import Home
from workbench.storage.journal import Record, read_journal

pytestmark = pytest.mark.slow
MINUTE_NS = 60_000_000_000
MODIFY = "/api/Order/modify"
# Orders work at once and meet the next print, as those of a backtest meet the next open.
AT_ONCE = {"latency": {"acceptance_ms": 0, "transport_ms": 0}, "matching": {"market_on": "print"}}
FOLLOW = """
name: follow
roots: [MES]
timeframe: 1m
entry: {long: 'close > close[1] and close[1] > close[2]'}
stop: {points: 25}
trail: {points: TRAIL}
break_even: {after: {points: 4}, plus_ticks: 1}
"""


class Gateway:
    """The simulator's modify, with what was asked of it; the first ones are refused where that is wished."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused
        self.asked: list[tuple[int, int, int]] = []  # order, its stop before, its stop after, ticks
        self._modify = requests.modify

    def modify(self, exchange: Any, request: Any) -> Any:
        order = exchange.orders[request.order_id]
        before = order.stop
        if self.refused:
            self.refused -= 1
            answer = requests.Answer(None, ModifyOrderError.Rejected, "Not now.")
        else:
            answer = self._modify(exchange, request)
        self.asked.append((order.id, before, order.stop))
        return answer


async def follow(made: Stack, path: Path, minutes: int) -> int:
    """Trade the strategy in lockstep for so many minutes; return when it ended."""
    made.simulator.clock.pause(True)
    end = made.simulator.exchange.now + minutes * MINUTE_NS
    await made.start(str(path))
    made.simulator.clock.pause(False)
    made.simulator.pump.wake()
    await made.until(f"{minutes} minutes of market", lambda: made.simulator.exchange.now >= end, 150)
    return end


def backtested(text: str, journal: list[Record], end: int) -> list[tuple[int, int, int]]:
    """Return minute, contracts and ticks of the fills of a backtest on the journal's bars, from the session's start."""
    bars = [r.event for r in journal if isinstance(r.event, BarClosed) and r.event.end <= end]
    started = next(r.event.at for r in journal if isinstance(r.event, SessionStarted))
    made = series(bars_of(bars), parse_contract(CONTRACT), timeframe("1m"))
    first = int((made.ends <= started).sum())
    fills = Prepared(series=made, costs=FREE).run(parse_strategy(text), "event", first=first).fills
    return list(zip(made.starts[fills.bar].tolist(), fills.qty.tolist(), fills.ticks.tolist(), strict=True))


async def test_the_stop_is_moved_at_the_gateway_and_fills_where_the_backtest_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, path = Gateway(), tmp_path / "follow.yaml"
    monkeypatch.setattr(requests, "modify", gateway.modify)
    path.write_text(text := FOLLOW.replace("TRAIL", "8"))
    async with stack(tmp_path / "home", lockstep=True, **AT_ONCE) as made:
        end = await follow(made, path, 75)
        trades = [t for t in made.simulator.exchange.accounts[ACCOUNT].trades if t.at < end]
    journal = list(read_journal(Home(tmp_path / "home").account(ACCOUNT) / "journal.wbj"))
    moves = [c for r in journal for c in r.commands if isinstance(c, ModifyOrder)]
    done = gateway.asked[: len(moves)]
    assert len(done) >= 15 and {c.reason for c in moves} >= {"trail", "break_even"}
    assert [(c.order_id, c.stop_ticks) for c in moves[: len(done)]] == [(order, after) for order, _, after in done]
    assert all(after > before for _, before, after in done), "the stop of a long position only rises"
    fills = [(t.at - t.at % MINUTE_NS, t.size if t.side == 0 else -t.size, t.ticks) for t in trades]
    expected = backtested(text, journal, end)
    assert len(fills) >= 6 and any(t.order in {order for order, _, _ in done} for t in trades)
    assert fills == expected[: len(fills)] and len(expected) <= len(fills) + 1


async def test_a_move_that_fails_leaves_the_old_stop_is_told_and_is_tried_again_at_the_next_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, path = Gateway(refused=2), tmp_path / "follow.yaml"
    monkeypatch.setattr(requests, "modify", gateway.modify)
    path.write_text(FOLLOW.replace("TRAIL", "20"))
    async with stack(tmp_path / "home", lockstep=True, **AT_ONCE) as made:
        made.simulator.faults.set("server_error", path=MODIFY, count=1)  # the first one does not even arrive
        await follow(made, path, 40)

        def told() -> list[str]:
            return [t for t in made.alerts() if "was not moved to" in t and "it stays where it was" in t]

        await made.until("the desk has heard of them", lambda: len(told()) >= 3)  # the market does not wait for that
        alerts = told()
    journal = list(read_journal(Home(tmp_path / "home").account(ACCOUNT) / "journal.wbj"))
    sent = [(r.event.end, c) for r in journal for c in r.commands if isinstance(c, ModifyOrder)]
    outcomes = [
        r.event.outcome for r in journal if isinstance(r.event, CommandAnswered) and r.event.command == "modify"
    ]
    assert outcomes[:4] == ["unknown", "rejected", "rejected", "accepted"]
    assert all(order == sent[0][1].order_id for order, _, _ in gateway.asked[:3]), "it is the same stop"
    assert [before == after for _, before, after in gateway.asked[:3]] == [True, True, False]
    bars = [end for end, _ in sent[:4]]
    assert [b - a for a, b in pairwise(bars)] == [MINUTE_NS] * 3, "each bar tries again"
    levels = [c.stop_ticks or 0 for _, c in sent[:4]]
    assert levels == sorted(levels) and gateway.asked[2][2] == levels[3]
    assert len(alerts) == 3 and sum("Not now." in text for text in alerts) == 2
