"""The notebook's control panel without a browser: what it sends, and above all what it never saves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.desk import FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.desk import Desk, DeskRefused
from workbench.storage.home import Home
from workbench.storage.latch import read_latch
from workbench.widgets.controls import Controls, newest

TOKEN = "the-full-token-of-this-test"


@pytest.fixture
def fake() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def desk(fake: FakeDesk, home: Any) -> Iterator[Desk]:
    with serving(build_app(fake, token=TOKEN)) as url:
        yield Desk(url, TOKEN)


@pytest.fixture
def shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Controls, list[dict[str, Any]]]]:
    sent: list[dict[str, Any]] = []
    controls = desk.controls()
    monkeypatch.setattr(controls, "send", sent.append)
    yield controls, sent
    controls.close()
    if controls._thread is not None:
        controls._thread.join(timeout=5)


def say(controls: Controls, **message: Any) -> None:
    controls._handle_custom_msg(message, [])


def test_hello_is_answered_with_access_and_a_snapshot(shown: tuple[Controls, list[dict[str, Any]]], desk: Desk) -> None:
    controls, sent = shown
    say(controls, op="hello")
    assert [message["op"] for message in sent[:2]] == ["access", "snapshot"]
    assert sent[0]["url"] == desk.url and sent[0]["token"] != TOKEN
    assert sent[1]["snapshot"]["sessions"][0]["state"] == "running"


def test_no_trait_and_no_saved_state_holds_a_token(
    shown: tuple[Controls, list[dict[str, Any]]], desk: Desk, fake: FakeDesk
) -> None:
    controls, sent = shown
    say(controls, op="hello")
    secrets = [TOKEN, sent[0]["token"]]
    saved = json.dumps(controls.get_state(), default=str) + repr(
        {name: getattr(controls, name) for name in controls.keys}
    )
    assert not any(secret in saved for secret in secrets)
    assert not any(secret in repr(controls) for secret in secrets)


def test_the_token_it_gives_away_stops_and_flattens_and_never_trades(
    shown: tuple[Controls, list[dict[str, Any]]], desk: Desk
) -> None:
    import httpx

    controls, sent = shown
    say(controls, op="hello")
    headers = {"authorization": f"Bearer {sent[0]['token']}"}
    assert httpx.get(f"{desk.url}/api/state", headers=headers).status_code == 403
    assert httpx.post(f"{desk.url}/api/sessions/sma-cross-1/resume", headers=headers).status_code == 403
    assert httpx.post(f"{desk.url}/api/sessions/sma-cross-1/flatten", headers=headers).json()["position"] == 0
    assert httpx.post(f"{desk.url}/api/stop", headers=headers).json()["result"] == "FLAT"


def test_snapshots_are_pushed_while_shown_and_end_with_it(shown: tuple[Controls, list[dict[str, Any]]]) -> None:
    controls, sent = shown
    say(controls, op="hello")
    time.sleep(1.4)
    assert 3 <= sum(message["op"] == "snapshot" for message in sent) <= 5
    assert sum(message["op"] == "access" for message in sent) == 1
    say(controls, op="bye")
    assert controls._thread is not None
    controls._thread.join(timeout=2)
    assert not controls._thread.is_alive()


def test_a_button_reaches_the_session_and_says_what_became_of_it(
    shown: tuple[Controls, list[dict[str, Any]]], fake: FakeDesk
) -> None:
    controls, sent = shown
    say(controls, op="command", session="sma-cross-1", verb="pause")
    assert fake.state == "paused"
    assert sent[0]["op"] == "answer" and "paused" in sent[0]["text"]


def test_a_refusal_is_shown_and_nothing_raises(shown: tuple[Controls, list[dict[str, Any]]], fake: FakeDesk) -> None:
    controls, sent = shown
    say(controls, op="command", session="nobody", verb="pause")
    assert "unknown session" in sent[0]["text"]


def wait_for(sent: list[dict[str, Any]], op: str) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while not (found := [message for message in sent if message["op"] == op]):
        assert time.monotonic() < deadline, f"{op} was not sent; {[message['op'] for message in sent]}"
        time.sleep(0.02)
    return found[-1]


def test_the_blotter_comes_with_a_view_the_newest_first(shown: tuple[Controls, list[dict[str, Any]]]) -> None:
    controls, sent = shown
    say(controls, op="hello")
    told = wait_for(sent, "blotter")
    assert [order["order_id"] for order in told["orders"]] == [9001, 9002, 9003]
    assert told["fills"][0]["trade_id"] == 501
    many = [{"at": at} for at in range(50)]
    assert [row["at"] for row in newest(many)] == [49, 48, 47, 46, 45, 44, 43, 42]


def test_a_refused_blotter_does_not_make_the_desk_dead(
    shown: tuple[Controls, list[dict[str, Any]]], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    controls, sent = shown

    def refuse(*_: Any, **__: Any) -> Any:
        raise DeskRefused("busy", "Busy", 429)

    monkeypatch.setattr(desk, "ask", refuse)
    say(controls, op="hello")
    assert {message["op"] for message in sent} == {"access", "snapshot"}


def test_the_start_form_offers_what_exists_and_asks_what_the_strategy_declares(
    shown: tuple[Controls, list[dict[str, Any]]],
) -> None:
    controls, sent = shown
    say(controls, op="offers")
    offered = sent[-1]
    assert {"id": "shipped:sma_cross", "label": "sma_cross"} in offered["shipped"]
    assert offered["accounts"] == [{"account": 1001, "label": "1001 PRAC-V2-10001-1 · practice"}]
    say(controls, op="declare", what="shipped:sma_cross")
    declared = sent[-1]
    fast = declared["parameters"][0]
    assert (fast["name"], fast["type"], fast["value"], fast["min"], fast["max"]) == ("fast", "int", 5, 2, 100)
    assert declared["contracts"] == ["CON.F.US.MES.Z26"] and declared["root"] == "MES"
    say(controls, op="declare", what="shipped:gone")
    assert sent[-1] == {"op": "form_error", "text": "there is no strategy 'shipped:gone' any more; choose again"}


def test_a_start_is_checked_before_the_desk_hears_of_it(
    shown: tuple[Controls, list[dict[str, Any]]], fake: FakeDesk
) -> None:
    controls, sent = shown
    wish = {"op": "start", "what": "shipped:sma_cross", "account": 1001, "contract": None}
    for values, said in (
        ({"fast": 1}, "fast=1 must be from 2 to 100"),
        ({"fast": 60, "slow": 30}, "fast=60 must be < slow=30"),
        ({"fats": 3}, "fats"),
    ):
        sent.clear()
        say(controls, **wish, values=values)
        assert said in wait_for(sent, "form_error")["text"]
        assert controls._starting is not None
        controls._starting.join(timeout=10)
    sent.clear()
    say(controls, **{**wish, "account": None}, values={})
    assert "no account is chosen" in wait_for(sent, "form_error")["text"]
    assert fake.calls == []


def test_a_start_reaches_the_desk_with_version_account_and_every_value(
    shown: tuple[Controls, list[dict[str, Any]]], desk: Desk, fake: FakeDesk
) -> None:
    controls, sent = shown
    values = {"fast": 12, "slow": 40}
    wish = {"op": "start", "account": 1001, "contract": "CON.F.US.MES.Z26", "values": values}
    say(controls, what="shipped:sma_cross", **wish)
    assert wait_for(sent, "started")["session"] == "sma-cross-1"
    ((verb, asked),) = fake.calls
    stored = desk.ask("GET", "/api/strategies")[0]
    assert (verb, asked.strategy, asked.account, asked.contract) == (
        "start", stored["version"], 1001, "CON.F.US.MES.Z26")  # fmt: skip
    assert {name: asked.parameters[name] for name in values} == values
    assert controls._starting is not None
    controls._starting.join(timeout=10)
    sent.clear()
    say(controls, op="offers")
    (row,) = sent[-1]["stored"]
    assert row["label"].startswith("sma_cross@") and row["id"] == f"version:{stored['version']}"
    say(controls, what=row["id"], **wish)
    assert wait_for(sent, "started") and len(fake.calls) == 2
    controls._starting.join(timeout=10)


def test_the_start_form_hands_over_how_a_session_begins_and_what_a_lost_stream_does(
    shown: tuple[Controls, list[dict[str, Any]]], fake: FakeDesk
) -> None:
    controls, sent = shown
    policies = {"start_policy": "wait_flat", "disconnect_policy": "pause", "disconnect_after_s": 30.0}
    say(controls, op="start", what="shipped:sma_cross", account=1001, contract=None, values={}, policies=policies)
    assert wait_for(sent, "started")
    asked = fake.calls[0][1]
    assert {name: getattr(asked, name) for name in policies} == policies
    assert not set(policies) & set(asked.parameters)
    assert controls._starting is not None
    controls._starting.join(timeout=10)


def test_a_new_panel_after_a_kernel_restart_shows_the_same_session(
    shown: tuple[Controls, list[dict[str, Any]]], desk: Desk, fake: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    controls, sent = shown
    say(controls, op="hello")
    before = wait_for(sent, "snapshot")["snapshot"]["sessions"][0]
    controls.close()
    again, told = Desk(desk.url, TOKEN).controls(), []
    monkeypatch.setattr(again, "send", told.append)
    say(again, op="hello")
    after = told[1]["snapshot"]["sessions"][0]
    assert {name: after[name] for name in ("session", "state", "version", "position")} == {
        name: before[name] for name in ("session", "state", "version", "position")
    }
    assert fake.calls == [], "neither closing nor coming back asks for anything"
    say(again, op="bye")
    again.close()


def test_the_dashboards_link_goes_with_the_access_and_is_saved_nowhere(
    shown: tuple[Controls, list[dict[str, Any]]], home: Any
) -> None:
    controls, sent = shown
    place = Home(home).desk
    place.mkdir(parents=True, exist_ok=True)
    (place / "dashboard.json").write_text(json.dumps({"link": "http://127.0.0.1:8421/live?token=of-the-page"}))
    say(controls, op="hello")
    assert sent[0]["page"] == "http://127.0.0.1:8421/live?token=of-the-page"
    assert "of-the-page" not in json.dumps(controls.get_state(), default=str)


def test_a_dead_desk_is_shown_as_dead_and_the_stop_becomes_a_file(monkeypatch: pytest.MonkeyPatch, home: Any) -> None:
    controls = Controls(Desk("http://127.0.0.1:9", TOKEN))
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(controls, "send", sent.append)
    say(controls, op="hello")
    assert sent[0]["op"] == "dead" and "workbench demo" in sent[0]["text"]
    say(controls, op="stop_by_file", reason="button")
    assert "DESK_DEAD" in sent[-2]["text"]
    latch = read_latch(Home(home))
    assert latch is not None and latch.reason == "button"
    controls.close()


def test_the_script_is_ours_and_loads_nothing_from_elsewhere() -> None:
    assert "import " not in Controls._esm.replace("important", "").split("// ")[0]
    assert "https://" not in Controls._esm and "innerHTML =" not in Controls._esm
