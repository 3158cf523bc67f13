"""What the desk shows of an account whose runner is gone: the broker's orders with what the journal knows of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT
from tests.services.test_projections import Account
from workbench.domain.order import Order
from workbench.services.children import Child
from workbench.services.clock import MarketClock
from workbench.services.projections import Projections
from workbench.services.settings import load_profile
from workbench.services.shared_reads import SharedReads
from workbench.services.supervisor import Desk
from workbench.storage.database import Database
from workbench.storage.home import Home
from workbench.storage.latch import set_latch

OURS = {"strategy": "", "rule": "", "session": "", "tag": None}  # the broker knows nothing of these


@pytest.fixture
def traded(tmp_path: Path) -> tuple[Projections, list[Order]]:
    home = Home(tmp_path)
    account = Account(home)
    account.ride.start()
    account.round_trip()
    projections = Projections(Database(home))
    projections.catch_up(home, ACCOUNT)
    orders = [msgspec.structs.replace(o, **OURS) for _, o in account.ride.state.orders.items()]
    close = msgspec.structs.replace(orders[0], order_id=999_001)
    return projections, [*orders, close]


def stopped_desk(orders: list[Order], history: Any) -> Any:
    async def read(account: int, since: int) -> list[Order]:
        return orders

    desk: Any = SimpleNamespace(
        runners={ACCOUNT: SimpleNamespace(channel=None)}, reads=SharedReads(), clock=MarketClock(),
        rest=SimpleNamespace(orders=read), history=history,
    )  # fmt: skip
    for name in ("_at_the_broker", "_read_the_day", "_collect"):
        setattr(desk, name, getattr(Desk, name).__get__(desk))
    return desk


async def test_orders_of_a_stopped_account_keep_the_rule_that_wanted_them(
    traded: tuple[Projections, list[Order]],
) -> None:
    history, orders = traded
    rows = await Desk.orders(stopped_desk(orders, history), None)
    known = {r["type"]: r for r in rows if r["order_id"] != 999_001}
    assert {kind: (r["rule"], r["strategy"]) for kind, r in known.items()} == {
        "LIMIT": ("entry.long.bracket", "v1"),
        "MARKET": ("entry.long", "v1"),
        "STOP": ("entry.long.bracket", "v1"),
    }
    assert known["MARKET"]["session"] == "s1" and known["MARKET"]["tag"]
    (close,) = [r for r in rows if r["order_id"] == 999_001]
    assert not close["rule"] and not close["session"], "of what the journal does not know nothing is invented"


async def test_a_database_that_fails_leaves_the_orders_as_the_broker_shows_them(
    traded: tuple[Projections, list[Order]],
) -> None:
    def owners(account: int, numbers: list[int]) -> None:
        raise OSError("the disk is gone")

    rows = await Desk.orders(stopped_desk(traded[1], SimpleNamespace(owners=owners)), None)
    assert len(rows) == 4 and not any(r["rule"] for r in rows)


@pytest.fixture
async def desk(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Desk(Home(tmp_path), load_profile("sim", simulator_url="http://127.0.0.1:9"), "a-token-of-sixteen")
    made.started("http://127.0.0.1:1")
    yield made
    await made.rest.aclose()


async def test_what_a_session_had_earned_before_a_stop_is_kept_as_that(desk: Desk) -> None:
    child: Child = desk._runner_of(f"runner-{ACCOUNT}")
    child.heard("snapshot", {"account": {}, "sessions": [{"session": "s", "position": 2, "pnl_usd": 5.0}]})
    for _ in range(2):  # a second press finds everything closed
        desk._now_flat(ACCOUNT)
    (session,) = (await desk.snapshot())["sessions"]
    assert (session["position"], session["pnl_usd"], session["last_pnl_usd"]) == (0, None, 5.0)


async def test_an_alert_keeps_the_market_time_at_which_its_runner_said_it(desk: Desk) -> None:
    desk.alert("info", "the desk began")
    assert desk.alerts[-1]["market_at"] is None, "the simulator has not told its time yet"
    desk.clock.announce(10**18, 60.0, 1, False)
    desk._take_alert({"at": 17, "market_at": 10**18 - 5, "level": "info", "text": "said", "account": ACCOUNT})
    desk.alert("info", "the desk itself")
    said, own = list(desk.alerts)[-2:]
    assert said["market_at"] == 10**18 - 5
    assert 0 <= own["market_at"] - 10**18 < 3_600 * 10**9 and own["at"] > 1_700_000_000 * 10**9


async def test_a_stop_says_whether_it_holds_one_account_or_everything(desk: Desk) -> None:
    assert (await desk.snapshot())["stop"]["account"] is None
    desk.home.account(ACCOUNT).mkdir(parents=True, exist_ok=True)
    desk._runner_of(f"runner-{ACCOUNT}")
    set_latch(desk.home, reason="the button", by="ann", at=1, account=ACCOUNT)
    stop = (await desk.snapshot())["stop"]
    assert stop["latched"] and stop["account"] == ACCOUNT
