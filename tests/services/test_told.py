"""What a runner remembers for people: each signal with the bar that gave it, and the rule behind a close."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.execution.fake_broker import MES, Ride, enter, leave
from tests.services.test_runner_verbs import ACCOUNT, AT, CONTRACT, Gateway, no_history
from workbench.domain import events as e
from workbench.domain.events import BarClosed
from workbench.risk.limits import Limits
from workbench.rules.signal import Signal
from workbench.services.clock import MarketClock
from workbench.services.desk_view import MOST_SIGNALS, newest_signals
from workbench.services.runner import Runner
from workbench.services.told import Told
from workbench.storage.home import Home

MINUTE = 60_000_000_000


class EverySecondBar:
    """Speaks at the first bar, the third, and so on."""

    def __init__(self) -> None:
        self.bars = 0

    def warm(self, bar: BarClosed, position: int = 0, entry_ticks: float | None = None) -> None: ...

    def on_bar(self, bar: BarClosed, position: int, entry_ticks: float | None = None) -> Signal | None:
        self.bars += 1
        return Signal(at=bar.end, exit=True, rule="exit.long") if self.bars % 2 else None


def runner(folder: Path) -> Runner:
    clock = MarketClock()
    clock.announce(AT, 1.0, 1, False)
    rules: Any = lambda version, contract, parameters: EverySecondBar()  # noqa: E731 - one expression
    return Runner(
        account=ACCOUNT, home=Home(folder), gateway=Gateway(0), fetch=no_history, clock=clock, rules=rules,
        limits=Limits(),
    )  # fmt: skip


def play(made: Runner, bars: int) -> None:
    """Start a session and close so many bars, one a minute."""
    base = {"session": "one", "strategy": "v", "contract": CONTRACT, "timeframe": "1m", "parameters": {}}
    made.take(e.RunnerStarted(at=AT, epoch=1, uid="abc", bracket_mode="auto-oco"))
    made.take(e.SessionStarted(at=AT, **base))
    for n in range(1, bars + 1):
        end = AT + n * MINUTE
        prices = {"open": 6800.0, "high": 6801.0, "low": 6799.0, "close": 6800.0, "volume": 1}
        made.take(e.BarClosed(at=end, contract=CONTRACT, timeframe="1m", start=end - MINUTE, end=end, **prices))


async def test_every_signal_is_listed_with_the_bar_that_gave_it(tmp_path: Path) -> None:
    made = runner(tmp_path)
    play(made, 4)
    assert [(s["session"], (s["at"] - AT) // MINUTE, s["rule"]) for s in made.told.signals()] == [
        ("one", 1, "exit.long"),
        ("one", 3, "exit.long"),
    ]
    assert made.state.sessions["one"].last_bar_end == AT + 4 * MINUTE, "the bars have gone on"
    assert made.told.last_at("one") == AT + 3 * MINUTE and made.told.last_at("two") is None


async def test_a_runner_that_begins_again_hears_its_signals_from_the_journal(tmp_path: Path) -> None:
    first = runner(tmp_path)
    play(first, 3)
    first.decider.journal.close()
    first.lease.give_back()
    again = runner(tmp_path)
    assert again.told.signals() == first.told.signals() and len(again.told.signals()) == 2


async def test_only_the_newest_signals_of_a_session_are_kept_and_sent(tmp_path: Path) -> None:
    made = runner(tmp_path)
    play(made, 60)
    ends = [(s["at"] - AT) // MINUTE for s in made.told.signals()]
    assert ends == list(range(21, 60, 2)), "the last twenty"
    many = {a: {"signals": [{"session": str(a), "at": n, "rule": "r"} for n in range(a, 200, 4)]} for a in range(4)}
    assert [row["at"] for row in newest_signals(many)] == list(range(200 - MOST_SIGNALS, 200))


async def test_an_alert_has_the_markets_time_beside_the_walls(tmp_path: Path) -> None:
    made = runner(tmp_path)
    made.alert("info", "said in a replay")
    told = made.alerts[-1]
    assert 0 <= told["market_at"] - AT < 60 * 10**9, "the simulator's time"
    assert told["at"] != told["market_at"]


def test_the_gateways_order_for_a_close_names_the_rule_that_wanted_it() -> None:
    ride, told = Ride().start(), Told()
    ride.bar(enter(1))
    ride.settle()
    ride.bar(msgspec.structs.replace(leave(), rule="exit.long"))
    ride.settle()
    assert not ride.state.book(MES).qty
    for event, out in ride.log:
        told.take(event, out)
    rules = [(o.type.name, told.rule_of(o)) for _, o in ride.state.orders.items()]
    assert rules.count(("MARKET", "entry.long")) == 1
    assert rules.count(("MARKET", "exit.long")) == 1
    assert sum(rule == "entry.long.bracket" for _, rule in rules) == 2 and len(rules) == 4
