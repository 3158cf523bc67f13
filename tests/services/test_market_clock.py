"""The market clock: wall time until a simulator speaks, then its word, and never backwards."""

from __future__ import annotations

import time

import pytest

from workbench.services.clock import MarketClock


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    at = {"wall": 10_000, "monotonic": 500}
    monkeypatch.setattr(time, "time_ns", lambda: at["wall"])
    monkeypatch.setattr(time, "monotonic_ns", lambda: at["monotonic"])
    return at


def test_it_is_the_wall_clock_at_first(real: dict[str, int]) -> None:
    clock = MarketClock()
    assert clock.now() == 10_000
    real["wall"] = 10_500
    assert clock.now() == 10_500


def test_a_wall_clock_that_jumps_back_makes_it_wait(real: dict[str, int]) -> None:
    clock = MarketClock()
    clock.now()
    real["wall"] = 9_000
    assert clock.now() == 10_000


def test_an_announced_clock_runs_on_at_its_rate(real: dict[str, int]) -> None:
    clock = MarketClock()
    clock.announce(1_000_000, 60.0, 1, False)
    real["monotonic"] += 100
    assert clock.now() == 1_000_000 + 60 * 100


def test_in_lockstep_it_stands_still_until_the_next_word(real: dict[str, int]) -> None:
    clock = MarketClock()
    clock.announce(1_000_000, 0.0, 1, True)
    real["monotonic"] += 10**12
    assert (clock.now(), clock.lockstep, clock.seq, clock.rate) == (1_000_000, True, 1, 0.0)
    clock.announce(2_000_000, 0.0, 2, True)
    assert clock.now() == 2_000_000


def test_a_word_that_is_a_little_behind_makes_it_wait(real: dict[str, int]) -> None:
    clock = MarketClock()
    clock.announce(1_000_000, 1.0, 1, False)
    real["monotonic"] += 500
    assert clock.now() == 1_000_500
    clock.announce(1_000_400, 1.0, 2, False)
    assert clock.now() == 1_000_500
    real["monotonic"] += 200
    assert clock.now() == 1_000_600
