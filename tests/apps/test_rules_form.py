"""The rule builder's form and its YAML: what the form writes is read back as it was, and the loader takes all of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.apps import rules_form as forms
from workbench.apps.rules_words import words
from workbench.domain.errors import InputError
from workbench.rules.load import parse_strategy
from workbench.services.strategies import shipped_folder

Json = dict[str, Any]
NUMBERS = st.integers(-5_000, 5_000).map(str) | st.decimals(-99, 99, places=2).map(str).filter(lambda t: t[0:2] != "-0")
LENGTHS = st.integers(2, 60).map(str)
SERIES = st.sampled_from(["open", "high", "low", "close", "volume"])
BACK = st.just("") | st.integers(1, 20).map(str)
HIGHER = st.just("") | st.sampled_from(["15m", "1h"])
CALLS = st.one_of(
    st.builds(
        lambda n, x, k, b, t: forms.reference(n, x, k, back=b, tf=t),
        st.sampled_from(["sma", "ema", "rsi", "highest"]),
        SERIES,
        LENGTHS,
        BACK,
        HIGHER,
    ),
    st.builds(
        lambda n, b: forms.reference(n, back=b), st.sampled_from(["vwap", "session_high", "prior_day_close"]), BACK
    ),
    st.builds(lambda k, b: forms.reference("atr", k, back=b), LENGTHS, BACK),
)
REFERENCES = st.builds(lambda n, b, t: forms.reference(n, back=b, tf=t), SERIES, BACK, HIGHER) | CALLS
RAW_SIDES = st.sampled_from([{"raw": "close - low"}, {"raw": "(high + low) / 2"}])
SIDES = REFERENCES | RAW_SIDES
COMPARED = st.builds(
    lambda left, op, right, n: forms.condition(left, op, right, negated=n),
    SIDES,
    st.sampled_from([">", ">=", "<", "<=", "==", "!="]),
    SIDES | NUMBERS.map(lambda t: {"number": t}),
    st.booleans(),
)
CROSSED = st.builds(
    lambda left, op, right, n: forms.condition(left, op, right, negated=n),
    REFERENCES,
    st.sampled_from(["crosses above", "crosses below"]),
    REFERENCES | NUMBERS.map(lambda t: {"number": t}),
    st.booleans(),
)
BETWEEN = st.builds(
    lambda x, low, high, n: forms.condition(x, "between", {"number": low}, {"number": high}, negated=n),
    REFERENCES,
    NUMBERS,
    NUMBERS,
    st.booleans(),
)
RAW = st.builds(
    lambda text, n: {"not": n, "raw": text},
    st.sampled_from(["any(close > open, 5)", "count(close > open, 12) > 6 / 2 or close > high[1]"]),
    st.booleans(),
)
CONDITIONS = COMPARED | CROSSED | BETWEEN | RAW.filter(lambda c: "or" not in c["raw"])


def _group(items: list[Json], join: str, negated: bool) -> Json:
    several = len(items) > 1
    return {"join": join if several else "all", "not": negated and several, "items": items}


GROUPS = st.builds(_group, st.lists(CONDITIONS, min_size=1, max_size=4), st.sampled_from(["all", "any"]), st.booleans())
MIXED = st.builds(
    _group, st.lists(CONDITIONS | RAW, min_size=2, max_size=4), st.sampled_from(["all", "any"]), st.booleans()
)
DISTANCES = st.one_of(
    st.builds(
        lambda u, a: {"unit": u, "amount": a, "length": ""},
        st.sampled_from(["ticks", "points", "percent"]),
        st.integers(4, 40).map(str),
    ),
    st.builds(
        lambda a, n: {"unit": "atr", "amount": a, "length": n}, st.sampled_from(["2", "1.5"]), st.just("") | LENGTHS
    ),
)
SIZINGS = st.sampled_from(
    [
        {"unit": "contracts", "amount": "2", "most": ""},
        {"unit": "risk_usd", "amount": "250", "most": "3"},
        {"unit": "contracts", "amount": "", "most": ""},
    ]
)
TRADINGS = st.fixed_dictionaries(
    {
        "flat_by": st.sampled_from(["", "15:05"]),
        "most_trades": st.sampled_from(["", "4"]),
        "cooldown": st.sampled_from(["", "3"]),
    }
).flatmap(lambda t: st.sampled_from([{"from": "", "to": "", **t}, {"from": "08:30", "to": "14:30", **t}]))
FORMS = st.builds(
    lambda long, short, leave, stop, target, sizing, trading, bars: {
        **forms.empty(),
        "rules": {"entry.long": long, "entry.short": short, "exit.long": leave, "exit.short": None},
        "exit_after": bars,
        "stop": stop,
        "target": target,
        "sizing": sizing,
        "trading": trading,
    },
    GROUPS | MIXED,
    st.none() | GROUPS,
    st.none() | GROUPS,
    DISTANCES,
    DISTANCES,
    SIZINGS,
    TRADINGS,
    st.sampled_from(["", "40"]),
)


@settings(max_examples=60, deadline=None)
@given(FORMS)
def test_what_the_form_writes_is_read_back_as_it_was_and_the_loader_takes_it(form: Json) -> None:
    text = forms.to_yaml(form)
    assert forms.from_yaml(text) == form
    loaded = parse_strategy(text)
    assert loaded.name == "my_idea" and ("entry.short" in loaded.rules) == bool(form["rules"]["entry.short"])


@pytest.mark.parametrize("path", sorted(shipped_folder().glob("*.yaml")), ids=lambda p: p.stem)
def test_a_shipped_strategy_goes_through_the_form_and_stays_the_same_version(path: Any) -> None:
    text = path.read_text(encoding="utf-8")
    again = forms.to_yaml(forms.from_yaml(text))
    assert parse_strategy(again).version == parse_strategy(text).version
    assert again.startswith("# "), "its first comment is kept"


def test_what_the_form_has_no_field_for_is_kept_in_its_own_words() -> None:
    text = forms.to_yaml(forms.empty()) + "limits: {daily_loss_usd: 400}\n"
    text = text.replace("stop: {atr: 2, length: 14}", "stop: {long: {ticks: 8}, short: {ticks: 10}}")
    form = forms.from_yaml(text)
    assert form["rest"] == {
        "stop": "stop: {long: {ticks: 8}, short: {ticks: 10}}\n",
        "limits": "limits: {daily_loss_usd: 400}\n",
    }
    assert parse_strategy(forms.to_yaml(form)).version == parse_strategy(text).version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "not YAML"),
        ("just words", "line 1"),
        ("name: a\nentry: {long: 'close >'}\n", "entry.long cannot be read into the form: close >"),
    ],
)
def test_a_text_that_the_form_cannot_show_says_why(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        forms.from_yaml(text)


def test_every_indicator_with_its_usual_arguments_is_a_rule() -> None:
    for word in words():
        arguments = [a["usual"] for a in word["arguments"]]
        while arguments and not arguments[-1]:
            arguments.pop()
        form = forms.empty()
        item = forms.condition(forms.reference(word["name"], *arguments), ">", {"number": "1"})
        form["rules"]["entry.long"]["items"] = [item]
        parse_strategy(forms.to_yaml(form))
