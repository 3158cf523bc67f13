"""Python strategies in a process of their own: the same decisions, and what happens when that process fails."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.rules.build import bars
from tests.rules.python_build import probe
from workbench.domain.errors import WorkbenchError
from workbench.rules import load_strategy
from workbench.rules.python import PythonStrategy, StrategyFault
from workbench.rules.signal import Signal
from workbench.services.strategy_worker import WorkerRule, environment, in_worker

WAVE = [1000.0 + 8.0 * math.sin(i / 5) + 3.0 * math.sin(i / 2) for i in range(700)]
SWING = {
    "body": "max_trades_per_day = 40\ncooldown = 2",
    "start": "self.rsi = self.indicator('rsi', 5)\nself.seen = 0",
    "on_bar": """
    self.seen += 1
    if self.flat and self.rsi.value < 30:
        self.enter_long(stop=2.0, contracts=1 + self.seen % 3)
    elif self.long and self.rsi.value > 60 and (self.entry_price or 0) < bar.close:
        self.exit()
    """,
}


def swing() -> PythonStrategy:
    return probe(**SWING)


def positions(rule: object, feed: list) -> tuple[list[Signal | None], list[int]]:
    """Feed bars as an account would: in after an entry, out after an exit or six bars later."""
    signals, held, since, told = [], 0, 0, []
    for i, bar in enumerate(feed):
        if held and i - since > 6:
            held = 0  # stopped out
        told.append(held)
        made = rule.on_bar(bar, held, bar.open * 4 if held else None)
        signals.append(made)
        if made is not None:
            held, since = (made.entry or 0), i
    return signals, told


@pytest.mark.parametrize("ahead", [True, False])
def test_the_worker_decides_as_this_process_does(ahead: bool) -> None:
    feed = bars(WAVE)
    here, held = positions(swing().start(), feed)
    with in_worker(swing(), feed if ahead else ()) as worked:
        there, _ = positions(worked.start(), feed)
    assert there == here
    assert sum(s is not None for s in here) > 20 and sum(map(bool, held)) > 50


def test_history_is_seen_and_not_decided() -> None:
    feed = bars(WAVE)
    here = swing().start()
    with in_worker(swing(), feed) as worked:
        there = worked.start()
        for bar in feed[:100]:
            assert here.warm(bar) == there.warm(bar)
        assert not there.warm(feed[99])
        assert positions(there, feed[100:])[0] == positions(here, feed[100:])[0]


def test_a_position_that_nobody_told_of_beforehand_is_caught_up_with() -> None:
    feed = bars(WAVE[:120])
    held = [1 if 40 <= i < 50 else 0 for i in range(120)]  # another strategy on the same contract
    here = swing().start()
    expected = [here.on_bar(bar, qty) for bar, qty in zip(feed, held, strict=True)]
    with in_worker(swing(), feed) as worked:
        there = worked.start()
        assert [there.on_bar(bar, qty) for bar, qty in zip(feed, held, strict=True)] == expected


def test_bars_ahead_are_asked_in_few_messages() -> None:
    feed = bars([1000.0] * 600)
    with in_worker(probe(on_bar="pass"), feed) as worked:
        rule = worked.start()
        asked = []
        feed_once = rule._feed
        rule._feed = lambda asks: asked.append(len(asks)) or feed_once(asks)
        assert [rule.on_bar(bar) for bar in feed] == [None] * 600
    assert sum(asked) == 600 and len(asked) < 40


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"on_bar": "while True:\n    pass"},
            r"probe.py, line 1[45], in on_bar: no answer within 0.3 s \(an endless loop\?\)",
        ),
        ({"start": "raise KeyError('x')"}, r"probe.py, line 11, in start: KeyError: 'x'  `raise KeyError\('x'\)`"),
        ({"on_bar": "1 / 0"}, r"probe.py, line 14, in on_bar: ZeroDivisionError: division by zero  `1 / 0`"),
        ({"on_bar": "import os; os._exit(7)"}, r"its worker process died \(exit code 7\)"),
        ({"on_bar": "raise SystemExit('bye')"}, "its worker process died"),
        ({"on_bar": "import os; os.close(4); os.close(3)"}, "worker"),
    ],
)
def test_a_strategy_that_fails_says_where_and_leaves_no_process(parts: dict[str, str], said: str) -> None:
    with in_worker(probe(**parts), limit_s=0.3) as worked:
        rule = worked.start()
        with pytest.raises(StrategyFault, match=said):
            rule.on_bar(bars([1.0])[0])
        assert rule._process is None or not psutil.pid_exists(rule._process.pid)


def test_what_it_prints_and_reads_does_not_disturb_the_answers() -> None:
    made = probe(on_bar="import sys\nprint('x' * 100)\nassert sys.stdin.read() == ''\nself.enter_long(stop=1.0)")
    with in_worker(made) as worked:
        assert worked.start().on_bar(bars([1.0])[0]).entry == 1


ORPHAN = """
import os
from tests.rules.python_build import probe
from tests.rules.build import bars
from workbench.services.strategy_frames import Feed, ask_of, framed
from workbench.services.strategy_worker import WorkerRule
rule = WorkerRule(probe(on_bar="while True: pass"), limit_s=60).start()
rule._process._to.write(framed(Feed([ask_of(bars([1.0])[0])])))
rule._process._to.flush()
print(rule._process.pid, flush=True)
os._exit(0)
"""


def test_a_worker_in_an_endless_loop_does_not_outlive_its_parent() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ORPHAN], capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60
    )
    pid = int(ran.stdout)
    patience = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < patience, "the worker lives on"
        time.sleep(0.02)


def test_the_worker_ends_with_the_block() -> None:
    with in_worker(probe()) as worked:
        rule = worked.start().start()
        pid = rule._process.pid
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


def test_a_killed_worker_is_told() -> None:
    with in_worker(probe()) as worked:
        rule = worked.start().start()
        os.kill(rule._process.pid, signal.SIGKILL)
        with pytest.raises(StrategyFault, match=r"died \(exit code -9\)"):
            rule.on_bar(bars([1.0])[0])


def test_secrets_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("PROJECTX_API_KEY", "PROJECTX_USERNAME", "WORKBENCH_API_TOKEN", "WORKBENCH_DESK_TOKEN")
    for name in (*ours, "WORKBENCH_DATABASE_URL", "WORKBENCH_REDIS_URL", "AWS_SECRET_ACCESS_KEY", "db_password"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in environment().values()


def test_declarative_strategies_need_no_worker() -> None:
    yaml = load_strategy(Path(__file__).parents[2] / "strategies" / "sma_cross.yaml")
    with pytest.raises(WorkbenchError, match="is no Python strategy"), in_worker(yaml):
        pass


def test_a_rule_closes_twice_without_harm() -> None:
    rule = WorkerRule(probe())
    rule.close()
    rule.start()
    rule.close()
    rule.close()
