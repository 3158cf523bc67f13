"""The dashboard's own door: link token, cookie, Host and Origin; for HTTP and for the WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import websockets
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect

from tests.fakes.serve import serving
from workbench.apps.guard import PageGuard, Tickets

TOKEN = "the-token-of-the-link"


def guarded() -> PageGuard:
    async def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse("inside")

    async def socket(connection: Any) -> None:
        await connection.accept()
        await connection.send_text("inside")

    routes = [Route("/health", page), Route("/live", page, methods=["GET", "POST"]), WebSocketRoute("/live/ws", socket)]
    return PageGuard(Starlette(routes=routes), token=TOKEN)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded()), base_url="http://127.0.0.1:8421") as session:
        yield session


@pytest.fixture
def url() -> Iterator[str]:
    with serving(guarded()) as base:
        yield base


async def enter(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get("/live", params={"token": TOKEN, "session": "a&b"})


async def test_without_the_link_there_is_help_and_nothing_else(client: httpx.AsyncClient) -> None:
    response = await client.get("/live")
    assert response.status_code == 403 and "workbench dashboard" in response.text


async def test_health_is_open_to_this_machine_only(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).status_code == 200
    assert (await client.get("/health", headers={"host": "evil.example"})).status_code == 403


async def test_the_link_gives_a_strict_cookie_and_loses_its_token(client: httpx.AsyncClient) -> None:
    response = await enter(client)
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    assert "/live?session=a%26b" in response.text and TOKEN not in response.text
    assert (await client.get("/live")).text == "inside"


@pytest.mark.parametrize("token", ["", "wrong", "tökén", TOKEN + "x", TOKEN[:-1]])
async def test_a_wrong_token_opens_nothing(client: httpx.AsyncClient, token: str) -> None:
    response = await client.get("/live", params={"token": token})
    assert response.status_code == 403 and "set-cookie" not in response.headers


@pytest.mark.parametrize("cookie", ["workbench_8421=", "workbench_8421=x", "workbench_8421=%ff", "garbage;;==", "ö=1"])
async def test_a_wrong_cookie_opens_nothing(client: httpx.AsyncClient, cookie: str) -> None:
    assert (await client.get("/live", headers=[(b"cookie", cookie.encode())])).status_code == 403


async def test_a_cookie_of_another_process_is_worth_nothing(client: httpx.AsyncClient) -> None:
    await enter(client)
    kept = client.cookies["workbench_8421"]
    other = httpx.AsyncClient(transport=httpx.ASGITransport(guarded()), base_url="http://127.0.0.1:8421")
    async with other:
        other.cookies.set("workbench_8421", kept)
        assert (await other.get("/live")).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8421", "127.0.0.1.evil.example"])
async def test_a_foreign_host_is_refused_with_cookie_and_token(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/live", params={"token": TOKEN}, headers={"host": host})).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8421"])
async def test_a_foreign_page_may_neither_post_nor_read(client: httpx.AsyncClient, origin: str) -> None:
    await enter(client)
    assert (await client.post("/live", headers={"origin": origin})).status_code == 403
    assert (await client.get("/live", headers={"origin": origin})).status_code == 403


async def test_another_port_of_this_machine_cannot_fetch_with_our_cookie(client: httpx.AsyncClient) -> None:
    await enter(client)
    fetch = {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}
    assert (await client.get("/live", headers=fetch)).status_code == 403
    link = {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}
    assert (await client.get("/live", headers=link)).status_code == 200


async def test_every_answer_forbids_what_would_leave_the_machine(client: httpx.AsyncClient) -> None:
    for response in (await client.get("/live"), await enter(client), await client.get("/live")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy and "https:" not in policy and "*." not in policy
        assert response.headers["referrer-policy"] == "no-referrer"


async def test_the_socket_needs_the_cookie_too(url: str) -> None:
    address = url.replace("http", "ws") + "/live/ws"
    with pytest.raises(websockets.InvalidStatus):
        async with connect(address):
            pass
    with pytest.raises(websockets.InvalidStatus):
        async with connect(f"{address}?token={TOKEN}"):
            pass


async def test_the_socket_opens_to_its_own_page_and_to_no_other(url: str) -> None:
    async with httpx.AsyncClient() as browser:
        await browser.get(f"{url}/live", params={"token": TOKEN})
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    address = url.replace("http", "ws") + "/live/ws"
    async with connect(address, origin=url, additional_headers={"Cookie": cookie}) as socket:
        assert await socket.recv() == "inside"
    for bad in ({"origin": "http://evil.example"}, {"origin": "null"}):
        with pytest.raises(websockets.InvalidStatus):
            async with connect(address, additional_headers={"Cookie": cookie}, **bad):
                pass


# --- tickets: what stands in a notebook opens a page once ------------------------------------------------------------


def with_tickets(clock: list[float]) -> tuple[httpx.AsyncClient, Tickets]:
    async def page(_: Any) -> PlainTextResponse:
        return PlainTextResponse("inside")

    tickets = Tickets(lambda: clock[0])
    guard = PageGuard(Starlette(routes=[Route("/lab", page)]), token=TOKEN, tickets=tickets)
    return httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1:8421"), tickets


async def test_a_ticket_opens_one_page_once() -> None:
    client, tickets = with_tickets([0.0])
    ticket = tickets.issue()
    first = await client.get("/lab", params={"ticket": ticket})
    assert first.status_code == 200 and "set-cookie" in first.headers and ticket not in first.text
    client.cookies.clear()
    assert (await client.get("/lab", params={"ticket": ticket})).status_code == 403


async def test_a_ticket_is_good_for_a_minute() -> None:
    clock = [0.0]
    client, tickets = with_tickets(clock)
    ticket = tickets.issue()
    clock[0] = 61.0
    assert (await client.get("/lab", params={"ticket": ticket})).status_code == 403
    assert (await client.get("/lab", params={"ticket": "made-up"})).status_code == 403
