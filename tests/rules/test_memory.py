"""What a rule remembers, taken out and put into a fresh one: it goes on as if it had taken every bar itself."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from tests.rules.build import strategy_text
from tests.rules.python_build import probe
from workbench.domain.clock import MINUTE
from workbench.domain.errors import InputError
from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.rules import load_strategy, parse_strategy
from workbench.rules.python.asked import AskedRule
from workbench.rules.strategy import Strategy

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "strategies").glob("*.yaml"))
HOURS = trading_hours("index")
MES = "CON.F.US.MES.Z26"


def walk(frame: str, count: int, seed: int) -> list[BarClosed]:
    """Bars of a random walk through breaks and weekends."""
    chance, step = random.Random(seed), timeframe(frame)
    at, price, made = 1_795_404_600_000_000_000, 6000.0, []  # Monday, 21:30 Chicago of the evening before
    while len(made) < count:
        at = step.bar_start(at, HOURS)
        end = step.bar_end(at, HOURS)
        if HOURS.is_open(at):
            first, price = price, price + chance.randrange(-20, 21) * 0.25
            high, low = max(first, price) + chance.randrange(5) * 0.25, min(first, price) - chance.randrange(5) * 0.25
            made.append(
                BarClosed(
                    at=end, contract=MES, timeframe=frame, start=at, end=end, open=first, high=high, low=low,
                    close=price, volume=chance.randrange(1, 500),
                )
            )  # fmt: skip
        at = end
    return made


def told(strategy: Strategy, bars: list[BarClosed], cut: int | None) -> list[object]:
    """What a rule says bar by bar, its position following what it says; at `cut` another one takes over."""
    rule, position, entry, said = strategy.start(), 0, None, []
    for number, bar in enumerate(bars):
        if number == cut:
            saved = msgspec.msgpack.decode(msgspec.msgpack.encode(rule.save()))
            rule = strategy.start()
            rule.restore(saved)
        signal = rule.on_bar(bar, position, entry)
        said.append((signal, rule.own_limits))
        if signal is not None and signal.exit:
            position, entry = 0, None
        if signal is not None and signal.entry:
            position, entry = signal.entry * signal.qty, bar.close / 0.25
    return said


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_strategy_goes_on_as_if_nothing_had_been(path: Path) -> None:
    strategy = load_strategy(path)
    bars = walk(strategy.timeframe, 900, seed=5)
    whole = told(strategy, bars, None)
    assert [signal for signal, _ in whole if signal], "the walk makes it speak"  # type: ignore[misc]
    for cut in (0, 1, 17, 333, 700, 899):
        assert told(strategy, bars, cut) == whole, cut


def test_a_rule_that_has_seen_nothing_is_saved_as_nothing() -> None:
    strategy = parse_strategy(strategy_text())
    assert strategy.start().save() == {}


def test_what_another_rule_remembered_is_refused_before_anything_changes() -> None:
    one = parse_strategy(strategy_text(entry="{long: 'close > sma(close, 3)'}"))
    other = parse_strategy(strategy_text(entry="{long: 'close > sma(close, 4)'}"))
    bars = walk("1m", 10, seed=1)
    first, second = one.start(), other.start()
    for bar in bars:
        first.on_bar(bar)
    with pytest.raises(InputError, match="another program"):
        second.restore(first.save())


def test_a_python_strategy_keeps_the_bars_that_its_worker_is_told_again() -> None:
    strategy = probe()
    first, second = AskedRule(strategy), AskedRule(strategy)
    for bar in walk(strategy.timeframe, 5, seed=1):
        first.on_bar(bar, 1, 24_000.5)
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.save())))
    assert second.asked == first.asked
    late = msgspec.structs.replace(first.asked[-1].bar, at=first.asked[-1].bar.at + MINUTE)
    assert second.warm(late) is False, "a bar that it has seen is none it takes again"
