"""The runner as a process: `python -m workbench.services.runner_main --account … --desk …`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
from functools import partial
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.contract import spec
from workbench.domain.errors import GatewayError, InputError, LockHeld, WorkbenchError
from workbench.domain.hours import trading_hours
from workbench.execution.state import Rule
from workbench.gateway.client import GatewayClient, GatewayUrls, Handlers
from workbench.gateway.market_data import TradeSeen
from workbench.gateway.wire_hub import SimulatorClock
from workbench.services.broker import RestBroker, fetch_closed
from workbench.services.clock import MarketClock
from workbench.services.desk_file import TOKEN_ENV
from workbench.services.link import ChildLink
from workbench.services.logs import hide, set_up
from workbench.services.runner import Runner
from workbench.services.runner_verbs import RunnerVerbs
from workbench.services.snapshot import account_dict, session_dicts
from workbench.services.stop import emergency_stop
from workbench.services.tokens import DeskTokens
from workbench.storage.home import Home, home
from workbench.storage.latch import read_latch
from workbench.storage.links import load_link
from workbench.storage.lock import AccountLock
from workbench.storage.registry import Registry

log = logging.getLogger(__name__)
SNAPSHOT_EVERY_S = 0.25
ACCOUNT_TAKEN, NOT_LINKED = 3, 4  # exit codes that the supervisor shows


class LiveBroker(RestBroker):
    """REST plus the market hub's subscriptions."""

    def __init__(self, client: GatewayClient) -> None:
        super().__init__(client.rest)
        self._client = client

    async def watch(self, contract: str) -> None:
        """Have prints of `contract` come."""
        await self._client.watch_contract(contract)


class RunnerProcess:
    """Sockets, clock and desk link around one `Runner`."""

    def __init__(self, account: int, place: Home, options: argparse.Namespace, desk_token: str) -> None:
        self.account, self.home = account, place
        self.clock = MarketClock()
        self.simulated: bool = options.simulated
        self.registry = Registry(place)
        self._names: dict[str, str] = {}
        self._early: list[e.Event] = []
        self._held_events: list[e.Event] = []
        self._desk_was_there = False
        self._held_trades: list[TradeSeen] = []
        self._barriers: asyncio.Queue[int] = asyncio.Queue()
        self._first_clock = asyncio.Event()
        hubs = f"{options.hubs}/hubs"
        urls = GatewayUrls(rest=options.rest, user_hub=f"{hubs}/user", market_hub=f"{hubs}/market")
        handlers = Handlers(
            on_event=self._on_event, on_trades=self._on_trades, on_clock=self._on_clock, on_fault=self._on_fault
        )
        tokens = DeskTokens(options.desk, desk_token)
        self.client = GatewayClient(urls, tokens, handlers, is_market_open=self._is_open, now=self.clock.now)
        link = load_link(place, account)
        if link is None:
            raise InputError(f"account {account} is not linked; link it first: workbench account link {account}")
        self.runner = Runner(
            account=account,
            home=place,
            gateway=LiveBroker(self.client),
            fetch=partial(fetch_closed, self.client.rest),
            clock=self.clock,
            rules=self._rule,
            limits=link.limits,
        )
        verbs = RunnerVerbs(self.runner, self.registry)
        socket = options.desk.replace("http", "ws", 1)
        name = f"runner-{account}"
        self.link = ChildLink(f"{socket}/internal/child/{name}/{os.getpid()}", desk_token, verbs.table())

    def _rule(self, version: str, contract: str, parameters: dict[str, Any]) -> Rule:
        return self.registry.get(version).with_parameters(**parameters).start()

    def _is_open(self) -> bool:
        if self.clock.lockstep or self.clock.rate <= 0:
            return False
        now = self.clock.now()
        return any(trading_hours(spec(c)).is_open(now) for c in self.runner.feed.contracts)

    # --- what the hubs bring; in lockstep it waits for the barrier, so that two runs see the same order -------------

    def _on_event(self, event: e.Event) -> None:
        if self.simulated and not self._first_clock.is_set():
            self._early.append(event)  # its time would be the wall clock's
        elif isinstance(event, e.StreamChanged):
            self.runner.on_stream(event.hub, event.up, event.reason)
        elif self.clock.lockstep:
            self._held_events.append(event)
        else:
            self.runner.on_event(event)

    def _on_trades(self, trades: list[TradeSeen]) -> None:
        if self.clock.lockstep:
            self._held_trades += trades
            return
        for trade in trades:
            self.runner.on_print(trade.contract, trade.ts, trade.price, trade.size)

    def _on_clock(self, clock: SimulatorClock) -> None:
        self.clock.announce(clock.now, 0.0 if clock.lockstep else clock.rate, clock.seq, clock.lockstep)
        self.runner.reader.patient = not clock.lockstep
        self._first_clock.set()
        if clock.lockstep:
            self._barriers.put_nowait(clock.seq)
        else:
            self.runner.on_clock()

    def _on_fault(self, text: str) -> None:
        self.runner.alert("warning", f"a message of the gateway could not be understood: {text}")
        self.runner.reader.request("a message could not be understood")

    async def _lockstep(self) -> None:
        while True:
            seq = await self._barriers.get()
            events, self._held_events = self._held_events, []
            trades, self._held_trades = self._held_trades, []
            for event in events:
                self.runner.on_event(event)
            for trade in trades:
                self.runner.on_print(trade.contract, trade.ts, trade.price, trade.size)
            self.runner.on_clock()
            self.runner.lanes.put(e.TimerFired(at=self.clock.now()))
            await self._settle()
            await self.client.acknowledge(seq)

    async def _settle(self) -> None:
        # What our commands brought about comes over the user hub: an answered call behind it shows that it is all here.
        sent = -1
        while sent != self.runner.sender.sent:
            sent = self.runner.sender.sent
            await self.runner.settle()
            if sent == self.runner.sender.sent:
                return
            with contextlib.suppress(GatewayError):
                await self.client.user.invoke("SubscribeAccounts")
            events, self._held_events = self._held_events, []
            for event in events:
                self.runner.on_event(event)

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> str:
        """Trade until stopped; return why it ended."""
        await self.client.watch_account(self.account)
        if self.simulated:
            await self.client.follow_clock(f"runner-{self.account}")
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.client.run_user()),
                tasks.create_task(self.client.run_market()),
                tasks.create_task(self._dial()),
                tasks.create_task(self._push()),
                tasks.create_task(self._begin()),
            ]
            try:
                reason = await self.runner.run()
                self._desk_was_there = self.link.connected
            finally:
                for task in running:
                    task.cancel()
        return reason

    async def _begin(self) -> None:
        if self.simulated:  # market time first: nothing is decided on the wall clock in a replay
            await self._first_clock.wait()
        self.runner.start()
        early, self._early = self._early, []
        for event in early:
            self._on_event(msgspec.structs.replace(event, at=self.clock.now()))
        await self._lockstep()

    async def _dial(self) -> None:
        if self.simulated:  # a command is stamped with market time, so that must be known
            await self._first_clock.wait()
        await self.link.run()

    async def _push(self) -> None:
        sent_alerts = 0
        while True:
            state = self.runner.state
            body = {
                "account": account_dict(state),
                "sessions": session_dicts(state, self._names_of(state.sessions.values())),
                "epoch": self.runner.epoch,
                "decided": self.runner.decided,
                "sent": self.runner.sender.sent,
                "fills": len(self.runner.fills),
                "streams": [
                    {"name": f"runner-{self.account}.{hub.kind.value}", "up": hub.status.value == "ready"}
                    for hub in (self.client.user, self.client.market)
                ],
            }
            self.link.push("snapshot", body)
            alerts = list(self.runner.alerts)
            if self.link.connected:
                for alert in alerts[sent_alerts:]:
                    self.link.push("alert", alert)
                sent_alerts = len(alerts)
            await asyncio.sleep(SNAPSHOT_EVERY_S)

    def _names_of(self, sessions: Any) -> dict[str, str]:
        for session in sessions:
            if session.strategy not in self._names:
                self._names[session.strategy] = self.registry.get(session.strategy).name
        return self._names

    async def close_alone(self, reason: str) -> None:
        """With the desk dead nobody else closes: do it here, then end."""
        if self._desk_was_there:
            return
        broker = RestBroker(self.client.rest, urgent_reads=True)
        result = await emergency_stop(self.home, [self.account], broker, reason=reason, by="runner")
        log.warning("stopped without a desk: %s %s", result["result"], result["remaining"])


async def run(options: argparse.Namespace) -> int:
    """Hold the account's lock and trade; return the exit code."""
    place = home(options.home)
    token = os.environ.get(TOKEN_ENV, "")
    hide(token)
    if latch := read_latch(place, options.account):
        log.warning("account %s is stopped: %s", options.account, latch.reason)
        return 0
    lock = AccountLock(place.account(options.account))
    lock.acquire("runner")
    process = RunnerProcess(options.account, place, options, token)
    try:
        reason = await process.run()
    finally:
        lock.release()
    if read_latch(place, options.account) is not None:
        await process.close_alone(reason)
    return 0


def main() -> None:
    """Parse, run, and say in one line why it could not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--account", type=int, required=True)
    parser.add_argument("--home", default=None)
    for name in ("--desk", "--rest", "--hubs"):
        parser.add_argument(name, required=True)
    parser.add_argument("--simulated", action="store_true")
    options = parser.parse_args()
    set_up(f"runner-{options.account}", home(options.home).logs)
    code = 1
    with contextlib.suppress(KeyboardInterrupt):
        try:
            code = asyncio.run(run(options))
        except LockHeld as error:
            log.error("%s", error)  # noqa: TRY400 - a reason, not a traceback
            code = ACCOUNT_TAKEN
        except WorkbenchError as error:
            log.error("%s", error)  # noqa: TRY400
            sys.stderr.write(f"{error}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
