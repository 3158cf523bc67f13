"""What a notebook shows of our values: escaped, no script, numbers to the right with units, a dash for nothing."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

import workbench as wb
from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.desk import Desk
from workbench.desk_values import OrderAnswer, Session
from workbench.domain.html_table import muted, table
from workbench.ingestion.quality import Quality
from workbench.widgets.cards import desk_card

TOKEN = "the-full-token-of-this-test"
HOSTILE = "<script>alert(1)</script>"


def rows(html: str) -> dict[str, list[tuple[str, str]]]:
    """Cells of each row by its first cell: alignment and text."""
    found = {}
    for line in re.findall(r"<tr>(.*?)</tr>", html):
        cells = re.findall(r'<t[dh] style="text-align:(\w+);[^"]*">(.*?)</t[dh]>', line)
        if cells:
            found[cells[0][1]] = cells
    return found


def require_tame(html: str) -> None:
    assert "<script" not in html and "<style" not in html and "http" not in html and "onerror=" not in html


def test_a_table_escapes_aligns_and_shows_nothing_as_a_dash() -> None:
    made = table(("name", "USD"), [(HOSTILE, None), ("b", "2.00")], right=[1]) + muted(HOSTILE)
    require_tame(made)
    assert rows(made)["b"] == [("left", "b"), ("right", "2.00")]
    assert ("right", "–") in rows(made)["&lt;script&gt;alert(1)&lt;/script&gt;"]
    assert ">none</td>" in table(("name",), [])


def test_a_strategy_shows_name_version_parameters_and_rules_in_words() -> None:
    strategy = wb.load_strategy("sma_cross").with_parameters(fast=7)
    html = strategy._repr_html_()
    require_tame(html)
    assert f"sma_cross@{strategy.version[:8]}" in html
    texts = [text for _, text in rows(html)["fast"]]
    assert texts == ["fast", "7", "5", "2", "100", "1"]  # value, default, from, to, step as the file says
    assert [align for align, _ in rows(html)["fast"]] == ["left", *["right"] * 5]
    assert rows(html)["buy when"][1][1] == "cross_above(sma(close, fast), sma(close, slow))"
    assert rows(html)["stop"][1][1] == "stop × atr(14)" and rows(html)["flat by (Chicago)"][1][1] == "15:05"


def test_a_hostile_description_is_text() -> None:
    source = wb.load_strategy("sma_cross").source
    hostile = re.sub(r"(?m)^description:.*$", f'description: "{HOSTILE}"', source)
    html = wb.load_strategy(hostile)._repr_html_()
    require_tame(html)
    assert "&lt;script&gt;" in html


def test_a_strategy_in_python_shows_its_parameters_and_says_where_its_rules_are() -> None:
    html = wb.load_strategy("volatility_breakout")._repr_html_()
    require_tame(html)
    assert "volatility_breakout@" in html and "its rules are Python code" in html


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return wb.backtest("sma_cross", bars=made_bars(), contract="MES", home=tmp_path_factory.mktemp("home"))


def made_bars() -> Any:
    """Two days of minutes that go up and down, so that the averages cross."""
    import numpy as np
    import pandas as pd

    at = pd.date_range("2026-06-01 13:30", periods=2_000, freq="1min", tz="UTC")
    close = 5_000 + np.round(40 * np.sin(np.arange(2_000) / 50)) * 0.25 * 4
    frame = pd.DataFrame({"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 10}, index=at)
    return frame[(frame.index.hour < 20) | (frame.index.hour >= 22)]


def test_a_result_shows_its_numbers_and_what_made_it(result: Any) -> None:
    html = result._repr_html_()
    require_tame(html)
    told = rows(html)
    assert told["trades"] == [("left", "trades"), ("right", f"{result.stats['trades']:,}")]
    align, net = told["net usd"][1]
    assert align == "right" and net == f"{result.stats['net_usd']:,.2f} USD"
    data = result.provenance["data"]
    assert (
        f"made from sma_cross@{result.strategy.version} · {data['bars']:,} bars, data version {data['version']}" in html
    )
    assert html.endswith("capital 50,000.00 USD</p>")


def test_what_a_result_cannot_know_is_a_dash_with_the_reason(tmp_path: Any) -> None:
    flat = made_bars()
    flat[["open", "high", "low", "close"]] = 5_000.0
    html = wb.backtest("sma_cross", bars=flat, contract="MES", home=tmp_path)._repr_html_()
    align, text = rows(html)["win rate"][1]
    assert align == "right" and text.startswith("– (")


def test_a_sweep_shows_its_best_rows_the_trials_and_the_deflated_sharpe(tmp_path: Any) -> None:
    sweep = wb.sweep("sma_cross", made_bars(), contract="MES", home=tmp_path, fast=[3, 5], slow=[12, 20])
    html = sweep._repr_html_()
    require_tame(html)
    assert len(rows(html)) - 1 <= 4 and "4 trials · deflated Sharpe probability" in html
    assert all(align == "right" for cells in rows(html).values() for align, _ in cells)
    assert sweep.overfit.sentence.split(":")[0] in html


def test_a_quality_report_shows_counts_with_their_unit() -> None:
    html = wb_quality()._repr_html_()
    require_tame(html)
    assert "CON.F.US.MES.Z26 1m: 90 of 100 bars (90.00%)" in html
    assert rows(html)["missing"] == [("left", "missing"), ("right", "10"), ("left", "bars")]
    assert rows(html)["gaps"][1:] == [("right", "2"), ("left", "runs")]
    assert rows(html)["quarantined: &lt;b&gt;"][1] == ("right", "3")
    assert "2026-06-01 … 2026-06-01, 1 trading dates" in html


def wb_quality() -> Quality:
    from datetime import date

    import polars as pl

    day = {"trading_date": [date(2026, 6, 1)], "expected": [100], "present": [90], "missing": [10], "gaps": [2]}
    zeros = {name: [0] for name in ("outside_hours", "off_tick", "duplicates")}
    days = pl.DataFrame({**day, "longest_gap": [7], **zeros, "quarantined": [3]})
    return Quality(contract="CON.F.US.MES.Z26", timeframe="1m", days=days, gaps=pl.DataFrame(), reasons={"<b>": 3})


def test_an_order_shows_what_became_of_it() -> None:
    with serving(build_app(FakeDesk(), token=TOKEN)) as url:
        desk = Desk(url, TOKEN)
        wish = {"account": 1001, "contract": "CON.F.US.MES.Z26", "side": "BUY", "qty": 2, "type": "LIMIT"}
        placed = desk.order(**wish, limit_price=6845.5)
        refused = desk.cancel(1001, 1)
    html = placed._repr_html_()
    require_tame(html)
    assert "✔ accepted" in html
    cells = rows(html)["9010"]
    assert ("right", "6,845.50") in cells and ("right", "–") in cells and ("left", "BUY") in cells
    assert "✖ refused: order 1 is not working" in refused._repr_html_() and refused["accepted"] is False
    assert "&lt;script&gt;" in OrderAnswer(accepted=False, reason=HOSTILE)._repr_html_()


def test_a_session_shows_money_with_unit_and_a_dash_for_what_is_not_known() -> None:
    session = Session(
        session=HOSTILE, strategy="sma_cross", version="15b32ecea1b3d7f1", account=1001, contract="MES",
        timeframe="1m", state="running", position=-2, pnl_usd=-12.5, desk=None,
    )  # fmt: skip
    html = session._repr_html_()
    require_tame(html)
    cells = rows(html)["&lt;script&gt;alert(1)&lt;/script&gt;"]
    assert ("right", "−2") in cells and ("right", "−12.50 USD") in cells and ("right", "–") in cells


def test_a_desk_shows_what_lives_and_the_newest_of_what_is_over(home: Any) -> None:
    fake = FakeDesk()
    snapshot = asyncio.run(fake.snapshot())
    (row,) = snapshot["sessions"]
    states = ["ended"] * 4 + ["paused"] + ["ended"] * 4 + ["running"]
    snapshot["sessions"] = [
        {**row, "session": f"s{n}", "state": state, "last_bar_end": n * 60_000_000_000}
        for n, state in enumerate(states)
    ]
    html = desk_card(snapshot, "http://127.0.0.1:8420")
    require_tame(html.replace("http://127.0.0.1:8420", ""))
    assert re.findall(r">(s\d)</td>", html) == ["s4", "s9", "s8", "s7", "s6", "s5", "s3"]
    assert "3 more ended sessions: desk.sessions" in html


def test_the_sessions_of_a_desk_are_listed_in_that_order(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeDesk()
    with serving(build_app(fake, token=TOKEN)) as url:
        desk = Desk(url, TOKEN)
        snapshot = desk.snapshot()
        (row,) = snapshot["sessions"]
        snapshot["sessions"] = [
            {**row, "session": f"s{n}", "state": state, "last_bar_end": n}
            for n, state in enumerate(["ended", "running", "ended"])
        ]
        monkeypatch.setattr(desk, "snapshot", lambda: snapshot)
        assert [session.session for session in desk.sessions] == ["s1", "s2", "s0"]
