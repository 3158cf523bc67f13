"""What a person does through the desk beside sessions: orders, positions, limits; mixed into `supervisor.Desk`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from workbench.domain.contract import spec
from workbench.domain.errors import UnknownName
from workbench.services.budgets import over_all, told_accounts
from workbench.services.desk_bodies import ChangeLimits, ReleaseHalts
from workbench.services.desk_service import OrderAction, Past
from workbench.services.limit_changes import change_limits, shown_limits
from workbench.services.monitor import monitor

if TYPE_CHECKING:
    from workbench.services.children import Child
    from workbench.services.supervisor import Desk

Json = dict[str, Any]
ACTION_S = 15.0


class DeskActions:
    """Verbs of the desk that act for a person."""

    async def order_action(self: Desk, action: OrderAction) -> Json:
        """Cancel or modify an order, close, part-close or reverse a position, through the account's own gate.

        Raises
        ------
        UnknownName
            The order is not one of this trading date.
        OffTick
            A price between two ticks.
        StopLatched
            The account is stopped; what it holds is the stop's.
        """
        runner = await self._runner_for(action.account)
        if action.order_id is not None:
            rows = (await runner.request("orders"))["rows"]
            named = {row["order_id"]: row["contract"] for row in rows if row["order_id"] is not None}
            if action.order_id not in named:
                raise UnknownName("order", str(action.order_id), map(str, named), where=f"account {action.account}")
            contract = named[action.order_id]
        else:
            contract = self._contract(action.contract, action.contract)
        product = spec(contract)
        body = {
            "request": action.request,
            "kind": action.kind,
            "contract": contract,
            "order_id": action.order_id,
            "qty": action.qty,
            "limit_ticks": None if action.limit_price is None else product.ticks(action.limit_price),
            "stop_ticks": None if action.stop_price is None else product.ticks(action.stop_price),
            "person": action.person,
            "seen_qty": action.seen_qty,
        }
        return await runner.request("order_action", body, ACTION_S)

    async def _runner_for(self: Desk, account: int) -> Child:
        known = {*self.accounts, *self.runners, *self.all_accounts()}
        if account not in known:
            raise UnknownName("account", str(account), map(str, known))
        return await self.ensure_runner(account)

    async def release(self: Desk, account: int, wish: ReleaseHalts) -> Json:
        """End the halts of an account that a person ends, after a clean reading of the broker.

        Raises
        ------
        UnknownName
            No such account.
        StopLatched
            The account is stopped; the stop is cleared, not released.
        """
        runner = await self._runner_for(account)
        told = await runner.request("release", wish.model_dump(), ACTION_S)
        return {"account": account, **told}

    async def stop_strategy(self: Desk, strategy: str, account: int | None, reason: str, person: str) -> Json:
        """Stop every session of a strategy side by side; an account that does not confirm is stopped whole."""
        rows = [
            {**row, "account": number}
            for number, runner in self.runners.items()
            for row in self.view.sessions(number, runner.last.get("snapshot", {}))
            if row["state"] != "ended" and account in (None, number)
        ]
        chosen = [row for row in rows if strategy in (row["strategy"], row["version"])]
        if not chosen:
            names = {row["strategy"] for row in rows}
            raise UnknownName("running strategy", strategy, names, where="nothing was stopped")
        results = await asyncio.gather(*(self.stop_session(row["session"], reason, person) for row in chosen))
        return {
            "strategy": strategy,
            "ended": [row["session"] for row in chosen],
            "escalated": sorted({each["account"] for each in results if each["escalated"]}),
            "results": list(results),
        }

    async def past(self: Desk, what: Past, account: int, limit: int, before: str | None) -> list[Json]:
        """Return rows of an account's history from the projections of its journal, the newest first."""
        cursor = before if before is None or what == "days" else int(before)
        read: Any = getattr(self.history, what)
        rows: list[Json] = await asyncio.to_thread(read, account, limit, cursor)
        return rows

    async def monitor(self: Desk) -> Json:
        """Return exposure, equity, drawdown and headroom of all accounts (null where a part is not known)."""
        accounts = [a for a in (await self.snapshot())["accounts"] if a["linked"] or a["account"] in self.runners]
        told = {each["account"]: each for each in told_accounts(self)}
        rows = [{**told.get(a["account"], {}), **{k: v for k, v in a.items() if v is not None}} for a in accounts]
        return monitor(rows, await asyncio.to_thread(over_all, self))

    async def limits(self: Desk) -> Json:
        """Return the limits of every level and how they came to be."""
        return await asyncio.to_thread(shown_limits, self.home)

    async def change_limits(self: Desk, change: ChangeLimits, *, tighten: bool) -> Json:
        """Write new limits; runners take them up from the file within a second."""
        running = {s["account"] for s in (await self.snapshot())["sessions"] if s["state"] != "ended"}
        return await asyncio.to_thread(change_limits, self.home, change, tighten=tighten, running=running)
