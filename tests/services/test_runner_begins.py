"""What a runner does before its first decision: sessions that a stop has ended, limits that nobody can read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.services.test_runner_verbs import ACCOUNT, AT, Desk, running
from workbench.domain.commands import Outcome
from workbench.services import runner_main
from workbench.services.limits import UNREAD
from workbench.services.runner_main import RunnerProcess
from workbench.storage import journal
from workbench.storage.home import Home
from workbench.storage.latch import clear_latch, drop_stop_file, mark_stopped, read_latch, set_latch, stopped_mark

GOOD = "- {from: 2026-01-01, by: ann, reason: calm, global: {max_position: 1}}"
TYPED_WRONG = GOOD.replace("max_position", "max_positon")


def states(desk: Desk) -> dict[str, str]:
    return {name: session.status for name, session in desk.runner.state.sessions.items()}


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
