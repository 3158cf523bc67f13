"""The dashboard's process: FastAPI, the guard, Panel's pages and one feed from the desk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, RedirectResponse

from workbench.apps.feed import DeskFeed, DeskRefusedPage, Place
from workbench.apps.guard import PageGuard, Tickets
from workbench.domain.errors import InputError, WorkbenchError
from workbench.storage.home import home, read_json

PORT = 8421
ENDS_WITHIN_S = 10.0
log = logging.getLogger(__name__)


def desk_place(url: str | None = None, token: str | None = None) -> Callable[[], Place]:
    """Return a function that says where the desk is now: as given, else as its home's desk.json says."""

    def locate() -> Place:
        found = {} if url and token else read_json(home().desk / "desk.json") or {}
        place = (url or found.get("url"), token or found.get("token"))
        if not place[0] or not place[1]:
            raise DeskRefusedPage(
                f"no desk.json in {home().desk}; start a desk with `workbench demo` or `workbench desk`"
            )
        return str(place[0]).rstrip("/"), str(place[1])

    return locate


@dataclass
class Dashboard:
    """A dashboard that is ready to serve: its listening socket is bound, so `link` is true before it runs."""

    port: int = PORT
    desk_url: str | None = None
    desk_token: str | None = field(default=None, repr=False)
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    def __post_init__(self) -> None:
        # With the protocol named asyncio turns Nagle's delay off (see desk_main.open_port).
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.listener.bind(("127.0.0.1", self.port))
        except OSError as error:
            self.listener.close()
            raise InputError(
                f"port {self.port} is taken ({error.strerror}); choose another with --port, or 0 for a free one"
            ) from error
        self.listener.listen(128)
        self.port = self.listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Base URL without a token."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def link(self) -> str:
        """What a person opens: it carries the token, once."""
        return f"{self.url}/live?token={self.page_token}"

    def app(self) -> Any:
        """Return the guarded ASGI application."""
        from panel.io.fastapi import add_applications

        from workbench.apps.pages import PAGES
        from workbench.apps.reports import add_report_route

        feed = DeskFeed(desk_place(self.desk_url, self.desk_token))
        origins = (self.url, f"http://localhost:{self.port}")

        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            task = asyncio.create_task(feed.run(origins=origins))
            try:
                yield
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

        api = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
        tickets = Tickets()
        _add_routes(api, feed, tickets)
        add_report_route(api, feed)
        pages = {place.path: place.factory(feed) for place in PAGES if place.is_there}
        add_applications(pages, app=api, title="Workbench", websocket_origin=list(_hosts(origins)))
        return PageGuard(api, token=self.page_token, tickets=tickets)

    async def run(self, ending: Callable[[], None] = lambda: None) -> None:
        """Serve until the process is told to end; `ending` is called then."""
        import uvicorn

        class Server(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # uvicorn would raise the signal again and end with a traceback

        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, told.set)
        app = await asyncio.to_thread(self.app)  # panel's import takes a second: Ctrl-C must not wait for it
        config = uvicorn.Config(app, log_level="warning", ws="websockets-sansio", timeout_graceful_shutdown=2)
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[self.listener]))
        waiting = asyncio.create_task(told.wait())
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        server.should_exit = True
        ending()
        await serving


def _end() -> None:
    # A page's server holds nothing that could be lost, and one that hangs keeps its port and its home's file.
    log.error("the dashboard did not end by itself within %g s: it is ended", ENDS_WITHIN_S)
    logging.shutdown()
    os._exit(1)


def _hosts(origins: tuple[str, ...]) -> list[str]:
    return [origin.removeprefix("http://") for origin in origins]


def _add_routes(api: FastAPI, feed: DeskFeed, tickets: Tickets) -> None:
    @api.post("/ticket")
    async def ticket() -> Response:
        """Give who is known a ticket for one page, such as the frame in a notebook."""
        return JSONResponse({"ticket": tickets.issue()}, headers={"cache-control": "no-store"})

    @api.get("/")
    async def start() -> Response:
        return RedirectResponse("/live")

    @api.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok", "service": "workbench dashboard"})

    @api.get("/access")
    async def access() -> Response:
        """Give the page a token that can only stop; the browser posts with it straight to the desk."""
        try:
            return JSONResponse(await feed.stop_access(), headers={"cache-control": "no-store"})
        except WorkbenchError as error:
            return JSONResponse({"error": str(error)}, status_code=503)


def serve(
    port: int = PORT,
    desk_url: str | None = None,
    token: str | None = None,
    *,
    page_token: str | None = None,
    ready: Callable[[Dashboard], None] | None = None,
) -> None:
    """Serve the dashboard in this process until it is ended.

    Parameters
    ----------
    port : int
        On 127.0.0.1; 0 picks a free one.
    desk_url, token : str, optional
        Where the desk is and its full token; default: what the desk wrote into its home.
    page_token : str, optional
        Token of the page's own link; default: a new random one.
    ready : callable, optional
        Called with the bound `Dashboard` before it serves, to print or record its `link`.

    Raises
    ------
    InputError
        The port is taken.
    """
    dashboard = Dashboard(port, desk_url, token, **({"page_token": page_token} if page_token else {}))
    if ready is not None:
        ready(dashboard)
    last = threading.Timer(ENDS_WITHIN_S, _end)
    last.daemon = True
    asyncio.run(dashboard.run(last.start))  # what hangs may be something that asyncio waits for at its own end
    last.cancel()
