"""What a strategy says at the close of each bar."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.build import DAY_OPEN, bar, bars, strategy_text
from workbench.domain.clock import HOUR, MINUTE
from workbench.domain.errors import InputError
from workbench.domain.events import BarClosed
from workbench.domain.hours import at_local
from workbench.rules import Signal, Strategy, parse_strategy
from workbench.rules.graph import Graph
from workbench.rules.indicators import INDICATORS, over
from workbench.rules.parser import parse


def strategy(**sections: str) -> Strategy:
    return parse_strategy(strategy_text(**sections))


def entries(made: Strategy, closes: list[float]) -> list[int]:
    """The bars (from 0) at which a flat account is told to enter, signed by side, counted from 1."""
    state = made.start()
    found = []
    for i, b in enumerate(bars(closes), start=1):
        signal = state.on_bar(b)
        if signal is not None and signal.entry:
            found.append(signal.entry * i)
    return found


def condition(text: str, closes: list[float]) -> list[bool | None]:
    """The truth of a condition at each bar."""
    state = strategy(entry=f"{{long: '{text}'}}").start()
    return [state.conditions["entry.long"] for b in bars(closes) if state.warm(b)]


CROSS = "{long: 'cross_above(close, 10)', short: 'cross_below(close, 10)'}"


def test_a_cross_needs_both_sides() -> None:
    assert entries(strategy(entry=CROSS), [9, 11, 12, 9, 11]) == [2, -4, 5]


def test_a_cross_that_passes_through_exact_equality_counts_where_it_leaves_it() -> None:
    assert entries(strategy(entry=CROSS), [9, 10, 10, 11]) == [4]
    assert entries(strategy(entry=CROSS), [11, 10, 9]) == [-3]


def test_touching_and_turning_back_is_no_cross() -> None:
    assert entries(strategy(entry=CROSS), [9, 10, 9, 10, 9]) == []


def test_beginning_at_equality_is_no_cross() -> None:
    assert entries(strategy(entry=CROSS), [10, 10, 11]) == []


def test_what_is_not_known_is_neither_true_nor_false() -> None:
    assert condition("close > sma(close, 3)", [1, 2, 3, 1]) == [None, None, True, False]
    assert condition("not close > sma(close, 3)", [1, 2, 3, 1]) == [None, None, False, True]
    assert condition("close > 0 or close > sma(close, 3)", [1, 2]) == [True, True]
    assert condition("close < 0 and close > sma(close, 3)", [1, 2]) == [False, False]
    assert condition("close > 0 and close > sma(close, 3)", [1, 2]) == [None, None]
    assert condition("close[1] != close[1]", [1, 2]) == [None, False]
    assert condition("1 / (close - 1) > 0", [1, 2]) == [None, True]


def test_no_entry_before_the_slowest_memory_is_full() -> None:
    made = strategy(entry="{long: 'close > 0 or close > sma(close, 4)'}")
    assert entries(made, [1, 1, 1, 1, 1]) == [4, 5]


def test_arithmetic_look_back_and_extremes() -> None:
    closes = [5.0, 7.0, 6.0, 9.0, 8.0]
    assert condition("close - close[2] == 2", closes) == [None, None, False, True, True]
    assert condition("close > highest(close, 2)[1]", closes) == [None, None, False, True, False]
    assert condition("(high + low) / 2 == (open + close) * 0.5", closes) == [True] * 5
    assert condition("sma(close + 1, 2) == sma(close, 2) + 1", closes) == [None, True, True, True, True]
    assert condition("(close > open)[1]", closes) == [None, False, True, False, True]


def test_between_looks_at_the_close_of_the_bar_in_chicago() -> None:
    # the first bar starts at 08:30 and closes at 08:31
    truths = condition('between(time, "08:32", "08:34")', [1.0] * 5)
    assert truths == [False, True, True, False, False]
    assert condition('between(time, "22:00", "08:33")', [1.0] * 4) == [True, True, False, False]


def test_between_follows_daylight_saving() -> None:
    made = strategy(entry='{long: \'between(time, "08:31", "08:32")\'}')
    for day in (date(2025, 10, 31), date(2025, 11, 3)):  # clocks go back on 2 November
        state = made.start()
        start = at_local(day, "08:30")
        assert state.on_bar(bar(start, 1.0)).entry == 1  # type: ignore[union-attr]
    assert at_local(date(2025, 11, 3), "08:30") - at_local(date(2025, 10, 31), "08:30") == 3 * 24 * HOUR + HOUR


def test_opening_range_breakout() -> None:
    made = strategy(entry="{long: 'cross_above(close, opening_range_high(3))'}")
    closes = [10, 12, 11, 11, 12, 13, 11, 13]
    assert entries(made, closes) == [6, 8]


def test_a_long_position_leaves_by_its_exit_rule_and_a_short_one_does_not() -> None:
    made = strategy(entry="{long: 'close > 100', short: 'close < 0'}", exit="{long: 'close < 5', short: 'close > 50'}")
    state = made.start()
    first, second, third = bars([4, 3, 60])
    assert state.on_bar(first, 2) == Signal(at=first.end, exit=True, exit_side=1, rule="exit.long")
    assert state.on_bar(second, -2) is None
    signal = state.on_bar(third, -2)
    assert signal is not None and signal.rule == "exit.short" and signal.closes(-2) and not signal.closes(2)


def test_an_entry_of_the_other_side_closes_and_enters() -> None:
    state = strategy(entry=CROSS, stop="{ticks: 8}", target="{ticks: 12}").start()
    first, second = bars([9, 11])
    assert state.on_bar(first, -1) is None
    signal = state.on_bar(second, -1)
    assert signal == Signal(
        at=second.end, entry=1, exit=True, exit_side=-1, rule="entry.long", stop_ticks=-8, target_ticks=12, qty=1
    )


def test_the_side_that_is_held_is_not_entered_again() -> None:
    state = strategy(entry="{long: 'close > 0'}").start()
    first, second, third = bars([1, 1, 1])
    assert state.on_bar(first, 0) is not None
    assert state.on_bar(second, 1) is None
    assert state.on_bar(third, 1) is None


def test_two_sides_at_once_are_none() -> None:
    assert entries(strategy(entry="{long: 'close > 0', short: 'close > 0'}"), [1, 1]) == []


@pytest.mark.parametrize(
    ("stop", "side", "ticks"),
    [
        ("{ticks: 10}", "long", -10),
        ("{ticks: 10}", "short", 10),
        ("{ticks: 1}", "long", -4),  # the gateway's smallest bracket
        ("{points: 2.5}", "long", -10),
        ("{points: 2.6}", "long", -10),  # nearest tick of 0.25
        ("{points: 2.63}", "long", -11),
        ("{points: close / 100}", "long", -42),  # 10.5 points
        ("{atr: 1.5, length: 2}", "long", -12),  # ranges of 2 points
    ],
)
def test_stops_are_signed_ticks_from_the_fill(stop: str, side: str, ticks: int) -> None:
    made = strategy(entry=f"{{{side}: 'close > 0'}}", stop=stop)
    state = made.start()
    signal = None
    for i in range(40):
        signal = state.on_bar(bar(DAY_OPEN + i * MINUTE, 1050, high=1051, low=1049)) or signal
    assert signal is not None and signal.stop_ticks == ticks and signal.target_ticks is None


def test_a_strategy_says_whether_it_declares_a_stop() -> None:
    for sections, has in (({}, False), ({"stop": "{ticks: 10}"}, True), ({"trail": "{ticks: 10}"}, True)):
        assert strategy(entry="{long: 'close > 0'}", **sections).start().has_stop is has


def test_without_its_stop_nothing_is_entered() -> None:
    for stop in ("{points: close - open - 1}", "{points: 1 / (close - open)}"):
        assert entries(strategy(entry="{long: 'close > 0'}", stop=stop), [5, 5, 5]) == []


def test_entries_need_the_window_and_exits_do_not() -> None:
    made = strategy(entry="{long: 'close > 0'}", exit="{long: 'close > 0'}", trading="{window: ['08:32', '08:34']}")
    assert entries(made, [1, 1, 1, 1, 1]) == [2, 3]
    signal = made.start().on_bar(bars([1])[0], 1)
    assert signal is not None and signal.exit and not signal.entry


def test_trades_of_a_date_are_counted_from_five_in_the_evening() -> None:
    made = strategy(entry="{long: 'close > 0'}", trading="{max_trades_per_day: 2}")
    state = made.start()
    evening = at_local(date(2025, 9, 2), "15:57")
    at = [evening, evening + MINUTE, evening + 2 * MINUTE, evening + 63 * MINUTE, evening + 64 * MINUTE]
    signals = [state.on_bar(bar(start, 1)) for start in at]
    assert [s is not None for s in signals] == [True, True, False, True, True]


def test_cool_down_counts_bars_without_a_position() -> None:
    made = strategy(entry="{long: 'close > 0'}", trading="{cooldown: 2}")
    state = made.start()
    held = [0, 1, 1, 0, 0, 0, 0]
    asked = [state.on_bar(b, p) is not None for b, p in zip(bars([1] * 7), held, strict=True)]
    # out within bar 4 (index 3); two more closes without a position, then the next entry
    assert asked == [True, False, False, False, False, True, False]


def test_flat_by_leaves_at_the_last_close_that_is_in_time() -> None:
    made = strategy(entry="{long: 'close > 0'}", trading="{flat_by: '15:05'}")
    state = made.start()
    start = at_local(date(2025, 9, 2), "15:02")
    signals = [state.on_bar(bar(start + i * MINUTE, 1), 1) for i in range(5)]
    # bars close 15:03, 15:04, 15:05: the next close after 15:05 would be late, so that one leaves
    assert [s.rule if s else "" for s in signals] == ["", "", "flat_by", "flat_by", "flat_by"]
    assert state.on_bar(bar(start + 6 * MINUTE, 1), 0) is None


def test_flat_by_with_long_bars_leaves_before_not_after() -> None:
    made = strategy(entry="{long: 'close > 0'}", trading="{flat_by: '15:05'}", timeframe="1h")
    state = made.start()
    for hour, leaves in (("13:00", False), ("14:00", True), ("15:00", True)):
        start = at_local(date(2025, 9, 2), hour)
        b = BarClosed(at=start + HOUR, contract="CON.F.US.MES.U25", timeframe="1h", start=start, end=start + HOUR,
                      open=1, high=1, low=1, close=1, volume=1)  # fmt: skip
        signal = state.on_bar(b, 1)
        assert (signal is not None and signal.exit) == leaves, hour


def test_on_a_half_day_everything_is_over_before_the_early_close() -> None:
    made = strategy(entry="{long: 'close > 0'}", trading="{flat_by: '15:05'}")
    state = made.start()
    close = at_local(date(2025, 11, 28), "12:15")  # the day after Thanksgiving
    assert state.on_bar(bar(close - 8 * MINUTE, 1), 1) is None
    signal = state.on_bar(bar(close - 6 * MINUTE, 1), 1)
    assert signal is not None and signal.rule == "flat_by"
    assert state.on_bar(bar(close - 5 * MINUTE, 1), 0) is None


def test_history_warms_without_counting() -> None:
    made = strategy(entry="{long: 'close > sma(close, 3)'}", trading="{max_trades_per_day: 1}")
    state = made.start()
    *history, last = bars([1, 2, 3, 4, 5, 6])
    assert all(state.warm(b) for b in history)
    assert state.trades_today == 0 and state.ready
    assert state.on_bar(last) is not None


def test_a_bar_that_came_late_counts_towards_the_bars_in_position() -> None:
    state = strategy(entry="{long: 'close > 100'}", exit="{after_bars: 3}").start()
    first, second, third, fourth = bars([1, 1, 1, 1])
    assert state.on_bar(first, 1) is None
    assert state.warm(second, 1)  # the runner was down when it closed: nothing can be done about it any more
    signal = state.on_bar(third, 1)
    assert signal is not None and signal.rule == "exit.after"
    assert state.on_bar(fourth, 0) is None


def test_a_trail_follows_the_extreme_of_a_bar_that_came_late() -> None:
    state = strategy(entry="{long: 'close > 1000'}", trail="{ticks: 20}").start()
    first, second, third = bars([100, 110, 108])
    assert state.on_bar(first, 1, 400.0).stop_to == 400 - 20
    assert state.warm(second, 1, 400.0)  # up to 110 points, 440 ticks
    assert state.on_bar(third, 1, 400.0).stop_to == 440 - 20


def test_a_bar_of_another_timeframe_or_not_newer_changes_nothing() -> None:
    state = strategy(entry="{long: 'close > 0'}").start()
    first, second = bars([1, 1])
    assert state.on_bar(second) is not None
    assert state.on_bar(second) is None and state.on_bar(first) is None
    assert state.bars == 1


def test_a_contract_it_is_not_made_for_is_refused() -> None:
    b = bars([1])[0]
    other = BarClosed(at=b.at, contract="CON.F.US.CLE.V25", timeframe="1m", start=b.start, end=b.end,
                      open=1, high=1, low=1, close=1, volume=1)  # fmt: skip
    with pytest.raises(InputError, match="not for CL"):
        strategy().start().on_bar(other)


def test_a_missing_price_never_passes_as_true() -> None:
    state = strategy(entry="{long: 'not close > 5'}").start()
    assert state.on_bar(bar(DAY_OPEN, math.nan)) is None
    assert state.conditions["entry.long"] is None


WALKS = st.lists(st.integers(-6, 6), min_size=30, max_size=160).map(
    lambda steps: [1000 + 0.25 * sum(steps[: i + 1]) for i in range(len(steps))]
)
RULES = st.sampled_from(
    [
        "cross_above(sma(close, 3), sma(close, 7))",
        "close > ema(close, 4)[2] and rsi(close, 5) < 60",
        "close > highest(high, 5)[1] or not close > atr(4) * 400",
        "cross_below(close, opening_range_low(15))",
    ]
)


@settings(max_examples=40)
@given(WALKS, RULES, st.integers(1, 29))
def test_cutting_the_data_changes_no_earlier_signal(closes: list[float], rule: str, cut: int) -> None:
    made = strategy(entry=f"{{long: '{rule}'}}", stop="{atr: 1, length: 3}")
    series = bars(closes)
    whole, part = made.start(), made.start()
    everything = [whole.on_bar(b) for b in series]
    assert [part.on_bar(b) for b in series[:-cut]] == everything[:-cut]


@settings(max_examples=40)
@given(WALKS, st.integers(1, 12))
def test_the_stream_gives_what_the_array_form_gives(closes: list[float], length: int) -> None:
    series = bars(closes)
    inputs = {"x": closes, "high": [b.high for b in series], "low": [b.low for b in series], "close": closes}
    for name in ("sma", "ema", "rsi", "highest", "lowest", "atr"):
        indicator = INDICATORS[name]
        array = over(indicator, *(inputs[column] for column in indicator.inputs), constants=(length,))
        graph = Graph({})
        slot = graph.add(parse(f"{name}({'close, ' if 'x' in indicator.inputs else ''}{length})", {}))
        for b, expected in zip(series, array, strict=True):
            graph.step(b.open, b.high, b.low, b.close, b.volume, 1, 0.0, 60.0)
            assert graph.values[slot] == expected or math.isnan(expected)


@settings(max_examples=40)
@given(WALKS, RULES)
def test_the_same_bars_give_the_same_signals(closes: list[float], rule: str) -> None:
    made = strategy(entry=f"{{long: '{rule}'}}")
    first, second = made.start(), made.start()
    for b in bars(closes):
        assert first.on_bar(b) == second.on_bar(b)
