"""Topics: snapshot, then deltas without a gap; and what a client missed is sent to it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.domain.errors import InputError, UnknownName
from workbench.services.topics import KEPT_DELTAS, MOST_BAR_TOPICS, TOPICS, Subscriber, Topic, Topics

VALUES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


def told(client: Subscriber) -> list[dict[str, Any]]:
    return [json.loads(client.queue.get_nowait()) for _ in range(client.queue.qsize())]


def follow(values: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """What a client does: the reference is these few lines."""
    for message in messages:
        if message["type"] == "snapshot":
            values = dict(message["values"])
        elif message["type"] == "delta":
            values = {**values, **message["changed"]}
            for key in message["removed"]:
                del values[key]
    return values


@given(history=st.lists(VALUES, max_size=40), left_after=st.integers(0, 40))
def test_a_client_that_follows_or_comes_back_sees_what_is(history: list[dict[str, int]], left_after: int) -> None:
    topic, always, sometimes = Topic("x"), Subscriber(10_000), Subscriber(10_000)
    topic.subscribers |= {always, sometimes}
    for number, values in enumerate(history):
        if number == left_after:
            topic.subscribers.discard(sometimes)
        topic.update(values)
    messages = told(always)
    assert [m["seq"] for m in messages] == list(range(1, topic.seq + 1)), "no gap, no repeat"
    assert follow({}, messages) == topic.values == (history[-1] if history else {})
    seen = told(sometimes)
    missed = topic.missed(seen[-1]["seq"] if seen else 0)
    assert missed is not None
    assert follow(follow({}, seen), [json.loads(m) for m in missed]) == topic.values


def test_what_is_too_old_comes_as_a_snapshot() -> None:
    topic = Topic("x")
    for number in range(KEPT_DELTAS + 10):
        topic.update({"n": number})
    assert topic.missed(topic.seq - KEPT_DELTAS) is not None
    assert topic.missed(topic.seq - KEPT_DELTAS - 1) is None
    assert topic.missed(topic.seq + 1) is None, "a number of the future is of another desk"
    assert topic.missed(topic.seq) == []


def test_a_full_queue_gives_its_client_up_and_harms_no_other() -> None:
    topic, slow, quick = Topic("x"), Subscriber(2), Subscriber(100)
    topic.subscribers |= {slow, quick}
    for number in range(10):
        topic.update({"n": number})
    assert slow.gone.is_set() and slow.queue.qsize() == 2
    assert not quick.gone.is_set() and len(told(quick)) == 10


@pytest.fixture
def desk() -> FakeDesk:
    made = FakeDesk()
    made.frozen_s = 13_000
    return made


async def test_every_topic_has_values_and_names_what_it_shows(desk: FakeDesk) -> None:
    topics, client = Topics(desk, desk.snapshot), Subscriber()
    names = [name for name in TOPICS if name != "bars"]
    for name in [*names, f"bars:{CONTRACT}:1m"]:
        await topics.subscribe(client, name)
    shown = {message["topic"]: message["values"] for message in told(client)}
    assert shown["positions"][f"1001/{CONTRACT}"]["qty"] == 2
    assert shown["orders"]["wb-1001-x7f-3-2"]["status"] == "WORKING"
    assert shown["triggers"]["wb-1001-x7f-3-1"]["rule"] == "enter long"
    assert shown["quotes"][CONTRACT]["last"] == desk.closes[13_000]
    assert shown["signals"]["sma-cross-1"]["last_signal"].startswith("long")
    assert shown["risk"]["account:1001"]["headroom"][0]["limit"] == "daily_loss"
    assert shown["pnl"]["account:1001"]["fees_usd"] == 10.36
    assert shown["status"]["session:sma-cross-1"]["state"] == "running"
    assert len(shown["alerts"]) == 1 and len(shown[f"bars:{CONTRACT}:1m"]) == 217  # 06:00 to 09:36, both begun


async def test_an_age_that_ticks_is_no_news(desk: FakeDesk) -> None:
    topics, client = Topics(desk, desk.snapshot), Subscriber()
    await topics.subscribe(client, "status")
    await topics._read()
    await topics._read()
    assert [m["type"] for m in told(client)] == ["snapshot"]
    desk.state = "paused"
    await topics._read()
    (delta,) = told(client)
    assert delta["changed"] == {"session:sma-cross-1": {"state": "paused", "reason": None}}


async def test_a_client_of_an_earlier_desk_gets_a_snapshot(desk: FakeDesk) -> None:
    topics, client = Topics(desk, desk.snapshot), Subscriber()
    await topics.subscribe(client, "pnl")
    seq = told(client)[0]["seq"]
    await topics.subscribe(client, "pnl", seq, topics.epoch)
    await topics.subscribe(client, "pnl", seq, "another")
    assert [m["type"] for m in told(client)] == ["resumed", "snapshot"]


@pytest.mark.parametrize("name", ["", "nothing", "bars", "bars:MES", "bars:../x:1m", "bars:MES:1m:2", "x" * 500])
async def test_an_unknown_topic_is_refused(desk: FakeDesk, name: str) -> None:
    topics = Topics(desk, desk.snapshot)
    with pytest.raises(UnknownName):
        await topics.subscribe(Subscriber(), name)


async def test_series_of_bars_are_limited_and_forgotten_with_their_client(desk: FakeDesk) -> None:
    topics, client = Topics(desk, desk.snapshot), Subscriber(1_000)
    for number in range(MOST_BAR_TOPICS):
        await topics.subscribe(client, f"bars:C{number}:1m")
    with pytest.raises(InputError, match="followed already"):
        await topics.subscribe(client, "bars:ONE.MORE:1m")
    topics.leave(client)
    await topics.subscribe(client, "bars:ONE.MORE:1m")
