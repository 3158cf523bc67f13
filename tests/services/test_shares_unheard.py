"""Shares of the limits over all accounts while a runner is not heard: what it told before it went is no measure."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.services.test_monitor import account, desk, write
from workbench.services.budgets import lease_once
from workbench.storage.home import Home

HELD = {"contract": "CON.F.US.MES.Z26", "qty": 2}


def desk_of(tmp_path: Path, *accounts: dict[str, Any]) -> Any:
    home = Home(tmp_path)
    write(home, "- {from: 2020-01-01, global: {daily_loss_usd: 1000}}")
    return desk(home, *accounts)


def gone(place: Any, number: int) -> None:
    place.runners[number].channel, place.runners[number].is_silent = None, True


@pytest.mark.statement(35)
@pytest.mark.parametrize("open_", [{"positions": [HELD]}, {"working": [{"order_id": 7}]}])
def test_while_a_runner_with_an_open_position_is_not_heard_no_share_is_given(
    tmp_path: Path, open_: dict[str, Any]
) -> None:
    place = desk_of(tmp_path, account(1, day_pnl_usd=-200.0, **open_), account(2))
    gone(place, 1)
    assert asyncio.run(lease_once(place)) == {}, "its loss grows unseen: 400 more for the other may be too much"
    assert place.runners[2].channel.asked == []


@pytest.mark.statement(35)
def test_a_runner_that_hangs_is_not_heard_though_its_channel_stands(tmp_path: Path) -> None:
    place = desk_of(tmp_path, account(1, day_pnl_usd=-200.0, positions=[HELD]), account(2))
    place.runners[1].is_silent = True
    assert asyncio.run(lease_once(place)) == {}


@pytest.mark.statement(35)
def test_a_runner_that_went_flat_leaves_what_it_told(tmp_path: Path) -> None:
    closed = {**HELD, "qty": 0}  # one that was traded today is told of with nothing held
    place = desk_of(tmp_path, account(1, day_pnl_usd=-200.0, positions=[closed], working=[]), account(2))
    gone(place, 1)
    made = asyncio.run(lease_once(place))
    assert {number: lease.daily_loss_usd for number, lease in made.items()} == {1: Decimal(600), 2: Decimal(400)}


@pytest.mark.statement(35)
def test_a_runner_that_has_not_spoken_yet_keeps_the_others_from_the_whole_limit(tmp_path: Path) -> None:
    place = desk_of(tmp_path, account(2))
    place.runners[1] = SimpleNamespace(last={}, channel=None, is_silent=True, wanted=True, given_up=False)
    assert asyncio.run(lease_once(place)) == {}, "a desk that has just begun knows nothing of account 1"
    place.runners[1].wanted = False  # it was stopped
    assert asyncio.run(lease_once(place))[2].daily_loss_usd == Decimal(1000)
