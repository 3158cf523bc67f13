"""What must hold after every run: the exchange, the journal and what surfaces show are compared, to the cent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.chaos.life import ACCOUNT, Life
from tests.chaos.market import MES, SECOND, Script
from tests.chaos.wire import World
from workbench.domain.commands import PlaceOrder
from workbench.domain.order import OrderType, Side, Status
from workbench.execution.state import AccountState
from workbench.risk.limits import Limits
from workbench.services.decider import Decider
from workbench.services.snapshot import account_dict
from workbench.simulator.orders import LIVE
from workbench.storage.journal import Journal

BARE_S = 5
READY_S = 10
STOPS = (OrderType.STOP, OrderType.TRAILING_STOP, OrderType.STOP_LIMIT)


def broker_qty(world: World) -> int:
    return sum(p.qty for p in world.exchange.accounts[ACCOUNT].positions.values())


def working(world: World) -> dict[int, int]:
    """Order id → contracts that may still fill, suspended legs included."""
    return {o.id: o.remaining for o in world.exchange.orders.values() if o.account == ACCOUNT and o.status in LIVE}


def covered(world: World) -> int:
    """Contracts of the position that working stops on the other side cover."""
    qty = broker_qty(world)
    stops = [
        o.remaining
        for o in world.exchange.orders.values()
        if o.account == ACCOUNT and o.status == 1 and o.type in STOPS and Side(o.side).sign * qty < 0
    ]
    return min(abs(qty), sum(stops))


@dataclass
class Guard:
    """Watches the exchange all the time for a position without its stops."""

    world: World
    bare_since: int | None = None
    longest_bare_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    life: Life | None = None
    closing_by_person: bool = False

    def look(self, now: int) -> None:
        qty = broker_qty(self.world)
        if qty and covered(self.world) < abs(qty):
            self.bare_since = now if self.bare_since is None else self.bare_since
        else:
            self.bare_since = None
        life = self.life
        if life is None or not life.alive:
            return
        for order in list(life.runner.state.orders.values()):
            if order.status is Status.ABSENT and order.tag in self.tags():
                self.say(f"order {order.tag} was given up and the exchange has it")
        life.look(now)
        if life.ready_at is None:
            if now - life.started_at > READY_S * SECOND:
                self.say(f"not ready {READY_S} s after its start")
            return
        if self.bare_since is not None and not self.closing_by_person:
            bare_s = (now - max(self.bare_since, life.ready_at)) / SECOND
            self.longest_bare_s = max(self.longest_bare_s, bare_s)
            if bare_s > BARE_S:
                self.say(f"a position of {qty:+d} was without its stops for more than {BARE_S} s")

    def tags(self) -> set[str]:
        """Tags that the exchange has, and those that are still on their way."""
        return self.world.exchange.accounts[ACCOUNT].tags | self.world.under_way

    def say(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)


def orders_once(world: World, journal: Journal) -> list[str]:
    """No tag twice, nothing sent that is not in the journal, at most one order for one intent."""
    out = []
    tags = Counter(p["tag"] for p in world.placed)
    out += [f"tag {tag} was placed {n} times" for tag, n in tags.items() if n > 1]
    meant: dict[str, PlaceOrder] = {}
    for record in journal.records:
        meant |= {c.tag: c for c in record.commands if isinstance(c, PlaceOrder)}
    out += [f"order {tag} left and is not in the journal" for tag in tags if tag not in meant]
    unread = [p["tag"] for p in world.placed if p["tag"] in meant and _is_entry(meant[p["tag"]]) and not p["read"]]
    out += [f"entry {tag} left before the broker was read" for tag in unread]
    entries = Counter(meant[p["tag"]].rule for p in world.placed if p["tag"] in meant and _is_entry(meant[p["tag"]]))
    out += [f"intent {rule} was sent {n} times" for rule, n in entries.items() if n > 1]
    for rule in entries:
        most = max(c.qty for c in meant.values() if c.rule == rule and _is_entry(c))
        made = sum(p["request"].size for p in world.placed if p["tag"] in meant and meant[p["tag"]].rule == rule
                   and _is_entry(meant[p["tag"]]))  # fmt: skip
        if made > most:
            out.append(f"intent {rule} of {most} contracts was sent for {made}")
    return out


def _is_entry(command: PlaceOrder) -> bool:
    return command.rule.startswith(("entry", "manual")) and not command.rule.endswith(".bracket")


def equal_to_broker(world: World, state: AccountState, whose: str) -> list[str]:
    """Position, orders, fills and money of `state` are the exchange's."""
    out = []
    account = world.exchange.accounts[ACCOUNT]
    book = state.book(MES.id)
    if book.qty != broker_qty(world):
        out.append(f"{whose} has {book.qty:+d}, the broker {broker_qty(world):+d}")
    if book.locked:
        out.append(f"{whose}: the instrument is locked at the end: {book.locked}")
    if book.uncounted:
        out.append(f"{whose}: fills without their trade at the end: {book.uncounted}")
    own = {o.order_id: o.remaining for o in state.orders.values() if o.is_open}
    if own != working(world):
        out.append(f"{whose} has the working orders {own}, the broker {working(world)}")
    if unresolved(state):
        out.append(f"{whose}: still unresolved at the end: {unresolved(state)}")
    lost = [t.id for t in account.trades if t.id not in state.trades]
    if lost:
        out.append(f"{whose}: {len(lost)} of {len(account.trades)} fills are lost: {lost[:5]}")
    made = sum(((t.pnl or Decimal(0)) - t.fees - t.commissions for t in account.trades), Decimal(0))
    if abs(state.cash_usd() - made) >= Decimal("0.005"):
        out.append(f"{whose} has made {state.cash_usd():.4f} USD, the broker says {made:.4f}")
    today = sum(
        ((t.pnl or Decimal(0)) - t.fees - t.commissions for t in account.trades if t.at >= state.day_start), Decimal(0)
    )
    day = state.day_pnl_usd()
    if not book.qty and (day is None or abs(day - today) >= Decimal("0.005")):
        out.append(f"{whose} shows {day} USD for the day, it is {today:.4f}")
    if state.balance != account.balance:
        out.append(f"{whose} shows a balance of {state.balance}, the broker has {account.balance}")
    return out


def no_orphans(world: World) -> list[str]:
    """No exit outlives its position, and no more than the position is covered twice."""
    qty = broker_qty(world)
    exits = [o for o in world.exchange.orders.values() if o.account == ACCOUNT and o.status in LIVE and _is_exit(o)]
    if not qty:
        return [f"exit {o.id} still works and the position is flat" for o in exits if o.status == 1]
    stops = sum(o.remaining for o in exits if o.type in STOPS and o.status == 1)
    return [f"stops for {stops} contracts protect a position of {qty:+d}"] if stops > abs(qty) else []


def _is_exit(order: Any) -> bool:
    return order.parent is not None or order.type in STOPS


def unresolved(state: AccountState) -> list[str]:
    """Orders whose outcome is not known."""
    return [k for k, o in state.orders.items() if o.status in (Status.UNKNOWN, Status.SENT)]


def surface(world: World, state: AccountState) -> list[str]:
    """What people would see is what is."""
    out, shown, account = [], account_dict(state), world.exchange.accounts[ACCOUNT]
    if round(float(account.balance), 2) != shown["balance_usd"]:
        out.append(f"surfaces show a balance of {shown['balance_usd']}, it is {account.balance}")
    qty = sum(p["qty"] for p in shown["positions"])
    if qty != broker_qty(world):
        out.append(f"surfaces show {qty:+d} contracts, the broker has {broker_qty(world):+d}")
    if {o["order_id"] for o in shown["working"]} != set(working(world)):
        out.append("surfaces show other working orders than the broker has")
    fees = sum((t.fees + t.commissions for t in account.trades), Decimal(0))
    gross = sum((t.pnl or Decimal(0) for t in account.trades), Decimal(0))
    if abs(Decimal(str(shown["fees_usd"])) - fees) > Decimal("0.01"):
        out.append(f"surfaces show fees of {shown['fees_usd']}, they are {fees}")
    if abs(Decimal(str(shown["realized_usd"])) - gross) > Decimal("0.01"):
        out.append(f"surfaces show {shown['realized_usd']} realised, it is {gross}")
    return out


def replayed(path: Path, script: Script, limits: Limits) -> tuple[AccountState, Journal, str]:
    """The journal alone, run through the decision again."""
    state = AccountState(ACCOUNT, limits, lambda *_: script)
    journal = Journal(path)
    decider = Decider(state, journal)
    journal.close()
    return decider.state, journal, decider.damage


def same(live: AccountState, again: AccountState) -> list[str]:
    """The state of the process and that of its journal are one."""
    names = ("epoch", "seq", "trading_date", "day_baseline", "counted", "trades", "halted")
    out = [f"the journal gives another {n}" for n in names if getattr(live, n) != getattr(again, n)]
    if dict(live.orders) != dict(again.orders):
        out.append("the journal gives other orders")
    if live.books != again.books:
        out.append("the journal gives other books")
    return out
