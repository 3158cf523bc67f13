"""The benchmark table: ratios point the right way, and the file has the agreed keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks import harness, run
from tests.benchmarks.harness import Row, against_limit, compare, measure


class Clock:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], None]:
        def side() -> None:
            self.now += seconds

        return side


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(harness, "time", clock)
    return clock


def test_twice_as_fast_is_a_ratio_of_two(clock: Clock) -> None:
    row = compare("nap", clock.work(0.01), clock.work(0.02), at_least=1.5, runs=3, peer="sleep")
    assert row.ratio == pytest.approx(2.0)
    assert row.met
    assert row.aim == ">= 1.5 x sleep"


def test_the_sides_take_turns_and_the_median_counts() -> None:
    order: list[str] = []
    harness.seconds(lambda: order.append("ours"), lambda: order.append("other"), runs=2, warm_up=1)
    assert order == ["ours", "other"] * 3


def test_a_rate_is_work_per_second(clock: Clock) -> None:
    row = measure("nap", clock.work(0.01), at_least=1_000_000, work=100, unit="naps/s", runs=3)
    assert row.ours == pytest.approx(10_000)
    assert not row.met


@pytest.mark.parametrize(("value", "met"), [(0.25, True), (0.5, True), (0.51, False)])
def test_at_most_is_met_up_to_the_limit(value: float, met: bool) -> None:
    row = against_limit("import", value, at_most=0.5)
    assert row.met is met
    assert row.ratio == pytest.approx(0.5 / value)


def test_one_aim_is_needed() -> None:
    with pytest.raises(ValueError, match="at_least or at_most"):
        against_limit("x", 1.0)


def test_the_file_has_the_agreed_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Fake:
        @staticmethod
        def rows() -> list[Row]:
            return [against_limit("import workbench", 0.2, at_most=0.5)]

    class Broken:
        @staticmethod
        def rows() -> list[Row]:
            raise RuntimeError("no peer")

    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "modules", lambda words: ["bench_fake", "bench_broken"])
    monkeypatch.setattr(run.importlib, "import_module", lambda name: Fake if "fake" in name else Broken)
    assert run.main([]) == 1
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written == {
        "rows": [{"name": "import workbench", "ours": 0.2, "other": 0.5, "ratio": 2.5, "aim": "<= 0.5 s", "met": True}]
    }
    shown = capsys.readouterr()
    assert "import workbench  0.2 s" in shown.out
    assert "bench_broken: RuntimeError: no peer" in shown.err
