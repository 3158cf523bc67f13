"""History in tables: what the journals tell, made again at will, and never in the way of what trades."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.execution.fake_broker import ACCOUNT, FakeBroker, Ride, enter
from tests.execution.scenes import manual
from workbench.domain import events as e
from workbench.domain.clock import HOUR
from workbench.domain.errors import StorageError
from workbench.domain.order import Side
from workbench.execution.step import journal_form
from workbench.services import projections as module
from workbench.services.journal_fold import silent_state
from workbench.services.linking import link_account, make_link
from workbench.services.projections import Projections
from workbench.storage import database as database_module
from workbench.storage.database import Database, DatabaseBusy
from workbench.storage.home import Home
from workbench.storage.journal import Journal
from workbench.storage.records import Snapshot, files_of
from workbench.storage.rotation import rotate
from workbench.storage.snapshot import dump

TABLES = ("orders", "fills", "sessions", "days")


class Account:
    """A ride whose every step is journalled in a home."""

    def __init__(self, home: Home) -> None:
        self.home, self.ride, self.written = home, Ride(broker=FakeBroker()), 0
        self.journal = Journal(home.account(ACCOUNT) / "journal.wbj")

    def write(self) -> None:
        for event, out in self.ride.log[self.written :]:
            self.journal.append(event, [journal_form(c) for c in out])
        self.written = len(self.ride.log)

    def round_trip(self, qty: int = 1) -> None:
        """In at 6,000.00, out by the target 40 ticks away."""
        ride = self.ride
        ride.bar(enter(1, qty))
        ride.settle()
        target = next(o for o in ride.broker.working() if o.limit_ticks is not None)
        ride.broker.fill(target.order_id or 0)
        ride.settle()
        self.write()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def account(home: Home) -> Account:
    made = Account(home)
    made.ride.start()
    made.write()
    return made


@pytest.fixture
def projections(home: Home, each_database: str) -> Projections:
    return Projections(Database(home))


def everything(projections: Projections) -> dict[str, list[dict[str, object]]]:
    return {name: getattr(projections, name)(ACCOUNT, 1000) for name in TABLES}


def test_a_day_in_dollars_calculated_by_hand(home: Home, account: Account, projections: Projections) -> None:
    account.round_trip(qty=2)
    projections.catch_up(home, ACCOUNT)
    # 40 ticks × 1.25 USD × 2 contracts = 100.00; 2 × 2 half-turns at 0.37 = 1.48
    (day,) = projections.days(ACCOUNT)
    assert (day["realized_usd"], day["fees_usd"], day["net_usd"]) == ("100.00", "1.48", "98.52")
    assert (day["trading_date"], day["orders"], day["fills"], day["contracts"]) == ("2026-11-23", 1, 2, 4)
    assert Decimal(day["balance_usd"]) == Decimal("50098.52")
    (session,) = projections.sessions(ACCOUNT)
    assert (session["session"], session["person"], session["status"]) == ("s1", "ann", "running")
    target, entry, stop = sorted(projections.orders(ACCOUNT), key=lambda row: str(row["type"]))  # LIMIT, MARKET, STOP
    assert (entry["status"], entry["session"], entry["strategy"]) == ("filled", "s1", "v1")
    assert (target["status"], target["limit_price"], stop["status"]) == ("filled", 6010.0, "canceled")
    out, in_ = projections.fills(ACCOUNT)
    assert (in_["price"], in_["rule"], out["price"], out["rule"]) == (
        6000.0, "entry.long", 6010.0, "entry.long.bracket",
    )  # fmt: skip


def test_however_often_it_is_looked_at_the_tables_are_the_same(
    home: Home, account: Account, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 400)
    monkeypatch.setattr(module, "KEEP_EVERY", 3000)
    for number in range(6):
        account.round_trip()
        projections.update(home, ACCOUNT)
        for side in (Side.BUY, Side.SELL):
            account.ride.feed(manual(account.ride, f"r{number}{side}", side))
            account.ride.settle()
        account.write()
        if number % 2:
            projections = Projections(Database(home))  # another desk goes on
    projections.catch_up(home, ACCOUNT)
    grown = everything(projections)
    assert len(grown["orders"]) == len(account.ride.state.orders) and len(grown["fills"]) == len(
        account.ride.broker.fills
    )
    shown = {row["order_id"]: row["status"] for row in grown["orders"]}
    assert shown == {o.order_id: str(o.status) for o in account.ride.state.orders.values()}
    again = Projections(Database(home))
    again.rebuild(home)
    assert everything(again) == grown


def test_pages_follow_each_other_without_a_gap(home: Home, account: Account, projections: Projections) -> None:
    for _ in range(5):
        account.round_trip()
    projections.catch_up(home, ACCOUNT)
    cursors = {"orders": "number", "fills": "trade_id", "sessions": "number", "days": "trading_date"}
    for name, cursor in cursors.items():
        read, whole, before = getattr(projections, name), getattr(projections, name)(ACCOUNT, 1000), None
        paged = []
        while page := read(ACCOUNT, 3, before):
            paged += page
            before = page[-1][cursor]
        assert paged == whole
        assert [row[cursor] for row in whole] == sorted((row[cursor] for row in whole), reverse=True)
    assert projections.orders(7) == []


@pytest.mark.statement(10)
def test_what_was_earned_counts_for_the_trading_date_on_which_it_was(
    home: Home, account: Account, projections: Projections
) -> None:
    account.round_trip()
    account.ride.wait(9 * HOUR / 1e9)  # 18:00 Chicago: the next trading date
    account.round_trip()
    projections.catch_up(home, ACCOUNT)
    second, first = projections.days(ACCOUNT)
    assert (first["trading_date"], second["trading_date"]) == ("2026-11-23", "2026-11-24")
    assert first["net_usd"] == second["net_usd"] == "49.26"  # 40 × 1.25 − 2 × 0.37


def test_it_reads_on_through_a_rotation_and_through_a_new_link(
    home: Home, account: Account, projections: Projections
) -> None:
    account.round_trip()
    projections.catch_up(home, ACCOUNT)
    state = account.ride.state
    account.ride.state.rules = None  # type: ignore[assignment]
    for session in state.sessions.values():
        session.status = "ended"  # its rule is a script, which cannot be kept
    kept = Snapshot(at=account.ride.now, epoch=2, program="", before="", state=dump(state))
    rotate(account.journal, kept, silent_state(ACCOUNT))
    account.ride.feed(account.ride.broker.read())
    account.ride.feed(manual(account.ride))
    account.ride.settle()
    account.write()
    projections.catch_up(home, ACCOUNT)
    orders = len(projections.orders(ACCOUNT))
    assert orders == len(account.ride.state.orders)
    link_account(home, make_link(account=ACCOUNT, name="PRAC-V2-1", balance=Decimal(50_000), by="ann"))
    fresh = Account(home)
    fresh.ride.broker, fresh.ride.now = account.ride.broker, account.ride.now
    fresh.ride.feed(e.RunnerStarted(at=fresh.ride.now, epoch=9, uid="new"))
    fresh.ride.settle()
    fresh.write()
    projections.catch_up(home, ACCOUNT)
    assert len(files_of(home.account(ACCOUNT))) == 3
    assert {f["trade_id"] for f in projections.fills(ACCOUNT)} == {f.trade_id for f in account.ride.broker.fills}


def test_with_the_database_locked_nothing_that_trades_notices_and_it_is_made_up_for(
    home: Home, account: Account, projections: Projections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_S", 1)
    account.round_trip()
    other = Database(home)
    with other.writing():
        with pytest.raises(DatabaseBusy):
            projections.update(home, ACCOUNT)
        account.round_trip()  # orders go to the journal and the broker, whatever the database does
    projections.catch_up(home, ACCOUNT)
    assert len(projections.fills(ACCOUNT)) == len(account.ride.broker.fills) == 4


async def test_a_database_that_is_gone_is_told_once_and_tried_again(
    home: Home, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "TRY_AGAIN_S", 0.01)
    told: list[str] = []
    projections = Projections(Database(home))
    monkeypatch.setattr(projections, "update", broken := Broken())
    following = asyncio.ensure_future(projections.follow(home, told.append))
    while broken.calls < 5:
        await asyncio.sleep(0.01)
    following.cancel()
    assert told == ["history is not brought up to date (nothing that trades depends on it): the server has gone"]


class Broken:
    calls = 0

    def __call__(self, home: Home, account: int) -> bool:
        self.calls += 1
        raise StorageError("the server has gone")


def test_no_runner_module_knows_the_database() -> None:
    code = (
        "import sys; from workbench.services import runner_main; names = {'sqlalchemy', 'workbench.storage.database', "
        "'workbench.services.projections'}; print(sorted(names & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
