"""HTTP around the operations: tokens, budgets, model binding, status codes, and the faults of transport."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workbench.gateway.endpoints import ENDPOINTS, Endpoint
from workbench.gateway.messages import EmptyRequest, encode
from workbench.simulator.operations import BadRequest, Caller, Operations
from workbench.simulator.tokens import bearer

if TYPE_CHECKING:
    from workbench.simulator.server import Simulator

JSON = "application/json; charset=utf-8"
HTML = "<html><head><title>{0}</title></head><body><h1>{0} Service unavailable</h1></body></html>"
PLACE = re.compile(r"(?: at|required field) `([^`]+)`$")  # where msgspec says that a body does not fit
# (requests, seconds): history has a budget of its own
BUDGETS = {True: (50, 30.0), False: (200, 60.0)}


class Budgets:
    """Sliding windows per token; logins and the ping are not counted."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, bool], deque[float]] = {}

    def wait_s(self, token: str, history: bool) -> float:
        """Count a request; return 0, or the seconds until one would be taken."""
        most, window = BUDGETS[history]
        asked = self._asked.setdefault((token, history), deque())
        now = time.monotonic()
        while asked and asked[0] <= now - window:
            asked.popleft()
        if len(asked) >= most:
            return asked[0] + window - now
        asked.append(now)
        return 0.0


def problem(
    status: int, title: str, detail: str | None, path: str, errors: dict[str, list[str]] | None = None
) -> Response:
    """Return an ASP.NET ProblemDetails reply."""
    body: dict[str, Any] = {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": title,
        "status": status,
    }
    body |= {"detail": detail, "instance": path} if errors is None else {"errors": errors}
    return JSONResponse(body, status_code=status, media_type="application/problem+json; charset=utf-8")


class RestApi:
    """Serves every endpoint of `workbench.gateway.endpoints` for a `Simulator`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.operations = Operations(simulator)
        self.budgets = Budgets()

    def routes(self) -> list[Route]:
        """Return one route per operation."""
        return [Route(e.path, self._handler(e), methods=[e.method]) for e in ENDPOINTS.values()]

    def _handler(self, endpoint: Endpoint) -> Any:
        async def handle(request: Request) -> Response:
            try:
                body = await request.body()
            except ClientDisconnect:
                return Response(status_code=400)
            entry: dict[str, Any] = {
                "path": endpoint.path,
                "at": self.simulator.exchange.now,
                "began": time.monotonic(),
                "status": 0,
            }
            if endpoint.mutates:
                entry["body"] = body.decode(errors="replace")
            kept = self.simulator.requests.add(entry)
            self.simulator.scenario.due()
            response = await self._answer(endpoint, request, body, kept)
            kept["status"], kept["ended"] = response.status_code, time.monotonic()
            return response

        return handle

    async def _answer(self, endpoint: Endpoint, request: Request, body: bytes, kept: dict[str, Any]) -> Response:
        await self._delay()
        caller, refused = self._admit(endpoint, request)
        if refused is not None:
            return refused
        try:
            wanted = bind_body(endpoint, body)
        except msgspec.MsgspecError as error:
            return self._unbound(endpoint, str(error))
        broken = await self._before(endpoint)
        if broken is not None:
            return broken
        self.simulator.sync()
        kept["acted"] = time.monotonic()
        try:
            reply = self.operations.table[endpoint.path](wanted, caller)
        except BadRequest as error:
            return self._unbound(endpoint, str(error))
        await self._delay()
        return await self._after(endpoint, encode(reply))

    async def _delay(self) -> None:
        """Half a round trip, in market time; none in lockstep."""
        clock, latency = self.simulator.clock, self.simulator.config.latency
        if clock.rate and latency.transport_ms:
            await asyncio.sleep(latency.transport_ms / 2000 / clock.rate)

    def _admit(self, endpoint: Endpoint, request: Request) -> tuple[Caller, Response | None]:
        token = bearer(request.headers.get("authorization")) or ""
        user = self.simulator.tokens.user(token)
        caller, faults = Caller(user or "", token), self.simulator.faults
        limited = faults.take("rate_limited", path=endpoint.path)
        if limited is not None:
            return caller, Response(status_code=429, headers={"Retry-After": str(limited["retry_after"])})
        if not endpoint.authenticated:
            return caller, None
        if user is None or faults.take("unauthorized", path=endpoint.path) is not None:
            return caller, Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        wait = self.budgets.wait_s(token, endpoint.history) if self.simulator.config.rate_limits else 0.0
        if wait:
            return caller, Response(status_code=429, headers={"Retry-After": str(int(wait) + 1)})
        return caller, None

    def _unbound(self, endpoint: Endpoint, detail: str) -> Response:
        if endpoint.path.endswith("v2/query"):
            return problem(400, "Bad Request", detail, endpoint.path)
        said = PLACE.search(detail)
        where = said[1] if said else "$"
        return problem(400, "One or more validation errors occurred.", None, endpoint.path, {where: [detail]})

    async def _before(self, endpoint: Endpoint) -> Response | None:
        """Return a reply that keeps the request from happening, None to go on."""
        faults, path = self.simulator.faults, endpoint.path
        hang = faults.take("timeout_before", path=path)
        if hang is not None:
            await asyncio.sleep(hang["hang_s"])
            return Response(status_code=504)
        wanted = faults.on("server_error")
        if wanted is not None and not wanted["after"]:
            error = faults.take("server_error", path=path)
            if error is not None:
                return _server_error(error["status"])
        return None

    async def _after(self, endpoint: Endpoint, body: bytes) -> Response:
        """Return the reply as it travels: late, cut, garbled, or lost."""
        faults, path = self.simulator.faults, endpoint.path
        slow = faults.take("slow_replies", path=path)
        if slow is not None:
            await asyncio.sleep(slow["delay_s"])
        hang = faults.take("timeout_after", path=path)
        if hang is not None:
            await asyncio.sleep(hang["hang_s"])
            return Response(status_code=504)
        wanted = faults.on("server_error")
        error = faults.take("server_error", path=path) if wanted is not None and wanted["after"] else None
        if error is not None:
            return _server_error(error["status"])
        if faults.take("truncated_body", path=path) is not None:
            body = body[: len(body) // 2]
        if faults.take("corrupt_body", path=path) is not None:
            body = b"<<<\xff\xfe not json " + body[::-1][:40]
        return Response(body, media_type=JSON)


def _server_error(status: int) -> Response:
    return Response(HTML.format(status), status_code=status, media_type="text/html")


def bind_body(endpoint: Endpoint, body: bytes) -> Any:
    """Return the typed request in a body; unknown members are ignored, a wrong type raises msgspec's error."""
    if endpoint.request is EmptyRequest:
        return EmptyRequest()
    members = _named(msgspec.json.decode(body or b"null"), endpoint.request)
    return msgspec.convert(members, endpoint.request)


def _named(value: Any, kind: Any) -> Any:
    """Return `value` with the members of `kind` under their documented names: the service takes them in any case."""
    if not isinstance(value, dict):
        return value
    members = _members(kind)
    named = {}
    for name, each in value.items():
        known, inner = members.get(name.lower(), (name, None))
        named[known] = each if inner is None else _named(each, inner)
    return named


@cache
def _members(kind: Any) -> dict[str, tuple[str, Any]]:
    """Return lower-case name → (documented name, type of a member that is an object itself)."""
    return {
        field.encode_name.lower(): (
            field.encode_name,
            next(filter(_is_object, (field.type, *get_args(field.type))), None),
        )
        for field in msgspec.structs.fields(kind)
    }


def _is_object(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
