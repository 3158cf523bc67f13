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
from workbench.desk import Desk
from workbench.storage.home import Home
from workbench.storage.latch import read_latch
from workbench.widgets.controls import Controls

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


def test_the_token_it_gives_away_can_only_stop(shown: tuple[Controls, list[dict[str, Any]]], desk: Desk) -> None:
    import httpx

    controls, sent = shown
    say(controls, op="hello")
    headers = {"authorization": f"Bearer {sent[0]['token']}"}
    assert httpx.get(f"{desk.url}/api/state", headers=headers).status_code == 403
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
