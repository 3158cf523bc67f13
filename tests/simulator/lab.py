"""A simulator over a tape that a test writes by hand, in lockstep: nothing moves unless the test moves it."""

from __future__ import annotations

import json
from datetime import date

import numpy as np

from workbench.domain.contract import Contract, parse_contract
from workbench.domain.hours import at_local
from workbench.gateway.messages import BracketModel, ModifyOrderRequest, PlaceOrderRequest
from workbench.simulator import requests
from workbench.simulator.config import AccountSettings, Latency, SimulatorSettings
from workbench.simulator.market import FOREVER, Prints, no_prints
from workbench.simulator.server import Simulator

SECOND = 1_000_000_000
MES = parse_contract("MESZ26")
DAY = date(2026, 11, 18)  # a Wednesday
NINE = at_local(DAY, "09:00")
COMBINE = AccountSettings(id=2, name="50KTC-V2-2", programme="topstep-50k")


class Tape:
    """A feed of prints (seconds after nine, points, contracts[, side]); the first price stands from a minute before."""

    def __init__(self, *contracts: Contract, start: float = 6000.0) -> None:
        self.listed = contracts or (MES,)
        self.rows = {c.id: [(NINE - 60 * SECOND, c.spec.ticks(start), 1, 1)] for c in self.listed}

    def add(self, seconds: float, points: float, size: int = 10, side: int = 1, contract: Contract = MES) -> None:
        self.rows[contract.id].append((NINE + int(seconds * SECOND), contract.spec.ticks(points), size, side))

    def contracts(self, at: int) -> tuple[Contract, ...]:
        return self.listed

    def knows(self, contract: Contract) -> bool:
        return True

    def prints(self, contract: Contract, start: int, end: int) -> Prints:
        rows = sorted(self.rows.get(contract.id, []), key=lambda row: row[0])
        if not rows:
            return no_prints()
        return Prints(*(np.array(column, np.int64) for column in zip(*rows, strict=True))).between(start, end)

    def first_at(self, contract: Contract) -> int:
        return self.rows[contract.id][0][0]

    def end_at(self) -> int:
        return FOREVER


class Lab:
    """Place orders at nine o'clock, write prints, move time, look."""

    def __init__(self, *accounts: AccountSettings, tape: Tape | None = None, **config) -> None:
        self.tape = tape or Tape()
        config = {"latency": Latency(acceptance_ms=0, transport_ms=0)} | config
        accounts = accounts or (AccountSettings(id=1, name="PRAC-V2-1", programme="topstep-150k", rules=False),)
        self.simulator = Simulator(SimulatorSettings(start=NINE, lockstep=True, accounts=accounts, **config), self.tape)
        self.simulator.hubs.transcript = []
        self.exchange = self.simulator.exchange
        self.account = self.exchange.accounts[accounts[0].id]

    def place(self, *, type=2, side=0, size=1, contract=MES, sl=None, tp=None, sl_type=4, limit=None, stop=None,
              trail=None, tag=None, account=None) -> requests.Answer:  # fmt: skip
        contract_id = contract if isinstance(contract, str) else contract.id
        return requests.place(
            self.exchange,
            PlaceOrderRequest(
                account_id=account or self.account.id, contract_id=contract_id,
                type=type, side=side, size=size, limit_price=limit, stop_price=stop, trail_price=trail, custom_tag=tag,
                stop_loss_bracket=None if sl is None else BracketModel(ticks=sl, type=sl_type),
                take_profit_bracket=None if tp is None else BracketModel(ticks=tp, type=1),
            ),
        )  # fmt: skip

    def modify(self, order_id: int, **changes) -> requests.Answer:
        return requests.modify(
            self.exchange, ModifyOrderRequest(account_id=self.account.id, order_id=order_id, **changes)
        )

    def cancel(self, order_id: int) -> requests.Answer:
        return requests.cancel(self.exchange, self.account.id, order_id)

    def close(self, size: int | None = None) -> requests.Answer:
        return requests.close(self.exchange, self.account.id, MES.id, size)

    def prints(self, *points: float, size: int = 10) -> None:
        """Print these prices a second apart from now on, and let time pass over them."""
        start = (self.exchange.now - NINE) / SECOND
        for n, price in enumerate(points, 1):
            self.tape.add(start + n, price, size)
        self.simulator.advance(self.exchange.now + (len(points) + 1) * SECOND)

    def to(self, clock: str, day: date = DAY) -> None:
        self.simulator.advance(at_local(day, clock))

    def order(self, order_id: int):
        return self.exchange.orders[order_id]

    def children(self, answer: requests.Answer) -> list:
        return [self.order(number) for number in self.order(answer.order_id).children]

    @property
    def qty(self) -> int:
        position = self.account.positions.get(MES.id)
        return position.qty if position else 0

    def events(self) -> list[tuple[str, dict]]:
        """Return the user events so far as (short name, data)."""
        said = (json.loads(text[:-1]) for text in self.simulator.hubs.transcript)
        return [
            (m["target"].removeprefix("GatewayUser"), m["arguments"][0]["data"])
            for m in said
            if m["target"].startswith("GatewayUser")
        ]

    def story(self) -> list[str]:
        """Return the user events as words: Order6, Trade, Position2, Account …"""
        words = []
        for name, data in self.events():
            extra = {"Order": data.get("status"), "Position": data.get("size")}.get(name, "")
            words.append(f"{name}{extra}")
        return words
