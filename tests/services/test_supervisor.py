"""The desk without its processes: what it shows, what it refuses, and that damage in one place hides nothing else."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from workbench.api.app import build_app
from workbench.domain.errors import InputError, LockHeld, StopLatched, StorageError, UnknownName
from workbench.gateway.faults import GatewayUnavailable
from workbench.services import recorded, schema, session_stop
from workbench.services.children import Child
from workbench.services.desk_main import run_desk, serve_desk
from workbench.services.desk_service import StartSession
from workbench.services.link import ChildSilent
from workbench.services.linking import make_link
from workbench.services.settings import load_profile
from workbench.services.supervisor import Desk
from workbench.storage.home import Home
from workbench.storage.latch import read_latch, set_latch
from workbench.storage.links import save_link
from workbench.storage.lock import AccountLock

ACCOUNT = 7
CONTRACT = "CON.F.US.MES.Z26"


class FakeChannel:
    """A child that answers everything and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict]] = []

    async def request(self, verb: str, body: dict | None = None, timeout_s: float = 5.0) -> dict:
        self.asked.append((verb, body or {}))
        return {"session": (body or {}).get("session"), "contract": CONTRACT, "state": "running"}


@pytest.fixture
def place(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    save_link(home, make_link(account=ACCOUNT, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
    return home


@pytest.fixture
async def desk(place: Home):  # type: ignore[no-untyped-def]
    made = Desk(place, load_profile("sim", simulator_url="http://127.0.0.1:9"), "a-token-of-sixteen")
    made.started("http://127.0.0.1:1")
    yield made
    await made.rest.aclose()


def attach(desk: Desk) -> tuple[Child, FakeChannel]:
    child, channel = desk._runner_of(f"runner-{ACCOUNT}"), FakeChannel()
    child.attach(channel, 4711)  # type: ignore[arg-type]
    return child, channel


async def test_a_damaged_link_is_shown_and_hides_nothing_else(desk: Desk, place: Home) -> None:
    attach(desk)
    (place.account(ACCOUNT) / "link.json").write_text("{")
    snapshot = await desk.snapshot()
    await desk.snapshot()
    assert [a["linked"] for a in snapshot["accounts"]] == [False]
    assert [a["level"] for a in desk.alerts] == ["critical"], "said once"
    with pytest.raises(StorageError, match="link the account again"):
        await desk.start_session(StartSession(strategy="sma_cross", account=ACCOUNT))
    (place.account(ACCOUNT) / "journal.wbj").write_bytes(b"")
    await desk._take_up(ACCOUNT)
    assert "is not traded" in desk.alerts[-1]["text"]


async def test_a_command_right_behind_the_start_finds_the_session(desk: Desk) -> None:
    _, channel = attach(desk)
    desk.ingest.channel = FakeChannel()  # type: ignore[assignment]
    session = await desk.start_session(StartSession(strategy="sma_cross", account=ACCOUNT, contract="MES"))
    await desk.command_session(session["session"], "pause", "me")
    assert [verb for verb, _ in channel.asked] == ["start_session", "pause"]
    with pytest.raises(UnknownName, match="unknown session"):
        await desk.command_session("another", "pause", "me")


async def test_an_ingest_that_was_started_anew_is_told_its_contracts(desk: Desk) -> None:
    first, second = FakeChannel(), FakeChannel()
    desk.ingest.attach(first, 1)  # type: ignore[arg-type]
    await desk.watch_contracts([CONTRACT])
    desk.ingest.attach(second, 2)  # type: ignore[arg-type]
    task = asyncio.create_task(desk.recorded.follow())
    async with asyncio.timeout(3):
        while not second.asked:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.6)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert first.asked == second.asked == [("watch", {"contracts": [CONTRACT]})]


async def test_what_cannot_be_recorded_is_told_once_and_asked_for_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, refusals = FakeChannel(), 3
    desk.ingest.attach(channel, 1)  # type: ignore[arg-type]

    async def refuse(verb: str, body: Any = None, timeout_s: float = 0.0) -> Any:
        channel.asked.append((verb, body))
        if len(channel.asked) <= refusals:
            raise GatewayUnavailable("SubscribeContractTrades", "no completion within 5 s")
        return {}

    monkeypatch.setattr(channel, "request", refuse)
    monkeypatch.setattr(recorded, "LOOK_S", 0.01)
    monkeypatch.setattr(recorded, "AGAIN_S", 0.01)
    desk.recorded._contracts.add(CONTRACT)
    task = asyncio.create_task(desk.recorded.follow())
    async with asyncio.timeout(5):
        while desk.recorded._told[0] != 1:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert channel.asked == [("watch", {"contracts": [CONTRACT]})] * (refusals + 1)
    assert [a["text"] for a in desk.alerts if "is not recorded yet" in a["text"]][1:] == []
    assert "no completion within 5 s" in desk.alerts[0]["text"]


async def test_data_grows_old_with_a_silent_ingest(desk: Desk) -> None:
    now = desk.clock.now()
    line = {"contract": CONTRACT, "timeframe": "1m", "last_ts": now - 30 * 10**9, "age_s": 0.1, "state": "live"}
    never = {**line, "last_ts": None, "age_s": None, "state": "stale"}
    desk.ingest.heard("status", {"lines": [line, never], "streams": [{"name": "ingest.market", "up": True}]})
    snapshot = await desk.snapshot()
    assert [row["state"] for row in snapshot["data"]] == ["stale", "stale"]
    assert snapshot["data"][0]["age_s"] >= 30
    assert snapshot["data"][1]["age_s"] is None
    assert snapshot["streams"] == [{"name": "ingest.market", "up": False}]


async def test_what_is_not_known_is_null_and_no_secret_is_shown(desk: Desk) -> None:
    attach(desk)
    snapshot = await desk.snapshot()
    account = snapshot["accounts"][0]
    assert all(account[k] is None for k in account if k.endswith("_usd"))
    assert account["can_trade"] is None
    assert "a-token-of-sixteen" not in str(snapshot) and "sim-key" not in str(snapshot)


async def test_after_a_stop_the_last_word_of_the_runner_shows_no_position(desk: Desk) -> None:
    child, _ = attach(desk)
    told = {"positions": [{"qty": 2}], "working": [{"order_id": 1}], "open_usd": 5.0}
    child.heard("snapshot", {"account": told, "sessions": [{"session": "s", "position": 2, "pnl_usd": 5.0}]})
    desk._now_flat(ACCOUNT)
    snapshot = await desk.snapshot()
    assert snapshot["accounts"][0]["positions"] == snapshot["accounts"][0]["working"] == []
    assert snapshot["accounts"][0]["open_usd"] is None
    assert snapshot["sessions"][0]["position"] == 0 and snapshot["sessions"][0]["pnl_usd"] is None


async def test_after_a_stop_its_sessions_are_over_and_take_no_command(desk: Desk, place: Home) -> None:
    _, channel = attach(desk)
    row = {"session": "s1", "state": "running", "reason": "", "contract": CONTRACT}
    desk.runners[ACCOUNT].heard("snapshot", {"account": {}, "sessions": [row]})
    set_latch(place, reason="the button", by="ann", at=1)
    desk.runners[ACCOUNT].detach(channel)  # type: ignore[arg-type]
    assert [s["state"] for s in (await desk.snapshot())["sessions"]] == ["ended"]
    with pytest.raises(InputError, match="s1 is over"):
        await desk.command_session("s1", "resume", "ann")


async def test_a_stop_of_an_account_that_nobody_knows_is_refused_before_anything_is_latched(
    desk: Desk, place: Home
) -> None:
    with pytest.raises(UnknownName, match="nothing was stopped"):
        await desk.stop("typo", 4242, "ann")
    assert read_latch(place, 4242) is None


async def test_a_stopped_account_starts_nothing(desk: Desk, place: Home) -> None:
    set_latch(place, reason="the button", by="me", at=1)
    with pytest.raises(StopLatched, match="the button"):
        await desk.start_session(StartSession(strategy="sma_cross", account=ACCOUNT))


async def test_no_second_runner_beside_one_that_holds_the_account(desk: Desk, place: Home) -> None:
    lock = AccountLock(place.account(ACCOUNT))
    lock.acquire("runner")
    try:
        child = await desk.ensure_runner(ACCOUNT)
        assert child.is_gone and child.wanted
    finally:
        lock.release()


async def test_a_command_for_a_runner_that_cannot_run_says_why_at_once(desk: Desk) -> None:
    child, _ = attach(desk)
    child.heard("snapshot", {"sessions": [{"session": "s", "contract": CONTRACT, "state": "running"}]})
    child.detach(child.channel)  # type: ignore[arg-type]
    child.given_up, child.reason = True, "the journal is damaged"
    with pytest.raises(ChildSilent, match="the journal is damaged"):
        await asyncio.wait_for(
            desk.command_session("s", "pause", "me"), 4
        )  # a runner that may come is waited for longer


async def test_a_second_desk_on_one_home_is_one_clear_error(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.services.desk_main.set_up", lambda *_: None)
    profile = load_profile("sim", simulator_url="http://127.0.0.1:9")
    async with serve_desk(place, profile, build_app, port=0):
        told = (place.desk / "desk.json").read_text()
        with pytest.raises(LockHeld, match="a desk already serves"):
            await run_desk(place, profile, build_app, port=0)
        assert (place.desk / "desk.json").read_text() == told, "the first one's file stays"
    assert not (place.desk / "desk.json").exists()


class Answering(FakeChannel):
    """A runner that ends its session when told, shows it a moment later, and lets go of the account."""

    def __init__(self, child: Child, row: dict, positions: list[dict]) -> None:
        super().__init__()
        self.child, self.row, self.positions = child, row, positions

    async def request(self, verb: str, body: dict | None = None, timeout_s: float = 5.0) -> dict:
        answer = await super().request(verb, body, timeout_s)
        row = {**self.row, "state": "ended"}
        told = {"account": {"positions": self.positions, "working": []}, "sessions": [row]}
        asyncio.get_running_loop().call_later(0.05, self.child.heard, "snapshot", told)
        return answer


ROW = {"session": "s1", "state": "running", "reason": "", "contract": CONTRACT}
HELD = {"contract": CONTRACT, "qty": 2}


@pytest.mark.statement(35)
async def test_stopping_one_session_is_confirmed_by_its_runner_and_stops_nothing_else(desk: Desk, place: Home) -> None:
    child, _ = attach(desk)
    child.heard("snapshot", {"account": {"positions": [HELD], "working": []}, "sessions": [ROW]})
    child.channel = channel = Answering(child, ROW, [])  # type: ignore[assignment]
    result = await desk.stop_session("s1", "enough", "ann")
    assert (result["result"], result["escalated"], result["remaining"]) == ("FLAT", False, [])
    assert [verb for verb, _ in channel.asked] == ["end"]
    assert read_latch(place, ACCOUNT) is None


@pytest.mark.parametrize("how", ["silent", "still holds"])
async def test_a_session_that_is_not_confirmed_in_time_stops_its_account(
    desk: Desk, place: Home, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(session_stop, "CONFIRM_WITHIN_S", 0.3)
    monkeypatch.setattr(desk.hours, "is_open", lambda contract: True)
    stopped: list[tuple[str, int | None]] = []

    async def stop(reason: str, account: int | None, person: str) -> dict:
        stopped.append((reason, account))
        return {"result": "FLAT", "remaining": []}

    monkeypatch.setattr(desk, "stop", stop)
    child, _ = attach(desk)
    child.heard("snapshot", {"account": {"positions": [HELD], "working": []}, "sessions": [ROW]})
    if how == "silent":
        child.detach(child.channel)  # type: ignore[arg-type]
    else:
        child.channel = Answering(child, ROW, [HELD])  # type: ignore[assignment]
    result = await desk.stop_session("s1", "enough", "ann")
    assert (result["result"], result["escalated"]) == ("FLAT", True)
    assert stopped and stopped[0][1] == ACCOUNT and "enough" in stopped[0][0]
    assert desk.alerts[-1]["level"] == "critical"


async def test_in_a_closed_market_an_ended_session_does_not_stop_its_account(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.hours, "is_open", lambda contract: False)
    child, _ = attach(desk)
    child.heard("snapshot", {"sessions": [ROW]})
    child.channel = Answering(child, ROW, [HELD])  # type: ignore[assignment]
    result = await desk.stop_session("s1", "enough", "ann")
    assert (result["result"], result["escalated"]) == ("NOT_FLAT", False)
    assert result["remaining"] == [f"+2 {CONTRACT}"]


@pytest.mark.statement(50)
async def test_a_runner_of_another_program_is_refused_and_the_alarm_says_which(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = load_profile("sim", simulator_url="http://127.0.0.1:9")
    async with serve_desk(place, profile, build_app, port=0) as desk:
        url = f"{desk.url.replace('http', 'ws')}/internal/child/runner-{ACCOUNT}/4711"
        headers = {"Authorization": f"Bearer {desk._token}", **schema.headers()}
        for spoilt in ({schema.VERSION_HEADER: "0.0.9"}, {schema.SCHEMA_HEADER: "0" * 12}):
            async with websockets.connect(url, additional_headers={**headers, **spoilt}, proxy=None) as socket:
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == schema.OTHER_PROGRAM
        assert ACCOUNT not in desk.runners, "it has no part in this desk"
        told = [a["text"] for a in desk.alerts if a["level"] == "critical"]
        assert any("0.0.9" in text for text in told) and any("0" * 12 in text for text in told)
        async with websockets.connect(url, additional_headers=headers, proxy=None) as socket:
            assert json.loads(await socket.recv()) == {"hello": schema.identity()}


async def test_an_alert_that_comes_again_over_a_new_channel_is_shown_once(desk: Desk) -> None:
    told = {"at": 17, "level": "critical", "text": "no working stop covers +2 MES", "account": ACCOUNT}
    desk._take_alert(told)
    desk._take_alert({**told, "sent": True})
    desk._take_alert({**told, "at": 18, "sent": True})
    assert [a["text"] for a in desk.alerts] == ["no working stop covers +2 MES"] * 2, "the same text anew is another"
