"""What a notebook calls: bars, strategies and backtests by their names, and clear words when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.backtest.play import frame
from tests.rules.build import DAY_OPEN, strategy_text
from workbench import research
from workbench.domain.clock import MINUTE
from workbench.domain.errors import InputError, UnknownName
from workbench.research_versions import versions
from workbench.storage.bars import BarStore
from workbench.storage.home import Home
from workbench.storage.registry import Registry

CONTRACT = "CON.F.US.MES.U25"


def walk(count: int, *, seed: int = 7, start: int = DAY_OPEN) -> pl.DataFrame:
    """One-minute bars of a random walk on the tick grid."""
    rng = np.random.default_rng(seed)
    closes = 6000 + 0.25 * np.cumsum(rng.integers(-6, 7, count))
    opens = np.concatenate([[6000.0], closes[:-1]])
    highs = np.maximum(opens, closes) + 0.25 * rng.integers(0, 4, count)
    lows = np.minimum(opens, closes) - 0.25 * rng.integers(0, 4, count)
    return frame(list(zip(opens, highs, lows, closes, strict=True)), start=start)


@pytest.fixture
def place(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    BarStore(made.market).write(CONTRACT, "1m", walk(400), source="test")
    return made


def test_bars_come_by_root_with_their_names_and_version(place: Home) -> None:
    bars = research.bars("MES", "1m", home=place)
    assert list(bars.columns) == ["open", "high", "low", "close", "volume"]
    assert bars.index[0] == pd.Timestamp("2025-09-02 13:30", tz="UTC")
    assert bars.attrs["contract"] == CONTRACT
    assert len(bars.attrs["data_version"]) == 32


def test_longer_bars_are_built_from_stored_shorter_ones(place: Home) -> None:
    minutes, fives = research.bars(CONTRACT, "1m", home=place), research.bars("MES", "5m", home=place)
    assert len(fives) == 80
    assert fives["high"].iloc[0] == minutes["high"].iloc[:5].max()
    assert fives["volume"].sum() == minutes["volume"].sum()


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2025-09-02", "2025-09-02", 400),  # a day is a trading date, the last one included
        (date(2025, 9, 3), None, 0),
        ("2025-09-02T08:31", "2025-09-02T08:35", 4),  # without a zone: Chicago
        (datetime(2025, 9, 2, 13, 31, tzinfo=UTC), DAY_OPEN + 5 * MINUTE, 4),
        (DAY_OPEN + 399 * MINUTE, None, 1),
    ],
)
def test_a_stretch_is_named_by_trading_dates_or_instants(place: Home, start: object, end: object, count: int) -> None:
    if count:
        assert len(research.bars("MES", "1m", start, end, home=place)) == count  # type: ignore[arg-type]
    else:
        with pytest.raises(InputError, match="no 1m bars"):
            research.bars("MES", "1m", start, end, home=place)  # type: ignore[arg-type]


def test_a_backtest_of_the_store_says_where_it_comes_from(place: Home) -> None:
    result = research.backtest("sma_cross", home=place, fast=3)
    provenance = result.provenance
    assert provenance["strategy"]["version"] == result.strategy.version
    assert provenance["parameters"]["fast"] == 3
    assert provenance["data"]["contract"] == CONTRACT and provenance["data"]["bars"] == 400
    assert provenance["data"]["version"] == research.bars("MES", "1m", home=place).attrs["data_version"]
    assert provenance["costs"] == {"slippage_ticks": 1, "per_side_usd": "0.62"}
    json.dumps(provenance)
    assert result.stats["trades"] >= 3


def test_the_same_bars_from_a_frame_give_the_same_result(place: Home) -> None:
    stored = research.backtest("sma_cross", home=place)
    pandas = research.backtest("sma_cross", research.bars("MES", "1m", home=place), home=place)
    polars = research.backtest("sma_cross", walk(400), contract=CONTRACT, home=place)
    column = walk(400).to_pandas()
    assert stored.trades.equals(pandas.trades) and stored.trades.equals(polars.trades)
    assert stored.provenance == pandas.provenance == polars.provenance
    assert research.backtest("sma_cross", column, contract="MESU25", home=place).stats == stored.stats


def test_a_strategy_comes_from_text_file_name_or_version(place: Home, tmp_path: Path) -> None:
    text = strategy_text()
    (tmp_path / "probe.yaml").write_text(text)
    by_file = research.load_strategy(tmp_path / "probe.yaml", home=place)
    entry = Registry(place).register(by_file)
    assert research.load_strategy(text).version == by_file.version
    assert research.load_strategy(entry.version[:8], home=place).version == by_file.version
    assert research.load_strategy("probe", home=place).version == by_file.version
    assert research.load_strategy(by_file) is by_file
    with pytest.raises(UnknownName, match="did you mean sma_cross"):
        research.load_strategy("sma_cros", home=place)


def test_another_timeframe_is_another_version(place: Home) -> None:
    plain = research.load_strategy("sma_cross", home=place)
    changed = research.backtest("sma_cross", home=place, timeframe="5m", fast=4).strategy
    assert changed.timeframe == "5m" and changed.values["fast"] == 4
    assert changed.version != plain.version
    assert research.load_strategy(changed.source).version == changed.version


def bad(change: str) -> pl.DataFrame:
    """Bars with one thing wrong."""
    good = walk(60)
    match change:
        case "empty":
            return good.head(0)
        case "shuffled":
            return good.sample(fraction=1.0, shuffle=True, seed=1)
        case "nan":
            return good.with_columns(close=pl.when(pl.int_range(60) == 7).then(float("nan")).otherwise(pl.col("close")))
        case "off tick":
            return good.with_columns(high=pl.col("high") + 0.1)
        case "high below low":
            return good.with_columns(high=pl.col("low") - 1)
        case "no volume":
            return good.drop("volume")
        case "no zone":
            return good.with_columns(pl.col("ts").dt.replace_time_zone(None))
        case "twice":
            return pl.concat([good, good.tail(1)])
        case "five minutes":
            return walk(60).with_columns(ts=pl.lit(DAY_OPEN) + pl.int_range(60) * 5 * MINUTE).cast(good.schema)
        case "text":
            return good.with_columns(pl.col("close").cast(pl.String))
    raise AssertionError(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("empty", "no bars of CON.F.US.MES.U25"),
        ("shuffled", "out of order"),
        ("nan", "1 of 60 rows are no sane bars"),
        ("off tick", "60 of 60 rows are no sane bars"),
        ("high below low", "rows are no sane bars"),
        ("no volume", "volume"),
        ("no zone", "zone"),
        ("five minutes", "300 s apart"),
        ("text", "close"),
    ],
)
def test_bars_that_are_wrong_are_refused_in_words(place: Home, change: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        research.backtest("sma_cross", bad(change), contract=CONTRACT, home=place)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"contract": "MNQ"}, "column contract says CON.F.US.MES.U25, contract='MNQ' says another"),
        ({"contract": "MESH25"}, "column contract says CON.F.US.MES.U25, contract='MESH25' says another"),
        ({"contract": "MEX"}, "unknown contract"),
        ({"start": "2025-10-01"}, "those given are from 2025-09-02 08:30 to 2025-09-02 09:29 Chicago"),
        ({"costs": {"slippage_ticks": 2}}, "costs must be wb.Costs"),
    ],
)
def test_what_the_frame_does_not_bear_out_is_said_in_words(
    place: Home, keywords: dict[str, object], message: str
) -> None:
    bars = walk(60).with_columns(contract=pl.lit(CONTRACT))
    with pytest.raises(InputError) as caught:
        research.backtest("sma_cross", bars, home=place, **keywords)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize("contract", ["MES", "MESU25", CONTRACT])
def test_naming_the_contract_of_the_frame_again_is_no_mistake(place: Home, contract: str) -> None:
    bars = walk(60).with_columns(contract=pl.lit(CONTRACT))
    assert research.backtest("sma_cross", bars, contract=contract, home=place).stats["days"] == 1


def test_shuffled_shorter_bars_are_told_to_be_sorted(place: Home) -> None:
    shuffled = walk(60).sample(fraction=1.0, shuffle=True, seed=1)
    with pytest.raises(InputError, match="out of order; sort the frame by time first"):
        research.backtest("sma_cross", shuffled, timeframe="5m", contract=CONTRACT, home=place)


def test_a_frame_in_the_place_of_the_strategy_is_told_apart(place: Home) -> None:
    with pytest.raises(InputError, match="a strategy is a file, a name, a text, a version or a class, not DataFrame"):
        research.backtest(walk(60), "sma_cross", home=place)  # type: ignore[arg-type]


def test_a_strategy_shows_itself_in_one_line(place: Home) -> None:
    shown = repr(research.load_strategy("sma_cross", home=place))
    assert shown.startswith("<Strategy sma_cross@") and shown.endswith("contracts=1)>") and len(shown) < 150


def test_one_bar_is_enough_to_say_nothing_happened(place: Home) -> None:
    result = research.backtest("sma_cross", walk(1), contract=CONTRACT, home=place)
    assert result.stats["net_usd"] == 0.0 and result.stats["trades"] == 0


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"contract": "CL"}, "no bars of CL in the store"),
        ({"contract": "MEX"}, "unknown contract"),
        ({"fas": 3}, "did you mean fast"),
        ({"fast": 99, "slow": 20}, "fast=99 must be < slow=20"),
        ({"start": "yesterday"}, "write 2025-03-17"),
        ({"start": "2025-10-01"}, "no 1m bars of CON.F.US.MES.U25"),
        ({"timeframe": "7m"}, "did you mean"),
        ({"bars": [1, 2]}, "must be a pandas or polars frame"),
    ],
)
def test_what_is_wrong_is_said_in_words(place: Home, keywords: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        research.backtest("sma_cross", home=place, **keywords)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_a_strategy_made_for_something_else_is_refused(place: Home) -> None:
    with pytest.raises(InputError, match="made for MES, ES, MNQ, NQ, not for GC"):
        research.backtest("sma_cross", walk(60), contract="CON.F.US.GCE.Z25", home=place)


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workbench data pull or workbench data import"):
        research.backtest("sma_cross", home=tmp_path)


def test_an_unknown_name_where_none_is_known_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown strategy 'sma' .*; known: none yet$"):
        versions("sma", home=tmp_path)


def test_the_page_of_a_result_needs_no_network(place: Home, tmp_path: Path) -> None:
    result = research.backtest("sma_cross", home=place)
    page = result.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "sma_cross" in page and result.strategy.version in page
    assert 'src="http' not in page and "<link" not in page
    assert "nan" not in result._repr_html_()


def test_importing_research_loads_nothing_heavy() -> None:
    heavy = "pandas polars numba plotly vectorbt".split()
    code = f"import sys, workbench.research; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["sma_cross", "opening_range"])
def test_the_shipped_strategies_on_recorded_bars(shared_data: Path, name: str, tmp_path: Path) -> None:
    recorded = pl.read_parquet(shared_data / "bars" / "MES_5m_projectx_2025.parquet")
    result = research.backtest(name, recorded, timeframe="5m", home=tmp_path)
    assert result.provenance["data"]["contract"] == "CON.F.US.MES.M25"
    trades, bars = result.trades, result.bars
    assert len(trades) > 20
    closed = trades.dropna(subset=["exit_at"])
    assert (closed["exit_at"] >= closed["entry_at"]).all()
    # every price lies inside the bar in which it happened
    for at, price in zip(closed["entry_at"], closed["entry_price"], strict=True):
        bar = bars.loc[:at].iloc[-1]
        assert bar["low"] <= price <= bar["high"]
    # money adds up: trades, the open one at the last close, and the equity curve
    open_usd = 0.0
    if len(trades) > len(closed):
        last = trades.iloc[-1]
        side = 1 if last["side"] == "long" else -1
        open_usd = (bars["close"].iloc[-1] - last["entry_price"]) * side * 5.0 * last["qty"]
    assert trades["net_usd"].sum() + open_usd == pytest.approx(result.stats["net_usd"])
    assert result.equity["equity_usd"].iloc[-1] == pytest.approx(result.stats["net_usd"])
    assert not trades["entry_at"].dt.tz_convert("America/Chicago").dt.strftime("%H:%M").between("15:06", "16:59").any()


@pytest.mark.parametrize("first", ["import workbench.backtest.costs", "wb.Costs()", "wb.backtest", "wb.bars"])
def test_the_name_backtest_is_callable_whatever_was_imported_first(first: str) -> None:
    look = "import inspect\nprint('costs' in inspect.signature(wb.backtest).parameters, callable(wb.backtest))"
    code = f"import workbench as wb\n{first}\nimport workbench.backtest.replay\n{look}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_shorter_bars_are_built_up_and_looked_into(place) -> None:
    minutes = walk(4_000)
    coarse = research.backtest("sma_cross", minutes, contract=CONTRACT, timeframe="5m", home=place, finer=None)
    seen = research.backtest("sma_cross", minutes, contract=CONTRACT, timeframe="5m", home=place)
    assert len(coarse.bars) == len(seen.bars) < 1_000, "five minutes make a bar"
    assert "inside_the_bars" not in coarse.provenance
    assert seen.provenance["inside_the_bars"]["source"] == "1m"


def test_a_bad_row_among_shorter_bars_is_named_before_they_are_built_up(place) -> None:
    minutes = walk(400)
    spoiled = minutes.with_columns(pl.when(pl.int_range(400) == 7).then(float("nan")).otherwise("low").alias("low"))
    with pytest.raises(InputError, match="not_finite"):
        research.backtest("sma_cross", spoiled, contract=CONTRACT, timeframe="5m", home=place)


def test_a_result_explains_the_bar_that_a_person_asks_about(place) -> None:
    result = research.backtest("sma_cross", contract=CONTRACT, home=place)
    entry = result.trades.iloc[0]
    signal_bar = entry["entry_at"] - pd.Timedelta(minutes=1)  # the signal closes as the fill's bar begins
    told = str(result.explain(signal_bar))
    crossed = "cross_above" if entry["side"] == "long" else "cross_below"
    assert crossed in told
    assert "true" in told.lower()


def test_an_account_of_ones_own_is_read_from_a_file_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{like: topstep-50k, name: mine, daily_loss: 500}", encoding="utf-8")
    made = research.account(path)
    assert (made.name, made.daily_loss, made.max_loss) == ("mine", 500, 2000)
    with pytest.raises(InputError, match="cannot read"):
        research.account(tmp_path / "none.yaml")


def test_signals_are_tried_by_the_name_of_a_strategy_and_on_shorter_bars(place) -> None:
    assert research.detect("sma_cross", contract=CONTRACT, home=place).clean
    five = "name: five\nroots: [MES]\ntimeframe: 5m\nentry:\n  long: close > sma(close, 3)\n"
    assert research.detect(five, walk(600), contract=CONTRACT, home=place).clean
    leaks = research.detect(lambda bars: bars["close"].shift(-1) > bars["close"], walk(60))
    assert leaks.look_ahead
    with pytest.raises(InputError, match="the bars you give"):
        research.detect(lambda bars: bars["close"])
