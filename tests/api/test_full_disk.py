"""A disk that takes no request key: what cancels, closes or stops goes on, everything else says why it does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.conftest import FULL, ORDER
from tests.fakes.desk import FakeDesk

Knock = Callable[..., Any]
POSITION = "/api/positions/1001/CON.F.US.MES.Z26"
WISH = {"request": "k1", "person": "ann"}
SESSION = "/api/sessions/sma-cross-1"


class Disk:
    """Takes `left` more rows while it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full, self.left = True, 0
        monkeypatch.setattr("workbench.services.kept_answers.os.fdatasync", self)

    def __call__(self, handle: int) -> None:
        self.left -= 1
        if self.is_full and self.left < 0:
            raise OSError(28, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.statement(12)
@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        (f"{POSITION}/close", WISH, "close"),
        (f"{POSITION}/part-close", {**WISH, "qty": 1}, "part_close"),
        ("/api/orders/7/cancel", {**WISH, "account": 1001}, "cancel"),
    ],
)
async def test_what_cancels_or_closes_needs_no_disk_and_is_still_done_once(
    knock: Knock,
    desk: FakeDesk,
    disk: Disk,
    caplog: pytest.LogCaptureFixture,
    path: str,
    body: dict[str, Any],
    call: str,
) -> None:
    async with knock() as client:
        with caplog.at_level(logging.CRITICAL, "workbench.api.idempotency"):
            done = await client.post(path, headers={**FULL, "idempotency-key": "h1"}, json=body)
        again = await client.post(path, headers={**FULL, "idempotency-key": "h2"}, json=body)  # a reloaded page
    assert (done.status_code, again.status_code, again.content) == (200, 200, done.content)
    assert [(name, action.kind) for name, action, *_ in desk.calls] == [("action", call)]
    assert "No space left" in caplog.text and f"POST {path} is carried out all the same" in caplog.text


@pytest.mark.statement(12)
@pytest.mark.parametrize(
    "path", [f"{SESSION}/pause", f"{SESSION}/flatten", f"{SESSION}/end", "/api/strategies/sma_cross/deactivate"]
)
async def test_what_stops_a_session_needs_no_disk(knock: Knock, desk: FakeDesk, disk: Disk, path: str) -> None:
    async with knock() as client:
        answer = await client.post(path, headers={**FULL, "idempotency-key": "h1"}, json={"person": "ann"})
    assert answer.status_code == 200
    assert [call[0] for call in desk.calls] == ["end" if path.endswith("deactivate") else path.rpartition("/")[2]]


@pytest.mark.statement(12)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/orders", ORDER),
        ("/api/orders/7/modify", {**WISH, "account": 1001, "qty": 3}),
        (f"{POSITION}/reverse", WISH),
        (f"{SESSION}/resume", {"person": "ann"}),
        (f"{SESSION}/start", {"person": "ann"}),
        ("/api/stop/clear", {"reason": "looked", "person": "ann"}),
    ],
)
async def test_what_may_open_or_grow_is_refused_and_told_what_goes_on(
    knock: Knock, desk: FakeDesk, disk: Disk, path: str, body: dict[str, Any]
) -> None:
    async with knock() as client:
        refused = await client.post(path, headers={**FULL, "idempotency-key": "h1"}, json=body)
    assert refused.status_code == 409 and desk.calls == []
    said = refused.json()["error"]
    assert "No space left" in said and "nothing was done" in said and "closing and stopping go on" in said


async def test_an_order_that_a_full_disk_refused_is_carried_out_when_there_is_room(
    knock: Knock, desk: FakeDesk, disk: Disk
) -> None:
    disk.left = 1  # the first of its two keys finds room, the second does not
    headers = {**FULL, "idempotency-key": "h1"}
    async with knock() as client:
        assert (await client.post("/api/orders", headers=headers, json=ORDER)).status_code == 409
        disk.is_full = False
        assert (await client.post("/api/orders", headers=headers, json=ORDER)).status_code == 201
    assert [name for name, *_ in desk.calls] == ["order"]


async def test_an_order_whose_answer_the_disk_did_not_take_is_answered_again_and_not_carried_out_again(
    knock: Knock, desk: FakeDesk, disk: Disk
) -> None:
    async with knock() as client:
        disk.left = 1  # room for the key, not for the answer
        first = await client.post("/api/orders", headers=FULL, json=ORDER)
        again = await client.post("/api/orders", headers=FULL, json=ORDER)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert [name for name, *_ in desk.calls] == ["order"]


# --- a disk that hangs ---------------------------------------------------------------------------------------------


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that takes nothing until the event is set; nobody waits for it longer than a moment."""
    comes_back = threading.Event()
    monkeypatch.setattr("workbench.services.kept_answers.os.fdatasync", lambda handle: comes_back.wait(20.0))
    monkeypatch.setattr("workbench.api.idempotency.ENTRY_WAITS_S", 0.05)
    monkeypatch.setattr("workbench.api.idempotency.EXIT_WAITS_S", 0.05)
    monkeypatch.setattr("workbench.api.recorder.AUDIT_MAY_TAKE_S", 0.05)
    yield comes_back
    comes_back.set()


@pytest.mark.statement(12)
async def test_a_close_does_not_wait_for_a_disk_that_hangs_and_is_done_once(
    knock: Knock, desk: FakeDesk, hung: threading.Event
) -> None:
    headers = {**FULL, "idempotency-key": "h1"}
    async with knock() as client:
        done = await client.post(f"{POSITION}/close", headers=headers, json=WISH)
        again = await client.post(f"{POSITION}/close", headers=headers, json=WISH)
        assert not hung.is_set()
        hung.set()
        later = await client.post(f"{POSITION}/close", headers=headers, json=WISH)
    assert [each.status_code for each in (done, again, later)] == [200, 200, 200]
    assert done.content == again.content == later.content
    assert [(name, action.kind) for name, action, *_ in desk.calls] == [("action", "close")]


@pytest.mark.statement(12)
async def test_an_order_is_refused_on_a_disk_that_hangs_and_carried_out_once_it_answers(
    knock: Knock, desk: FakeDesk, hung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {**FULL, "idempotency-key": "h1"}
    async with knock() as client:
        refused = await client.post("/api/orders", headers=headers, json=ORDER)
        assert refused.status_code == 409 and desk.calls == []
        assert "has not taken the request key" in refused.json()["error"]
        monkeypatch.setattr("workbench.api.idempotency.ENTRY_WAITS_S", 20.0)
        hung.set()
        placed = await client.post("/api/orders", headers=headers, json=ORDER)
    assert placed.status_code == 201
    assert [name for name, *_ in desk.calls] == ["order"]


async def test_a_close_that_was_refused_may_be_sent_again_with_its_key_while_the_disk_hangs(
    knock: Knock, desk: FakeDesk, hung: threading.Event
) -> None:
    headers = {**FULL, "idempotency-key": "h1"}
    async with knock() as client:
        wrong = await client.post(f"{POSITION}/part-close", headers=headers, json={**WISH, "qty": 0})
        right = await client.post(f"{POSITION}/part-close", headers=headers, json={**WISH, "qty": 1})
    assert (wrong.status_code, right.status_code) == (422, 200)
