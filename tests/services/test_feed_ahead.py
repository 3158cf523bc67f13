"""A print with a garbled stamp, hours ahead of the clock, ends no bar and blinds no rule."""

from __future__ import annotations

import pytest

from tests.services.test_feed import CONTRACT, MINUTE, OPEN, World


@pytest.mark.statement(46)
@pytest.mark.parametrize("ahead_min", [61, 300, 1380])
async def test_a_print_from_hours_ahead_is_left_out_and_the_bars_go_on(ahead_min: int) -> None:
    world = World()
    world.feed.open(CONTRACT, "1m", OPEN)
    world.to(1.0)
    await world.feed.fill()
    world.trade(1.1, 101.0)
    world.feed.on_print(CONTRACT, OPEN + ahead_min * MINUTE + MINUTE // 2, 9.0, 1)
    for minute in (2, 3, 4):
        world.trade(minute + 0.1, 100.0 + minute)
    world.to(5.0)
    assert world.minutes() == [(1, 101.0), (2, 102.0), (3, 103.0), (4, 104.0)]
    assert world.feed.odd == 1


async def test_a_computer_whose_clock_is_minutes_slow_hears_the_market() -> None:
    world = World()
    world.feed.open(CONTRACT, "1m", OPEN)
    world.to(1.0)
    await world.feed.fill()
    for minute in (4, 5, 6):
        world.feed.on_print(CONTRACT, OPEN + minute * MINUTE + 1, 100.0 + minute, 1)
        world.to(minute - 2)
    assert world.minutes() == [(4, 104.0), (5, 105.0)] and world.feed.odd == 0


@pytest.mark.statement(46)
@pytest.mark.parametrize("frame", ["1m", "4h", "1d"])
@pytest.mark.parametrize("years", [2, 30, 56])
async def test_a_print_from_years_back_ends_neither_the_feed_nor_a_bar(frame: str, years: int) -> None:
    world = World()
    world.feed.open(CONTRACT, frame, OPEN)
    world.to(1.0)
    await world.feed.fill()
    world.feed.on_print(CONTRACT, OPEN - years * 365 * 1440 * MINUTE, 9.0, 1)
    world.trade(1.1, 101.0)
    world.feed.on_print(CONTRACT, OPEN - years * 365 * 1440 * MINUTE, 9.0, 1)
    world.to(2.0)
    assert world.minutes() == ([(1, 101.0)] if frame == "1m" else [])
    assert world.feed.odd == 2
