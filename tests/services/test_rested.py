"""What accounts that this desk never heard have lost today counts in the limits over all accounts."""

from __future__ import annotations

import asyncio
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.execution.fake_broker import ACCOUNT, enter
from tests.services.test_monitor import account, desk, write
from tests.services.test_projections import Account
from workbench.services.budgets import lease_once
from workbench.services.monitor import STOP_USD
from workbench.storage.home import Home

LOST = Decimal("50") + Decimal("1.48")  # 2 MES out 20 ticks of 1.25 USD lower; 0.37 USD a contract and side
OTHER = 2


@pytest.fixture
def traded(tmp_path: Path) -> Account:
    made = Account(Home(tmp_path))
    made.ride.start()
    made.ride.bar(enter(1, 2))
    made.ride.settle()
    made.write()
    return made


def stop_out(traded: Account) -> None:
    """The position's stop fills at its own price."""
    ride = traded.ride
    working = next(o for o in ride.broker.working() if o.stop_ticks is not None)
    ride.broker.fill(working.order_id or 0)
    ride.settle()
    traded.write()


def shares(traded: Account, limit: int, **clock: int) -> dict[int, Decimal | None]:
    write(traded.home, f"- {{from: 2020-01-01, global: {{daily_loss_usd: {limit}}}}}")
    place = desk(traded.home, account(OTHER))
    place.all_accounts = lambda: [ACCOUNT, OTHER]
    place.clock.now = lambda: traded.ride.now + clock.get("later", 0)
    made = asyncio.run(lease_once(place))
    return {number: lease.daily_loss_usd for number, lease in made.items()}


@pytest.mark.statement(35)
def test_a_loss_of_today_counts_though_the_desk_has_begun_since(traded: Account) -> None:
    stop_out(traded)
    left = Decimal(1000) - LOST
    assert shares(traded, 1000) == {OTHER: left / 2, ACCOUNT: LOST + left / 2}
    assert set(shares(traded, 51).values()) == {STOP_USD}, "all of it is lost"
    day = 86_400_000_000_000
    assert shares(traded, 1000, later=day) == {OTHER: Decimal(500), ACCOUNT: Decimal(500)}, "that was yesterday's"


@pytest.mark.statement(35)
def test_while_something_is_open_by_its_journal_no_share_is_given_until_a_stop_has_read_it_flat(
    traded: Account,
) -> None:
    assert shares(traded, 1000) == {}
    result = traded.home.account(ACCOUNT) / "stop_result.json"
    for said, given in (("NOT_FLAT", False), ("FLAT", True)):
        result.write_text(json.dumps({"result": said}))
        assert bool(shares(traded, 1000)) is given
    os.utime(result, ns=(1, 1))
    assert shares(traded, 1000) == {}, "the result of an earlier stop says nothing of what was opened since"


@pytest.mark.statement(35)
def test_of_a_journal_that_cannot_be_read_nothing_is_known(traded: Account) -> None:
    stop_out(traded)
    path = traded.journal.path
    path.write_bytes(b"nothing of ours")
    assert shares(traded, 1000) == {}
