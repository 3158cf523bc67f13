"""The long run counts and chooses as the suite does."""

from __future__ import annotations

import json

import pytest

from tests.parity import long


def test_nine_of_ten_cases_of_a_chunk_have_ten_trades_and_none_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "CHUNK", 8)
    made = long.play(long.FIRST_SEED)
    assert made["cases"] + made["passed_over"] == 8 and made["differences"] == []
    quiet = made["cases"] - made["busy"]
    assert quiet <= 0.09 * made["cases"] + 1
    state = json.loads(json.dumps(long.EMPTY))
    long.add(state, made)
    assert state["cases"] == made["cases"] and state["done"] == [long.FIRST_SEED]
    assert "with ten trades, 0 differences" in long.told(state)


def test_a_run_goes_on_with_the_seeds_that_are_not_done_until_enough_cases_are_kept() -> None:
    state = json.loads(json.dumps(long.EMPTY)) | {"done": [long.FIRST_SEED], "cases": 40}
    assert long.next_seeds(state, 41 + long.CHUNK) == [long.FIRST_SEED + long.CHUNK, long.FIRST_SEED + 2 * long.CHUNK]
    assert long.next_seeds(state, 40) == []
