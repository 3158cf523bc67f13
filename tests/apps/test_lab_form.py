"""The lab's form: made from a declaration; what it does not allow is said before anything is asked."""

from __future__ import annotations

import pytest

from tests.apps.lab_samples import CONTRACT, STORED, STRATEGY, parameter
from workbench.apps import lab_form as form
from workbench.domain.errors import InputError


def values(mode: str = "backtest", **typed: str) -> dict[str, str]:
    told = {name.replace("__", "."): value for name, value in typed.items()}
    return form.held(form.groups(STRATEGY, STORED, told, mode))


def test_the_form_holds_what_the_strategy_declares_and_what_is_stored() -> None:
    data, parameters = form.groups(STRATEGY, STORED, {}, "backtest")
    fast = parameters["fields"][0]
    assert (fast["value"], fast["min"], fast["max"], fast["step"], fast["whole"]) == ("5", 2, 100, 1, True)
    assert fast["bounds"] == "2 to 100, step 1" and parameters["note"] == "fast < slow must hold"
    contract, frame, start = data["fields"][:3]
    assert contract["options"] == [[CONTRACT, "MES H22"]], "NQ is no contract of this strategy"
    assert contract["hint"] == "20,000 bars of 1m" and start["hint"] == "2022-01-02 … 2022-01-24 is stored"
    assert ["1s", "1s"] not in frame["options"] and ["5m", "5m"] in frame["options"]


def test_what_stands_in_the_form_is_asked() -> None:
    asked = form.request(STRATEGY, values(fast="7", stop="2.5", both_ways="false", start="2022-01-05"), "backtest")
    method, path, body = asked
    assert (method, path) == ("POST", "/api/backtests")
    assert body["parameters"] == {"fast": 7, "slow": 15, "stop": 2.5, "both_ways": False}
    assert (body["contract"], body["timeframe"], body["start"], body["end"]) == (CONTRACT, None, "2022-01-05", None)
    assert (body["slippage_ticks"], body["programme"]) == (1, None)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"fast": "1"}, "fast 1 is out of range: 2 to 100, step 1"),
        ({"fast": "101"}, "fast 101 is out of range"),
        ({"fast": "5.5"}, "fast 5.5 must be a whole number"),
        ({"stop": "much"}, "stop 'much' is not a number"),
        ({"slippage_ticks": "-1"}, "slippage ticks must be a whole number from 0 to 1,000"),
        ({"start": "2022-02-01", "end": "2022-01-01"}, "the period ends on 2022-01-01, before it begins"),
    ],
)
def test_what_is_wrong_is_said_before_it_is_asked(typed: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        form.request(STRATEGY, values(**typed), "backtest")
    words, tone = form.estimate(STRATEGY, values(**typed), "backtest")
    assert said in words and tone == "alarm"


def test_without_stored_bars_nothing_can_be_asked() -> None:
    empty = form.held(form.groups(STRATEGY, [], {}, "backtest"))
    with pytest.raises(InputError, match="nothing of MES, ES is stored; workbench data pull"):
        form.request(STRATEGY, empty, "backtest")


def test_a_sweep_says_how_many_runs_it_has_before_it_is_asked() -> None:
    wide = {"fast__vary": "true", "fast__low": "5", "fast__high": "15", "fast__step": "5", "stop__vary": "true",
            "stop__low": "1", "stop__high": "2.5", "stop__step": "0.5", "both_ways": "both"}  # fmt: skip
    typed = values("sweep", **wide)
    assert form.runs(STRATEGY, typed) == 3 * 4 * 2
    assert form.estimate(STRATEGY, typed, "sweep") == ("at most 24 combinations", "")
    _, path, body = form.request(STRATEGY, typed, "sweep")
    assert path == "/api/sweeps"
    assert body["values"] == {"fast": [5, 10, 15], "slow": 15, "stop": [1, 1.5, 2, 2.5], "both_ways": [False, True]}
    drawn = {**typed, "method": "random", "trials": "50"}
    assert form.runs(STRATEGY, drawn) == 50 and form.request(STRATEGY, drawn, "sweep")[2]["trials"] == 50
    assert form.estimate(STRATEGY, values("sweep"), "sweep")[1] == "warn", "nothing is varied"


def test_a_range_that_leads_nowhere_or_too_far_is_refused() -> None:
    def tried(low: str, high: str, step: str) -> list[int]:
        typed = values("sweep", fast__vary="true", fast__low=low, fast__high=high, fast__step=step)
        return form.axis(STRATEGY["parameters"][0], typed)  # type: ignore[index]

    assert tried("5", "16", "5") == [5, 10, 15]
    for wrong, said in (
        (("5", "16", "0"), "step must be"), (("9", "5", "1"), "ends at 5, before"), (("1", "9", "1"), "out of range"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            tried(*wrong)
    huge = [parameter(name, 5, 0, 10_000, 1) for name in "abc"]
    parts = (("vary", "true"), ("low", "0"), ("high", "999"), ("step", "1"))
    typed = {f"{name}.{part}": text for name in "abc" for part, text in parts}
    with pytest.raises(InputError, match="1,000,000,000 combinations are too many"):
        form.request({**STRATEGY, "parameters": huge}, {**values("sweep"), **typed}, "sweep")


def test_a_walk_forward_is_asked_with_its_windows() -> None:
    _, path, body = form.request(STRATEGY, values("walk", train="60", test="20", anchored="true"), "walk")
    assert path == "/api/walk-forwards" and (body["train"], body["test"], body["anchored"]) == (60, 20, True)
    with pytest.raises(InputError, match="train must be a whole number from 2 to 10,000"):
        form.request(STRATEGY, values("walk", train="1"), "walk")


@pytest.mark.parametrize("p", STRATEGY["parameters"][:3])  # type: ignore[index]
def test_the_offered_range_lies_inside_what_is_declared_and_holds_the_default(p: dict) -> None:  # type: ignore[type-arg]
    low, high, step = form.usual_range(p)
    assert p["min"] <= low <= p["default"] <= high <= p["max"]
    tried = [low + i * step for i in range(round((high - low) / step) + 1)]
    assert 3 <= len(tried) <= 9 and p["default"] in tried
