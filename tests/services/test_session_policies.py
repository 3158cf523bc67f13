"""What a session does about a position that is there, and about a lost stream: asked for, handed on, shown, kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import ValidationError

from tests.services.test_reader import CONTRACT
from tests.services.test_runner_verbs import running
from workbench.domain.events import SessionStarted
from workbench.execution import outage, readiness
from workbench.services import desk_sessions
from workbench.services.children import Child
from workbench.services.desk_bodies import ActivateStrategy, StartSession
from workbench.services.linking import make_link
from workbench.services.settings import load_profile
from workbench.services.supervisor import Desk
from workbench.storage.home import Home
from workbench.storage.journal import read_history
from workbench.storage.links import save_link

ACCOUNT = 7
CHOSEN = {"start_policy": "wait_flat", "disconnect_policy": "flatten", "disconnect_after_s": 30.0}
USUAL = {"start_policy": "adopt", "disconnect_policy": "keep", "disconnect_after_s": 60.0}
RUNNING = {"session": "s1", "state": "running", "reason": "", "contract": "CON.F.US.MES.Z26"}


class Channel:
    """A runner that answers at once and shows its state a moment later, if it does."""

    def __init__(self, child: Child, shows: dict[str, Any] | None) -> None:
        self.child, self.shows = child, shows
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def request(self, verb: str, body: dict[str, Any] | None = None, timeout_s: float = 5.0) -> dict[str, Any]:
        self.asked.append((verb, body or {}))
        if self.shows is not None:
            asyncio.get_running_loop().call_later(0.05, self.child.heard, "snapshot", {"sessions": [self.shows]})
        return {**RUNNING, "session": (body or {}).get("session"), "state": "paused", "reason": "as it answered"}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    home = Home(tmp_path)
    save_link(home, make_link(account=ACCOUNT, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
    made = Desk(home, load_profile("sim", simulator_url="http://127.0.0.1:9"), "a-token-of-sixteen")
    made.started("http://127.0.0.1:1")
    yield made
    await made.rest.aclose()


def attach(desk: Desk, shows: dict[str, Any] | None = None) -> Channel:
    child = desk._runner_of(f"runner-{ACCOUNT}")
    channel = Channel(child, shows)
    child.attach(channel, 4711)  # type: ignore[arg-type]
    child.heard("snapshot", {"sessions": [RUNNING]})
    desk.ingest.channel = Channel(desk.ingest, None)  # type: ignore[assignment]
    return channel


@pytest.mark.parametrize("chosen", [CHOSEN, {}])
async def test_the_desk_hands_the_policies_to_the_runner(desk: Desk, chosen: dict[str, Any]) -> None:
    channel = attach(desk)
    await desk.start_session(StartSession(strategy="sma_cross", account=ACCOUNT, contract="MES", **chosen))
    ((verb, body),) = channel.asked
    assert verb == "start_session"
    assert {name: body[name] for name in USUAL} == {**USUAL, **chosen}
    assert not set(USUAL) & set(body["parameters"])


@pytest.mark.parametrize("body", [StartSession, ActivateStrategy])
def test_what_may_be_asked_for_is_what_the_runner_knows(body: type) -> None:
    hints = get_type_hints(body)
    assert get_args(hints["start_policy"]) == readiness.POLICIES
    assert get_args(hints["disconnect_policy"]) == outage.POLICIES


@pytest.mark.parametrize("seconds", [0.9, 3600.5, float("nan"), float("inf")])
def test_a_patience_that_the_runner_would_refuse_is_refused_before(seconds: float) -> None:
    with pytest.raises(ValidationError, match="disconnect_after_s"):
        StartSession(strategy="sma_cross", account=ACCOUNT, disconnect_after_s=seconds)
    assert StartSession(strategy="sma_cross", account=ACCOUNT, disconnect_after_s=3600).disconnect_after_s == 3600


@pytest.mark.statement(41)
async def test_a_runner_that_starts_again_keeps_the_policies_also_over_pause_and_resume(tmp_path: Path) -> None:
    async with running(tmp_path) as life:
        body = {"session": "one", "version": life.version, "contract": CONTRACT, "timeframe": "1m", "parameters": {}}
        await life.verbs["start_session"]({**body, **CHOSEN})
        await life.say("pause")
        resumed = await life.say("resume")
        assert {name: resumed[name] for name in CHOSEN} == CHOSEN
    records = read_history(life.home.account(1))
    told = [record.event for record in records if isinstance(record.event, SessionStarted)]
    assert [{name: getattr(event, name) for name in CHOSEN} for event in told] == [CHOSEN, CHOSEN]
    async with running(tmp_path) as life:
        shown = await life.say("pause")
        assert life.runner.epoch == 2
        assert {name: shown[name] for name in CHOSEN} == CHOSEN


async def test_whoever_reads_after_a_command_sees_no_state_from_before_it(desk: Desk) -> None:
    attach(desk, shows={**RUNNING, "state": "paused", "reason": "as it showed"})
    answer = await desk.command_session("s1", "pause", "ann")
    (read,) = (await desk.snapshot())["sessions"]
    assert answer["reason"] == read["reason"] == "as it showed"
    assert read["state"] == "paused"


async def test_a_runner_that_shows_nothing_holds_a_command_up_for_a_moment_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_sessions, "SHOWN_WITHIN_S", 0.05)
    attach(desk, shows=None)
    async with asyncio.timeout(5):
        assert (await desk.command_session("s1", "pause", "ann"))["reason"] == "as it answered"


async def test_a_channel_that_came_back_is_no_word_about_the_command(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_sessions, "SHOWN_WITHIN_S", 0.05)
    channel = attach(desk, shows=None)
    answer = asyncio.create_task(desk.command_session("s1", "pause", "ann"))
    while not channel.asked:
        await asyncio.sleep(0)
    channel.child.heard_at = time.monotonic() + 1.0  # dialled in anew: heard, but nothing shown since
    assert (await answer)["reason"] == "as it answered"
