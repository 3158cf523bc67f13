"""Strategy files: what is refused, where the message points, and what the version depends on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.build import DAY_OPEN, strategy_text
from tests.rules.work import at_most_calls
from workbench.domain.clock import HOUR
from workbench.domain.errors import InputError, UnknownName
from workbench.rules import load_strategy, parse_strategy
from workbench.rules.plan import VOLATILITY
from workbench.rules.windows import Window

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
        (
            {"stop": "{ticks: 5, points: 2}"},
            "stop needs one of ticks, points, percent, atr, price; found ticks and points",
        ),
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
        ({"entry": "{long: 'clse > open'}"}, "'clse' (entry.long, probe.yaml, line 4); did you mean close"),
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
        ({"stop": "{long: {ticks: 8}, ticks: 9}"}, "unknown key 'ticks' (probe.yaml, line 5)"),
        ({"stop": "{ticks: {longg: 8}}"}, "did you mean long?"),
        ({"stop": "{percent: {long: 1, short: 0}}"}, "stop.percent.short = 0 must be > 0"),
        ({"trail": "{long: {tick: 8}}"}, "did you mean ticks?"),
        ({"break_even": "{after: {ticks: 8}}"}, "break_even moves the stop, and long has none (probe.yaml, line 5)"),
        ({"break_even": "{plus_ticks: 8}"}, "break_even.after is missing (probe.yaml, line 5)"),
        ({"exit": "{after_bar: 3}"}, "did you mean after_bars?"),
        ({"exit": "{after_bars: 0}"}, "exit.after_bars = 0 must be a whole number, at least 1 (probe.yaml, line 5)"),
        ({"exit": "{after_bars: close}"}, "wanted a number or parameter"),
        ({"sizing": "{contracts: 1, risk_usd: 5}"}, "found contracts and risk_usd"),
        ({"sizing": "{risk_usd: 5}"}, "sizing.max_contracts is missing"),
        ({"sizing": "{risk_usd: 5, max_contracts: 2}"}, "what is lost at the stop, and long has none"),
        ({"sizing": "{contracts: 1, max_contracts: 2}"}, "belongs to risk_usd and volatility_usd"),
        ({"sizing": "{contracts: 1, of: atr(3)}"}, "sizing.of belongs to volatility_usd"),
        ({"sizing": "{volatility_usd: -5, max_contracts: 2}"}, "sizing.volatility_usd = -5 must be a number above 0"),
        ({"limits": "{daily_loss: 5}"}, "did you mean daily_loss_usd?"),
        ({"limits": "{daily_loss_usd: 0}"}, "limits.daily_loss_usd = 0 must be a number above 0"),
        ({"limits": "{max_position: 1.5}"}, "limits.max_position = 1.5 must be a whole number"),
        ({"secondary": "[30s]"}, "secondary: 30s must be a longer bar that whole 1m bars fill (probe.yaml, line 5)"),
        ({"secondary": "[4hh]"}, "did you mean 4h"),
        ({"secondary": "[1h]", "entry": "{long: 'tf(\"4h\").close > 1'}"}, "unknown secondary timeframe '4h'"),
        ({"entry": "{long: 'tf(\"1m\").close > 1'}"}, "1m bars cannot be built from 1m bars"),
        ({"trading": "{windows: [{days: Mon-Fri, from: 9:30}]}"}, "trading.windows.0.to is missing"),
        ({"trading": "{windows: [{form: 9:30, to: 16:00}]}"}, "did you mean from?"),
        ({"trading": "{windows: [{days: Mo-Fr, from: 9:30, to: 16:00}]}"}, "unknown weekday 'Mo'"),
        ({"trading": "{windows: [{from: 9:30, to: 16:00, zone: New York}]}"}, "did you mean America/New_York?"),
        ({"trading": "{windows: [{from: 9:30, to: 9:30}]}"}, "is empty"),
        ({"trading": "{windows: []}"}, "trading.windows"),
        ({"trading": "{window: [9:30, 16:00], windows: [{from: 9:30, to: 16:00}]}"}, "write one of them"),
        ({"entry": '{long: \'between(time, "9:30", "16:00", "Mars")\'}'}, "unknown time zone 'Mars'"),
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
    assert parse_strategy(strategy_text(stop="{ticks: 8}")).version == "d9daa578e6498ed1"


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


EXAMPLE = """\
name: four_hour_confirmation
roots: [MES]
timeframe: 1h
secondary: [4h]
entry:
  long: close > high[1] and tf("4h").close > tf("4h").sma(close, 20)
  short: close < low[1] and tf("4h").close < tf("4h").sma(close, 20)
exit:
  long: close < low[1]
  short: close > high[1]
stop: {percent: 0.5}
target: {percent: 1}
trading:
  windows: [{days: Mon-Fri, from: 09:30, to: 16:00, zone: America/New_York}]
"""


def test_the_example_of_several_timeframes_loads_as_people_write_it() -> None:
    strategy = parse_strategy(EXAMPLE)
    assert strategy.secondary == ("4h",)
    # twenty 4-hour bars, one more of which the beginning may be missing: 21 · 4
    assert strategy.warmup == 84
    plan = strategy.plan("CON.F.US.MES.U25")
    assert plan.windows == (Window((0, 1, 2, 3, 4), 34_200, 57_600, "America/New_York"),)
    graph = plan.graph
    for i in range(3):
        graph.step(
            4000.0, 4000.0, 4000.0, 4000.0, 1.0, 1.0, 0.0, 3600.0, DAY_OPEN + i * HOUR, DAY_OPEN + (i + 1) * HOUR
        )
    # half a percent of 4,000 is 20 points, 80 ticks
    assert graph.values[plan.stop.long] == graph.values[plan.stop.short] == 80.0
    assert graph.values[plan.target.long] == 160.0


def test_a_price_is_a_level_and_its_distance_has_the_direction_of_its_job() -> None:
    strategy = parse_strategy(
        strategy_text(
            entry="{long: 'close > open', short: 'close < open'}",
            stop="{price: {long: low, short: high}}",
            target="{long: {price: close + 3}, short: {points: 2}}",
            trail="{ticks: {short: 5}}",
            break_even="{after: {long: {points: 1}, short: {ticks: 7}}, plus_ticks: 1}",
        )
    )
    plan = strategy.plan("MES")
    graph = plan.graph
    graph.step(4001.0, 4004.0, 3998.0, 4000.0, 1.0, 1.0, 0.0, 60.0)
    assert (graph.values[plan.stop.long], graph.values[plan.stop.short]) == (8.0, 16.0)
    assert (graph.values[plan.target.long], graph.values[plan.target.short]) == (12.0, 8.0)
    assert (plan.trail.long, graph.values[plan.trail.short]) == (-1, 5.0)
    assert (graph.values[plan.break_even.long], graph.values[plan.break_even.short]) == (4.0, 7.0)
    assert graph.values[plan.break_even_plus.long] == 1.0


def test_a_break_even_after_a_level_is_refused_for_it_would_end_where_the_price_reaches_it() -> None:
    for after in ("{price: high}", "{long: {ticks: 8}, short: {price: low}}"):
        with pytest.raises(InputError, match=r"break_even.after is a gain: ticks.*line \d+"):
            parse_strategy(strategy_text(break_even=f"{{after: {after}}}"))


def test_a_trail_without_a_stop_gives_the_first_stop_too() -> None:
    plan = parse_strategy(strategy_text(stop="{long: {ticks: 9}}", trail="{ticks: 5}")).plan("MES")
    assert plan.graph.constants[plan.stop.long] == 9.0
    assert plan.stop.short == plan.trail.short != plan.stop.long


def test_sizes_limits_and_times_enter_the_plan() -> None:
    text = strategy_text(
        parameters="{usd: {default: 250, max: 500}, n: {default: 4}}",
        sizing="{volatility_usd: usd, of: atr(5) * 2, max_contracts: n + 1}",
        limits="{daily_loss_usd: usd * 2, max_position: n}",
        exit="{after_bars: n * 2}",
    )
    plan = parse_strategy(text).with_parameters(usd=300).plan("MES")
    assert (plan.sizing, plan.amount, plan.most) == (VOLATILITY, 300.0, 5)
    assert (plan.daily_loss_usd, plan.max_position, plan.exit_after) == (600.0, 4, 8)
    assert plan.graph.keys[plan.volatility] == "/(*(atr(high,low,close;5),2.0;),0.25;)"
    assert parse_strategy(text.replace("max: 500", "max: 501")).version != parse_strategy(text).version


def test_what_was_added_changes_the_version_and_its_form_does_not() -> None:
    plain = parse_strategy(EXAMPLE)
    same = EXAMPLE.replace("[4h]", '["4h"]  # confirmation').replace("Mon-Fri", "[Fri, mon, tuesday, Wed, Thu]")
    same = same.replace("09:30", '"9:30"').replace("secondary: [4h]\n", "").replace("percent: 1}", "percent: 1.0}")
    assert parse_strategy(same).version == plain.version
    changes = [("0.5", "0.6"), ("Mon-Fri", "Mon-Thu"), ("America/New_York", "America/Chicago"), ("09:30", "09:31")]
    changes += [('tf("4h").close >', 'tf("2h").close >'), ("{percent: 0.5}", "{points: 0.5}")]
    added = ["exit:\n  after_bars: 5", "trail: {ticks: 8}", "break_even: {after: {ticks: 8}}"]
    added += ["limits: {max_position: 2}", "sizing: {risk_usd: 100, max_contracts: 3}"]
    base = EXAMPLE.replace("secondary: [4h]\n", "")
    changed = [base.replace(old, new) for old, new in changes]
    changed += [base.replace("exit:\n", line + ("\n" if line.startswith("exit") else "\nexit:\n")) for line in added]
    versions = {parse_strategy(text).version for text in [base, *changed]}
    assert len(versions) == len(changed) + 1 and plain.version in versions


def test_with_another_timeframe_the_higher_ones_must_still_be_higher() -> None:
    strategy = parse_strategy(EXAMPLE)
    assert strategy.with_timeframe("30m").secondary == ("4h",)
    with pytest.raises(InputError, match="4h must be a longer bar that whole 6h bars fill"):
        strategy.with_timeframe("6h")


def test_unclear_values_are_refused_with_little_work(tmp_path: Path) -> None:
    texts = [
        strategy_text(entry="{long: '" + "(" * 10_000 + "close" + ")" * 10_000 + " > 1'}"),
        strategy_text(entry="{long: '" + "-" * 10_000 + "close > 1'}"),
        strategy_text(entry="{long: '" + "tf(" * 600 + "'}"),
        strategy_text(stop="{ticks: " + "1+" * 10_000 + "1}"),
        strategy_text(trading="{windows: [" + "{from: 9:30, to: 10:00}," * 60 + "]}"),
        strategy_text(parameters="{n: {default: 1e300}}"),
        strategy_text(parameters="{n: {default: 5, min: 7, max: 9}}", entry="{long: 'close > n'}"),
        strategy_text(sizing="{contracts: 1e30}"),
        strategy_text(entry="{long: 'close > close[9999999]'}"),
    ]
    for text in texts:
        with at_most_calls(500_000), pytest.raises(InputError):
            parse_strategy(text)


@given(st.permutations(range(9)), st.booleans())
def test_neither_the_order_of_keys_nor_comments_change_the_version(order: list[int], comments: bool) -> None:
    sections = re.split(r"(?m)^(?=\w)", EXAMPLE)[1:]
    assert len(sections) == len(order)
    text = ("# a word\n" if comments else "").join(sections[i] for i in order)
    assert parse_strategy(text).version == parse_strategy(EXAMPLE).version


def test_a_rule_with_a_comma_inside_braces_is_told_to_be_quoted() -> None:
    with pytest.raises(InputError, match=r"so '20\)' became a key; put the rule in quotes \(strategy, line 4\)"):
        parse_strategy(strategy_text(entry="{long: close > sma(close, 20)}"))
