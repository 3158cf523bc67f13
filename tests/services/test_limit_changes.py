"""Limits through the API: tighter at any time, looser only while nothing runs, each change with its person."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from workbench.domain.errors import InputError
from workbench.services.audit import Audit
from workbench.services.desk_bodies import ChangeLimits
from workbench.services.limit_changes import change_limits, shown_limits
from workbench.services.linking import make_link
from workbench.storage.home import Home
from workbench.storage.links import save_link

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
