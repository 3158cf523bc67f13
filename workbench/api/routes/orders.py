"""Orders and fills: list, place, modify, cancel; all through the account's own gate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from workbench.api.routes.common import AccountQuery, OrderPath, Page, answer, nothing, page
from workbench.domain.errors import InputError
from workbench.services.desk_answers import FillRow, OrderRow, Placed, Told
from workbench.services.desk_bodies import LARGEST, CancelOrder, ManualOrder, ModifyOrder
from workbench.services.desk_service import DeskService, OrderAction, Past

CURSORS = {"orders": "number", "fills": "trade_id", "sessions": "number", "days": "trading_date"}
Paging = Annotated[Page, Depends(page)]
ContractQuery = Annotated[str | None, Query(max_length=64, description="One contract only.")]
StatusQuery = Annotated[str | None, Query(max_length=16, description="Such as WORKING or FILLED.")]


def routes(service: DeskService) -> APIRouter:
    """Return the routes of orders and fills."""
    router = APIRouter(tags=["orders"])

    @router.get("/orders", response_model=list[OrderRow])
    async def orders(
        paging: Paging, account: AccountQuery = None, contract: ContractQuery = None, status: StatusQuery = None
    ) -> Response:
        """List the orders of this trading date; ``X-Total-Count`` says how many there are in all."""
        rows = await service.orders(account)
        return paging.of(_only(rows, contract=contract, status=status))

    @router.get("/orders/{order_id}", response_model=OrderRow)
    async def one_order(order_id: OrderPath, account: AccountQuery = None) -> Response:
        """Return one order of this trading date."""
        found = [o for o in await service.orders(account) if o["order_id"] == order_id]
        return answer(found[0]) if found else nothing(f"order {order_id}")

    @router.post("/orders", status_code=201, response_model=Placed)
    async def place(body: ManualOrder) -> Response:
        """Place an order by hand; its `request` is its Idempotency-Key unless one is sent."""
        return answer(await service.manual_order(body), 201)

    @router.post("/orders/{order_id}/modify", response_model=Placed)
    async def modify(order_id: OrderPath, body: ModifyOrder) -> Response:
        """Change price or size of a working order."""
        return answer(await service.order_action(OrderAction(kind="modify", order_id=order_id, **body.model_dump())))

    @router.post("/orders/{order_id}/cancel", response_model=Placed)
    async def cancel(order_id: OrderPath, body: CancelOrder) -> Response:
        """Cancel a working order."""
        return answer(await service.order_action(OrderAction(kind="cancel", order_id=order_id, **body.model_dump())))

    @router.get("/fills", response_model=list[FillRow])
    async def fills(paging: Paging, account: AccountQuery = None, contract: ContractQuery = None) -> Response:
        """List the fills of this trading date."""
        return paging.of(_only(await service.fills(account), contract=contract))

    @router.get("/trades", response_model=list[FillRow])
    async def trades(paging: Paging, account: AccountQuery = None, contract: ContractQuery = None) -> Response:
        """List the fills that closed something, with what they earned (the gateway's half-turn trades)."""
        rows = _only(await service.fills(account), contract=contract)
        return paging.of([row for row in rows if row["gross_pnl_usd"] is not None])

    @router.get("/history/{what}", response_model=list[Told])
    async def history(
        what: Past,
        account: Annotated[int, Query(ge=0, le=LARGEST, examples=[1001])],
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        before: Annotated[str | None, Query(max_length=32, description="Cursor: see `X-Next-Before`.")] = None,
    ) -> Response:
        """List orders, fills, sessions or trading dates of an account, the newest first, from its journal."""
        cursor = CURSORS[what]
        if before is not None and cursor != "trading_date" and not before.isdecimal():
            raise InputError(f"before={before!r} is not a {cursor}; take it from X-Next-Before of the page before")
        rows = await service.past(what, account, limit, before)
        response = answer(rows)
        if len(rows) == limit:
            response.headers["x-next-before"] = str(rows[-1][cursor])
        return response

    return router


def _only(rows: list[dict[str, Any]], **wanted: str | None) -> list[dict[str, Any]]:
    return [row for row in rows if all(value is None or row[name] == value for name, value in wanted.items())]
