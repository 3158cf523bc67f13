"""Trading runs: list, start, and command."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from workbench.api.routes.common import answer, nothing
from workbench.services.desk_answers import SessionRow
from workbench.services.desk_bodies import SessionCommand, StartSession, StopSession, Verb
from workbench.services.desk_service import DeskService
from workbench.services.stop_answers import SessionStopped
from workbench.services.store_paths import strategy_of_request

SessionPath = Annotated[str, Path(min_length=1, max_length=128, examples=["sma-cross-1"])]


def routes(service: DeskService) -> APIRouter:
    """Return the routes of sessions."""
    router = APIRouter(tags=["sessions"])

    @router.get("/sessions", response_model=list[SessionRow])
    async def sessions() -> Response:
        """List the sessions of all accounts."""
        return answer((await service.snapshot())["sessions"])

    @router.get("/sessions/{session}", response_model=SessionRow)
    async def one_session(session: SessionPath) -> Response:
        """Return one session."""
        found = [s for s in (await service.snapshot())["sessions"] if s["session"] == session]
        return answer(found[0]) if found else nothing(f"session {session}")

    @router.post("/sessions", status_code=201, response_model=SessionRow)
    async def start_session(body: StartSession) -> Response:
        """Start a strategy on an account."""
        inside = body.model_copy(update={"strategy": strategy_of_request(body.strategy, service.home)})
        return answer(await service.start_session(inside), 201)

    @router.post("/sessions/{session}/emergency-stop", response_model=SessionStopped)
    async def emergency_stop(session: SessionPath, body: StopSession | None = None) -> Response:
        """Stop one session now; its account is stopped whole when the runner does not confirm within 2 s."""
        wish = body or StopSession()
        return answer(await service.stop_session(session, wish.reason, wish.person))

    @router.post("/sessions/{session}/{verb}", response_model=SessionRow)
    async def command_session(session: SessionPath, verb: Verb, body: SessionCommand | None = None) -> Response:
        """Pause, resume, flatten or end a session."""
        return answer(await service.command_session(session, verb, (body or SessionCommand()).person))

    return router
