"""Alarms that reach the operator: through a real HTTP channel, with the normal way down, and without a secret said."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.services.test_red_button import Broker
from tests.services.test_runner_verbs import Desk as LoneRunner
from workbench.services import alerts as module
from workbench.services import hearts, reporter
from workbench.services.alerts import Channels, channel_urls, send_now
from workbench.services.children import Child
from workbench.services.hearts import Hearts
from workbench.services.link import ChildLink
from workbench.services.red_button import RedButton
from workbench.services.reporter import Reporter
from workbench.storage.home import Home


class Receiver:
    """The operator's telephone: a local HTTP server behind a ``json://`` channel."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        received, self.answer = self.got, 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append(json.loads(body))
                self.send_response(outer.answer)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self._server.server_address[1]}/a-secret-of-the-channel"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def text(self) -> str:
        return "\n".join(f"{m['title']} {m['message']}" for m in self.got)


@pytest.fixture
def phone() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


async def until(done: Callable[[], bool], within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not done():
            await asyncio.sleep(0.01)


def alarm(text: str, level: str = "critical") -> dict[str, Any]:
    return {"level": level, "text": text, "account": 7}


async def test_alarms_are_sent_together_and_information_stays_here(phone: Receiver) -> None:
    channels = Channels("desk", [phone.url])
    channels.put(alarm("one", "warning"))
    channels.put(alarm("two"))
    channels.put(alarm("two"))  # the same text a moment later
    channels.put(alarm("only information", "info"))
    await channels.flush()
    assert len(phone.got) == 1 and phone.got[0]["title"] == "Workbench desk: critical"
    assert phone.got[0]["message"].splitlines() == ["account 7: one", "account 7: two"]


async def test_a_channel_that_fails_is_tried_again_and_its_url_is_never_logged(
    phone: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "TRIES", 2)
    phone.answer = 500
    channels = Channels("desk", [phone.url, "nonsense://a-secret-of-the-channel"])
    channels.put(alarm("help"))
    with caplog.at_level(logging.DEBUG):
        await channels.flush()
    assert len(phone.got) == 2 and channels.failed == 1
    assert "a-secret-of-the-channel" not in caplog.text and phone.url not in caplog.text


async def test_a_channel_that_hangs_is_given_up_and_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WITHIN_S", 0.05)
    monkeypatch.setattr(module, "TRIES", 1)
    release = threading.Event()
    channels = Channels("desk", ["json://x"], send=lambda *_: release.wait(30))
    channels.put(alarm("help"))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    await channels.flush()
    ticking.cancel()
    release.set()
    assert channels.failed == 1 and ticks >= 3


def test_the_channels_come_from_the_environment_and_their_secrets_are_blotted_out(
    monkeypatch: pytest.MonkeyPatch, phone: Receiver
) -> None:
    from workbench.services.logs import JsonLines

    monkeypatch.setenv(module.URLS_ENV, f"{phone.url} mailto://user:a-long-password@example.com")
    assert len(channel_urls()) == 2
    record = logging.LogRecord("x", 20, "", 0, f"{phone.url} a-long-password", None, None)
    assert "a-long-password" not in JsonLines().format(record) and "a-secret-of" not in JsonLines().format(record)
    monkeypatch.setenv(module.URLS_ENV, phone.url)
    assert send_now("workbench stop", "critical", "stopped by hand") and "stopped by hand" in phone.text


# --- the four alarms of statement 52, each with the normal way (a person who looks at the desk's screen) down --------


@pytest.mark.statement(52)
async def test_a_runner_that_is_silent_reaches_the_operator(phone: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearts, "SILENT_AFTER_S", 0.05)
    channels = Channels("desk", [phone.url])
    child = Child("runner-7", "no.module", [], {}, Path("/dev/null"))
    child.attach(object(), 1)  # type: ignore[arg-type]
    child.wanted = True
    told: list[str] = []

    def tell(level: str, text: str) -> None:
        told.append(text)
        channels.put({"level": level, "text": text})

    watch = Hearts(lambda: [child], tell)
    watch.look()
    assert told == []
    child.heard_at = time.monotonic() - 60  # its heart has stopped
    for _ in range(3):
        watch.look()
        await asyncio.sleep(0.06)
    await channels.flush()
    assert "runner-7 has said nothing" in phone.text and len(told) == 1
    child.heard("snapshot", {})
    watch.look()
    assert told[1:] == ["runner-7 is heard again"]


@pytest.mark.statement(52)
async def test_a_stop_reaches_the_operator_when_it_begins_and_when_it_is_done(phone: Receiver, tmp_path: Path) -> None:
    channels, home = Channels("desk", [phone.url]), Home(tmp_path)
    home.account(1).mkdir(parents=True)

    async def tell_runner(account: int) -> None:
        return None

    def tell(level: str, text: str) -> None:
        channels.put({"level": level, "text": text})

    pressed = RedButton(home, Broker(a1=0), tell_runner=tell_runner, tell=tell)
    sending = asyncio.create_task(channels.run())
    await pressed.stop("smoke", 1, "ann", [1])
    await until(lambda: "FLAT" in phone.text)
    sending.cancel()
    assert "emergency stop of account 1 by ann: smoke" in phone.text


def lone(tmp_path: Path, phone: Receiver) -> tuple[LoneRunner, Reporter]:
    """A runner whose desk is dead: nobody listens where it dials."""
    made = LoneRunner(tmp_path)
    link = ChildLink(lambda: ("ws://127.0.0.1:9/internal", "t"), {})
    return made, Reporter(made.runner, link, dict, Channels("runner-1", [phone.url]))


@pytest.mark.statement(52)
async def test_an_order_of_unknown_fate_reaches_the_operator_with_the_desk_dead(
    tmp_path: Path, phone: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "ALONE_AFTER_S", 0.0)
    made, reports = lone(tmp_path, phone)
    made.runner.alert("warning", "outcome of an order is unknown (time-out); asking the broker")
    reports.report()
    await reports.channels.flush()
    assert "outcome of an order is unknown" in phone.text and "runner-1" in phone.text


@pytest.mark.statement(52)
async def test_a_missing_desk_is_an_alarm_of_its_own_and_a_new_one_is_shown_what_was_sent(
    tmp_path: Path, phone: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "ALONE_AFTER_S", 0.0)
    monkeypatch.setattr(reporter, "GONE_AFTER_S", 0.0)
    _, reports = lone(tmp_path, phone)
    reports.report()
    reports.report()
    await reports.channels.flush()
    assert phone.text.count("no desk has listened") == 1
    reports._link.connected, reports._link.lost_at = True, None
    reports.report()
    pushed = [reports._link._outbox.get_nowait() for _ in range(reports._link._outbox.qsize())]
    shown = [m["body"] for m in pushed if m["push"] == "alert"]
    assert any("no desk has listened" in b["text"] and b["sent"] for b in shown), "shown there, not sent again"


@pytest.mark.statement(52)
async def test_what_was_told_a_desk_that_then_died_is_sent_from_here_too(tmp_path: Path, phone: Receiver) -> None:
    made, reports = lone(tmp_path, phone)
    reports._link.connected, reports._link.lost_at = True, None
    reports.report()
    made.runner.alert("critical", "no working stop covers +2 MES")
    reports.report()
    await reports.channels.flush()
    assert phone.got == [], "a desk listens: it sends"
    reports._link.connected = False
    reports.report()
    await reports.channels.flush()
    assert "no working stop covers +2 MES" in phone.text
    while not reports._link._outbox.empty():  # none of it was ever read
        reports._link._outbox.get_nowait()
    reports._link.connected = True
    reports.report()
    again = [reports._link._outbox.get_nowait() for _ in range(reports._link._outbox.qsize())]
    assert [(m["body"]["text"], m["body"]["sent"]) for m in again if m["push"] == "alert"] == [
        ("no working stop covers +2 MES", True)
    ], "a desk that comes back shows it, and sends it to nobody"
