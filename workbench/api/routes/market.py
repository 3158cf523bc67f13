"""Market data: the bars of now from the recorder, and stored history."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from workbench.api.routes.common import answer
from workbench.services.desk_answers import Bar
from workbench.services.desk_service import DeskService
from workbench.services.history import History

ContractQuery = Annotated[str, Query(min_length=1, max_length=64, examples=["CON.F.US.MES.Z26"])]
Timeframe = Annotated[str, Query(min_length=1, max_length=8, examples=["1m"])]
When = Annotated[str | None, Query(max_length=40, description="A trading date or Chicago time.")]


def routes(service: DeskService, history: History) -> APIRouter:
    """Return the routes of market data."""
    router = APIRouter(tags=["market"])

    @router.get("/bars", response_model=list[Bar])
    async def bars(
        contract: ContractQuery, timeframe: Timeframe = "1m", limit: int = Query(300, ge=1, le=20_000)
    ) -> Response:
        """Return the newest bars, ascending; the last one may still be forming."""
        return answer(await service.bars(contract, timeframe, limit))

    @router.get("/history/bars", response_model=list[Bar])
    async def stored(
        contract: ContractQuery,
        timeframe: Timeframe = "1m",
        start: When = None,
        end: When = None,
        limit: int = Query(1_000, ge=1, le=50_000),
        offset: int = Query(0, ge=0, le=100_000_000),
    ) -> Response:
        """Return stored bars of a contract, ascending from `start`; read by a process beside the desk."""
        asked = {"contract": contract, "timeframe": timeframe, "start": start, "end": end}
        rows, total = await asyncio.wait_for(history.bars(asked, limit, offset), 60)
        response = answer(rows)
        response.headers["x-total-count"] = str(total)
        return response

    return router
