"""The red button, the sign of life, the limits, tokens, origins and the audit log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from workbench.api.routes.common import answer, name_of
from workbench.api.security import Origins, Tokens
from workbench.services.audit import Audit
from workbench.services.clock import wall_ns
from workbench.services.desk_answers import StopState, Told
from workbench.services.desk_bodies import AllowOrigin, ChangeLimits, ClearStop, Here, NewToken, StopRequest
from workbench.services.desk_service import DeskService
from workbench.services.issued_tokens import IssuedTokens
from workbench.services.stop_answers import Allowed, Attended, AuditLine, StopResult, StopToken, TokenMade, TokenRow
from workbench.storage.home import Home
from workbench.storage.presence import note_presence, read_presence

TokenPath = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]


def stop_routes(service: DeskService, tokens: Tokens) -> APIRouter:
    """Return the routes that stop, and that let trade again."""
    router = APIRouter(tags=["stop"])

    @router.get("/stop", response_model=StopState)
    async def stopped() -> Response:
        """Say whether anything is stopped, why, and what the last stop came to."""
        return answer((await service.snapshot())["stop"])

    @router.post("/stop", response_model=StopResult)
    async def stop(body: StopRequest | None = None) -> Response:
        """Latch, cancel everything, close everything, verify; an empty body stops everything."""
        wish = body or StopRequest()
        return answer(await service.stop(wish.reason or "emergency stop", wish.account, wish.person))

    @router.post("/stop/clear", response_model=Told)
    async def clear(body: ClearStop) -> Response:
        """Release the latch after a clean reading of the broker."""
        return answer(await service.clear_stop(body.reason, body.person, body.account))

    @router.post("/stop-token", status_code=201, response_model=StopToken)
    async def stop_token() -> Response:
        """Return a short-lived token for a page in a browser: it stops and flattens, and can do nothing else."""
        token, life_s = tokens.issue_stop()
        until = datetime.now(UTC) + timedelta(seconds=life_s)
        return answer({"token": token, "expires_at": until.isoformat(timespec="seconds"), "expires_in_s": life_s}, 201)

    return router


def presence_routes(home: Home) -> APIRouter:
    """Return the routes of the sign of life that attended accounts need (the limit `unattended_after_s`)."""
    router = APIRouter(prefix="/here", tags=["presence"])

    @router.get("", response_model=Attended)
    async def attended() -> Response:
        """Say who gave the last sign of life, and when."""
        at, person = await asyncio.to_thread(read_presence, home) or (None, None)
        return answer({"person": person, "at": at})

    @router.post("", response_model=Attended)
    async def here(body: Here) -> Response:
        """Say that a person attends from now on; entries go on until the limit has run out again."""
        at = wall_ns()
        await asyncio.to_thread(note_presence, home, body.person, at)
        return answer({"person": body.person, "at": at})

    return router


def limit_routes(service: DeskService) -> APIRouter:
    """Return the routes of risk limits."""
    router = APIRouter(prefix="/limits", tags=["limits"])

    @router.get("", response_model=Told)
    async def limits() -> Response:
        """Return the limits of every level, and how they came to be."""
        return answer(await service.limits())

    @router.post("/tighten", response_model=Told)
    async def tighten(body: ChangeLimits) -> Response:
        """Make limits tighter, also while sessions run; anything looser is refused."""
        return answer(await service.change_limits(body, tighten=True))

    @router.post("/set", response_model=Told)
    async def set_limits(body: ChangeLimits) -> Response:
        """Set limits; what is looser needs that no session runs."""
        return answer(await service.change_limits(body, tighten=False))

    return router


def token_routes(issued: IssuedTokens, origins: Origins) -> APIRouter:
    """Return the routes that only the desk's own token opens."""
    router = APIRouter(tags=["tokens"])

    @router.get("/tokens", response_model=list[TokenRow])
    async def tokens() -> Response:
        """List the issued tokens without their secrets; revoked and expired ones, too."""
        return answer([each.shown() for each in await asyncio.to_thread(issued.list)])

    @router.post("/tokens", status_code=201, response_model=TokenMade)
    async def create(body: NewToken, request: Request) -> Response:
        """Issue a token; it is shown in this answer and never again."""
        by = f"{body.person} ({name_of(request)})"
        token, entry = await asyncio.to_thread(issued.create, name=body.name, scopes=body.scopes, days=body.days, by=by)
        return answer({**entry.shown(), "token": token}, 201)

    @router.post("/tokens/{token}/revoke", response_model=TokenRow)
    async def revoke(token: TokenPath) -> Response:
        """Make a token (its id or its name) worthless at once."""
        return answer((await asyncio.to_thread(issued.revoke, token)).shown())

    @router.post("/origins", status_code=201, response_model=Allowed)
    async def allow_origin(body: AllowOrigin) -> Response:
        """Let pages of one more server on this machine call the desk."""
        origins.allow(body.origin)
        return answer({"allowed": body.origin}, 201)

    return router


def audit_routes(audit: Audit) -> APIRouter:
    """Return the route of the audit log."""
    router = APIRouter(tags=["audit"])

    @router.get("/audit", response_model=list[AuditLine])
    async def lines(limit: int = Query(100, ge=1, le=5_000)) -> Response:
        """Return the newest lines of the audit log: who did what, when and from where."""
        return answer(await asyncio.to_thread(audit.read, limit))

    return router
