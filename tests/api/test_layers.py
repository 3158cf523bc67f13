"""Rate, size and time of requests, and keys that make a repeated one harmless."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.api.conftest import FULL, ORDER, issue
from tests.fakes.desk import FakeDesk
from workbench.api.rate import Rate
from workbench.domain.errors import StorageError
from workbench.services.audit import Audit
from workbench.services.kept_answers import KeptAnswers

Knock = Callable[..., Any]


async def test_a_token_that_asks_too_often_is_told_when_to_come_back(knock: Knock, desk: FakeDesk) -> None:
    slow = Rate(per_second=0.5, burst=3)
    async with knock(issued_rate=slow) as client:
        page, other = issue(desk, "read", "stop", name="page"), issue(desk, "read", name="other")
        answers = [await client.get("/api/state", headers=page) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert answers[3].headers["retry-after"] == "2"  # one request each two seconds
        assert (await client.get("/api/state", headers=other)).status_code == 200, "each token has its own"
        assert (await client.get("/api/state", headers=FULL)).status_code == 200
        for _ in range(10):
            assert (await client.post("/api/stop", headers=page)).status_code == 200, "a stop is never limited"
    assert Audit(desk.home).read(30)[-1]["details"]["status"] == 429


@pytest.mark.parametrize("told", [True, False])
async def test_an_oversized_body_is_refused_before_any_handler(knock: Knock, desk: FakeDesk, told: bool) -> None:
    body = json.dumps({**ORDER, "person": "x" * 5_000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 500):
            yield body[start : start + 500]

    async with knock(most_bytes=2_000) as client:
        refused = await client.post("/api/orders", headers=FULL, content=body if told else pieces())
    assert refused.status_code == 413 and refused.headers["connection"] == "close"
    assert desk.calls == [] and Audit(desk.home).read(1)[0]["details"]["status"] == 413


async def test_a_body_that_does_not_come_is_given_up(knock: Knock, desk: FakeDesk) -> None:
    async def never() -> AsyncIterator[bytes]:
        yield b'{"request":'
        await asyncio.sleep(30)

    async with knock(body_s=0.05) as client:
        refused = await client.post("/api/orders", headers=FULL, content=never())
    assert refused.status_code == 408 and desk.calls == []
    assert Audit(desk.home).read(1)[0]["details"]["status"] == 408


@pytest.mark.statement(19)
@pytest.mark.parametrize("header", [True, False])
async def test_a_repeated_key_is_answered_again_and_carried_out_once(
    knock: Knock, desk: FakeDesk, header: bool
) -> None:
    headers = {**FULL, "idempotency-key": "k1"} if header else FULL
    async with knock() as client:
        both = [client.post("/api/orders", headers=headers, json=ORDER) for _ in range(3)]  # a double click
        answers = await asyncio.gather(*both)
        answers.append(await client.post("/api/orders", headers=headers, json=dict(reversed(ORDER.items()))))
    assert {a.status_code for a in answers} == {201} and len({a.content for a in answers}) == 1
    assert sum(a.headers.get("idempotency-replayed") == "true" for a in answers) == 3
    assert len(desk.calls) == 1


@pytest.mark.statement(19)
async def test_a_reloaded_page_makes_a_new_key_for_the_old_wish_and_gets_the_old_answer(
    knock: Knock, desk: FakeDesk
) -> None:
    async with knock() as client:
        answers = [
            await client.post("/api/orders", headers={**FULL, "idempotency-key": key}, json=ORDER) for key in "ab"
        ]
        other = {**ORDER, "request": "click-2"}
        assert (
            await client.post("/api/orders", headers={**FULL, "idempotency-key": "a"}, json=other)
        ).status_code == 409
    assert answers[0].content == answers[1].content and len(desk.calls) == 1


@pytest.mark.statement(19)
async def test_a_key_holds_over_a_restart_of_the_desk(knock: Knock, desk: FakeDesk) -> None:
    async with knock() as client:
        first = await client.post("/api/orders", headers=FULL, json=ORDER)
    async with knock() as client:  # another application over the same home
        again = await client.post("/api/orders", headers=FULL, json=ORDER)
    assert again.content == first.content and again.status_code == 201
    assert len(desk.calls) == 1


@pytest.mark.statement(19)
async def test_a_request_that_a_crash_cut_off_is_not_carried_out_by_its_repeat(knock: Knock, desk: FakeDesk) -> None:
    desk.fails = None

    async def dies(_: Any) -> Any:
        raise asyncio.CancelledError

    desk.manual_order = dies  # type: ignore[method-assign,assignment]
    async with knock() as client:
        with pytest.raises((asyncio.CancelledError, httpx.HTTPError, RuntimeError)):
            await client.post("/api/orders", headers=FULL, json=ORDER)
    del desk.manual_order
    async with knock() as client:
        again = await client.post("/api/orders", headers=FULL, json=ORDER)
    assert again.status_code == 409 and "see the orders" in again.json()["error"]
    assert desk.calls == []


async def test_a_replayed_key_with_another_body_changes_nothing(knock: Knock, desk: FakeDesk) -> None:
    async with knock() as client:
        headers = {**FULL, "idempotency-key": "k1"}
        await client.post("/api/orders", headers=headers, json=ORDER)
        stolen = await client.post("/api/orders", headers=headers, json={**ORDER, "qty": 50})
        assert stolen.status_code == 409 and "another request" in stolen.json()["error"]
    assert len(desk.calls) == 1
    assert Audit(desk.home).read(1)[0]["details"]["status"] == 409


async def test_a_key_belongs_to_one_token_and_one_path(knock: Knock, desk: FakeDesk) -> None:
    async with knock() as client:
        mine, other = {**FULL, "idempotency-key": "k"}, {**issue(desk, "trade"), "idempotency-key": "k"}
        await client.post("/api/orders", headers=mine, json=ORDER)
        assert (await client.post("/api/orders", headers=other, json=ORDER)).status_code == 201
        close = "/api/positions/1001/CON.F.US.MES.Z26/close"
        assert (await client.post(close, headers=mine, json={"request": "r"})).status_code == 200
    assert [call[0] for call in desk.calls] == ["order", "order", "action"]


async def test_a_refused_request_may_be_corrected_under_its_key(knock: Knock, desk: FakeDesk) -> None:
    async with knock() as client:
        headers = {**FULL, "idempotency-key": "k"}
        assert (await client.post("/api/orders", headers=headers, json={**ORDER, "qty": 0})).status_code == 422
        assert (await client.post("/api/orders", headers=headers, json=ORDER)).status_code == 201


async def test_a_failure_is_not_tried_again_under_its_key(knock: Knock, desk: FakeDesk) -> None:
    tried = []

    async def breaks(request: Any) -> Any:
        tried.append(request)
        raise ZeroDivisionError

    desk.manual_order = breaks  # type: ignore[method-assign]
    async with knock() as client:
        answers = [await client.post("/api/orders", headers=FULL, json=ORDER) for _ in range(2)]
    assert [a.status_code for a in answers] == [500, 500] and len(tried) == 1


async def test_no_order_without_a_disk_to_keep_its_key_and_a_stop_all_the_same(
    knock: Knock, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async with knock() as client:
        monkeypatch.setattr("workbench.services.kept_answers.os.fdatasync", full)
        refused = await client.post("/api/orders", headers=FULL, json=ORDER)
        assert refused.status_code == 409 and "No space left" in refused.json()["error"]
        assert (await client.post("/api/stop", headers={**FULL, "idempotency-key": "k"})).status_code == 200
    assert [call[0] for call in desk.calls] == ["stop"]


def test_answers_neither_fill_the_memory_nor_the_disk(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.services.kept_answers.MOST_BYTES", 3_000)
    monkeypatch.setattr("workbench.services.kept_answers.REWRITE_BYTES", 20_000)
    kept, largest = KeptAnswers(desk.home), 0
    for number in range(60):
        kept.begin(str(number), "a")
        kept.answered(str(number), 200, b"x" * 1_000)
        kept.write(str(number))
        largest = max(largest, (desk.home.desk / "answers.jsonl").stat().st_size)
    assert [n for n in range(60) if kept.get(str(n)) is not None] == [57, 58, 59]
    assert largest < 30_000
    kept.close()
    again = KeptAnswers(desk.home)
    assert again.get("59") == kept.get("59")


def test_a_line_that_was_written_in_half_takes_no_other_with_it(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, write = KeptAnswers(desk.home), os.write
    kept.begin("before", "a")
    with monkeypatch.context() as patched:
        patched.setattr("workbench.services.kept_answers.os.write", lambda handle, data: write(handle, data[:9]))
        with pytest.raises(StorageError, match="No space left"):
            kept.begin("half", "a")
    kept.begin("after", "a")
    kept.close()
    again = KeptAnswers(desk.home)
    assert [key for key in ("before", "half", "after") if again.get(key)] == ["before", "after"]


def test_keys_of_yesterday_and_torn_lines_are_dropped(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptAnswers(desk.home)
    kept.begin("old", "a")
    kept.answered("old", 201, b"{}")
    kept.write("old")
    kept.close()
    path = desk.home.desk / "answers.jsonl"
    path.write_bytes(path.read_bytes() + b'{"key": "torn", "as')
    assert KeptAnswers(desk.home).get("old") is not None and KeptAnswers(desk.home).get("torn") is None
    now = KeptAnswers(desk.home).get("old").at + 25 * 3_600 * 10**9  # type: ignore[union-attr]
    monkeypatch.setattr("workbench.services.kept_answers.wall_ns", lambda: now)
    assert KeptAnswers(desk.home).get("old") is None
