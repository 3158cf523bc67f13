"""The detectors themselves: what they compare, what they refuse, and that they would see a fault of our own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.rules.python_build import probe
from tests.zoo.market import bars
from workbench.backtest import probes
from workbench.backtest.compare import Reader, Table, differences
from workbench.backtest.detectors import detect, findings, spread_cuts
from workbench.domain.errors import InputError
from workbench.rules import parse_strategy

CROSS = """
name: cross
roots: [MES]
timeframe: 5m
entry:
  long: cross_above(ema(close, 5), sma(close, 20))
  short: cross_below(ema(close, 5), sma(close, 20))
exit:
  long: close < lowest(low, 10)[1]
stop: {atr: 2.0}
"""


@pytest.mark.statement(47)
def test_a_declarative_strategy_is_clean() -> None:
    found = detect(parse_strategy(CROSS), bars())
    assert found.clean, found
    assert "1,100 bars" in repr(found) and "4 later beginnings" in repr(found)


@pytest.mark.statement(47)
def test_a_leak_in_our_own_columns_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = probes.evaluate

    def peeking(*given: Any) -> dict:
        made = honest(*given)
        return {slot: c if isinstance(c, float) else np.append(c[1:], np.nan) for slot, c in made.items()}

    monkeypatch.setattr(probes, "evaluate", peeking)
    found = detect(parse_strategy(CROSS), bars())
    assert {f.column for f in found.look_ahead} >= {"entry.long", "entry.short", "exit.long"}


def test_a_warm_up_that_we_declare_too_short_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = parse_strategy(CROSS)
    monkeypatch.setattr(type(strategy), "warmup", 12)  # the average needs 20
    assert any("sma" in f.column for f in detect(strategy, bars()).warm_up)


def test_findings_are_sentences_for_the_gate() -> None:
    assert findings(parse_strategy(CROSS), bars()) == []
    (first, *_) = findings(lambda b: b.close.shift(-1), bars())
    assert first.startswith("look-ahead: close at row ")


def test_every_cut_is_made_when_there_are_few_bars_and_a_sample_when_there_are_many() -> None:
    table = Table({"x": np.zeros(5000)}, 5000)
    assert spread_cuts(300, table) == list(range(1, 300))
    many = spread_cuts(5000, table)
    assert 100 < len(many) <= 200 and many[-1] > 4990 and len({cut % 12 for cut in many}) == 12


def test_cuts_fall_where_the_signal_changes() -> None:
    column = np.zeros(5000)
    column[4321:] = 1.0
    assert {4321, 4322, 4323} <= set(spread_cuts(5000, Table({"x": column}, 5000)))


@pytest.mark.parametrize(
    ("what", "given", "said"),
    [
        (42, bars(), "takes a strategy or a function of bars, not int"),
        (lambda b: b.close, bars(10), "10 bars are too few"),
        (lambda b: b.close, [1, 2, 3], "must be a pandas or polars frame, not list"),
        (lambda b: b.close.to_numpy()[:-1], bars(), "returned 1099 rows .* for 1100 bars"),
        (lambda b: 1.0, bars(), "the function returned float; return a series or a frame"),
        (lambda b: b.nothing, bars(), "the function fails on bars 0 to 1099: AttributeError"),
        (lambda b: b[[]], bars(), "returned no column"),
        (parse_strategy(CROSS), bars().reset_index(drop=True), "need their start as index or column ts"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_sentence(what: Any, given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        detect(what, given)


def test_a_strategy_that_raises_is_told_with_its_line() -> None:
    with pytest.raises(InputError, match=r"probe.py, line 14, in on_bar: ZeroDivisionError"):
        detect(probe(on_bar="1 / 0").with_timeframe("5m"), bars())


def test_a_function_that_needs_some_history_is_not_accused_for_failing_without() -> None:
    def needs(b: pd.DataFrame) -> pd.Series:
        if len(b) < 100:
            raise ValueError("too short")
        return b.close.diff()

    assert detect(needs, bars()).clean


def test_polars_and_pandas_bars_give_the_same_findings() -> None:
    frame = pl.DataFrame({"ts": bars().index.as_unit("ns").asi8, **{c: bars()[c].to_numpy() for c in bars().columns}})
    frame = frame.with_columns(pl.col("ts").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"))
    assert repr(detect(parse_strategy(CROSS), frame, contract="CON.F.US.MES.U25")) == repr(
        detect(parse_strategy(CROSS), bars())
    )


# --- comparing tables -------------------------------------------------------------------------------------------------


def test_unknown_against_known_is_a_difference_and_unknown_against_unknown_none() -> None:
    full = Table({"x": np.array([np.nan, 1.0, 2.0, np.nan])}, 4)
    part = Table({"x": np.array([np.nan, np.nan, 2.0])}, 3)
    (found,) = differences(full, part, 0, 0, {})
    assert (found.row, found.full) == (1, 1.0) and np.isnan(found.part)


def test_the_order_of_additions_is_no_difference() -> None:
    full = Table({"x": np.array([0.1 + 0.2, 1e9])}, 2)
    part = Table({"x": np.array([0.3, 1e9 + 0.5e-0 * 1e-1])}, 2)
    assert not list(differences(full, part, 0, 0, {}))


def test_a_condition_on_the_edge_is_excused_where_a_number_moved_within_its_slack_and_nowhere_else() -> None:
    numbers = np.linspace(5.0, 9.0, 10)
    truth = (np.arange(10) % 2).astype(float)
    moved, flipped = numbers.copy(), truth.copy()
    moved[4] += 1e-5
    flipped[4] = 1.0 - flipped[4]
    full = Table({"mean": numbers, "entry": truth}, 10)
    slack = {"mean": 1e-3, "entry": 0.0}
    assert not list(differences(full, Table({"mean": moved, "entry": flipped}, 10), 0, 0, slack))
    (found,) = differences(full, Table({"mean": numbers, "entry": flipped}, 10), 0, 0, slack)
    assert (found.column, found.row) == ("entry", 4)


def test_texts_and_times_are_compared_as_values() -> None:
    reader = Reader()
    table = reader.table(pd.DataFrame({"w": ["buy", None, "sell"], "t": pd.to_datetime(["2025-01-01"] * 3)}), range(3))
    again = reader.table(pd.DataFrame({"w": ["sell", None, "buy"]}), range(3))
    assert table.columns["w"][0] == again.columns["w"][2] and np.isnan(table.columns["w"][1])
