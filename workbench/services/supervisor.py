"""The desk: logs in once, keeps runners and ingest alive, answers surfaces, and holds the red button."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import Any

from workbench.domain.errors import GatewayError, InputError, StopLatched, UnknownName
from workbench.domain.events import AccountReported
from workbench.domain.hours import trading_hours
from workbench.gateway.rest import Rest
from workbench.gateway.tokens import LoginTokens
from workbench.gateway.transport import Transport
from workbench.services.alerts import Channels
from workbench.services.broker import RestBroker
from workbench.services.budgets import lease_budgets
from workbench.services.children import Child
from workbench.services.clock import MarketClock, wall_ns
from workbench.services.desk_actions import DeskActions
from workbench.services.desk_file import TOKEN_ENV, ingest_lock
from workbench.services.desk_sessions import DeskSessions
from workbench.services.desk_view import DeskView
from workbench.services.hearts import Hearts
from workbench.services.link import ChildChannel, ask_for_all
from workbench.services.logs import hide
from workbench.services.open_hours import OpenHours
from workbench.services.projections import Projections, with_owners
from workbench.services.recorded import Recorded
from workbench.services.red_button import RedButton
from workbench.services.replica import Replica
from workbench.services.session_stop import stop_session
from workbench.services.settings import Profile
from workbench.services.shared_reads import SharedReads
from workbench.services.simulator_status import follow_simulator
from workbench.services.snapshot import fill_dict, order_dict
from workbench.services.unseated import Unseated
from workbench.storage.database import Database
from workbench.storage.home import Home
from workbench.storage.latch import read_latch
from workbench.storage.links import known_accounts, linked_accounts, load_link
from workbench.storage.lock import AccountLock
from workbench.storage.registry import Registry

log = logging.getLogger(__name__)
Json = dict[str, Any]
ACCOUNTS_EVERY_S = 30.0


class Desk(DeskActions, DeskSessions):
    """What the API serves; also the only place that logs in.

    Parameters
    ----------
    home : Home
        State and data.
    profile : Profile
        Gateway and login.
    token : str
        The desk's own token, handed to children.
    """

    def __init__(self, home: Home, profile: Profile, token: str) -> None:
        self.home, self.profile, self._token = home, profile, token
        self.url = ""
        self.app: Any = None
        self.clock = MarketClock()
        self.hours = OpenHours(self.clock.now)
        transport = Transport(profile.rest_url)
        self.tokens = LoginTokens(transport, profile.username, profile.api_key)
        self.rest = Rest(transport, self.tokens, now=self.clock.now)
        self.registry = Registry(home)
        self.runners: dict[int, Child] = {}
        self.ingest = self._ingest_child([])
        self.accounts: dict[int, AccountReported] = {}
        self.accounts_at = 0.0
        self.gateway_error = "not connected yet"
        self.alerts: deque[Json] = deque(maxlen=200)
        self._taken: deque[tuple[Any, Any, Any]] = deque(maxlen=400)  # account, time and text of what runners told
        self.channels = Channels("desk")
        self.hearts = Hearts(lambda: [self.ingest, *self.runners.values()], self.alert)
        self.begun = time.monotonic()
        self.button = RedButton(
            home,
            RestBroker(self.rest, urgent_reads=True),
            tell_runner=self._tell_runner,
            tell=self.alert,
            on_flat=self._now_flat,
            hours=self.hours,
        )
        self.view = DeskView(self)
        self.reads = SharedReads()
        self._refused: dict[str, str] = {}
        self.history = Projections(Database(home))
        self.recorded = Recorded(lambda: self.ingest, self.runners, self.alert)
        self._tasks: asyncio.TaskGroup | None = None

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self, ready: asyncio.Event) -> None:
        """Supervise until cancelled; children are ended then, journals and latches stay."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                if self.profile.is_simulator:
                    tasks.create_task(follow_simulator(self.profile.rest_url, self.clock))
                tasks.create_task(self._follow_accounts())
                tasks.create_task(lease_budgets(self))
                tasks.create_task(self.button.follow())
                tasks.create_task(self.channels.run())
                tasks.create_task(self.hearts.follow())
                await ready.wait()
                self.ingest.wanted = True
                tasks.create_task(self.ingest.watch(lambda: True))
                tasks.create_task(self.recorded.follow())
                tasks.create_task(Unseated(self).follow())
                for account in linked_accounts(self.home):
                    await self._take_up(account)
        finally:
            await asyncio.gather(self.ingest.end(), *(r.end() for r in self.runners.values()))
            await self.rest.aclose()

    async def _take_up(self, account: int) -> None:
        # What was traded goes on with the desk; an account that cannot is shown, and keeps no other from going on.
        if not (self.home.account(account) / "journal.wbj").exists() or self._latch(account) is not None:
            return
        try:
            await self.ensure_runner(account)
        except Exception as error:
            log.exception("the runner of account %s cannot be started", account)
            self.alert("critical", f"account {account} is not traded: {error}", account)

    def _child(self, name: str, module: str, arguments: list[str], lock: AccountLock) -> Child:
        environment = {TOKEN_ENV: self._token, "WORKBENCH_HOME": str(self.home.path)}
        output = self.home.logs / f"{name}.out"
        is_taken = lambda: lock.holder() is not None  # noqa: E731 - one expression
        return Child(name, module, arguments, environment, output, is_taken=is_taken, lock=lock, tell=self.alert)

    def _ingest_child(self, arguments: list[str]) -> Child:
        return self._child("ingest", "workbench.services.ingest_main", arguments, ingest_lock(self.home))

    def _runner_child(self, account: int) -> Child:
        arguments = ["--account", str(account), *self._gateway_arguments()]
        lock = AccountLock(self.home.account(account))
        child = self._child(f"runner-{account}", "workbench.services.runner_main", arguments, lock)
        if self._tasks is not None:
            self._tasks.create_task(child.watch(lambda: self._latch(account) is None))
        return child

    def _gateway_arguments(self) -> list[str]:
        simulated = ["--simulated"] if self.profile.is_simulator else []
        return ["--desk", self.url, "--rest", self.profile.rest_url, "--hubs", self.profile.hub_url, *simulated]

    async def ensure_runner(self, account: int) -> Child:
        """Return the runner of `account`, started if it was not there."""
        self._require_free(account)
        if account not in self.runners:
            self.runners[account] = self._runner_child(account)
        await self.runners[account].start()
        return self.runners[account]

    def started(self, url: str) -> None:
        """The desk serves at `url`; children may be told."""
        self.url = url
        self.ingest = self._ingest_child(self._gateway_arguments())

    async def _follow_accounts(self) -> None:
        while True:
            try:
                self.accounts = {a.account: a for a in await self.rest.accounts(only_active=False)}
                self.accounts_at = time.monotonic()
                self.gateway_error = ""
            except Exception as error:  # whatever the gateway sent: the desk must live to stop
                if not isinstance(error, GatewayError):
                    log.exception("the accounts cannot be read")
                if str(error) != self.gateway_error:
                    self.alert("warning", f"the gateway cannot be reached: {error}")
                self.gateway_error = str(error)
            await asyncio.sleep(ACCOUNTS_EVERY_S if not self.gateway_error else 2.0)

    def alert(self, level: str, text: str, account: int | None = None, market_at: int | None = None) -> None:
        """Show `text` on every surface, log it, and send it through the operator's channels when it is an alarm.

        `market_at` is when it was said (market time, UTC ns), now by default.
        """
        self._show(level, text, account, market_at)
        self.channels.put({"level": level, "text": text, "account": account})

    def _show(self, level: str, text: str, account: int | None = None, market_at: int | None = None) -> None:
        if market_at is None and (self.clock.announced or not self.profile.is_simulator):
            market_at = self.clock.now()
        told = {"at": wall_ns(), "market_at": market_at}
        self.alerts.append({**told, "level": level, "text": text, "account": account})
        log.log({"info": 20, "warning": 30}.get(level, 40), text)

    # --- children dial in -----------------------------------------------------------------------------------------

    def _take_alert(self, body: Json) -> None:
        # What a runner has already sent to the operator itself is shown, not sent again.
        # What may have been lost with a broken channel comes twice, with the same time, and is shown once.
        known = (body.get("account"), body.get("at"), body.get("text"))
        if body.get("at") is not None and known in self._taken:
            return
        self._taken.append(known)
        alert = self.alert if not body.get("sent") else self._show
        alert(str(body.get("level")), str(body.get("text")), body.get("account"), body.get("market_at"))

    def refuse_child(self, name: str, why: str) -> None:
        """Tell once that a child of another program was refused; it enters nothing, its positions keep their stops."""
        for child in (self.ingest, *self.runners.values()):
            if child.name == name:
                child.signed()  # it lives, so nobody must kill it for its silence
        if self._refused.get(name) != why:
            self._refused[name] = why
            self.alert("critical", f"{why} (refused: it may not work with this desk)")

    async def child_connected(self, name: str, pid: int, socket: Any) -> None:
        """Serve one child's channel until it goes."""
        self._refused.pop(name, None)
        child = self.ingest if name == "ingest" else self._runner_of(name)

        def on_push(kind: str, body: Json) -> None:
            if kind == "alert":
                self._take_alert(body)
            elif kind == "snapshot" and "seq" in body:
                if not replica.take(body) and self._tasks is not None:
                    self._tasks.create_task(ask_for_all(channel, name))
                child.heard(kind, replica.value)
            else:
                child.heard(kind, body)

        replica = Replica()
        channel = ChildChannel(socket, on_push)
        child.attach(channel, pid)
        try:
            await channel.listen()
        finally:
            child.detach(channel)

    def _runner_of(self, name: str) -> Child:
        account = int(name.removeprefix("runner-"))
        if account not in self.runners:  # an earlier desk started it: it goes on under us
            self.runners[account] = self._runner_child(account)
        return self.runners[account]

    async def gateway_token(self, stale: str | None) -> Json:
        """The one login's token; a child that shows a stale one gets another."""
        token = await (self.tokens.renew(stale) if stale else self.tokens.get())
        hide(token)
        return {"token": token}

    # --- what is stopped ---------------------------------------------------------------------------------------------

    def _latch(self, account: int | None) -> Any:
        return read_latch(self.home, account)

    def _require_free(self, account: int) -> None:
        latch = self._latch(account)
        if latch is not None:
            raise StopLatched(
                f"account {account} is stopped ({latch.reason}, by {latch.by}); clear it first: "
                "workbench stop --clear --reason …"
            )
        if load_link(self.home, account) is None:
            raise InputError(f"account {account} is not linked; link it first: workbench account link {account}")

    # --- the red button ---------------------------------------------------------------------------------------------

    async def stop(self, reason: str, account: int | None, person: str) -> Json:
        """Latch, take over, cancel, close, verify; the answer says FLAT or what remains."""
        known = {*self.all_accounts(), *self.accounts}
        if account is not None and known and account not in known:
            raise UnknownName("account", str(account), map(str, known), where="nothing was stopped")
        accounts = [account] if account is not None else self.all_accounts()
        return await self.button.stop(reason, account, person, accounts)

    async def stop_session(self, session: str, reason: str, person: str) -> Json:
        """End one session, cancel and close what it holds; the account is stopped when that is not confirmed in 2 s."""
        return await stop_session(self, session, reason, person)

    async def clear_stop(self, reason: str, person: str, account: int | None) -> Json:
        """Release the latch, after a clean reading of every account."""
        return await self.button.clear(reason, person, account)

    def all_accounts(self) -> list[int]:
        return sorted({*known_accounts(self.home), *self.runners})

    async def _tell_runner(self, account: int) -> None:
        runner = self.runners.get(account)
        if runner is None:
            return
        runner.wanted = False
        if runner.channel is not None:
            await runner.channel.request("stop", {}, 0.2)

    def _now_flat(self, account: int) -> None:
        # The last word of a runner that was stopped holds positions that are closed by now.
        runner = self.runners.get(account)
        snapshot = runner.last.get("snapshot", {}) if runner is not None else {}
        if snapshot:
            account_told = snapshot.get("account", {})
            unknown = {"equity_usd": None, "open_usd": None, "day_pnl_usd": None}
            if account_told.get("day_pnl_usd") is not None:  # what the shares of the other accounts are worked out from
                unknown["told_day_pnl_usd"] = account_told["day_pnl_usd"]
            snapshot["account"] = {**account_told, "positions": [], "working": [], **unknown}
            snapshot["sessions"] = [_closed(s) for s in snapshot.get("sessions", [])]

    # --- what surfaces read -------------------------------------------------------------------------------------------

    async def bars(self, contract: str, timeframe: str, limit: int) -> list[Json]:
        """Recent bars of `contract`, the last one still forming."""
        body = {"contract": self._contract(contract, contract), "timeframe": timeframe, "limit": limit}
        answer = await self.ingest.request("bars", body, 10.0)
        found: list[Json] = answer["bars"]
        return found

    async def orders(self, account: int | None) -> list[Json]:
        return await self._collect("orders", account)

    async def fills(self, account: int | None) -> list[Json]:
        return await self._collect("fills", account)

    async def _collect(self, verb: str, account: int | None) -> list[Json]:
        out: list[Json] = []
        for number, runner in self.runners.items():
            if account not in (None, number):
                continue
            if runner.channel is not None:
                out += (await runner.request(verb))["rows"]
            else:
                out += await self._at_the_broker(verb, number)
        return out

    async def _at_the_broker(self, verb: str, account: int) -> list[Json]:
        # With no runner to ask, the day is read from the broker: what closed a stopped account is there, too.
        # Pages ask twice a second: the budget of requests is for closing.
        return await self.reads.of((verb, account), lambda: self._read_the_day(verb, account))

    async def _read_the_day(self, verb: str, account: int) -> list[Json]:
        since = trading_hours("index").window_at(self.clock.now()).open
        if verb == "fills":
            return [fill_dict(f) for f in await self.rest.trades(account, since)]
        rows = [order_dict(o) for o in await self.rest.orders(account, since)]
        return await with_owners(self.history, account, rows) if rows else rows

    async def snapshot(self) -> Json:
        """The whole visible state; what is not known is None."""
        return self.view.snapshot()


def _closed(session: Json) -> Json:
    # What the close itself earned is in nobody's book: what was known before it is kept as that.
    known = session.get("pnl_usd")
    last = session.get("last_pnl_usd") if known is None else known
    return {**session, "position": 0, "pnl_usd": None, "last_pnl_usd": last}
