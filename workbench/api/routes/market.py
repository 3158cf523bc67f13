"""Market data: the bars of now from the recorder, and stored history."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import StringConstraints

from workbench.api.routes.common import answer
from workbench.services.data_answers import Bar, Chart, QualityReport, StoredSeries
from workbench.services.desk_service import DeskService
from workbench.services.history import History
from workbench.services.strategy_answers import Runnable

ContractQuery = Annotated[str, Query(min_length=1, max_length=64, examples=["CON.F.US.MES.Z26"])]
Timeframe = Annotated[str, Query(min_length=1, max_length=8, examples=["1m"])]
LineText = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Lines = Annotated[list[LineText] | None, Query(max_length=12, description="Indicators, as rules write them.")]
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
        async with asyncio.timeout(60):
            rows, total = await history.bars(asked, limit, offset)
        response = answer(rows)
        response.headers["x-total-count"] = str(total)
        return response

    @router.get("/data", response_model=list[StoredSeries])
    async def data() -> Response:
        """List what the store holds, by contract and timeframe."""
        return answer(await _read(history, "stored"))

    @router.get("/data/quality", response_model=QualityReport)
    async def quality(
        contract: ContractQuery, timeframe: Timeframe = "1m", start: When = None, end: When = None
    ) -> Response:
        """Return how complete and clean stored bars are, against the exchange's calendar."""
        asked = {"contract": contract, "timeframe": timeframe, "start": start, "end": end}
        return answer(await _read(history, "quality", **asked))

    @router.get("/data/chart", response_model=Chart)
    async def chart(
        contract: ContractQuery,
        timeframe: Timeframe = "1m",
        at: When = None,
        offset: Annotated[int | None, Query(ge=0, le=100_000_000)] = None,
        limit: int = Query(600, ge=1, le=5_000),
        line: Annotated[
            list[LineText] | None, Query(max_length=12, description="Indicators, as rules write them.")
        ] = None,
    ) -> Response:
        """Return stored bars around a date, from an offset, or the newest, with indicators over them."""
        asked = {"contract": contract, "timeframe": timeframe, "at": at, "offset": offset, "limit": limit}
        return answer(await _read(history, "chart", **asked, lines=line or []))

    @router.get("/runnable", response_model=list[Runnable])
    async def runnable() -> Response:
        """List what a backtest can run: shipped strategies and stored versions, with the parameters they declare."""
        return answer(await _read(history, "runnable"))

    return router


async def _read(history: History, what: str, **asked: Any) -> Any:
    async with asyncio.timeout(60):
        return await history.read(what, **asked)
