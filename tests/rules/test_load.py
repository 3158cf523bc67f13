"""Strategy files: what is refused, where the message points, and what the version depends on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.build import strategy_text
from tests.rules.work import at_most_calls
from workbench.domain.errors import InputError, UnknownName
from workbench.rules import load_strategy, parse_strategy

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"
CROSS = (STRATEGIES / "sma_cross.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(STRATEGIES.glob("*.yaml")), ids=lambda p: p.stem)
def test_the_shipped_strategies_load_and_are_named_as_their_files(path: Path) -> None:
    strategy = load_strategy(path)
    assert strategy.name == path.stem
    assert strategy.description
    assert all(p.description and p.min is not None and p.max is not None for p in strategy.parameters.values())


def test_a_broken_constraint_names_both_values_and_its_line() -> None:
    strategy = parse_strategy(CROSS, where="strategies/sma_cross.yaml")
    line = CROSS.splitlines().index("constraints: [fast < slow]") + 1
    with pytest.raises(InputError) as caught:
        strategy.with_parameters(fast=60, slow=30)
    assert str(caught.value) == f"fast=60 must be < slow=30 (strategies/sma_cross.yaml, line {line})"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"entri": "{}"}, "unknown key 'entri' (probe.yaml, line 5); did you mean entry"),
        ({"entry": "{longg: 'close > open'}"}, "did you mean long?"),
        ({"stop": "{tick: 5}"}, "did you mean ticks?"),
        ({"stop": "{ticks: 5, points: 2}"}, "stop needs one of ticks, points, atr; found ticks and points"),
        ({"stop": "{ticks: -5}"}, "stop.ticks = -5 must be > 0"),
        ({"stop": "{ticks: 5, length: 3}"}, "stop.length belongs to atr"),
        ({"timeframe": "1mm"}, "timeframe: "),
        ({"timeframe": "60"}, "timeframe"),
        ({"roots": "[MESS]"}, "roots: unknown contract"),
        ({"roots": "[]"}, "roots: "),
        ({"roots": "MES"}, "roots: "),
        ({"name": "Has Spaces"}, "small letters"),
        ({"entry": "{}"}, "entry needs a condition"),
        ({"exit": "{short: 'close > open'}"}, "exit.short can never act"),
        ({"entry": "{long: 'clse > open'}"}, "'clse' (entry.long, probe.yaml, line 4); did you mean close?"),
        ({"entry": "{long: 'sma(close, 0) > 1'}"}, "length 0 must be a whole number from 1 to 5000"),
        ({"entry": "{long: 'sma(close, 2.5) > 1'}"}, "length 2.5 must be a whole number"),
        ({"parameters": "{close: {default: 1}}"}, "is a word of the rule language"),
        ({"parameters": "{a b: {default: 1}}"}, "is not a name"),
        ({"parameters": "{n: {default: 1}}"}, "parameter n is declared and never used (probe.yaml, line 5)"),
        ({"parameters": "{n: {default: 1, maxx: 3}}"}, "did you mean max?"),
        ({"parameters": "{n: {min: 1}}"}, "parameters.n.default is missing (probe.yaml, line 5)"),
        ({"parameters": "{n: {default: 9, max: 3}}"}, "n=9 must be at most 3"),
        ({"parameters": "{n: {default: 1.5, type: int}}"}, "n=1.5 must be a whole number"),
        ({"parameters": "{n: {default: 1, type: text}}"}, "must be int, float or bool"),
        ({"sizing": "{contracts: 0}"}, "sizing.contracts = 0 must be a whole number, at least 1"),
        ({"sizing": "{contracts: close}"}, "wanted a number or parameter"),
        ({"trading": "{window: ['08:30']}"}, "trading.window"),
        ({"trading": "{window: ['08:30', '08:30']}"}, "is empty"),
        ({"trading": "{flat_by: 15.05}"}, "trading.flat_by"),
        ({"trading": "{flat_by: '25:05'}"}, "HH:MM"),
        ({"constraints": "[close > 1]"}, "a constraint compares parameters and numbers"),
    ],
)
def test_a_mistake_is_refused_with_its_place(sections: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_strategy(strategy_text(**sections), where="probe.yaml")
    assert message in str(caught.value)
    assert "probe.yaml, line" in str(caught.value) or "(probe.yaml)" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- a\n- b\n", "a strategy is a list of keys"),
        ("a: [1\n", "not YAML"),
        ("a: 1\na: 2\n", "'a' is written twice (strategy, line 2)"),
        ("a: &x 1\nb: *x\n", "anchors, aliases and tags"),
        ("a: !!python/object:os.system x\n", "anchors, aliases and tags"),
        ("? [1]\n: 2\n", "a key must be a plain word"),
        ("a: " + "[" * 200 + "]" * 200 + "\n", "levels deep"),
        ("x" * 70_000 + "\n", "at most 64,000"),
        ("a: \x07\n", "not YAML"),
    ],
)
def test_what_is_no_strategy_document_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_strategy(text)
    assert message in str(caught.value)


def test_a_huge_or_deep_file_is_refused_with_little_work(tmp_path: Path) -> None:
    huge, deep = tmp_path / "huge.yaml", tmp_path / "deep.yaml"
    huge.write_bytes(b"a: 1\n" * 2_000_000)
    deep.write_text(strategy_text(entry="{long: '" + "not " * 10_000 + "close > open'}"))
    with at_most_calls(1_000_000):
        for path in (huge, deep):
            with pytest.raises(InputError):
                load_strategy(path)


def test_a_wrong_file_name_offers_the_right_one(tmp_path: Path) -> None:
    (tmp_path / "sma_cross.yaml").write_text("x")
    with pytest.raises(UnknownName, match=r"did you mean sma_cross\.yaml"):
        load_strategy(tmp_path / "sma_cros.yaml")
    with pytest.raises(InputError, match="no folder"):
        load_strategy(tmp_path / "nowhere" / "x.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        load_strategy(tmp_path / "bytes.yaml")


def test_times_of_day_are_texts_with_and_without_quotes() -> None:
    quoted = parse_strategy(strategy_text(trading="{window: ['08:30', '11:00'], flat_by: '15:05'}"))
    plain = parse_strategy(strategy_text(trading="{window: [8:30, 11:00], flat_by: 15:05}"))
    assert plain.window == ("08:30", "11:00")
    assert plain.version == quoted.version


def test_the_version_ignores_form_and_comments() -> None:
    strategy = parse_strategy(CROSS)
    written = "cross_above(sma(close, fast), sma(close, slow))"
    spaced = '"cross_above( sma(close,fast),sma( close, slow ))"'
    reformed = "# other words\n" + CROSS.replace(written, spaced).replace("6.0", "6.00")
    reformed = reformed.replace("description: Follow", "description: To follow")
    assert reformed != CROSS
    assert parse_strategy(reformed).version == strategy.version
    assert strategy.with_parameters(fast=3).version == strategy.version


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cross_above(sma(close, fast)", "cross_above(sma(open, fast)"),
        ("default: 5", "default: 6"),
        ("max: 100", "max: 101"),
        ("length: 14", "length: 15"),
        ("timeframe: 1m", "timeframe: 2m"),
        ('flat_by: "15:05"', 'flat_by: "15:04"'),
        ("stop: {atr: stop", "stop: {points: stop"),
        ("[MES, ES, MNQ, NQ]", "[MES, ES]"),
        ("fast < slow", "fast <= slow"),
        ("[MES, ES, MNQ, NQ]", "[MES, GC]"),
    ],
)
def test_the_version_changes_with_anything_that_could_change_a_trade(old: str, new: str) -> None:
    assert old in CROSS
    changed = CROSS.replace(old, new)
    if "points" in new:
        changed = changed.replace("points: stop, length: 14", "points: stop")
    assert parse_strategy(changed).version != parse_strategy(CROSS).version


def test_the_order_of_roots_counts_only_where_it_changes_the_product_group() -> None:
    versions = [parse_strategy(strategy_text(roots=roots)).version for roots in ("[MES, ES]", "[ES, MES]")]
    mixed = [parse_strategy(strategy_text(roots=roots)).version for roots in ("[MES, GC]", "[GC, MES]")]
    assert versions[0] == versions[1]
    assert mixed[0] != mixed[1]


def test_the_version_is_the_same_for_ever() -> None:
    # Pinned: a stored version must keep its name on every Python and after every change of ours that keeps its meaning.
    assert parse_strategy(strategy_text(stop="{ticks: 8}")).version == "958c999e76fa6166"


def test_parameters_are_taken_by_name_type_and_range() -> None:
    strategy = parse_strategy(CROSS)
    assert strategy.with_parameters(fast=7.0).values["fast"] == 7
    assert isinstance(strategy.with_parameters(fast=7.0).values["fast"], int)
    assert strategy.values["fast"] == 5
    for values, message in (
        ({"fas": 3}, "did you mean fast"),
        ({"fast": 2.5}, "fast=2.5 must be a whole number"),
        ({"fast": "7"}, "fast='7' must be a whole number"),
        ({"fast": True}, "fast=True must be a whole number"),
        ({"fast": float("nan")}, "fast=nan must be a whole number"),
        ({"fast": 1}, "fast=1 must be from 2 to 100"),
        ({"stop": 100.0}, "stop=100 must be from 0.5 to 20"),
    ):
        with pytest.raises(InputError, match=message):
            strategy.with_parameters(**values)


def test_a_strategy_is_made_for_its_roots() -> None:
    strategy = parse_strategy(CROSS, where="x.yaml")
    strategy.require_contract("CON.F.US.EP.Z25")
    with pytest.raises(InputError, match="made for MES, ES, MNQ, NQ, not for CL"):
        strategy.require_contract("CON.F.US.CLE.Z25")


def test_warmup_covers_the_slowest_memory() -> None:
    assert parse_strategy(strategy_text(entry="{long: 'close > sma(close, 30)[5]'}")).warmup == 35
    assert parse_strategy(strategy_text(entry="{long: 'cross_above(close, highest(sma(close, 10), 20))'}")).warmup == 30
    assert parse_strategy(strategy_text(entry="{long: 'close > opening_range_high(30)'}")).warmup == 1440
