"""The desk: logs in once, keeps runners and ingest alive, answers surfaces, and holds the red button."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from typing import Any

from workbench.domain.account import kind_from_name
from workbench.domain.contract import front_month, parse_contract, spec
from workbench.domain.errors import GatewayError, InputError, StopLatched, UnknownName
from workbench.domain.events import AccountReported
from workbench.domain.hours import local, trading_hours
from workbench.gateway.rest import Rest
from workbench.gateway.tokens import LoginTokens
from workbench.gateway.transport import Transport
from workbench.services.broker import RestBroker
from workbench.services.children import Child
from workbench.services.clock import MarketClock, wall_ns
from workbench.services.desk_file import TOKEN_ENV
from workbench.services.desk_service import ManualOrder, StartSession
from workbench.services.link import ChildChannel, ChildSilent
from workbench.services.settings import Profile
from workbench.services.simulator_status import follow_simulator
from workbench.services.stop import emergency_stop
from workbench.services.strategies import resolve_strategy
from workbench.storage.home import Home, read_json
from workbench.storage.latch import clear_latch, read_latch
from workbench.storage.links import linked_accounts, load_link
from workbench.storage.registry import Registry

log = logging.getLogger(__name__)
Json = dict[str, Any]
RETRY_STOP_S = 5.0
ACCOUNTS_EVERY_S = 30.0


class Desk:
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
        transport = Transport(profile.rest_url)
        self.tokens = LoginTokens(transport, profile.username, profile.api_key)
        self.rest = Rest(transport, self.tokens, now=self.clock.now)
        self.registry = Registry(home)
        self.runners: dict[int, Child] = {}
        self.ingest = self._child("ingest", "workbench.services.ingest_main", [])
        self.accounts: dict[int, AccountReported] = {}
        self.gateway_error = "not connected yet"
        self.alerts: deque[Json] = deque(maxlen=200)
        self.begun = time.monotonic()
        self.stop_result: Json | None = None
        self._stops_running = 0
        self._handled: set[tuple[str, int]] = set()
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
                tasks.create_task(self._follow_latch())
                await ready.wait()
                tasks.create_task(self.ingest.watch(lambda: True))
                await self.ingest.start()
                for account in linked_accounts(self.home):
                    if (self.home.account(account) / "journal.wbj").exists() and self._latch(account) is None:
                        await self.ensure_runner(account)
        finally:
            await asyncio.gather(self.ingest.end(), *(r.end() for r in self.runners.values()))
            await self.rest.aclose()

    def _child(self, name: str, module: str, arguments: list[str]) -> Child:
        environment = {TOKEN_ENV: self._token, "WORKBENCH_HOME": str(self.home.path)}
        return Child(name, module, arguments, environment, self.home.logs / f"{name}.out")

    def _gateway_arguments(self) -> list[str]:
        simulated = ["--simulated"] if self.profile.is_simulator else []
        return ["--desk", self.url, "--rest", self.profile.rest_url, "--hubs", self.profile.hub_url, *simulated]

    async def ensure_runner(self, account: int) -> Child:
        """Return the runner of `account`, started if it was not there."""
        self._require_free(account)
        if account not in self.runners:
            arguments = ["--account", str(account), *self._gateway_arguments()]
            child = self._child(f"runner-{account}", "workbench.services.runner_main", arguments)
            self.runners[account] = child
            if self._tasks is not None:
                self._tasks.create_task(child.watch(lambda: self._latch(account) is None))
        await self.runners[account].start()
        return self.runners[account]

    def started(self, url: str) -> None:
        """The desk serves at `url`; children may be told."""
        self.url = url
        self.ingest = self._child("ingest", "workbench.services.ingest_main", self._gateway_arguments())

    async def _follow_accounts(self) -> None:
        while True:
            try:
                self.accounts = {a.account: a for a in await self.rest.accounts(only_active=False)}
                self.gateway_error = ""
            except GatewayError as error:
                if str(error) != self.gateway_error:
                    self.alert("warning", f"the gateway cannot be reached: {error}")
                self.gateway_error = str(error)
            await asyncio.sleep(ACCOUNTS_EVERY_S if not self.gateway_error else 2.0)

    def alert(self, level: str, text: str, account: int | None = None) -> None:
        """Show `text` on every surface and log it."""
        self.alerts.append({"at": wall_ns(), "level": level, "text": text, "account": account})
        log.log({"info": 20, "warning": 30}.get(level, 40), text)

    # --- children dial in -----------------------------------------------------------------------------------------

    async def child_connected(self, name: str, pid: int, socket: Any) -> None:
        """Serve one child's channel until it goes."""
        child = self.ingest if name == "ingest" else self._runner_of(name)

        def on_push(kind: str, body: Json) -> None:
            if kind == "alert":
                self.alert(str(body.get("level")), str(body.get("text")), body.get("account"))
            else:
                child.last[kind] = body

        channel = ChildChannel(socket, on_push)
        child.attach(channel, pid)
        try:
            await channel.listen()
        finally:
            child.detach(channel)

    def _runner_of(self, name: str) -> Child:
        account = int(name.removeprefix("runner-"))
        if account not in self.runners:  # an earlier desk started it: it goes on under us
            arguments = ["--account", str(account), *self._gateway_arguments()]
            self.runners[account] = self._child(name, "workbench.services.runner_main", arguments)
            if self._tasks is not None:
                self._tasks.create_task(self.runners[account].watch(lambda: self._latch(account) is None))
        return self.runners[account]

    async def gateway_token(self, stale: str | None) -> Json:
        """The one login's token; a child that shows a stale one gets another."""
        return {"token": await (self.tokens.renew(stale) if stale else self.tokens.get())}

    # --- sessions ---------------------------------------------------------------------------------------------------

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

    async def start_session(self, request: StartSession) -> Json:
        """Register the version, make sure of the runner, and start."""
        strategy = resolve_strategy(request.strategy, self.registry)
        strategy = strategy.with_parameters(**request.parameters)
        version = self.registry.register(strategy, at=wall_ns()).version
        contract = self._contract(request.contract, strategy.roots[0])
        strategy.require_contract(contract)
        runner = await self.ensure_runner(request.account)
        session = f"{strategy.name}-{request.account}-{secrets.token_hex(3)}"
        body = {
            "session": session,
            "version": version,
            "contract": contract,
            "timeframe": strategy.timeframe,
            "parameters": dict(strategy.values),
            "person": "",
        }
        answer = await runner.request("start_session", body, 30.0)
        await self.watch_contracts([contract])
        return answer

    def _contract(self, written: str | None, root: str) -> str:
        today = trading_hours(spec(written or root)).trading_date(self.clock.now())
        if written is None:
            return front_month(root, today).id
        try:
            return parse_contract(written, near=today).id
        except InputError:
            return front_month(written, today).id

    async def watch_contracts(self, contracts: list[str]) -> None:
        """Have ingest record these contracts."""
        try:
            await self.ingest.request("watch", {"contracts": contracts}, 10.0)
        except ChildSilent as error:
            self.alert("warning", f"market data is not recorded: {error}")

    def _session(self, session: str) -> tuple[int, Json]:
        known: dict[str, tuple[int, Json]] = {}
        for account, runner in self.runners.items():
            for found in runner.last.get("snapshot", {}).get("sessions", []):
                known[found["session"]] = (account, found)
        if session not in known:
            raise UnknownName("session", session, known)
        return known[session]

    async def command_session(self, session: str, verb: str, person: str) -> Json:
        """Carry out a verb: start and resume let it trade, pause stops entries, flatten closes, end is for good."""
        account, found = self._session(session)
        runner = self.runners[account]
        if verb in ("start", "resume"):
            runner = await self.ensure_runner(account)
        body = {"session": session, "contract": found["contract"], "person": person}
        return await runner.request("resume" if verb == "start" else verb, body)

    async def manual_order(self, request: ManualOrder) -> Json:
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

    # --- the red button ---------------------------------------------------------------------------------------------

    async def stop(self, reason: str, account: int | None, person: str) -> Json:
        """Latch, take over, cancel, close, verify; the answer says FLAT or what remains."""
        accounts = [account] if account is not None else self._all_accounts()
        self._stops_running += 1
        try:
            self.stop_result = await emergency_stop(
                self.home,
                accounts,
                RestBroker(self.rest, urgent_reads=True),
                reason=reason,
                by=person,
                account=account,
                order_runner=self._tell_runner,
            )
        finally:
            self._stops_running -= 1
        latch = self._latch(account)
        if latch is not None and self.stop_result["result"] == "FLAT":
            self._handled.add((latch.reason, latch.at))
        level = "warning" if self.stop_result["result"] == "FLAT" else "critical"
        remaining = "; ".join(self.stop_result["remaining"])
        self.alert(level, f"emergency stop by {person}: {self.stop_result['result']} {remaining}".strip())
        return self.stop_result

    def _all_accounts(self) -> list[int]:
        return sorted({*linked_accounts(self.home), *self.runners})

    async def _tell_runner(self, account: int) -> None:
        runner = self.runners.get(account)
        if runner is None:
            return
        runner.wanted = False
        if runner.channel is not None:
            await runner.channel.request("stop", {}, 0.2)

    async def _follow_latch(self) -> None:
        # A latch that somebody else set (a dropped file, the command line) is acted on here too; what was not flat is
        # tried again until it is.
        while True:
            await asyncio.sleep(0.05)
            latch = self._latch(None) or next((x for a in linked_accounts(self.home) if (x := self._latch(a))), None)
            if latch is None:
                self._handled.clear()
            elif not self._stops_running and (latch.reason, latch.at) not in self._handled:
                result = await self.stop(latch.reason, latch.account, latch.by)
                if result["result"] != "FLAT":
                    await asyncio.sleep(RETRY_STOP_S)

    async def clear_stop(self, reason: str, person: str, account: int | None) -> Json:
        """Release the latch, after a clean reading of every account."""
        broker = RestBroker(self.rest, urgent_reads=True)
        for each in [account] if account is not None else self._all_accounts():
            working = await broker.working(each)
            positions = [p for p in await broker.positions(each) if p.qty]
            if working or positions:
                raise InputError(
                    f"account {each} still has {len(working)} working orders and {len(positions)} positions; "
                    "a stop is cleared only when the broker shows nothing"
                )
        record = clear_latch(self.home, reason=reason, person=person, account=account, at=wall_ns())
        self.alert("info", f"stop cleared by {person}: {reason}")
        self.stop_result = None
        return record

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
            if account in (None, number) and runner.channel is not None:
                out += (await runner.request(verb))["rows"]
        return out

    async def snapshot(self) -> Json:
        """The whole visible state; what is not known is None."""
        runners = {a: r.last.get("snapshot", {}) for a, r in self.runners.items()}
        latch = self._latch(None)
        stopped = [a for a in self._all_accounts() if self._latch(a) is not None]
        first = latch or (self._latch(stopped[0]) if stopped else None)
        ingest = self.ingest.last.get("status", {})
        return {
            "at": self.clock.now(),
            "wall": wall_ns(),
            "local": local(self.clock.now()).isoformat(timespec="seconds"),
            "desk": {
                "version": program_version(),
                "pid": os.getpid(),
                "uptime_s": round(time.monotonic() - self.begun),
            },
            "gateway": {
                "profile": self.profile.name,
                "url": self.profile.rest_url,
                "connected": not self.gateway_error,
                "error": self.gateway_error,
                "clock": {"rate": self.clock.rate, "lockstep": self.clock.lockstep},
            },
            "stop": {
                "latched": first is not None,
                "reason": first.reason if first else None,
                "by": first.by if first else None,
                "at": first.at if first else None,
                "accounts": stopped,
                "last_result": self.stop_result,
            },
            "accounts": [self._account(a, runners.get(a, {})) for a in sorted({*self.accounts, *runners})],
            "sessions": [s for snapshot in runners.values() for s in snapshot.get("sessions", [])],
            "data": ingest.get("lines", []),
            "streams": ingest.get("streams", []) + [s for r in runners.values() for s in r.get("streams", [])],
            "alerts": list(self.alerts)[-50:],
        }

    def _account(self, account: int, snapshot: Json) -> Json:
        listed, link, runner = self.accounts.get(account), load_link(self.home, account), self.runners.get(account)
        name = listed.name if listed else str(account)
        base: Json = {
            "account": account,
            "name": name,
            "kind": str(link.kind if link else kind_from_name(name)),
            "can_trade": listed.can_trade if listed else None,
            "balance_usd": float(listed.balance) if listed else None,
            "equity_usd": None,
            "day_pnl_usd": None,
            "realized_usd": None,
            "open_usd": None,
            "fees_usd": None,
            "headroom": [],
            "positions": [],
            "working": [],
            "halted": [],
        }
        known = {k: v for k, v in snapshot.get("account", {}).items() if k != "name" and v is not None}
        state = {
            "state": runner.state if runner else "down",
            "pid": runner.pid if runner else None,
            "epoch": snapshot.get("epoch"),
            "since": runner.since if runner else None,
            "restarts": runner.restarts if runner else 0,
        }
        return {**base, **known, "linked": link is not None, "runner": state}


def program_version() -> str:
    """Version of the installed package."""
    from importlib.metadata import version

    return version("futures-workbench")


def last_stop(home: Home, account: int) -> Json | None:
    """What the last emergency stop did to `account`."""
    return read_json(home.account(account) / "stop_result.json")
