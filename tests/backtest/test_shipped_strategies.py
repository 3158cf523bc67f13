"""Every shipped strategy loads, passes its check, trades on recorded bars, and does the same in both engines."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import polars as pl
import pytest

import workbench as wb
from tests.conftest import ROOT
from workbench.backtest.inner import with_inner
from workbench.backtest.played import Played
from workbench.backtest.prepared import Prepared
from workbench.backtest.result import Result
from workbench.backtest.series import Series, series
from workbench.domain.account import PROGRAMMES
from workbench.domain.contract import parse_contract
from workbench.domain.hours import at_local, trading_hours
from workbench.domain.timeframe import timeframe
from workbench.ingestion.aggregate import bars_from_bars
from workbench.rules.load import load_strategy
from workbench.rules.strategy import Strategy

FOLDER = ROOT / "strategies"
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
MES = parse_contract("CON.F.US.MES.M25")
RECORDED = "5m"
PYTHON = sorted(path.stem for path in FOLDER.glob("*.py"))


@cache
def recorded(folder: Path) -> pl.DataFrame:
    frame = pl.read_parquet(folder / "bars" / "MES_5m_projectx_2025.parquet")
    return frame.select("ts", "open", "high", "low", "close", pl.col("volume").cast(pl.Int64))


def on_recorded_bars(name: str) -> Strategy:
    """The strategy as it can be tested on five-minute bars: what decides each minute decides each five."""
    strategy = load_strategy(FOLDER / f"{name}.yaml")
    return strategy.with_timeframe(RECORDED) if timeframe(strategy.timeframe).seconds < 300 else strategy


@cache
def bars(folder: Path, text: str) -> Series:
    """The recorded bars in another timeframe, with the recorded ones inside."""
    frame, hours = recorded(folder), trading_hours(MES.spec)
    if text == RECORDED:
        return series(frame, MES, timeframe(text))
    return with_inner(series(bars_from_bars(frame, RECORDED, text, hours), MES, timeframe(text)), frame, RECORDED)


@cache
def played(folder: Path, name: str, engine: str, programme: str = "") -> Played:
    strategy = on_recorded_bars(name)
    prepared = Prepared(series=bars(folder, strategy.timeframe), programme=PROGRAMMES.get(programme))
    return prepared.run(strategy, engine=engine)


def test_the_files_are_the_ones_that_are_promised() -> None:
    promised = "sma_cross opening_range mean_reversion_bands donchian_breakout vwap_pullback multi_timeframe_trend"
    assert {*promised.split(), "rsi_two_period"} <= set(FILES)
    assert PYTHON


@pytest.mark.parametrize("name", FILES)
def test_each_loads_under_the_name_of_its_file(name: str) -> None:
    strategy = load_strategy(FOLDER / f"{name}.yaml")
    assert strategy.name == name
    assert strategy.description
    assert "MES" in strategy.roots


@pytest.mark.parametrize("name", FILES)
def test_each_passes_its_check(name: str) -> None:
    from workbench.rules.check import check

    findings = check(load_strategy(FOLDER / f"{name}.yaml"))
    assert [finding for finding in findings if finding.level == "error"] == []


@pytest.mark.parametrize("name", FILES)
def test_each_trades_on_recorded_bars(name: str, shared_data: Path) -> None:
    fills = played(shared_data, name, "kernel").fills
    assert len(fills.at) >= 40
    assert len(set(fills.at.tolist())) > 20


@pytest.mark.parametrize("programme", ["", "topstep-50k"])
@pytest.mark.parametrize("name", FILES)
def test_each_does_the_same_in_both_engines(name: str, programme: str, shared_data: Path) -> None:
    kernel = played(shared_data, name, "kernel", programme)
    assert kernel.difference(played(shared_data, name, "event", programme)) == ""


@pytest.mark.parametrize("name", ["multi_timeframe_trend", "vwap_pullback"])
def test_waking_the_decision_only_where_something_can_happen_changes_nothing(name: str, shared_data: Path) -> None:
    assert played(shared_data, name, "event").difference(played(shared_data, name, "every")) == ""


@cache
def in_a_notebook(folder: Path, name: str) -> Result:
    path = next(FOLDER.glob(f"{name}.*"))
    text = on_recorded_bars(name).timeframe if path.suffix == ".yaml" else RECORDED
    frame = (
        bars_from_bars(recorded(folder), RECORDED, text, trading_hours(MES.spec))
        if text != RECORDED
        else recorded(folder)
    )
    return wb.backtest(path, frame, contract=MES.id, timeframe=text)


@pytest.mark.parametrize("name", [*FILES, *PYTHON])
def test_each_gives_a_result_with_trades_and_a_picture_in_a_notebook_call(name: str, shared_data: Path) -> None:
    result = in_a_notebook(shared_data, name)
    assert len(result.trades) >= 20
    assert result.stats["trades"] == result.trades["exit_at"].notna().sum()
    assert len(result.plot().data) > 1


def test_the_example_of_the_people_is_written_as_they_write_it() -> None:
    strategy = load_strategy(FOLDER / "multi_timeframe_trend.yaml")
    text = (FOLDER / "multi_timeframe_trend.yaml").read_text(encoding="utf-8")
    for words in (
        "timeframe: 1h", "secondary: [4h]", 'tf("4h").close > tf("4h").sma(close, 20)', "close < low[1]",
        "stop: {percent: 0.5}", "target: {percent: 1}", 'from: "09:30"', 'to: "16:00"', "America/New_York", "Mon-Fri",
    ):  # fmt: skip
        assert words in text
    assert strategy.timeframe == "1h"


def test_the_example_of_the_people_enters_where_pandas_says(shared_data: Path) -> None:
    """Its entries from recorded bars by pandas alone: closed four-hour bars, the window, flat and not held before."""
    fills = played(shared_data, "multi_timeframe_trend", "kernel").fills
    hourly = bars(shared_data, "1h")
    hours = trading_hours(MES.spec)
    frame = pl.DataFrame({"ts": hourly.starts, "close": hourly.points[3]}).to_pandas()
    recorded_frame = recorded(shared_data)
    four = (
        bars_from_bars(recorded_frame, RECORDED, "4h", hours)
        .with_columns(ts=pl.col("ts").dt.timestamp("ns"))
        .to_pandas()
    )
    four["mean"] = four["close"].rolling(20).mean()
    four["end"] = timeframe("4h").bar_ends(four["ts"].to_numpy(), hours)
    wanted = []
    for i in range(1, len(frame) - 1):
        end = int(hourly.ends[i])
        closed = four[four["end"] <= end]
        if frame["close"][i] <= frame["close"][i - 1] or closed.empty:
            continue
        last = closed.iloc[-1]
        local = pl.Series([end]).cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("America/New_York")[0]
        clock = local.hour * 60 + local.minute
        if last["close"] > last["mean"] and local.weekday() < 5 and 9 * 60 + 30 <= clock < 16 * 60:
            wanted.append(int(hourly.starts[i + 1]))
    entries = [at for at, qty in zip(fills.at.tolist(), fills.qty.tolist(), strict=True) if qty > 0]
    assert len(entries) >= 10
    assert set(entries) <= set(wanted)
    assert min(entries) > at_local(hours.window_at(int(hourly.starts[0])).trading_date, "16:00")


TOLD = re.compile(r"^\| `(\w+)` \| (\w+) \| (\d+) \| (\d+) % \| (−?)([\d,]+) \| ([\d,]+) \|", re.MULTILINE)


def test_the_readme_tells_what_each_one_did(shared_data: Path) -> None:
    told = {}
    for m in TOLD.finditer((FOLDER / "README.md").read_text(encoding="utf-8")):
        net, drawdown = int(m[6].replace(",", "")), int(m[7].replace(",", ""))
        told[m[1]] = (m[1], m[2], int(m[3]), int(m[4]), -net if m[5] else net, drawdown)
    assert {*FILES, *PYTHON} <= set(told)
    for name in FILES:
        strategy = on_recorded_bars(name)
        did = Prepared(series=bars(shared_data, strategy.timeframe)).summarise(strategy)
        figures = (did.trades, round(100 * did.wins / did.trades), round(did.net_usd), round(did.max_drawdown_usd))
        assert (name, strategy.timeframe, *figures) == told[name]
    for name in PYTHON:
        stats = in_a_notebook(shared_data, name).stats
        figures = (stats["trades"], round(100 * stats["win_rate"]), round(stats["net_usd"]))
        assert (name, RECORDED, *figures, round(stats["max_drawdown_usd"])) == told[name]
