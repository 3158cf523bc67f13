"""The gates file and its verdicts: each with its value, its bound, and the other side of the bound."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.domain.account import PROGRAMMES
from workbench.domain.errors import InputError
from workbench.services.gates import Asked, Headroom, OutOfSample, Overfit, load_gates, parse_gates
from workbench.services.verdicts import Evidence, Run, Verdict, judge
from workbench.storage.home import Home
from workbench.storage.ledger import Tried

DAY = 86_400 * 1_000_000_000
RUN = Run(
    trades=100,
    net_usd=500.0,
    costs_usd=120.0,
    slippage=True,
    max_drawdown_usd=700.0,
    worst_day_usd=-300.0,
    daily=np.array([3.0, -1.0] * 126),
    dates=("2026-01-05", "2026-01-06"),
    data_version="d1",
    last_ns=100 * DAY,
    label="from 2026-01-05",
)
KNOWN = Evidence(whole=RUN, held_out=RUN, findings=(), now=110 * DAY, paper_since=104 * DAY)


def verdicts(asked: Asked, **known: Any) -> dict[str, Verdict]:
    return {v.gate: v for v in judge(asked, replace(KNOWN, **known), into="paper")}


def tried(trials: int, data: str = "d1", **evidence: Any) -> Tried:
    return Tried(at=1, strategy="probe", data_version=data, trials=trials, what="", evidence=evidence)


def test_the_shipped_file_asks_more_at_each_state(tmp_path: Path) -> None:
    gates = load_gates(Home(tmp_path))
    assert gates.tested.min_trades == 30 and gates.paper.min_trades == gates.live.min_trades == 100
    assert gates.live.overfitting is not None and gates.paper.overfitting is not None
    assert (gates.live.overfitting.min_deflated_sharpe or 0) > (gates.paper.overfitting.min_deflated_sharpe or 0)
    assert {a.detectors for a in (gates.tested, gates.paper, gates.live)} == {"clean"}


def test_a_file_in_the_home_replaces_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "gates.yaml").write_text("tested: {min_trades: 3}\n")
    gates = load_gates(Home(tmp_path))
    assert gates.tested == Asked(min_trades=3) and gates.paper == Asked()
    with pytest.raises(InputError, match="cannot read the gates"):
        load_gates(Home(tmp_path), tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("papr: {}", r"unknown state 'papr' \(g.yaml, line 1\); did you mean paper"),
        ("paper:\n  min_trads: 3", r"unknown gate 'min_trads' \(g.yaml, line 2\); did you mean min_trades"),
        ("paper:\n  headroom:\n    programm: x", r"line 3\); did you mean programme"),
        ("paper:\n  min_trades: -1", r"paper.min_trades: .*greater than or equal to 0 \(g.yaml, line 2\)"),
        ("live:\n  headroom:\n    programme: topstp-50k", r"did you mean topstep-50k.*\(g.yaml, line 3\)"),
        ("live:\n  overfitting: {max_pbo: 1.5}", r"live.overfitting.max_pbo: .*line 2"),
        ("- a", r"gates are keys such as tested:"),
        ("live: 3", r"live: "),
        ("live: {", r"not YAML.*line"),
        ("", r"g.yaml is empty"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_gates(text, "g.yaml")


@pytest.mark.parametrize(
    ("asked", "good", "bad", "gate", "text"),
    [
        (Asked(detectors="clean"), {}, {"findings": ("row 7 changes", "x")}, "detectors", "row 7 changes (and 1 more)"),
        (Asked(detectors="clean"), {}, {"findings": None}, "detectors", "did not run"),
        (Asked(costs="charged"), {}, {"whole": replace(RUN, costs_usd=0.0)}, "costs", "nobody trades for nothing"),
        (Asked(costs="charged"), {}, {"whole": replace(RUN, slippage=False)}, "costs", "are zero"),
        (Asked(min_trades=100), {}, {"whole": replace(RUN, trades=99)}, "min_trades", "99 trades, at least 100"),
        (Asked(max_data_age_days=10), {}, {"now": 110 * DAY + 1}, "max_data_age_days", "10.0 days old, at most 10"),
        (Asked(min_days_in_paper=6), {}, {"paper_since": 105 * DAY}, "min_days_in_paper", "5.0 days in paper"),
        (Asked(min_days_in_paper=6), {}, {"paper_since": None}, "min_days_in_paper", "never in paper"),
        (
            Asked(out_of_sample=OutOfSample(min_trades=100)),
            {},
            {"held_out": replace(RUN, trades=99)},
            "out_of_sample.min_trades",
            "99 trades out of sample (from 2026-01-05), at least 100",
        ),
        (
            Asked(out_of_sample=OutOfSample(min_net_usd=500)),
            {},
            {"held_out": replace(RUN, net_usd=499.99)},
            "out_of_sample.min_net_usd",
            "net 499.99 USD",
        ),
        (
            Asked(headroom=Headroom(programme="topstep-50k", max_loss_share=0.35)),
            {},
            {"whole": replace(RUN, max_drawdown_usd=700.01)},
            "headroom.max_loss_share",
            "worst drawdown 700.01 USD, at most 700.00 is asked (35% of the maximum loss of topstep-50k)",
        ),
        (
            Asked(headroom=Headroom(programme="topstep-50k", daily_loss_share=0.3)),
            {},
            {"whole": replace(RUN, worst_day_usd=-300.01)},
            "headroom.daily_loss_share",
            "worst day 300.01 USD, at most 300.00",
        ),
        (
            Asked(overfitting=Overfit(max_pbo=0.3)),
            {"tried": (tried(9, pbo=0.9), tried(9, pbo=0.3))},
            {"tried": (tried(9, pbo=0.1), tried(9, pbo=0.31))},
            "overfitting.max_pbo",
            "is 0.31, at most 0.3 is asked",
        ),
    ],
)
def test_each_gate_passes_at_its_bound_and_refuses_just_beyond(
    asked: Asked, good: dict[str, Any], bad: dict[str, Any], gate: str, text: str
) -> None:
    assert float(PROGRAMMES["topstep-50k"].max_loss) == 2000.0  # 35 % of it are 700; its daily limit is 1,000
    assert verdicts(asked, **good)[gate].passed
    refused = verdicts(asked, **bad)[gate]
    assert not refused.passed and text in refused.text


def test_the_deflated_sharpe_counts_every_recorded_trial() -> None:
    # 252 days of +3, −1: mean 1, standard deviation √(4·252/251), no skew, kurtosis 1. Sharpe S = 0.49900 a day.
    # PSR = Φ(S·√251 / √(1 + 0/4·S²)) with kurtosis 1: (kurtosis − 1)/4 = 0, so Φ(7.906) = 1.
    asked = Asked(overfitting=Overfit(min_deflated_sharpe=0.9))
    one = verdicts(asked)["overfitting.min_deflated_sharpe"]
    assert one.passed and one.value == pytest.approx(1.0, abs=1e-9) and "after 1 recorded trial," in one.text
    # Eight times the spread: Sharpe 1/16 = 0.0625 a day or so; one trial: Φ(0.0625·√251) ≈ Φ(0.99) = 0.84.
    noisy = replace(RUN, daily=np.array([17.0, -15.0] * 126))
    alone = verdicts(asked, whole=noisy)["overfitting.min_deflated_sharpe"]
    assert alone.value == pytest.approx(0.8386, abs=2e-3) and not alone.passed
    # 1,000 tries on 252 days: luck alone shows √(1/251)·((1−γ)Φ⁻¹(1−1/1000) + γΦ⁻¹(1−1/1000e)) = 0.0631·3.2551
    many = verdicts(asked, whole=noisy, tried=(tried(400), tried(600)))["overfitting.min_deflated_sharpe"]
    assert many.value == pytest.approx(0.0116, abs=2e-3) and "after 1,000 recorded trials," in many.text
    told = verdicts(asked, whole=noisy, tried=(tried(1000, sharpe_variance=0.0),))
    assert told["overfitting.min_deflated_sharpe"].value == pytest.approx(0.8386, abs=2e-3)
    flat = verdicts(asked, whole=replace(RUN, daily=np.ones(50)))["overfitting.min_deflated_sharpe"]
    assert not flat.passed and "every period made the same" in flat.text


@pytest.mark.parametrize(
    ("found", "is_seen"),
    [
        ((tried(500),), True),  # on the very data
        ((tried(500, "d2"),), False),
        ((tried(500, "d2", last="2026-01-05"),), True),  # it ended inside the dates
        ((tried(500, "d1", last="2026-01-04"),), False),
        ((tried(1),), False),  # one run is no choice
    ],
)
def test_what_a_sweep_has_seen_is_not_out_of_sample(found: tuple[Tried, ...], is_seen: bool) -> None:
    asked = Asked(out_of_sample=OutOfSample(share=0.5))
    answer = verdicts(asked, tried=found)
    assert ("out_of_sample" in answer) == is_seen
    if is_seen:
        assert "a sweep of 500 trials has seen the dates from 2026-01-05 on" in answer["out_of_sample"].text
    walked = verdicts(asked, tried=found, walked=replace(RUN, label="walk-forward"))
    assert all(v.passed for v in walked.values()) and "walk-forward" in walked["out_of_sample.min_trades"].text


def test_without_a_run_nothing_passes_and_the_cause_is_told() -> None:
    answer = verdicts(Asked(costs="charged", min_trades=3), whole=None, missing="no bars of MES in the store")
    assert [v.text for v in answer.values()] == ["no backtest: no bars of MES in the store"]
    assert not any(v.passed for v in answer.values())
    assert judge(Asked(), Evidence(), into="paper") == []
    none = verdicts(Asked(out_of_sample=OutOfSample()), held_out=None, missing="too few bars")
    assert none["out_of_sample"].text == "no out-of-sample result: too few bars"


def test_a_walk_forward_without_costs_is_no_evidence_where_costs_are_asked() -> None:
    asked, free = OutOfSample(share=0.5), replace(RUN, slippage=False, label="walk-forward")
    answer = verdicts(Asked(costs="charged", out_of_sample=asked), walked=free)["out_of_sample.costs"]
    assert not answer.passed and "zero out of sample (walk-forward)" in answer.text
    assert "out_of_sample.costs" not in verdicts(Asked(out_of_sample=asked), walked=free)
    assert "out_of_sample.costs" not in verdicts(Asked(costs="charged", out_of_sample=asked), walked=RUN)


def test_sweeps_that_could_not_tell_their_overfitting_do_not_pass_for_none() -> None:
    asked = Asked(overfitting=Overfit(max_pbo=0.5))
    silent = verdicts(asked, tried=(tried(9, sweep="a1"),))["overfitting.max_pbo"]
    assert not silent.passed and silent.value is None and "no sweep could tell" in silent.text
    assert verdicts(asked, tried=(tried(9, sweep="a1", pbo=0.2), tried(9, sweep="a2")))["overfitting.max_pbo"].passed
    assert not verdicts(asked, tried=(tried(1, sweep="a1"),)), "one combination is no choice"


def test_trials_that_told_no_variance_are_not_hidden_behind_a_sweep_of_twins() -> None:
    asked = Asked(overfitting=Overfit(min_deflated_sharpe=0.9))
    noisy, twins = replace(RUN, daily=np.array([17.0, -15.0] * 126)), tried(2, sharpe_variance=0.0)
    # 1,000 tries as above: the two that hardly differ say nothing about the other 998
    value = verdicts(asked, whole=noisy, tried=(tried(998), twins))["overfitting.min_deflated_sharpe"].value
    assert value == pytest.approx(0.0116, abs=2e-3)
