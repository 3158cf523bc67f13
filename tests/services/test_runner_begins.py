"""What a runner does before its first decision: sessions that a stop has ended, limits that nobody can read."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.services.test_reader import CONTRACT
from tests.services.test_runner_verbs import ACCOUNT, AT, Desk, Gateway, running
from workbench.domain import events as e
from workbench.domain.commands import Outcome
from workbench.domain.errors import GatewayError, InputError
from workbench.domain.position import Fill
from workbench.services import runner_main, runner_verbs
from workbench.services.limits_follower import UNREAD
from workbench.services.runner_main import RunnerProcess
from workbench.storage import journal
from workbench.storage.home import Home
from workbench.storage.latch import clear_latch, drop_stop_file, mark_stopped, read_latch, set_latch, stopped_mark

GOOD = "- {from: 2026-01-01, by: ann, reason: calm, global: {max_position: 1}}"
MNQ = "CON.F.US.MNQ.Z26"
TYPED_WRONG = GOOD.replace("max_position", "max_positon")


def states(desk: Desk) -> dict[str, str]:
    return {name: session.status for name, session in desk.runner.state.sessions.items()}


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.01)


def said(desk: Desk, words: str) -> bool:
    return any(words in alert["text"] for alert in desk.runner.alerts)


# --- after a stop -----------------------------------------------------------------------------------------------------


@pytest.mark.statement(37)
async def test_sessions_that_a_stop_has_ended_stay_ended_though_the_next_start_could_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as desk:
        await desk.begin()
    mark_stopped(desk.home, [ACCOUNT], "the button")  # its latch has been cleared meanwhile

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(journal.os, "write", full)
        async with running(tmp_path) as second:
            assert states(second) == {"one": "ended"}
            assert stopped_mark(desk.home, ACCOUNT).exists() and said(second, "are ended again at the next start")
    async with running(tmp_path) as third:
        assert states(third) == {"one": "ended"}, "the disk was freed, as the alarm asked for"
        assert not stopped_mark(desk.home, ACCOUNT).exists()
    async with running(tmp_path) as fourth:
        assert states(fourth) == {"one": "ended"}


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.statement(21)
@pytest.mark.statement(35)
async def test_a_mistake_in_the_limits_leaves_no_account_without_its_runner(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(GOOD)
    async with running(tmp_path) as desk:
        await desk.begin()
        assert desk.runner.state.limits.max_position == 1
    path.write_text(TYPED_WRONG)
    async with running(tmp_path) as second:
        state = second.runner.state
        await second.runner.settle()
        assert states(second) == {"one": "running"} and state.limits.max_position == 1, "what held holds on"
        assert UNREAD in state.halted and said(second, "did you mean max_position")
        path.write_text(GOOD + "  # mended")
        for changed in second.runner.limits_file.look():
            second.runner.lanes.put(changed)
        await second.runner.settle()
        assert UNREAD not in state.halted
        path.write_text(TYPED_WRONG)
    async with running(tmp_path) as third:
        await third.runner.settle()
        assert UNREAD in third.runner.state.halted
    path.write_text(GOOD)
    async with running(tmp_path) as fourth:
        await fourth.runner.settle()
        assert UNREAD not in fourth.runner.state.halted, "a start that can read ends what an earlier one has begun"


# --- alone ------------------------------------------------------------------------------------------------------------


class Flat:
    """A broker that holds nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    async def working(self, account: int) -> list[Any]:
        return []

    async def positions(self, account: int) -> list[Any]:
        return []

    async def cancel(self, account: int, order_id: int) -> Outcome:
        raise AssertionError

    async def close(self, account: int, contract: str) -> Outcome:
        raise AssertionError


class Channels:
    """Where the last word goes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def put(self, message: dict[str, Any]) -> None:
        self.said.append(message["text"])

    async def flush(self) -> None: ...


async def alone(place: Home, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(runner_main, "RestBroker", Flat)
    channels = Channels()
    process = SimpleNamespace(
        account=1, home=place, _desk_was_there=False, client=SimpleNamespace(rest=None),
        clock=SimpleNamespace(now=lambda: AT), reporter=SimpleNamespace(channels=channels),
    )  # fmt: skip
    await RunnerProcess.close_alone(process, "stopped")  # type: ignore[arg-type]
    return channels.said


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    for account in (1, 2):
        home.account(account).mkdir(parents=True)
        (home.account(account) / "journal.wbj").write_bytes(b"")
    return home


@pytest.mark.statement(39)
async def test_a_runner_that_closes_its_stopped_account_alone_stops_no_other(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_latch(place, reason="news", by="ann", at=1, account=1)
    (told,) = await alone(place, monkeypatch)
    assert "account 1 stopped without a desk" in told and "FLAT" in told
    assert read_latch(place, 2) is None
    clear_latch(place, reason="looked", person="ann", account=1, at=2)
    assert read_latch(place, 1) is None


@pytest.mark.statement(39)
@pytest.mark.parametrize("by_file", [True, False])
async def test_a_stop_of_everything_stays_one_of_everything(
    place: Home, monkeypatch: pytest.MonkeyPatch, by_file: bool
) -> None:
    if by_file:
        drop_stop_file(place, "by hand")
    else:
        set_latch(place, reason="news", by="ann", at=1)
    await alone(place, monkeypatch)
    for account in (1, 2):
        latch = read_latch(place, account)
        assert latch is not None and latch.account is None


# --- what is heard ----------------------------------------------------------------------------------------------------


class Markets(Gateway):
    """A gateway that serves every contract but those in `refused`."""

    def __init__(self) -> None:
        super().__init__(0)
        self.asked: list[str] = []
        self.refused: set[str] = set()

    async def watch(self, contract: str) -> None:
        self.asked.append(contract)
        if contract in self.refused:
            raise GatewayError(f"{contract} is not served")


@pytest.mark.statement(34)
async def test_the_market_of_a_position_without_a_session_is_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        runner = desk.runner
        read_from = runner.gateway
        runner.gateway = markets = Markets()
        read_from.quantities = [1]  # the broker holds what the fill says
        fill = Fill(trade_id=7, order_id=9, account=ACCOUNT, contract=CONTRACT, qty=1, ticks=24_000, at=AT)
        runner.lanes.put(e.FillReported(at=AT, fill=fill))
        await until(lambda: CONTRACT in runner._watched)
        assert markets.asked == [CONTRACT] == runner.watched_contracts() and not runner.state.sessions
        assert runner.state.books[CONTRACT].last_price == 6000.0, "of the fill"
        runner.on_print(CONTRACT, AT, 5990.25, 1)
        await until(lambda: runner.state.books[CONTRACT].last_price == 5990.25)


@pytest.mark.statement(28)
async def test_a_contract_that_is_not_served_keeps_no_other_from_being_heard(tmp_path: Path) -> None:
    async with running(tmp_path) as desk:
        runner = desk.runner
        runner.gateway = markets = Markets()
        markets.refused = {CONTRACT}
        await desk.begin()
        fill = Fill(trade_id=7, order_id=9, account=ACCOUNT, contract=MNQ, qty=1, ticks=95_692, at=AT)
        runner.lanes.put(e.FillReported(at=AT, fill=fill))  # the broker does not show it; until that is known it counts
        await until(lambda: MNQ in runner._watched)
        assert CONTRACT not in runner._watched and markets.asked.count(MNQ) == 1
        assert sum("is not served" in alert["text"] for alert in runner.alerts) == 1
        markets.refused.clear()
        await until(lambda: CONTRACT in runner._watched)


# --- what is known ----------------------------------------------------------------------------------------------------


@pytest.mark.statement(6)
async def test_a_session_begins_and_a_hand_order_is_judged_only_when_the_broker_has_been_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_verbs, "READ_WITHIN_S", 0.05)
    async with running(tmp_path) as desk:
        await desk.runner.settle()
        desk.runner.state.synced = False
        with pytest.raises(InputError, match="has not been read at the broker yet"):
            await desk.begin()
        assert desk.runner.state.sessions == {}
        asyncio.get_running_loop().call_later(0.1, setattr, desk.runner.state, "synced", True)
        monkeypatch.setattr(runner_verbs, "READ_WITHIN_S", 5.0)
        assert (await desk.begin())["session"] == "one"
