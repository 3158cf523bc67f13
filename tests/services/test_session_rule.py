"""A journal may name a version that cannot run any more: the account opens, enters nothing, and people are told."""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.rules.build import DAY_OPEN, MES, bar, strategy_text
from workbench.domain import events as e
from workbench.domain.clock import MINUTE
from workbench.execution.state import AccountState
from workbench.risk.limits import Limits
from workbench.rules import parse_strategy
from workbench.services.decider import Decider
from workbench.services.linking import make_link
from workbench.services.runner_main import RunnerProcess
from workbench.services.session_rule import StandIn, name_of, session_rule
from workbench.storage.home import Home
from workbench.storage.journal import Journal
from workbench.storage.links import save_link
from workbench.storage.registry import Registry

ACCOUNT = 7
TEXT = strategy_text(trading="{flat_by: '14:30'}")


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path)


def lose(place: Home, version: str, how: str) -> None:
    registry = Registry(place)
    if how == "the copy was changed":
        (registry.folder / f"{version}.yaml").write_text(TEXT.replace("close > open", "close < open"))
    elif how == "the copy is gone":
        (registry.folder / f"{version}.yaml").unlink()
    elif how == "all of it is gone":
        for path in registry.folder.iterdir():
            path.unlink()
    else:  # the words mean something else in this program, so the same text has another hash
        entry = json.loads((registry.folder / f"{version}.json").read_text())
        text = TEXT.replace("close > open", "close > open + 1")
        (registry.folder / f"{version}.yaml").write_text(text)
        (registry.folder / f"{version}.json").write_text(json.dumps({**entry, "semantics": 0}))


@pytest.mark.parametrize(
    ("how", "flat_by"),
    [
        ("the copy was changed", "14:30"),
        ("the copy is gone", "15:05"),
        ("all of it is gone", "15:05"),
        ("the rules mean something else", "14:30"),
    ],
)
def test_a_lost_version_gets_a_stand_in_that_leaves_in_time(place: Home, how: str, flat_by: str) -> None:
    registry = Registry(place)
    version = registry.register(parse_strategy(TEXT)).version
    told: list[str] = []
    assert not isinstance(session_rule(registry, version, {}, told.append), StandIn) and told == []
    lose(place, version, how)
    rule = session_rule(registry, version, {}, told.append)
    assert isinstance(rule, StandIn) and rule.flat_by == flat_by
    assert f"version {version} cannot run any more" in told[0] and f"leave at {flat_by} Chicago time" in told[0]
    assert name_of(registry, version) == (version if how == "all of it is gone" else "probe")


def test_the_stand_in_never_enters_and_leaves_before_its_time() -> None:
    rule = StandIn("14:30")
    last = DAY_OPEN + (6 * 60 - 2) * MINUTE  # 14:28 is 08:30 and 5:58
    assert rule.on_bar(bar(DAY_OPEN, 10.0), 0) is None and rule.on_bar(bar(DAY_OPEN + MINUTE, 20.0), 1) is None
    signals = [rule.on_bar(bar(last + i * MINUTE, 20.0), 2) for i in range(3)]
    assert [s.exit if s else None for s in signals] == [None, True, True]  # the bar that ends at 14:30 is the last
    assert all(s.entry == 0 and s.rule == "flat_by" for s in signals if s)
    assert rule.on_bar(bar(last, 20.0), 2) is None, "a bar that was seen is not decided again"


async def test_an_account_whose_journal_names_a_lost_version_opens_and_says_so(place: Home) -> None:
    save_link(place, make_link(account=ACCOUNT, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
    registry = Registry(place)
    version = registry.register(parse_strategy(TEXT)).version
    state = AccountState(ACCOUNT, Limits(), lambda v, _c, p: session_rule(registry, v, p, lambda _: None))
    decider = Decider(state, Journal(place.account(ACCOUNT) / "journal.wbj"))
    known = {"session": "s1", "strategy": version, "contract": MES, "timeframe": "1m", "parameters": {}, "person": "me"}
    decider.decide(e.SessionStarted(at=DAY_OPEN, **known))
    decider.journal.close()
    lose(place, version, "the rules mean something else")
    options = argparse.Namespace(
        rest="http://127.0.0.1:9", hubs="http://127.0.0.1:9", desk="http://127.0.0.1:9", simulated=True
    )
    process = RunnerProcess(ACCOUNT, place, options, "a-token-of-sixteen")
    told = [a["text"] for a in process.runner.alerts if a["level"] == "critical"]
    assert len(told) == 1 and "stored under meaning 0 of the rule language" in told[0]
    session = process.runner.state.sessions["s1"]
    assert isinstance(session.rule, StandIn)
    assert process._names_of([session]) == {version: "probe"}
    process.runner.decider.journal.close()
