"""One connection of the dashboard's process to the desk, for any number of open pages."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import connect

from workbench.domain.errors import WorkbenchError

RETRY_S = (0.25, 0.5, 1.0, 2.0)
POLL_S = 0.5
SILENT_S = 5.0  # the desk beats once a second: five missed beats are a dead connection
ASK_S = 30.0  # that a page's question may take: the first one opens the database or loads a compiler
BARS = 600
PART = 1_000  # rows of one answer, as many as the desk gives

ANEW_S = 60  # a market clock that goes back so far begins another day
POINTS = 4_000  # of an equity line; more are thinned

log = logging.getLogger(__name__)
Point = tuple[int, float]
Place = tuple[str, str]  # base URL and full token of the desk


class DeskRefusedPage(WorkbenchError):
    """The desk answered a page's question with an error."""


class DeskFeed:
    """The newest snapshot, the bars that pages look at, and how old all of it is.

    Parameters
    ----------
    locate : callable
        Returns URL and token of the desk; asked again at each reconnect, because a restarted desk may have moved.
    """

    def __init__(self, locate: Callable[[], Place]) -> None:
        self._locate = locate
        self.snapshot: dict[str, Any] | None = None
        self.heard_at = float("-inf")  # monotonic
        self.error = "connecting to the desk"
        self.orders: list[dict[str, Any]] = []
        self.fills: list[dict[str, Any]] = []
        self.bars: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.equity: dict[int, list[Point]] = {}  # account → seconds and USD, since this process listens
        self.wanted: dict[object, tuple[str, str]] = {}  # a page's key → the bars it shows
        self.listed_at = float("-inf")  # monotonic, of orders and fills
        self.version = 0
        self._origins: set[str] = set()
        self._http = httpx.AsyncClient(trust_env=False, timeout=5.0)

    @property
    def silent_s(self) -> float:
        """Seconds since the desk was last heard; infinite before the first word."""
        return time.monotonic() - self.heard_at

    async def run(self, *, origins: tuple[str, ...] = ()) -> None:
        """Follow the desk until cancelled; `origins` are announced to it so that the pages' stop may post."""
        self._origins.update(origins)
        async with self._http, asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._poll())

    async def stop_access(self) -> dict[str, Any]:
        """Return where and with which stop-only token a page may stop.

        Raises
        ------
        DeskRefusedPage
            The desk does not answer or does not know our token.
        """
        await self._announce()
        given = await self._call("POST", "/api/stop-token")
        return {"url": self._locate()[0], "token": given["token"], "expires_in_s": given["expires_in_s"]}

    async def command(self, session: str, verb: str) -> dict[str, Any]:
        """Give a session a command on behalf of a page."""
        answered: dict[str, Any] = await self._call(
            "POST", f"/api/sessions/{session}/{verb}", json={"person": "dashboard"}
        )
        return answered

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask the desk on behalf of a page; `options` are those of an httpx request.

        Raises
        ------
        DeskRefusedPage
            The desk does not answer, or answers no; the text is what a person should read.
        """
        return await self._call(method, path, **{"timeout": ASK_S, **options})

    async def _follow(self) -> None:
        tries = 0
        while True:
            try:
                await self._listen()
                tries = 0
            except (OSError, TimeoutError, ValueError, websockets.WebSocketException, WorkbenchError) as error:
                self._lost(error)
                tries += self.silent_s > SILENT_S
            except Exception as error:  # whatever it sent: the pages must come back with the desk
                log.exception("the desk's stream cannot be read")
                self._lost(error)
                tries += 1
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])

    def _lost(self, error: Exception) -> None:
        self.error = f"no desk: {error or type(error).__name__}"
        self.version += 1

    async def _listen(self) -> None:
        url, token = self._locate()
        await self._announce()
        address = url.replace("http", "ws", 1) + "/api/stream"
        async with connect(address, open_timeout=3, proxy=None, max_size=2**24) as socket:
            await socket.send(json.dumps({"token": token}))
            while True:
                async with asyncio.timeout(SILENT_S):
                    message = json.loads(await socket.recv())
                if "error" in message:
                    self.error = message["error"]
                else:
                    self.snapshot, self.heard_at, self.error = message, time.monotonic(), ""
                    self._note_equity(message)
                self.version += 1

    def _note_equity(self, snapshot: dict[str, Any]) -> None:
        for account in snapshot.get("accounts", []):
            usd, at = account.get("equity_usd"), int(snapshot.get("at") or 0) // 10**9
            points = self.equity.setdefault(account["account"], [])
            if points and at < points[-1][0] - ANEW_S:  # another simulator, or a replay from its start
                points.clear()
            if usd is None or (points and at <= points[-1][0]):
                continue
            points.append((at, usd))
            if len(points) > POINTS:
                points[:] = thinned(points)

    @property
    def listed_s(self) -> float:
        """Seconds since orders and fills were last read; they are read while a page looks."""
        return time.monotonic() - self.listed_at

    async def _poll(self) -> None:
        while True:
            if self.wanted:
                await self._try(self._list)
                for key in set(self.wanted.values()):
                    await self._try(self._fetch_bars, key)
            for gone in set(self.bars) - set(self.wanted.values()):
                del self.bars[gone]
            await asyncio.sleep(POLL_S)

    async def _try(self, read: Callable[..., Awaitable[None]], *of: Any) -> None:
        # One part that cannot be read keeps no other from being read, and nothing ends the feed of all pages.
        try:
            await read(*of)
        except WorkbenchError as error:
            self.error = self.error or str(error)
        except Exception as error:
            log.exception("what the desk answered cannot be read")
            self.error = self.error or f"the desk's answer cannot be read: {error!r}"

    async def _list(self) -> None:
        self.orders, self.fills = await self._all("/api/orders"), await self._all("/api/fills")
        self.listed_at = time.monotonic()

    async def _fetch_bars(self, key: tuple[str, str]) -> None:
        limit = 3 if self.bars.get(key) else BARS
        params = {"contract": key[0], "timeframe": key[1], "limit": limit}
        self.bars[key] = splice(self.bars.get(key, []), await self._call("GET", "/api/bars", params=params))

    async def _all(self, path: str) -> list[dict[str, Any]]:
        """Return a whole list of the desk, also one that is longer than an answer may be."""
        rows: list[dict[str, Any]] = []
        while True:
            response = await self._response("GET", path, params={"limit": PART, "offset": len(rows)})
            part = _json(response)
            rows += part
            if len(part) < PART:
                return rows

    async def _announce(self) -> None:
        for origin in self._origins:
            await self._call("POST", "/api/origins", json={"origin": origin})

    async def text(self, path: str) -> str:
        """Return what lies at a path of the desk as text; raises as `ask` does."""
        return (await self._response("GET", path)).text

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        return _json(await self._response(method, path, **options))

    async def _response(self, method: str, path: str, **options: Any) -> httpx.Response:
        url, token = self._locate()
        try:
            response = await self._http.request(
                method, url + path, headers={"authorization": f"Bearer {token}"}, **options
            )
        except httpx.HTTPError as error:
            why = f"the desk at {url} does not answer ({type(error).__name__})"
            if method != "GET" and not isinstance(error, httpx.ConnectError):
                why += "; what was asked may still be done: look before you ask again"
            raise DeskRefusedPage(why) from error
        if not response.is_success:
            raise DeskRefusedPage(_refusal(path, response))
        return response


def thinned(points: list[Point]) -> list[Point]:
    """Return about half of the points; of each four the lowest and the highest stay, so no extreme is lost.

    >>> thinned([(1, 5.0), (2, 9.0), (3, 1.0), (4, 5.0), (5, 6.0)])
    [(2, 9.0), (3, 1.0), (5, 6.0)]
    """
    kept: list[Point] = []
    for begin in range(0, len(points), 4):
        part = points[begin : begin + 4]
        kept += sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])})
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise DeskRefusedPage(f"{response.url} is no desk: it answered {response.text[:80]!r}") from error


def _refusal(path: str, response: httpx.Response) -> str:
    # The desk says what is wrong and what to do; only where it does not, the bare answer is shown.
    try:
        told = response.json()
    except ValueError:
        told = None
    if isinstance(told, dict) and told.get("error"):
        return str(told["error"])
    return f"{path}: {response.status_code} {response.text[:200]}"


def splice(known: list[dict[str, Any]], news: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `known` with its tail replaced by `news`; where they do not touch there is a gap: an empty list.

    >>> splice([{"time": 1}, {"time": 2}], [{"time": 2, "close": 5}, {"time": 3}])
    [{'time': 1}, {'time': 2, 'close': 5}, {'time': 3}]
    >>> splice([{"time": 1}], [{"time": 5}])  # ask for all of them again
    []
    """
    if not known or not news:
        return news or known
    if news[0]["time"] > known[-1]["time"]:
        return []
    return ([bar for bar in known if bar["time"] < news[0]["time"]] + news)[-4 * BARS :]
