"""What a runner tells: its state to the desk, its alarms to the desk or, when none listens, to the operator."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from workbench.services.alerts import Channels
from workbench.services.link import PING_S, ChildLink
from workbench.services.replica import Outgoing
from workbench.services.runner import Runner

log = logging.getLogger(__name__)
Json = dict[str, Any]
EVERY_S = 0.25
ALONE_AFTER_S = 2.0  # without a desk for so long, alarms go out from here
GONE_AFTER_S = 10.0  # ... and the missing desk is an alarm of its own
UNCERTAIN_S = 2 * PING_S + 2.0  # what was told a desk that then went silent may never have been read


class Reporter:
    """Pushes the runner's state as numbered changes, and sees to it that no alarm is lost with the desk.

    Parameters
    ----------
    runner : Runner
    link : ChildLink
    state : callable
        Returns the visible state by parts.
    channels : Channels
        The operator's, used while no desk listens.
    """

    def __init__(self, runner: Runner, link: ChildLink, state: Callable[[], Json], channels: Channels) -> None:
        self._runner, self._link, self._state, self.channels = runner, link, state, channels
        self._outgoing = Outgoing()
        self._pushed = 0  # alerts that the desk was told, or that were sent from here
        self._recent: deque[tuple[float, Json]] = deque(maxlen=100)
        self._alone: list[Json] = []  # sent from here; a desk that comes back shows them
        self._was_connected = False
        self._gone_told = False
        self._unshown = ""  # why the state could not be told
        self._began = time.monotonic()

    async def whole(self, body: Json) -> Json:
        """The desk's verb: send everything next time."""
        self._outgoing.want_whole()
        return {}

    async def run(self) -> None:
        """Report for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.channels.run())
            while True:
                self.report()
                await asyncio.sleep(EVERY_S)

    def report(self) -> None:
        """Report once."""
        connected = self._link.connected
        if connected and not self._was_connected:
            self._outgoing.want_whole()
            self._come_back()
        elif self._was_connected and not connected:
            self._send_what_may_be_lost()
        self._was_connected = connected
        if connected:
            self._show()
        self._pass_on(connected)

    def _show(self) -> None:
        try:
            state = self._state()
        except Exception as error:  # what cannot be shown must not end who trades
            if str(error) != self._unshown:
                self._unshown = str(error)
                log.exception("the state cannot be shown")
                text = f"what the runner of account {self._runner.account} does cannot be shown, it trades on: {error}"
                self._runner.alert("critical", text)
            return
        self._unshown = ""
        self._link.push("snapshot", self._outgoing.next(state))

    def _lonely_s(self) -> float:
        return 0.0 if self._link.lost_at is None else time.monotonic() - max(self._link.lost_at, self._began)

    def _pass_on(self, connected: bool) -> None:
        lonely = self._lonely_s()
        if not connected and lonely > GONE_AFTER_S and not self._gone_told:
            self._gone_told = True
            self._runner.alert(
                "critical",
                f"no desk has listened for {lonely:.0f} s: the runner of account {self._runner.account} goes on alone; "
                "workbench desk starts one, workbench stop closes everything without one",
            )
        if not connected and lonely < ALONE_AFTER_S:
            return
        new = self._runner.alerts_since(self._pushed)
        self._pushed = self._runner.alerted
        for alert in new:
            if connected:
                self._link.push("alert", alert)
                self._recent.append((time.monotonic(), alert))
            else:
                self.channels.put(alert)
                self._alone.append(alert)

    def _send_what_may_be_lost(self) -> None:
        for at, alert in self._recent:
            if time.monotonic() - at < UNCERTAIN_S:
                self.channels.put(alert)
                self._alone.append(alert)  # the desk knows by its time whether it has shown it
        self._recent.clear()

    def _come_back(self) -> None:
        self._gone_told = False
        for alert in self._alone[-50:]:
            self._link.push("alert", {**alert, "sent": True})
        self._alone.clear()
