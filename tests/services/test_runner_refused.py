"""A contract that the gateway will not serve costs the other contracts of its runner nothing, and is told."""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.fakes import FakeSocket, Tokens
from tests.gateway.test_refused_contracts import refusing
from tests.services.test_feed import MINUTE, OPEN
from workbench.domain.events import BarClosed
from workbench.gateway.link import Timing
from workbench.gateway.protocol import Ping
from workbench.services.linking import make_link
from workbench.services.runner_main import RunnerProcess
from workbench.storage.home import Home
from workbench.storage.links import save_link

ACCOUNT = 7
GOOD, BAD = "CON.F.US.MES.Z26", "CON.F.US.MES.U26"


class Case:
    """A runner process whose market hub is a fake socket, with its feed alone running."""

    def __init__(self, folder: Path) -> None:
        place = Home(folder)
        save_link(place, make_link(account=ACCOUNT, name="PRAC-V2-1-1", balance=Decimal(1), by="me"))
        nobody = "http://127.0.0.1:9"
        options = argparse.Namespace(rest=nobody, hubs=nobody, desk=nobody, simulated=False)
        self.made = RunnerProcess(ACCOUNT, place, options, "a-token-of-sixteen")
        self.runner, self.now, self.mono = self.made.runner, OPEN + MINUTE // 2, 1000.0
        self.bars: list[BarClosed] = []
        feed, hub = self.runner.feed, self.made.client.market
        feed._now, feed._emit, feed._fetch = lambda: self.now, self.bars.append, self._fetch
        hub._tokens, hub._connect, hub.timing = Tokens(), self._connect, Timing(tick_s=0.002, first_pause_s=0.001)
        hub._monotonic = hub._refused._monotonic = lambda: self.mono
        self.respond, self.sockets = refusing(BAD), list[FakeSocket]()

    async def _fetch(self, *_: Any) -> list[BarClosed]:
        return []

    async def _connect(self, url: str) -> FakeSocket:
        self.sockets.append(FakeSocket(url, lambda call: self.respond(call)))  # noqa: PLW0108 - it changes
        return self.sockets[-1]

    def trade(self, minute: float, price: float) -> None:
        self.now = OPEN + int(minute * MINUTE)
        self.runner.feed.on_print(GOOD, self.now, price, 1)

    def said(self, words: str) -> int:
        return sum(words in alert["text"] and BAD in alert["text"] for alert in self.runner.alerts)


async def until(done: Any, socket: FakeSocket | None = None) -> None:
    async with asyncio.timeout(10):
        while not done():
            if socket is not None:
                socket.say(Ping())
            await asyncio.sleep(0.002)


@pytest.mark.statement(26)
@pytest.mark.parametrize("asked_before", [True, False])
async def test_a_contract_that_the_market_hub_refuses_leaves_the_others_with_their_bars(
    tmp_path: Path, asked_before: bool
) -> None:
    case = Case(tmp_path)
    hub = asyncio.create_task(case.made.client.run_market())
    feed = asyncio.create_task(case.runner._feed())
    try:
        if not asked_before:
            await until(lambda: case.runner.market_ready)
        for contract in (BAD, GOOD):
            case.runner.follow(contract, "1m", case.now)
        await until(lambda: case.runner.market_ready and case.said("no prices"))
        await until(lambda: case.runner.feed.idle and not case.runner._feeding)
        for minute in (1.5, 2.5, 3.5):
            case.trade(minute, 100.0 + minute)
        assert [bar.close for bar in case.bars] == [101.5, 102.5]
        assert case.said("choose the contract that trades now") == 1
        case.respond = refusing()
        case.mono += 6
        await until(lambda: case.said("come again"), case.sockets[-1])
        assert case.made.client.market.refused == [] and case.runner.market_ready
    finally:
        hub.cancel()
        feed.cancel()
        await asyncio.gather(hub, feed, return_exceptions=True)
        case.runner.decider.journal.close()
