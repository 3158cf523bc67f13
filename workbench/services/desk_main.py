"""The desk as a process: the API and the supervisor in one loop, nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse

from workbench.domain.errors import GatewayError, InputError
from workbench.services.crash import only_reason
from workbench.services.desk_file import desk_token, only_desk, remove_desk_file, write_desk_file
from workbench.services.logs import set_up
from workbench.services.pauses import spare_pauses
from workbench.services.schedule_runner import follow_schedules
from workbench.services.schema import OTHER_PROGRAM, SCHEMA_HEADER, VERSION_HEADER, difference, identity
from workbench.services.settings import Profile
from workbench.services.supervisor import Desk
from workbench.services.web import Server, patient_http
from workbench.storage.home import Home

log = logging.getLogger(__name__)
BuildApp = Callable[..., FastAPI]


def internal_routes(desk: Desk) -> APIRouter:
    """Routes for the desk's own children: the gateway token and the channel. The full token guards them."""
    router = APIRouter(prefix="/internal")

    @router.post("/token")
    async def token(request: Request) -> JSONResponse:
        body = await request.json()
        try:
            return JSONResponse(await desk.gateway_token(body.get("stale")))
        except GatewayError as error:
            return JSONResponse({"error": str(error)}, status_code=502)

    @router.websocket("/child/{name}/{pid}")
    async def child(socket: WebSocket, name: str, pid: int) -> None:
        await socket.accept()
        theirs = {"version": socket.headers.get(VERSION_HEADER), "schema": socket.headers.get(SCHEMA_HEADER)}
        if why := difference(theirs, f"{name} (process {pid})"):
            desk.refuse_child(name, why)
            await socket.close(OTHER_PROGRAM, why[:120])  # all that a close frame holds
            return
        await socket.send_json({"hello": identity()})
        await desk.child_connected(name, pid, socket)

    return router


def open_port(host: str, port: int, what: str) -> socket.socket:
    """Return a listening socket; `port` 0 takes a free one.

    Raises
    ------
    InputError
        Somebody else has the port.
    """
    # The protocol is named so that asyncio turns Nagle's delay off: an answer in two pieces would take 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OverflowError as error:
        listener.close()
        raise InputError(f"there is no port {port}; ports go from 1 to 65535 (0 picks a free one)") from error
    except OSError as error:
        listener.close()
        raise InputError(
            f"port {port} on {host} is taken ({error.strerror}); the {what} needs it: end the other program, "
            "or choose another with --port (0 picks a free one)"
        ) from error
    return listener


@dataclass(frozen=True, slots=True)
class Tls:
    """A second door with TLS, for pages and programs that want one; children and commands use the plain one.

    Parameters
    ----------
    certificate, key : Path
        PEM files; the key without a pass phrase.
    port : int
        On 127.0.0.1; 0 picks a free one.
    """

    certificate: Path
    key: Path
    port: int = 0

    def require_sound(self) -> None:
        """Raise InputError when the files do not make a certificate and its key."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password=lambda: "")
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            why = getattr(error, "reason", None) or error
            raise InputError(
                f"{self.certificate} and {self.key} are not a certificate and its key in PEM ({why}); the key "
                "must have no pass phrase"
            ) from error


@contextlib.asynccontextmanager
async def serve_desk(
    home: Home, profile: Profile, build_app: BuildApp, *, port: int, origins: Iterable[str] = (), tls: Tls | None = None
) -> AsyncIterator[Desk]:
    """Serve the desk on loopback while the block runs; the desk file says where.

    `build_app` makes the web application around the desk (`workbench.api.app.build_app`; rooms import downwards only).
    """
    if tls is not None:
        tls.require_sound()
    with only_desk(home):
        listener = open_port("127.0.0.1", port, "desk")
        async with _serving(home, profile, build_app, listener, origins, tls) as desk:
            yield desk


@contextlib.asynccontextmanager
async def _serving(
    home: Home,
    profile: Profile,
    build_app: BuildApp,
    listener: socket.socket,
    origins: Iterable[str],
    tls: Tls | None,
) -> AsyncIterator[Desk]:
    token = desk_token(home)
    identity()  # of the program as it was started, not as it lies on the disk when somebody asks
    desk = Desk(home, profile, token)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    desk.started(url)
    app = build_app(desk, token=token, allowed_origins=origins, internal_router=internal_routes(desk))
    desk.app = app
    servers, where = [(Server(_config(app)), listener)], {"url": url}
    if tls is not None:
        second = open_port("127.0.0.1", tls.port, "desk's TLS")
        files = {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}
        servers.append((Server(_config(app, **files)), second))
        where["tls_url"] = f"https://127.0.0.1:{second.getsockname()[1]}"
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(server.serve(sockets=[door])) for server, door in servers]
        supervising = tasks.create_task(desk.run(ready))
        projecting = tasks.create_task(desk.history.follow(home, lambda text: desk.alert("warning", text)))
        scheduling = tasks.create_task(follow_schedules(desk))
        while not all(server.started for server, _ in servers):
            await asyncio.sleep(0.01)
        write_desk_file(home, **where, pid=os.getpid(), token=token)
        ready.set()
        try:
            yield desk
        finally:
            remove_desk_file(home)
            projecting.cancel()
            scheduling.cancel()
            supervising.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await supervising
            await app.state.close()
            for server, _ in servers:
                server.should_exit = True
            await asyncio.gather(*serving)


def _config(app: FastAPI, **tls: Any) -> uvicorn.Config:
    http = patient_http(tell=app.state.connection_closed)
    return uvicorn.Config(
        app, log_config=None, lifespan="off", ws_max_size=2**24, timeout_graceful_shutdown=2, http=http, **tls
    )


async def run_desk(
    home: Home,
    profile: Profile,
    build_app: BuildApp,
    *,
    port: int,
    origins: Iterable[str] = (),
    tls: Tls | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until the process is told to end; what ends it otherwise is one error, not a group of them.

    `ready` takes the desk's URL once it serves.
    """
    set_up("desk", home.logs)
    try:
        async with serve_desk(home, profile, build_app, port=port, origins=origins, tls=tls) as desk:
            spare_pauses()
            ready(desk.url)
            await until_told()
    except BaseExceptionGroup as group:
        log.critical("the desk failed", exc_info=group)
        raise only_reason(group) from group


async def until_told() -> None:
    """Wait for SIGINT or SIGTERM."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, told.set)
    await told.wait()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(each)
