"""Stopping one strategy: what counts as confirmed, and when its whole account is stopped instead."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.domain.errors import InputError, WorkbenchError
from workbench.services import session_stop
from workbench.services.session_stop import stop_session

pytestmark = pytest.mark.statement(39)
MES = "CON.F.US.MES.Z26"
MNQ = "CON.F.US.MNQ.Z26"
ORDER = {"order_id": 10, "side": "SELL", "qty": 3, "filled": 1, "contract": MES}
HELD = {"contract": MES, "qty": -2}


class Runner:
    """A runner that pushes the given snapshots after it was asked, one by one."""

    def __init__(self, *later: dict[str, Any], error: WorkbenchError | None = None) -> None:
        self.last = {"snapshot": snapshot("running", [ORDER], [HELD])}
        self.heard_at = time.monotonic()
        self.later, self.error, self.asked = later, error, list[tuple[str, dict[str, Any]]]()

    async def request(self, verb: str, body: dict[str, Any], timeout_s: float) -> None:
        self.asked.append((verb, body))
        if self.error is not None:
            raise self.error
        asyncio.get_running_loop().create_task(self._push())

    async def _push(self) -> None:
        for each in self.later:
            await asyncio.sleep(0.03)
            self.last, self.heard_at = {"snapshot": each}, time.monotonic()


class Desk:
    """One account with one session; `stops` keeps whose emergency stop was pressed."""

    def __init__(self, runner: Runner, *, market_open: bool = True) -> None:
        self.runners = {7: runner}
        self.hours = SimpleNamespace(is_open=lambda contract: market_open)
        self.stops: list[tuple[str, int, str]] = []
        self.said: list[tuple[str, str]] = []

    def find_session(self, session: str) -> tuple[int, dict[str, Any]]:
        (row,) = self.runners[7].last["snapshot"]["sessions"]
        return 7, {**row, "contract": MES}

    def alert(self, level: str, text: str, account: int | None = None) -> None:
        self.said.append((level, text))

    async def stop(self, reason: str, account: int, person: str) -> dict[str, Any]:
        self.stops.append((reason, account, person))
        return {"result": "FLAT", "remaining": []}


def snapshot(state: str, working: list[dict[str, Any]], positions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "sessions": [{"session": "s1", "state": state}],
        "account": {"working": working, "positions": positions},
    }


async def pressed(desk: Desk) -> dict[str, Any]:
    return await stop_session(desk, "s1", "enough", "ann")  # type: ignore[arg-type]


async def test_it_is_flat_when_the_runner_shows_the_session_ended_and_its_contract_empty() -> None:
    elsewhere = [{**ORDER, "contract": MNQ}], [{**HELD, "contract": MNQ}]
    runner = Runner(
        snapshot("ended", [ORDER], [HELD]), snapshot("ended", [], [HELD]), snapshot("ended", *elsewhere),
    )  # fmt: skip
    desk = Desk(runner)
    answer = await pressed(desk)
    assert (answer["result"], answer["remaining"], answer["escalated"], desk.stops) == ("FLAT", [], False, [])
    assert runner.last["snapshot"] == snapshot("ended", *elsewhere), "it waited for the last one"
    assert runner.asked == [("end", {"session": "s1", "contract": MES, "person": "enough (ann)"})]
    assert desk.said == [("warning", "session s1 stopped by ann: enough")]


async def test_a_closed_market_keeps_what_remains_and_it_is_listed() -> None:
    answer = await pressed(Desk(Runner(snapshot("ended", [ORDER], [HELD])), market_open=False))
    assert answer["result"] == "NOT_FLAT" and not answer["escalated"]
    assert answer["remaining"] == [f"order 10 SELL 2 {MES}", f"-2 {MES}"]


@pytest.mark.parametrize("left", [([ORDER], []), ([], [HELD])])
async def test_what_is_not_confirmed_in_time_stops_the_whole_account(
    monkeypatch: pytest.MonkeyPatch, left: tuple[list[Any], list[Any]]
) -> None:
    monkeypatch.setattr(session_stop, "CONFIRM_WITHIN_S", 0.2)
    desk = Desk(Runner(snapshot("ended", *left)))
    answer = await pressed(desk)
    assert answer["escalated"] and answer["stop"] == {"result": "FLAT", "remaining": []}
    ((reason, account, person),) = desk.stops
    assert "enough (session s1: the runner has not confirmed it within 0.2 s)" in reason
    assert (account, person) == (7, "ann") and desk.said[0][0] == "critical"


async def test_an_answer_from_before_the_question_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_stop, "CONFIRM_WITHIN_S", 0.2)
    runner = Runner()
    runner.heard_at = 0.0
    desk = Desk(runner)

    async def request(verb: str, body: dict[str, Any], timeout_s: float) -> None:
        runner.last = {"snapshot": snapshot("ended", [], [])}  # shown, but nothing has been heard since

    runner.request = request  # type: ignore[method-assign]
    assert (await pressed(desk))["escalated"]


async def test_a_runner_that_refuses_or_cannot_be_reached_is_not_waited_for() -> None:
    desk = Desk(Runner(error=WorkbenchError("the runner of account 7 is not connected")))
    answer = await pressed(desk)
    assert answer["escalated"] and desk.stops[0][0].endswith("(session s1: the runner of account 7 is not connected)")


async def test_a_session_that_is_over_is_told_and_nothing_is_stopped() -> None:
    runner = Runner()
    runner.last = {"snapshot": snapshot("ended", [], [])}
    desk = Desk(runner)
    with pytest.raises(InputError, match="session s1 is over; to close what is open stop its account: 7"):
        await pressed(desk)
    assert runner.asked == [] and desk.stops == []
