"""Answers leave at once: a server whose sockets keep Nagle's delay makes each answer in two pieces wait 40 ms."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from workbench.apps.server import Dashboard
from workbench.services.desk_main import open_port
from workbench.simulator.server import bind

LISTENERS: dict[str, Callable[[], socket.socket]] = {
    "desk": lambda: open_port("127.0.0.1", 0, "desk"),
    "simulator": lambda: bind("127.0.0.1", 0),
    "dashboard": lambda: Dashboard(port=0).listener,
}


@pytest.mark.statement(36)
@pytest.mark.parametrize("which", LISTENERS)
async def test_no_server_of_ours_holds_the_second_piece_of_an_answer_back(which: str) -> None:
    seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = LISTENERS[which]()
    async with await asyncio.start_server(accepted, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        assert await asyncio.wait_for(seen, 5), "Nagle's delay is off"
        writer.close()
