"""Journal beside broker: equal when they are, and every difference in words when they are not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, FakeBroker, Ride, enter
from tests.services.stack import stack
from tests.services.test_projections import Account
from workbench.domain.errors import InputError
from workbench.domain.order import OrderType, Side
from workbench.domain.position import Fill
from workbench.services.reconciling import compare, reconcile_account
from workbench.storage.home import Home
from workbench.storage.records import FILE


class Readable:
    """The fake broker as the reader wants it."""

    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker

    async def account(self, account: int) -> tuple[Decimal, bool]:
        return self.broker.balance, self.broker.can_trade

    async def orders(self, account: int, since: int) -> list[Any]:
        return self.broker.read(since).orders

    async def working(self, account: int) -> list[Any]:
        return [o for o in self.broker.orders.values() if o.is_open]

    async def fills(self, account: int, since: int) -> list[Any]:
        return self.broker.read(since).fills

    async def positions(self, account: int) -> list[Any]:
        return self.broker.read().positions


@pytest.fixture
def account(tmp_path: Path) -> Account:
    made = Account(Home(tmp_path))
    ride = made.ride.start()
    ride.bar(enter(1, 2))
    ride.settle()
    made.write()
    return made


def differences(account: Account) -> list[str]:
    found = asyncio.run(reconcile_account(account.home, ACCOUNT, Readable(account.ride.broker), account.ride.now))
    assert found["equal"] is not bool(found["differences"])
    return list(found["differences"])


def test_what_agrees_is_equal(account: Account) -> None:
    before = (account.home.account(ACCOUNT) / FILE).read_bytes()
    assert differences(account) == []
    assert (account.home.account(ACCOUNT) / FILE).read_bytes() == before, "it only reads"


def test_a_trade_by_hand_shows_as_order_fill_position_and_balance(account: Account) -> None:
    broker = account.ride.broker
    number = broker._new(MES, Side.BUY, OrderType.MARKET, 1, status=broker.working()[0].status).order_id
    broker.fill(number or 0)
    said = differences(account)
    assert [text.split(" ")[0] for text in said] == ["trade", "CON.F.US.MES.Z26:", "balance"]
    assert "(+1 CON.F.US.MES.Z26 at 6000) is not in the journal" in said[0]
    assert said[1] == "CON.F.US.MES.Z26: +2 in the journal, +3 at the broker"


def test_orders_that_only_one_side_knows_and_orders_that_are_not_the_same(account: Account) -> None:
    broker = account.ride.broker
    stop, target = (broker.leg(kind) for kind in (OrderType.STOP, OrderType.LIMIT))
    broker._put(stop, stop_ticks=23_990)
    del broker.orders[target.order_id or 0]
    broker._new(MES, Side.SELL, OrderType.LIMIT, 1, status=stop.status)
    said = differences(account)
    assert any(text.startswith(f"order {stop.order_id}: stop_ticks 23980 in the journal, 23990") for text in said)
    assert any("the broker does not show it" in text for text in said)
    assert any("the journal does not know it" in text for text in said)
    assert len(said) == 3


def test_a_voided_trade_is_none(account: Account) -> None:
    reading = account.ride.broker.read()
    voided = Fill(trade_id=999, order_id=1, account=ACCOUNT, contract=MES, qty=1, ticks=1, at=1, voided=True)
    reading = msgspec.structs.replace(reading, fills=[*reading.fills, voided])
    assert compare(account.ride.state, reading) == []


@pytest.mark.statement(11)
def test_a_damaged_journal_is_told_first(account: Account) -> None:
    path = account.home.account(ACCOUNT) / FILE
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert "the journal is damaged" in differences(account)[0]


def test_an_account_that_was_never_traded_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no journal"):
        asyncio.run(reconcile_account(Home(tmp_path), 7, Readable(Ride().broker), 0))


# --- the command, in front of the whole stack ---


async def command(home: Home, url: str, *arguments: str) -> tuple[int, Any]:
    environment = {**os.environ, "WORKBENCH_SIMULATOR_URL": url, "WORKBENCH_PROFILE": "sim"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workbench.cli", "reconcile", "--home", str(home.path), *arguments, "--json",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert out, err.decode()
    return process.returncode or 0, json.loads(out)


@pytest.mark.slow
async def test_it_compares_through_a_desk_that_lives_and_makes_the_history_again(tmp_path: Path) -> None:
    async with stack(tmp_path, rate=60.0) as made:
        await made.start(fast=2, slow=4)
        await made.until("a position", lambda: made.broker_qty() != 0)
        made.simulator.clock.pause(True)
        await made.until("it is heard of", lambda: made.own_qty() == made.broker_qty())
        logins = [r for r in made.simulator.requests.entries if "login" in r["path"].lower()]
        code, (found,) = await command(made.home, made.simulator.url)
        assert (code, found["equal"], found["differences"]) == (0, True, [])
        assert found["journal"]["positions"] == found["broker"]["positions"] != {}
        again = [r for r in made.simulator.requests.entries if "login" in r["path"].lower()]
        assert len(again) == len(logins), "the desk's login serves: a second one could end the first"
        code, done = await command(made.home, made.simulator.url, "--projections")
        assert code == 0 and done["accounts"] == [found["account"]]
        orders = made.desk.history.orders(found["account"])
        assert {o["tag"] for o in orders if o["tag"]} == set(made.tags())
