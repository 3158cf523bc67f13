"""Clients that dawdle, against a real uvicorn: cut off, recorded, and a stop gets through all the while."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from tests.api.conftest import FULL, ORDER, TOKEN
from tests.fakes.desk import FakeDesk
from workbench.api.app import build_app
from workbench.services.audit import Audit
from workbench.services.web import patient_http

HEADER_S = 0.5


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def address(desk: FakeDesk) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    app = build_app(desk, token=TOKEN, body_s=HEADER_S)
    http = patient_http(HEADER_S, 100, app.state.connection_closed)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", http=http, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield "127.0.0.1", listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def drip(channel: socket.socket, data: bytes, pause_s: float = 0.05) -> bytes:
    """Send byte by byte until the server has enough of it; return what it answered."""
    channel.settimeout(0.001)
    answered = b""
    with contextlib.suppress(OSError):
        for byte in data:
            channel.sendall(bytes([byte]))
            time.sleep(pause_s)
            with contextlib.suppress(TimeoutError):
                part = channel.recv(4_096)
                if not part:
                    break
                answered += part
    return answered


def is_open(channel: socket.socket) -> bool:
    channel.settimeout(0.2)
    try:
        return channel.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_headers_that_drip_are_cut_off_and_recorded(address: tuple[str, int], desk: FakeDesk) -> None:
    with socket.create_connection(address) as channel:
        began = time.monotonic()
        drip(channel, b"POST /api/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"a" * 400)
        assert time.monotonic() - began < 10 and not is_open(channel)
    line = Audit(desk.home).read(1)[0]
    assert line["what"] == "connection closed" and "headers did not arrive" in line["details"]["why"]
    assert desk.calls == []


def test_a_connection_that_says_nothing_is_cut_off(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as channel:
        time.sleep(HEADER_S + 0.3)
        assert not is_open(channel)


def test_a_second_request_may_not_dawdle_either(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as channel:
        channel.sendall(b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        answered = b""
        while b"workbench desk" not in answered:
            answered += channel.recv(4_096)
        channel.sendall(b"GET /api/")
        time.sleep(HEADER_S + 0.3)
        assert not is_open(channel)


def test_a_body_that_drips_is_refused_and_nothing_is_ordered(address: tuple[str, int], desk: FakeDesk) -> None:
    head = f"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {FULL['authorization']}\r\n"
    body = json.dumps(ORDER).encode()
    with socket.create_connection(address) as channel:
        channel.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert b"408" in drip(channel, body)
    assert desk.calls == []
    assert Audit(desk.home).read(1)[0]["details"]["status"] == 408


@pytest.mark.statement(39)
def test_a_stop_gets_through_three_hundred_slow_connections(address: tuple[str, int], desk: FakeDesk) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            channel = stack.enter_context(socket.create_connection(address))
            with contextlib.suppress(OSError):  # those of before are closed to make room
                channel.sendall(b"POST /api/stop HTTP/1.1\r\nHost: 127")
        began = time.monotonic()
        with httpx.Client(trust_env=False) as client:
            url = f"http://{address[0]}:{address[1]}/api/stop"
            assert client.post(url, headers=FULL, timeout=5).json()["result"] == "FLAT"
        assert time.monotonic() - began < 5
    assert [call[0] for call in desk.calls] == ["stop"]
