"""The notebook's client of the desk, against a fake desk on a real loopback socket."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.desk import CONTRACT, FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.desk import Desk, DeskNotReachable, DeskRefused, connect
from workbench.domain.errors import InputError, StopLatched, UnknownName
from workbench.services.strategies import shipped_folder
from workbench.storage.home import Home, write_durably
from workbench.storage.latch import read_latch
from workbench.storage.registry import Registry
from workbench.widgets.jupyter import origins_of_this_kernel

TOKEN = "the-full-token-of-this-test"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("WORKBENCH_DESK_URL", "WORKBENCH_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def fake() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def desk(place: Home, fake: FakeDesk) -> Iterator[Desk]:
    with serving(build_app(fake, token=TOKEN)) as url:
        announce(place, url, TOKEN)
        yield connect()


def announce(place: Home, url: str, token: str) -> None:
    write_durably(place.desk / "desk.json", json.dumps({"url": url, "token": token, "pid": 1}).encode(), mode=0o600)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_connect_finds_the_desk_by_its_file(desk: Desk) -> None:
    assert desk.snapshot()["desk"]["pid"] == 4242
    assert TOKEN not in repr(desk)


def test_connect_takes_url_and_token_from_the_environment(
    desk: Desk, place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.desk / "desk.json").unlink()
    monkeypatch.setenv("WORKBENCH_DESK_URL", desk.url)
    monkeypatch.setenv("WORKBENCH_API_TOKEN", TOKEN)
    assert connect().url == desk.url


def test_no_desk_says_how_to_start_one(place: Home) -> None:
    with pytest.raises(DeskNotReachable, match="workbench demo"):
        connect()


def test_a_dead_desk_says_how_to_start_one_and_how_to_stop(place: Home) -> None:
    announce(place, f"http://127.0.0.1:{closed_port()}", TOKEN)
    with pytest.raises(DeskNotReachable, match=r"workbench demo.*workbench stop"):
        connect()


def test_a_wrong_token_is_refused(desk: Desk) -> None:
    with pytest.raises(DeskRefused) as refused:
        connect(desk.url, "some-other-token-altogether")
    assert refused.value.status == 401


def test_sessions_show_themselves(desk: Desk) -> None:
    sessions = desk.sessions
    assert "sma-cross-1: running" in repr(sessions[0]) and "+2" in repr(sessions[0])
    assert "<table" in sessions._repr_html_() and "running" in sessions._repr_html_()
    assert "<table" in sessions[0]._repr_html_() and "sim" in desk._repr_html_()


def test_an_unknown_session_gets_did_you_mean(desk: Desk) -> None:
    with pytest.raises(UnknownName, match="did you mean sma-cross-1"):
        desk.session("sma-cros-1")


def test_a_name_with_html_in_it_stays_text(desk: Desk, fake: FakeDesk) -> None:
    session = desk.sessions[0]
    row = {**session.as_row(), "session": "<script>alert(1)</script>"}
    assert "<script>" not in type(session).from_row(desk, row)._repr_html_()


def test_commands_return_the_session_as_it_is_afterwards(desk: Desk, fake: FakeDesk) -> None:
    assert desk.session("sma-cross-1").pause().state == "paused"
    assert desk.session("sma-cross-1").resume().state == "running"
    assert desk.session("sma-cross-1").flatten().position == 0
    assert desk.session("sma-cross-1").end().state == "ended"
    assert [call[0] for call in fake.calls] == ["pause", "resume", "flatten", "end"]


def test_start_uses_the_only_linked_account_and_stores_the_file_as_a_version(
    desk: Desk, fake: FakeDesk, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    shutil.copy(shipped_folder() / "sma_cross.yaml", path)
    assert desk.start(path, fast=10, contract="MES").state == "running"
    asked = fake.calls[0][1]
    stored = Registry(fake.home).get(asked.strategy)
    assert (asked.account, stored.source, asked.contract) == (1001, path.read_text(), "MES")
    assert asked.parameters == {"fast": 10}


def test_start_on_an_unknown_account_is_an_input_error(desk: Desk) -> None:
    with pytest.raises(InputError, match="unknown account"):
        desk.start("sma_cross", account=7)


def test_frames_have_exchange_times_and_missing_values(desk: Desk) -> None:
    orders = desk.orders
    assert str(orders["at"].dt.tz) == "America/Chicago" and orders["at"].iloc[0].hour == 9
    assert orders["limit_price"].isna().sum() == 2
    assert desk.fills["qty"].tolist() == [2] and desk.fills["gross_pnl_usd"].isna().all()
    assert desk.accounts["account"].tolist() == [1001]
    assert desk.positions["qty"].tolist() == [2]


def test_bars_are_indexed_by_exchange_time(desk: Desk) -> None:
    bars = desk.bars(CONTRACT, "1m", limit=10)
    assert len(bars) == 10 and bars.index.is_monotonic_increasing
    assert str(bars.index.tz) == "America/Chicago" and list(bars.columns) == ["open", "high", "low", "close", "volume"]


def test_stop_returns_flat_with_its_time(desk: Desk) -> None:
    stopped = desk.emergency_stop(reason="news")
    assert stopped.is_flat and stopped.latched and stopped.remaining == ()
    assert "FLAT after 1,312 ms" in repr(stopped) and "FLAT" in stopped._repr_html_()


def test_stop_that_is_not_flat_lists_what_remains(desk: Desk, fake: FakeDesk) -> None:
    fake.not_flat = ["+2 MES: market closed"]
    stopped = desk.emergency_stop()
    assert not stopped.is_flat and "+2 MES: market closed" in repr(stopped)
    assert "market closed" in stopped._repr_html_()


def test_a_latched_desk_refuses_a_start_until_cleared(desk: Desk) -> None:
    desk.emergency_stop(reason="news")
    with pytest.raises(StopLatched):
        desk.start("sma_cross")
    with pytest.raises(InputError):
        desk.clear_stop(reason="")
    desk.clear_stop(reason="news is over", person="ann")
    assert desk.start("sma_cross").state == "running"


def test_stop_with_the_desk_dead_drops_the_stop_file(desk: Desk, place: Home) -> None:
    announce(place, f"http://127.0.0.1:{closed_port()}", TOKEN)
    dead = Desk()
    stopped = dead.emergency_stop(reason="desk is gone")
    assert stopped.result == "DESK_DEAD" and stopped.latched and not stopped.is_flat
    latch = read_latch(place)
    assert latch is not None and "desk is gone" in latch.reason
    assert "workbench stop" in repr(stopped)


def test_stop_with_the_desk_frozen_drops_the_stop_file_within_seconds(place: Home) -> None:
    with socket.socket() as frozen:  # accepts, never answers: a desk under SIGSTOP
        frozen.bind(("127.0.0.1", 0))
        frozen.listen()
        announce(place, f"http://127.0.0.1:{frozen.getsockname()[1]}", TOKEN)
        stopped = Desk().emergency_stop(reason="frozen")
    assert stopped.result == "DESK_DEAD" and read_latch(place) is not None
    assert stopped.ms is not None and stopped.ms < 5000


def test_a_restarted_desk_is_found_again(place: Home, fake: FakeDesk) -> None:
    with serving(build_app(fake, token=TOKEN)) as url:
        announce(place, url, TOKEN)
        desk = connect()
    with serving(build_app(fake, token="another-token-after-restart")) as url:
        announce(place, url, "another-token-after-restart")
        assert desk.snapshot()["desk"]["pid"] == 4242
        assert desk.url == url


def test_the_stop_token_stops_and_reads_nothing(desk: Desk) -> None:
    limited = Desk(desk.url, desk.stop_token())
    with pytest.raises(DeskRefused, match="stop and for flattening a session only"):
        limited.snapshot()
    assert limited.emergency_stop().is_flat


def test_a_lab_started_by_hand_can_be_allowed_and_a_stranger_cannot(desk: Desk) -> None:
    import httpx

    headers = {"authorization": f"Bearer {desk.stop_token()}", "origin": "http://127.0.0.1:8889"}
    assert httpx.post(f"{desk.url}/api/stop", headers=headers).status_code == 403
    desk.allow_origin("http://127.0.0.1:8889")
    assert httpx.post(f"{desk.url}/api/stop", headers=headers).status_code == 200
    with pytest.raises(InputError):
        desk.allow_origin("http://evil.example:80")


def test_controls_let_pages_of_the_kernels_own_jupyter_server_call_the_desk(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    def answer(origin: str) -> int:
        headers = {"authorization": f"Bearer {desk.stop_token()}", "origin": origin}
        return httpx.post(f"{desk.url}/api/stop", headers=headers).status_code

    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    for pid, port in ((4711, 8890), (4712, 8891)):
        info = {"pid": pid, "port": port, "secure": False, "url": f"http://localhost:{port}/"}
        (tmp_path / f"jpserver-{pid}.json").write_text(json.dumps(info))
    monkeypatch.setenv("JPY_PARENT_PID", "4711")
    desk.controls().close()
    assert answer("http://localhost:8890") == answer("http://127.0.0.1:8890") == 200
    assert answer("http://localhost:8891") == 403, "another's server is none of ours"


@pytest.mark.parametrize("parent", ["", "4713", "../4711"])
def test_outside_of_jupyter_no_origin_is_allowed(parent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "jpserver-4711.json").write_text(json.dumps({"pid": 4711, "port": 8890, "secure": False}))
    (tmp_path / "jpserver-4713.json").write_text("{")
    monkeypatch.setenv("JPY_PARENT_PID", parent)
    assert origins_of_this_kernel() == []


def test_something_else_on_the_port_is_not_taken_for_a_desk(place: Home) -> None:
    async def other(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"<html>hello</html>"})

    with serving(other) as url:
        announce(place, url, TOKEN)
        with pytest.raises(DeskRefused, match="not a desk"):
            connect()


@pytest.mark.statement(50)
def test_a_desk_of_another_program_is_refused_by_name_and_can_still_be_stopped(
    place: Home, fake: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.api.routes.state.identity", lambda: {"version": "9.9", "schema": "x"})
    with serving(build_app(fake, token=TOKEN)) as url:
        announce(place, url, TOKEN)
        with pytest.raises(DeskRefused, match=r"is program 9\.9 \(schema x\), this is"):
            connect()
        desk = Desk(url, TOKEN)
        with pytest.raises(DeskRefused, match="restart"):
            desk.start("sma_cross", account=1)
        assert desk.emergency_stop(reason="whatever it is").result == "FLAT"


def test_orders_and_positions_are_changed_by_hand(desk: Desk, fake: FakeDesk) -> None:
    made = desk.order(account=1001, contract="MES", side="BUY", qty=1, request="one")
    assert made == desk.order(account=1001, contract="MES", side="BUY", qty=1, request="one") and made["accepted"]
    assert [call[0] for call in fake.calls] == ["order"], "the same wish twice is one order"
    assert desk.modify(1001, 9002, stop_price=6800.0)["accepted"] and desk.cancel(1001, 9003)["accepted"]
    assert desk.close(1001, CONTRACT, qty=1)["accepted"] and list(desk.positions["qty"]) == [1]
    assert not desk.reverse(1001, CONTRACT, seen_qty=-1)["accepted"] and list(desk.positions["qty"]) == [1]
    assert desk.reverse(1001, CONTRACT, seen_qty=1)["accepted"] and list(desk.positions["qty"]) == [-1]
    assert desk.close(1001, CONTRACT)["accepted"] and desk.positions.empty
    assert [call[1].kind for call in fake.calls[1:]] == [
        "modify",
        "cancel",
        "part_close",
        "reverse",
        "reverse",
        "close",
    ]


def test_history_comes_in_pages(desk: Desk) -> None:
    first = desk.history("orders", 1001, limit=15)
    rest = desk.history("orders", 1001, limit=15, before=first.attrs["before"])
    assert list(first["number"]) + list(rest["number"]) == list(range(40, 20, -1))
    assert rest.attrs["before"] is None
    assert desk.history("days", 1001, limit=1).attrs["before"] == "2026-11-30"
    with pytest.raises(InputError):
        desk.history("secrets", 1001)


def test_limits_are_read_and_tightened_and_every_act_is_in_the_audit_log(desk: Desk, fake: FakeDesk) -> None:
    assert desk.tighten("a quiet week", daily_loss_usd=500)["effective"]["1001"]["daily_loss_usd"] == 500
    assert desk.limits()["effective"]["1001"]["daily_loss_usd"] == 500
    change = fake.calls[0][1]
    assert (change.level, change.reason, fake.calls[0][2]) == ("global", "a quiet week", True)
    assert desk.monitor["accounts"][0]["account"] == 1001
    assert desk.stop_session("sma-cross-1", "news")["result"] == "FLAT"
    newest = desk.audit.iloc[0]
    assert newest["what"] == "POST /api/sessions/sma-cross-1/emergency-stop" and newest["source"].startswith(
        "127.0.0.1"
    )
