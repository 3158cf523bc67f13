"""The routes: each hands a checked body to the desk service and its answer back as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, FastAPI, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from workbench.api.security import Guard, Origins, Tokens
from workbench.api.stream import ENCODER, SharedSnapshot, stream
from workbench.domain.errors import InputError, StopLatched, WorkbenchError
from workbench.services.desk_service import (
    AllowOrigin,
    ClearStop,
    DeskService,
    ManualOrder,
    SessionCommand,
    StartSession,
    StopRequest,
    Verb,
)

Handler = Callable[[Request, Any], Awaitable[Response]]


def build_app(
    service: DeskService,
    *,
    token: str,
    allowed_origins: Iterable[str] = (),
    allowed_hosts: Iterable[str] = ("127.0.0.1", "localhost"),
    internal_router: APIRouter | None = None,
    lifespan: Any = None,
) -> FastAPI:
    """Return the desk's ASGI application.

    Parameters
    ----------
    service : DeskService
        What answers.
    token : str
        The full token, at least 16 characters.
    allowed_origins : iterable of str
        Exact web origins (scheme, host, port) that may call; more can be added by ``app.state.origins.allow(...)``.
    allowed_hosts : iterable of str
        Legal names in the Host header, without port.
    internal_router : APIRouter, optional
        Routes for runners; they need the full token, WebSockets in an ``Authorization`` header.
    lifespan : optional
        FastAPI lifespan of the owner.
    """
    app = FastAPI(title="Workbench desk", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.tokens, app.state.origins = Tokens(token), Origins(allowed_origins)
    app.include_router(_read_routes(service))
    app.include_router(_session_routes(service))
    app.include_router(_stop_routes(service, app.state.tokens))
    app.include_router(_origin_routes(app.state.origins))
    app.include_router(_stream_routes(service, app.state.tokens))
    if internal_router is not None:
        app.include_router(internal_router)
    _add_error_handlers(app)
    app.add_middleware(Guard, tokens=app.state.tokens, origins=app.state.origins, hosts=tuple(allowed_hosts))
    return app


def answer(body: Any, status: int = 200) -> Response:
    """Return `body` as JSON: Decimals as numbers, NaN and infinity as null."""
    return Response(ENCODER.encode(body), status_code=status, media_type="application/json")


def _read_routes(service: DeskService) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/health")
    async def health() -> Response:
        return answer({"status": "ok", "service": "workbench desk"})

    @router.get("/state")
    async def state() -> Response:
        return answer(await service.snapshot())

    @router.get("/bars")
    async def bars(contract: str, timeframe: str = "1m", limit: int = Query(300, ge=1, le=20_000)) -> Response:
        return answer(await service.bars(contract, timeframe, limit))

    @router.get("/orders")
    async def orders(account: int | None = None) -> Response:
        return answer(await service.orders(account))

    @router.get("/fills")
    async def fills(account: int | None = None) -> Response:
        return answer(await service.fills(account))

    return router


def _session_routes(service: DeskService) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/sessions")
    async def start_session(body: StartSession) -> Response:
        return answer(await service.start_session(body), 201)

    @router.post("/sessions/{session}/{verb}")
    async def command_session(session: str, verb: Verb, body: SessionCommand | None = None) -> Response:
        return answer(await service.command_session(session, verb, (body or SessionCommand()).person))

    @router.post("/orders")
    async def manual_order(body: ManualOrder) -> Response:
        return answer(await service.manual_order(body), 201)

    return router


def _stop_routes(service: DeskService, tokens: Tokens) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/stop")
    async def stop(body: StopRequest | None = None) -> Response:
        wish = body or StopRequest()
        return answer(await service.stop(wish.reason or "emergency stop", wish.account, wish.person))

    @router.post("/stop/clear")
    async def clear(body: ClearStop) -> Response:
        return answer(await service.clear_stop(body.reason, body.person, body.account))

    @router.post("/stop-token")
    async def stop_token() -> Response:
        token, life_s = tokens.issue_stop()
        until = datetime.now(UTC) + timedelta(seconds=life_s)
        return answer({"token": token, "expires_at": until.isoformat(timespec="seconds"), "expires_in_s": life_s}, 201)

    return router


def _origin_routes(origins: Origins) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/origins")
    async def allow_origin(body: AllowOrigin) -> Response:
        origins.allow(body.origin)
        return answer({"allowed": body.origin}, 201)

    return router


def _stream_routes(service: DeskService, tokens: Tokens) -> APIRouter:
    router, shared = APIRouter(), SharedSnapshot(service)

    @router.websocket("/api/stream")
    async def serve_stream(socket: WebSocket) -> None:
        await stream(socket, tokens, shared)

    return router


def _status_of(error: WorkbenchError) -> int:
    return 423 if isinstance(error, StopLatched) else 422 if isinstance(error, InputError) else 409


def _add_error_handlers(app: FastAPI) -> None:
    async def ours(_: Request, error: Any) -> Response:
        return answer({"error": str(error), "kind": type(error).__name__}, _status_of(error))

    async def invalid(_: Request, error: Any) -> Response:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        return answer({"error": "; ".join(lines), "kind": "InputError"}, 422)

    async def http(_: Request, error: Any) -> Response:
        return answer({"error": str(error.detail), "kind": "HTTP"}, error.status_code)

    async def unexpected(request: Request, error: Any) -> Response:
        # Answered outside the guard, so the origin's headers are added here: a browser must see "failed", not "dead".
        response = answer({"error": f"the desk failed: {error!r}; see its log", "kind": type(error).__name__}, 500)
        response.raw_headers.extend(app.state.origins.cors_headers(request.headers.get("origin")))
        return response

    handlers: list[tuple[type[Exception], Handler]] = [
        (WorkbenchError, ours),
        (RequestValidationError, invalid),
        (HTTPException, http),
        (Exception, unexpected),
    ]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
