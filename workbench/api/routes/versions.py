"""Versions: lineage, differences, gates with their evidence, promotion, rollback, and what a rule saw at a bar."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from workbench.api.routes.common import NamePath, Page, answer, page
from workbench.domain.errors import InputError
from workbench.rules.load import parse_strategy
from workbench.services.desk_service import DeskService
from workbench.services.history import History
from workbench.services.version_bodies import (
    Explain,
    Explained,
    GateVerdict,
    Judge,
    Promote,
    Promoted,
    Rollback,
    SeatRow,
    VersionDetails,
    VersionDifference,
    VersionRow,
)
from workbench.services.version_store import VersionStore
from workbench.storage.registry import kind_of

OfName = Annotated[str | None, Query(max_length=128, description="One strategy only.", examples=["sma_cross"])]


def routes(service: DeskService, store: VersionStore, judge: History, explainer: History) -> APIRouter:
    """Return the routes of versions; `judge` and `explainer` are children that compute beside the desk."""
    router = APIRouter(tags=["versions"])

    @router.get("/versions", response_model=list[VersionRow])
    async def versions(paging: Annotated[Page, Depends(page)], name: OfName = None) -> Response:
        """List the stored versions, the newest first."""
        return paging.of(await asyncio.to_thread(store.rows, name))

    @router.get("/versions/{version}", response_model=VersionDetails)
    async def one(version: NamePath) -> Response:
        """Return a version with its lineage, the gates before it, and the evidence that it has."""
        return answer(await asyncio.to_thread(store.one, version))

    @router.get("/versions/{version}/difference/{other}", response_model=VersionDifference)
    async def difference(version: NamePath, other: NamePath) -> Response:
        """Return what a version does differently from another one, by meaning: formatting and comments are nothing."""
        return answer(await asyncio.to_thread(store.difference, other, version))

    @router.post("/versions/{version}/judge", response_model=list[GateVerdict])
    async def judged(version: NamePath, body: Judge) -> Response:
        """Return what the gates on the way to a state say now; nothing is promoted, the evidence is kept."""
        return answer(await judge.read("judge", version=await known(version), **body.model_dump()))

    @router.post("/versions/{version}/promote", response_model=Promoted)
    async def promote(version: NamePath, body: Promote) -> Response:
        """Promote a version through its gates; a refusal is an answer with every reason."""
        return answer(await judge.read("promote", version=await known(version), **body.model_dump()))

    @router.get("/seats", response_model=list[SeatRow])
    async def seats() -> Response:
        """List the sessions in which a version is live, with the versions that were live there before."""
        return answer(await asyncio.to_thread(store.seats))

    @router.post("/seats/{session}/rollback", response_model=Promoted)
    async def rollback(session: NamePath, body: Rollback) -> Response:
        """Make the version live again that was live before in a session; no gate is asked."""
        given = body.model_dump()
        return answer(await asyncio.to_thread(lambda: store.rollback(session, **given)))

    @router.post("/strategies/explain", response_model=Explained)
    async def explain(body: Explain) -> Response:
        """Return what every condition of a text came to at the close of one bar; nothing is stored."""
        if kind_of(body.source) == "python":
            raise InputError("a strategy in Python is code, it has no conditions that could be told one by one")
        strategy = await asyncio.to_thread(parse_strategy, body.source)
        bars = await service.bars(body.contract, strategy.timeframe, body.limit)
        chosen = [bar for bar in bars if bar["time"] <= body.at]
        if not chosen:
            raise InputError(
                f"there is no {strategy.timeframe} bar of {body.contract} at {body.at}; choose a later one"
            )
        asked: dict[str, Any] = {"source": body.source, "contract": body.contract, "at": body.at}
        return answer(await explainer.read("explain", **asked, bars=chosen))

    async def known(written: str) -> str:
        # Stored versions only: what is written could also be a path or a shipped name, which promoting would store.
        found: str = (await asyncio.to_thread(store.one, written))["version"]
        return found

    return router
