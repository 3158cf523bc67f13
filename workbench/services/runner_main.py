"""The runner as a process: `python -m workbench.services.runner_main --account … --desk …`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.contract import spec
from workbench.domain.errors import GatewayError, InputError, JournalDamaged, LockHeld, StorageError, WorkbenchError
from workbench.domain.hours import trading_hours
from workbench.execution.state import Rule
from workbench.gateway.client import GatewayClient, GatewayUrls, Handlers
from workbench.gateway.faults import GatewayRefused
from workbench.gateway.market_data import TradeSeen
from workbench.gateway.wire_hub import SimulatorClock
from workbench.services.alerts import Channels
from workbench.services.broker import RestBroker, fetch_closed
from workbench.services.children import ACCOUNT_TAKEN, CANNOT_RUN
from workbench.services.clock import MarketClock, wall_ns
from workbench.services.crash import only_reason
from workbench.services.desk_file import TOKEN_ENV, desk_now
from workbench.services.link import ChildLink, channel_at
from workbench.services.logs import hide, set_up
from workbench.services.open_hours import OpenHours
from workbench.services.pauses import spare_pauses
from workbench.services.reporter import Reporter
from workbench.services.runner import Runner, end_tasks
from workbench.services.runner_verbs import RunnerVerbs
from workbench.services.session_rule import name_of, session_rule
from workbench.services.snapshot import account_dict, session_dicts
from workbench.services.stop import emergency_stop
from workbench.services.tokens import DeskTokens
from workbench.services.watch import Watch
from workbench.storage.home import Home, home, read_json
from workbench.storage.latch import read_latch
from workbench.storage.links import LinkDamaged, load_link
from workbench.storage.lock import AccountLock
from workbench.storage.registry import Registry

log = logging.getLogger(__name__)
OTHERS_CLOSE_WITHIN_S = 2.0
LAST_WORD_S = 10.0


class LiveBroker(RestBroker):
    """REST plus the market hub's subscriptions."""

    def __init__(self, client: GatewayClient) -> None:
        super().__init__(client.rest)
        self._client = client

    async def watch(self, contract: str) -> None:
        """Have prints of `contract` come; of a refused one `on_refused` tells, and the hub asks for it again."""
        with contextlib.suppress(GatewayRefused):
            await self._client.watch_contract(contract)


class RunnerProcess:
    """Sockets, clock and desk link around one `Runner`."""

    def __init__(self, account: int, place: Home, options: argparse.Namespace, desk_token: str) -> None:
        self.account, self.home = account, place
        self.clock = MarketClock()
        self.simulated: bool = options.simulated
        self.registry = Registry(place)
        self._names: dict[str, str] = {}
        self._lost: list[str] = []
        self._early: list[e.Event] = []
        self._held_events: list[e.Event] = []
        self._desk_was_there, self._let_go_at = False, 0
        self._held_trades: list[TradeSeen] = []
        self._barriers: asyncio.Queue[int] = asyncio.Queue()
        self._first_clock = asyncio.Event()
        hubs = f"{options.hubs}/hubs"
        urls = GatewayUrls(rest=options.rest, user_hub=f"{hubs}/user", market_hub=f"{hubs}/market")
        handlers = Handlers(
            on_event=self._on_event,
            on_trades=self._on_trades,
            on_quote=lambda quote: self.watch.data.heard(quote.contract),
            on_clock=self._on_clock,
            on_fault=self._on_fault,
            on_refused=self._on_refused,
        )
        desk = partial(desk_now, place, options.desk, desk_token)
        tokens = DeskTokens(desk)
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
            bracket_mode=link.bracket_mode,
        )
        for text in dict.fromkeys(self._lost):
            self.runner.alert("critical", text)
        verbs = RunnerVerbs(self.runner, self.registry)
        table = verbs.table()
        self.link = ChildLink(lambda: channel_at(f"runner-{account}", desk), table, self.runner.on_refused)
        self.reporter = Reporter(self.runner, self.link, self._visible, Channels(f"runner-{account}"))
        table["whole"] = self.reporter.whole
        self.watch = Watch(self.runner, self._trades_now)

    def _rule(self, version: str, contract: str, parameters: dict[str, Any]) -> Rule:
        return session_rule(self.registry, version, parameters, self._lost.append)

    def _is_open(self) -> bool:
        return any(map(self._trades_now, self.runner.feed.contracts))

    def _trades_now(self, contract: str) -> bool:
        # A replay that is paused or in lockstep has no silence.
        stands = self.clock.lockstep or self.clock.rate <= 0
        return not stands and trading_hours(spec(contract)).is_open(self.clock.now())

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
            self.watch.data.heard(trade.contract)
            self.runner.on_print(trade.contract, trade.ts, trade.price, trade.size)

    def _on_clock(self, clock: SimulatorClock) -> None:
        self.clock.announce(clock.now, 0.0 if clock.lockstep else clock.rate, clock.seq, clock.lockstep)
        self.runner.reader.patient = self.runner.sender.patient = not clock.lockstep
        self._first_clock.set()
        if clock.lockstep:
            self._barriers.put_nowait(clock.seq)
        else:
            self.runner.on_clock()

    def _on_fault(self, text: str) -> None:
        self.runner.alert("warning", f"a message of the gateway could not be understood: {text}")
        self.runner.reader.request("a message could not be understood")

    def _on_refused(self, contract: str, reason: str) -> None:
        if reason:
            self.runner.feed.refused(contract)
            self.runner.alert("critical", f"no prices of {contract} come, its rules stand still: {reason}")
        else:
            self.runner.feed.served(contract)
            self.runner.alert("info", f"prices of {contract} come again")

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

    async def run(self, let_go: Callable[[], None]) -> str:
        """Trade until stopped; return why it ended. `let_go` is called when the account may go to somebody else."""
        await self.client.watch_account(self.account)
        if self.simulated:
            await self.client.follow_clock(f"runner-{self.account}")
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self.client.run_user()),
                tasks.create_task(self.client.run_market()),
                tasks.create_task(self._dial()),
                tasks.create_task(self.reporter.run()),
                tasks.create_task(self.watch.run()),
                tasks.create_task(self._begin()),
            ]
            try:
                reason = await self.runner.run()
                self._desk_was_there, self._let_go_at = self.link.connected, wall_ns()
                let_go()  # nothing is decided, sent or written any more: who closes need not wait for our sockets
            finally:
                await end_tasks(running)
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

    def _visible(self) -> dict[str, Any]:
        state = self.runner.state
        names = self._names_of(state.sessions.values())
        return {
            "account": account_dict(state, names),
            "sessions": session_dicts(state, names, self.runner.told.last_at),
            "signals": self.runner.told.signals(),
            "epoch": self.runner.epoch,
            "decided": self.runner.decided,
            "sent": self.runner.sender.sent,
            "fills": len(self.runner.fills),
            "streams": [
                {"name": f"runner-{self.account}.{hub.kind.value}", "up": hub.status.value == "ready"}
                for hub in (self.client.user, self.client.market)
            ],
        }

    def _names_of(self, sessions: Any) -> dict[str, str]:
        for session in sessions:
            if session.strategy not in self._names:
                self._names[session.strategy] = name_of(self.registry, session.strategy)
        return self._names

    async def close_alone(self, reason: str) -> None:
        """See to it that somebody closes, then end; with the desk dead or hung nobody else does."""
        if self._desk_was_there and await closed_by_another(self.home, self.account, self._let_go_at):
            return
        broker = RestBroker(self.client.rest, urgent_reads=True)
        latch = read_latch(self.home, self.account)
        result = await emergency_stop(
            self.home,
            [self.account],
            broker,
            reason=reason,
            by="runner",
            account=self.account if latch is None else latch.account,  # the stop of one account is not that of all
            is_open=OpenHours(self.clock.now).is_open,
        )
        text = f"account {self.account} stopped without a desk ({reason}): {result['result']} {result['remaining']}"
        log.warning("%s", text)
        self.reporter.channels.put({"level": "critical", "text": text})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await self.reporter.channels.flush()


async def closed_by_another(place: Home, account: int, since: int) -> bool:
    """Wait for whoever has stopped us to close the account; False when nobody does, or it did not become flat.

    `since` is when we let go of it (UTC ns): it may have been closed while our sockets were closing.
    """
    lock = AccountLock(place.account(account))
    patience = time.monotonic() + OTHERS_CLOSE_WITHIN_S
    while time.monotonic() < patience:
        if lock.holder() is not None:
            patience = time.monotonic() + OTHERS_CLOSE_WITHIN_S
        try:
            done = read_json(place.account(account) / "stop_result.json") or {}
        except StorageError:
            done = {}
        if int(done.get("at", 0)) >= since:
            return done.get("result") == "FLAT"
        await asyncio.sleep(0.05)
    return False


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
    spare_pauses()
    try:
        reason = await process.run(lock.release)
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
        except Exception as error:
            code = say_why(error)
    sys.exit(code)


def say_why(error: Exception) -> int:
    """Log why this process ends and say it as its last words; return the exit code."""
    reason = only_reason(error)
    if isinstance(reason, WorkbenchError):
        log.error("%s", reason)
    else:
        log.error("it failed", exc_info=error)
    sys.stderr.write(f"{str(reason) or type(reason).__name__}\n")
    if isinstance(reason, LockHeld):
        return ACCOUNT_TAKEN
    return CANNOT_RUN if isinstance(reason, InputError | JournalDamaged | LinkDamaged) else 1


if __name__ == "__main__":
    main()
