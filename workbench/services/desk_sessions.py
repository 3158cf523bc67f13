"""What a person does with sessions through the desk, and the orders beside them; mixed into `supervisor.Desk`."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import front_month, parse_contract, spec
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.hours import trading_hours
from workbench.rules.strategy import Strategy
from workbench.services.clock import wall_ns
from workbench.services.desk_bodies import Policies
from workbench.services.desk_service import ManualOrder, StartSession
from workbench.services.permission import require_permission
from workbench.services.strategies import resolve_strategy
from workbench.storage.links import load_link

if TYPE_CHECKING:
    from workbench.services.children import Child
    from workbench.services.supervisor import Desk

Json = dict[str, Any]
SHOWN_WITHIN_S = 1.5  # a runner tells its state four times a second
LOOK_S = 0.02


class DeskSessions:
    """Verbs of the desk that start, lead and end sessions."""

    async def start_session(self: Desk, request: StartSession) -> Json:
        """Register the version, make sure of the runner, and start."""
        strategy = resolve_strategy(request.strategy, self.registry)
        strategy = strategy.with_parameters(**request.parameters)
        version = self.registry.register(strategy, at=wall_ns()).version
        contract = self._contract(request.contract, strategy.roots[0])
        strategy.require_contract(contract)
        await self._require_permission(request.account, strategy)
        runner = await self.ensure_runner(request.account)
        session = f"{strategy.name}-{request.account}-{secrets.token_hex(3)}"
        body = {
            "session": session,
            "version": version,
            "contract": contract,
            "timeframe": strategy.timeframe,
            "parameters": dict(strategy.values),
            "person": "",
            **request.model_dump(include=set(Policies.model_fields)),
        }
        answer = await runner.request("start_session", body, 30.0)
        sessions = runner.last.setdefault("snapshot", {}).setdefault("sessions", [])
        if not any(s["session"] == session for s in sessions):
            sessions.append(answer)  # so that a command right behind it finds the session
        await self.watch_contracts([contract])
        return self.view.session(answer)

    async def _require_permission(self: Desk, account: int, strategy: Strategy) -> None:
        self._require_free(account)
        link = load_link(self.home, account)
        if self.profile.is_simulator or link is None:
            return
        warning = await asyncio.to_thread(require_permission, self.home, link.kind, strategy)
        if warning:
            self.alert("warning", warning, account)

    def _contract(self: Desk, written: str | None, root: str) -> str:
        today = trading_hours(spec(written or root)).trading_date(self.clock.now())
        if written is None:
            return front_month(root, today).id
        try:
            return parse_contract(written, near=today).id
        except InputError:
            return front_month(written, today).id

    async def watch_contracts(self: Desk, contracts: list[str]) -> None:
        """Have ingest record these contracts, now and after every restart of it."""
        await self.recorded.want(contracts)

    def find_session(self: Desk, session: str) -> tuple[int, Json]:
        """Return the account and the shown row of a session; UnknownName when there is none."""
        known: dict[str, tuple[int, Json]] = {}
        for account, runner in self.runners.items():
            for found in self.view.sessions(account, runner.last.get("snapshot", {})):
                known[found["session"]] = (account, found)
        if session not in known:
            raise UnknownName("session", session, known)
        return known[session]

    async def command_session(self: Desk, session: str, verb: str, person: str) -> Json:
        """Carry out a verb: start and resume let it trade, pause stops entries, flatten closes, end is for good.

        It returns when the runner has shown its state anew, so that whoever reads next sees none from before.
        """
        account, found = self.find_session(session)
        if found["state"] == "ended":
            raise InputError(f"session {session} is over; start a new one")
        runner = self.runners[account]
        if verb in ("start", "resume"):
            if found["state"] == "paused":  # its version may have been rolled back or retired since it began
                strategy = self.registry.get(found["version"]).with_parameters(**found["parameters"])
                await self._require_permission(account, strategy)
            runner = await self.ensure_runner(account)
        body = {"session": session, "contract": found["contract"], "person": person}
        answer = await runner.request("resume" if verb == "start" else verb, body)
        return self.view.session(await self._shown(runner, session) or answer)

    async def _shown(self: Desk, runner: Child, session: str) -> Json | None:
        before, until = runner.last.get("snapshot"), time.monotonic() + SHOWN_WITHIN_S
        while (shown := runner.last.get("snapshot")) is before:  # each that comes is a new one
            if runner.channel is None or time.monotonic() > until:
                return None
            await asyncio.sleep(LOOK_S)
        return next((row for row in (shown or {}).get("sessions", []) if row["session"] == session), None)

    async def manual_order(self: Desk, request: ManualOrder) -> Json:
        """An order by a person, through the account's own gate."""
        contract = self._contract(request.contract, request.contract)
        product = spec(contract)
        runner = await self.ensure_runner(request.account)
        body = {
            "request": request.request,
            "contract": contract,
            "side": 0 if request.side == "BUY" else 1,
            "type": {"MARKET": 2, "LIMIT": 1, "STOP": 4}[request.type],
            "qty": request.qty,
            "limit_ticks": None if request.limit_price is None else product.ticks(request.limit_price),
            "stop_ticks": None if request.stop_price is None else product.ticks(request.stop_price),
            "person": request.person,
        }
        return await runner.request("manual_order", body, 15.0)
