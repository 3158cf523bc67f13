"""What the check finds, where it points, and that it is silent where all is well."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.series import random_inputs, stream
from tests.rules.test_arrays import condition
from tests.rules.work import at_most_calls
from workbench.rules import load_strategy, parse_strategy
from workbench.rules.check import ERROR, HINT, WARNING, Finding, check
from workbench.rules.expression import Kind, Not
from workbench.rules.graph import Graph
from workbench.rules.grid import year_of_bars
from workbench.rules.linear import Above, Linear, contradict
from workbench.rules.logic import Reasoner
from workbench.rules.parser import parse

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"
KINDS = {"fast": Kind.NUMBER, "slow": Kind.NUMBER, "on": Kind.CONDITION}
VALUES = {"fast": 5, "slow": 20, "on": True}


def never(*texts: str) -> bool:
    return Reasoner(VALUES).never(*(parse(text, KINDS) for text in texts))


@pytest.mark.parametrize(
    "text",
    [
        "rsi(close, 14) > 110",
        "rsi(close, 14) > 70 and rsi(close, 14) < 30",
        "close > close",
        "close > high",
        "open < low",
        "close > highest(high, 20)",
        "lowest(low, fast) > low",
        "close > donchian_upper(20)",
        "close < session_low()",
        "close > day_high()",
        "rsi(close) > 100",
        "willr() > 1",
        "close > bollinger_upper(close) and close < bollinger_lower(close, 20)",
        "close > open and open > low + 3 and close < low + 2",
        "sma(close, fast) > 5 and sma(close, 5) < 4",
        "close == open and close != open",
        "not on",
        "fast > slow",
        "volume < 0",
        "abs(close - open) < 0",
        "max(close, 10) < 5",
        "count(close > open, 5) > 5",
        "bars_since(close > open) < 0",
        "cross_above(rsi(close, 14), 100)",
        "cross_below(rsi(close, 14), 0)",
        "crosses(close, close)",
        "cross_above(close, open) and cross_below(close, open)",
        "any(close > high, 5)",
        "all(close > open, 3) and close < open",
        "close[1] > high[1]",
        "(close > high)[2]",
        'tf("4h").close > tf("4h").high',
        "2 * close > 2 * high + 1",
        "(close - low) / 2 < 0",
        "close > open and not (close > open or on)",
        'between(time, "08:30", "09:00") and not between(time, "08:30", "09:00")',
    ],
)
def test_what_can_never_be_true_is_refuted(text: str) -> None:
    assert never(text)


@pytest.mark.parametrize(
    "text",
    [
        "close > highest(high, 20)[1]",
        "close > donchian_upper(20)[1]",
        "close < session_low()[1]",
        "close > bollinger_upper(close) and close < bollinger_lower(close, 10)",
        "rsi(close, 14) > 70 and rsi(close, 5) < 30",
        "close > high[1]",
        "close > open and close < open[1]",
        'tf("4h").close > high',
        "sma(close, fast) > sma(close, slow)",
        "cross_above(rsi(close, 14), 30)",
        "cross_above(close, open) or cross_below(close, open)",
        "any(close > open, 5) and close < open",
        "close * open < 0",
        "close >= highest(high, 20)",
        "close < 0",
        "on",
        "close == open",
    ],
)
def test_what_can_be_true_is_not(text: str) -> None:
    assert not never(text)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_what_is_refuted_is_false_on_every_bar(seed: int) -> None:
    chance = random.Random(seed)
    rule = condition(chance, 3)
    wrong = Reasoner({}).never(rule), Reasoner({}).never(Not(rule))
    if not any(wrong):
        return
    graph = Graph({}, timeframe="1h")
    slot = graph.add(rule)
    seen = set(stream(graph, random_inputs(seed, bars=80), [slot])[slot])
    assert not (wrong[0] and 1.0 in seen) and not (wrong[1] and 0.0 in seen)


def test_inequalities_are_solved_exactly() -> None:
    x, y, z = map(Linear.of, "xyz")
    tenth = Linear.fixed(0.1)
    assert contradict([Above(x - y), Above(y - z), Above(z - x - tenth)])
    assert not contradict([Above(x - y), Above(y - z), Above(z - x)])
    assert contradict([Above(x + y - 10), Above(x * -1 + 4), Above(y * -1 + 5)])  # x <= 4, y <= 5: no 10
    assert not contradict([Above(x + y - 9), Above(x * -1 + 4), Above(y * -1 + 5)])
    assert contradict([Above(x + y - 9, strict=True), Above(x * -1 + 4), Above(y * -1 + 5)])


BASE = {
    "name": "probe",
    "roots": "[MES]",
    "timeframe": "5m",
    "entry": "{long: 'close > close[1]'}",
}


def findings(**sections: str) -> list[Finding]:
    text = "\n".join(f"{key}: {value}" for key, value in (BASE | sections).items()) + "\n"
    return check(parse_strategy(text, where="probe.yaml"))


@pytest.mark.parametrize(
    ("sections", "level", "code", "line", "words"),
    [
        ({"entry": "{long: 'rsi(close, 5) > 110'}"}, ERROR, "never-true", 4, "entry.long can never be true"),
        (
            {"entry": "{long: 'close > open and rsi(close, 5) > 50 and close < open'}"},
            ERROR,
            "never-true",
            4,
            "((close > open) and (close < open))",
        ),
        ({"entry": "{long: 'close <= high'}"}, ERROR, "always-true", 4, "true at every close"),
        ({"entry": "{long: 'close > open or open > high'}"}, WARNING, "never-true", 4, "this part of entry.long"),
        ({"entry": "{long: 'close > open and rsi(close, 5) < 200'}"}, WARNING, "always-true", 4, "is always true"),
        ({"entry": "{long: 'close > open + 1 and close > open'}"}, WARNING, "always-true", 4, "follows from the rest"),
        (
            {"entry": "{long: 'close > open', short: 'close > open + 1'}"},
            ERROR,
            "both-sides",
            4,
            "whenever entry.short is true, entry.long is",
        ),
        (
            {"entry": "{long: 'close > close[1]', short: 'close < sma(close, 3)'}"},
            HINT,
            "both-sides",
            4,
            "can be true together: on",
        ),
        ({"exit": "{long: 'close > close[1] - 1'}"}, ERROR, "exit-at-entry", 5, "left at the next close"),
        (
            {"exit": "{long: 'close > sma(close, 9)'}"},
            HINT,
            "exit-at-entry",
            5,
            "on made-up bars exit.long was true on",
        ),
        (
            {"entry": "{long: 'close > close[1]', short: 'close < close[1]'}", "exit": "{long: 'close < close[1]'}"},
            WARNING,
            "exit-is-entry",
            5,
            "anyway",
        ),
        ({"entry": "{long: 'close > 1e9'}"}, HINT, "rarely-true", 4, "not true once"),
        ({"trading": "{window: ['16:10', '16:50']}"}, ERROR, "dead-window", 5, "no 5m bar of MES closes then"),
        (
            {"trading": "{window: ['15:10', '15:50'], flat_by: '15:05'}"},
            ERROR,
            "dead-window",
            5,
            "it comes after flat_by 15:05",
        ),
        (
            {"trading": "{windows: [{from: 9:00, to: 10:00}, {days: Sat, from: 9:00, to: 10:00}]}"},
            WARNING,
            "dead-window",
            5,
            "Sat 09:00 to 10:00",
        ),
        ({"trading": "{flat_by: '16:30'}"}, WARNING, "flat-by-late", 5, "not before the close"),
        (
            {"entry": '{long: \'close > open and between(time, "16:10", "16:40")\'}'},
            ERROR,
            "never-true",
            4,
            "no 5m bar closes",
        ),
        (
            {
                "entry": '{long: \'close > open and between(time, "09:30", "10:00", "America/New_York")\'}',
                "trading": "{window: ['10:00', '11:00']}",
            },
            ERROR,
            "never-true",
            4,
            "within the windows",
        ),
        ({"secondary": "[1h]"}, WARNING, "secondary-unused", 5, "no rule looks at it"),
        (
            {"entry": "{long: 'close > tf(\"1d\").sma(close, 200)'}"},
            WARNING,
            "long-warm-up",
            3,
            "needs 57,888 bars of history",
        ),
        ({"trading": "{max_trades_per_day: 276}"}, WARNING, "never-binds", 5, "leave room for 276 a date"),
        ({"trading": "{max_trades_per_day: 70, cooldown: 3}"}, WARNING, "never-binds", 5, "leave room for 69 a date"),
        ({"limits": "{max_position: 1}"}, WARNING, "never-binds", 5, "1 contracts at most"),
        (
            {"limits": "{max_position: 1}", "sizing": "{contracts: 2}"},
            ERROR,
            "no-size",
            5,
            "below the 2 contracts of an entry",
        ),
        (
            {"limits": "{daily_loss_usd: 300}", "stop": "{ticks: 20}", "trading": "{max_trades_per_day: 12}"},
            WARNING,
            "never-binds",
            5,
            "12 trades a date lose 300",  # 20 ticks of 1.25 USD, twelve times
        ),
        (
            {"sizing": "{risk_usd: 20, max_contracts: 3}", "stop": "{points: 5}"},
            ERROR,
            "no-size",
            5,
            "the stop of 20 ticks costs on one MES (25)",
        ),
        ({}, WARNING, "no-way-out", 4, "nothing ends a long position"),
        ({"target": "{ticks: 20}"}, HINT, "no-stop", 4, "a long position has no stop"),
        ({"stop": "{ticks: 2}"}, WARNING, "widened", 5, "it becomes 4"),
        (
            {"stop": "{ticks: 8}", "target": "{ticks: 8}", "break_even": "{after: {ticks: 9}}"},
            WARNING,
            "never-binds",
            7,
            "it never acts",
        ),
        (
            {"exit": "{after_bars: 400}", "trading": "{flat_by: '15:05'}"},
            WARNING,
            "never-binds",
            5,
            "after 276 5m bars at most",
        ),
        (
            {"parameters": "{n: {default: 3, min: 2, max: 9, step: 2}}", "entry": "{long: 'close > close[n]'}"},
            WARNING,
            "parameter-step",
            5,
            "end at 8, not 9",
        ),
        (
            {"parameters": "{n: {default: 3, min: 2, max: 8, step: 2}}", "entry": "{long: 'close > close[n]'}"},
            WARNING,
            "parameter-step",
            5,
            "leave out the default 3",
        ),
        (
            {"parameters": "{n: {default: 3, min: 0, max: 8}}", "entry": "{long: 'close > sma(close, n)'}"},
            WARNING,
            "parameter-range",
            5,
            "n=0 is never possible: length n = 0 must be a whole number from 1",
        ),
        (
            {"parameters": "{n: {default: 3}}", "entry": "{long: 'close > sma(close, n)'}"},
            WARNING,
            "parameter-range",
            5,
            "has no min and max",
        ),
        (
            {
                "parameters": "{a: {default: 3, min: 1, max: 5}, b: {default: 9, min: 6, max: 20}}",
                "constraints": "[a < b]",
                "entry": "{long: 'sma(close, a) > sma(close, b)'}",
            },
            WARNING,
            "never-binds",
            6,
            "refuses nothing",
        ),
    ],
)
def test_each_kind_of_nonsense_is_found_with_its_line(
    sections: dict[str, str], level: str, code: str, line: int, words: str
) -> None:
    found = findings(**sections)
    # sections are written in the order of BASE, then as given: the line is where the finding points
    ordered = list(BASE | sections)
    matching = [f for f in found if f.level == level and f.code == code and words in f.text]
    assert matching, [str(f) for f in found]
    assert matching[0].line == line, (ordered, str(matching[0]))


def test_errors_come_first_and_each_is_said_once() -> None:
    found = findings(entry="{long: 'close > high'}", trading="{flat_by: '16:30'}", limits="{max_position: 4}")
    assert [f.level for f in found] == sorted((f.level for f in found), key=[ERROR, WARNING, HINT].index)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("path", sorted(STRATEGIES.glob("*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_strategies_have_no_errors(path: Path) -> None:
    assert not [str(f) for f in check(load_strategy(path)) if f.level == ERROR]


def test_a_plain_strategy_gives_no_finding() -> None:
    rules = "{long: 'cross_above(close, sma(close, 20))', short: 'cross_below(close, sma(close, 20))'}"
    assert findings(entry=rules, stop="{points: 10}") == []


def test_the_year_of_bars_is_the_calendar() -> None:
    # 2025: CME index products had 259 trading dates (holidays with a shortened session count), 23 hours each when full
    starts, ends = year_of_bars("index", "1h")
    assert len({int(s) for s in starts}) == len(starts) and (ends > starts).all()
    assert 255 * 23 < len(starts) < 259 * 23


def test_a_check_is_little_work() -> None:
    strategy = load_strategy(STRATEGIES / "sma_cross.yaml")
    check(strategy)  # the calendar of the year is built once
    with at_most_calls(400_000):
        check(strategy)
    wide = " or ".join(f"(close > {i} and close < open[{i}] or volume > {i})" for i in range(1, 30))
    big = parse_strategy("\n".join(f"{k}: {v}" for k, v in (BASE | {"entry": f"{{long: '{wide}'}}"}).items()) + "\n")
    with at_most_calls(6_000_000):
        check(big)


def test_a_python_strategy_is_checked_for_its_parameters() -> None:
    for path in STRATEGIES.glob("*.py"):
        assert not [str(f) for f in check(load_strategy(path)) if f.level == ERROR]
