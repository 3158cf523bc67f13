"""What a person does about an account as a whole: releasing what halts it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from workbench.api.routes.common import AccountPath, answer
from workbench.services.desk_bodies import ReleaseHalts
from workbench.services.desk_service import DeskService
from workbench.services.stop_answers import HaltsReleased


def routes(service: DeskService) -> APIRouter:
    """Return the routes of accounts that change something."""
    router = APIRouter(prefix="/accounts", tags=["accounts"])

    @router.post("/{account}/release", response_model=HaltsReleased)
    async def release(account: AccountPath, body: ReleaseHalts) -> Response:
        """Release a clock jump, or an unknown product that is gone, after a clean reading of the broker."""
        return answer(await service.release(account, body))

    return router
