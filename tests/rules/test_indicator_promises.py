"""What every indicator promises: the first bar, the warm-up, missing values, a bounded state, no drift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.rules import op_data
from workbench.rules.compiled import column
from workbench.rules.indicators import INDICATORS, SHIPPED, Indicator, Memory, over
from workbench.rules.indicators.base import SEED_WEIGHT, bars_to_forget

Floats = NDArray[np.float64]
BY_NAME = {op.name: op for op in SHIPPED}
PLAIN = [op.name for op in SHIPPED if op.memory not in (Memory.SESSION, Memory.PRIOR_DAY)]
DECAYING = [op.name for op in SHIPPED if op.memory is Memory.DECAY]

# Ratios: where their parts err by SEED_WEIGHT of a seed, they err by that times how much the seed may exceed the parts.
RATIOS = {"rsi": 100.0, "stochrsi": 100.0, "stochrsi_d": 100.0, "adx": 100.0, "plus_di": 100.0, "minus_di": 100.0}


def columns(n: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Bars that all move and all have a range, so that no seed exceeds what follows by more than ten times."""
    close = 5000 + 0.25 * np.cumsum(rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], n))
    opened = np.concatenate([close[:1], close[:-1]])
    made = {
        "open": opened,
        "high": np.maximum(opened, close) + 0.25 * rng.integers(1, 4, n),
        "close": close,
        "x": close,
    }
    made["low"] = np.minimum(opened, close) - 0.25 * rng.integers(1, 4, n)
    made["volume"] = rng.integers(1, 900, n).astype(float)
    made["day"] = 739000.0 + np.arange(n) // 46
    made["start_s"] = 1800.0 * (np.arange(n) % 46)
    return made | {"end_s": made["start_s"] + 1800.0}


def values(op: Indicator, bars: dict[str, Floats], constants: tuple[float, ...]) -> Floats:
    return column(op, op_data.of(op, bars), constants)


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=15)
@given(data=st.data())
def test_the_first_value_comes_at_the_declared_bar_and_then_they_all_come(name: str, data: st.DataObject) -> None:
    op = BY_NAME[name]
    constants = data.draw(op_data.constants(op))
    first = op.first(*constants)
    found = values(op, columns(first + 20, np.random.default_rng(1)), constants)
    assert np.isnan(found).tolist() == [True] * (first - 1) + [False] * 21


@pytest.mark.parametrize("name", BY_NAME)
def test_the_warmup_is_not_before_the_first_value(name: str) -> None:
    op = BY_NAME[name]
    for constants in (op_data.defaults(op, 1), op_data.defaults(op, 30)):
        assert op.warmup(*constants) >= op.first(*constants) >= 1
        assert op.size(*constants) >= 1


@pytest.mark.parametrize("name", BY_NAME)
@settings(max_examples=15)
@given(data=st.data())
def test_a_bar_with_a_missing_value_gives_none_and_changes_nothing(name: str, data: st.DataObject) -> None:
    op, rng = BY_NAME[name], np.random.default_rng(data.draw(st.integers(0, 99)))
    constants = data.draw(op_data.constants(op))
    taken = op_data.of(op, columns(120, rng))
    at, which = data.draw(st.integers(0, 119)), data.draw(st.integers(0, len(taken) - 1))
    holed = [np.insert(c, at, c[at]) for c in taken]
    holed[which][at] = data.draw(st.sampled_from([math.nan, math.inf, -math.inf]))
    found = column(op, holed, constants)
    assert math.isnan(found[at])
    np.testing.assert_array_equal(np.delete(found, at), column(op, taken, constants))


@pytest.mark.parametrize("name", [n for n in PLAIN if BY_NAME[n].memory is Memory.WINDOW])
@settings(max_examples=15)
@given(data=st.data())
def test_a_window_forgets_what_was_before_it(name: str, data: st.DataObject) -> None:
    op, rng = BY_NAME[name], np.random.default_rng(data.draw(st.integers(0, 10**6)))
    constants = data.draw(op_data.constants(op))
    cut, warm = data.draw(st.integers(1, 90)), op.warmup(*constants)
    bars = columns(cut + warm + 30, rng)
    later = {n: c[cut:] for n, c in bars.items()}
    full, short = values(op, bars, constants)[cut + warm - 1 :], values(op, later, constants)[warm - 1 :]
    np.testing.assert_allclose(short, full, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", DECAYING)
@settings(max_examples=20)
@given(data=st.data())
def test_after_the_warmup_older_history_weighs_no_more_than_declared(name: str, data: st.DataObject) -> None:
    op, rng = BY_NAME[name], np.random.default_rng(data.draw(st.integers(0, 10**6)))
    constants = data.draw(op_data.constants(op))
    cut, warm = data.draw(st.integers(1, 300)), op.warmup(*constants)
    bars = columns(cut + warm + 30, rng)
    later = {n: c[cut:] for n, c in bars.items()}
    full, short = values(op, bars, constants)[cut + warm - 1 :], values(op, later, constants)[warm - 1 :]
    reach = float(bars["high"].max() - bars["low"].min())
    allowed = SEED_WEIGHT * (10.0 * RATIOS[name] if name in RATIOS else reach)
    if name == "natr":
        allowed *= 100.0 / float(bars["low"].min())
    if name.startswith("stochrsi"):  # relative to the range of the rsi in the window, which may be small
        allowed *= 100.0
    assert np.abs(full - short).max() <= allowed


@pytest.mark.parametrize("name", ["ema", "rma", "dema", "tema", "macd", "macd_signal", "macd_histogram", "kama"])
@pytest.mark.parametrize("length", [2, 9, 30])
def test_the_worst_history_there_is_stays_within_the_bound(name: str, length: int) -> None:
    # Old values all at one end, new ones all at the other: the seeds err by the whole range, nothing can err by more.
    op = BY_NAME[name]
    constants = {1: (length,), 2: (length, 2 * length), 3: (length, 2 * length, 5)}[len(op.constants)]
    warm = op.warmup(*constants)
    jump = np.concatenate([np.zeros(4 * warm), np.ones(warm)])
    if name == "kama":  # it goes nowhere: the slowest there is
        jump[4 * warm :] = np.where(np.arange(warm) % 2 == 0, 1.0, 1.0 + 1e-9)
    full, short = column(op, [jump], constants), column(op, [jump[4 * warm :]], constants)
    assert abs(full[-1] - short[-1]) <= SEED_WEIGHT * 1.01


@pytest.mark.parametrize("weights", [(1.0,), (2.0, 1.0), (3.0, 3.0, 1.0), (0.0, 2.0)])
@pytest.mark.parametrize("alpha", [0.9, 0.5, 2 / 21, 0.01])
def test_the_bars_to_forget_are_the_first_that_suffice(alpha: float, weights: tuple[float, ...]) -> None:
    # An error of 1 in every cascaded mean, decaying by their recursion.
    errors, left, bars = [1.0] * len(weights), [sum(weights)], 0
    while left[-1] > SEED_WEIGHT:
        above = 0.0
        for k, error in enumerate(errors):
            errors[k] = error * (1 - alpha) + alpha * above
            above = errors[k]
        left.append(sum(w * e for w, e in zip(weights, errors, strict=True)))
        bars += 1
    assert bars_to_forget(alpha, weights) == bars


@pytest.mark.parametrize("name", ["sma", "wma", "stdev", "linreg", "slope", "zscore", "bollinger_upper", "cci", "kama"])
def test_rounding_does_not_pile_up(name: str) -> None:
    # A million bars of prices without exact floats; the end must equal a fresh start over the last bars.
    op, rng = BY_NAME[name], np.random.default_rng(4)
    close = 3.3 + np.abs(np.cumsum(rng.normal(0, 7.7, 1_000_000)))
    bars = {"x": close, "high": close + 0.1, "low": close - 0.1, "close": close}
    constants = op_data.defaults(op, 50)
    tail = {n: c[-(3 * op.warmup(*constants)) :] for n, c in bars.items()}
    full, fresh = values(op, bars, constants)[-5:], values(op, tail, constants)[-5:]
    np.testing.assert_allclose(full, fresh, rtol=1e-9 if name != "kama" else 1e-4)


@pytest.mark.parametrize("name", ["sma", "wma", "linreg", "bollinger_upper", "bollinger_lower", "kama", "hma", "ema"])
@pytest.mark.parametrize("price", [4100.1, 0.1, 1e9 + 0.3])
def test_a_price_that_stands_still_is_its_own_mean(name: str, price: float) -> None:
    op = BY_NAME[name]
    found = values(op, {"x": np.full(200, price)}, op_data.defaults(op, 7))[op.first(*op_data.defaults(op, 7)) - 1 :]
    assert found.tolist() == pytest.approx([price] * len(found), rel=1e-15)


@pytest.mark.parametrize("name", ["stdev", "zscore", "slope", "bollinger_width"])
def test_after_a_jump_a_flat_window_has_exactly_no_deviation(name: str) -> None:
    op = BY_NAME[name]
    jumped = np.concatenate([np.full(33, 2000.1), np.full(80, 2777.7)])
    assert values(op, {"x": jumped}, op_data.defaults(op, 20))[-20:].tolist() == [0.0] * 20


def test_a_table_of_names_without_a_double() -> None:
    assert len(BY_NAME) == len(SHIPPED)
    assert set(BY_NAME) <= set(INDICATORS)
    for op in SHIPPED:
        assert op.name.isidentifier() and op.summary and op.source
        assert set(op.inputs) <= {"x", "open", "high", "low", "close", "volume", "day", "start_s", "end_s"}
        given_up = [c.default is None and not c.clock for c in op.constants]
        assert given_up == sorted(given_up, reverse=True), f"{op.name}: an argument without a default follows one with"


def test_streaming_is_the_array_form() -> None:
    bars = columns(50, np.random.default_rng(2))
    assert (
        over(BY_NAME["ema"], bars["x"].tolist(), constants=(5,))[4:] == values(BY_NAME["ema"], bars, (5,))[4:].tolist()
    )
