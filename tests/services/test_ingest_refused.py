"""A contract that the gateway will not serve is told once, asked for by the hub alone, and costs the others nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.fakes import FakeSocket, Tokens
from tests.gateway.test_refused_contracts import refusing
from tests.services.test_ingest_watch import is_whole
from tests.services.test_orphans import ingest
from tests.services.test_supervisor import CONTRACT
from workbench.domain.errors import GatewayError
from workbench.gateway.faults import GatewayRefused
from workbench.gateway.hubs import HubStatus
from workbench.gateway.link import Timing
from workbench.gateway.protocol import Ping
from workbench.services.ingest_main import IngestProcess
from workbench.storage.home import Home

OLD = "CON.F.US.MNQ.U26"


class Case:
    """An ingest whose market hub is a fake socket that refuses what `respond` refuses."""

    def __init__(self, folder: Path, *refused: str) -> None:
        self.made, self.alerts = ingest(Home(folder)), list[str]()
        self.sockets: list[FakeSocket] = []
        self.respond = refusing(*refused)
        self.mono = 1000.0
        self.made._timed = True
        self.made.link.push = self._push  # type: ignore[method-assign, assignment]
        hub = self.made.client.market
        hub._tokens, hub._connect, hub.timing = Tokens(), self._connect, Timing(tick_s=0.002, first_pause_s=0.001)
        hub._monotonic = hub._refused._monotonic = lambda: self.mono

    def _push(self, topic: str, body: dict[str, Any]) -> None:
        self.alerts += [body["text"]] if topic == "alert" else []

    async def _connect(self, url: str) -> FakeSocket:
        self.sockets.append(FakeSocket(url, lambda call: self.respond(call)))  # noqa: PLW0108 - it changes
        return self.sockets[-1]

    def asked(self, contract: str) -> int:
        return sum(contract in arguments for socket in self.sockets for _, arguments in socket.calls)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[IngestProcess]:
        task = asyncio.create_task(self.made.client.run_market())
        try:
            await self.ready(1)
            yield self.made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ready(self, connections: int) -> None:
        hub = self.made.client.market
        async with asyncio.timeout(5):
            while hub.connections < connections or hub.status is not HubStatus.READY:
                await asyncio.sleep(0.001)


async def test_a_contract_desired_while_the_hub_was_down_and_then_refused_is_told_once(tmp_path: Path) -> None:
    case = Case(tmp_path, OLD)
    await case.made.watch({"contracts": [OLD, CONTRACT]})
    async with case.running() as made:
        assert [OLD in text and "choose the contract" in text for text in case.alerts] == [True]
        assert (is_whole(made, OLD), is_whole(made, CONTRACT)) == (False, True)
        for connection in (2, 3):
            case.sockets[-1].cut()
            await case.ready(connection)
        assert len(case.alerts) == 1
        assert (is_whole(made, OLD), is_whole(made, CONTRACT)) == (False, True)


async def test_a_desk_that_asks_for_a_refused_contract_for_ever_is_answered_alike_without_the_gateway(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, OLD)
    async with case.running() as made:
        said = set()
        for _ in range(20):
            with pytest.raises(GatewayError) as refused:
                await made.watch({"contracts": [OLD, CONTRACT]})
            said.add(str(refused.value))
        assert len(said) == 1 and OLD in said.pop()
        assert case.asked(OLD) == 2, "its quotes and its trades, once"
        assert is_whole(made, CONTRACT) and case.alerts == [], "who asks has been answered: no alert beside it"


async def test_a_contract_that_expires_is_told_at_the_reconnect_and_recorded_again_when_it_is_served(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path)
    async with case.running() as made:
        await made.watch({"contracts": [OLD, CONTRACT]})
        assert is_whole(made, OLD) and case.alerts == []
        case.respond = refusing(OLD)
        case.sockets[-1].cut()
        await case.ready(2)
        assert not is_whole(made, OLD) and len(case.alerts) == 1
        with pytest.raises(GatewayError, match=OLD):
            await made.watch({"contracts": [OLD, CONTRACT]})
        case.respond = refusing()
        case.mono += 6
        async with asyncio.timeout(5):
            while not is_whole(made, OLD):
                case.sockets[-1].say(Ping())
                await asyncio.sleep(0.001)
        assert len(case.alerts) == 2 and "served again" in case.alerts[1]
        await made.watch({"contracts": [OLD, CONTRACT]})


async def test_a_contract_that_cannot_be_understood_keeps_no_other_from_being_recorded(tmp_path: Path) -> None:
    case = Case(tmp_path)
    async with case.running() as made:
        with pytest.raises(Exception, match="nonsense"):
            await made.watch({"contracts": ["nonsense", CONTRACT]})
        assert CONTRACT in made.ingest.contracts and is_whole(made, CONTRACT)


# --- history at the seam ---------------------------------------------------------------------------------------------


class History:
    """Bars over REST: refused for some contracts, none for the others."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.asked = refused, list[str]()

    async def bars(self, contract: str, *rest: Any) -> Any:
        import polars as pl

        from workbench.domain.bar import bars_schema

        self.asked.append(contract)
        if contract in self.refused:
            raise GatewayRefused("/api/History/retrieveBars", 1, "ContractNotFound")
        return pl.DataFrame(schema=bars_schema())


async def test_a_contract_without_history_keeps_no_other_from_its_own(tmp_path: Path) -> None:
    case = Case(tmp_path)
    async with case.running() as made:
        await made.watch({"contracts": [OLD, CONTRACT]})
        history = History(OLD)
        with pytest.raises(GatewayRefused):
            await made.ingest.seam(history, made.clock.now() + 600 * 10**9)  # type: ignore[arg-type]
        assert history.asked == [OLD, CONTRACT]
        missing = {line.contract.id for line in made.ingest._lines.values() if line.missing}
        assert missing == {OLD}


async def test_history_that_is_refused_is_told_once_and_asked_for_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, told, asked = ingest(Home(tmp_path)), list[str](), list[float]()
    now = [100.0]

    async def seam(*_: Any) -> None:
        asked.append(now[0])
        raise GatewayRefused("/api/History/retrieveBars", 1, "ContractNotFound")

    async def sleep(seconds: float) -> None:
        now[0] += seconds
        if now[0] > 400:
            raise asyncio.CancelledError

    monkeypatch.setattr(made.ingest, "seam", seam)
    monkeypatch.setattr(type(made.ingest), "needs_seam", True)
    monkeypatch.setattr(made, "_alert", told.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    made._up = True
    with pytest.raises(asyncio.CancelledError):
        await made._write()
    assert [later - before for before, later in itertools.pairwise(asked)][:7] == [1, 2, 4, 8, 16, 30, 30]
    assert len(told) == 1
