"""A desk without a gateway: lively invented numbers, every answer of the real one, and switches for its bad days."""

from __future__ import annotations

import asyncio
import math
import random
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

from workbench.domain.errors import InputError, StopLatched, UnknownName, WorkbenchError
from workbench.services.desk_bodies import ChangeLimits, ReleaseHalts
from workbench.services.desk_service import ManualOrder, OrderAction, StartSession
from workbench.storage.home import Home

CONTRACT = "CON.F.US.MES.Z26"
OPEN_AT = 1_796_126_400  # 1 December 2026, 06:00 Chicago
HISTORY_S = 12_900  # it is 09:35 when the desk starts
STEPS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}


class FakeDesk:
    """A `DeskService` of one account and one running session.

    Parameters
    ----------
    seed : int
        Same seed, same prices.
    rate : float
        Market seconds per real second.
    """

    def __init__(self, *, seed: int = 7, rate: float = 20.0, clock: Any = time.monotonic) -> None:
        self.rate, self._clock, self._began = rate, clock, clock()
        self._random = random.Random(seed)
        self.closes = self._walk(40_000)
        self.halted: list[str] = []
        self.reason = ""
        self.policies: dict[str, Any] = {
            "start_policy": "adopt",
            "disconnect_policy": "keep",
            "disconnect_after_s": 60.0,
        }
        self.state, self.qty, self.entry = "running", 2, self.closes[HISTORY_S] - 1.75
        self.stop_result: dict[str, Any] | None = None
        self.latched: dict[str, Any] | None = None
        self.not_flat: list[str] = []  # what the next stop leaves behind
        self.stop_takes_s = 0.0
        self.fails: Exception | None = None  # raised by snapshot()
        self.data_state = "live"
        self.frozen_s: float | None = None
        self.calls: list[tuple[Any, ...]] = []
        self.home = Home(Path(tempfile.mkdtemp(prefix="workbench-fake-")))
        weakref.finalize(self, shutil.rmtree, self.home.path, ignore_errors=True)
        self.requests: dict[str, dict[str, Any]] = {}
        self.limit_values: dict[str, Any] = {"daily_loss_usd": 1000}

    def _walk(self, seconds: int) -> list[float]:
        """A nervous hour with trends, then prices that stay between the protective orders."""
        slow = fast = 0.0
        prices = []
        for second in range(seconds):
            pull = 0.0006 if second < HISTORY_S - 200 else 0.004
            slow += self._random.gauss(0, 0.16) - pull * (slow - 14 * math.sin(second / 1500))
            fast = fast * 0.9 + self._random.gauss(0, 0.22)
            prices.append(round((6842.25 + slow + fast) / 0.25) * 0.25)
        return prices

    def elapsed_s(self) -> int:
        """Market seconds since the invented open; an hour of history is there from the start."""
        if self.frozen_s is not None:
            return int(self.frozen_s)
        return HISTORY_S + int((self._clock() - self._began) * self.rate) % 24_000

    async def snapshot(self) -> dict[str, Any]:
        if self.fails is not None:
            raise self.fails
        now_s = self.elapsed_s()
        last = self.closes[now_s]
        at = (OPEN_AT + now_s) * 1_000_000_000
        open_usd = round((last - self.entry) * 5 * self.qty, 2) if self.qty else 0.0
        realized = 186.25
        return {
            "at": at,
            "wall": time.time_ns(),
            "desk": {"version": "0.1.0", "pid": 4242, "uptime_s": round(self._clock() - self._began, 1),
                     "ingest": {"state": "running", "pid": 4300, "since": OPEN_AT * 1_000_000_000, "restarts": 0,
                                "age_s": 0.4, "reason": None}},
            "gateway": {"profile": "sim", "url": "http://127.0.0.1:8430", "connected": True,
                        "clock": {"rate": self.rate, "lockstep": False}},
            "stop": self._stop_part(),
            "accounts": [self._account(last, open_usd, realized)],
            "sessions": [self._session(at, open_usd, realized)],
            "data": [{"contract": CONTRACT, "timeframe": "1m", "last_ts": at - 900_000_000, "last_price": last,
                      "age_s": 0.9 if self.data_state == "live" else 74.0, "state": self.data_state}],
            "streams": [{"name": "ingest.market", "up": self.data_state == "live", "age_s": 0.4},
                        {"name": "runner.1001.user", "up": True, "age_s": 12.0}],
            "alerts": [{"at": at - 60_000_000_000, "level": "info", "text": "session sma-cross-1 started by demo"}],
        }  # fmt: skip

    def _stop_part(self) -> dict[str, Any]:
        empty = {"latched": False, "reason": None, "by": None, "at": None, "accounts": []}
        return {**(self.latched or empty), "last_result": self.stop_result}

    def _account(self, last: float, open_usd: float, realized: float) -> dict[str, Any]:
        position = {"contract": CONTRACT, "qty": self.qty, "average_price": self.entry, "last_price": last,
                    "open_usd": open_usd}  # fmt: skip
        loss = max(0.0, -(realized + open_usd))
        return {
            "account": 1001, "name": "PRAC-V2-10001-1", "kind": "practice", "can_trade": True, "linked": True,
            "balance_usd": 150_000 + realized, "equity_usd": 150_000 + realized + open_usd,
            "day_pnl_usd": realized + open_usd, "realized_usd": realized, "open_usd": open_usd, "fees_usd": 10.36,
            "runner": {"state": "running", "pid": 4711, "epoch": 3, "since": OPEN_AT * 1_000_000_000},
            "headroom": [{"limit": "daily_loss", "used_usd": loss, "limit_usd": 1000.0},
                         {"limit": "max_loss", "used_usd": 313.75, "limit_usd": 4500.0}],
            "positions": [position] if self.qty else [], "working": self._working(), "halted": list(self.halted),
        }  # fmt: skip

    def _session(self, at: int, open_usd: float, realized: float) -> dict[str, Any]:
        return {
            "session": "sma-cross-1", "strategy": "sma_cross", "version": "sma_cross@3f9c2a1", "account": 1001,
            "contract": CONTRACT, "timeframe": "1m", "state": self.state, "position": self.qty,
            "pnl_usd": realized + open_usd, "trades": 6, "last_bar_end": at - at % 60_000_000_000,
            "last_signal": "long: fast 6845.10 crossed above slow 6844.62", "parameters": {"fast": 10, "slow": 30},
            "reason": self.reason or None, **self.policies,
        }  # fmt: skip

    def _working(self) -> list[dict[str, Any]]:
        if not self.qty:
            return []
        stop = {"side": "SELL", "type": "STOP", "limit_price": None, "stop_price": self.entry - 12, "rule": "stop"}
        target = {"side": "SELL", "type": "LIMIT", "limit_price": self.entry + 18, "stop_price": None, "rule": "target"}
        return [self._order(9002 + n, self.qty, 0, "WORKING", part) for n, part in enumerate((stop, target))]

    def _order(self, order_id: int, qty: int, filled: int, status: str, part: dict[str, Any]) -> dict[str, Any]:
        at = (OPEN_AT + HISTORY_S - 120) * 1_000_000_000
        return {
            "order_id": order_id, "tag": f"wb-1001-x7f-3-{order_id - 9000}", "account": 1001, "contract": CONTRACT,
            "qty": qty, "filled": filled, "status": status, "strategy": "sma_cross@3f9c2a1", "at": at, **part,
        }  # fmt: skip

    async def bars(self, contract: str, timeframe: str, limit: int) -> list[dict[str, Any]]:
        if timeframe not in STEPS:
            raise UnknownName("timeframe", timeframe, STEPS)
        step, now_s = STEPS[timeframe], self.elapsed_s()
        bars = []
        for start in range(0, now_s + 1, step):
            part = self.closes[start : min(start + step, now_s + 1)]
            volume = round(len(part) * (9 + 40 * abs(part[-1] - part[0])))
            prices = {"open": part[0], "high": max(part), "low": min(part), "close": part[-1]}
            bars.append({"time": OPEN_AT + start, **prices, "volume": volume})
        return bars[-limit:]

    async def orders(self, account: int | None) -> list[dict[str, Any]]:
        entry = {"side": "BUY", "type": "MARKET", "limit_price": None, "stop_price": None, "rule": "enter long"}
        return [self._order(9001, 2, 2, "FILLED", entry), *self._working()]

    async def fills(self, account: int | None) -> list[dict[str, Any]]:
        fill = {"order_id": 9001, "account": 1001, "contract": CONTRACT, "fees_usd": 1.48, "gross_pnl_usd": None}
        at = (OPEN_AT + HISTORY_S - 119) * 1_000_000_000
        return [{"trade_id": 501, "qty": 2, "price": self.entry, "at": at, **fill}]

    async def start_session(self, request: StartSession) -> dict[str, Any]:
        self.calls.append(("start", request))
        if self.latched:
            raise StopLatched("the emergency stop is latched; clear it with a reason before a session starts")
        if request.account != 1001:
            raise UnknownName("account", str(request.account), ["1001"])
        self.state = "running"
        self.policies = request.model_dump(include=set(self.policies))
        return (await self.snapshot())["sessions"][0]

    async def command_session(self, session: str, verb: str, person: str) -> dict[str, Any]:
        self.calls.append((verb, session, person))
        if session != "sma-cross-1":
            raise UnknownName("session", session, ["sma-cross-1"])
        if verb in ("start", "resume") and self.latched:
            raise StopLatched("the emergency stop is latched; clear it with a reason before a session resumes")
        if verb in ("flatten", "end"):
            self.qty = 0
        self.state = {"start": "running", "resume": "running", "pause": "paused", "flatten": "paused"}.get(
            verb, "ended"
        )
        return (await self.snapshot())["sessions"][0]

    async def manual_order(self, request: ManualOrder) -> dict[str, Any]:
        self.calls.append(("order", request))
        if request.type == "LIMIT" and request.limit_price is None:
            raise InputError("a LIMIT order needs limit_price")
        if self.latched:
            raise WorkbenchError("refused by the gate: stopped")
        return self._once(request.request, {"accepted": True, "order": self._order(9010, request.qty, 0, "PENDING", {
            "side": request.side, "type": request.type, "limit_price": request.limit_price,
            "stop_price": request.stop_price, "rule": "manual"})})  # fmt: skip

    def _once(self, request: str, made: dict[str, Any]) -> dict[str, Any]:
        return self.requests.setdefault(request, made)

    async def order_action(self, action: OrderAction) -> dict[str, Any]:
        self.calls.append(("action", action))
        if action.account != 1001:
            raise UnknownName("account", str(action.account), ["1001"])
        working = {order["order_id"]: order for order in self._working()}
        if action.order_id is not None:
            if action.order_id not in working:
                return {"accepted": False, "reason": f"order {action.order_id} is not working"}
            return self._once(action.request, {"accepted": True, "order": working[action.order_id]})
        if action.contract != CONTRACT or not self.qty:
            return {"accepted": False, "reason": f"there is no position in {action.contract}"}
        if action.kind == "reverse" and action.seen_qty not in (None, self.qty):
            return {"accepted": False, "reason": f"nothing was done: the position is {self.qty:+d} now"}
        self.qty = {"part_close": max(0, self.qty - (action.qty or 0)), "reverse": -self.qty}.get(action.kind, 0)
        return self._once(action.request, {"accepted": True})

    async def release(self, account: int, wish: ReleaseHalts) -> dict[str, Any]:
        self.calls.append(("release", account, wish))
        if account != 1001:
            raise UnknownName("account", str(account), ["1001"])
        if self.latched:
            raise StopLatched("the emergency stop is latched; it is cleared, not released")
        if not self.halted:
            return {"account": account, "accepted": False, "reason": "account 1001 is not halted", "released": [],
                    "halted": []}  # fmt: skip
        released, self.halted = self.halted, []
        return {"account": account, "accepted": True, "reason": "", "released": released, "halted": []}

    async def stop_strategy(self, strategy: str, account: int | None, reason: str, person: str) -> dict[str, Any]:
        self.calls.append(("stop_strategy", strategy, account, reason, person))
        if strategy != "sma_cross":
            raise UnknownName("strategy", strategy, ["sma_cross"])
        self.qty, self.state = 0, "ended"
        return {"strategy": strategy, "ended": ["sma-cross-1"], "escalated": [], "results": []}

    async def stop_session(self, session: str, reason: str, person: str) -> dict[str, Any]:
        self.calls.append(("stop_session", session, reason, person))
        if session != "sma-cross-1":
            raise UnknownName("session", session, ["sma-cross-1"])
        self.qty, self.state = 0, "ended"
        return {"session": session, "account": 1001, "result": "FLAT", "escalated": False, "remaining": [], "ms": 3.0}

    async def past(self, what: str, account: int, limit: int, before: str | None) -> list[dict[str, Any]]:
        cursor = {"fills": "trade_id", "days": "trading_date"}.get(what, "number")
        rows = [{cursor: f"2026-11-{30 - n:02d}" if what == "days" else 40 - n, "account": account} for n in range(20)]
        return [row for row in rows if before is None or str(row[cursor]) < before][:limit]

    async def monitor(self) -> dict[str, Any]:
        account = (await self.snapshot())["accounts"][0]
        sums = {name: account[name] for name in ("equity_usd", "day_pnl_usd", "open_usd")}
        exposure = 34_211.25 * abs(self.qty)
        row = {"account": 1001, "exposure_usd": exposure, "micros": abs(self.qty), "worst_micros": abs(self.qty)}
        return {"accounts": [row], "sum": {**sums, "notional_usd": exposure}}

    async def limits(self) -> dict[str, Any]:
        return {"effective": {"1001": self.limit_values}, "history": []}

    async def change_limits(self, change: ChangeLimits, *, tighten: bool) -> dict[str, Any]:
        self.calls.append(("limits", change, tighten))
        self.limit_values = {**self.limit_values, **change.values}
        return await self.limits()

    async def stop(self, reason: str, account: int | None, person: str) -> dict[str, Any]:
        self.calls.append(("stop", reason, account, person))
        await asyncio.sleep(self.stop_takes_s)
        self.state = "paused"
        remaining, self.qty = list(self.not_flat), self.qty if self.not_flat else 0
        result = "NOT_FLAT" if remaining else "FLAT"
        one = {"account": 1001, "result": result, "cancelled": [9002, 9003], "closed": [CONTRACT],
               "remaining": remaining}  # fmt: skip
        self.stop_result = {"result": result, "latched": True, "accounts": [one], "remaining": remaining, "ms": 1312.4}
        self.latched = {
            "latched": True,
            "reason": reason,
            "by": person,
            "at": OPEN_AT * 1_000_000_000,
            "accounts": [1001],
        }
        return self.stop_result

    async def clear_stop(self, reason: str, person: str, account: int | None) -> dict[str, Any]:
        self.calls.append(("clear", reason, person, account))
        if self.latched is None:
            raise WorkbenchError("no emergency stop is latched")
        self.latched = None
        return {"latched": False}
