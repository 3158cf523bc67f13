"""The exchange's day and recorded prints in a notebook's words; a session's replay is asked for by its id."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from tests.rules.build import DAY_OPEN, strategy_text
from workbench import research, research_session
from workbench.domain.bar import ticks_schema
from workbench.domain.clock import MINUTE, SECOND
from workbench.domain.errors import InputError, UnknownName
from workbench.storage.home import Home
from workbench.storage.ticks import TickStore

CONTRACT = "CON.F.US.MES.U25"


@pytest.fixture
def recorded(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    rows = [(DAY_OPEN + n * SECOND, 6000 + 0.25 * n, 1 + n, n % 2, 0) for n in range(120)]
    schema = ticks_schema()
    frame = pl.DataFrame(rows, schema={**schema, "ts": pl.Int64}, orient="row").cast({"ts": schema["ts"]})
    TickStore(home.market).append(CONTRACT, frame)
    return home


@pytest.mark.parametrize("written", [CONTRACT, "MES"])
def test_prints_come_by_contract_or_root_in_their_order(recorded: Home, written: str) -> None:
    ticks = research.bars(written, "ticks", home=recorded)
    assert list(ticks.columns) == ["price", "size", "side"] and len(ticks) == 120
    assert ticks["price"].iloc[[0, -1]].tolist() == [6000.0, 6029.75]
    assert ticks.attrs["contract"] == CONTRACT and ticks.attrs["timeframe"] == "ticks"
    minute = research.bars(written, "ticks", DAY_OPEN + MINUTE, home=recorded)
    assert minute.index[0] == pd.Timestamp(DAY_OPEN + MINUTE, tz="UTC") and len(minute) == 60


def test_prints_that_were_never_recorded_are_refused_with_what_there_is(recorded: Home, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no recorded prints of CL in the store; those of {CONTRACT} are"):
        research.bars("CL", "ticks", home=recorded)
    with pytest.raises(InputError, match="those of nothing are"):
        research.bars("MES", "ticks", home=tmp_path / "empty")


def test_the_hours_of_a_fortnight_leave_holidays_out_and_name_early_closes() -> None:
    # 2025: Christmas Eve closes at 12:15 (index), Christmas is no trading date; CME notice of the holiday calendar
    made = research_session.hours("MES", "2025-12-22", date(2025, 12, 26))
    assert [f"{day:%d}" for day in made.index] == ["22", "23", "24", "26"]
    assert made["early"].tolist() == [False, False, True, False]
    assert f"{made['close'].iloc[2]:%H:%M}" == "12:15" and f"{made['open'].iloc[0]:%a %H:%M}" == "Sun 17:00"
    assert str(made["open"].dt.tz) == "America/Chicago"
    assert len(research_session.hours("MES", "2025-03-03")) == 10


def test_hours_of_no_date_are_refused() -> None:
    with pytest.raises(InputError, match="write 2025-03-17"):
        research_session.hours("MES", "yesterday")


def test_a_session_that_nobody_recorded_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="s1"):
        research_session.replay("s1", home=tmp_path)


def test_a_strategy_says_what_it_cannot_mean() -> None:
    found = research.load_strategy(strategy_text(entry="{long: 'close > highest(high, 20)'}")).findings()
    assert found[0].code == "never-true" and found[0].level == "error"
    assert research.load_strategy("volatility_breakout").findings() == []
