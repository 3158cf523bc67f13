"""Ingest as a process: market hub in, ticks and bars on disk; the only writer of live market data."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from functools import partial
from typing import Any

from workbench.domain import events as e
from workbench.domain.contract import parse_contract, spec
from workbench.domain.errors import GatewayError, InputError, LockHeld, StorageError, WorkbenchError
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import timeframe
from workbench.gateway.client import GatewayClient, GatewayUrls, Handlers
from workbench.gateway.hubs import HubKind
from workbench.gateway.market_data import TradeSeen
from workbench.gateway.wire_hub import SimulatorClock
from workbench.services.children import ACCOUNT_TAKEN
from workbench.services.clock import MarketClock
from workbench.services.crash import only_reason
from workbench.services.desk_file import TOKEN_ENV, desk_now, ingest_lock
from workbench.services.feed import warm_from
from workbench.services.ingest import Ingest
from workbench.services.link import ChildLink, channel_at
from workbench.services.logs import hide, set_up
from workbench.services.runner import end_tasks
from workbench.services.tokens import DeskTokens
from workbench.storage.bars import BarStore
from workbench.storage.home import Home, home
from workbench.storage.lock import AccountLock
from workbench.storage.ticks import TickStore

log = logging.getLogger(__name__)
Json = dict[str, Any]
FLUSH_EVERY_S = 1.0
STALE_AFTER_S = 90.0
DESK_GONE_AFTER_S = 600.0  # a desk that is restarted is back in seconds; who trades needs no recording
LOOK_FOR_DESK_S = 5.0
LONGEST_SEAM_PAUSE_S = 30.0


class IngestProcess:
    """Sockets, clock and desk link around one `Ingest`."""

    def __init__(self, place: Home, options: argparse.Namespace, desk_token: str) -> None:
        self.clock = MarketClock()
        self.simulated: bool = options.simulated
        self.store = BarStore(place.market)
        ticks, frames = TickStore(place.market), options.timeframes
        self.ingest = Ingest(self.store, ticks, timeframes=frames, grace_ns=self.clock.grace())
        hubs = f"{options.hubs}/hubs"
        urls = GatewayUrls(rest=options.rest, user_hub=f"{hubs}/user", market_hub=f"{hubs}/market")
        handlers = Handlers(
            on_event=self._on_event, on_trades=self._on_trades, on_clock=self._on_clock, on_refused=self._on_refused
        )
        desk = partial(desk_now, place, options.desk, desk_token)
        tokens = DeskTokens(desk)
        self.client = GatewayClient(urls, tokens, handlers, is_market_open=self._is_open, now=self.clock.now)
        self._watching, self._taken = asyncio.Lock(), set[str]()  # contracts whose subscriptions stand, or are desired
        self._refused: dict[str, str] = {}  # contract -> why the gateway does not serve it; the hub asks it again
        self._held: list[TradeSeen] = []
        self._barriers: asyncio.Queue[tuple[int, int]] = asyncio.Queue()  # seq, market time before the chunk
        self._last_print: dict[str, int] = {}
        self._last_price: dict[str, float] = {}
        self._seam_due, self._seam_pause, self._seam_said = 0.0, FLUSH_EVERY_S, ""
        self._flush_said = ""
        self._up = False
        self._timed = not self.simulated  # a replay's time is known with the simulator's first word
        self._told = asyncio.Event()
        verbs = {"watch": self.watch, "bars": self.bars}
        self.link = ChildLink(lambda: channel_at("ingest", desk), verbs)
        self._lock, self._desk = ingest_lock(place), AccountLock(place.desk)

    def _is_open(self) -> bool:
        if self.clock.lockstep or self.clock.rate <= 0:
            return False
        now = self.clock.now()
        return any(trading_hours(spec(c)).is_open(now) for c in self.ingest.contracts)

    # --- what the hub brings ------------------------------------------------------------------------------------

    def _on_event(self, event: e.Event) -> None:
        if isinstance(event, e.StreamChanged):
            self._up = event.up
            if not event.up:
                self.ingest.stream_lost()
            elif self._timed:
                self._started(self.ingest.contracts)

    def _started(self, contracts: list[str]) -> None:
        now = self.clock.now()
        for contract in contracts:
            if contract not in self._refused:
                self.ingest.stream_started(now, contract=contract, exact=self.clock.lockstep)

    def _on_refused(self, contract: str, reason: str) -> None:
        if reason:
            self._refused[contract] = reason
            self.ingest.stream_lost(contract=contract)
            if contract in self._taken:  # who asks for it just now hears it from `watch`
                self._taken.discard(contract)
                self._alert(f"{contract} is not recorded: {reason}")
        else:
            self._refused.pop(contract, None)
            self._taken.add(contract)
            if self._timed and self._up:
                self._started([contract])
            self._alert(f"{contract} is served again and is recorded from now on", "info")

    def _on_trades(self, trades: list[TradeSeen]) -> None:
        if self.clock.lockstep:
            self._held += trades
        else:
            self._take(trades, self.clock.now())

    def _take(self, trades: list[TradeSeen], now: int) -> None:
        by_contract: dict[str, list[TradeSeen]] = {}
        for trade in trades:
            by_contract.setdefault(trade.contract, []).append(trade)
        for contract, prints in by_contract.items():
            self._last_print[contract] = prints[-1].ts
            self._last_price[contract] = prints[-1].price
            self.ingest.on_prints(contract, prints, now)

    def _on_clock(self, clock: SimulatorClock) -> None:
        before = self.clock.now() if self._timed else 0
        self.clock.announce(clock.now, 0.0 if clock.lockstep else clock.rate, clock.seq, clock.lockstep)
        self.ingest.grace_ns = self.clock.grace()
        if not self._timed:
            self._timed = True
            self._told.set()
            self._started(self.ingest.contracts)
        if clock.lockstep:
            self._barriers.put_nowait((clock.seq, before))
        else:
            self.ingest.advance(self.clock.now())

    async def _lockstep(self) -> None:
        while True:
            seq, before = await self._barriers.get()
            held, self._held = self._held, []
            self._take(held, before)
            self.ingest.advance(self.clock.now())
            if self.ingest.needs_seam:
                await self._seam()
            if self.ingest.needs_flush:
                await self._flush()
            await self.client.acknowledge(seq)

    # --- what the desk asks ---------------------------------------------------------------------------------------

    async def watch(self, body: Json) -> Json:
        """Record these contracts from now on.

        Raises
        ------
        GatewayError, InputError
            The first of a contract that was not taken; the desk asks again, and what was taken stays. One that the
            gateway refuses is asked for by the hub, with growing pauses: the desk's asking does not reach it.
        """
        failed: WorkbenchError | None = None
        async with self._watching:
            for contract in body["contracts"]:
                if contract in self._taken:
                    continue
                try:
                    await self._watch(contract)
                except (GatewayError, InputError) as error:
                    failed = failed or error
                    continue
                self._taken.add(contract)
                if self._timed and self._up:
                    self._started([contract])
        if failed is not None:
            raise failed
        return {"contracts": self.ingest.contracts}

    async def _watch(self, contract: str) -> None:
        self.ingest.watch(contract)
        if contract not in self._refused:
            try:
                await self.client.watch_contract(contract)
            except GatewayError:
                if contract not in self._refused:
                    raise
        if contract in self._refused:
            raise GatewayError(self._refused[contract])

    async def bars(self, body: Json) -> Json:
        """Return the newest bars of a line, the forming one last."""
        contract, frame = parse_contract(body["contract"]), timeframe(body["timeframe"])
        hours = trading_hours(contract.spec)
        await self._flush()
        start = warm_from(hours, frame, int(body["limit"]), self.clock.now())
        rows = await asyncio.to_thread(self.store.read, contract, frame, start)
        out = [
            {"time": int(ts.timestamp()), "open": o, "high": h, "low": low, "close": c, "volume": v}
            for ts, o, h, low, c, v in rows.tail(int(body["limit"])).iter_rows()
        ]
        forming = self.ingest.forming(contract.id, frame.text)
        if forming is not None and (not out or forming.start // 1_000_000_000 > out[-1]["time"]):
            names = ("open", "high", "low", "close", "volume")
            out.append({"time": forming.start // 1_000_000_000, **{n: getattr(forming, n) for n in names}})
        return {"bars": out}

    # --- loops ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ingest until cancelled, or until the desk is gone for good; what waits is written at the end."""
        if self.simulated:
            await self.client.follow_clock("ingest", (HubKind.MARKET,))
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = (self.client.run_market, self._dial, self._lockstep, self._write, self._push)
                running = [tasks.create_task(loop()) for loop in loops]
                await self._until_desk_is_gone()
                await end_tasks(running)
        finally:
            await self.ingest.flush()

    async def _until_desk_is_gone(self) -> None:
        # One that was killed leaves us behind: a new one takes us up, but without any we would record for ever.
        while True:
            await asyncio.sleep(LOOK_FOR_DESK_S)
            lost_at = self.link.lost_at
            if lost_at is None or time.monotonic() - lost_at < DESK_GONE_AFTER_S:
                continue
            if self._desk.holder() is None:
                log.warning("no desk for %g s: the recording ends, a new desk begins it again", DESK_GONE_AFTER_S)
                return

    async def _dial(self) -> None:
        if self.simulated:
            await self._told.wait()
        await self.link.run()

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._lock.show_life()
            if not self.clock.lockstep:
                self.ingest.advance(self.clock.now())
                if self.ingest.needs_seam and self._up and time.monotonic() >= self._seam_due:
                    await self._seam()
            await self._flush()

    async def _seam(self) -> None:
        try:
            await self.ingest.seam(self.client.rest, self.clock.now())
        except (GatewayError, StorageError) as error:
            # Each asking costs all of the user's processes of their history requests: not once a second for ever.
            self._seam_due = time.monotonic() + self._seam_pause
            self._seam_pause = min(LONGEST_SEAM_PAUSE_S, 2 * self._seam_pause)
            if str(error) != self._seam_said:
                self._seam_said = str(error)
                self._alert(f"history at the seam is missing and will be asked for again: {error}")
        else:
            self._seam_pause, self._seam_said = FLUSH_EVERY_S, ""

    async def _flush(self) -> None:
        try:
            await self.ingest.flush(self.clock.now())
        except StorageError as error:
            if str(error) != self._flush_said:  # each second it is tried: that many alarms would hide the others
                self._flush_said = str(error) if self.link.connected else ""  # else nobody has heard it
                self._alert(f"market data cannot be stored and waits in memory: {error}")
        else:
            self._flush_said = ""

    def _alert(self, text: str, level: str = "warning") -> None:
        log.warning(text)
        self.link.push("alert", {"level": level, "text": text})

    async def _push(self) -> None:
        while True:
            self.link.push("status", {"lines": self._lines(), "streams": [{"name": "ingest.market", "up": self._up}]})
            await asyncio.sleep(0.5)

    def _lines(self) -> list[Json]:
        now = self.clock.now()
        out = []
        for line in self.ingest.status():
            last = self._last_print.get(line["contract"])
            age = None if last is None else max(0.0, (now - last) / 1e9)
            is_open = trading_hours(spec(line["contract"])).is_open(now)
            stale = age is None or age > STALE_AFTER_S or not self._up
            out.append(
                {
                    "contract": line["contract"],
                    "timeframe": line["timeframe"],
                    "last_ts": last,
                    "last_price": self._last_price.get(line["contract"]),
                    "age_s": age,
                    "state": "closed" if not is_open else "stale" if stale else "live",
                    "ticks": line["prints"],
                    "bars": line["bars"],
                    "built": line["built"],
                    "late": line["late"],
                }
            )
        return out


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", default=None)
    for name in ("--desk", "--rest", "--hubs"):
        parser.add_argument(name, required=True)
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--timeframes", nargs="+", default=["1m", "5m", "1h"])
    options = parser.parse_args()
    place = home(options.home)
    set_up("ingest", place.logs)
    token = os.environ.get(TOKEN_ENV, "")
    hide(token)
    lock = ingest_lock(place)  # one writer: a second one would record every print twice
    try:
        lock.acquire("ingest")
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(_until_told(place, options, token))
    except Exception as error:
        reason = only_reason(error)
        log.error("%s", reason, exc_info=None if isinstance(reason, WorkbenchError) else error)  # noqa: TRY400 - a reason
        sys.stderr.write(f"{str(reason) or type(reason).__name__}\n")
        sys.exit(ACCOUNT_TAKEN if isinstance(reason, LockHeld) else 1)
    finally:
        lock.release()


async def _until_told(place: Home, options: argparse.Namespace, token: str) -> None:
    task = asyncio.ensure_future(IngestProcess(place, options, token).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


if __name__ == "__main__":
    main()
