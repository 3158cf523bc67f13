"""The parser accepts the rule language and nothing else."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench.rules
from tests.rules.work import at_most_calls
from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.rules.expression import Kind, text, walk
from workbench.rules.functions import FUNCTIONS, SERIES
from workbench.rules.parser import MAX_CHARACTERS, MAX_DEPTH, ExpressionError, parse

NAMES = {"fast": Kind.NUMBER, "shorts": Kind.CONDITION}


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("close>open", "(close > open)"),
        ("close > close[1]", "(close > close[1])"),
        ("1 < close <= 2", "((1 < close) and (close <= 2))"),
        ("not close>open and shorts", "((not (close > open)) and shorts)"),
        ("sma(close, fast*2)[1] + 0.50 > -close", "((sma(close, (fast * 2))[1] + 0.5) > (-close))"),
        ("cross_above( ema(close,9) ,ema(close,21) )", "cross_above(ema(close, 9), ema(close, 21))"),
        ('between(time, "08:30", "11:00")', 'between(time, "08:30", "11:00")'),
        ("(close > open)[2]", "(close > open)[2]"),
        ("close\n  > open", "(close > open)"),
        ('tf( "4h" ).close>tf("4h").sma( close,20 )', '(tf("4h").close > tf("4h").sma(close, 20))'),
        ('tf("4h").close[1] > close', '(tf("4h").close[1] > close)'),
        ('tf("1d").atr(14)[2] > fast', '(tf("1d").atr(14)[2] > fast)'),
        ('(tf("4h").close - close)[1] > 0', '((tf("4h").close - close)[1] > 0)'),
        ('tf("4h").all(close > open, 3)', 'tf("4h").all((close > open), 3)'),
        ('between(time, "9:30", "16:00", "America/New_York")', 'between(time, "09:30", "16:00", "America/New_York")'),
        ("any(close > open, close > 1, shorts)", "((close > open) or (close > 1) or shorts)"),
        ("any(close > open, 5) and bars_since(shorts) < 3", "(any((close > open), 5) and (bars_since(shorts) < 3))"),
        ("count(close > open, fast) >= 2", "(count((close > open), fast) >= 2)"),
        ("max(close, open, 3) - min(high, low) > abs(-5)", "((max(close, open, 3) - min(high, low)) > abs(-5))"),
        ("rsi(close) > bollinger_upper(close, 10)", "(rsi(close, 14) > bollinger_upper(close, 10, 2))"),
        ("close > supertrend(7) + tr()", "(close > (supertrend(7, 3) + tr()))"),
        ("close > opening_range_high(5)", "(close > opening_range_high(5))"),
        ("close > psar(0.01)", "(close > psar(0.01, 0.2))"),
        ('crosses(close, tf("4h").high)', 'crosses(close, tf("4h").high)'),
    ],
)
def test_a_condition_has_one_normal_form(written: str, normal: str) -> None:
    assert text(parse(written, NAMES)) == normal
    assert text(parse(normal, NAMES)) == normal


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("rsi(14) < 30", "`14` as x of rsi(x, length) never changes; give it a series, such as rsi(close, length)"),
        ("sma(fast, 20) > 1", "`fast` as x of sma(x, length)"),
        ("ema(2 * fast + 1, 9) > 1", "`((2 * fast) + 1)` as x of ema"),
        ('tf("4h").rsi(14) < 30', "such as rsi(close, length)"),
    ],
)
def test_an_indicator_of_a_number_is_refused_with_the_way_it_is_meant(written: str, shown: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(written, NAMES)
    assert shown in str(caught.value)


def test_a_name_in_capitals_finds_the_one_it_means_and_a_long_list_says_how_much_it_leaves_out() -> None:
    with pytest.raises(UnknownName, match=r"unknown function 'RSI'.*did you mean rsi"):
        parse("RSI(close, 14) < 30", NAMES)
    with pytest.raises(UnknownName, match=rf"known: .* and {len(FUNCTIONS) + 1 - 30} more$"):
        parse("qqqqqqqqqqqq(close) < 30", NAMES)


@pytest.mark.parametrize(
    "written",
    [
        "__import__('os').system('true')",
        "close.__class__",
        "(lambda: 1)()",
        "[close for close in open]",
        "{close}",
        "close if open else high",
        "close[1:2]",
        "close ** 2",
        "close // 2",
        "close % 2",
        "close & open",
        "~close",
        "close is open",
        "close in open",
        "sma(*close)",
        "sma(x=close)",
        "f'{close}'",
        "(a := close)",
        "print(close)",
        "True",
        "None",
        "...",
        "1j",
        "b'x'",
        "1e400",
        "",
        "close >",
        "close = 1",
        "close; open",
        "close[0]if 1",
        "'\\d'>1",
        "\x00",
    ],
)
def test_what_is_not_in_the_language_is_refused(written: str) -> None:
    with pytest.raises(InputError):
        parse(written, NAMES)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("clos > open", "did you mean close"),
        ("smaa(close, 3) > 1", "did you mean sma"),
        ("sma > 1", "sma is a function: write sma(x, length)"),
        ("sma(close) > 1", "sma(x, length) takes 2 arguments, 1 given"),
        ("sma(close, close) > 1", "must be a whole number or parameter"),
        ("close[fast + volume] > 1", "`fast + volume` changes from bar to bar"),
        ("sma(close > open, 3) > 1", "wanted a number"),
        ("close and open", "wanted a condition"),
        ("time > 3", "between(time"),
        ("(close > open) > 1", "only numbers are compared"),
        ('between(time, "8.30", "11:00")', "HH:MM"),
        ('between(time, "25:00", "11:00")', "HH:MM"),
        ('between(time, "8:00", "11:00", "NewYork")', "did you mean America/New_York"),
        ('tf("4h")', 'write tf("4h").close'),
        ("tf > 1", 'write tf("4h").close'),
        ('tf("4x").close > 1', "did you mean 4h"),
        ("tf(4).close > 1", 'write tf("4h").close'),
        ('tf("4h").time > 1', "leave it outside"),
        ('tf("4h").sma > 1', 'write tf("4h").sma(x, length)'),
        ('tf("4h").smaa(close, 3) > 1', "did you mean sma"),
        ('tf("4h").clos > 1', "did you mean close"),
        ('tf("4h").sma(tf("1d").close, 3) > 1', "inside of"),
        ('tf("4h").between(time, "08:00", "09:00")', "leave it outside"),
        ('tf("4h").all(close > open, shorts)', "all of several conditions stands outside"),
        ("close.open > 1", "is not part of the rule language"),
        ("bollinger_upper(close, 2.5, 2) > 1 and psar(2, close) > 1", "must be a number or parameter"),
        ("rsi(close, 14, 3) > 1", "rsi(x, length) takes 1 to 2 arguments, 3 given"),
        ("min(close) > 1", "min(a, b, …) takes 2 arguments, 1 given"),
        ("any(close, 3)", "wanted a condition"),
        ("any(close > 1, close)", "must be a whole number or parameter"),
    ],
)
def test_a_mistake_is_named_with_what_to_write_instead(written: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(written, NAMES, where="probe.yaml, line 3")
    assert message in str(caught.value)
    assert "probe.yaml, line 3" in str(caught.value)


def test_a_number_is_not_a_condition() -> None:
    with pytest.raises(ExpressionError, match=r"wanted a condition .*, this gives a number"):
        parse("sma(close, 9)", NAMES, wants=Kind.CONDITION)


@pytest.mark.parametrize(
    "written",
    [
        "(" * 10_000 + "close" + ")" * 10_000,
        "-" * 10_000 + "close",
        "not " * 10_000 + "shorts",
        "(" * 150 + "close" + ")" * 150,
        "-" * (MAX_CHARACTERS - 10) + "close",
        "sma(" * 60 + "close" + ", 2)" * 60,
        "close" + "[1]" * 600,
        " + ".join(["close"] * 250),
    ],
)
def test_depth_and_size_are_refused_at_once(written: str) -> None:
    with at_most_calls(5_000):
        if written.startswith("(" * 150) and len(written) < 400:
            assert text(parse(written, NAMES)) == "close"  # brackets alone are not depth
        else:
            with pytest.raises(InputError):
                parse(written, NAMES)


def test_the_depth_limit_counts_levels() -> None:
    deep = "-" * (MAX_DEPTH - 1) + "close"
    assert parse(deep, NAMES)
    with pytest.raises(ExpressionError, match="levels deep"):
        parse("-" + deep, NAMES)


_PYTHON = "fast shorts __import__ eval lambda x 0 1 2.5 '08:30' and or not if else for in is".split()
_SIGNS = "( ) [ ] , . + - * / < > == : = { }".split()
_WORDS = st.sampled_from([*SERIES, *FUNCTIONS, *_PYTHON, *_SIGNS])


@given(st.lists(_WORDS, max_size=25).map(" ".join))
def test_any_words_either_parse_to_the_language_or_are_refused(written: str) -> None:
    try:
        made = parse(written, NAMES)
    except WorkbenchError:
        return
    for part in walk(made):
        assert type(part).__module__ == "workbench.rules.expression"
    assert parse(text(made), NAMES) == made


@given(st.text(max_size=60))
def test_any_text_either_parses_or_is_refused(written: str) -> None:
    with contextlib.suppress(WorkbenchError):
        parse(written, NAMES)


def test_nothing_in_the_room_evaluates_text() -> None:
    room = Path(workbench.rules.__file__).parent
    for path in room.rglob("*.py"):
        if path.is_relative_to(room / "python"):  # strategies that are Python run, in a process of their own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile", "__import__"}, path


def test_an_unknown_name_keeps_what_it_knows() -> None:
    with pytest.raises(UnknownName) as caught:
        parse("higj > 1", NAMES)
    assert "high" in caught.value.known
