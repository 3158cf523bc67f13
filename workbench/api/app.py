"""The desk's ASGI application: the layers around it, the routes in it, and what an error looks like."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from workbench.api.bodies import BODY_S, MOST_BYTES, BodyLimit
from workbench.api.idempotency import Idempotency
from workbench.api.openapi import describe
from workbench.api.rate import DESK_RATE, ISSUED_RATE, Rate, RateLimit
from workbench.api.recorder import ClosedConnections, Recorder
from workbench.api.routes import (
    accounts,
    guards,
    jobs,
    market,
    orders,
    positions,
    reports,
    sessions,
    state,
    strategies,
    versions,
)
from workbench.api.routes.common import REFUSALS, answer
from workbench.api.security import Guard, Origins, Tokens
from workbench.api.stream import SharedSnapshot, stream
from workbench.api.ws import serve
from workbench.domain.errors import InputError, StopLatched, WorkbenchError
from workbench.services.audit import Audit
from workbench.services.desk_service import DeskService
from workbench.services.history import History
from workbench.services.issued_tokens import IssuedTokens
from workbench.services.jobs import Jobs
from workbench.services.kept_answers import KeptAnswers
from workbench.services.strategy_store import StrategyStore
from workbench.services.topics import Topics
from workbench.services.version import program_version
from workbench.services.version_store import VersionStore

__all__ = ["answer", "build_app"]

Handler = Callable[[Request, Any], Awaitable[Response]]
JUDGE_S, EXPLAIN_S = 600.0, 30.0  # that the gates, and one bar, may take


def build_app(
    service: DeskService,
    *,
    token: str,
    allowed_origins: Iterable[str] = (),
    allowed_hosts: Iterable[str] = ("127.0.0.1", "localhost"),
    internal_router: APIRouter | None = None,
    lifespan: Any = None,
    desk_rate: Rate = DESK_RATE,
    issued_rate: Rate = ISSUED_RATE,
    body_s: float = BODY_S,
    most_bytes: int = MOST_BYTES,
) -> FastAPI:
    """Return the desk's ASGI application.

    Parameters
    ----------
    service : DeskService
        What answers; its home holds tokens, answers, jobs and the audit log.
    token : str
        The desk's own token, at least 16 characters.
    allowed_origins : iterable of str
        Exact web origins (scheme, host, port) that may call; more can be added by ``app.state.origins.allow(...)``.
    allowed_hosts : iterable of str
        Legal names in the Host header, without port.
    internal_router : APIRouter, optional
        Routes for runners; they need the desk's own token, WebSockets in an ``Authorization`` header.
    lifespan : optional
        FastAPI lifespan of the owner.
    desk_rate, issued_rate : Rate
        Requests with the desk's own token, and with each issued one.
    body_s : float
        Seconds in which a body must arrive.
    most_bytes : int
        Longest body.

    Notes
    -----
    ``app.state.close`` ends what the application started; whoever serves it awaits that at the end.
    """
    app = FastAPI(
        title="Workbench desk",
        version=program_version(),
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    home = service.home
    issued, audit, job_line, history = IssuedTokens(home), Audit(home), Jobs(home), History(home)
    judge, explainer = (History(home, "workbench.api.version_main", may_take_s=s) for s in (JUDGE_S, EXPLAIN_S))
    app.state.tokens, app.state.origins = Tokens(token, issued=issued), Origins(allowed_origins)
    shared = SharedSnapshot(service)
    topics = Topics(service, shared.get)
    for router in (
        state.routes(service),
        accounts.routes(service),
        sessions.routes(service),
        orders.routes(service),
        positions.routes(service),
        market.routes(service, history),
        versions.routes(service, VersionStore(home), judge, explainer),  # before strategies/{name}
        strategies.routes(service, StrategyStore(home)),
        jobs.routes(home, job_line, history),
        reports.routes(home, job_line),
        guards.limit_routes(service),
        guards.stop_routes(service, app.state.tokens),
        guards.presence_routes(home),
        guards.audit_routes(audit),
        guards.token_routes(issued, app.state.origins),
    ):
        app.include_router(router, prefix="/api", responses=REFUSALS)
    app.include_router(_sockets(app.state.tokens, shared, topics))
    if internal_router is not None:
        app.include_router(internal_router, include_in_schema=False)
    describe(app)
    _add_error_handlers(app)
    kept = KeptAnswers(home)
    app.add_middleware(Idempotency, kept=kept)
    app.add_middleware(BodyLimit, most_bytes=most_bytes, body_s=body_s)
    app.add_middleware(RateLimit, desk=desk_rate, issued=issued_rate)
    app.add_middleware(Guard, tokens=app.state.tokens, origins=app.state.origins, hosts=tuple(allowed_hosts))
    app.add_middleware(Recorder, audit=audit)

    async def close() -> None:
        await topics.close()
        await job_line.close()
        for child in (history, judge, explainer):
            await child.close()
        kept.close()

    app.state.connection_closed = ClosedConnections(audit)
    app.state.close, app.state.jobs, app.state.topics, app.state.audit = close, job_line, topics, audit
    return app


def _sockets(tokens: Tokens, shared: SharedSnapshot, topics: Topics) -> APIRouter:
    router = APIRouter()

    @router.websocket("/api/stream")
    async def serve_stream(socket: WebSocket) -> None:
        await stream(socket, tokens, shared)

    @router.websocket("/ws")
    async def serve_topics(socket: WebSocket) -> None:
        await serve(socket, tokens, topics)

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
        response = answer({"error": str(error.detail), "kind": "HTTP"}, error.status_code)
        response.headers.update(error.headers or {})
        return response

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
