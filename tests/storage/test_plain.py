"""What goes into a JSON column: nothing that another database would refuse."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.storage.plain import plain, run_key

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.decimals() | st.dates()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def test_numbers_of_every_kind_become_plain_ones() -> None:
    given = {"a": np.float64(1.5), "b": np.int64(3), "c": np.array([1, 2]), "d": Decimal("1.10"), 5: date(2026, 1, 2)}
    assert plain(given) == {"a": 1.5, "b": 3, "c": [1, 2], "d": "1.10", "5": "2026-01-02"}
    assert plain({"x": float("nan"), "y": np.float64("inf"), "z": np.bool_(True)}) == {"x": None, "y": None, "z": True}


@given(VALUES)
def test_whatever_is_made_plain_is_strict_json_and_stays_the_same(value: object) -> None:
    made = plain(value)
    assert plain(json.loads(json.dumps(made, allow_nan=False))) == made


def test_a_run_has_the_same_key_whatever_the_order_of_its_facts() -> None:
    facts = {"data": {"version": "d"}, "parameters": {"a": 1, "b": 2.0}}
    again = {"parameters": {"b": 2.0, "a": 1}, "data": {"version": "d"}}
    assert run_key("v", "backtest", facts) == run_key("v", "backtest", again)
    others = [
        ("w", "backtest", facts),
        ("v", "detectors", facts),
        ("v", "backtest", {**facts, "data": {"version": "e"}}),
    ]
    assert len({run_key(*each) for each in [("v", "backtest", facts), *others]}) == 4
