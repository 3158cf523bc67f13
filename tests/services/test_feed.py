"""The seam of history and stream: each bar once, in order, and never the half of one."""

from __future__ import annotations

import pytest

from workbench.domain.events import BarClosed
from workbench.domain.hours import trading_hours
from workbench.domain.timeframe import Timeframe
from workbench.services.feed import Feed

CONTRACT = "CON.F.US.MES.Z26"
MINUTE = 60_000_000_000
OPEN = trading_hours("index").window(__import__("datetime").date(2026, 11, 19)).open


def bar(minute: int, close: float, volume: int = 10) -> BarClosed:
    start = OPEN + minute * MINUTE
    return BarClosed(
        at=start + MINUTE, contract=CONTRACT, timeframe="1m", start=start, end=start + MINUTE,
        open=close, high=close, low=close, close=close, volume=volume,
    )  # fmt: skip


class World:
    """History at the gateway, a clock, and what the feed hands on."""

    def __init__(self) -> None:
        self.now = OPEN
        self.history: list[BarClosed] = []
        self.asked: list[tuple[int, int]] = []
        self.out: list[BarClosed] = []
        self.fail = 0
        self.feed = Feed(self.fetch, self.out.append, lambda: self.now)

    async def fetch(self, contract: str, frame: Timeframe, start: int, end: int) -> list[BarClosed]:
        self.asked.append((start, end))
        if self.fail:
            self.fail -= 1
            raise ConnectionError("away")
        return [b for b in self.history if b.start >= start and b.end <= end]

    def to(self, minute: float) -> None:
        self.now = OPEN + int(minute * MINUTE)
        self.feed.advance(self.now)

    def trade(self, minute: float, price: float, size: int = 1) -> None:
        self.now = max(self.now, OPEN + int(minute * MINUTE))
        self.feed.on_print(CONTRACT, OPEN + int(minute * MINUTE), price, size)

    def minutes(self) -> list[tuple[int, float]]:
        return [((b.start - OPEN) // MINUTE, b.close) for b in self.out]


@pytest.fixture
def world() -> World:
    return World()


async def test_history_then_stream_without_gap_or_repeat(world: World) -> None:
    world.history = [bar(m, 100.0 + m) for m in range(6)]
    world.now = OPEN + int(5.5 * MINUTE)
    world.feed.open(CONTRACT, "1m", OPEN)
    await world.feed.fill()
    assert world.minutes() == [(m, 100.0 + m) for m in range(5)]
    world.trade(5.6, 999.0)  # only the second half of minute 5 is seen
    world.trade(6.1, 106.0)
    await world.feed.fill()
    world.trade(7.2, 107.0)
    assert world.minutes() == [(m, 100.0 + m) for m in range(7)], "minute 5 comes whole from history, 6 from the stream"


async def test_bars_that_close_while_history_is_read_wait_their_turn(world: World) -> None:
    world.now = OPEN + MINUTE // 2
    world.feed.open(CONTRACT, "1m", OPEN)
    world.trade(1.5, 101.0)
    world.trade(2.5, 102.0)
    assert world.minutes() == [], "nothing overtakes history"
    world.history = [bar(0, 100.0), bar(1, 101.0)]
    await world.feed.fill()
    assert world.minutes() == [(0, 100.0), (1, 101.0)]


async def test_a_line_that_is_opened_again_brings_the_history_of_the_next_session(world: World) -> None:
    world.history = [bar(m, 100.0 + m) for m in range(6)]
    world.now = OPEN + 6 * MINUTE
    world.feed.open(CONTRACT, "1m", OPEN + 4 * MINUTE)  # a session with little warm-up, which ends
    await world.feed.fill()
    assert [m for m, _ in world.minutes()] == [4, 5]
    world.out.clear()
    world.feed.open(CONTRACT, "1m", OPEN)  # the next one needs more
    assert not world.feed.idle
    await world.feed.fill()
    assert [m for m, _ in world.minutes()] == [0, 1, 2, 3, 4, 5]
    world.feed.open(CONTRACT, "1m", OPEN + 6 * MINUTE)
    assert world.feed.idle, "nothing is missing"


async def test_a_line_that_is_opened_again_while_history_is_read_loses_none_of_it(world: World) -> None:
    world.history = [bar(m, 100.0 + m) for m in range(4)]
    world.now = OPEN + 4 * MINUTE
    read = world.fetch

    async def fetch(contract: str, frame: Timeframe, start: int, end: int) -> list[BarClosed]:
        if not world.asked:
            world.feed.open(CONTRACT, "1m", OPEN)
        return await read(contract, frame, start, end)

    world.feed._fetch = fetch
    world.feed.open(CONTRACT, "1m", OPEN + 3 * MINUTE)
    await world.feed.fill()
    assert [m for m, _ in world.minutes()] == [0, 1, 2, 3] and world.feed.idle


async def test_an_outage_is_filled_from_history(world: World) -> None:
    world.feed.open(CONTRACT, "1m", OPEN)
    await world.feed.fill()
    world.trade(0.1, 100.0)
    world.trade(1.1, 101.0)
    await world.feed.fill()
    world.now = OPEN + 4 * MINUTE + MINUTE // 2  # the hub was away from 1.1 to 4.5
    world.history = [bar(m, 200.0 + m) for m in range(5)]
    world.feed.stream_ready()
    await world.feed.fill()
    world.trade(4.9, 104.0)
    world.trade(5.1, 105.0)
    await world.feed.fill()
    assert [m for m, _ in world.minutes()] == [0, 1, 2, 3, 4]
    assert world.minutes()[-1] == (4, 204.0), "the bar during which the hub came back is history's"


async def test_a_failed_reading_is_asked_again_and_loses_nothing(world: World) -> None:
    world.now = OPEN + 2 * MINUTE
    world.history = [bar(0, 100.0), bar(1, 101.0)]
    world.fail = 1
    world.feed.open(CONTRACT, "1m", OPEN)
    with pytest.raises(ConnectionError):
        await world.feed.fill()
    assert not world.feed.idle
    await world.feed.fill()
    assert world.minutes() == [(0, 100.0), (1, 101.0)]
    assert world.feed.idle


async def test_a_silent_bar_ends_with_the_clock(world: World) -> None:
    world.feed.open(CONTRACT, "1m", OPEN - 1)
    await world.feed.fill()
    world.to(1.0)
    await world.feed.fill()
    world.trade(1.2, 101.0)
    world.to(2.0)
    assert world.minutes() == [(1, 101.0)], "no print, no bar; the clock alone ends the one that has prints"


@pytest.mark.statement(46)
async def test_a_print_from_years_ahead_is_left_out_and_counted(world: World) -> None:
    world.feed.open(CONTRACT, "1m", OPEN)
    await world.feed.fill()
    world.trade(0.5, 6000.0)
    world.feed.on_print(CONTRACT, OPEN + 40 * 365 * 1440 * MINUTE, 1.0, 1)
    world.trade(0.7, 6001.0)
    world.to(1)
    world.trade(1.5, 6002.0)
    world.to(2)
    await world.feed.fill()
    assert world.feed.odd == 1
    assert [close for _, close in world.minutes()][-1] == 6002.0


async def test_a_hub_that_comes_back_while_time_stands_still_asks_for_nothing(world: World) -> None:
    # In lockstep the market waits for us: a reading that can hold no bar must not be asked for again and again.
    world.now = OPEN + 2 * MINUTE
    world.history = [bar(0, 100.0), bar(1, 101.0)]
    world.feed.open(CONTRACT, "1m", OPEN)
    await world.feed.fill()
    asked = len(world.asked)
    world.feed.stream_ready()
    await world.feed.fill()
    assert world.feed.idle and len(world.asked) == asked
