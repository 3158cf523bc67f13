"""Limits over time: who may change them and when, what a runner hears, and what is on record."""

from __future__ import annotations

import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from workbench.domain import events as e
from workbench.domain.account import AccountKind
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local
from workbench.execution.state import AccountState
from workbench.execution.step import step
from workbench.risk.limits import Limits
from workbench.services import limits as service
from workbench.services.audit import Audit
from workbench.services.baseline import baseline_event
from workbench.services.limits import change, history, shown
from workbench.services.limits_follower import UNREAD, LimitsFollower
from workbench.storage.home import Home
from workbench.storage.limits_file import load_limits
from workbench.storage.links import AccountLink, save_link

DAY = date(2026, 11, 23)
MONDAY = at_local(DAY, "09:00")
ANN = {"person": "ann", "reason": "a quiet week", "on": DAY}


def linked(home: Home, account: int = 1001, **limits: object) -> Home:
    save_link(
        home,
        AccountLink(
            account=account,
            name=f"50KTC-V2-{account}",
            kind=AccountKind.COMBINE,
            programme="topstep-50k",
            max_loss_level_usd=Decimal(48_500),
            day_start_balance_usd=Decimal(50_250),
            bracket_mode="auto-oco",
            linked_at=MONDAY,
            by="ann",
            limits=Limits(**limits),  # type: ignore[arg-type]
        ),
    )
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return linked(Home(tmp_path), max_position=4)


def write(home: Home, text: str) -> None:
    path = home.path / "limits.yaml"
    path.write_text(text, encoding="utf-8")
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))


# --- tightened, loosened (35) -----------------------------------------------------------------------------------------


@pytest.mark.statement(35)
def test_tightening_is_taken_at_any_time_and_stands_on_record(home: Home) -> None:
    change(home, "accounts", "1001", {"max_position": "2"}, tighten=True, running=lambda account: True, **ANN)
    entry = load_limits(home)[-1]
    assert (entry.since, entry.by, entry.reason, entry.accounts) == (
        DAY,
        "ann",
        "a quiet week",
        {1001: {"max_position": 2}},
    )
    (line,) = Audit(home).read(5)
    assert (line["who"], line["what"], line["source"]) == ("ann", "change the limits", "cli")
    assert line["details"]["values"] == {"max_position": "2"} and line["details"]["reason"] == "a quiet week"


@pytest.mark.statement(35)
@pytest.mark.parametrize("tighten", [True, False])
def test_a_looser_limit_is_refused_while_its_account_runs(home: Home, tighten: bool) -> None:
    with pytest.raises(InputError, match="max_position would be looser"):
        change(home, "accounts", "1001", {"max_position": 5}, tighten=tighten, running=lambda account: True, **ANN)
    assert load_limits(home) == [] and Audit(home).read(5) == []


@pytest.mark.statement(35)
def test_a_looser_limit_is_set_while_nothing_runs_and_named_as_such(home: Home) -> None:
    done = change(home, "accounts", "1001", {"max_position": 5}, tighten=False, running=lambda account: False, **ANN)
    assert done["loosened"] == {"1001": ["max_position"]}
    assert load_limits(home)[-1].of_account(1001, Limits(max_position=4)).max_position == 5


@pytest.mark.statement(35)
def test_only_the_accounts_that_a_loosening_concerns_must_be_stopped(home: Home) -> None:
    linked(home, 1002)
    change(home, "accounts", "1001", {"max_position": 5}, tighten=False, running=lambda account: account == 1002, **ANN)
    change(home, "global", "", {"max_position": 2}, tighten=True, running=lambda account: True, **ANN)
    with pytest.raises(InputError, match="account 1002 is running"):
        change(home, "global", "", {"max_position": 3}, tighten=False, running=lambda account: account == 1002, **ANN)


@pytest.mark.statement(35)
@pytest.mark.parametrize(("level", "key"), [("global", ""), ("markets", "MES"), ("strategies", "sma-cross")])
def test_taking_a_limit_out_of_a_level_is_a_loosening(home: Home, level: str, key: str) -> None:
    change(home, level, key, {"max_position": 2}, tighten=True, **ANN)
    with pytest.raises(InputError, match=r"max_position would be looser"):
        change(home, level, key, {"max_position": None}, tighten=True, **ANN)
    change(home, level, key, {"max_position": None}, tighten=False, running=lambda account: False, **ANN)
    assert not any(load_limits(home)[-1].level(level).values())


@pytest.mark.statement(35)
@pytest.mark.parametrize(
    ("person", "reason"), [("", "a quiet week"), ("  ", "a quiet week"), ("ann", ""), ("ann", "x ")]
)
def test_nobody_changes_limits_without_a_name_and_a_reason(home: Home, person: str, reason: str) -> None:
    with pytest.raises(InputError, match="a person and a reason"):
        change(home, "global", "", {"max_position": 1}, person=person, reason=reason, tighten=True, on=DAY)


@pytest.mark.parametrize(
    ("level", "key", "values", "told"),
    [
        ("global", "", {}, "name at least one limit"),
        ("global", "MES", {"max_position": 1}, "no parts"),
        ("accounts", "", {"max_position": 1}, "needs to know of which"),
        ("accounts", "main", {"max_position": 1}, "by their number"),
        ("markets", "MEX", {"max_position": 1}, "unknown contract"),
        ("markt", "MES", {"max_position": 1}, "did you mean markets"),
        ("global", "", {"max_positon": 1}, "did you mean max_position"),
        ("global", "", {"max_position": -1}, "max_position must be"),
    ],
)
def test_a_change_that_cannot_be_meant_changes_nothing(
    home: Home, level: str, key: str, values: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        change(home, level, key, values, tighten=True, **ANN)
    assert not (home.path / "limits.yaml").exists()


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_every_limit_is_shown_with_its_level_and_what_is_off_says_so(home: Home) -> None:
    change(home, "global", "", {"daily_loss_usd": 700}, tighten=True, **ANN)
    change(home, "accounts", "1001", {"flat_by": "15:05"}, tighten=True, **ANN)
    rows = shown(home, on=DAY)["accounts"]["1001"]
    assert set(rows) == set(Limits.__struct_fields__)
    assert rows["daily_loss_usd"] == {"value": "700", "from": "global"}
    assert rows["flat_by"] == {"value": "15:05", "from": "account"}
    assert rows["max_position"] == {"value": 4, "from": "link"}
    assert rows["max_drawdown_usd"] == {"value": "off", "from": "link"}
    json.dumps(rows)


def test_the_history_tells_who_changed_what_and_why_newest_first(home: Home) -> None:
    change(home, "markets", "ES", {"max_order_qty": 2}, tighten=True, **ANN)
    change(home, "markets", "ES", {"max_order_qty": 1}, tighten=True, **{**ANN, "reason": "thin"})
    assert [(row["by"], row["reason"], row["changes"]) for row in history(home)] == [
        ("ann", "thin", ["markets.EP.max_order_qty: 2 → 1"]),
        ("ann", "a quiet week", ["markets.EP.max_order_qty: – → 2"]),
    ]


# --- what a runner hears ----------------------------------------------------------------------------------------------


class Clock:
    now = MONDAY


def follower(home: Home, said: list[str]) -> LimitsFollower:
    return LimitsFollower(home, 1001, Limits(max_position=4), lambda: Clock.now, lambda level, text: said.append(text))


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "wall_ns", lambda: MONDAY)


@pytest.mark.statement(35)
def test_a_runner_hears_of_a_change_once_and_of_nothing_else(home: Home) -> None:
    said: list[str] = []
    follows = follower(home, said)
    assert follows.begin()["max_position"] == 4
    assert follows.look() == []
    change(home, "accounts", "1001", {"max_position": 2}, tighten=True, **ANN)
    (event,) = follows.look()
    assert isinstance(event, e.LimitsChanged)
    assert (event.limits["max_position"], event.person, event.reason) == (2, "ann", "a quiet week")
    assert follows.look() == [] and not said


@pytest.mark.statement(35)
def test_the_state_takes_what_the_file_says_when_it_is_tighter_and_not_when_it_is_looser(home: Home) -> None:
    follows, state = follower(home, []), AccountState(1001, Limits(), lambda *_: None)  # type: ignore[arg-type,return-value]
    step(state, e.RunnerStarted(at=MONDAY, epoch=1, uid="a", limits=follows.begin()))
    step(
        state,
        e.SessionStarted(
            at=MONDAY, session="s", strategy="v", contract="CON.F.US.MES.Z26", timeframe="1m", parameters={}
        ),
    )
    write(home, "- {from: 2026-11-20, by: ann, global: {max_position: 3}, markets: {MES: {max_order_qty: 1}}}")
    step(state, follows.look()[0])
    assert state.limits.max_position == 3 and state.risk.markets == {"MES": {"max_order_qty": 1}}
    write(home, "- {from: 2026-11-20, by: ann, global: {max_position: 3}}")  # by hand, while it trades
    out = step(state, follows.look()[0])
    assert "markets.MES.max_order_qty may only be tightened" in out[0].text  # type: ignore[union-attr]
    assert state.risk.markets == {"MES": {"max_order_qty": 1}}


def test_a_file_that_cannot_be_read_leaves_what_held_and_says_so_once(home: Home) -> None:
    said: list[str] = []
    follows = follower(home, said)
    follows.begin()
    write(home, "- {from: 2026-11-20, global: {max_positon: 1}}")
    assert follows.look() == [] == follows.look()
    assert len(said) == 1 and "did you mean max_position" in said[0]


def test_a_runner_that_cannot_read_the_limits_starts_on_none_of_them_and_says_so_until_it_can(home: Home) -> None:
    write(home, "- {from: 2026-11-20, global: {max_positon: 1}}")
    said: list[str] = []
    follows = follower(home, said)
    assert follows.begin() == {} and follows.is_unread
    assert len(said) == 1 and "did you mean max_position" in said[0] and "nothing is entered" in said[0]
    assert follows.look() == []
    write(home, "- {from: 2026-11-20, global: {max_position: 1}}")
    changed, released = follows.look()
    assert isinstance(changed, e.LimitsChanged) and changed.limits["max_position"] == 1
    assert isinstance(released, e.Released) and released.reason == UNREAD and not follows.is_unread


def test_an_entry_of_a_later_date_is_taken_up_when_its_trading_date_begins(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, "- {from: 2026-11-24, global: {max_position: 1}}")
    follows = follower(home, [])
    assert follows.begin()["max_position"] == 4
    monkeypatch.setattr(Clock, "now", at_local(DAY, "17:00"))  # the trading date of the 24th
    (event,) = follows.look()
    assert isinstance(event, e.LimitsChanged) and event.limits["max_position"] == 1


def test_a_list_of_news_comes_as_windows_and_its_end_too(home: Home) -> None:
    follows = follower(home, [])
    follows.begin()
    path = home.path / "news.yaml"
    path.write_text('- {at: "2026-11-23 13:00", name: FOMC}', encoding="utf-8")
    (event,) = follows.look()
    assert isinstance(event, e.NewsWindows) and [name for *_, name in event.windows] == ["FOMC"]
    path.unlink()
    (gone,) = follows.look()
    assert isinstance(gone, e.NewsWindows) and gone.windows == []


# --- the baseline -----------------------------------------------------------------------------------------------------


@pytest.mark.statement(33)
def test_an_account_begins_with_what_its_link_says_once(home: Home) -> None:
    state = AccountState(1001, Limits(), lambda *_: None)  # type: ignore[arg-type,return-value]
    event = baseline_event(home, state, MONDAY)
    assert event is not None
    assert (event.floor_usd, event.day_start_usd, event.trading_date) == (48_500, 50_250, "2026-11-23")
    step(state, e.RunnerStarted(at=MONDAY, epoch=1, uid="a"))
    step(state, event)
    firm = state.risk.firm
    assert firm is not None and (firm.floor, firm.day_start, firm.cap) == (485_000_000, 502_500_000, 50)
    assert baseline_event(home, state, MONDAY) is None  # from here on the journal keeps it
    assert baseline_event(home, AccountState(7, Limits(), lambda *_: None), MONDAY) is None  # type: ignore[arg-type,return-value]
