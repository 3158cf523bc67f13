"""Strategies written in Python: what loading reads, what running says, and how mistakes are told."""

from __future__ import annotations

import linecache
from pathlib import Path

import pytest

import workbench as wb
from tests.rules.build import DAY_OPEN, MES, bar, bars
from tests.rules.python_build import HEAD, probe, source
from workbench.domain.clock import HOUR, MINUTE
from workbench.domain.errors import InputError, UnknownName
from workbench.rules import load_strategy, parse_strategy
from workbench.rules.python import PythonStrategy, StrategyFault, load_python, of_class, read_python
from workbench.rules.signal import Signal


def run(strategy: PythonStrategy, closes: list[float], positions: dict[int, int] | None = None) -> list[Signal | None]:
    """Signals bar by bar; `positions` says what is held at a bar."""
    rule = strategy.start()
    held = positions or {}
    return [rule.on_bar(b, held.get(i, 0)) for i, b in enumerate(bars(closes))]


# --- one Strategy -----------------------------------------------------------------------------------------------------


def test_yaml_and_python_strategies_are_instances_of_the_one_strategy() -> None:
    assert isinstance(probe(), wb.Strategy)
    assert isinstance(load_strategy(Path(__file__).parents[2] / "strategies" / "sma_cross.yaml"), wb.Strategy)


def test_a_loaded_strategy_has_the_surface_of_a_declarative_one() -> None:
    made = probe("length = wb.Strategy.parameter(3, min=2, max=9, step=1)\ndescription = 'tries'")
    assert (made.name, made.description, made.roots, made.timeframe) == ("probe", "tries", ("MES",), "1m")
    assert made.values == {"length": 3} and made.parameters["length"].max == 9
    assert made.with_parameters(length=5).values == {"length": 5}
    assert made.with_parameters(length=5).version == made.version
    made.require_contract(MES)
    with pytest.raises(InputError, match="made for MES, not for NQ"):
        made.require_contract("NQ")
    with pytest.raises(UnknownName, match="did you mean length"):
        made.with_parameters(lenght=5)
    with pytest.raises(InputError, match=r"length=10 must be from 2 to 9 \(probe.py, line 8\)"):
        made.with_parameters(length=10)


def test_loading_runs_nothing_of_the_file() -> None:
    made = read_python("raise SystemExit('never')\n" + source(), "probe.py")
    assert made.name == "probe"


def test_the_docstring_describes_it_when_nothing_else_does() -> None:
    text = HEAD.replace("    name =", '    """Buys weakness.\n\n    Long story."""\n\n    name =')
    assert read_python(source(head=text)).description == "Buys weakness."


def test_another_timeframe_is_another_version_and_survives_packing() -> None:
    made = probe().with_timeframe("5m")
    assert made.timeframe == "5m" and made.version != probe().version
    assert parse_strategy(made.source).version == made.version
    assert parse_strategy(made.source).timeframe == "5m"


def test_values_may_be_module_constants() -> None:
    made = read_python('ROOTS = ("MES", "ES")\n' + source('roots = ROOTS\nflat_by = "9:05"'))
    assert made.roots == ("MES", "ES") and made.flat_by == "09:05"


# --- what a bar's close decides ---------------------------------------------------------------------------------------


def test_an_entry_carries_distances_in_ticks_signed_as_the_gateway_wants_them() -> None:
    (long,) = run(probe(on_bar="self.enter_long(stop=2.0, target=self.ticks(12), contracts=3)"), [1000.0])
    assert long == Signal(
        at=DAY_OPEN + MINUTE, entry=1, rule="entry.long", stop_ticks=-8, target_ticks=12, qty=3
    )  # 2 points are 8 ticks of 0.25
    (short,) = run(probe("contracts = 2", on_bar="self.enter_short(stop=0.1, tag='fade')"), [1000.0])
    assert (short.entry, short.stop_ticks, short.target_ticks, short.qty, short.rule) == (-1, 4, None, 2, "fade")


def test_percent_is_of_the_newest_close() -> None:
    (signal,) = run(probe(on_bar="self.enter_long(stop=self.percent(0.5))"), [1000.0])
    assert signal.stop_ticks == -20  # 5 points


def test_on_bar_is_first_called_when_every_indicator_is_warm() -> None:
    made = probe(start="self.sma = self.indicator('sma', 3)", on_bar="self.enter_long(stop=self.sma.value)")
    signals = run(made, [1.0, 2.0, 6.0, 7.0])
    assert [s is not None for s in signals] == [False, False, True, True]
    assert signals[2].stop_ticks == -12  # mean of 1, 2, 6 is 3 points
    assert made.warmup == 3


def test_history_holds_back_entries_but_not_on_bar() -> None:
    body = "history = 2"
    made = probe(body, start="self.seen = 0", on_bar="self.seen += 1\nself.enter_long(stop=self.seen)")
    signals = run(made, [1.0] * 4)
    assert [s and s.stop_ticks for s in signals] == [None, None, -12, -16] and made.warmup == 3


def test_readings_and_bars_look_back() -> None:
    made = probe(
        start="self.high = self.expression('highest(high, 2)')\nself.up = self.expression('close > close[1]')",
        on_bar="if self.up: self.enter_long(stop=self.high.value - self.bars[1].close, target=self.high[1])",
    )
    signals = run(made, [1000.0, 1001.0, 1004.0, 1002.0])
    assert [s is not None for s in signals] == [False, False, True, False]  # high[1] is not known at the second bar
    assert signals[2].stop_ticks == -12  # 1004 − 1001
    assert signals[2].target_ticks == 4004  # the highest high one bar before was 1001


def test_entering_against_the_position_is_a_reversal_and_again_on_the_same_side_is_nothing() -> None:
    made = probe(on_bar="self.enter_short(stop=1.0)")
    same, against = run(made, [1.0, 1.0], {0: -1, 1: 2})
    assert same is None
    assert (against.entry, against.exit, against.exit_side, against.rule) == (-1, True, 1, "entry.short")


def test_exit_names_the_side_it_closes_and_is_nothing_when_flat() -> None:
    flat, held = run(probe(on_bar="self.exit()"), [1.0, 1.0], {1: -1})
    assert flat is None and (held.exit, held.exit_side, held.rule, held.entry) == (True, -1, "exit.short", 0)


def test_a_moved_stop_is_a_level_in_ticks_and_one_beyond_the_market_leaves() -> None:
    made = probe(on_bar="self.move_stop(bar.close - 2.0) if bar.close > 1000 else self.move_stop(bar.close + 2.0)")
    flat, moved, beyond = run(made, [1001.0, 1001.0, 999.0], {1: 1, 2: 1})
    assert flat is None and (moved.stop_to, moved.exit) == (3996, False)
    assert beyond.exit and beyond.rule == "trail"


def test_position_entry_price_and_bars_in_position_are_told() -> None:
    made = probe(
        on_bar="""
        if self.position == 2 and self.entry_price == 10.0 and self.bars_in_position == 2 and self.long:
            self.exit('seen')
        """
    )
    rule, feed = made.start(), bars([1.0, 1.0, 1.0])
    assert rule.on_bar(feed[0], 0) is None
    assert rule.on_bar(feed[1], 2, 40.0) is None
    assert rule.on_bar(feed[2], 2, 40.0).rule == "seen"


def test_window_cooldown_and_trades_of_the_day_hold_back_entries() -> None:
    always = "self.enter_long(stop=1.0)"
    window = probe('window = ("08:32", "08:34")', on_bar=always)  # bars close at 08:31, 08:32, …
    assert [s is not None for s in run(window, [1.0] * 5)] == [False, True, True, False, False]
    most = probe("max_trades_per_day = 2", on_bar=always)
    assert sum(s is not None for s in run(most, [1.0] * 5)) == 2
    cooldown = probe("cooldown = 2", on_bar=always)
    held = run(cooldown, [1.0] * 6, {1: 1, 2: 1})
    # entered at 0, held at 1 and 2, bar 3 still counts as busy, 4 is one bar out, 5 the second
    assert [s is not None for s in held] == [True, False, False, False, False, True]


def test_the_day_ends_at_flat_by_whatever_on_bar_says() -> None:
    made = probe('flat_by = "15:05"', on_bar="self.enter_long(stop=1.0)")
    rule = made.start()
    at = DAY_OPEN + 6 * HOUR + 34 * MINUTE  # the bar 15:04–15:05; the next close would be too late
    assert rule.on_bar(bar(at - MINUTE, 1000.0), 0).entry == 1
    assert rule.on_bar(bar(at, 1000.0), 1) == Signal(at=at + MINUTE, exit=True, rule="flat_by")
    assert rule.on_bar(bar(at + MINUTE, 1000.0), 0) is None


def test_warm_bars_are_seen_and_decide_nothing() -> None:
    made = probe(start="self.seen = 0", on_bar="self.seen += 1\nself.enter_long(stop=self.seen)")
    rule, feed = made.start(), bars([1.0, 1.0, 1.0])
    assert rule.warm(feed[0]) and rule.warm(feed[1]) and not rule.warm(feed[1])
    assert rule.on_bar(feed[2]).stop_ticks == -12 and rule.trades_today == 1


@pytest.mark.parametrize(
    ("text", "days"),
    [("opening_range_high(15)", 1), ("vwap()", 1), ("session_low()", 1), ("prior_day_high()", 2), ("gap()", 2)],
)
def test_indicators_of_the_day_are_given_whole_days_before_the_first_live_decision(text: str, days: int) -> None:
    made = probe("history = 3", start=f"self.x = self.expression('{text}')")
    assert made.start().warmup == days * 24 * 60 + 3  # one-minute bars


def test_bars_that_came_late_are_seen_with_what_was_held_and_count() -> None:
    made = probe(on_bar="if self.bars_in_position == 3:\n    self.exit()")
    rule, feed = made.start(), bars([1.0] * 3)
    assert rule.on_bar(feed[0], 1) is None
    assert rule.warm(feed[1], 1, 4.0)
    assert rule.on_bar(feed[2], 1).exit


def test_a_stop_that_is_not_known_yet_means_no_entry() -> None:
    (signal,) = run(probe(on_bar="self.enter_long(stop=float('nan'))"), [1.0])
    assert signal is None


def test_each_start_is_fresh_also_in_module_variables() -> None:
    made = read_python("SEEN = []\n" + source(on_bar="SEEN.append(1)\nself.enter_long(stop=len(SEEN))"))
    assert [run(made, [1.0])[0].stop_ticks for _ in range(2)] == [-4, -4]


def test_settings_may_be_parameters() -> None:
    body = "contracts = wb.Strategy.parameter(1, min=1, max=5)\ncooldown = wb.Strategy.parameter(0, min=0, max=9)"
    made = probe(body, on_bar="self.enter_long(stop=1.0)")
    assert run(made.with_parameters(contracts=4), [1.0])[0].qty == 4
    with pytest.raises(InputError, match="contracts as a parameter is whole, with a min of 1"):
        probe("contracts = wb.Strategy.parameter(1)")


def test_parameters_stand_in_expressions_by_name() -> None:
    made = probe(
        "length = wb.Strategy.parameter(2, min=1, max=9)",
        start="self.mean = self.expression('sma(close, length)')",
        on_bar="self.enter_long(stop=self.mean.value)",
    )
    assert run(made, [1.0, 3.0])[1].stop_ticks == -8
    assert run(made.with_parameters(length=1), [1.0])[0].stop_ticks == -4


# --- mistakes, told with file and line --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import math\n", r"no class in it derives from wb.Strategy; a strategy file has one \(probe.py\)"),
        (source().replace("wb.Strategy", "object"), r"Probe has an on_bar but does not derive .* \(probe.py, line 4\)"),
        (source() + "\n\n" + source().replace("Probe", "Other"), r"2 strategies in one file: Probe \(line 4\), Other"),
        (source().replace("def on_bar(self, bar):", "def on_bar(self bar):"), r"\(probe.py, line 13\)"),
        (source().replace("on_bar", "on_bars"), r"Probe needs a method on_bar\(self, bar\) \(probe.py, line 4\)"),
        (source().replace('name = "probe"', "pass"), r'Probe needs name = "my_idea" \(probe.py, line 4\)'),
        (source().replace('"probe"', '"Probe 1"'), r"name: 'Probe 1' must be small letters.* \(probe.py, line 5\)"),
        (source().replace('"MES"', '"MESX"'), r"roots: .*did you mean MES.* \(probe.py, line 6\)"),
        (source().replace('"1m"', '"7m"'), r"timeframe: .*7m.* \(probe.py, line 7\)"),
        (source('flatby = "15:05"'), r"unknown setting 'flatby' \(probe.py, line 8\); did you mean flat_by"),
        (source('flat_by = "25:05"'), r"'25:05' is not a time of day.*\(probe.py, line 8\)"),
        (source("cooldown = -1"), r"cooldown = -1 must be a whole number, at least 0 \(probe.py, line 8\)"),
        (source('window = ("08:30",)'), r"window: .* must be two times.* \(probe.py, line 8\)"),
        (source("roots = tuple(open('x'))"), r"roots = tuple\(open\('x'\)\) must be written as a plain value"),
        (
            source("n = wb.Strategy.parameter(5, mim=1)"),
            r"unknown word of parameter n 'mim' .*line 8.*did you mean min",
        ),
        (source("n = wb.Strategy.parameter(5, min=6)"), r"n=5 must be at least 6 \(probe.py, line 8\)"),
        (source("n = wb.Strategy.parameter(min=6)"), r"parameter n needs a default.*\(probe.py, line 8\)"),
        (source("flat = wb.Strategy.parameter(5)"), r"flat is a word of wb.Strategy itself.*\(probe.py, line 8\)"),
        ("import requests\n" + source(), r"imports requests: a strategy may import .*\(probe.py, line 1\)"),
        ("x = '\0'\n" + source(), "probe.py"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "probe.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said.replace("probe.py", ".*probe.py")):
        load_python(path)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"start": "self.x = 1 / 0"}, r"probe.py, line 11, in start: ZeroDivisionError: .*`self.x = 1 / 0`"),
        (
            {"start": "self.x = self.indicator('rsy', 3)"},
            r"line 11, in start: .*unknown indicator 'rsy'.*did you mean rsi",
        ),
        (
            {"start": "self.x = self.expression('clos > 1')"},
            r"line 11, in start: .*unknown name 'clos'.*did you mean clos",
        ),
        ({"start": "self.enter_long(stop=1)"}, r"line 11, in start: .*belongs into on_bar"),
        ({"on_bar": "return 1"}, r"probe.py, line 13, in on_bar: on_bar returned 1; it returns nothing"),
        ({"on_bar": "x = {}\nx['a']"}, r"probe.py, line 15, in on_bar: KeyError: 'a'  `x\['a'\]`"),
        ({"on_bar": "self.enter_long(stop=-1.0)"}, r"line 14, in on_bar: ValueError: stop=-1 must be a distance"),
        ({"on_bar": "self.enter_long(stop='a')"}, r"line 14, in on_bar: ValueError: stop='a' must be a distance"),
        (
            {"on_bar": "self.enter_long(contracts=1.5)"},
            r"line 14, in on_bar: ValueError: contracts=1.5 must be a whole",
        ),
        ({"on_bar": "self.enter_long(); self.enter_short()"}, r"line 14, in on_bar: .*a long and a short entry"),
        ({"on_bar": "self.indicator('rsi', 3)"}, r"line 14, in on_bar: .*declare `rsi\(close, 3\)` in start"),
        ({"on_bar": "self.position = 3"}, r"line 14, in on_bar: AttributeError"),
    ],
)
def test_code_that_fails_is_told_with_its_line(parts: dict[str, str], said: str) -> None:
    with pytest.raises(StrategyFault, match=said):
        run(probe(**parts), [1.0])


def test_a_number_is_no_condition() -> None:
    made = probe(start="self.sma = self.indicator('sma', 1)", on_bar="if self.sma: pass")
    with pytest.raises(StrategyFault, match=r"sma\(close, 1\) is a number, not a condition; compare its .value"):
        run(made, [1.0])


def test_a_class_that_does_not_run_says_how_it_runs() -> None:
    class Loose(wb.Strategy):
        def on_bar(self, bar: object) -> None:
            self.enter_long()

    with pytest.raises(InputError, match="Loose is not running: pass the class"):
        Loose().on_bar(None)
    with pytest.raises(UnknownName, match="unknown parameter 'x'"):
        Loose(x=1)


# --- notebooks --------------------------------------------------------------------------------------------------------


def cell(text: str, name: str, **names: object) -> dict[str, object]:
    """Run `text` as a notebook would: its lines are in linecache, its file does not exist."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space: dict[str, object] = {"__name__": "__main__", **names}
    exec(compile(text, name, "exec"), space)
    return space


def test_a_class_of_a_notebook_cell_is_a_strategy_with_the_imports_of_other_cells() -> None:
    text = source(on_bar="self.enter_long(stop=math.sqrt(4.0))").split("\n", 1)[1]  # the import is in another cell
    import math

    space = cell(text, "/tmp/ipykernel_1/1.py", wb=wb, math=math)
    made = of_class(space["Probe"])
    assert run(made, [1.0])[0].stop_ticks == -8
    assert parse_strategy(made.source).version == made.version


def test_lines_of_a_cell_are_counted_as_they_stand_there() -> None:
    text = source(on_bar="1 / 0").split("\n", 1)[1]  # one line less than in a file
    space = cell(text, "/tmp/ipykernel_1/4.py", wb=wb)
    with pytest.raises(StrategyFault, match=r"notebook.py, line 13, in on_bar: Zero"):
        run(of_class(space["Probe"]), [1.0])


def test_a_clock_that_another_cell_imports_is_seen() -> None:
    import time

    space = cell(source(on_bar="time.time()"), "/tmp/ipykernel_1/5.py", time=time)
    assert any(place == "another cell" and "clock" in what for place, what in of_class(space["Probe"]).uncertain())


def test_an_instance_brings_its_values() -> None:
    space = cell(source("n = wb.Strategy.parameter(3, min=1, max=9)"), "/tmp/ipykernel_1/2.py")
    assert of_class(space["Probe"](n=5)).values == {"n": 5}


def test_what_another_cell_defines_must_come_along() -> None:
    text = source(on_bar="self.enter_long(stop=HOW_FAR)")
    space = cell(text, "/tmp/ipykernel_1/3.py", HOW_FAR=2.0)
    with pytest.raises(InputError, match="the cell of Probe uses HOW_FAR of another cell; what the class needs"):
        of_class(space["Probe"])
