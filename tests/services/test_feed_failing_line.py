"""A line whose history cannot be read costs the other lines nothing, and loses nothing itself."""

from __future__ import annotations

import msgspec
import pytest

from tests.services.test_feed import MINUTE, OPEN, bar
from workbench.domain.errors import GatewayError
from workbench.domain.events import BarClosed
from workbench.domain.timeframe import Timeframe
from workbench.gateway.faults import GatewayRefused, GatewayUnavailable
from workbench.services.feed import WAITING_BARS, Feed

GOOD, BAD, THIRD = "CON.F.US.MES.Z26", "CON.F.US.MES.U26", "CON.F.US.MNQ.Z26"


class World:
    """Lines of three contracts; history of some of them cannot be read."""

    def __init__(self, *contracts: str) -> None:
        self.now, self.mono = OPEN + MINUTE // 2, 100.0
        self.failing: dict[str, Exception] = {}
        self.history: list[BarClosed] = []
        self.asked: list[str] = []
        self.out: list[BarClosed] = []
        self.feed = Feed(self.fetch, self.out.append, lambda: self.now, lambda: self.mono)
        for contract in contracts:
            self.feed.open(contract, "1m", OPEN)

    async def fetch(self, contract: str, frame: Timeframe, start: int, end: int) -> list[BarClosed]:
        self.asked.append(contract)
        if contract in self.failing:
            raise self.failing[contract]
        return [b for b in self.history if b.contract == contract and b.start >= start and b.end <= end]

    def trade(self, contract: str, minute: float, price: float) -> None:
        self.now = max(self.now, OPEN + int(minute * MINUTE))
        self.feed.on_print(contract, OPEN + int(minute * MINUTE), price, 1)

    def minutes(self, contract: str) -> list[tuple[int, float]]:
        return [((b.start - OPEN) // MINUTE, b.close) for b in self.out if b.contract == contract]


async def fill(world: World) -> str:
    """Fill; return what was raised."""
    try:
        await world.feed.fill()
    except (GatewayError, ConnectionError) as error:
        return str(error)
    return ""


def of(contract: str, minute: int) -> BarClosed:
    return msgspec.structs.replace(bar(minute, 100.0 + minute), contract=contract)


def refusal() -> GatewayRefused:
    return GatewayRefused("/api/History/retrieveBars", 1, "ContractNotFound")


@pytest.mark.statement(26)
async def test_a_contract_whose_history_is_refused_keeps_no_other_waiting() -> None:
    world = World(BAD, GOOD, THIRD)
    world.failing[BAD] = refusal()
    said = await fill(world)
    assert world.asked == [BAD, GOOD, THIRD]
    assert BAD in said and "ContractNotFound" in said and "choose the contract that trades now" in said
    for minute in range(1, 5):
        world.trade(GOOD, minute + 0.5, 100.0 + minute)
    assert world.minutes(GOOD) == [(1, 101.0), (2, 102.0), (3, 103.0)]


@pytest.mark.statement(26)
async def test_the_others_come_back_after_an_outage_though_one_cannot_be_read() -> None:
    world = World(BAD, GOOD)
    await world.feed.fill()
    world.failing[BAD] = refusal()
    world.history = [bar(m, 200.0 + m) for m in range(5)]
    world.now = OPEN + 4 * MINUTE + MINUTE // 2
    world.feed.stream_ready()
    assert BAD in await fill(world)
    world.trade(GOOD, 4.9, 104.0)
    world.trade(GOOD, 5.1, 105.0)
    await fill(world)
    world.trade(GOOD, 6.1, 106.0)
    assert world.minutes(GOOD) == [(0, 200.0), (1, 201.0), (2, 202.0), (3, 203.0), (4, 204.0), (5, 105.0)]


async def test_the_pause_of_a_line_that_fails_doubles_up_to_ten_seconds_or_a_minute_where_it_is_refused() -> None:
    bounds = {BAD: [0.0, 1, 2, 4, 8, 16, 32, 60, 60], THIRD: [0.0, 1, 2, 4, 8, 10, 10, 10, 10]}
    for contract, pauses in bounds.items():
        world = World(contract)
        world.failing[contract] = refusal() if contract == BAD else GatewayUnavailable("/api/History", "reset")
        await fill(world)
        for asked, pause in enumerate(pauses, 1):
            if pause:
                world.mono += pause - 0.01
                assert world.feed.idle, "nothing is to be read before its pause is over"
                await fill(world)
                assert len(world.asked) == asked
                world.mono += 0.02
            assert not world.feed.idle
            await fill(world)
            assert len(world.asked) == asked + 1


async def test_a_line_that_goes_on_failing_is_told_six_times_and_no_more() -> None:
    world = World(BAD)
    world.failing[BAD] = refusal()
    said = []
    for _ in range(40):
        said.append(await fill(world))
        world.mono += 61
    assert [bool(text) for text in said] == [True] * 6 + [False] * 34
    assert len(world.asked) == 40


async def test_two_lines_that_fail_are_both_named() -> None:
    world = World(BAD, THIRD, GOOD)
    world.failing = {BAD: refusal(), THIRD: GatewayUnavailable("/api/History", "reset")}
    said = await fill(world)
    assert BAD in said and THIRD in said and GOOD not in said


@pytest.mark.statement(26)
async def test_a_line_that_is_read_at_last_has_every_bar_once_and_in_order() -> None:
    world = World(BAD, GOOD)
    world.failing[BAD] = GatewayUnavailable("/api/History", "reset")
    for minute in range(8):
        world.trade(BAD, minute + 0.5, 100.0 + minute)
        await fill(world)
        world.mono += 11
    assert world.minutes(BAD) == [], "nothing overtakes history"
    del world.failing[BAD]
    world.history = [of(BAD, m) for m in range(5)]
    await fill(world)
    assert world.minutes(BAD) == [(m, 100.0 + m) for m in range(7)]
    world.trade(BAD, 8.5, 108.0)
    assert world.minutes(BAD)[-1] == (7, 107.0) and world.feed.idle


async def test_what_waits_behind_a_failing_history_stays_bounded_and_loses_nothing() -> None:
    world = World(BAD)
    world.failing[BAD] = refusal()
    await fill(world)
    many = WAITING_BARS + 100
    for minute in range(many + 1):
        world.trade(BAD, minute + 0.5, 100.0 + minute)
    (line,) = world.feed._lines.values()
    assert len(line.waiting) == WAITING_BARS
    del world.failing[BAD]
    world.history = [of(BAD, m) for m in range(many - 10)]  # history may be a few bars behind
    world.mono += 61
    await fill(world)
    assert world.minutes(BAD) == [(m, 100.0 + m) for m in range(many)]


async def test_a_hub_that_comes_back_has_a_failing_line_read_at_once() -> None:
    world = World(BAD)
    world.failing[BAD] = refusal()
    for _ in range(9):
        await fill(world)
        world.mono += 61
    await fill(world)
    world.mono += 1
    assert world.feed.idle
    world.feed.stream_ready()
    assert not world.feed.idle


# --- contracts whose prints do not come ------------------------------------------------------------------------------


@pytest.mark.statement(26)
async def test_the_bar_during_which_a_refused_contract_is_served_again_is_taken_from_history() -> None:
    world = World(GOOD, BAD)
    await world.feed.fill()
    world.feed.refused(BAD)
    world.now = OPEN + 2 * MINUTE
    world.feed.stream_ready()  # of the hub, which is READY without it
    await world.feed.fill()
    world.trade(BAD, 5.5, 555.0)  # a print may come a moment before the acceptance
    world.trade(BAD, 6.2, 556.0)
    assert world.minutes(BAD) == [], "the half of minute 5 that was seen is not handed on"
    world.feed.served(BAD)
    world.trade(BAD, 7.2, 107.0)
    world.history = [of(BAD, m) for m in range(7)]
    await world.feed.fill()
    world.trade(BAD, 8.2, 108.0)
    assert world.minutes(BAD) == [*((m, 100.0 + m) for m in range(7)), (7, 107.0)]


@pytest.mark.statement(26)
async def test_a_bar_during_which_the_stream_was_lost_is_taken_from_history_though_it_ends_meanwhile() -> None:
    world = World(GOOD)
    await world.feed.fill()
    world.trade(GOOD, 1.1, 1.0)
    world.feed.stream_lost()
    world.now = OPEN + 2 * MINUTE
    world.feed.advance(world.now)
    assert world.minutes(GOOD) == [], "minute 1 was seen in part"
    world.history = [bar(0, 100.0), bar(1, 101.0)]
    await world.feed.fill()
    assert world.minutes(GOOD) == [(0, 100.0), (1, 101.0)]
