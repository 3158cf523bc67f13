"""Positions: list, one, close, part-close, reverse, and what each has earned."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from workbench.api.routes.common import AccountPath, AccountQuery, ContractPath, answer, nothing
from workbench.services.desk_answers import Performance, Placed, PositionRow
from workbench.services.desk_bodies import ClosePosition, PartClosePosition, ReversePosition
from workbench.services.desk_service import DeskService, OrderAction

Json = dict[str, Any]
Wish = ClosePosition | PartClosePosition | ReversePosition


def routes(service: DeskService) -> APIRouter:
    """Return the routes of positions."""
    router = APIRouter(tags=["positions"])
    one = "/positions/{account}/{contract}"

    async def rows(account: int | None) -> list[Json]:
        accounts = (await service.snapshot())["accounts"]
        return [
            {"account": a["account"], **p} for a in accounts if account in (None, a["account"]) for p in a["positions"]
        ]

    async def act(kind: Any, account: int, contract: str, body: Wish) -> Response:
        action = OrderAction(kind=kind, account=account, contract=contract, **body.model_dump())
        return answer(await service.order_action(action))

    @router.get("/positions", response_model=list[PositionRow])
    async def positions(account: AccountQuery = None) -> Response:
        """List the open positions of all accounts."""
        return answer([row for row in await rows(account) if row["qty"]])

    @router.get(one, response_model=PositionRow)
    async def position(account: AccountPath, contract: ContractPath) -> Response:
        """Return one position."""
        found = [row for row in await rows(account) if row["contract"] == contract]
        return answer(found[0]) if found else nothing(f"position in {contract} of account {account}")

    @router.get(one + "/performance", response_model=Performance)
    async def performance(account: AccountPath, contract: ContractPath) -> Response:
        """Return what this contract has earned on this trading date."""
        fills = [f for f in await service.fills(account) if f["account"] == account and f["contract"] == contract]
        found = [row for row in await rows(account) if row["contract"] == contract]
        if not fills and not found:
            return nothing(f"trade or position in {contract} of account {account} on this trading date")
        return answer(_performance(account, contract, fills, found[0] if found else None))

    @router.post(one + "/close", response_model=Placed)
    async def close(account: AccountPath, contract: ContractPath, body: ClosePosition) -> Response:
        """Close the position at the market; its own working orders go with it."""
        return await act("close", account, contract, body)

    @router.post(one + "/part-close", response_model=Placed)
    async def part_close(account: AccountPath, contract: ContractPath, body: PartClosePosition) -> Response:
        """Close part of the position at the market."""
        return await act("part_close", account, contract, body)

    @router.post(one + "/reverse", response_model=Placed)
    async def reverse(account: AccountPath, contract: ContractPath, body: ReversePosition) -> Response:
        """Close the position and open the same size on the other side, through the gate."""
        return await act("reverse", account, contract, body)

    return router


def _performance(account: int, contract: str, fills: list[Json], position: Json | None) -> Json:
    closed = [f["gross_pnl_usd"] for f in fills if f["gross_pnl_usd"] is not None]
    realized, fees = round(sum(closed), 2), round(sum(f["fees_usd"] or 0.0 for f in fills), 2)
    open_usd = position["open_usd"] if position else 0.0
    return {
        "account": account,
        "contract": contract,
        "qty": position["qty"] if position else 0,
        "fills": len(fills),
        "contracts_traded": sum(abs(f["qty"]) for f in fills),
        "realized_usd": realized,
        "fees_usd": fees,
        "open_usd": open_usd,
        "net_usd": None if open_usd is None else round(realized + open_usd - fees, 2),
        "wins": sum(usd > 0 for usd in closed),
        "losses": sum(usd < 0 for usd in closed),
    }
