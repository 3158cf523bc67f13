"""One runner: one account, one gate, one journal, one owner of the state.

Events come in by lanes → `step` decides → the journal is synced → the sender sends → answers are events again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from workbench.domain import events as e
from workbench.domain.commands import Alert, PlaceOrder, ReadBroker
from workbench.domain.contract import spec
from workbench.domain.hours import trading_hours
from workbench.domain.position import Fill
from workbench.domain.timeframe import timeframe
from workbench.execution.state import AccountState, RuleFactory, Session
from workbench.risk.limits import Limits
from workbench.services import crash_points
from workbench.services.baseline import baseline_event
from workbench.services.clock import MarketClock, wall_ns
from workbench.services.decider import Decider
from workbench.services.feed import Feed, FetchBars, warm_from
from workbench.services.lanes import Lanes
from workbench.services.limits_follower import UNREAD, LimitsFollower
from workbench.services.reader import ReadableBroker, Reader
from workbench.services.schema import identity
from workbench.services.sender import Broker, Sender
from workbench.services.strategy_hosts import StrategyHosts
from workbench.services.told import Told
from workbench.services.upkeep import Upkeep
from workbench.storage.home import Home
from workbench.storage.journal import FILE, Journal
from workbench.storage.latch import Latch, read_latch, stopped_mark
from workbench.storage.lease import Lease
from workbench.storage.lock import AccountLock

log = logging.getLogger(__name__)
LATCH_EVERY_S = 0.03
TIMER_EVERY_S = 1.0
DAY_NS = 86_400_000_000_000
HELD_BY = (e.FillReported, e.OrderReported, e.PlaceAnswered, e.PositionReported, e.BrokerRead)
OTHER_DESK = "the desk is another program than this runner"


class Gateway(Broker, ReadableBroker, Protocol):
    """All that a runner needs of the gateway."""

    async def watch(self, contract: str) -> None: ...


class Runner:
    """The trading process of one account, apart from its sockets.

    Parameters
    ----------
    account : int
        Gateway account id; its lock must be held by this process.
    home : Home
        Journal, lease and latch.
    gateway : Gateway
        Sends and reads.
    fetch : coroutine function
        Closed bars over REST.
    clock : MarketClock
        Market time.
    rules, limits
        As in `AccountState`.
    bracket_mode : str
        As in the account's link.
    """

    def __init__(
        self,
        *,
        account: int,
        home: Home,
        gateway: Gateway,
        fetch: FetchBars,
        clock: MarketClock,
        rules: RuleFactory,
        limits: Limits,
        bracket_mode: str = "auto-oco",
    ) -> None:
        self.account, self.home, self.gateway, self.clock = account, home, gateway, clock
        self.lanes, self.limits, self.bracket_mode = Lanes(), limits, bracket_mode
        state, self.told = AccountState(account, limits, rules), Told()
        state.on_signal = self.told.signal  # those that the journal tells again are heard, too
        self.decider = Decider(state, Journal.or_blocked(home.account(account) / FILE))
        self.decider.state.on_signal = self.told.signal
        for record in self.decider.journal.records:
            self.told.take(record.event, record.commands)
        self._journal_until = self.decider.known_until
        self.lease, self._lock = Lease(home.account(account)), AccountLock(home.account(account))
        self.epoch = self.lease.epoch
        self.sender = Sender(gateway, self.lanes.put, clock.now, self._is_ours, self._entry_wait_s)
        self.reader = Reader(gateway, account, self.lanes.put, clock.now, self._read_since, self._unread)
        self.feed = Feed(fetch, self.lanes.put, clock.now)
        self.hosts = StrategyHosts(self._sessions, self.lanes.put, clock.now)
        self._begun = False
        self.limits_file = LimitsFollower(home, account, limits, clock.now, self.alert)
        self.alerts: deque[dict[str, Any]] = deque(maxlen=200)
        self.alerted = 0  # how many there were in all
        self._unread_told = self._refused = ""
        self.fills: dict[int, Fill] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.stopped = asyncio.Event()
        self.stop_reason = ""
        self.market_ready = False
        self.decided = 0
        self._feed_wake = asyncio.Event()
        self._watched: set[str] = set()
        self._feeding = False
        self._deciding = False
        self.fills = self.decider.opened(self.lease)
        self.upkeep = Upkeep(self.decider, self.epoch, self.fills, self.alert)
        self.journal_notes()

    @property
    def state(self) -> AccountState:
        return self.decider.state

    def journal_notes(self) -> None:
        """Tell the operator what opening the journal has found."""
        journal = self.decider.journal
        if journal.quarantined is not None:
            self.alert("warning", f"the journal ended in a torn record; it was put aside as {journal.quarantined.name}")
        for text in self.decider.notes:
            self.alert("critical", text)

    def alert(self, level: str, text: str) -> None:
        """Show `text` to the operator and log it."""
        at = {"at": wall_ns(), "market_at": self.clock.now() if self._begun or self.clock.announced else None}
        self.alerts.append({**at, "level": level, "text": text, "account": self.account})
        self.alerted += 1
        log.log({"info": 20, "warning": 30}.get(level, 40), text)
        self.on_change()

    def alerts_since(self, count: int) -> list[dict[str, Any]]:
        """Return the alerts after the first `count`, as far as they are kept."""
        new = min(self.alerted - count, len(self.alerts))
        return list(self.alerts)[len(self.alerts) - new :] if new > 0 else []

    def _unread(self, text: str) -> None:
        if text != self._unread_told:
            self._unread_told = text
            self.alert("warning", f"account {self.account} cannot be read, nothing is entered until it is: {text}")

    def start(self) -> None:
        """Begin: a new epoch, then the broker is read, then the sessions of the journal go on."""
        self._begun = True
        at, pace = self.clock.now(), max(1.0, self.clock.rate)
        limits = self.limits_file.begin()
        uid = secrets.token_hex(4)
        mine = identity()
        self.lanes.put(
            e.RunnerStarted(
                at=at,
                epoch=self.epoch,
                uid=uid,
                pace=pace,
                limits=limits,
                bracket_mode=self.bracket_mode,
                program=mine["version"],
                schema=mine["schema"],
            )
        )
        if self.limits_file.is_unread:
            self.lanes.put(e.Halted(at=at, reason=UNREAD))
        elif UNREAD in self.state.halted:
            self.lanes.put(e.Released(at=at, reason=UNREAD))
        baseline = baseline_event(self.home, self.state, at)
        if baseline is not None:
            self.lanes.put(baseline)
        self._end_stopped_sessions(at)
        for session in self.state.sessions.values():
            if session.status != "ended":
                self.follow(session.contract, session.timeframe, session.last_bar_end or _warm_since(session))

    def _end_stopped_sessions(self, at: int) -> None:
        # After an emergency stop nothing trades on by itself, also when the latch has been cleared meanwhile.
        mark = stopped_mark(self.home, self.account)
        if not mark.exists():
            return
        reason = f"ended by the stop: {mark.read_text(encoding='utf-8', errors='replace')[:200]}"
        for session in list(self.state.sessions.values()):
            if session.status != "ended":
                self.take(e.SessionEnded(at=at, session=session.session, reason=reason))
                self.alert("info", f"session {session.session} was {reason}; start a new one")
        if self.decider.journal.broken:  # what was ended just now is not on record: the next start must end it again
            self.alert("critical", f"the sessions of account {self.account} are ended again at the next start")
        else:
            mark.unlink(missing_ok=True)

    def follow(self, contract: str, frame: str, since: int) -> None:
        """Bring closed bars of a contract from `since` (ns) on."""
        self.feed.open(contract, frame, since)
        self._feed_wake.set()

    def stop(self, reason: str) -> None:
        """Let nothing more leave and end: the account is taken over by whoever stops it."""
        if not self.stopped.is_set():
            self.sender.stop()
            self.stop_reason = reason
            log.warning("runner of account %s stops: %s", self.account, reason)
            self.stopped.set()

    # --- what the sockets bring ---------------------------------------------------------------------------------

    def on_event(self, event: e.Event) -> None:
        """Take an account event of the user hub."""
        self.lanes.put(event)

    def on_print(self, contract: str, ts: int, price: float, size: int) -> None:
        """Take one trade of the market hub."""
        self.feed.on_print(contract, ts, price, size)
        book = self.state.books.get(contract)
        if book is not None and (book.qty or self._is_price_due(contract)):
            self.lanes.put(e.PriceSeen(at=self.clock.now(), contract=contract, price=price))

    def _is_price_due(self, contract: str) -> bool:
        # Where an order is measured by the last price it must be known with nothing held, too: once a second.
        due = self.state.risk.priced_at.get(contract, 0) + 1_000_000_000
        return self.state.limits.needs_prices and self.clock.now() >= due

    def on_clock(self) -> None:
        """The market clock has moved: bars may have ended in silence."""
        self.feed.advance(self.clock.now() - self.clock.grace())

    def on_stream(self, hub: str, up: bool, reason: str = "") -> None:
        """A hub went up or down."""
        self.lanes.put(e.StreamChanged(at=self.clock.now(), hub=hub, up=up, reason=reason))
        if hub == "market":
            self.market_ready = up
            if up:
                self.feed.stream_ready()
                self._feed_wake.set()
            else:
                self.feed.stream_lost()

    def on_refused(self, reason: str) -> None:
        """A desk of another program will not work with us ("": one of our own does): nothing is entered meanwhile."""
        if reason and reason != self._refused:
            self.lanes.put(e.Halted(at=self.clock.now(), reason=OTHER_DESK))
            self.alert("critical", f"entries are blocked, the desk refuses this runner: {reason}")
        elif not reason and (self._refused or OTHER_DESK in self.state.halted):
            self.lanes.put(e.Released(at=self.clock.now(), reason=OTHER_DESK))
        self._refused = reason

    # --- loops --------------------------------------------------------------------------------------------------

    async def run(self) -> str:
        """Decide until stopped; return why it ended."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._decide()),
                tasks.create_task(self.sender.run()),
                tasks.create_task(self.reader.run()),
                tasks.create_task(self._feed()),
                tasks.create_task(self.hosts.run()),
                tasks.create_task(self._watch_latch()),
                tasks.create_task(self._timer()),
            ]
            await self.stopped.wait()
            await end_tasks(running)
        self.decider.journal.close()
        self.lease.give_back()
        return self.stop_reason

    async def _decide(self) -> None:
        while True:
            event = await self.lanes.get()
            self.take(event)
            if self.decided % 64 == 0:
                await asyncio.sleep(0)  # a flood of events must not keep the latch watcher from running

    def take(self, event: e.Event) -> None:
        """Decide one event and hand on what follows."""
        was_date = self.state.trading_date
        crash_points.before(self.state, event)
        self._note(event)
        commands = self.decider.decide(event)
        self.decided += 1
        self.told.take(event, commands)
        crash_points.after(self.state, event, commands, was_date)
        for command in commands:
            if isinstance(command, Alert):
                self.alert(command.level, command.text)
            elif isinstance(command, ReadBroker):
                self.reader.request(command.reason)
            elif not self.stopped.is_set() and not isinstance(command, PlaceOrder):
                self.sender.submit(command)
        if isinstance(event, e.Halted) or (isinstance(event, e.StreamChanged) and not event.up):
            self.sender.drop_entries(event.reason)  # what was approved before the block must not leave behind it
        elif isinstance(event, e.FlattenRequested):
            self.sender.drop_entries(event.reason, event.contract)
        self.sender.drop_unwanted(self._why_unwanted)
        self.hosts.look()
        if isinstance(event, HELD_BY) and not self._watched.issuperset(self.watched_contracts()):
            self._feed_wake.set()
        self.on_change()

    def watched_contracts(self) -> list[str]:
        """Those whose market must be heard: of sessions, and of whatever is held or works without one."""
        state = self.state
        held = [c for c, b in state.books.items() if b.qty or b.uncounted or not state.orders.none_open(c)]
        return list(dict.fromkeys([*self.feed.contracts, *held]))

    def _why_unwanted(self, entry: PlaceOrder) -> str:
        # An entry may wait seconds for the request budget; what has been shut meanwhile is shut for it, too.
        if self.state.halted:
            return ", ".join(self.state.halted)
        book = self.state.books.get(entry.contract)
        if book is not None and (book.flatten is not None or book.locked):
            return book.locked or f"{entry.contract} is being closed"
        session = self.state.sessions.get(entry.session)
        if session is not None and session.status != "running":
            return f"session {session.session} is {session.status}"
        return ""

    def _sessions(self) -> Iterable[Session]:
        return self.state.sessions.values()

    def _note(self, event: e.Event) -> None:
        fills = [event.fill] if isinstance(event, e.FillReported) else []
        fills += event.fills if isinstance(event, e.BrokerRead) else []
        for fill in fills:
            if fill.account != self.account:
                continue
            if fill.voided or fill.trade_id in self.state.voided:  # the gateway has taken it back
                self.fills.pop(fill.trade_id, None)
            else:
                self.fills.setdefault(fill.trade_id, fill)

    async def _hear(self) -> Exception | None:
        # One contract that the gateway will not serve keeps no other from being heard.
        failed: Exception | None = None
        for contract in self.watched_contracts():
            if contract in self._watched:
                continue
            try:
                await self.gateway.watch(contract)
            except Exception as error:
                failed = failed or error
            else:
                self._watched.add(contract)
                self.feed.stream_ready(contract)
        return failed

    async def _feed(self) -> None:
        pause, told = 0.5, ""
        while True:
            await self._feed_wake.wait()
            self._feed_wake.clear()
            self._feeding = True
            try:
                unheard = await self._hear()
                await self.feed.fill()
                if unheard is not None:
                    raise unheard
                pause, told = 0.5, ""
            except Exception as error:  # the session waits, loudly; the loop must live
                if str(error) != told:
                    told = str(error)
                    self.alert("warning", f"market data cannot be had, entries wait for it: {error}")
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)
                self._feed_wake.set()
            finally:
                self._feeding = False

    async def _watch_latch(self) -> None:
        while True:
            if not self._is_ours():
                return
            await asyncio.sleep(LATCH_EVERY_S)

    def _is_ours(self) -> bool:
        # Asked before each send: whoever was stopped or has lost the account lets nothing more leave, also when the
        # process stood still and knows of neither yet.
        latch = self.latch()
        lost = f"stopped: {latch.reason}" if latch is not None else self.lease.lost()
        if lost:
            self.stop(lost)
        return not lost

    def _entry_wait_s(self) -> float:
        wait: Callable[[], float] | None = getattr(self.gateway, "entry_wait_s", None)
        return 0.0 if wait is None else wait()

    def latch(self) -> Latch | None:
        """The latch that stops this account, if any."""
        return read_latch(self.home, self.account)

    async def _timer(self) -> None:
        while True:
            await asyncio.sleep(TIMER_EVERY_S)
            self._lock.show_life()
            # Before its start the market's time is not known: an event stamped with the wall's would age every bar.
            if self._begun and not self.clock.lockstep:
                self.on_clock()
                self._feed_wake.set() if not self.feed.idle else None
                self.lanes.put(e.TimerFired(at=self.clock.now()))
                for changed in self.limits_file.look():
                    self.lanes.put(changed)
            if self._begun and self._is_ours():  # one that has lost the account must not touch its journal
                self.upkeep.look()

    @property
    def idle(self) -> bool:
        """Say whether nothing is queued, on the wire or being read."""
        feeding = self._feeding or self._feed_wake.is_set() or not self.feed.idle
        return not (len(self.lanes) or feeding) and self.sender.idle and self.reader.idle and self.hosts.idle

    async def settle(self) -> None:
        """Wait until the runner has nothing to do (lockstep)."""
        if not self.feed.idle:
            self._feed_wake.set()
        while not (self.idle or self.stopped.is_set()):
            await asyncio.sleep(0.0003)

    def _read_since(self) -> int:
        # Complete from the open of the trading date, earlier where an order of ours still works from before.
        opened = [o.created_at for o in self.state.orders.values() if o.is_open and o.created_at]
        start = self.state.day_start or self.clock.now() - DAY_NS
        if not self.state.synced and self._journal_until:
            opened.append(self._journal_until)  # what happened since the last life is read, also from an earlier date
        return min([start, *(at - 60_000_000_000 for at in opened)])


def _warm_since(session: Session) -> int:
    # The last life ended before its first bar: what it asked for is asked for again, not all that there ever was.
    hours, frame = trading_hours(spec(session.contract)), timeframe(session.timeframe)
    return warm_from(hours, frame, session.warm_bars, session.started_at)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` until they have ended: a cancellation may be swallowed, and the account's lock waits for them."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.1)
