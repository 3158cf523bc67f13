"""What the desk may ask of a runner; every verb becomes an event in the operator lane."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec

from workbench.domain import events as e
from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.domain.hours import trading_hours
from workbench.domain.order import Order, Status
from workbench.domain.timeframe import timeframe
from workbench.execution import outage, readiness
from workbench.execution.release import is_for_person
from workbench.execution.state import Session
from workbench.rules.python import PythonStrategy
from workbench.services.feed import warm_from
from workbench.services.runner import Runner
from workbench.services.session_rule import name_of
from workbench.services.snapshot import fill_dict, order_dict, session_dicts
from workbench.services.strategy_hosts import warmup_of
from workbench.storage.registry import Registry

Json = dict[str, Any]
MOST_ROWS = 500  # of orders and fills in one answer
READ_WITHIN_S = 5.0
READ_S = 8.0  # that a reading before a release may take; the desk waits for the answer about twice as long


class RunnerVerbs:
    """The table of verbs of one runner."""

    def __init__(self, runner: Runner, registry: Registry) -> None:
        self._runner, self._registry = runner, registry
        self._one_order = asyncio.Lock()  # each answer tells of its own order; nothing else waits for it

    def table(self) -> dict[str, Callable[[Json], Awaitable[Json]]]:
        """Verb → coroutine function."""
        return {
            "start_session": self.start_session,
            "pause": self.pause,
            "resume": self.resume,
            "end": self.end,
            "flatten": self.flatten,
            "manual_order": self.manual_order,
            "order_action": self.order_action,
            "set_limits": self.set_limits,
            "reconcile": self.reconcile,
            "release": self.release,
            "lease": self.lease,
            "stop": self.stop,
            "orders": self.orders,
            "fills": self.fills,
        }

    async def start_session(self, body: Json) -> Json:
        """Begin a session and its bars; the answer is the session, or why there is none."""
        runner, strategy = self._runner, self._registry.get(body["version"])
        busy = [
            s.session for s in runner.state.sessions.values() if s.contract == body["contract"] and s.status != "ended"
        ]
        if busy:
            raise InputError(f"{body['contract']} is already traded by session {busy[0]}; end it first")
        strategy = strategy.with_parameters(**body["parameters"])
        if isinstance(strategy, PythonStrategy):  # its code runs in a worker only; what cannot start is refused
            warmup = await warmup_of(strategy, body["contract"])
        else:
            warmup = strategy.warmup
        if not await self._has_read():  # what it would adopt, or wait for, is what the journal of yesterday shows
            raise InputError(
                f"account {runner.account} has not been read at the broker yet, so nothing can begin on what it holds; "
                "start the session again when it has (its alerts say what is in the way)"
            )
        now = runner.clock.now()
        event = e.SessionStarted(
            at=now,
            session=body["session"],
            strategy=body["version"],
            contract=body["contract"],
            timeframe=body["timeframe"],
            parameters=body["parameters"],
            person=body.get("person", ""),
            warm_bars=warmup,
            **policies_of(body),
        )
        frame, hours = timeframe(body["timeframe"]), trading_hours(spec(body["contract"]))
        since = warm_from(hours, frame, warmup, now)
        runner.lanes.put(event)
        runner.follow(body["contract"], body["timeframe"], since)  # whether or not anybody waits for the answer
        await self._until(lambda: body["session"] in runner.state.sessions)
        return self._session(body["session"])

    async def _until(self, done: Callable[[], bool], wait_s: float = 5.0) -> None:
        deadline = time.monotonic() + wait_s
        while not done():
            if time.monotonic() > deadline or self._runner.stopped.is_set():
                raise WorkbenchError("the runner did not take the command in time; see its alerts")
            await asyncio.sleep(0.005)

    async def _has_read(self) -> bool:
        # A runner that has just been started for this wish reads the broker within a moment.
        deadline = time.monotonic() + READ_WITHIN_S
        while not self._runner.state.synced and time.monotonic() < deadline and not self._runner.stopped.is_set():
            await asyncio.sleep(0.005)
        return self._runner.state.synced

    def _session(self, session: str) -> Json:
        names = {s.strategy: name_of(self._registry, s.strategy) for s in self._runner.state.sessions.values()}
        found = {d["session"]: d for d in session_dicts(self._runner.state, names, self._runner.told.last_at)}
        if session not in found:
            raise UnknownName("session", session, found)
        return found[session]

    def _known(self, session: str) -> Session:
        sessions = self._runner.state.sessions
        if session not in sessions:
            raise UnknownName("session", session, sessions)
        return sessions[session]

    async def _command(self, event: e.Event, session: str) -> Json:
        before = self._runner.decided
        self._runner.lanes.put(event)
        await self._until(lambda: self._runner.decided > before and not self._runner.lanes.waits(event))
        return self._session(session)

    async def pause(self, body: Json) -> Json:
        self._known(body["session"])
        reason = f"paused by {body.get('person') or 'operator'}"
        event = e.SessionPaused(at=self._runner.clock.now(), session=body["session"], reason=reason)
        return await self._command(event, body["session"])

    async def resume(self, body: Json) -> Json:
        known = self._known(body["session"])
        if known.status == "ended":
            raise InputError(f"session {known.session} is over; start a new one")
        event = e.SessionStarted(
            at=self._runner.clock.now(),
            session=known.session,
            strategy=known.strategy,
            contract=known.contract,
            timeframe=known.timeframe,
            parameters=known.parameters,
            person=body.get("person", ""),
            start_policy=known.start_policy,  # what holds on, so that the record says no other
            disconnect_policy=known.disconnect_policy,
            disconnect_after_s=known.disconnect_after_s,
            warm_bars=known.warm_bars,
        )
        return await self._command(event, known.session)

    async def end(self, body: Json) -> Json:
        self._known(body["session"])
        reason = f"ended by {body.get('person') or 'operator'}"
        event = e.SessionEnded(at=self._runner.clock.now(), session=body["session"], reason=reason, flatten=True)
        return await self._command(event, body["session"])

    async def flatten(self, body: Json) -> Json:
        person = body.get("person") or "operator"
        now = self._runner.clock.now()
        event = e.FlattenRequested(at=now, contract=body["contract"], reason=f"flattened by {person}", person=person)
        return await self._command(event, body["session"])

    async def manual_order(self, body: Json) -> Json:
        """Put an order through the gate; the answer says what the gate said."""
        async with self._one_order:
            return await self._manual_order(body)

    async def _manual_order(self, body: Json) -> Json:
        runner = self._runner
        known, alerts = set(runner.state.orders), runner.alerted
        if body["request"] in runner.state.requests:
            return {"accepted": False, "reason": "this request was taken before"}
        await self._has_read()  # else the gate says what it is worth: the position is not known
        event = e.ManualOrderRequested(at=runner.clock.now(), **body)
        runner.lanes.put(event)
        await self._until(lambda: body["request"] in runner.state.requests)
        made = [o for key, o in runner.state.orders.items() if key not in known and o.rule.startswith("manual")]
        if made:
            return {"accepted": True, "order": order_dict(made[0])}
        refused = [a["text"] for a in runner.alerts_since(alerts)]
        said = runner.state.refused.get(body["request"]) or (
            refused[-1] if refused else "see the alerts of the account"
        )
        return {"accepted": False, "reason": said}

    async def order_action(self, body: Json) -> Json:
        """Cancel or change an order, close (a part of) or reverse a position; the answer says whether it was taken.

        Asked again with the same `request`, it does nothing and gives the same answer.
        """
        state, request = self._runner.state, body["request"]
        is_repeat = request in state.requests
        if not is_repeat:
            self._runner.lanes.put(e.OrderActionRequested(at=self._runner.clock.now(), **body))
            await self._until(lambda: request in state.requests)
        why = state.refused.get(request, "")
        return {"accepted": not why, "reason": why, "repeated": is_repeat}

    async def set_limits(self, body: Json) -> Json:
        """Change the limits of the account; while a session runs only tighter ones are taken."""
        runner = self._runner
        event = e.LimitsChanged(
            at=runner.clock.now(), limits=body["limits"], person=body.get("person", ""), reason=body.get("reason", "")
        )
        alerts, before = runner.alerted, runner.decided
        runner.lanes.put(event)
        await self._until(lambda: runner.decided > before and not runner.lanes.waits(event))
        refused = [a["text"] for a in runner.alerts_since(alerts) if "may only be tightened" in a["text"]]
        return {"limits": msgspec.to_builtins(runner.state.limits), "reason": refused[-1] if refused else ""}

    async def lease(self, body: Json) -> Json:
        """Take this account's share of the limits over all accounts, good for `seconds` of market time."""
        loss, most = body.get("daily_loss_usd"), body.get("max_micros")
        now = self._runner.clock.now()
        self._runner.lanes.put(
            e.BudgetLeased(
                at=now,
                until=now + int(float(body["seconds"]) * 1e9),
                daily_loss_usd=None if loss is None else Decimal(str(loss)),
                max_micros=None if most is None else int(most),
            )
        )
        return {}

    async def reconcile(self, body: Json) -> Json:
        """Read the broker and say where it differs from our own count."""
        runner = self._runner
        number = runner.reader.request(f"reconcile asked for by {body.get('person') or 'operator'}")
        await self._until(lambda: runner.reader.has_come(number) and not len(runner.lanes), wait_s=15.0)
        state = runner.state
        rows = [
            {"contract": c, "own": b.qty, "broker": b.broker_qty, "equal": b.is_sure, "locked": b.locked}
            for c, b in state.books.items()
        ]
        open_ = [o for _, o in state.orders.open_items() if o.status in (Status.SENT, Status.UNKNOWN)]
        return {
            "equal": all(row["equal"] and not row["locked"] for row in rows) and not open_,
            "positions": rows,
            "unknown_orders": [order_dict(o) for o in open_],
        }

    async def release(self, body: Json) -> Json:
        """Release what a person may release, after a reading of the broker; say what still holds, or why not.

        Asked again with the same `request`, it does nothing and gives the same answer.
        """
        runner, state, request = self._runner, self._runner.state, body["request"]
        is_repeat = request in state.requests
        before = list(state.halted)
        if not is_repeat:
            await self._read()
            event = e.Released(at=runner.clock.now(), request=request, person=body["person"], why=body["reason"])
            before = list(state.halted)
            runner.lanes.put(event)
            await self._until(lambda: request in state.requests)
        why = state.refused.get(request, "")
        gone = [halt for halt in before if is_for_person(halt) and halt not in state.halted]
        held = list(state.halted)
        return {"accepted": not why, "reason": why, "repeated": is_repeat, "released": gone, "halted": held}

    async def _read(self) -> None:
        reader = self._runner.reader
        number = reader.request("a release was asked for")
        try:
            await self._until(lambda: reader.has_come(number) and not len(self._runner.lanes), wait_s=READ_S)
        except WorkbenchError as error:
            raise WorkbenchError("the broker could not be read in time, nothing was released; ask again") from error

    async def stop(self, body: Json) -> Json:
        self._runner.stop("told to stop by the desk")
        return {}

    async def orders(self, body: Json) -> Json:
        orders = _newest(list(self._runner.state.orders.values()))
        return {"rows": [order_dict(o, self._runner.told.rule_of(o)) for o in orders]}

    async def fills(self, body: Json) -> Json:
        fills = sorted(self._runner.fills.values(), key=lambda f: f.trade_id)
        return {"rows": [fill_dict(f) for f in fills[-MOST_ROWS:]]}


def _newest(orders: list[Order]) -> list[Order]:
    # What may still fill is always among them, however old: it is what a person cancels.
    begin = len(orders) - MOST_ROWS
    return [order for n, order in enumerate(orders) if n >= begin or order.is_open]


def policies_of(body: Json) -> Json:
    """Return what a session does about a position that is there and about a lost hub; refuse words nobody knows."""
    wait_s = float(body.get("disconnect_after_s", 60.0))
    if not 1.0 <= wait_s <= 3600.0:
        raise InputError(f"disconnect_after_s is between 1 and 3600 seconds, not {wait_s:g}")
    return {
        "start_policy": one_of("start policy", body.get("start_policy", "adopt"), readiness.POLICIES),
        "disconnect_policy": one_of("disconnect policy", body.get("disconnect_policy", "keep"), outage.POLICIES),
        "disconnect_after_s": wait_s,
    }


def one_of(what: str, word: str, known: tuple[str, ...]) -> str:
    """Return `word`, or raise UnknownName with what it may have meant."""
    if word not in known:
        raise UnknownName(what, word, known)
    return word
