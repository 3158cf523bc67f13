"""One frame in flight, the newest wins: what a page sends, without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import panel as pn
import pytest
from bokeh.document import Document as BokehDocument
from panel.models.esm import DataEvent

from tests.fakes.desk import CONTRACT, FakeDesk
from workbench.apps.feed import DeskFeed
from workbench.apps.live import LivePage
from workbench.apps.visit import LOST_ACK_S


class Document:
    """Runs what is scheduled at once, as Panel's loop would."""

    def __init__(self) -> None:
        self.pushed = 0

    def add_next_tick_callback(self, callback: Any) -> None:
        self.pushed += 1
        asyncio.get_running_loop().create_task(callback())


@pytest.fixture
async def feed() -> DeskFeed:
    fake, made = FakeDesk(), DeskFeed(lambda: ("http://127.0.0.1:1", "x"))
    made.snapshot, made.heard_at, made.error = await fake.snapshot(), time.monotonic(), ""
    made.bars[(CONTRACT, "1m")] = await fake.bars(CONTRACT, "1m", 300)
    return made


@pytest.fixture
def page(feed: DeskFeed, monkeypatch: pytest.MonkeyPatch) -> tuple[LivePage, dict[str, list[dict[str, Any]]]]:
    made, sent = LivePage(feed), {}
    for name in (
        "head",
        "nav",
        "board",
        "chart",
        "equity",
        "sessions",
        "positions",
        "orders",
        "limits",
        "signals",
        "ack",
    ):
        sent[name] = []
        monkeypatch.setattr(getattr(made, name), "_send_msg", sent[name].append)
    return made, sent


@contextlib.asynccontextmanager
async def pumping(page: LivePage) -> Any:
    document = Document()
    task = asyncio.create_task(page._pump(document))
    try:
        yield document
    finally:
        task.cancel()


async def test_without_an_ack_no_second_frame_is_sent(page: Any) -> None:
    made, sent = page
    async with pumping(made) as document:
        await asyncio.sleep(1.1)
        assert document.pushed == 1 and len(sent["board"]) == 1


async def test_with_acks_no_more_than_twenty_frames_a_second_go_out(page: Any) -> None:
    made, sent = page
    began = time.monotonic()
    async with pumping(made):
        for _ in range(50):
            await asyncio.sleep(0.02)
            await made._painted(None)
    frames = (time.monotonic() - began) / made.frame_s
    assert 3 <= len(sent["ack"]) <= frames + 1
    assert len(sent["board"]) == len(sent["ack"])
    assert len(sent["equity"]) <= frames * made.frame_s + 1, "the equity is not redrawn each frame"
    assert [message["seq"] for message in sent["ack"]] == list(range(1, len(sent["ack"]) + 1))


async def test_a_lost_ack_delays_but_does_not_stop_the_page(page: Any) -> None:
    made, sent = page
    async with pumping(made):
        await asyncio.sleep(LOST_ACK_S + 0.5)
    assert len(sent["ack"]) == 2


async def test_the_first_frame_brings_all_bars_and_the_next_only_the_tail(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    made._push()
    feed.bars[(CONTRACT, "1m")][-1]["close"] += 1
    newer = {**feed.bars[(CONTRACT, "1m")][-1], "time": feed.bars[(CONTRACT, "1m")][-1]["time"] + 60}
    feed.bars[(CONTRACT, "1m")].append(newer)
    made._push()
    first, second = sent["chart"]
    assert first["op"] == "all" and len(first["bars"]) == len(feed.bars[(CONTRACT, "1m")]) - 1
    assert second["op"] == "tail" and len(second["bars"]) == 2  # the closed bar's final value, and the new one


async def test_another_timeframe_starts_the_chart_afresh(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    made._push()
    made.timeframe.value = "5m"
    made._push()
    assert "bars" not in sent["chart"][-1]  # nothing known of it yet
    feed.bars[(CONTRACT, "5m")] = feed.bars[(CONTRACT, "1m")][:3]
    made._push()
    assert sent["chart"][-1]["op"] == "all" and len(sent["chart"][-1]["bars"]) == 4  # and that of now


async def test_no_number_in_a_frame_is_too_large_for_a_browser(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    fake = FakeDesk()
    await fake.stop("x", None, "ann")
    feed.snapshot = await fake.snapshot()
    made._push()
    assert all(abs(number) < 2**53 for messages in sent.values() for number in numbers(messages))


async def test_a_page_that_goes_is_forgotten(page: Any, feed: DeskFeed) -> None:
    made, _ = page
    made._push()
    assert made in feed.wanted
    made._gone(None)
    assert feed.wanted == {}


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return numbers(list(value.values()))
    if isinstance(value, list | tuple):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, int | float) else []


async def test_another_session_becomes_the_subject_and_a_gone_one_is_let_go(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    assert feed.snapshot is not None
    first = feed.snapshot["sessions"][0]
    other = {**first, "session": "nq-1", "contract": "CON.F.US.ENQ.Z26"}
    feed.snapshot["sessions"].append(other)
    made._push()
    made.subject.value = "nq-1 · ENQ Z26 · 1001"
    made._push()
    assert sent["chart"][-1]["title"] == "ENQ Z26 · 1m"
    feed.snapshot["sessions"].pop()
    made._push()
    assert sent["chart"][-1]["title"] == "MES Z26 · 1m"


async def test_what_a_person_presses_is_asked_once_and_a_refusal_is_told(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    asked: list[Any] = []

    async def ask(method: str, path: str, **options: Any) -> Any:
        asked.append((method, path, options["json"]))
        return {"accepted": False, "reason": "the market is closed"}

    feed.ask = ask  # type: ignore[method-assign]
    await made._position("close", f"1001/{CONTRACT}", {})
    await made._position("close", f"1001/{CONTRACT}", {})
    assert len({body["request"] for _, _, body in asked}) == 2, "two presses are two requests"
    assert "the market is closed" in sent["nav"][-1]["told"] and sent["nav"][-1]["tone"] == "alarm"


async def test_the_answers_of_visitors_change_nothing_on_any_page(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = page
    painted: list[Any] = []

    async def note(event: Any) -> None:
        painted.append(event.data)

    monkeypatch.setattr(made, "_painted", note)
    shown, busy, busy_pages = made.view(), [], []
    watching = pn.state.param.watch(lambda event: busy.append(event.new), "busy")
    shown.param.watch(lambda event: busy_pages.append(event.new), "busy")
    try:
        made.ack._process_bokeh_event(BokehDocument(), DataEvent(data={"ack": 1}, model=None))
        assert busy == [], "an answer is no work that anybody waits for"
        pn.state._add_busy_event("a click")
        pn.state._remove_busy_event("a click")
    finally:
        pn.state.param.unwatch(watching)
    await asyncio.sleep(0.05)
    assert painted == [{"ack": 1}] and busy == [True, False] and busy_pages == [] and shown.busy is False


async def test_a_wish_about_a_position_that_has_changed_is_refused_and_the_page_says_why(
    page: Any, feed: DeskFeed
) -> None:
    made, _ = page
    told: list[tuple[str, str]] = []
    made.tell = lambda *words: told.append(words)

    async def ask(method: str, path: str, **options: Any) -> Any:
        seen = options["json"]["seen_qty"]
        return {"accepted": seen == -2, "reason": f"the position is -2 now, the wish was about {seen:+d}"}

    feed.ask = ask  # type: ignore[method-assign]
    for seen in ("2", "-2"):
        await made._position("reverse", f"1001/{CONTRACT}", {"seen_qty": seen})
    whose = f"reverse 1001/{CONTRACT}:"
    assert told == [
        (f"{whose} refused: the position is -2 now, the wish was about +2", "alarm"),
        (f"{whose} on its way to the exchange", "ok"),
    ]


async def test_orders_that_are_not_read_any_more_are_called_old(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    made._push()
    assert sent["orders"][-1]["empty"] == "the orders have not been read yet"
    feed.listed_at, made._tables_at = time.monotonic(), float("-inf")
    made._lists_at = float("-inf")
    made._push()
    assert (sent["orders"][-1]["empty"], sent["orders"][-1]["note"]) == ("no orders today", "")
    feed.listed_at, made._tables_at = time.monotonic() - 30, float("-inf")
    made._lists_at = float("-inf")
    made._push()
    assert "not read for 30 s" in sent["orders"][-1]["note"]


async def test_a_page_that_cannot_show_something_says_so_once_and_goes_on(
    page: Any, feed: DeskFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sent = page
    assert feed.snapshot is not None
    state = feed.snapshot["sessions"][0].pop("state")
    for _ in range(3):
        made._push()
    told = [message["told"] for message in sent["nav"] if "told" in message]
    assert len(told) == 1 and "this page has a fault" in told[0] and "may be old" in told[0]
    assert len(sent["ack"]) == 3, "the next frame is not waited for"
    feed.snapshot["sessions"][0]["state"] = state
    made._push()
    assert sent["nav"][-1]["told"] == ""


async def test_a_market_clock_that_goes_back_begins_another_equity_line(page: Any, feed: DeskFeed) -> None:
    made, sent = page
    snapshot = feed.snapshot
    assert snapshot is not None
    for at, usd in ((1_796_135_400, 150_000.0), (1_796_135_401, 150_010.0), (1_796_049_000, 99.0)):
        feed._note_equity({"at": at * 10**9, "accounts": [{"account": 1001, "equity_usd": usd}]})
        made._equity_at = float("-inf")
        made._push()
    last = sent["equity"][-1]
    assert (last["op"], [point["value"] for point in last["points"]]) == ("all", [99.0])
