"""What ingest is told to record it records, or the desk is told that it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.services.test_orphans import ingest
from tests.services.test_supervisor import CONTRACT
from workbench.gateway.faults import GatewayUnavailable
from workbench.services.ingest_main import IngestProcess
from workbench.storage.home import Home

OTHER = "CON.F.US.MNQ.Z26"


class Hub:
    """The client's subscriptions, refused as often as is wished."""

    def __init__(self, failures: int) -> None:
        self.failures, self.asked = failures, list[str]()

    async def watch_contract(self, contract: str) -> None:
        self.asked.append(contract)
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise GatewayUnavailable("SubscribeContractQuotes", "no completion within 5 s")


def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int) -> tuple[IngestProcess, Hub]:
    made, hub = ingest(Home(tmp_path)), Hub(failures)
    monkeypatch.setattr(made.client, "watch_contract", hub.watch_contract)
    made._timed = made._up = True
    return made, hub


def is_whole(made: IngestProcess, contract: str) -> bool:
    return all(line.whole_from is not None for line in made.ingest._chosen(contract))


async def test_a_contract_that_the_hub_did_not_take_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, hub = recording(tmp_path, monkeypatch, failures=1)
    with pytest.raises(GatewayUnavailable, match="no completion"):
        await made.watch({"contracts": [CONTRACT, OTHER]})
    assert (is_whole(made, CONTRACT), is_whole(made, OTHER)) == (False, True), "the others begin all the same"
    await made.watch({"contracts": [CONTRACT, OTHER]})
    assert is_whole(made, CONTRACT) and hub.asked == [CONTRACT, OTHER, CONTRACT]


async def test_one_that_is_asked_for_while_it_is_being_taken_waits_for_how_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, hub = recording(tmp_path, monkeypatch, failures=1)
    asking = (made.watch({"contracts": [CONTRACT]}) for _ in range(3))
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(a, GatewayUnavailable) for a in answers] == [True, False, False]
    assert is_whole(made, CONTRACT) and hub.asked == [CONTRACT] * 2


async def test_one_whose_asking_was_broken_off_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, hub = recording(tmp_path, monkeypatch, failures=0)
    task = asyncio.create_task(made.watch({"contracts": [CONTRACT]}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await made.watch({"contracts": [CONTRACT]})
    assert is_whole(made, CONTRACT) and hub.asked == [CONTRACT] * 2
