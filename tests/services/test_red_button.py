"""The desk's red button: each account for itself, latches of others acted on, and cleared only when all is flat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from workbench.domain.commands import Accepted, Outcome, Rejected
from workbench.domain.errors import InputError
from workbench.domain.events import PositionReported
from workbench.domain.order import Order
from workbench.gateway.faults import GatewayRefused
from workbench.services import red_button, stop, sweep
from workbench.services.open_hours import OpenHours
from workbench.services.red_button import RedButton
from workbench.storage.home import Home
from workbench.storage.latch import drop_stop_file, read_latch, set_latch

CONTRACT = "CON.F.US.MES.Z26"


class Broker:
    """Positions by account; a stuck account cannot be closed, a broken one cannot even be understood."""

    def __init__(self, **quantities: int) -> None:
        self.qty = {int(k[1:]): q for k, q in quantities.items()}
        self.stuck: set[int] = set()
        self.broken: set[int] = set()
        self.closes: list[int] = []

    async def working(self, account: int) -> list[Order]:
        if account in self.broken:
            raise KeyError("a field nobody expected")
        return []

    async def positions(self, account: int) -> list[PositionReported]:
        return [PositionReported(at=0, account=account, contract=CONTRACT, qty=self.qty[account], average_price=1.0)]

    async def cancel(self, account: int, order_id: int) -> Outcome:
        return Accepted(order_id=order_id)

    async def close(self, account: int, contract: str) -> Outcome:
        self.closes.append(account)
        if account not in self.stuck:
            self.qty[account] = 0
        return Accepted()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(sweep, "BETWEEN_CLEAN_READS_S", 0.05)
    monkeypatch.setattr(stop, "GIVE_UP_S", 1.0)
    home = Home(tmp_path)
    for account in (1, 2):
        home.account(account).mkdir(parents=True)
        (home.account(account) / "journal.wbj").write_bytes(b"")
    return home


def button(
    place: Home,
    broker: Broker,
    hours: OpenHours | None = None,
    tell: Callable[[str, str], None] = lambda level, text: None,
) -> RedButton:
    async def tell_runner(account: int) -> None:
        return None

    return RedButton(place, broker, tell_runner=tell_runner, tell=tell, hours=hours)


@asynccontextmanager
async def following(pressed: RedButton) -> AsyncIterator[None]:
    task = asyncio.create_task(pressed.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(done: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not done():
            await asyncio.sleep(0.01)


@pytest.mark.statement(39)
async def test_a_dropped_file_closes_every_account(place: Home) -> None:
    broker = Broker(a1=1, a2=-2)
    async with following(button(place, broker)):
        drop_stop_file(place, "by hand")
        await until(lambda: broker.qty == {1: 0, 2: 0})


async def test_a_stop_of_everything_during_the_stop_of_one_account_still_closes_the_others(place: Home) -> None:
    broker = Broker(a1=1, a2=1)
    pressed = button(place, broker)
    async with following(pressed):
        one = asyncio.create_task(pressed.stop("one", 1, "me", [1]))
        await asyncio.sleep(0.02)
        drop_stop_file(place, "all")
        await one
        await until(lambda: broker.qty == {1: 0, 2: 0})


async def test_an_account_that_cannot_be_closed_keeps_no_other_waiting(place: Home) -> None:
    broker = Broker(a1=1, a2=1)
    broker.stuck.add(1)
    async with following(button(place, broker)):
        set_latch(place, reason="first", by="me", at=1, account=1)
        await until(lambda: 1 in broker.closes)
        set_latch(place, reason="second", by="me", at=2, account=2)
        await until(lambda: broker.qty[2] == 0, 0.9)


async def test_an_account_that_nobody_understands_does_not_fail_the_stop_of_the_others(place: Home) -> None:
    broker = Broker(a1=1, a2=1)
    broker.broken.add(1)
    result = await button(place, broker).stop("all", None, "me", [1, 2])
    assert result["result"] == "NOT_FLAT"
    assert [a["result"] for a in result["accounts"]] == ["NOT_FLAT", "FLAT"]
    assert "cannot be read" in result["remaining"][0]


@pytest.mark.statement(38)
async def test_what_was_not_flat_is_tried_again_until_it_is(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(red_button, "RETRY_STOP_S", 0.05)
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.1)
    monkeypatch.setattr(sweep, "CLOSE_SETTLES_S", 0.05)
    broker = Broker(a1=1, a2=0)
    broker.stuck.add(1)
    pressed = button(place, broker)
    async with following(pressed):
        set_latch(place, reason="x", by="me", at=1, account=1)
        await until(lambda: pressed.result is not None)
        assert pressed.result is not None and pressed.result["result"] == "NOT_FLAT"
        broker.stuck.clear()
        await until(lambda: pressed.result is not None and pressed.result["result"] == "FLAT")


async def test_a_stop_of_everything_is_not_cleared_by_one_flat_account(place: Home) -> None:
    broker = Broker(a1=0, a2=1)
    set_latch(place, reason="all", by="me", at=1)
    with pytest.raises(InputError, match="account 2 still has"):
        await button(place, broker).clear("looked", "me", 1)
    assert read_latch(place, 2) is not None


async def test_clearing_nothing_names_what_is_stopped_alone(place: Home) -> None:
    set_latch(place, reason="one", by="me", at=1, account=2)
    with pytest.raises(InputError, match="stopped alone: account 2"):
        await button(place, Broker(a1=0, a2=0)).clear("looked", "me", None)


async def test_it_is_cleared_when_the_broker_shows_nothing(place: Home) -> None:
    set_latch(place, reason="all", by="me", at=1)
    await button(place, Broker(a1=0, a2=0)).clear("looked", "me", None)
    assert read_latch(place, 1) is None


async def test_a_second_press_for_the_same_account_waits_for_the_first_and_reads_nothing_itself(place: Home) -> None:
    broker = Broker(a1=1, a2=0)
    pressed = button(place, broker)
    reads: list[int] = []
    real = broker.positions

    async def counted(account: int) -> list[PositionReported]:
        reads.append(account)
        return await real(account)

    broker.positions = counted  # type: ignore[method-assign]
    alone = await pressed.stop("alone", 2, "me", [2])
    once = len(reads)
    reads.clear()
    first, second = await asyncio.gather(pressed.stop("first", 1, "me", [1]), pressed.stop("second", 1, "you", [1]))
    assert alone["result"] == first["result"] == second["result"] == "FLAT"
    assert broker.closes == [1]
    assert len(reads) <= once + 3, "one closing, not two"


async def test_who_presses_may_go_away_and_the_closing_goes_on(place: Home) -> None:
    broker = Broker(a1=1, a2=0)
    pressed = button(place, broker)
    impatient = asyncio.create_task(pressed.stop("gone", 1, "me", [1]))
    await asyncio.sleep(0.01)
    impatient.cancel()
    await until(lambda: broker.qty[1] == 0)


async def test_an_account_the_gateway_does_not_know_is_not_asked_for_again_and_again(place: Home) -> None:
    class Strange(Broker):
        asked = 0

        async def working(self, account: int) -> list[Order]:
            self.asked += 1
            raise GatewayRefused("/api/Order/v2/query", 1, "AccountNotFound")

    broker = Strange(a1=0)
    result = await button(place, broker).stop("typo", 1, "me", [1])
    assert result["result"] == "NOT_FLAT"
    assert "AccountNotFound" in str(result["remaining"])
    assert broker.asked == 1


class Shut(Broker):
    """A market that closes at the weekend: nothing can be closed before `opens`."""

    def __init__(self, clock: list[int], opens: int, **quantities: int) -> None:
        super().__init__(**quantities)
        self.clock, self.opens = clock, opens

    async def close(self, account: int, contract: str) -> Outcome:
        self.closes.append(account)
        if self.clock[0] < self.opens:
            return Rejected(code=5, name="OrderRejected", reason="the instrument is not in an active trading status")
        self.qty[account] = 0
        return Accepted()


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.mark.statement(38)
async def test_what_a_closed_market_refused_is_tried_at_the_open_and_not_before_nor_after(place: Home) -> None:
    # The exchange's rule: MES is closed from Friday 16:00 to Sunday 17:00 Chicago (2026-11-20 and 22).
    clock = [at("2026-11-20T20:00:00-06:00")]
    broker = Shut(clock, at("2026-11-22T17:00:00-06:00"), a1=1, a2=0)
    hours = OpenHours(lambda: clock[0])
    set_latch(place, reason="x", by="me", at=1, account=1)
    pressed = button(place, broker, hours)
    async with following(pressed):
        await until(lambda: pressed.result is not None)
        assert pressed.result is not None and "at the open" in str(pressed.result["remaining"])
        clock[0] = at("2026-11-22T16:59:59-06:00")
        await asyncio.sleep(0.3)
        assert len(broker.closes) == 1, "a closed market is not asked again and again"
    again = button(place, broker, hours)  # a new desk: it looks once, and waits for the open like the first
    async with following(again):
        await until(lambda: again.result is not None)
        await asyncio.sleep(0.2)
        assert len(broker.closes) == 2
        clock[0] = at("2026-11-22T17:00:00-06:00")
        await until(lambda: broker.qty[1] == 0)
        await until(lambda: again.result is not None and again.result["result"] == "FLAT")


async def test_who_is_not_flat_in_an_open_market_is_tried_more_and_more_slowly(place: Home) -> None:
    pressed = button(place, Broker(a1=1))
    for _ in range(20):
        pressed._retry_later(1)
    assert pressed._retry_s[1] == red_button.LONGEST_RETRY_S


# --- what is said of a stop ------------------------------------------------------------------------------------------


async def test_while_a_stop_is_under_way_no_earlier_flat_is_told_as_its_result(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.3)
    broker = Broker(a1=1, a2=1)
    pressed = button(place, broker)
    await pressed.stop("first", 1, "me", [1])
    assert pressed.result is not None and pressed.result["result"] == "FLAT"
    broker.stuck.add(2)
    second = asyncio.create_task(pressed.stop("second", 2, "me", [2]))
    await until(lambda: 2 in broker.closes)
    assert pressed.result is None, "account 2 is open: FLAT would be a lie"
    assert (await second)["result"] == "NOT_FLAT"
    assert pressed.result is not None and pressed.result["result"] == "NOT_FLAT"


async def test_a_stop_that_fails_leaves_no_earlier_result(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed = button(place, Broker(a1=1, a2=0))
    await pressed.stop("first", 1, "me", [1])

    async def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(red_button, "emergency_stop", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        await pressed.stop("second", 2, "me", [2])
    assert pressed.result is None


async def test_what_became_of_a_stop_is_told_once_however_often_it_is_tried(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(red_button, "RETRY_STOP_S", 0.02)
    monkeypatch.setattr(red_button, "LONGEST_RETRY_S", 0.02)
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.1)
    broker, told = Broker(a1=1, a2=0), list[tuple[str, str]]()
    broker.stuck.add(1)
    async with following(button(place, broker, tell=lambda *words: told.append(words))):
        set_latch(place, reason="news", by="me", at=1, account=1)
        await until(lambda: len(broker.closes) >= 3)
        broker.stuck.clear()
        await until(lambda: len(told) == 3)
    assert told == [
        ("critical", "emergency stop of account 1 by me: news"),
        ("critical", f"emergency stop by me: NOT_FLAT +1 {CONTRACT}"),
        ("warning", "emergency stop by me: FLAT"),
    ]


async def test_an_account_that_is_being_closed_is_not_ordered_closed_again(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, orders = Broker(a1=1, a2=0), list[list[int]]()
    broker.stuck.add(1)
    real = RedButton.stop

    async def counted(self: RedButton, reason: str, account: int | None, person: str, accounts: list[int]) -> object:
        orders.append(accounts)
        return await real(self, reason, account, person, accounts)

    monkeypatch.setattr(RedButton, "stop", counted)
    async with following(button(place, broker)):
        set_latch(place, reason="news", by="me", at=1, account=1)
        await until(lambda: 1 in broker.closes)
        await asyncio.sleep(5 * red_button.LOOK_EVERY_S)
    assert orders == [[1]]
