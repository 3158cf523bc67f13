"""Limits through the API: tighter at any time, looser only while nothing runs, each change with its person."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from workbench.domain.errors import InputError
from workbench.risk.limits import Limits
from workbench.services import limits
from workbench.services.audit import Audit
from workbench.services.clock import wall_ns
from workbench.services.desk_bodies import ChangeLimits
from workbench.services.limit_changes import change_limits, shown_limits
from workbench.services.limits_follower import LimitsFollower
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.links import save_link
from workbench.storage.lock import AccountLock

ACCOUNT = 7


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    save_link(home, make_link(account=ACCOUNT, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
    return home


def wish(**values: Any) -> ChangeLimits:
    return ChangeLimits(values=values, reason="a quiet week", person="ann")


def held(home: Home) -> Any:
    return shown_limits(home)["accounts"][str(ACCOUNT)]["max_position"]["value"]


@pytest.mark.statement(35)
def test_tighter_while_a_session_runs_and_looser_only_after_it(place: Home) -> None:
    before = held(place)
    done = change_limits(place, wish(max_position=1), tighten=True, running={ACCOUNT})
    assert done["changed"]["loosened"] == {} and held(place) == 1
    for tighten, running in ((True, set()), (False, {ACCOUNT})):
        with pytest.raises(InputError, match="would be looser"):
            change_limits(place, wish(max_position=before), tighten=tighten, running=running)
    assert held(place) == 1
    change_limits(place, wish(max_position=before), tighten=False, running=set())
    assert held(place) == before
    assert [row["by"] for row in shown_limits(place)["history"]] == ["ann", "ann"]
    assert [(line["who"], line["source"]) for line in Audit(place).read(9)] == [("ann", "api")] * 2


@pytest.mark.parametrize("values", [{"max_positon": 1}, {"max_position": "x"}, {"daily_loss_usd": float("nan")}])
def test_what_makes_no_sense_is_refused_and_nothing_is_written(place: Home, values: dict[str, Any]) -> None:
    with pytest.raises((InputError, ValidationError)):
        change_limits(place, wish(**values), tighten=False, running=set())
    assert shown_limits(place)["history"] == []


@pytest.mark.statement(35)
def test_whoever_asks_a_runner_that_holds_the_account_keeps_its_limits_from_being_loosened(place: Home) -> None:
    before = held(place)
    limits.change(place, "global", "", {"max_position": 1}, person="ann", reason="calm", tighten=True)
    looser = {"level": "global", "key": "", "values": {"max_position": before}}
    wish = {"person": "ann", "reason": "calm", "tighten": False}
    with AccountLock(place.account(ACCOUNT)) as lock:
        lock.acquire("runner")
        with pytest.raises(InputError, match=rf"account {ACCOUNT} is running"):
            limits.change(place, **looser, **wish)
        assert held(place) == 1
    limits.change(place, **looser, **wish)
    assert held(place) == before


def test_a_file_that_was_only_touched_is_no_change(place: Home) -> None:
    limits.change(place, "global", "", {"max_position": 1}, person="ann", reason="calm", tighten=True)
    told: list[tuple[str, str]] = []
    follower = LimitsFollower(place, ACCOUNT, Limits(), wall_ns, lambda *words: told.append(words))
    assert follower.begin()["max_position"] == 1
    path = place.path / "limits.yaml"
    path.write_text(path.read_text() + "# a note\n")
    assert follower.look() == [] and told == []
    limits.change(place, "global", "", {"max_order_qty": 1}, person="ann", reason="calm", tighten=True)
    (changed,) = follower.look()
    assert (changed.limits["max_order_qty"], changed.limits["max_position"]) == (1, 1)


@pytest.mark.statement(35)
@pytest.mark.parametrize("name", ["daily_loss_usd", "max_micros"])
@pytest.mark.parametrize("value", [100_000, None])
def test_the_limit_over_all_accounts_is_not_loosened_or_taken_away_under_the_name_of_tightening(
    place: Home, name: str, value: int | None
) -> None:
    save_link(place, make_link(account=8, name="PRAC-V2-1-2", balance=Decimal(1), by="me"))
    words = {"person": "ann", "reason": "calm", "tighten": True}
    # above what each account may lose by itself, below what both may lose together
    limits.change(place, "global", "", {name: 1500}, **words)
    with pytest.raises(InputError, match=f"{name} over all would be looser"):
        limits.change(place, "global", "", {name: value}, **words)
    limits.change(place, "global", "", {name: 1400}, **words)


@pytest.mark.statement(28)
@pytest.mark.parametrize("level", ["markets", "strategies"])
@pytest.mark.parametrize("written", ["flat_by", "consecutive_losses", "news_flat", "protect_within_s", "on_breach"])
def test_a_limit_that_only_an_account_can_keep_is_refused_elsewhere(place: Home, level: str, written: str) -> None:
    value = {"flat_by": "09:10", "news_flat": True, "on_breach": "account"}.get(written, 1)
    key = {"markets": "MES", "strategies": "sma_cross"}[level]
    with pytest.raises(InputError, match=rf"{written} is kept by an account as a whole"):
        limits.change(place, level, key, {written: value}, person="ann", reason="calm", tighten=True)
    assert shown_limits(place)["history"] == []
    limits.change(place, "accounts", str(ACCOUNT), {written: value}, person="ann", reason="calm", tighten=False)
