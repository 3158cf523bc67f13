"""Strategies: stored versions, new ones, and what trades of them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from workbench.api.routes.common import NamePath, Page, answer, is_desks_own, page
from workbench.services.desk_answers import SessionRow
from workbench.services.desk_bodies import (
    ActivateStrategy,
    DeactivateStrategy,
    NewStrategy,
    StartSession,
    StopStrategy,
    StrategySource,
)
from workbench.services.desk_service import DeskService
from workbench.services.stop_answers import StrategyStopped
from workbench.services.strategy_answers import Checked, StrategyRow, StrategyText
from workbench.services.strategy_store import StrategyStore


def routes(service: DeskService, store: StrategyStore) -> APIRouter:
    """Return the routes of strategies."""
    router = APIRouter(prefix="/strategies", tags=["strategies"])

    @router.get("", response_model=list[StrategyRow])
    async def strategies(paging: Annotated[Page, Depends(page)]) -> Response:
        """List the stored versions, the newest first."""
        return paging.of(await asyncio.to_thread(store.rows))

    @router.post("", status_code=201, response_model=StrategyText)
    async def create(body: NewStrategy, request: Request) -> Response:
        """Store a text as a version; the same content again is the same version."""
        made = await _stored(store, request, body)
        return answer(made, 201)

    @router.post("/check", response_model=Checked)
    async def check(body: StrategySource, request: Request) -> Response:
        """Say whether a text is a strategy, and what is wrong with it; nothing is stored."""
        return answer(await asyncio.to_thread(store.check, body.source, code=is_desks_own(request)))

    @router.get("/{name}", response_model=StrategyText)
    async def read(name: NamePath) -> Response:
        """Return a version with its text: by its name (the newest), its digits, or name@digits."""
        return answer(await asyncio.to_thread(store.one, name))

    @router.put("/{name}", response_model=StrategyText)
    async def update(name: NamePath, body: NewStrategy, request: Request) -> Response:
        """Store a new version of a strategy; nothing that is stored, or trades, is changed."""
        return answer(await _stored(store, request, body, of=name))

    @router.post("/{name}/activate", status_code=201, response_model=SessionRow)
    async def activate(name: NamePath, body: ActivateStrategy) -> Response:
        """Start a stored version as a session."""
        found = await asyncio.to_thread(store.one, name)
        wish = StartSession(strategy=found["version"], **body.model_dump())
        return answer(await service.start_session(wish), 201)

    @router.post("/{name}/deactivate", response_model=list[SessionRow])
    async def deactivate(name: NamePath, body: DeactivateStrategy | None = None) -> Response:
        """End every session of a strategy; its orders are cancelled and its positions closed."""
        wish = body or DeactivateStrategy()
        running = [s for s in (await service.snapshot())["sessions"] if _is_of(s, name) and s["state"] != "ended"]
        chosen = [s for s in running if wish.account in (None, s["account"])]
        return answer([await service.command_session(s["session"], "end", wish.person) for s in chosen])

    @router.post("/{name}/emergency-stop", response_model=StrategyStopped)
    async def emergency_stop(name: NamePath, body: StopStrategy | None = None) -> Response:
        """Stop one strategy now; an account whose runner does not confirm within 2 s is stopped whole."""
        wish = body or StopStrategy()
        return answer(await service.stop_strategy(name, wish.account, wish.reason, wish.person))

    return router


def _is_of(session: dict[str, Any], name: str) -> bool:
    return name in (session["strategy"], session["version"])


async def _stored(store: StrategyStore, request: Request, body: NewStrategy, of: str | None = None) -> dict[str, Any]:
    code = is_desks_own(request)
    return await asyncio.to_thread(store.create, body.source, person=body.person, code=code, of=of)
