"""What is: health, the snapshot, accounts and their headroom, sessions, the monitor across accounts."""

from __future__ import annotations

from fastapi import APIRouter, Response

from workbench.api.routes.common import AccountPath, answer, nothing
from workbench.services.desk_answers import AccountRow, Headroom, Health, State, Told
from workbench.services.desk_service import DeskService
from workbench.services.schema import identity


def routes(service: DeskService) -> APIRouter:
    """Return the routes that read the desk's state."""
    router = APIRouter(tags=["state"])

    @router.get("/health", response_model=Health)
    async def health() -> Response:
        """Say that the desk lives; needs no token."""
        return answer({"status": "ok", "service": "workbench desk", **identity()})

    @router.get("/state", response_model=State)
    async def state() -> Response:
        """Return everything that can be seen at one instant."""
        return answer(await service.snapshot())

    @router.get("/accounts", response_model=list[AccountRow])
    async def accounts() -> Response:
        """List the accounts with money, positions, working orders and headroom."""
        return answer((await service.snapshot())["accounts"])

    @router.get("/accounts/{account}", response_model=AccountRow)
    async def one_account(account: AccountPath) -> Response:
        """Return one account."""
        found = [a for a in (await service.snapshot())["accounts"] if a["account"] == account]
        return answer(found[0]) if found else nothing(f"account {account}")

    @router.get("/accounts/{account}/headroom", response_model=list[Headroom])
    async def headroom(account: AccountPath) -> Response:
        """Return how much of each limit an account has used."""
        found = [a for a in (await service.snapshot())["accounts"] if a["account"] == account]
        return answer(found[0]["headroom"]) if found else nothing(f"account {account}")

    @router.get("/monitor", response_model=Told)
    async def monitor() -> Response:
        """Return exposure, equity, drawdown and headroom across accounts and sessions."""
        return answer(await service.monitor())

    return router
