"""Promotion from a notebook, on real backtests: from a result to a version that may go on, or the reasons why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.build import strategy_text
from tests.test_research import CONTRACT, walk
from workbench import research, research_sweep, research_versions
from workbench.domain.errors import InputError
from workbench.services.promoted import NotPromoted
from workbench.storage.bars import BarStore
from workbench.storage.home import Home
from workbench.storage.ledger import Trials
from workbench.storage.versions import Versions

TEXT = strategy_text(
    entry="{long: 'close > sma(close, length)'}",
    parameters="{length: {default: 3, min: 2, max: 30, step: 1}}",
    stop="{ticks: 8}",
    target="{ticks: 6}",
)
DAYS = 60 * 23


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    made = Home(tmp_path)
    BarStore(made.market).write(CONTRACT, "1m", walk(1000), source="test")
    return made


def test_a_result_is_promoted_with_the_values_it_had(place: Home) -> None:
    (place.path / "gates.yaml").write_text("tested: {detectors: clean, costs: charged, min_trades: 10}\npaper: {}\n")
    result = research.backtest(TEXT, contract=CONTRACT, home=place, length=5)
    done = research_versions.promote(result, to="paper", person="ada", home=place)
    assert done.passed and done.parameters == {"length": 5}
    frame = research_versions.versions(home=place)
    assert frame.loc[result.strategy.version, "state"] == "paper"
    kept = Versions(place).results(result.strategy.version, "backtest")[0]
    assert kept.stats["net_usd"] == pytest.approx(result.stats["net_usd"])
    assert kept.data_version == result.provenance["data"]["version"]


def test_the_shipped_gates_refuse_a_day_of_noise_for_all_that_is_wrong_with_it(place: Home) -> None:
    with pytest.raises(NotPromoted) as caught:
        research_versions.promote(research.load_strategy(TEXT), to="paper", home=place)
    told = " ".join(caught.value.reasons)
    assert "days old, at most 45 are asked" in told and "deflated Sharpe" in told
    assert "the detectors found nothing" not in told, "what passed is no reason"
    assert {v.gate for v in caught.value.promotion.verdicts if v.passed} >= {"detectors", "costs"}


def test_bars_that_are_not_in_the_store_can_be_the_evidence(tmp_path: Path) -> None:
    place = Home(tmp_path)
    (tmp_path / "gates.yaml").write_text("tested: {min_trades: 10}\n")
    strategy = research.load_strategy(TEXT)
    with pytest.raises(NotPromoted, match="no backtest: no bars of MES in the store"):
        research_versions.promote(strategy, to="tested", home=place)
    assert research_versions.promote(strategy, to="tested", bars=walk(1000), contract=CONTRACT, home=place).passed


def test_a_walk_forward_counts_where_a_sweep_has_seen_the_dates(place: Home) -> None:
    BarStore(place.market).write(CONTRACT, "1m", walk(10 * DAYS), source="test")
    (place.path / "gates.yaml").write_text("paper: {out_of_sample: {share: 0.3, min_trades: 1, min_net_usd: -1e9}}\n")
    strategy = research.load_strategy(TEXT)
    more = {"length": [3, 5], "home": place, "contract": CONTRACT, "progress": False}
    research_sweep.sweep(strategy, **more)
    assert Trials(place).count("probe") == 2
    with pytest.raises(NotPromoted, match="a sweep of 2 trials has seen the dates"):
        research_versions.promote(strategy, to="paper", home=place)
    walked = research_sweep.walk_forward(strategy, train=3, test=2, **more)
    other = research.load_strategy(TEXT.replace("ticks: 8", "ticks: 9"))
    with pytest.raises(InputError, match="make one of this version"):
        research_versions.promote(other, to="paper", walk_forward=walked, home=place)
    done = research_versions.promote(strategy, to="paper", walk_forward=walked, home=place)
    assert "trades out of sample (walk-forward)" in " ".join(v.text for v in done.verdicts)


def test_a_warm_up_that_is_longer_than_the_bars_does_not_pass_for_clean(place: Home) -> None:
    (place.path / "gates.yaml").write_text("tested: {detectors: clean}\n")
    slow = research.load_strategy(TEXT.replace("sma(close, length)", 'tf("1h").sma(close, 17 + length)'))
    with pytest.raises(NotPromoted, match=r"warm-up could not be tried, store more bars: 1,000 bars.*warm-up of 1260"):
        research_versions.promote(slow, to="tested", home=place)
    BarStore(place.market).write(CONTRACT, "1m", walk(3 * DAYS), source="test")
    assert research_versions.promote(slow, to="tested", home=place).passed


def test_another_walk_forward_on_the_same_bars_is_evidence_of_its_own(place: Home) -> None:
    BarStore(place.market).write(CONTRACT, "1m", walk(10 * DAYS), source="test")
    (place.path / "gates.yaml").write_text("paper: {out_of_sample: {share: 0.3, min_trades: 1, min_net_usd: 1e9}}\n")
    strategy = research.load_strategy(TEXT)
    for train in (3, 4, 4):
        more = {"length": [3, 5], "home": place, "contract": CONTRACT, "progress": False}
        walked = research_sweep.walk_forward(strategy, train=train, test=2, **more)
        with pytest.raises(NotPromoted, match=f"net {walked.stats['net_usd']:,.2f} USD out of sample"):
            research_versions.promote(strategy, to="paper", walk_forward=walked, home=place)
    kept = Versions(place).results(strategy.version, "walk_forward")
    assert [r.provenance["walk_forward"]["train"] for r in kept] == [3, 4]
    assert all(r.stats["costs_usd"] > 0 for r in kept)
