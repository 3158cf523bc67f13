"""All mistakes of a strategy file in one go: none is left out, and none follows from another."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.errors import WorkbenchError
from workbench.rules import load_strategy, parse_strategy
from workbench.rules.mistakes import told

GOOD = {
    "name": "name: probe",
    "roots": "roots: [MES]",
    "timeframe": "timeframe: 5m",
    "secondary": "secondary: [1h]",
    "parameters": "parameters: {fast: {default: 10, min: 2, max: 20}}",
    "constraints": "constraints: [fast < 20]",
    "entry": "entry: {long: 'close > sma(close, fast)', short: 'close < tf(\"1h\").low'}",
    "exit": "exit: {long: 'close < open'}",
    "stop": "stop: {ticks: 8}",
    "trail": "trail: {atr: 2}",
    "sizing": "sizing: {contracts: 1}",
    "trading": "trading: {flat_by: '15:05', cooldown: 1}",
    "limits": "limits: {max_position: 2}",
}
BAD = {
    "name": "name: Has Spaces",
    "roots": "roots: [MESS]",
    "timeframe": "timeframe: 7m",
    "secondary": "secondary: [7h]",
    "parameters": "parameters: {fast: {default: 10, maxx: 20}}",
    "constraints": "constraints: [fast < 20, close > 1]",
    "entry": "entry: {long: 'close > smaa(close, fast)', short: 'close < tf(\"1h\").low'}",
    "exit": "exit: {long: 'clos < open'}",
    "stop": "stopp: {ticks: 8}",
    "trail": "trail: {atr: 2, ticks: 5}",
    "sizing": "sizing: {risk_usd: 100}",
    "trading": "trading: {flat_by: '25:05', cooldown: 1}",
    "limits": "limits: {max_position: [2]}",
}


def mistakes(text: str) -> list[tuple[int, str]]:
    with pytest.raises(WorkbenchError) as caught:
        parse_strategy(text, where="probe.yaml")
    return told(caught.value)


def with_bad(*sections: str) -> str:
    return "\n".join((BAD if name in sections else GOOD)[name] for name in GOOD) + "\n"


def test_three_mistakes_are_named_in_one_go_each_with_its_line_and_what_is_allowed() -> None:
    text = (
        "name: probe\nroots: [MES]\ntimeframe: 7m\nentry:\n  long: close > smaa(close, 20)\nstopp: {ticks: 8}\n"
        "exit: {long: 'close < open'}\n"
    )
    frame, rule, key = mistakes(text)
    assert frame[0] == 3 and "(probe.yaml, line 3)" in frame[1]
    assert "did you mean 5m or 3m? known: 1s, 2s, " in frame[1]
    assert rule == (5, "unknown function 'smaa' (entry.long, probe.yaml, line 5); did you mean sma or wma or rma?")
    assert key[0] == 6 and key[1].startswith("unknown key 'stopp' (probe.yaml, line 6); did you mean stop? known: ")
    assert "trading" in key[1]


def test_the_message_itself_stays_that_of_the_first_mistake() -> None:
    with pytest.raises(WorkbenchError) as caught:
        parse_strategy(with_bad("entry", "exit"), where="probe.yaml")
    assert str(caught.value).startswith("unknown function 'smaa'") and len(caught.value.__notes__) == 1


@pytest.mark.parametrize("one", BAD)
def test_each_mistake_of_these_is_one_alone(one: str) -> None:
    assert len(mistakes(with_bad(one))) == 1
    assert mistakes(with_bad(one))[0][0] == list(GOOD).index(one) + 1


@pytest.mark.parametrize("two", list(itertools.combinations(BAD, 2)), ids="-".join)
def test_two_mistakes_are_told_as_they_are_told_alone(two: tuple[str, str]) -> None:
    if two == ("timeframe", "secondary"):  # what fills an unknown bar is not known
        assert mistakes(with_bad(*two)) == mistakes(with_bad("timeframe"))
    else:
        assert mistakes(with_bad(*two)) == sorted(each for one in two for each in mistakes(with_bad(one)))


def test_all_mistakes_are_told_together() -> None:
    lines = [line for line, _ in mistakes(with_bad(*BAD))]
    assert lines == [1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]  # 4: what whole bars of an unknown length fill


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "name: a\nroots: [MES]\ntimeframe: 1m\nparamters: {n: {default: 3}}\nentry: {long: 'sma(close, n) > 1'}\n",
            [4],
        ),
        ("name: a\nroots: [MES]\ntimeframe: 1m\nsettings: {n: 3}\nentry: {long: 'close > open'}\n", [4]),
        ("name: a\nroots: [MES]\ntimeframe: 1m\nparameters: [n]\nentry: {long: 'sma(close, n) > 1'}\n", [4]),
        ("name: a\nroots: [MES]\ntimeframe: 1m\nparameters: {on: {default: x}}\nentry: {long: 'on'}\n", [4]),
        ("name: a\nroots: [MES]\ntimeframe: 1m\nparameters: {on: {}}\nentry: {long: 'on'}\n", [4]),
        ("name: a\nroots: [MES]\ntimeframe: 1m\nentry: {long: sma(close, 20) > 1}\n", [4]),
        ("name: a\nroots: [MES]\nentry: {long: 'close > tf(\"4h\").close'}\n", [1]),
        ("name: a\nroots: [MES]\ntimeframe: 5m\nsecondary: [7h]\nentry: {long: 'close > tf(\"4h\").close'}\n", [4]),
        ("name: a\nroots: [MES]\ntimeframe: 5m\nentry: [long]\nexit: {short: 'close > open'}\n", [4]),
        ("name: a\nroots: [MES]\ntimeframe: 5m\nentry: {long: 'close > open'}\nstop: {foo: 1}\n", [5]),
        ("name: a\nroots: [MES]\ntimeframe: 5m\nentry: {long: 'close > open'}\nsizing: {risk_usd: [1]}\n", [5]),
        ("name: a\nroots: [MES]\ntimeframe: 5m\nentry: {long: 'close > open'}\ntrading: {window: [a, b]}\n", [5, 5]),
        ("name: a\nroots: [MES]\ntimeframe: 5m\nentry: {long: 5, short: 6}\n", [4, 4]),
        ("just: a\n", [1, 1, 1, 1, 1]),
        ("- a\n- b\n", [1]),
        ("name: a\nname: b\n", [2]),
    ],
)
def test_no_mistake_is_told_that_only_follows_from_another(text: str, lines: list[int]) -> None:
    assert [line for line, _ in mistakes(text)] == lines


def test_what_holds_the_strategy_as_a_whole_is_told_together_too() -> None:
    text = GOOD | {"parameters": "parameters: {n: {default: 3}}", "constraints": "constraints: []"}
    text |= {"entry": "entry: {long: 'sma(close, 0) > 1'}", "secondary": "secondary: []"}
    assert mistakes("\n".join(text.values()) + "\n") == [
        (5, "parameter n is declared and never used (probe.yaml, line 5)"),
        (7, "length 0 must be a whole number from 1 to 5000 (entry.long, probe.yaml, line 7)"),
    ]


def test_a_file_that_reads_well_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "probe.yaml"
    path.write_text(with_bad())
    assert load_strategy(path).name == "probe"


SECTION = st.sampled_from([*GOOD.values(), *BAD.values(), "stop: [", "entry:", "parameters: {fast: 3}", "trading: 5"])
VALUE = st.recursive(
    st.none() | st.integers() | st.sampled_from(["close > 1", "1h", "x", "'8'"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["long", "short", "ticks", "default", "atr", "windows", "from", "contracts", "x"]), inner
        )
    ),
    max_leaves=4,
)


@given(st.lists(SECTION, max_size=8), st.sampled_from(list(GOOD)), VALUE)
def test_whatever_is_written_the_answer_is_a_list_of_mistakes(sections: list[str], key: str, value: object) -> None:
    text = "\n".join([*dict.fromkeys(sections), f"{key}: {value!r}".replace("None", "null")]) + "\n"
    found = []
    try:
        parse_strategy(text)
    except WorkbenchError as error:
        first, found = str(error), told(error)
    assert not found or any(said.startswith(first) for _, said in found)
