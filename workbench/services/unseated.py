"""Sessions whose version may not start any more where they are: rolled back, retired, replaced. Told, never ended.

A session that runs is not ended by a change in a database: a position would lose the rule that guards it. A person is
told once, and again when the reason changes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from workbench.domain.account import AccountKind
from workbench.domain.errors import InputError, StorageError
from workbench.services.permission import require_permission
from workbench.storage.links import load_link

if TYPE_CHECKING:
    from workbench.services.supervisor import Desk

log = logging.getLogger(__name__)
LOOK_EVERY_S = 30.0


class Unseated:
    """Looks at the living sessions of a desk.

    Parameters
    ----------
    desk : Desk
        Whose sessions are looked at; a simulator's take any version.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: dict[str, str] = {}  # session -> why

    async def follow(self) -> None:
        """Look every half minute, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except Exception:  # one look that fails must not end the desk
                log.exception("the versions of the sessions could not be looked at")

    async def look(self) -> None:
        """Tell of each session that could not be started now as it is."""
        if self._desk.profile.is_simulator:
            return
        found: dict[str, str] = {}
        for account, runner in self._desk.runners.items():
            link = load_link(self._desk.home, account)
            if link is None:
                continue
            for row in self._desk.view.sessions(account, runner.last.get("snapshot", {})):
                if row["state"] == "ended":
                    continue
                try:
                    await asyncio.to_thread(self._ask, link.kind, row)
                except InputError as error:
                    found[row["session"]] = str(error)
                    self._tell(account, row["session"], row["state"], str(error))
                except StorageError as error:  # not known is not unseated; starts are refused by it
                    log.warning("whether session %s may still trade is not known: %s", row["session"], error)
                    if row["session"] in self._told:
                        found[row["session"]] = self._told[row["session"]]
        self._told = found

    def _ask(self, kind: AccountKind, row: dict[str, Any]) -> None:
        strategy = self._desk.registry.get(row["version"]).with_parameters(**row["parameters"])
        require_permission(self._desk.home, kind, strategy)

    def _tell(self, account: int, session: str, state: str, why: str) -> None:
        if self._told.get(session) == why:
            return
        goes_on = "it trades on" if state == "running" else f"it is {state} and may trade again"
        text = f"session {session} holds a version that could not start now: {why}. {goes_on} until it is ended"
        self._desk.alert("warning", text, account)
