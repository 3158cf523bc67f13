"""The dashboard's process beside a fake desk: access for the stop, the feed and its reconnects, a taken port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.desk import CONTRACT, FakeDesk
from tests.fakes.serve import serving
from workbench.api.app import build_app
from workbench.apps.chart import CandleChart, library
from workbench.apps.feed import DeskFeed, splice
from workbench.apps.server import Dashboard, desk_place
from workbench.desk import Desk, DeskNotReachable
from workbench.domain.errors import InputError, WorkbenchError
from workbench.storage.home import Home

TOKEN = "the-full-token-of-this-test"


@contextlib.asynccontextmanager
async def running(feed: DeskFeed) -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run(origins=("http://127.0.0.1:1",)))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: object, within_s: float = 8.0) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not true():  # type: ignore[operator]
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_the_feed_brings_snapshots_bars_and_orders() -> None:
    with serving(build_app(FakeDesk(), token=TOKEN)) as url:
        feed = DeskFeed(lambda: (url, TOKEN))
        feed.wanted["page"] = (CONTRACT, "1m")
        async with running(feed):
            await until(lambda: feed.snapshot and feed.bars.get((CONTRACT, "1m")) and feed.orders)
            assert feed.silent_s < 2 and feed.error == ""
            first = len(feed.bars[(CONTRACT, "1m")])
            await asyncio.sleep(1.2)
            times = [bar["time"] for bar in feed.bars[(CONTRACT, "1m")]]
            assert len(times) >= first and times == sorted(set(times))
            del feed.wanted["page"]


async def test_the_feed_follows_a_desk_that_restarts_elsewhere() -> None:
    place = {"now": ("", "")}
    feed = DeskFeed(lambda: place["now"])
    with contextlib.ExitStack() as first:
        place["now"] = (first.enter_context(serving(build_app(FakeDesk(), token=TOKEN))), TOKEN)
        async with running(feed):
            await until(lambda: feed.snapshot)
            await asyncio.to_thread(first.close)
            await until(lambda: feed.error)
            with serving(build_app(FakeDesk(), token="another-token-after-restart")) as other:
                place["now"] = (other, "another-token-after-restart")
                await until(lambda: not feed.error and feed.silent_s < 1)


async def test_a_dead_desk_is_an_error_and_an_age_not_an_exception() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    feed = DeskFeed(lambda: (f"http://127.0.0.1:{closed}", TOKEN))
    async with running(feed):
        await until(lambda: "no desk" in feed.error)
        assert feed.snapshot is None and feed.silent_s == float("inf")
        with pytest.raises(WorkbenchError, match="does not answer"):
            await feed.stop_access()


def test_a_gap_between_known_and_new_bars_asks_for_all_again() -> None:
    known = [{"time": n} for n in (1, 2, 3)]
    assert splice(known, [{"time": 9}]) == []
    assert splice([], [{"time": 9}]) == [{"time": 9}]
    assert splice(known, []) == known
    assert splice(known, [{"time": 3, "close": 1}]) == [{"time": 1}, {"time": 2}, {"time": 3, "close": 1}]


async def test_the_page_gets_a_token_that_only_stops_and_its_origin_is_allowed() -> None:
    fake = FakeDesk()
    with serving(build_app(fake, token=TOKEN)) as url:
        board = Dashboard(0, url, TOKEN)
        with serving(board.app(), listener=board.listener):
            async with httpx.AsyncClient(base_url=board.url) as browser:
                assert (await browser.get("/access")).status_code == 403
                await browser.get("/live", params={"token": board.page_token})
                access = (await browser.get("/access")).json()
            assert access["url"] == url and access["token"] != TOKEN
            headers = {"authorization": f"Bearer {access['token']}", "origin": board.url}
            async with httpx.AsyncClient(base_url=url) as page:
                assert (await page.get("/api/state", headers=headers)).status_code == 403
                stopped = await page.post("/api/stop", headers=headers, json={"reason": "button"})
            assert stopped.json()["result"] == "FLAT"
            assert stopped.headers["access-control-allow-origin"] == board.url


async def test_access_with_the_desk_dead_is_a_clear_503(home: object) -> None:
    board = Dashboard(0)
    with serving(board.app(), listener=board.listener):
        async with httpx.AsyncClient(base_url=board.url) as browser:
            answered = await browser.get("/access", headers={"authorization": f"Bearer {board.page_token}"})
    assert answered.status_code == 503 and "workbench demo" in answered.json()["error"]


def test_no_desk_file_says_how_to_start_one(home: object) -> None:
    with pytest.raises(WorkbenchError, match="workbench demo"):
        desk_place()()


def test_a_taken_port_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="--port"):
        Dashboard(taken.getsockname()[1])


def test_no_token_is_in_a_repr() -> None:
    board = Dashboard(0, "http://127.0.0.1:1", TOKEN)
    board.listener.close()
    assert TOKEN not in repr(board) and board.page_token not in repr(board)


def test_the_chart_library_is_the_pinned_one_with_its_notice() -> None:
    head = library()[:400]
    assert version("lwcharts") == "0.3.0"
    assert "Lightweight Charts" in head and "v5.2.0" in head and "Apache License 2.0" in head


def test_the_chart_shows_its_attribution_and_loads_nothing() -> None:
    ours = CandleChart._esm.removeprefix(library())
    assert "attributionLogo: true" in ours
    assert "http" not in ours and "import " not in ours


def test_a_page_in_a_notebook_has_a_ticket_and_never_the_token(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with serving(build_app(FakeDesk(), token=TOKEN)) as url:
        desk, board = Desk(url, TOKEN, at=home), Dashboard(0, url, TOKEN)
        with pytest.raises(DeskNotReachable, match="workbench dashboard"):
            desk.dashboard()
        with serving(board.app(), listener=board.listener):
            home.desk.mkdir(parents=True)
            (home.desk / "dashboard.json").write_text(json.dumps({"url": board.url, "link": board.link}))
            frame = desk.dashboard("live")
            shown = frame._repr_html_()
            assert f"{board.url}/live?ticket=" in shown and board.page_token not in shown
            assert httpx.get(frame.src, params=frame.params, trust_env=False).status_code == 200
            assert httpx.get(frame.src, params=frame.params, trust_env=False).status_code == 403
            assert httpx.post(f"{board.url}/ticket", trust_env=False).status_code == 403, "nobody else gets one"


# --- one part that fails keeps no other from being read --------------------------------------------------------------


class Answers(DeskFeed):
    """Answers by path; an exception is raised."""

    def __init__(self, **answers: object) -> None:
        super().__init__(lambda: ("http://127.0.0.1:1", TOKEN))
        self.answers, self.asked = answers, list[str]()

    async def _response(self, method: str, path: str, **options: Any) -> httpx.Response:
        self.asked.append(path)
        found = self.answers.get(path.rpartition("/")[2], "{}")
        if isinstance(found, Exception):
            raise found
        request = httpx.Request(method, f"http://127.0.0.1:1{path}")
        if isinstance(found, str):
            return httpx.Response(200, text=found, request=request)
        begin = options["params"].get("offset", 0)
        return httpx.Response(200, json=found[begin : begin + options["params"]["limit"]], request=request)


async def test_a_contract_without_bars_does_not_hide_the_orders() -> None:
    feed = Answers(bars=WorkbenchError("nobody knows XYZ"), orders=[{"order_id": 1}], fills=[{"trade_id": 2}])
    feed.wanted["page"] = ("XYZ", "1m")
    async with running(feed):
        await until(lambda: feed.orders and feed.fills)
    assert (feed.orders, feed.fills) == ([{"order_id": 1}], [{"trade_id": 2}])
    assert feed.listed_s < 5


async def test_an_answer_that_is_no_json_does_not_end_the_feed_of_all_pages() -> None:
    feed = Answers(bars="<html>another program has this port</html>", orders="<html>", fills=[])
    feed.wanted["page"] = (CONTRACT, "1m")
    async with running(feed):
        await until(lambda: feed.asked.count("/api/orders") >= 2)
        with pytest.raises(WorkbenchError, match="is no desk"):
            await feed.ask("GET", "/api/orders")
        feed.answers.update(bars=[], orders=[{"order_id": 1}], fills=[])
        await until(lambda: feed.orders)


async def test_a_list_that_is_longer_than_an_answer_is_read_to_its_end() -> None:
    feed = Answers(orders=[{"order_id": n} for n in range(2_345)], fills=[])
    await feed._list()
    assert [order["order_id"] for order in feed.orders] == list(range(2_345))


async def test_an_act_without_an_answer_is_not_called_undone() -> None:
    silent: list[asyncio.StreamWriter] = []

    async def slow(_: Any, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    feed = DeskFeed(lambda: (f"http://127.0.0.1:{port}", TOKEN))
    with pytest.raises(WorkbenchError, match="may still be done: look before you ask again"):
        await feed.ask("POST", "/api/positions/1/X/reverse", json={}, timeout=0.1)
    with pytest.raises(WorkbenchError) as refused:
        await feed.ask("GET", "/api/orders", timeout=0.1)
    assert "may still be done" not in str(refused.value)
    await feed._http.aclose()
    for writer in silent:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    server.close()
    await server.wait_closed()
